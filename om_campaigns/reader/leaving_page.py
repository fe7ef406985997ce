"""The page behind a link: stop all, this house or one list, or less of it; and taking that back."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from sqlalchemy import ColumnElement, and_, delete, exists, select, update
from sqlmodel import Session, col

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.addresses import hash_address, hash_folded, normalise
from om_campaigns.audience.changes import Change, record_change
from om_campaigns.audience.consent import CONSENTS, record_suppression, stops
from om_campaigns.audience.finding import require_mailing_list
from om_campaigns.audience.models import Address, Basis, Preference, Suppression
from om_campaigns.audience.vocabulary import RHYTHM_DAYS, Origin, Rhythm, Route, SuppressionReason, SuppressionScope
from om_campaigns.campaign.models import Dispatch, Enrolment
from om_campaigns.campaign.vocabulary import DispatchStatus, EnrolmentState, Reason
from om_campaigns.columns import table_of
from om_campaigns.compose.links import Door
from om_campaigns.delivery.models import MessageDispatch
from om_campaigns.errors import InputError
from om_campaigns.reader.leaving import (
    Channel,
    Leaver,
    find_rhythm,
    find_scope,
    hold_address,
    receives_packs,
    record_leaving,
    record_rhythm,
)
from om_campaigns.reader.tokens import Visitor, find_visitor


class Wish(StrEnum):
    """What somebody with a letter in hand may decide at once (FWD-03)."""

    monthly = "monthly"
    quarterly = "quarterly"
    this_list = "this_list"
    this_house = "this_house"
    everything = "everything"


SCOPES = {
    Wish.this_list: SuppressionScope.mailing_list,
    Wish.this_house: SuppressionScope.organisation,
    Wish.everything: SuppressionScope.all,
}


RHYTHMS = {Wish.monthly: Rhythm.monthly, Wish.quarterly: Rhythm.quarterly}


def leave_at_once(app: App, token: str, now: datetime) -> bool:
    """One click (RFC 8058): leave the mailing list the token names. False for a token of no known letter; repeating it is harmless."""
    with store.write(app.engine) as session:
        visitor = find_visitor(app, session, Door.one_click, token)
        if visitor is None:
            return False
        leaver = Leaver(visitor.address_id, visitor.organisation_id, visitor.mailing_list)
        is_new = record_leaving(session, leaver, SuppressionScope.mailing_list, Channel.one_click, now, app.today(now))
    if is_new:
        events.address_suppressed(visitor.address_id, Channel.one_click.value)
    return True


def fulfil(app: App, visitor: Visitor, wish: Wish, now: datetime) -> None:
    """What was confirmed on the page of a letter; saying it twice changes nothing more.

    A rhythm that is not slower than the stored one changes nothing either, and that shows nowhere: whoever holds a forwarded letter may
    neither ask for more of them nor find out how often its reader wants to read (FWD-03).
    """
    today = app.today(now)
    with store.write(app.engine) as session:
        if wish in RHYTHMS:
            hold_address(session, visitor.address_id)
            if RHYTHM_DAYS[RHYTHMS[wish]] > RHYTHM_DAYS[find_rhythm(session, visitor.address_id)]:
                record_rhythm(session, visitor.address_id, visitor.organisation_id, RHYTHMS[wish], Channel.page, now, app.today(now))
            return
        leaver = Leaver(visitor.address_id, visitor.organisation_id, visitor.mailing_list)
        is_new = record_leaving(session, leaver, SCOPES[wish], Channel.page, now, today)
    if is_new:
        events.address_suppressed(visitor.address_id, Channel.page.value)


def take_back(app: App, visitor: Visitor, wish: Wish, decided_at: datetime, now: datetime) -> bool:
    """Take back what was confirmed on the page of a letter at ``decided_at``; False where it changed nothing then, or not any more."""
    with store.write(app.engine) as session:
        if wish in RHYTHMS:
            return take_back_rhythm(session, visitor.address_id, decided_at, now)
        leaver = Leaver(visitor.address_id, visitor.organisation_id, visitor.mailing_list)
        return take_back_leaving(session, leaver, SCOPES[wish], decided_at, now)


def unsubscribe(app: App, text: str, now: datetime, actor: str, *, mailing_list: str = "", organisation_id: int | None = None) -> bool:
    """What a reader asked for on the phone: stop mail to an address in one list, of one house, or altogether (LAW-08).

    An address that nobody knows is remembered too, so no later file brings mail to it. False when mail was stopped there before.
    Raises InputError for a text that is no address and for an unknown list.
    """
    require_real_clock(app)
    kind = (
        SuppressionScope.mailing_list
        if mailing_list
        else SuppressionScope.all
        if organisation_id is None
        else SuppressionScope.organisation
    )
    try:
        key = normalise(text).normal_key
    except ValueError as error:
        raise InputError(str(error)) from None
    with store.write(app.engine) as session:
        if mailing_list:
            require_mailing_list(session, mailing_list)
        known = session.execute(select(col(Address.id)).where(col(Address.normal_key) == key)).scalar_one_or_none()
        leaver = Leaver(known or 0, organisation_id, mailing_list)
        if known is None:
            hashed, folded = hash_address(app.keyring, key), hash_folded(app.keyring, key)
            stranger = Address(address="", normal_key="", domain="", hmac=hashed, folded_hmac=folded, key_id=app.keyring.current)
            scope = find_scope(session, leaver, kind)
            return record_suppression(session, stranger, SuppressionReason.opt_out, now, scope_kind=kind, scope=scope)
        is_new = record_leaving(session, leaver, kind, Channel.staff, now, app.today(now), actor=actor)
    if is_new:
        events.address_suppressed(known, Channel.staff.value)
    return is_new


def stands_for_house(app: App, visitor: Visitor) -> bool:
    """Whether this address receives the packs of its house."""
    with store.read(app.engine) as session:
        return receives_packs(session, visitor.address_id, visitor.organisation_id, app.today(app.now()))


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
