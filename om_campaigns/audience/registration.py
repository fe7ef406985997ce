"""People who come in through a page: their address and their name are taken down once, also when two say them at the same moment."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.audience.addresses import NormalAddress, hash_address, hash_folded
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.german import fold
from om_campaigns.audience.models import Address, Person
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.columns import table_of
from om_campaigns.keyring import Keyring


def take_address(session: Session, keyring: Keyring, given: NormalAddress) -> Address:
    """The address, new or known, for this transaction alone: nobody else finds out meanwhile that nobody stands behind it."""
    key = given.normal_key
    fresh = Address(**given._asdict(), hmac=hash_address(keyring, key), folded_hmac=hash_folded(keyring, key), key_id=keyring.current)
    store.add_new(session, table_of(Address), **fresh.model_dump(exclude={"id"}))
    query = select(Address).where(col(Address.normal_key) == given.normal_key)
    found: Address = session.execute(query.with_for_update(key_share=True)).scalar_one()
    return found


def take_person(session: Session, name: str, address_id: int, now: datetime, actor: str, language: str | None = None) -> int:
    """A person nobody knew, by the name that was typed; returns the id."""
    person = Person(full_name=name, name_key=fold(name), main_address_id=address_id, language=language, origin=Origin.answer)
    session.add(person)
    session.flush()
    record_change(session, "person", person.id, "name", None, name, now, actor, Origin.answer)
    return person.id
