"""What slows or stops a part of the sending by itself: a destination that asks for it or refuses us, a campaign that fails.

What was decided stands in ``pace``, so that a restart or another process knows it. Nobody is suppressed by any of this (BNC-13).
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

from sqlalchemy import Engine, delete, or_, select
from sqlmodel import Session, col

from om_campaigns import events
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.campaign.models import Campaign
from om_campaigns.campaign.pausing import pause
from om_campaigns.campaign.vocabulary import CampaignStatus
from om_campaigns.columns import table_of
from om_campaigns.delivery.handover import ClaimedLetter, Done
from om_campaigns.delivery.models import MessageState, Pace
from om_campaigns.delivery.outcomes import Verdict
from om_campaigns.delivery.pacing import HOUR, make_slow_until
from om_campaigns.delivery.smtp_replies import Fault, make_fault
from om_campaigns.store import change, insert_into, read, write
from om_campaigns.transport import Kind, Stage

POLICY_SAMPLE = 10
"""From so many outcomes on, a majority of refusals that are about us stops a destination, or the whole run (BNC-13)."""

STOPPED_FOR = timedelta(hours=24)
"""How long a destination that refuses us is left alone, unless somebody lets it go."""

FAILURE_SAMPLE = 20
FAILURE_SHARE = 0.1
"""From so many letters in an hour on, so large a part of failures pauses their campaign."""

SLOWED, STOPPED, PAUSED = "slowed", "stopped", "paused"
"""Scopes of ``pace`` for what was stopped: two of destinations, one of campaigns."""

SENT, FAILED = "sent", "failed"
"""Scopes of ``pace`` that count a campaign's outcomes by the minute."""


class CircuitBreakers:
    """The circuit breakers of one run. Every thread tells what became of its letters and asks whether one may still go."""

    def __init__(self, engine: Engine, now: datetime) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._seen: Counter[str] = Counter()
        self._ours: Counter[str] = Counter()
        self._sent: Counter[int] = Counter()
        self._paused: dict[int, str] = {}
        self._own: set[str] = set()
        self._few: dict[int, int] = {}
        """Campaigns with a failure and too few letters to tell: how many there are."""
        with read(engine) as session:
            self._closed = load_closed(session, now)

    @property
    def closed(self) -> frozenset[str]:
        """Destinations that get nothing now."""
        with self._lock:
            return frozenset(self._closed)

    @property
    def why_paused(self) -> str:
        """Why this run paused a campaign, '' if it did not."""
        return "; ".join(f"a campaign was paused: {why}" for why in self._paused.values())

    def look(self, session: Session, now: datetime) -> None:
        """Learn what other processes stopped, and what is over."""
        closed = load_closed(session, now)
        with self._lock:
            self._closed = closed | self._own

    def holds(self, letter: ClaimedLetter) -> bool:
        """This letter must wait."""
        return letter.destination in self._closed or letter.prepared.campaign_id in self._paused

    def note_sent(self, letter: ClaimedLetter, at: datetime) -> None:
        """One letter was taken over."""
        campaign_id = letter.prepared.campaign_id
        with self._lock:
            self._seen[letter.destination] += 1
            self._sent[campaign_id] += 1
            if campaign_id not in self._few:
                return
            self._few[campaign_id] += 1
            enough = self._few[campaign_id] >= FAILURE_SAMPLE
        if enough:
            self._judge(campaign_id, at)

    def note(self, done: Done, verdict: Verdict) -> None:
        """What became of a letter that was not taken over, once it is recorded."""
        letter = done.letter
        with self._lock:
            self._seen[letter.destination] += 1
            self._ours[letter.destination] += verdict.ours
            seen, ours = self._seen[letter.destination], self._ours[letter.destination]
        counts = not verdict.ours or ours == 1  # a destination that refuses us is stopped itself; for the campaign it counts once
        if asks_to_slow_down(done):
            self._close(SLOWED, letter.destination, done.at, verdict.detail)
        elif verdict.ours and seen >= POLICY_SAMPLE and ours * 2 > seen:
            self._close(STOPPED, letter.destination, done.at, f"{ours} of {seen} refused: {verdict.detail}")
        if counts and verdict.message is MessageState.failed:
            self._judge(letter.prepared.campaign_id, done.at, verdict.detail)

    def _close(self, scope: str, destination: str, now: datetime, detail: str) -> None:
        with self._lock:
            if destination in self._closed:
                return
            self._own.add(destination)
            self._closed.add(destination)
        with write(self._engine) as session:
            until = close_destination(session, scope, destination, now, detail)
        events.destination_closed(scope, destination, until)

    def _judge(self, campaign_id: int, now: datetime, failure: str = "") -> None:
        """Count a failure, and pause its campaign if it fails too much; with too few letters to tell, once there are enough."""
        with write(self._engine) as session:
            self._flush(session, now)
            if failure:
                _count(session, FAILED, campaign_id, 1, now, failure)
            total, why = _look_at_failures(session, campaign_id, now)
            if why:
                self._pause(session, campaign_id, now, why)
        with self._lock:
            self._few.pop(campaign_id, None)
            if total < FAILURE_SAMPLE:
                self._few[campaign_id] = total

    def _pause(self, session: Session, campaign_id: int, now: datetime, why: str) -> None:
        if pause_failing(session, campaign_id, now, why):
            self._paused[campaign_id] = why

    def flush(self, now: datetime) -> None:
        """Write down what was counted here, and look whether it is enough to judge earlier failures."""
        if self._sent:
            with write(self._engine) as session:
                for campaign_id in self._flush(session, now):
                    if why := _look_at_failures(session, campaign_id, now)[1]:
                        self._pause(session, campaign_id, now, why)

    def _flush(self, session: Session, now: datetime) -> list[int]:
        with self._lock:
            counted, self._sent = self._sent, Counter()
        for campaign_id, number in counted.items():
            _count(session, SENT, campaign_id, number, now)
        return list(counted)


def asks_to_slow_down(done: Done) -> bool:
    """421 or 4.7.x about this destination. At MAIL the server speaks of us and the connection, not of where a letter goes.

    Greylisting asks each letter to come again, and no destination to be left alone, whatever code it has.
    """
    outcome = done.outcome
    if outcome.kind is not Kind.temporary or outcome.at_stage in (Stage.connect, Stage.mail):
        return False
    if make_fault(outcome.code, outcome.reply) is Fault.greylist:
        return False
    return outcome.code == 421 or outcome.reply.startswith("4.7.")


def load_closed(session: Session, now: datetime) -> set[str]:
    """Destinations that get nothing at ``now``."""
    query = select(col(Pace.subject)).where(col(Pace.scope).in_((SLOWED, STOPPED)), col(Pace.stopped_until) > now)
    return set(session.execute(query).scalars())


def close_destination(session: Session, scope: str, destination: str, now: datetime, detail: str) -> datetime:
    """Leave a destination alone for a while, longer each time in a row it asks to slow down; returns until when."""
    query = select(Pace).where(col(Pace.scope) == scope, col(Pace.subject) == destination)
    row = session.execute(query).scalars().first() or Pace(scope=scope, subject=destination, window_start=now)
    if row.stopped_until is not None and row.stopped_until + HOUR < now:
        row.used = 0  # it has been quiet since
    row.used += 1
    row.detail = detail
    row.stopped_until = make_slow_until(row.used, now) if scope == SLOWED else now + STOPPED_FOR
    session.add(row)
    return row.stopped_until


def open_destination(session: Session, destination: str) -> bool:
    """Let mail go to a destination again; False when nothing held it."""
    return change(session, delete(Pace).where(col(Pace.scope).in_((SLOWED, STOPPED)), col(Pace.subject) == destination)) > 0


def pause_failing(session: Session, campaign_id: int, now: datetime, why: str) -> bool:
    """Pause a campaign and write down why; False for one that does not run."""
    campaign = session.get_one(Campaign, campaign_id)
    if campaign.status is not CampaignStatus.running or not pause(session, campaign, now):
        return False
    session.add(Pace(scope=PAUSED, subject=str(campaign_id), window_start=now, detail=why))
    record_change(session, "campaign", campaign_id, "status", "running", f"paused: {why}", now, "sender", Origin.engine)
    events.campaign_failing(campaign_id, why)
    return True


def release_campaign(session: Session, campaign_id: int) -> None:
    """What was counted and noted against a campaign is over: somebody lets it go on."""
    session.execute(delete(Pace).where(col(Pace.scope).in_((SENT, FAILED, PAUSED)), col(Pace.subject) == str(campaign_id)))


def forget_old(session: Session, now: datetime) -> None:
    """Delete counts that no window reaches any more."""
    gone = col(Pace.scope).not_in((SLOWED, STOPPED, PAUSED)) & (col(Pace.window_start) < now - 2 * HOUR)
    over = col(Pace.scope).in_((SLOWED, STOPPED)) & (col(Pace.stopped_until) < now - 2 * HOUR)
    session.execute(delete(Pace).where(or_(gone, over)))


def _count(session: Session, scope: str, campaign_id: int, number: int, now: datetime, detail: str = "") -> None:
    table = table_of(Pace)
    minute = now.replace(second=0, microsecond=0)
    row = {"scope": scope, "subject": str(campaign_id), "window_start": minute, "used": number, "detail": detail}
    more = {"used": table.c.used + number, "detail": detail}
    keys = ["scope", "subject", "window_start"]
    session.execute(insert_into(session, table).values(row).on_conflict_do_update(index_elements=keys, set_=more))


def _look_at_failures(session: Session, campaign_id: int, now: datetime) -> tuple[int, str]:
    """How many letters of the last hour are known, and why the campaign should pause, '' if it should not."""
    query = select(Pace).where(
        col(Pace.scope).in_((SENT, FAILED)), col(Pace.subject) == str(campaign_id), col(Pace.window_start) > now - HOUR
    )
    rows = session.execute(query.order_by(col(Pace.window_start))).scalars().all()
    failures = [row for row in rows if row.scope == FAILED]
    total, failed = sum(row.used for row in rows), sum(row.used for row in failures)
    if total < FAILURE_SAMPLE or failed < total * FAILURE_SHARE or not failures:
        return total, ""
    return total, f"{failed} of {total} letters failed within an hour, the last one: {failures[-1].detail}"


def load_breakers(session: Session, now: datetime) -> Iterable[Pace]:
    """What is stopped now: destinations until when and why, campaigns since when and why."""
    rows = select(Pace).where(or_(col(Pace.scope) == PAUSED, col(Pace.scope).in_((SLOWED, STOPPED)) & (col(Pace.stopped_until) > now)))
    return session.execute(rows.order_by(col(Pace.scope), col(Pace.subject))).scalars().all()
