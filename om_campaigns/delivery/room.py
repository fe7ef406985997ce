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
from om_campaigns.campaign.models import Campaign, CampaignStatus, CampaignVersion
from om_campaigns.delivery.letters import Due
from om_campaigns.delivery.models import Pace
from om_campaigns.delivery.pacing import HOUR, Limit, Rules

RATE = "rate"


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

    def explain(self, closed: Collection[str]) -> str:
        """Why what is due waits; ``closed`` are destinations that are left alone for now."""
        told = []
        if self.full_destinations or self.full_campaigns:
            parts = [*sorted(self.full_destinations), *(["this hour's letters of a campaign"] if self.full_campaigns else [])]
            told.append(f"limits are reached: {', '.join(parts)}")
        if closed:
            told.append(f"left alone for now: {', '.join(sorted(closed))}")
        return "; ".join(told)

    def take(self, dues: Sequence[Due]) -> list[Due]:
        """As many of these as there is room for, in their order."""
        if not self.rules.aside:
            return list(dues)
        taken = []
        for due in dues:
            limits = self.rules.aside_of(due.campaign_id, due.destination)
            if all(self.used[limit.subject] < limit.most for limit in limits):
                self.used.update(limit.subject for limit in limits)
                taken.append(due)
        return taken


def load_campaign_limits(session: Session) -> dict[int, int]:
    """Letters per hour of the running campaigns that have a limit, as their latest version says."""
    query = select(col(Campaign.id), col(CampaignVersion.structure)).join(
        CampaignVersion, col(CampaignVersion.id) == col(Campaign.latest_version_id)
    )
    rows = session.execute(query.where(col(Campaign.status) == CampaignStatus.running)).all()
    return {number: most for number, structure in rows if (most := CampaignDefinition.limit_in(structure))}


def load_room(session: Session, rules: Rules, pending: Mapping[str, int], now: datetime) -> Room:
    """The room at ``now``; ``pending`` are letters of this run that have not taken their turn yet, by subject."""
    room = Room(rules, Counter(pending), sum(pending.values()))
    if not rules.aside:
        return room
    query = select(col(Pace.subject), col(Pace.window_start), col(Pace.used)).where(
        col(Pace.scope) == RATE, col(Pace.window_start) > now - 2 * HOUR
    )
    buckets: dict[str, list[tuple[datetime, int]]] = {}
    for subject, start, used in session.execute(query.order_by(col(Pace.window_start))):
        buckets.setdefault(subject, []).append((start, used))
    waits = [_look(room, limit, buckets[limit.subject], now) for limit in _limits(rules, buckets)]
    room.opens_in = min((wait for wait in waits if wait), default=timedelta(0))
    return room


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


def _look(room: Room, limit: Limit, buckets: list[tuple[datetime, int]], now: datetime) -> timedelta:
    live = [(start, used) for start, used in buckets if start + limit.window > now]
    room.used[limit.subject] += sum(used for _, used in live)
    if room.used[limit.subject] < limit.most:
        return timedelta(0)
    kind, _, name = limit.subject.partition(":")
    if kind == "domain":
        room.full_destinations.add(name)
    else:
        room.full_campaigns.add(int(name))
    return limit.make_wait(live, now)
