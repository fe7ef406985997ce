"""Packs: their code, which house receives one and whose advisers it serves, and handing one over to somebody else there."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import insert, select, update
from sqlmodel import Session

from om_campaigns import chance
from om_campaigns.audience.models import Seat
from om_campaigns.audience.tree import upwards
from om_campaigns.audience.vocabulary import PASSING_ON, Route, Sender
from om_campaigns.campaign.definition import Step
from om_campaigns.campaign.house_values import fill_houses
from om_campaigns.campaign.models import Dispatch, Enrolment, Pack, PackOrganisation
from om_campaigns.campaign.plan_rows import ROW, Ready, gather
from om_campaigns.campaign.receivers import Passing, fill_receivers, follow_receivers, load_passing, load_served
from om_campaigns.campaign.routing import Cascade, Service
from om_campaigns.campaign.vocabulary import DispatchStatus, Reason, RelayState
from om_campaigns.columns import new_ref, table_of

ALPHABET = "23456789ABCDEFGHJKLMNPQRSTUVWXYZ"
DRAWN = 6

_CODE = re.compile(r"(?<!\w)([0-9A-Za-z]{3})([ \u2010-\u2014-]?)([0-9A-Za-z]{4})(?!\w)")
_POLYNOMIAL = 0b100101
"""x⁵ + x² + 1, irreducible: multiplying by x is a shift and, on overflow, one exclusive or."""


def make_code(draw: Callable[[Sequence[str]], str]) -> str:
    """A new code; ``draw`` picks one symbol (``secrets.choice``)."""
    symbols = "".join(draw(ALPHABET) for _ in range(DRAWN))
    return show(symbols + _check(symbols))


def new_code(known: set[str], draw: Callable[[Sequence[str]], str]) -> str:
    """A code that was never given before; it is known from now on."""
    while (code := make_code(draw)) in known:
        pass
    known.add(code)
    return code


def show(symbols: str) -> str:
    """The seven symbols as people see them."""
    return f"{symbols[:3]}-{symbols[3:]}"


def find_codes(text: str) -> list[str]:
    """Every valid code in a text, in its order, each once; case and dashes do not matter, words around it neither.

    Without a dash it needs a capital or a digit: two small words, or one, are words.
    """
    found = (first + last for first, gap, last in _CODE.findall(text) if gap.strip() or not (first + last).islower())
    return list(dict.fromkeys(show(symbols.upper()) for symbols in found if is_valid(symbols.upper())))


def without_codes(text: str) -> str:
    """The words around the codes; what only looks like one stays."""
    return _CODE.sub(lambda found: " " if is_valid((found[1] + found[3]).upper()) else found[0], text)


def is_valid(symbols: str) -> bool:
    """Seven symbols of the alphabet with the right check symbol."""
    known = len(symbols) == DRAWN + 1 and all(symbol in ALPHABET for symbol in symbols)
    return known and _check(symbols[:DRAWN]) == symbols[DRAWN]


def _check(symbols: str) -> str:
    total = 0
    for symbol in symbols:
        total = _times_x(total ^ ALPHABET.index(symbol))
    return ALPHABET[total]


def _times_x(value: int) -> int:
    value <<= 1
    return value ^ _POLYNOMIAL if value > 31 else value


@dataclass
class Packing:
    """The packs of one plan of one campaign."""

    session: Session
    ready: Ready
    today: date
    _cascades: dict[tuple[str, str], list[Cascade]] = field(default_factory=dict)
    """By (occasion, step)."""

    def gather(self, version_id: int, position: int, steps: Sequence[Step], until: datetime) -> None:
        """Add the rows of those steps for the houses that receive for one ``[[audience]]``, each with who it serves by now."""
        if not steps:
            return
        definition = self.ready.definitions[version_id]
        passing = load_passing(
            self.session,
            self.ready.houses,
            definition,
            definition.audiences[position],
            today=self.today,
            campaign_ids=self.ready.campaign_ids,
        )
        for step in steps:
            cascade = self._cascade(passing, "", step.name)
            fill_houses(self.session, self.ready.houses.values(), chosen=fill_receivers(self.session, cascade))
            follow_receivers(self.session, self.ready.campaign.id, version_id, position)
            gather(self.session, self.ready, version_id, position, step, self.today, until)
        self.session.execute(
            update(ROW)
            .where(ROW.c.reason == Reason.no_route.value, ROW.c.step.in_([step.name for step in steps]), ROW.c.route == Route.none.value)
            .values(reason=Reason.nobody_to_serve.value)
        )

    def _cascade(self, passing: Passing, occasion: str, step: str) -> Cascade:
        cascade = passing.cascade(load_served(self.session, self.ready.campaign.id, occasion, step))
        self._cascades.setdefault((occasion, step), []).append(cascade)
        return cascade

    def refuse_colleagues(self) -> None:
        """Where a letter is a pack's cover, one person per house gets it: the strongest seat, and nobody after it was packed."""
        cover_steps = sorted(self.ready.pack_steps)
        if not cover_steps:
            return
        enrolment, seat = table_of(Enrolment), table_of(Seat)
        query = (
            select(ROW.c.enrolment_id, ROW.c.step, enrolment.c.occasion, enrolment.c.organisation_id)
            .join_from(ROW, enrolment, enrolment.c.id == ROW.c.enrolment_id)
            .outerjoin(seat, seat.c.id == enrolment.c.seat_id)
            .where(ROW.c.step.in_(cover_steps), ROW.c.reason == "", *_is_cover())
            .order_by(seat.c.strength, ROW.c.enrolment_id)
        )
        taken = {(occasion, step, house) for step in cover_steps for occasion, house in self._packed(step)}
        late = []
        for enrolment_id, step, occasion, house in self.session.execute(query).all():
            if (occasion, step, house) in taken:
                late.append(enrolment_id)
            taken.add((occasion, step, house))
        if late:
            self.session.execute(update(ROW).where(ROW.c.enrolment_id.in_(late)).values(reason=Reason.colleague_relays.value))

    def _packed(self, step: str) -> Iterable[tuple[str, int]]:
        served = table_of(PackOrganisation)
        query = select(served.c.occasion, served.c.organisation_id).where(
            served.c.campaign_id == self.ready.campaign.id, served.c.step == step
        )
        return [(occasion, house) for occasion, house in self.session.execute(query)]

    def record(self, now: datetime) -> int:
        """A pack for every dispatch of this plan that carries one; returns how many are new."""
        if not (self._cascades or self.ready.pack_steps):
            return 0
        dispatch = table_of(Dispatch)
        carries: Any = dispatch.c.route.in_(PASSING_ON)
        if self.ready.pack_steps:
            carries |= dispatch.c.step.in_(sorted(self.ready.pack_steps)) & (dispatch.c.sender == Sender.om)
        query = (
            select(dispatch)
            .join(ROW, (ROW.c.enrolment_id == dispatch.c.enrolment_id) & (ROW.c.step == dispatch.c.step))
            .where(dispatch.c.status == DispatchStatus.planned, ROW.c.reason == "", carries)
            .order_by(dispatch.c.id)
        )
        owed = self.session.execute(query).all()
        known = set(self.session.execute(select(table_of(Pack).c.code)).scalars()) if owed else set()
        for row in owed:
            self._record_one(row, known, now)
        return len(owed)

    def _record_one(self, row: Any, known: set[str], now: datetime) -> None:
        code = new_code(known, chance.draw_symbol)
        served, named = self._services(row)
        keys = {"campaign_id": row.campaign_id, "occasion": row.occasion, "step": row.step}
        pack_id = self.session.execute(
            insert(table_of(Pack))
            .values(
                public_id=new_ref(),
                code=code,
                dispatch_id=row.id,
                organisation_id=row.organisation_id,
                relay_state=RelayState.planned,
                state_at=now,
                named=named,
                **keys,
            )
            .returning(table_of(Pack).c.id)
        ).scalar_one()
        rows = [
            {"pack_id": pack_id, "organisation_id": each.pool_id, "relay_id": each.relay_id, "level": each.level, **keys} for each in served
        ]
        self.session.execute(insert(table_of(PackOrganisation)), rows)

    def _services(self, row: Any) -> tuple[list[Service] | list[_Own], list[int]]:
        """The pools of one pack, and the offices below its relays that somebody else serves."""
        if row.route not in PASSING_ON:
            return [_Own(row.organisation_id, row.organisation_id)], []
        cascades = self._cascades[row.occasion, row.step]
        found = [each for cascade in cascades for each in cascade.by_receiver().get(row.organisation_id, [])]
        mine = list({(each.pool_id, each.level): each for each in found}.values())  # two versions of a campaign know the same houses
        relays = {each.relay_id for each in mine}
        others = {
            each.pool_id
            for cascade in cascades
            for each in cascade.services
            if each.relay_id not in relays and relays & self._above(each.pool_id)
        }
        return mine, sorted(others - {each.pool_id for each in mine})

    def _above(self, house: int) -> set[int]:
        return set(upwards(house, lambda each: self.ready.houses[each].parent_id)) - {house}


@dataclass(frozen=True, slots=True)
class _Own:
    """A house that passes on to its own advisers, because its contact was written to directly."""

    pool_id: int
    relay_id: int
    level: str = ""


def _is_cover() -> tuple[Any, ...]:
    return ROW.c.route == Route.direct_email.value, ROW.c.sender == Sender.om.value
