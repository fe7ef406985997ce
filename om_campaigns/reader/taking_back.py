"""Taking back on the same page, for 30 days, what was just decided there: it is as it was, and both stay written down (LAW-05, UNS-09)."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, and_, delete, exists, select, update
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.audience.changes import Change, record_change
from om_campaigns.audience.consent import CONSENTS, stops
from om_campaigns.audience.models import Basis, Preference, Suppression
from om_campaigns.audience.vocabulary import Origin, Rhythm, Route, SuppressionReason, SuppressionScope
from om_campaigns.campaign.models import Dispatch, Enrolment
from om_campaigns.campaign.vocabulary import DispatchStatus, EnrolmentState, Reason
from om_campaigns.columns import table_of
from om_campaigns.delivery.models import MessageDispatch
from om_campaigns.reader.leaving import Channel, Leaver, find_scope, hold_address

TAKEN_BACK = "taken back on the page"

_enrolment, _dispatch, _served = table_of(Enrolment), table_of(Dispatch), table_of(MessageDispatch)


def take_back_leaving(session: Session, leaver: Leaver, scope_kind: SuppressionScope, left_at: datetime, now: datetime) -> bool:
    """Write again as before somebody left at ``left_at`` on the page; False where that is not what stops mail now.

    The consents that were withdrawn with it hold again, and each series goes on where it stopped: steps that were passed over meanwhile
    come still. Packs that were handed on meanwhile stay with whoever has them.
    """
    scope, address = find_scope(session, leaver, scope_kind), hold_address(session, leaver.address_id)
    told, blocked, basis = f"{scope_kind.value} {scope}".strip(), table_of(Suppression), table_of(Basis)
    if _find_said(session, leaver.address_id, "suppressed", left_at, table_of(Change).c.new == told) is None:
        return False
    mine = and_(
        stops(address), blocked.c.scope_kind == scope_kind, blocked.c.scope == scope, blocked.c.reason == SuppressionReason.opt_out,
        blocked.c.at == left_at,
    )  # fmt: skip
    before = _find_said(session, leaver.address_id, "reopened", left_at, table_of(Change).c.old.is_not(None))
    lifted = update(blocked).where(mine).values(reopened=f" {before[0]} ") if before else delete(blocked).where(mine)
    if not store.change(session, lifted):
        return False
    taken = (basis.c.address_id == leaver.address_id, basis.c.withdrawn_at == left_at, basis.c.kind.in_(CONSENTS))
    session.execute(update(basis).where(*taken).values(withdrawn_at=None))
    _go_on(session, leaver.address_id, left_at)
    record_change(session, "address", leaver.address_id, "suppressed", told, TAKEN_BACK, now, Channel.page, Origin.answer)
    return True


def _go_on(session: Session, address_id: int, left_at: datetime) -> None:
    """Whoever stands behind an address gets the place in each series again that they had at ``left_at``.

    What was in somebody's hands already is not asked again; how late a step may come (``grace``) planning says, as always.
    """
    passed_over = (
        select(_dispatch.c.id, _dispatch.c.enrolment_id, _dispatch.c.step, _dispatch.c.due_at)
        .join(_enrolment, and_(_enrolment.c.id == _dispatch.c.enrolment_id, _enrolment.c.occasion == _dispatch.c.occasion))
        .where(
            _enrolment.c.address_id == address_id,
            _dispatch.c.address_id == address_id,
            _dispatch.c.route == Route.direct_email,
            _dispatch.c.status == DispatchStatus.skipped,
            _dispatch.c.reason == Reason.suppressed,
            _dispatch.c.planned_at >= left_at,
            ~exists().where(_served.c.dispatch_id == _dispatch.c.id),
        )
        .order_by(_dispatch.c.due_at.desc(), _dispatch.c.id.desc())
    )
    rows = session.execute(passed_over).all()
    session.execute(delete(_dispatch).where(_dispatch.c.id.in_([row.id for row in rows])))
    first = {row.enrolment_id: row for row in rows}  # the latest come first, so the earliest stays
    for number, row in first.items():
        place = {"next_step": row.step, "next_due_at": row.due_at, "promised_at": row.due_at, "state": EnrolmentState.active}
        session.execute(update(_enrolment).where(_enrolment.c.id == number).values(**place, reason=Reason.none, ended_at=None))


def take_back_rhythm(session: Session, address_id: int, said_at: datetime, now: datetime) -> bool:
    """Read as often as before it was slowed down at ``said_at`` on the page; False where something else holds now."""
    said = _find_said(session, address_id, "rhythm", said_at, table_of(Change).c.old.is_not(None))
    hold_address(session, address_id)
    preference = session.get(Preference, address_id)
    if said is None or preference is None or preference.at != said_at:
        return False
    before, slowed = Rhythm(said[0]), preference.rhythm
    preference.rhythm, preference.at = before, now
    session.add(preference)
    record_change(session, "address", address_id, "rhythm", slowed.value, before.value, now, Channel.page, Origin.answer)
    session.flush()
    return True


def _find_said(session: Session, address_id: int, name: str, at: datetime, which: ColumnElement[bool]) -> tuple[str, str] | None:
    """What was written down at that moment about an address: old and new."""
    change = table_of(Change)
    mine = (change.c.entity == "address", change.c.entity_id == address_id, change.c.field == name, change.c.at == at)
    here = change.c.actor == Channel.page.value
    row = session.execute(select(change.c.old, change.c.new).where(*mine, here, which).limit(1)).one_or_none()
    return (row.old, row.new) if row else None
