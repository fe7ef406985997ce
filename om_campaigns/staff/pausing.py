"""Pausing a campaign, letting it go on, stopping it for good: what many are in is moved and ended in slices, so nobody waits long."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.campaign import pausing
from om_campaigns.campaign.releases import get_campaign
from om_campaigns.campaign.slices import slices
from om_campaigns.campaign.vocabulary import CampaignStatus
from om_campaigns.delivery.circuit_breakers import release_campaign


def pause_campaign(app: App, name: str, now: datetime, actor: str) -> bool:
    """Freeze a campaign; False when it was paused already."""
    require_real_clock(app)
    with store.write(app.engine) as session:
        campaign = get_campaign(session, name)
        done = pausing.pause(session, campaign, now)
        if done:
            _note_status(session, campaign.id, "running", "paused", now, actor)
    return done


def resume_campaign(app: App, name: str, now: datetime, actor: str) -> bool:
    """Go on after a pause; every due time moves by its length, so nobody gets a burst. False when it was running.

    The campaign runs once all have moved. What was interrupted is taken up where it ended by saying it again.
    """
    require_real_clock(app)
    with store.turns(app.engine) as turns:
        with turns.writing() as session:
            campaign = get_campaign(session, name)
            begun = pausing.begin_resuming(session, campaign, now)
        if begun is None:
            return False
        with turns.reading() as session:
            enrolments, letters = pausing.find_frozen(session, begun)
        for numbers, move in ((enrolments, pausing.move_enrolments), (letters, pausing.move_letters)):
            for part in slices(numbers):
                with turns.writing() as session:
                    if not move(session, campaign.id, part):
                        return False
        with turns.writing() as session:
            done = pausing.end_resuming(session, campaign.id, now)
            if done:
                release_campaign(session, campaign.id)
                _note_status(session, campaign.id, "paused", "running", now, actor)
    return done or resume_campaign(app, name, now, actor)


def stop_campaign(app: App, name: str, now: datetime, actor: str) -> int:
    """End a campaign for good; returns how many owed letters were cancelled. Again ends what an interruption left."""
    require_real_clock(app)
    cancelled = 0
    with store.turns(app.engine) as turns:
        with turns.writing() as session:
            campaign = get_campaign(session, name)
            before = campaign.status
            pausing.stop(session, campaign)
            if before is not CampaignStatus.stopped:
                _note_status(session, campaign.id, before.value, "stopped", now, actor)
        with turns.reading() as session:
            active, owed = pausing.find_open(session, campaign)
        for part in slices(active):
            with turns.writing() as session:
                pausing.end_enrolments(session, part, now)
        for part in slices(owed):
            with turns.writing() as session:
                cancelled += pausing.cancel_letters(session, part)
    return cancelled


def _note_status(session: Session, campaign_id: int, old: str, new: str, now: datetime, actor: str) -> None:
    record_change(session, "campaign", campaign_id, "status", old, new, now, actor, Origin.staff)
    events.campaign_status_changed(campaign_id, old, new)
