"""What the doors of a letter do: stop mail, or slow it down, for the address the letter went to."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select

from om_campaigns import events, store
from om_campaigns.app import App
from om_campaigns.audience.models import Address, Organisation
from om_campaigns.audience.vocabulary import Rhythm, SuppressionScope
from om_campaigns.columns import table_of
from om_campaigns.feedback import leaving, tasks
from om_campaigns.feedback.leaving import Channel, Leaver
from om_campaigns.feedback.models import Task
from om_campaigns.pipeline.doors import Door, Visitor, find_visitor


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
    """What was confirmed on the page of a letter; saying it twice changes nothing more."""
    with store.write(app.engine) as session:
        if wish in SCOPES:
            leaver = Leaver(visitor.address_id, visitor.organisation_id, visitor.mailing_list)
            is_new = leaving.record_leaving(session, leaver, SCOPES[wish], Channel.page, now, app.today(now))
        else:
            is_new = leaving.record_rhythm(session, visitor.address_id, visitor.organisation_id, Rhythm(wish.value), Channel.page, now)
    if is_new and wish in SCOPES:
        events.address_suppressed(visitor.address_id, Channel.page.value)


def stands_for_house(app: App, visitor: Visitor) -> bool:
    """Whether this address receives the packs of its house."""
    with store.read(app.engine) as session:
        return leaving.receives_packs(session, visitor.address_id, visitor.organisation_id)


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
