"""Answers to the one question of a step: recorded once, then what was said stands in the house's data, with its origin."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, select, update
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.audience.access import find_receivers
from om_campaigns.audience.addresses import NormalAddress
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.german import fold
from om_campaigns.audience.models import (
    Network,
    NetworkOrganisation,
    Organisation,
    OrganisationInterest,
    Response,
    Seat,
    SeatRole,
)
from om_campaigns.audience.registration import take_address, take_person
from om_campaigns.audience.seats import people_of, person_of
from om_campaigns.audience.tasks import TaskKind, open_task
from om_campaigns.audience.vocabulary import ROLE_STRENGTH, AddressKind, NetworkKind, Origin, ResponseKind, Role
from om_campaigns.columns import digest, dump_json, table_of
from om_campaigns.compose.frontmatter import AnswerTarget
from om_campaigns.keyring import Keyring

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
    day: date = field(kw_only=True)
    """The civil day on which it was said: who sat in the house then."""

    def detail(self) -> dict[str, Any]:
        """For the record; a person who is named stands in their own row, and here is added which (``person``)."""
        if self.target is AnswerTarget.distributor:
            return {"target": self.target.value}
        if self.target is AnswerTarget.note:
            return {"target": self.target.value, "texts": [list(each) for each in self.texts]}
        proposed = {"proposed": self.name} if self.name and self.target is AnswerTarget.contacts_wanted else {}
        return {"target": self.target.value, "chosen": list(self.chosen)} | proposed

    def key_after(self, response_id: int) -> str:
        """Under which it is recorded after that response: the same twice in a row is one answer, the same again later is another."""
        named = [self.name, self.email.normal_key if self.email else ""]
        of = (*self.letter(), str(self.organisation_id), str(self.address_id))
        return digest(*of, dump_json([self.detail(), named]), str(response_id))

    def letter(self) -> tuple[str, ...]:
        """What was answered. The first pass has no name of its own."""
        return (self.campaign, self.step, self.occasion) if self.occasion else (self.campaign, self.step)


def record_answer(session: Session, keyring: Keyring, said: Said, now: datetime) -> bool:
    """Record what was said and let it take effect; False when it is what the house said last to this step on this occasion."""
    one_at_a_time = select(col(Organisation.id)).where(col(Organisation.id) == said.organisation_id)
    session.execute(one_at_a_time.with_for_update(key_share=True))
    response = table_of(Response)
    mine = (
        response.c.kind == ResponseKind.answer,
        response.c.organisation_id == said.organisation_id,
        response.c.campaign_id == said.campaign_id,
        response.c.step == said.step,
        response.c.occasion == said.occasion,
    )
    last = session.execute(select(response.c.id, response.c.source_key).where(*mine).order_by(response.c.id.desc()).limit(2)).all()
    before = [row.id for row in last] + [0, 0]
    if last and last[0].source_key == said.key_after(before[1]):
        return False
    key = said.key_after(before[0])
    is_new = store.add_new(
        session,
        response,
        kind=ResponseKind.answer,
        source_key=key,
        at=now,
        organisation_id=said.organisation_id,
        person_id=person_of(session, said.address_id, said.day),
        campaign_id=said.campaign_id,
        occasion=said.occasion,
        step=said.step,
        detail=said.detail(),
    )
    if is_new:
        if more := _EFFECTS[said.target](session, keyring, said, now):
            session.execute(update(response).where(*mine, response.c.source_key == key).values(detail=said.detail() | more))
        session.flush()
    return is_new


def _name_distributor(session: Session, keyring: Keyring, said: Said, now: datetime) -> dict[str, Any]:
    """Who was named is noted, and people of OM ask them; until then nobody writes to them (BGH I ZR 208/12) and they act for nobody.

    Whoever holds the letter can send this form. A role that came with it would open the portal of the house, and its packs, to a
    stranger (SEC-14). Only who stands for the house already has the role at once. Nobody is made the person behind an office's address,
    or one that several share: people of OM see who was named.
    """
    given = said.email
    if given is None:
        return {}
    address = take_address(session, keyring, given)
    address_id, people = address.id, people_of(session, address.id, said.day)
    if not people and address.kind is AddressKind.personal:
        people = [take_person(session, said.name, address_id, now, ACTOR)]
    number = people[0] if len(people) == 1 else None
    named = f"person {number}" if number else f"address {address_id}"
    if address_id in {each.address_id for each in find_receivers(session, said.organisation_id, said.day)}:
        seat = session.execute(
            select(Seat).where(col(Seat.person_id) == number, col(Seat.organisation_id) == said.organisation_id)
        ).scalar_one_or_none()
        if number and seat is not None and store.add_new(session, table_of(SeatRole), seat_id=seat.id, role=Role.distributor):
            seat.strength = min(seat.strength, ROLE_STRENGTH[Role.distributor])
            record_change(session, "organisation", said.organisation_id, "distributor", None, named, now, ACTOR, Origin.answer)
    else:
        record_change(session, "organisation", said.organisation_id, "distributor_named", None, named, now, ACTOR, Origin.answer)
    _ask_people(session, TaskKind.distributor_named, said, now, address_id=address_id, **({} if number else {"name": said.name}))
    return {"person": number} if number else {}


def _set_interests(session: Session, _keyring: Keyring, said: Said, now: datetime) -> None:
    table = table_of(OrganisationInterest)
    mine = table.c.organisation_id == said.organisation_id
    old = set(session.execute(select(table.c.topic).where(mine)).scalars())
    new = (old - set(said.offered)) | set(said.chosen)
    if new == old:
        return
    session.execute(delete(table).where(mine, table.c.topic.in_(old - new)))
    session.add_all(OrganisationInterest(organisation_id=said.organisation_id, topic=topic) for topic in sorted(new - old))
    record_change(
        session, "organisation", said.organisation_id, "interests", ",".join(sorted(old)), ",".join(sorted(new)), now, ACTOR, Origin.answer
    )


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
            record_change(session, "organisation", said.organisation_id, "network", None, network.slug, now, ACTOR, Origin.answer)


def _want_contacts(session: Session, _keyring: Keyring, said: Said, now: datetime) -> None:
    """Houses that are known by slug; one that was proposed by the name it was given."""
    wanted = {"houses": ",".join(said.chosen)} | ({"proposed": said.name} if said.name else {})
    named = ",".join((*said.chosen, *([said.name] if said.name else [])))
    record_change(session, "organisation", said.organisation_id, "contacts_wanted", None, named, now, ACTOR, Origin.answer)
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
    key = digest(kind.value, *said.letter(), str(said.organisation_id), str(address_id), dump_json(detail))
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
