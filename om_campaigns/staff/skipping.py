"""Taking a step out of a campaign for everybody not yet served: they go on as if it had passed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select, update
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.campaign.corrections import MARK
from om_campaigns.campaign.models import Campaign, Dispatch, SkippedStep
from om_campaigns.campaign.releases import get_campaign, load_definitions
from om_campaigns.campaign.vocabulary import DispatchStatus, Reason
from om_campaigns.columns import table_of
from om_campaigns.errors import InputError
from om_campaigns.nearest import make_hint
from om_campaigns.staff.under_way import count_ahead

ENDS_AS = {
    DispatchStatus.planned: DispatchStatus.skipped,
    DispatchStatus.held: DispatchStatus.skipped,
    DispatchStatus.retry: DispatchStatus.cancelled,
}
"""What becomes of a letter that is owed. One that a process has taken leaves; what was handed over, packs too, stays as it is."""


@dataclass(frozen=True)
class Skipping:
    """What taking a step out comes to: how many have it ahead, how many letters of it are owed and will not leave."""

    campaign: str
    step: str
    ahead: int
    owed: int
    was_skipped: bool


def look_at_step(app: App, name: str, step: str) -> Skipping:
    """What taking out this step would come to. Raises InputError for a campaign or step that was never published."""
    with store.read(app.engine) as session:
        return _look(session, get_campaign(session, name), step)


def skip_step(app: App, name: str, step: str, now: datetime, actor: str) -> Skipping:
    """Take a step out for everybody not yet served, for good; a second time changes nothing.

    Its readers come to it when it is due, are told of in the ledger, and go on from there: what follows, ``then`` and
    ``starts_after`` are as if it had passed. Raises InputError for a campaign or step that was never published.
    """
    require_real_clock(app)
    with store.write(app.engine) as session:
        campaign = get_campaign(session, name)
        found = _look(session, campaign, step)
        if found.was_skipped:
            return found
        session.add(SkippedStep(campaign_id=campaign.id or 0, step=step, at=now, actor=actor))
        dispatch = table_of(Dispatch)
        for before, after in ENDS_AS.items():
            session.execute(
                update(dispatch)
                .where(*_of_step(campaign, step), dispatch.c.status == before)
                .values(status=after, reason=Reason.step_skipped, detail="")
            )
        record_change(session, "campaign", campaign.id or 0, "skipped step", None, step, now, actor, Origin.staff)
    events.step_skipped(name, step, found.ahead)
    return found


def _of_step(campaign: Campaign, step: str) -> tuple[ColumnElement[bool], ...]:
    """Letters of the step itself: a correction goes to those who had it."""
    dispatch = table_of(Dispatch)
    return dispatch.c.campaign_id == campaign.id, dispatch.c.step == step, ~dispatch.c.occasion.contains(MARK, autoescape=True)


def _look(session: Session, campaign: Campaign, step: str) -> Skipping:
    steps = {each.name for definition in load_definitions(session, campaign).values() for each in definition.steps}
    if step not in steps:
        hint = make_hint(step, sorted(steps), f"it has {', '.join(sorted(steps))}")
        raise InputError(f"campaign '{campaign.name}' has no step '{step}'", hint=hint)
    dispatch = table_of(Dispatch)
    owed = select(func.count()).where(*_of_step(campaign, step), dispatch.c.status.in_(ENDS_AS))
    return Skipping(
        campaign.name,
        step,
        count_ahead(session, campaign, step),
        session.execute(owed).scalar_one(),
        session.get(SkippedStep, (campaign.id, step)) is not None,
    )
