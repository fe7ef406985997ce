"""Answers to the one question of a step: recorded once, then what was said stands in the house's data, with its origin."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.audience.addresses import Keyring, NormalAddress, hash_address
from om_campaigns.audience.columns_de import fold
from om_campaigns.audience.models import (
    Address,
    Network,
    NetworkOrganisation,
    OrganisationInterest,
    Person,
    Response,
    Seat,
    SeatRole,
)
from om_campaigns.audience.vocabulary import ROLE_STRENGTH, AddressKind, NetworkKind, Origin, ResponseKind, Role
from om_campaigns.columns import digest, dump_json, table_of
from om_campaigns.compose.frontmatter import AnswerTarget
from om_campaigns.feedback.leaving import note_change, person_of
from om_campaigns.feedback.models import TaskKind
from om_campaigns.feedback.tasks import open_task

ACTOR = "answer page"


@dataclass(frozen=True, slots=True)
class Said:
    """What a house said through one letter. Only the field of its target is filled."""

    campaign_id: int
    campaign: str
    occasion: str
    step: str
    organisation_id: int
    address_id: int
    target: AnswerTarget
    name: str = ""
    """Of a person, or of a house that is not among those one could choose."""
    email: NormalAddress | None = None
    chosen: tuple[str, ...] = ()
    offered: tuple[str, ...] = ()
    """Everything one could have chosen: what was not ticked is taken back, and nothing else."""
    texts: tuple[tuple[str, str], ...] = ()
    """(question, answer)."""

    def detail(self) -> dict[str, Any]:
        """For the record; a person who is named stands in their own row, and here is added which (``person``)."""
        if self.target is AnswerTarget.distributor:
            return {"target": self.target.value}
        if self.target is AnswerTarget.note:
            return {"target": self.target.value, "texts": [list(each) for each in self.texts]}
        proposed = {"proposed": self.name} if self.name and self.target is AnswerTarget.contacts_wanted else {}
        return {"target": self.target.value, "chosen": list(self.chosen)} | proposed


def record_answer(session: Session, keyring: Keyring, said: Said, now: datetime) -> bool:
    """Record what was said and let it take effect; False when the very same was said before."""
    named = [said.name, said.email.normal_key if said.email else ""]
    key = digest(said.campaign, said.step, str(said.address_id), dump_json([said.detail(), named]))
    is_new = store.add_new(
        session,
        table_of(Response),
        kind=ResponseKind.answer,
        source_key=key,
        at=now,
        organisation_id=said.organisation_id,
        person_id=person_of(session, said.address_id),
        campaign_id=said.campaign_id,
        occasion=said.occasion,
        step=said.step,
        detail=said.detail(),
    )
    if is_new:
        if more := _EFFECTS[said.target](session, keyring, said, now):
            response = table_of(Response)
            mine = response.c.kind == ResponseKind.answer, response.c.source_key == key
            session.execute(update(response).where(*mine).values(detail=said.detail() | more))
        session.flush()
    return is_new


def _name_distributor(session: Session, keyring: Keyring, said: Said, now: datetime) -> dict[str, Any]:
    """The person gets a seat and the role; an address that was typed in gets no basis, so nobody writes to it (BGH I ZR 208/12)."""
    given = said.email
    if given is None:
        return {}
    address = session.execute(select(Address).where(col(Address.normal_key) == given.normal_key)).scalar_one_or_none()
    if address is None:
        address = Address(
            address=given.address,
            normal_key=given.normal_key,
            domain=given.domain,
            kind=AddressKind.personal,
            hmac=hash_address(keyring, given.normal_key),
            key_id=keyring.current,
        )
        session.add(address)
        session.flush()
    number = person_of(session, address.id or 0)
    if number is None:
        person = Person(full_name=said.name, name_key=fold(said.name), main_address_id=address.id, origin=Origin.answer)
        session.add(person)
        session.flush()
        number = person.id or 0
        note_change(session, "person", number, "name", None, said.name, now, ACTOR)
    seat = session.execute(
        select(Seat).where(col(Seat.person_id) == number, col(Seat.organisation_id) == said.organisation_id)
    ).scalar_one_or_none()
    if seat is None:
        seat = Seat(person_id=number, organisation_id=said.organisation_id, is_primary_home=True)
        session.add(seat)
    seat.strength = min(seat.strength, ROLE_STRENGTH[Role.distributor])
    session.flush()
    if store.add_new(session, table_of(SeatRole), seat_id=seat.id, role=Role.distributor):
        note_change(session, "organisation", said.organisation_id, "distributor", None, f"person {number}", now, ACTOR)
    _ask_people(session, TaskKind.distributor_named, said, now, address_id=address.id)
    return {"person": number}


def _set_interests(session: Session, _keyring: Keyring, said: Said, now: datetime) -> None:
    table = table_of(OrganisationInterest)
    mine = table.c.organisation_id == said.organisation_id
    old = set(session.execute(select(table.c.topic).where(mine)).scalars())
    new = (old - set(said.offered)) | set(said.chosen)
    if new == old:
        return
    session.execute(delete(table).where(mine, table.c.topic.in_(old - new)))
    session.add_all(OrganisationInterest(organisation_id=said.organisation_id, topic=topic) for topic in sorted(new - old))
    note_change(session, "organisation", said.organisation_id, "interests", ",".join(sorted(old)), ",".join(sorted(new)), now, ACTOR)


def _name_networks(session: Session, _keyring: Keyring, said: Said, now: datetime) -> None:
    """A network that is known by this name, else a new one of the kind ``other``."""
    known = {fold(row.name): row for row in session.execute(select(Network)).scalars()}
    for name in said.chosen:
        network = known.get(fold(name))
        if network is None:
            network = known[fold(name)] = Network(
                slug=_slug(name, {each.slug for each in known.values()}), name=name, kind=NetworkKind.other
            )
            session.add(network)
            session.flush()
        if store.add_new(session, table_of(NetworkOrganisation), network_id=network.id, organisation_id=said.organisation_id):
            note_change(session, "organisation", said.organisation_id, "network", None, network.slug, now, ACTOR)


def _want_contacts(session: Session, _keyring: Keyring, said: Said, now: datetime) -> None:
    """Houses that are known by slug; one that was proposed by the name it was given."""
    wanted = {"houses": ",".join(said.chosen)} | ({"proposed": said.name} if said.name else {})
    named = ",".join((*said.chosen, *([said.name] if said.name else [])))
    note_change(session, "organisation", said.organisation_id, "contacts_wanted", None, named, now, ACTOR)
    _ask_people(session, TaskKind.contacts_wanted, said, now, address_id=said.address_id, **wanted)


def _keep_note(_session: Session, _keyring: Keyring, _said: Said, _now: datetime) -> None:
    """A note stands in the record itself; nothing follows from it but reading it."""


_EFFECTS: Mapping[AnswerTarget, Callable[[Session, Keyring, Said, datetime], dict[str, Any] | None]] = {
    AnswerTarget.distributor: _name_distributor,
    AnswerTarget.interests: _set_interests,
    AnswerTarget.networks: _name_networks,
    AnswerTarget.contacts_wanted: _want_contacts,
    AnswerTarget.note: _keep_note,
}
"""What an answer does; what it gives is added to the record."""


def _ask_people(session: Session, kind: TaskKind, said: Said, now: datetime, *, address_id: int | None, **detail: str) -> None:
    key = digest(kind.value, said.campaign, said.step, str(said.organisation_id), str(address_id), dump_json(detail))
    open_task(
        session,
        kind,
        key,
        now,
        organisation_id=said.organisation_id,
        address_id=address_id,
        letter=f"{said.campaign}/{said.step}",
        **detail,
    )


def _slug(name: str, taken: set[str]) -> str:
    plain = unicodedata.normalize("NFKD", name.casefold()).encode("ascii", "ignore").decode()
    stem = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:60] or "netz"
    return next(each for each in (stem, *(f"{stem}-{number}" for number in range(2, 1000))) if each not in taken)
