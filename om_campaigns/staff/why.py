"""Why somebody gets, or does not get, a campaign: asked of the very statements that plan it, then rolled back."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from sqlalchemy import case, exists, or_, select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.expressions import Selects, compile_condition, split
from om_campaigns.audience.models import Organisation, Person, Seat, Touch
from om_campaigns.audience.segments import candidates
from om_campaigns.audience.vocabulary import RecipientKind
from om_campaigns.campaign.about import About
from om_campaigns.campaign.candidates import CANDIDATE
from om_campaigns.campaign.definition import Audience
from om_campaigns.campaign.matching import OPEN, dispatches_to
from om_campaigns.campaign.models import Campaign, Dispatch, Enrolment
from om_campaigns.campaign.releases import get_campaign, load_campaign_ids, load_definitions, load_skipped_steps
from om_campaigns.campaign.vocabulary import REASONS, CampaignStatus, DispatchStatus, Reason
from om_campaigns.columns import table_of
from om_campaigns.planning import plan_campaign
from om_campaigns.staff.verdict import Inquiry


@dataclass(frozen=True)
class Part:
    """One part of a segment's rule, and whether it holds for this subject."""

    text: str
    holds: bool


@dataclass
class SeatAnswer:
    """One seat (or the house itself) against the campaign's audiences."""

    house: str
    segment: str
    matches: bool
    joint: str
    parts: list[Part]
    reason: Reason | None = None


@dataclass
class Answer:
    """Everything ``why`` knows; ``because`` is never empty. ``history`` rows have step, status, reason, detail, due_at and sent_at."""

    subject: str
    campaign: str
    status: CampaignStatus
    gets: bool = False
    because: str = ""
    is_enrolled: bool = False
    would_enter: bool = False
    state: str = ""
    ended_because: Reason = Reason.none
    next_step: str | None = None
    next_due_at: datetime | None = None
    promised_at: datetime | None = None
    is_taken_out: bool = False
    """The next step was taken out (``campaign skip``): it passes without a letter."""
    seats: list[SeatAnswer] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)


def explain_recipient(
    app: App, campaign_name: str, now: datetime, *, person_id: int | None = None, organisation_id: int | None = None
) -> Answer:
    """Ask for one person or one house. Raises InputError for an unknown campaign."""

    def work(session: Session) -> Answer:
        campaign = get_campaign(session, campaign_name)
        subject_id = person_id if person_id is not None else organisation_id
        kind = RecipientKind.person if person_id is not None else RecipientKind.organisation
        name = session.get_one(Person, subject_id).full_name if person_id is not None else session.get_one(Organisation, subject_id).name
        answer = Answer(name, campaign.name, campaign.status)
        answer.is_enrolled = _enrolment(session, campaign, kind, subject_id) is not None
        reasons: dict[int, Reason] = {}
        if campaign.status is CampaignStatus.running:
            plan_campaign(store.OneTurn(session), app, campaign, now, now, asks_all=True, about=About(kind, subject_id or 0))
            mine = (CANDIDATE.c.subject_kind == kind.value, CANDIDATE.c.subject_id == subject_id)
            rows = session.execute(select(CANDIDATE.c.seat_id, CANDIDATE.c.reason).where(*mine))
            reasons = {row.seat_id: Reason(row.reason) for row in rows}
        _add_enrolment(session, answer, campaign, kind, subject_id)
        _add_history(session, answer, campaign, kind, subject_id)
        definition = load_definitions(session, campaign)[campaign.latest_version_id or 0]
        for audience in definition.audiences:
            answer.seats += _ask_seats(session, app, audience, now, person_id, organisation_id, reasons)
        inquiry = Inquiry(session, app, campaign, definition, kind, subject_id or 0, app.today(now), _mismatch(answer.seats))
        verdict = inquiry.answer()
        answer.gets = verdict.gets
        told = "; ".join(each for each in (REASONS.get(verdict.because, ""), verdict.told) if each)
        answer.because = ": ".join(each for each in (verdict.about, told) if each)
        if answer.would_enter and answer.gets:
            answer.because = "would enter at the next 'send' or 'run'"
        return answer

    return store.write_late(app.engine, work, keeps=False)


def explain_everywhere(app: App, now: datetime, *, person_id: int | None = None, organisation_id: int | None = None) -> list[Answer]:
    """The same for every campaign that was not stopped, and every other one the subject is in, by name."""
    with store.read(app.engine) as session:
        campaign, enrolment = table_of(Campaign), table_of(Enrolment)
        kind = RecipientKind.person if person_id is not None else RecipientKind.organisation
        subject_id = person_id if person_id is not None else organisation_id
        mine = select(enrolment.c.campaign_id).where(enrolment.c.subject_kind == kind, enrolment.c.subject_id == subject_id)
        asked = or_(campaign.c.status != CampaignStatus.stopped, campaign.c.id.in_(mine))
        published = campaign.c.latest_version_id.is_not(None)
        names = session.execute(select(campaign.c.name).where(asked, published).order_by(campaign.c.name)).scalars().all()
    return [explain_recipient(app, name, now, person_id=person_id, organisation_id=organisation_id) for name in names]


def _mismatch(seats: list[SeatAnswer]) -> str:
    """What the first rule asks for that does not hold, of the seat or house that is nearest to matching."""
    near = max((each for each in seats if not each.matches), key=lambda each: sum(part.holds for part in each.parts), default=None)
    if near is None:
        return ""
    lacks = next((part.text for part in near.parts if not part.holds), "")
    return f"{near.house} does not match segment {near.segment}" + (f": {lacks}" if lacks else "")


def _enrolment(session: Session, campaign: Campaign, kind: RecipientKind, subject_id: int | None) -> Any:
    enrolment = table_of(Enrolment)
    return session.execute(
        select(enrolment)
        .where(enrolment.c.campaign_id == campaign.id, enrolment.c.subject_kind == kind, enrolment.c.subject_id == subject_id)
        .order_by(enrolment.c.id.desc())
    ).first()


def _add_enrolment(session: Session, answer: Answer, campaign: Campaign, kind: RecipientKind, subject_id: int | None) -> None:
    row = _enrolment(session, campaign, kind, subject_id)
    if row is None:
        return
    answer.would_enter = not answer.is_enrolled
    answer.state, answer.ended_because = str(row.state), Reason(row.reason)
    answer.next_step, answer.next_due_at, answer.promised_at = row.next_step, row.next_due_at, row.promised_at
    answer.is_taken_out = row.next_step in load_skipped_steps(session, campaign.id)


def _add_history(session: Session, answer: Answer, campaign: Campaign, kind: RecipientKind, subject_id: int | None) -> None:
    dispatch = table_of(Dispatch)
    columns = [dispatch.c[name] for name in ("step", "status", "reason", "detail", "due_at", "sent_at")]
    query = select(*columns).where(dispatch.c.campaign_id == campaign.id, dispatch.c.id.in_(dispatches_to(kind, subject_id)))
    answer.history = _load_forgotten(session, campaign, kind, subject_id)
    answer.history += [dict(row._mapping) for row in session.execute(query.order_by(dispatch.c.id))]
    owed = [row["due_at"] for row in answer.history if row["step"] == answer.next_step and row["status"] in OPEN]
    if owed:  # once it is owed, the letter itself knows when
        answer.next_due_at = max(owed)


def _load_forgotten(session: Session, campaign: Campaign, kind: RecipientKind, subject_id: int | None) -> list[dict[str, Any]]:
    """What went out so long ago that the ledger forgot it: the touch knows the step and the time."""
    dispatch, touch = table_of(Dispatch), table_of(Touch)
    same = [dispatch.c[name] == touch.c[name] for name in ("campaign_id", "occasion", "step", "recipient_kind", "recipient_id")]
    query = select(touch.c.step, touch.c.at).where(
        touch.c.campaign_id + 0 == campaign.id,
        touch.c.recipient_kind == kind,
        touch.c.recipient_id == subject_id,
        ~exists().where(*same),
    )
    return [
        {"step": step, "status": DispatchStatus.sent, "reason": Reason.none, "detail": "", "due_at": at, "sent_at": at}
        for step, at in session.execute(query.order_by(touch.c.at))
    ]


def _ask_seats(
    session: Session,
    app: App,
    audience: Audience,
    now: datetime,
    person_id: int | None,
    organisation_id: int | None,
    reasons: dict[int, Reason],
) -> list[SeatAnswer]:
    selects = Selects(audience.selects)
    today = app.today(now)
    ids = load_campaign_ids(session)
    joint, pieces = split(audience.where)
    asked = [
        case((compile_condition(text, selects, today=today, campaigns=ids), 1), else_=0).label(f"part_{number}")
        for number, (text, _) in enumerate(pieces)
    ]
    whole = case((compile_condition(audience.where, selects, today=today, campaigns=ids), 1), else_=0).label("whole")
    answers = []
    for row in session.execute(_subject_rows(selects, today, person_id, organisation_id, [*asked, whole])):
        seat_id, house, *held, matches = row
        parts = [Part(" ".join(text.split()), bool(value)) for (text, _), value in zip(pieces, held, strict=True)]
        answers.append(SeatAnswer(house, audience.segment, bool(matches), str(joint), parts, reasons.get(seat_id)))
    return answers


def _subject_rows(selects: Selects, today: date, person_id: int | None, organisation_id: int | None, asked: list[Any]) -> Any:
    seat, organisation = table_of(Seat), table_of(Organisation)
    query = candidates(selects, today=today)
    if selects is Selects.organisations:
        wanted = organisation.c.id == organisation_id
        if person_id is not None:
            wanted = organisation.c.id.in_(select(seat.c.organisation_id).where(seat.c.person_id == person_id))
        return query.with_only_columns(organisation.c.id * 0, organisation.c.name, *asked, maintain_column_froms=True).where(wanted)
    wanted = seat.c.person_id == person_id
    if person_id is None:
        wanted = seat.c.organisation_id == organisation_id
    return query.with_only_columns(seat.c.id, organisation.c.name, *asked, maintain_column_froms=True).where(wanted)
