"""Many leaving at once: people are told with the next tick, and may take exactly that back (SEC-10)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Select, and_, delete, func, literal_column, or_, select, update
from sqlmodel import Session, col

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.changes import Change, record_change
from om_campaigns.audience.consent import CONSENTS, stops
from om_campaigns.audience.finding import require_mailing_list
from om_campaigns.audience.models import Address, Basis, Organisation, Suppression, Touch
from om_campaigns.audience.tasks import Task, TaskKind, open_task
from om_campaigns.audience.vocabulary import Origin, SuppressionReason, SuppressionScope
from om_campaigns.campaign.models import Campaign
from om_campaigns.columns import digest, new_ref, table_of
from om_campaigns.errors import InputError
from om_campaigns.reader.leaving import AGAIN_AFTER
from om_campaigns.reader.leaving import Channel as Channel  # commands take it

FEWEST = 10
"""Fewer who leave within an hour are never a burst, however small the list."""

DOORS = (Channel.one_click, Channel.page, Channel.mail)
"""The doors of readers; what staff write down is no burst."""

READ_WITHIN = timedelta(days=30)
"""Whoever was written to so recently is a reader of whom the share is taken."""

_change, _address, _blocked, _touch = (table_of(each) for each in (Change, Address, Suppression, Touch))


def said_leaving() -> ColumnElement[bool]:
    """In the words of the partial index: what somebody said about being written to, and what staff took back."""
    return _change.c.field == literal_column("'suppressed'")


def is_leaving() -> ColumnElement[bool]:
    """Somebody left who was written to before; not that they said so again, came back, or were taken back."""
    scopes = (_change.c.new == SuppressionScope.all, _change.c.new.startswith("mailing_list "), _change.c.new.startswith("organisation "))
    return and_(_change.c.old.is_(None), or_(*scopes))


@dataclass(frozen=True, slots=True)
class Burst:
    """Many who left one ``scope`` (as ``change.new`` says it) through one door within an hour."""

    scope: str
    channel: str
    begun: datetime
    left: int
    readers: int


def find_bursts(session: Session, now: datetime, percent: int) -> list[Burst]:
    """Where more than ``percent`` of the readers left within the last hour, as far as people were not asked to look yet."""
    told = _load_told(session, now)
    left = func.count(_change.c.entity_id.distinct())
    query = (
        select(_change.c.new, _change.c.actor, func.min(_change.c.at), left)
        .where(said_leaving(), is_leaving(), _change.c.at > now - AGAIN_AFTER, _change.c.at <= now, _change.c.actor.in_(DOORS))
        .group_by(_change.c.new, _change.c.actor)
        .having(left >= FEWEST)
        .order_by(_change.c.new, _change.c.actor)
    )
    rows = [row for row in session.execute(query) if (row[0], row[1]) not in told]
    found = [Burst(row[0], row[1], row[2], row[3], _count_readers(session, row[0], now)) for row in rows]
    return [each for each in found if each.left * 100 > each.readers * percent]


def _load_told(session: Session, now: datetime) -> set[tuple[str, str]]:
    """Scope and door of the alarms of the last hour: the readers of a list are counted once for each, and not with every tick."""
    recent = session.execute(select(col(Task.detail)).where(col(Task.kind) == TaskKind.mass_leaving, col(Task.at) > now - AGAIN_AFTER))
    return {(each["scope"], each["through"]) for each in recent.scalars()}


def _count_readers(session: Session, scope: str, now: datetime) -> int:
    kind, _, name = scope.partition(" ")
    campaign, house = table_of(Campaign), table_of(Organisation)
    query = select(func.count(_touch.c.address_id.distinct())).where(_touch.c.at > now - READ_WITHIN)
    if kind == SuppressionScope.mailing_list:
        query = query.where(_touch.c.campaign_id.in_(select(campaign.c.id).where(campaign.c.mailing_list == name)))
    elif kind == SuppressionScope.organisation:
        query = query.where(_touch.c.organisation_id.in_(select(house.c.id).where(house.c.public_id == name)))
    return int(session.execute(query).scalar_one())


def alarm(session: Session, burst: Burst, now: datetime) -> bool:
    """Ask people to look, once for all who leave so within an hour; False where they were asked already."""
    if (burst.scope, burst.channel) in _load_told(session, now):
        return False
    return open_task(
        session,
        TaskKind.mass_leaving,
        digest("mass_leaving", burst.scope, burst.channel, now.isoformat()),
        now,
        scope=burst.scope,
        through=burst.channel,
        since=burst.begun.isoformat(),
        left=burst.left,
        readers=burst.readers,
    )


class Said(NamedTuple):
    """One thing that was said about being written to: a scope that was left, or why it was taken back."""

    new: str | None
    actor: str
    at: datetime


class Fate(StrEnum):
    """What undoing does with somebody who left so."""

    undone = "undone"
    left_otherwise = "left_otherwise"
    stopped_otherwise = "stopped_otherwise"
    over = "over"


@dataclass(frozen=True, slots=True)
class Which:
    """Who left through one door from ``since`` to ``until`` (both included); only one ``scope``, or ''."""

    since: datetime
    until: datetime
    channel: Channel
    scope: str = ""


@dataclass(frozen=True, slots=True)
class Leaving:
    """One who left so. ``suppression_id`` and ``at`` say what would be taken back."""

    address_id: int
    scope: str
    at: datetime
    fate: Fate
    suppression_id: int = 0


def choose(session: Session, which: Which) -> list[Leaving]:
    """Everybody who left so, with what undoing would do; those who left the same otherwise, before or after, stay out."""
    said = _load_said(session, which)
    stopped = _load_suppressions(session, which)
    chosen = []
    for (address_id, scope), rows in sorted(said.items()):
        since_undone = rows[max((at for at, row in enumerate(rows) if row.new != scope), default=-1) + 1 :]
        mine = [row for row in since_undone if _is_meant(row, which)]
        block = stopped.get((address_id, scope))
        if not mine:
            continue
        if block is None or block.reopened is not None:  # gone, or looked at by whoever subscribed to some lists again
            fate = Fate.over
        elif len(mine) < len(since_undone):
            fate = Fate.left_otherwise
        elif block.reason is not SuppressionReason.opt_out or block.at != mine[0].at:
            fate = Fate.stopped_otherwise
        else:
            fate = Fate.undone
        chosen.append(Leaving(address_id, scope, mine[0].at, fate, block.id if block else 0))
    return chosen


def _is_meant(row: Said, which: Which) -> bool:
    return row.actor == which.channel and which.since <= row.at <= which.until and which.scope in ("", row.new)


def _theirs(which: Which) -> Select[tuple[int]]:
    meant = (_change.c.actor == which.channel.value, _change.c.at >= which.since, _change.c.at <= which.until)
    return select(_change.c.entity_id).where(said_leaving(), *meant)


def _load_said(session: Session, which: Which) -> dict[tuple[int, str], list[Said]]:
    """All that was ever said about being written to by those who left so: by address and scope, in order."""
    columns = (_change.c.entity_id, _change.c.old, _change.c.new, _change.c.actor, _change.c.at)
    query = select(*columns).where(said_leaving(), _change.c.entity == "address", _change.c.entity_id.in_(_theirs(which)))
    found: dict[tuple[int, str], list[Said]] = defaultdict(list)
    for row in session.execute(query.order_by(_change.c.id)):
        found[row.entity_id, row.old or row.new or ""].append(Said(*row[2:]))
    return found


def _load_suppressions(session: Session, which: Which) -> dict[tuple[int, str], Suppression]:
    """What stops mail to these addresses now, by address and scope; nothing for those that were erased."""
    same = and_(_blocked.c.hmac == _address.c.hmac, _blocked.c.key_id == _address.c.key_id)
    query = select(_address.c.id, Suppression).join_from(_address, Suppression, same)
    rows = session.execute(query.where(_address.c.id.in_(_theirs(which)), _address.c.erased_at.is_(None))).all()
    return {(address_id, f"{block.scope_kind.value} {block.scope}".strip()): block for address_id, block in rows}


def _is_lifted(session: Session, leaving: Leaving) -> ColumnElement[bool]:
    """The suppression, and that of the folded address which was written with it."""
    found, address = session.get_one(Suppression, leaving.suppression_id), session.get_one(Address, leaving.address_id)
    same = (_blocked.c.scope_kind == found.scope_kind, _blocked.c.scope == found.scope, _blocked.c.reason == found.reason)
    return or_(_blocked.c.id == found.id, and_(stops(address), *same, _blocked.c.at == found.at))


def undo(session: Session, chosen: Sequence[Leaving], reason: str, actor: str, now: datetime) -> int:
    """Write to these addresses again, as far as they were chosen: lift what stopped them, and give back the consents it took."""
    basis, batch = table_of(Basis), new_ref()
    undone = [each for each in chosen if each.fate is Fate.undone]
    for each in undone:
        session.execute(delete(_blocked).where(_is_lifted(session, each)))
        taken = (basis.c.address_id == each.address_id, basis.c.withdrawn_at == each.at, basis.c.kind.in_(CONSENTS))
        session.execute(update(basis).where(*taken).values(withdrawn_at=None))
        record_change(session, "address", each.address_id, "suppressed", each.scope, f"undone: {reason}", now, actor, Origin.staff, batch)
    session.flush()
    return len(undone)


def watch_leaving(app: App, now: datetime) -> int:
    """Ask people to look where many left within the last hour, also while sending is halted; returns how many tasks are new."""
    with store.read(app.engine) as session:
        found = find_bursts(session, now, app.settings.alarm.leaving_percent)
    if not found:
        return 0
    with store.write(app.engine) as session:
        alarmed = [each for each in found if alarm(session, each, now)]
    for each in alarmed:
        events.mass_leaving(each.scope, each.channel, each.left, each.readers)
    return len(alarmed)


@dataclass(frozen=True, slots=True)
class Undone:
    """What undoing did, or would do: ``rows`` have address, scope, at and fate."""

    rows: list[dict[str, Any]]
    undone: int


def undo_leaving(
    app: App,
    since: datetime,
    until: datetime,
    channel: Channel,
    now: datetime,
    *,
    reason: str,
    actor: str,
    mailing_list: str = "",
    is_dry_run: bool = False,
) -> Undone:
    """Write again to those who left through one door in a time, or say to whom; saying it twice changes nothing more.

    Whoever left the same through another door too, or at another time, stays out. Raises InputError for a time that ends before
    it begins, an unknown list and a reason without a word.
    """
    require_real_clock(app)
    if until < since:
        raise InputError("the time ends before it begins", hint="--since comes before --until")
    if not reason.strip():
        raise InputError("say why: it stands in the history of every address", hint="--reason TEXT")
    with store.undone(app.engine) if is_dry_run else store.write(app.engine) as session:
        if mailing_list:
            require_mailing_list(session, mailing_list)
        which = Which(since, until, channel, f"mailing_list {mailing_list}" if mailing_list else "")
        chosen = choose(session, which)
        number = undo(session, chosen, reason.strip(), actor, now)
        address = table_of(Address)
        written: dict[int, str] = dict(session.execute(select(address.c.id, address.c.address)).all()) if chosen else {}
    rows = [{"address": written[each.address_id], "scope": each.scope, "at": each.at, "fate": each.fate.value} for each in chosen]
    return Undone(rows, number)
