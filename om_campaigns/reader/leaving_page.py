"""Stop mail to an address, or slow it down: through the doors of a letter, and through staff who were asked to."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select
from sqlmodel import col

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience import tasks
from om_campaigns.audience.addresses import hash_address, hash_folded, normalise
from om_campaigns.audience.consent import record_suppression
from om_campaigns.audience.finding import require_mailing_list
from om_campaigns.audience.models import Address, Organisation
from om_campaigns.audience.tasks import Task
from om_campaigns.audience.vocabulary import RHYTHM_DAYS, Rhythm, SuppressionReason, SuppressionScope
from om_campaigns.columns import table_of
from om_campaigns.errors import InputError
from om_campaigns.reader import leaving, taking_back
from om_campaigns.reader.leaving import Channel, Leaver
from om_campaigns.reader.tokens import Door, Visitor, find_visitor


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
        is_new = leaving.record_leaving(session, leaver, SuppressionScope.mailing_list, Channel.one_click, now, app.today(now))
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
            leaving.hold_address(session, visitor.address_id)
            if RHYTHM_DAYS[RHYTHMS[wish]] > RHYTHM_DAYS[leaving.find_rhythm(session, visitor.address_id)]:
                leaving.record_rhythm(
                    session, visitor.address_id, visitor.organisation_id, RHYTHMS[wish], Channel.page, now, app.today(now)
                )
            return
        leaver = Leaver(visitor.address_id, visitor.organisation_id, visitor.mailing_list)
        is_new = leaving.record_leaving(session, leaver, SCOPES[wish], Channel.page, now, today)
    if is_new:
        events.address_suppressed(visitor.address_id, Channel.page.value)


def take_back(app: App, visitor: Visitor, wish: Wish, decided_at: datetime, now: datetime) -> bool:
    """Take back what was confirmed on the page of a letter at ``decided_at``; False where it changed nothing then, or not any more."""
    with store.write(app.engine) as session:
        if wish in RHYTHMS:
            return taking_back.take_back_rhythm(session, visitor.address_id, decided_at, now)
        leaver = Leaver(visitor.address_id, visitor.organisation_id, visitor.mailing_list)
        return taking_back.take_back_leaving(session, leaver, SCOPES[wish], decided_at, now)


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
            scope = leaving.find_scope(session, leaver, kind)
            return record_suppression(session, stranger, SuppressionReason.opt_out, now, scope_kind=kind, scope=scope)
        is_new = leaving.record_leaving(session, leaver, kind, Channel.staff, now, app.today(now), actor=actor)
    if is_new:
        events.address_suppressed(known, Channel.staff.value)
    return is_new


def stands_for_house(app: App, visitor: Visitor) -> bool:
    """Whether this address receives the packs of its house."""
    with store.read(app.engine) as session:
        return leaving.receives_packs(session, visitor.address_id, visitor.organisation_id, app.today(app.now()))


def load_tasks(app: App, *, with_closed: bool = False) -> list[dict[str, Any]]:
    """What people of OM have to look at, the oldest first: number, kind, organisation, address, detail, at, closed_at, closed_by."""
    task, organisation, address = table_of(Task), table_of(Organisation), table_of(Address)
    columns = (task.c.id, task.c.kind, organisation.c.slug, address.c.address, task.c.detail, task.c.at, task.c.closed_at, task.c.closed_by)
    query = select(*columns).outerjoin(organisation, organisation.c.id == task.c.organisation_id)
    query = query.outerjoin(address, address.c.id == task.c.address_id).order_by(task.c.at, task.c.id)
    if not with_closed:
        query = query.where(task.c.closed_at.is_(None))
    with store.read(app.engine) as session:
        rows = session.execute(query).all()
    keys = ("number", "kind", "organisation", "address", "detail", "at", "closed_at", "closed_by")
    return [dict(zip(keys, row, strict=True)) for row in rows]


def close_task(app: App, number: int, now: datetime, actor: str) -> bool:
    """Say that somebody has seen to a task; False where that was said before. Raises InputError for an unknown number."""
    with store.write(app.engine) as session:
        return tasks.close_task(session, number, now, actor)
