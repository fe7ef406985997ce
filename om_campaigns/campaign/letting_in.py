"""Letting in whoever ``enrolment.foresee`` found: the brake decides once, then they are written in slices, each whole by itself.

A crash between two slices costs nothing: those who are in stay in and count as the day's entries, and with the next look the
rest makes up the same sum, so the brake and a permission say the same again. What is written here was found a moment before;
whoever left, or was erased, in that moment gets nothing all the same, because every step asks again (``matching.make_reason``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from sqlalchemy import and_, func, literal, or_, select, update
from sqlmodel import Session

from om_campaigns.audience.expressions import Selects
from om_campaigns.audience.segments import subjects
from om_campaigns.audience.vocabulary import RecipientKind
from om_campaigns.campaign.candidates import CANDIDATE, Entry, is_in
from om_campaigns.campaign.definition import ReEnter
from om_campaigns.campaign.enrolment import ENTRANT, Entered, load_waiting, waits_for_then
from om_campaigns.campaign.entry_brake import (
    DAY,
    Judgement,
    Subjects,
    judge_entry,
    load_largest,
    load_undisputed,
    lock_entry,
    raise_largest,
)
from om_campaigns.campaign.models import Campaign, Enrolment
from om_campaigns.campaign.receivers import segment_of
from om_campaigns.campaign.slices import in_slice
from om_campaigns.campaign.vocabulary import EnrolmentState, Reason
from om_campaigns.columns import Instant, table_of
from om_campaigns.store import change, insert_ignoring

_enrolment = table_of(Enrolment)


def open_entry(session: Session, entry: Entry, found: Entered, now: datetime) -> Entered:
    """Before the first slice: what the brake says, kept on the campaign. Whoever is held stands among the refused then."""
    campaign = entry.campaign
    lock_entry(session, campaign)
    if found.judgement is None:
        note_held(session, campaign, None, now)
        return found
    judgement = judge_entry(session, campaign, entry.rule, found.judgement.entering, now)  # others may have entered since the look
    if judgement.is_held:
        note_held(session, campaign, judgement.entering, now)
        raise_largest(session, campaign, load_undisputed(session, campaign, now))
        session.execute(update(CANDIDATE).where(CANDIDATE.c.reason == Reason.none.value).values(reason=Reason.entry_held.value))
        refused = found.refused + Counter({Reason.entry_held: judgement.entering.total})
        return replace(found, entered=0, refused=refused, judgement=judgement)
    note_held(session, campaign, None, now)
    before = session.execute(select(func.max(_enrolment.c.entered_at)).where(_enrolment.c.campaign_id == campaign.id)).scalar()
    if before is not None and not judgement.is_confirmed:  # days that have passed undisputed since somebody entered last
        raise_largest(session, campaign, load_undisputed(session, campaign, now, since=before - 2 * DAY))
    return replace(found, judgement=judgement)


def is_known_held(session: Session, entry: Entry, found: Entered) -> bool:
    """The campaign is held, by as many as before and by the same bound, so that there is nothing to write."""
    session.add(entry.campaign)
    held, judgement = entry.campaign, found.judgement
    if judgement is None or not judgement.is_held or held.held_at is None:
        return False
    known = Subjects(held.held_people, held.held_houses), entry.rule.bound(load_largest(held))
    return known == (judgement.entering, judgement.bound)


def load_entrants(session: Session) -> Sequence[int]:
    """Everybody in ENTRANT, to be cut into slices."""
    return session.execute(select(ENTRANT.c.id).order_by(ENTRANT.c.id)).scalars().all()


def enrol(session: Session, entry: Entry, part: Sequence[int], now: datetime) -> int:
    """Let one slice of ENTRANT in; returns how many were not in yet."""
    if not part:
        return 0
    lock_entry(session, entry.campaign)
    columns: dict[str, Any] = {
        "campaign_id": literal(entry.campaign.id),
        "version_id": literal(entry.version_id),
        "state": literal(EnrolmentState.active.value),
        "reason": literal(Reason.none.value),
        "entered_at": literal(now, Instant),
        "next_step": literal(entry.definition.steps[0].name),
        "next_due_at": ENTRANT.c.due_at,
        "promised_at": ENTRANT.c.due_at,
        "shift_seconds": literal(0),
        **{column.name: column for column in ENTRANT.c if column.name not in ("id", "due_at")},
    }
    chosen = select(*columns.values()).where(ENTRANT.c.id.between(part[0], part[-1])).order_by(ENTRANT.c.id)
    return change(session, insert_ignoring(session, _enrolment, list(columns), chosen))


def close_entry(session: Session, entry: Entry, judgement: Judgement | None) -> None:
    """With the last slice: a day that somebody reviewed is kept if it is the largest, and whoever waited to follow waits no more."""
    if judgement is not None and judgement.is_confirmed:
        raise_largest(session, entry.campaign, judgement.lately + judgement.entering)
    if waiting := load_waiting(session).get(entry.definition.name):
        followed = update(_enrolment).where(waits_for_then(), _enrolment.c.version_id.in_(waiting), is_in(entry, _enrolment, literal("")))
        session.execute(followed.values(reason=Reason.none))


def note_held(session: Session, campaign: Campaign, held: Subjects | None, now: datetime) -> None:
    """Keep on the campaign since when, and how many, the brake holds; nothing where that is known."""
    at = campaign.held_at or now if held else None
    number = held or Subjects()
    if (campaign.held_at, campaign.held_people, campaign.held_houses) != (at, number.people, number.houses):
        campaign.held_at, campaign.held_people, campaign.held_houses = at, number.people, number.houses
        session.add(campaign)


def find_who_left(session: Session, entry: Entry, today: date) -> Sequence[int]:
    """For campaigns that may be re-entered: enrolments that have ended and whose subject is outside the segment for the first time."""
    if entry.definition.re_enter != ReEnter.after_finish:
        return []
    ended = [_enrolment.c.campaign_id == entry.campaign.id, _enrolment.c.state != EnrolmentState.active, _enrolment.c.left_at.is_(None)]
    for audience in entry.definition.audiences:
        found = subjects(segment_of(audience), today=today, campaigns=entry.campaign_ids).subquery()
        houses = select(found.c.organisation_id)
        inside = and_(_enrolment.c.subject_kind == RecipientKind.organisation, _enrolment.c.subject_id.in_(houses))
        if audience.selects == Selects.seats:
            nameless = houses.where(found.c.person_id.is_(None))
            people = select(found.c.person_id).where(found.c.person_id.is_not(None))
            inside = or_(
                and_(_enrolment.c.subject_kind == RecipientKind.person, _enrolment.c.subject_id.in_(people)),
                and_(_enrolment.c.subject_kind == RecipientKind.organisation, _enrolment.c.subject_id.in_(nameless)),
            )
        ended.append(~inside)
    return session.execute(select(_enrolment.c.id).where(*ended).order_by(_enrolment.c.id)).scalars().all()


def note_who_left(session: Session, now: datetime) -> int:
    """Write down that those of the slice have left; returns how many."""
    return change(session, update(_enrolment).where(in_slice(_enrolment), _enrolment.c.left_at.is_(None)).values(left_at=now))
