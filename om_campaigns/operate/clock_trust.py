"""After a wrong clock: what was sent under it, and saying that the present time is right."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.changes import note_instance
from om_campaigns.audience.models import Touch
from om_campaigns.campaign.models import Campaign
from om_campaigns.columns import table_of
from om_campaigns.gate import forget_doubt
from om_campaigns.store import Instance


@dataclass(frozen=True, slots=True)
class SentAhead:
    """Letters of one step that left at times which have not come yet."""

    campaign: str
    step: str
    letters: int
    first_at: datetime
    last_at: datetime


@dataclass(frozen=True, slots=True)
class ClockState:
    """Why the clock is doubted ('' where it is not), the latest instant acted at, and what was sent at later times than now."""

    doubt: str
    highest: datetime | None
    sent_ahead: list[SentAhead]

    def is_in_order(self, now: datetime) -> bool:
        return not self.doubt and (self.highest is None or self.highest <= now)


def load_clock_state(app: App, now: datetime) -> ClockState:
    """How the present time fits to what was done before."""
    touch, campaign = table_of(Touch), table_of(Campaign)
    sent = (
        select(campaign.c.name, touch.c.step, func.count(), func.min(touch.c.at), func.max(touch.c.at))
        .join_from(touch, campaign, campaign.c.id == touch.c.campaign_id)
        .where(touch.c.at > now)
        .group_by(campaign.c.name, touch.c.step)
        .order_by(func.min(touch.c.at))
    )
    with store.read(app.engine) as session:
        row = session.get(Instance, 1) or Instance()
        return ClockState(row.clock_doubt, row.live_now, [SentAhead(*each) for each in session.execute(sent)])


def accept_clock(app: App, now: datetime, actor: str) -> bool:
    """The present time is right: sending goes on from here. False where nothing spoke against it."""
    require_real_clock(app)
    if load_clock_state(app, now).is_in_order(now):
        return False
    with store.write(app.engine) as session:
        row = store.instance(session)
        before = row.live_now.isoformat() if row.live_now else None
        row.live_now = now
        session.add(row)
        forget_doubt(session, now, actor)
        note_instance(session, "clock", before, now.isoformat(), now, actor)
    events.clock_accepted(actor)
    return True
