"""Campaigns as staff see them: what is published, who is in, what went out and what is next."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from sqlalchemy import exists, func, select
from sqlmodel import Session

from om_campaigns.audience.changes import Change
from om_campaigns.audience.models import Touch
from om_campaigns.campaign.corrections import MARK, is_correction
from om_campaigns.campaign.definition import CampaignDefinition, Step
from om_campaigns.campaign.matching import is_active, is_lost, is_open, is_over
from om_campaigns.campaign.models import Campaign, CampaignVersion, Dispatch, Enrolment, SkippedStep
from om_campaigns.campaign.releases import DESPITE, get_campaign
from om_campaigns.campaign.vocabulary import DispatchStatus, EnrolmentState
from om_campaigns.columns import table_of

OWED = (DispatchStatus.planned, DispatchStatus.held, DispatchStatus.claimed, DispatchStatus.retry)
"""What will still be sent if nothing comes between."""

_campaign, _version, _enrolment, _dispatch, _touch = (table_of(each) for each in (Campaign, CampaignVersion, Enrolment, Dispatch, Touch))
_corrects = _dispatch.c.occasion.contains(MARK, autoescape=True)


def load_campaigns(session: Session, campaign_id: int | None = None) -> list[dict[str, Any]]:
    """Published campaigns by name, or one of them: name, title, kind, mailing_list, status, version, published_at, enrolled (state →
    number), sent (without corrections: their readers had the letter), owed, uncertain, next_due_at."""
    query = (
        select(_campaign, _version.c.number, _version.c.published_at, _version.c.structure)
        .join(_version, _version.c.id == _campaign.c.latest_version_id)
        .order_by(_campaign.c.name)
    )
    if campaign_id is not None:
        query = query.where(_campaign.c.id == campaign_id)
    enrolled, counted, sent = _enrolled(session, campaign_id), _by_status(session, campaign_id), _sent(session, campaign_id)
    return [
        {
            "name": row.name,
            "title": row.structure["title"],
            "kind": row.kind,
            "mailing_list": row.mailing_list,
            "status": row.status,
            "version": row.number,
            "published_at": row.published_at,
            "enrolled": enrolled[row.id],
            "sent": sum(sent[row.id].values()),
            "owed": sum(counted[row.id].get(status, 0) for status in OWED),
            "uncertain": counted[row.id].get(DispatchStatus.uncertain, 0),
            "next_due_at": _next_due(session, row.id),
        }
        for row in session.execute(query).all()
    ]


def _only(column: Any, campaign_id: int | None) -> list[Any]:
    return [] if campaign_id is None else [column == campaign_id]


def _enrolled(session: Session, campaign_id: int | None) -> dict[int, dict[str, int]]:
    """Campaign → state → number. Whoever is not over is active: counted in indexes, without reading anybody."""
    found: dict[int, dict[str, int]] = defaultdict(lambda: {state.value: 0 for state in EnrolmentState})
    campaign, state, mine = _enrolment.c.campaign_id, _enrolment.c.state, _only(_enrolment.c.campaign_id, campaign_id)
    for number, count in session.execute(select(campaign, func.count()).where(*mine).group_by(campaign)):
        found[number][EnrolmentState.active.value] = count
    over = select(campaign, state, func.count()).where(is_over(_enrolment), *mine).group_by(campaign, state)
    for number, ended, count in session.execute(over):
        found[number][ended.value] = count
        found[number][EnrolmentState.active.value] -= count
    return found


def _by_status(session: Session, campaign_id: int | None) -> dict[int, dict[DispatchStatus, int]]:
    """What is open, failed or uncertain, by campaign; each found by its index, however much was sent."""
    found: dict[int, dict[DispatchStatus, int]] = defaultdict(dict)
    kinds = (_dispatch.c.campaign_id + 0, _dispatch.c.status)  # "+ 0" leaves SQLite the indexes of what is open and lost
    for asked in (is_open(_dispatch), is_lost(_dispatch)):
        query = select(*kinds, func.count()).where(asked, *_only(_dispatch.c.campaign_id + 0, campaign_id)).group_by(*kinds)
        for number, status, count in session.execute(query):
            found[number][status] = count
    return found


def _sent(session: Session, campaign_id: int | None) -> dict[int, dict[str, int]]:
    """Campaign → step → letters that surely left, without corrections; from the touches, which outlive the rows of the ledger."""
    touched = (_touch.c.campaign_id, _touch.c.occasion, _touch.c.step)  # the unique key begins with them: no row is read
    owed = (_dispatch.c.campaign_id, _dispatch.c.occasion, _dispatch.c.step)
    left = select(*touched, func.count()).where(*_only(_touch.c.campaign_id, campaign_id)).group_by(*touched)
    doubtful = (
        select(*owed, -func.count())
        .where(is_lost(_dispatch), _dispatch.c.status == DispatchStatus.uncertain, *_only(_dispatch.c.campaign_id, campaign_id))
        .group_by(*owed)
    )
    found: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for query in (left, doubtful):
        for number, occasion, step, count in session.execute(query):
            if not is_correction(occasion):
                found[number][step] += count
    return found


def _next_due(session: Session, campaign_id: int) -> Any:
    """The next instant a campaign has something to do: a letter that is owed, or the next step of somebody who is not owed it yet."""
    owed = select(func.min(_dispatch.c.due_at)).where(is_open(_dispatch), _dispatch.c.campaign_id + 0 == campaign_id)
    steps = (
        select(_enrolment.c.next_due_at)
        .where(
            _enrolment.c.campaign_id == campaign_id,
            is_active(_enrolment),
            _enrolment.c.next_due_at.is_not(None),
            ~exists().where(
                _dispatch.c.enrolment_id == _enrolment.c.id,
                _dispatch.c.occasion == _enrolment.c.occasion,
                _dispatch.c.step == _enrolment.c.next_step,
            ),
        )
        .order_by(_enrolment.c.next_due_at)
        .limit(1)
    )
    found = [session.execute(query).scalar_one_or_none() for query in (owed, steps)]
    return min((at for at in found if at is not None), default=None)


def load_campaign(session: Session, name: str) -> dict[str, Any]:
    """One published campaign: the row of ``load_campaigns`` with audiences, steps (each with its counts), ended
    enrolments by reason, and versions. Raises InputError for an unknown name."""
    campaign = get_campaign(session, name)
    (row,) = load_campaigns(session, campaign.id)
    versions = session.execute(select(_version).where(_version.c.campaign_id == campaign.id).order_by(_version.c.number)).all()
    definition = CampaignDefinition.from_structure(versions[-1].structure)
    return row | {
        "then": definition.then,
        "exit_when": definition.exit_when.strip(),
        "audiences": [{"segment": each.segment, "routes": list(each.routes), "sender": each.sender} for each in definition.audiences],
        "steps": _steps(session, campaign.id, definition),
        "ended": _ended(session, campaign.id),
        "largest_entry": campaign.largest_entry,
        "largest_house_entry": campaign.largest_house_entry,
        "held_at": campaign.held_at,
        "held_people": campaign.held_people,
        "held_houses": campaign.held_houses,
        "versions": _versions(session, campaign.id, versions),
    }


def _versions(session: Session, campaign_id: int, versions: Sequence[Any]) -> list[dict[str, Any]]:
    """Every version with who published it, despite which rules of the check, and how many in the series are on it."""
    change = table_of(Change)
    query = select(change.c.at, change.c.new).where(
        change.c.entity == "campaign", change.c.entity_id == campaign_id, change.c.field == DESPITE
    )
    despite = dict(session.execute(query).all())
    active = select(_enrolment.c.version_id, func.count()).where(_enrolment.c.campaign_id == campaign_id, is_active(_enrolment))
    readers: dict[int, int] = dict(session.execute(active.group_by(_enrolment.c.version_id)).all())
    return [
        {
            "version": each.number,
            "published_at": each.published_at,
            "published_by": each.published_by,
            "despite": despite.get(each.published_at, ""),
            "readers": readers.get(each.id, 0),
        }
        for each in versions
    ]


def _steps(session: Session, campaign_id: int, definition: CampaignDefinition) -> list[dict[str, Any]]:
    counts: dict[str, dict[str, int]] = defaultdict(dict)
    kinds = (_dispatch.c.step, _dispatch.c.status, _dispatch.c.reason, _corrects.label("corrects"))
    query = select(*kinds, func.count()).where(_dispatch.c.campaign_id == campaign_id).group_by(*kinds)
    skipped: dict[str, dict[str, int]] = defaultdict(dict)
    sent = _sent(session, campaign_id)[campaign_id]
    out = table_of(SkippedStep)
    taken_out: dict[str, Any] = dict(session.execute(select(out.c.step, out.c.at).where(out.c.campaign_id == campaign_id)).all())
    for step, status, reason, corrects, number in session.execute(query):
        key = "corrected" if corrects and status is DispatchStatus.sent else status
        counts[step][key] = counts[step].get(key, 0) + number
        if status is DispatchStatus.skipped:
            skipped[step][reason.value] = number
    return [
        {
            "step": step.name,
            "when": when_text(step),
            "sent": sent[step.name],
            "corrected": counts[step.name].get("corrected", 0),
            "owed": sum(counts[step.name].get(status, 0) for status in OWED),
            "failed": counts[step.name].get(DispatchStatus.failed, 0),
            "uncertain": counts[step.name].get(DispatchStatus.uncertain, 0),
            "skipped": skipped[step.name],
            "taken_out_at": taken_out.get(step.name),
        }
        for step in definition.steps
    ]


def when_text(step: Step) -> str:
    """When a step is due, in words: ``day 7``, ``14 days after``, ``36 h after``."""
    at = f" at {step.at:%H:%M}" if step.at is not None else ""
    if step.day is not None:
        return f"day {step.day}{at}"
    if step.after is not None:
        return f"{step.after} days after{at}"
    hours = step.elapsed.total_seconds() / 3600 if step.elapsed else 0
    return f"{hours:g} h after"


def _ended(session: Session, campaign_id: int) -> dict[str, int]:
    query = (
        select(_enrolment.c.state, _enrolment.c.reason, func.count())
        .where(_enrolment.c.campaign_id == campaign_id, _enrolment.c.state != EnrolmentState.active)
        .group_by(_enrolment.c.state, _enrolment.c.reason)
    )
    return {f"{state.value} ({reason.value})" if reason else state.value: number for state, reason, number in session.execute(query)}


def require_campaign(session: Session, name: str) -> None:
    """Raises InputError for a campaign that was never published."""
    get_campaign(session, name)
