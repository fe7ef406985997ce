"""What may be sent next: what is due, and for how much of it the limits of destinations and campaigns leave room.

Looking claims nothing. Capacity only saves claims that would be given back: what really counts is the turn each letter takes
(``Claims.take_turn``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, case, literal_column, or_, select
from sqlmodel import Session, col

from om_campaigns.audience.models import Address, Organisation, Person
from om_campaigns.audience.vocabulary import RecipientKind, Route, Sender
from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.models import Campaign, CampaignVersion, Dispatch, Pack
from om_campaigns.campaign.vocabulary import CampaignStatus, DispatchStatus
from om_campaigns.delivery.models import Message, MessageDispatch, MessageState, Pace, Part
from om_campaigns.delivery.pacing import HOUR, Limit, Rules, destination_of, domains_of
from om_campaigns.store import Instance


@dataclass(frozen=True, slots=True)
class Earlier:
    """A message that was made before for the same dispatch. ``is_served``: its part has left (or may have) and never goes again."""

    part: Part
    id: int
    ref: str
    message_id: str
    attempts: int
    claimed_at: datetime
    is_served: bool


@dataclass(frozen=True, slots=True)
class Due:
    """A row of ``dispatch`` that is due. ``earlier``: its messages to be tried again, and those that are served.

    ``campaign`` is that one's name.
    """

    id: int
    campaign_id: int
    occasion: str
    step: str
    recipient_kind: RecipientKind
    recipient_id: int
    enrolment_id: int
    version_id: int
    address_id: int
    organisation_id: int
    seat_id: int
    audience: int
    route: Route
    sender: Sender
    variant: str
    language: str
    service: bool
    due_day: int
    left_out: int
    status: DispatchStatus
    domain: str
    campaign: str = ""
    recipient: str = ""
    """Public id of the person or house."""
    earlier: tuple[Earlier, ...] = ()
    refs: frozenset[str] = frozenset()
    """The names of every message that was ever made for it: none is given twice."""

    @property
    def destination(self) -> str:
        """Where its mail goes, for limits."""
        return destination_of(self.domain)

    def earlier_of(self, part: Part) -> Earlier | None:
        """The message of this part that is tried again: its ref and Message-ID stay (MSG-04)."""
        return next((each for each in self.earlier if each.part is part and not each.is_served), None)

    def is_served(self, part: Part) -> bool:
        """This part of a pack must not be made again, although another one is still owed."""
        return any(each.part is part and each.is_served for each in self.earlier)


_WAITING: ColumnElement[bool] = literal_column("dispatch.status IN ('planned', 'retry')")
"""Spelled out, because a bound value would not match the partial index on ``due_at``."""

Chosen = ColumnElement[bool]
"""Which of what is due is meant: a condition on Dispatch."""

_COLUMNS: list[Any] = [
    *(col(getattr(Dispatch, each.name)) for each in fields(Due) if each.name in Dispatch.model_fields),
    col(Address.domain),
    col(Campaign.name),
    case(
        (
            col(Dispatch.recipient_kind) == RecipientKind.person,
            select(col(Person.public_id)).where(col(Person.id) == col(Dispatch.recipient_id)).scalar_subquery(),
        ),
        else_=select(col(Organisation.public_id)).where(col(Organisation.id) == col(Dispatch.recipient_id)).scalar_subquery(),
    ),
]


PACK_PARTS = (Part.cover, Part.ready)

SERVED = (MessageState.sent, MessageState.uncertain)
"""A part in one of these has left, or may have: it is never made a second time."""


def _open(now: datetime) -> ColumnElement[bool]:
    return or_(col(Dispatch.open_until).is_(None), col(Dispatch.open_until) > now)


def of_campaign(campaign_id: int) -> Chosen:
    """Only what one campaign owes."""
    return col(Dispatch.campaign_id) == campaign_id


def due_by(moment: datetime) -> Chosen:
    """Only what is due by then, however long the sending takes."""
    return col(Dispatch.due_at) <= moment


def tried_before() -> Chosen:
    """Only what was offered before and did not leave: what was put off, and what failed and is owed once more."""
    return col(Dispatch.attempts) > 0


def of_correction(step: str, suffix: str) -> Chosen:
    """Only one correction of a step, by the end of its occasion."""
    return and_(col(Dispatch.step) == step, col(Dispatch.occasion).endswith(suffix, autoescape=True))


def not_to(destinations: Iterable[str], campaigns: Iterable[int]) -> list[Chosen]:
    """Leave out destinations and campaigns that must wait."""
    domains, full = domains_of(destinations), list(campaigns)
    return [*([col(Address.domain).not_in(domains)] if domains else []), *([col(Dispatch.campaign_id).not_in(full)] if full else [])]


def is_halted(session: Session) -> bool:
    """Somebody stopped all sending."""
    return session.execute(select(col(Instance.id)).where(col(Instance.halted_at).is_not(None))).first() is not None


def load_due(session: Session, now: datetime, limit: int, *, chosen: Sequence[Chosen] = (), offset: int = 0) -> list[Due]:
    """Up to ``limit`` rows of running campaigns, due and in an open window at ``now``, oldest first.

    ``chosen`` are conditions on Dispatch and Address; ``offset`` steps aside for other processes.
    """
    query = (
        select(*_COLUMNS)
        .join(Campaign, col(Campaign.id) == col(Dispatch.campaign_id))
        .join(Address, col(Address.id) == col(Dispatch.address_id))
        .where(_WAITING, col(Dispatch.due_at) <= now, _open(now), col(Campaign.status) == CampaignStatus.running, *chosen)
        .order_by(col(Dispatch.due_at), col(Dispatch.id))
        .limit(limit)
        .offset(offset)
    )
    dues = [Due(*row) for row in session.execute(query)]
    made = _load_made(session, [due.id for due in dues])
    return [replace(due, **_of_made(made[due.id])) if due.id in made else due for due in dues]


def count_mails(session: Session, dues: Sequence[Due]) -> dict[int, int]:
    """How many mails go out together for each pack among these, by dispatch, at most; everything else is one mail."""
    packs = [due for due in dues if due.route not in (Route.list_address, Route.newsletter_block)]
    query = select(col(Pack.dispatch_id)).where(col(Pack.dispatch_id).in_([due.id for due in packs]))
    owed = set(session.execute(query).scalars())
    return {due.id: sum(not due.is_served(part) for part in PACK_PARTS) for due in packs if due.id in owed}


def _load_made(session: Session, dispatch_ids: list[int]) -> dict[int, list[tuple[Part, Message]]]:
    """The messages that were made before, by dispatch."""
    query = (
        select(col(MessageDispatch.dispatch_id), col(MessageDispatch.part), Message)
        .join(Message, col(Message.id) == col(MessageDispatch.message_id))
        .where(col(MessageDispatch.dispatch_id).in_(dispatch_ids))
    )
    made: dict[int, list[tuple[Part, Message]]] = {}
    for dispatch, part, message in session.execute(query):
        made.setdefault(dispatch, []).append((part, message))
    return made


def _of_made(made: Sequence[tuple[Part, Message]]) -> dict[str, Any]:
    """After a kill or a refusal between the parts of a pack, only what is missing goes out; no name is given twice."""
    earlier = tuple(
        Earlier(part, each.id, each.ref, each.message_id, each.attempts, each.claimed_at, each.state in SERVED)
        for part, each in made
        if each.state in (MessageState.retry, *SERVED)
    )
    return {"earlier": earlier, "refs": frozenset(each.ref for _, each in made)}


RATE = "rate"

Buckets = Sequence[tuple[datetime, int]]


@dataclass
class Capacity:
    """What is left at one instant. ``full_*`` may have nothing more now; ``opens_in`` is when the first of them may."""

    rules: Rules
    used: Counter[str]
    pending: int = 0
    """Letters of this run that were counted as used and have not taken their turn."""
    full_destinations: set[str] = field(default_factory=set)
    full_campaigns: set[int] = field(default_factory=set)
    opens_in: timedelta = timedelta(0)
    buckets: Mapping[str, Buckets] = field(default_factory=dict)
    """What was counted, by subject."""

    @property
    def is_tight(self) -> bool:
        """Somewhere nothing more may go now."""
        return bool(self.full_destinations or self.full_campaigns)

    def explain(self, closed: Collection[str]) -> str:
        """Why what is due waits; ``closed`` are destinations that are left alone for now."""
        reasons = []
        if self.is_tight:
            parts = [*sorted(self.full_destinations), *(["this hour's letters of a campaign"] if self.full_campaigns else [])]
            reasons.append(f"limits are reached: {', '.join(parts)}")
        if closed:
            reasons.append(f"left alone for now: {', '.join(sorted(closed))}")
        return "; ".join(reasons)

    def take(self, dues: Sequence[Due], mails: Mapping[int, int], now: datetime) -> list[Due]:
        """As many of these as there is room for, in their order; ``mails`` is how many go together, by dispatch.

        Where one does not fit, those behind it wait too: otherwise single letters would take the places of packs for ever.
        """
        taken = []
        for due in dues:
            limits, count = self.rules.aside_of(due.campaign_id, due.destination), mails.get(due.id, 1)
            tight = [limit for limit in limits if self._is_tight(limit, count)]
            for limit in tight:
                self.close(limit, now, limit.make_needed(count))
            if not tight:
                self.used.update({limit.subject: limit.make_needed(count) for limit in limits})
                taken.append(due)
        return taken

    def _is_tight(self, limit: Limit, count: int) -> bool:
        kind, _, name = limit.subject.partition(":")
        is_closed = name in self.full_destinations if kind == "domain" else int(name) in self.full_campaigns
        return is_closed or self.used[limit.subject] + limit.make_needed(count) > limit.most

    def close(self, limit: Limit, now: datetime, count: int = 1) -> None:
        """Nothing more now under this limit: ``count`` more are too many."""
        kind, _, name = limit.subject.partition(":")
        if kind == "domain":
            self.full_destinations.add(name)
        else:
            self.full_campaigns.add(int(name))
        wait = limit.make_wait(self.buckets.get(limit.subject, ()), now, count)
        self.opens_in = min((each for each in (self.opens_in, wait) if each), default=timedelta(0))


def load_campaign_limits(session: Session) -> dict[int, int]:
    """Letters per hour of the running campaigns that have a limit, as their latest version says."""
    query = select(col(Campaign.id), col(CampaignVersion.structure)).join(
        CampaignVersion, col(CampaignVersion.id) == col(Campaign.latest_version_id)
    )
    rows = session.execute(query.where(col(Campaign.status) == CampaignStatus.running)).all()
    return {number: most for number, structure in rows if (most := CampaignDefinition.limit_in(structure))}


def load_capacity(session: Session, rules: Rules, pending: Mapping[str, int], now: datetime) -> Capacity:
    """What is left at ``now``; ``pending`` are letters of this run that have not taken their turn yet, by subject."""
    if not rules.aside:
        return Capacity(rules, Counter(pending), sum(pending.values()))
    query = select(col(Pace.subject), col(Pace.window_start), col(Pace.used)).where(
        col(Pace.scope) == RATE, col(Pace.window_start) > now - 2 * HOUR
    )
    buckets: dict[str, list[tuple[datetime, int]]] = {}
    for subject, start, used in session.execute(query.order_by(col(Pace.window_start))):
        buckets.setdefault(subject, []).append((start, used))
    capacity = Capacity(rules, Counter(pending), sum(pending.values()), buckets=buckets)
    for limit in _limits(rules, buckets):
        capacity.used[limit.subject] += sum(used for start, used in buckets[limit.subject] if start + limit.window > now)
        if capacity.used[limit.subject] >= limit.most:
            capacity.close(limit, now)
    return capacity


def load_fitting(
    session: Session, capacity: Capacity, now: datetime, most: int, *, closed: Collection[str], chosen: Sequence[Chosen], offset: int = 0
) -> list[Due]:
    """Up to ``most`` due rows that there is room for; ``capacity`` learns what is full. ``closed`` are destinations to leave alone."""
    while True:
        waiting = not_to({*closed, *capacity.full_destinations}, capacity.full_campaigns)
        dues = load_due(session, now, most, chosen=[*chosen, *waiting], offset=offset)
        if not (dues and capacity.rules.aside):
            return dues
        if fitting := capacity.take(dues, count_mails(session, dues), now):
            return fitting


def _limits(rules: Rules, buckets: Mapping[str, object]) -> list[Limit]:
    """The limits that something was counted under."""
    limits = []
    for subject in buckets:
        kind, _, name = subject.partition(":")
        if kind == "domain":
            limits += [each for each in rules.aside_of(0, name) if each.subject == subject]
        elif kind == "campaign":
            limits += [each for each in rules.aside_of(int(name), "") if each.subject == subject]
    return limits
