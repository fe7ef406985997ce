"""Taking a step out of a campaign for everybody who has not had it: what follows goes on as if it had passed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, update
from sqlmodel import Session

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.campaign.corrections import MARK
from om_campaigns.campaign.models import Campaign, Dispatch, SkippedStep
from om_campaigns.campaign.releases import get_campaign, load_definitions
from om_campaigns.campaign.slices import fill_slice, in_slice, slices
from om_campaigns.campaign.vocabulary import DispatchStatus, Reason
from om_campaigns.columns import table_of
from om_campaigns.errors import InputError
from om_campaigns.nearest import make_hint
from om_campaigns.staff.publishing import count_ahead

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
    """Take a step out for everybody not yet served, for good; a second time ends what an interruption left, else changes nothing.

    Its readers come to it when it is due, are told of in the ledger, and go on from there: what follows, ``then`` and
    ``starts_after`` are as if it had passed. Raises InputError for a campaign or step that was never published.
    """
    require_real_clock(app)
    with store.turns(app.engine) as turns:
        with turns.writing() as session:
            campaign = get_campaign(session, name)
            found = _look(session, campaign, step)
            if not found.was_skipped:
                session.add(SkippedStep(campaign_id=campaign.id, step=step, at=now, actor=actor))
                record_change(session, "campaign", campaign.id, "skipped step", None, step, now, actor, Origin.staff)
        with turns.reading() as session:
            owed = session.execute(_owed(campaign, step)).scalars().all()
        for part in slices(owed):
            with turns.writing() as session:
                _end_owed(session, part)
    if not found.was_skipped:
        events.step_skipped(name, step, found.ahead)
    return found


def _owed(campaign: Campaign, step: str) -> Select[Any]:
    """The letters of a step that are owed."""
    dispatch = table_of(Dispatch)
    return select(dispatch.c.id).where(*_of_step(campaign, step), dispatch.c.status.in_(ENDS_AS)).order_by(dispatch.c.id)


def _end_owed(session: Session, part: Sequence[int]) -> None:
    """Let one slice of them never leave."""
    dispatch = table_of(Dispatch)
    fill_slice(session, part)
    for before, after in ENDS_AS.items():
        ended = {"status": after, "reason": Reason.step_skipped, "detail": ""}
        session.execute(update(dispatch).where(in_slice(dispatch), dispatch.c.status == before).values(ended))


def _of_step(campaign: Campaign, step: str) -> tuple[ColumnElement[bool], ...]:
    """Letters of the step itself: a correction goes to those who had it."""
    dispatch = table_of(Dispatch)
    return dispatch.c.campaign_id == campaign.id, dispatch.c.step == step, ~dispatch.c.occasion.contains(MARK, autoescape=True)


def _look(session: Session, campaign: Campaign, step: str) -> Skipping:
    steps = {each.name for definition in load_definitions(session, campaign).values() for each in definition.steps}
    if step not in steps:
        hint = make_hint(step, sorted(steps), f"it has {', '.join(sorted(steps))}")
        raise InputError(f"campaign '{campaign.name}' has no step '{step}'", hint=hint)
    owed = select(func.count()).select_from(_owed(campaign, step).subquery())
    return Skipping(
        campaign.name,
        step,
        count_ahead(session, campaign, step),
        session.execute(owed).scalar_one(),
        session.get(SkippedStep, (campaign.id, step)) is not None,
    )
