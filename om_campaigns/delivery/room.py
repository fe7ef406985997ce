"""How much room the limits of destinations and campaigns leave, asked before letters are claimed.

It only saves claims that would be given back: what really counts is the turn each letter takes (``Ledger.take_turn``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.models import Campaign, CampaignVersion
from om_campaigns.campaign.vocabulary import CampaignStatus
from om_campaigns.delivery.due import Chosen, count_mails, load_due, not_to
from om_campaigns.delivery.letters import Due
from om_campaigns.delivery.models import Pace
from om_campaigns.delivery.pacing import HOUR, Limit, Rules

RATE = "rate"

Buckets = Sequence[tuple[datetime, int]]


@dataclass
class Room:
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
        told = []
        if self.is_tight:
            parts = [*sorted(self.full_destinations), *(["this hour's letters of a campaign"] if self.full_campaigns else [])]
            told.append(f"limits are reached: {', '.join(parts)}")
        if closed:
            told.append(f"left alone for now: {', '.join(sorted(closed))}")
        return "; ".join(told)

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


def load_room(session: Session, rules: Rules, pending: Mapping[str, int], now: datetime) -> Room:
    """The room at ``now``; ``pending`` are letters of this run that have not taken their turn yet, by subject."""
    if not rules.aside:
        return Room(rules, Counter(pending), sum(pending.values()))
    query = select(col(Pace.subject), col(Pace.window_start), col(Pace.used)).where(
        col(Pace.scope) == RATE, col(Pace.window_start) > now - 2 * HOUR
    )
    buckets: dict[str, list[tuple[datetime, int]]] = {}
    for subject, start, used in session.execute(query.order_by(col(Pace.window_start))):
        buckets.setdefault(subject, []).append((start, used))
    room = Room(rules, Counter(pending), sum(pending.values()), buckets=buckets)
    for limit in _limits(rules, buckets):
        room.used[limit.subject] += sum(used for start, used in buckets[limit.subject] if start + limit.window > now)
        if room.used[limit.subject] >= limit.most:
            room.close(limit, now)
    return room


def load_fitting(
    session: Session, room: Room, now: datetime, most: int, *, closed: Collection[str], chosen: Sequence[Chosen], offset: int = 0
) -> list[Due]:
    """Up to ``most`` due rows that there is room for; ``room`` learns what is full. ``closed`` are destinations to leave alone."""
    while True:
        waiting = not_to({*closed, *room.full_destinations}, room.full_campaigns)
        dues = load_due(session, now, most, chosen=[*chosen, *waiting], offset=offset)
        if not (dues and room.rules.aside):
            return dues
        if fitting := room.take(dues, count_mails(session, dues), now):
            return fitting


def _limits(rules: Rules, buckets: Mapping[str, object]) -> list[Limit]:
    """The limits that something was counted under."""
    found = []
    for subject in buckets:
        kind, _, name = subject.partition(":")
        if kind == "domain":
            found += [each for each in rules.aside_of(0, name) if each.subject == subject]
        elif kind == "campaign":
            found += [each for each in rules.aside_of(int(name), "") if each.subject == subject]
    return found
