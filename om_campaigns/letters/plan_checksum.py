"""The fingerprint of a plan: which letters in which words; and whether a plan that was reviewed is still the present one.

A checksum is the sum of what each letter is hashed to, so the order does not count, and letters that left since can be added to those
that are left: the reviewed plan is recognised while it is being served.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, or_, select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.campaign.matching import is_open
from om_campaigns.campaign.models import Campaign, Dispatch
from om_campaigns.campaign.owed import is_owed
from om_campaigns.campaign.permissions import find_permission, record_permission
from om_campaigns.campaign.vocabulary import CampaignStatus, DispatchStatus, PermissionKind
from om_campaigns.columns import table_of
from om_campaigns.compose.library import Library
from om_campaigns.delivery.models import Message, MessageDispatch
from om_campaigns.errors import InputError, ProblemsError
from om_campaigns.letters.owed_editions import key_of_row, keys_of_parts, open_library

REVIEWED_WITHIN = timedelta(days=7)
"""How far back a reviewed plan is looked for where nobody says when it was made."""

TRIED_FOR = timedelta(days=6)
"""A letter that is put off again and again is claimed so long before it leaves, at most."""

CONFIRMING = (PermissionKind.plan, PermissionKind.restore, PermissionKind.go_live)
"""What stands for a yes to a plan."""

LEFT = (DispatchStatus.sent, DispatchStatus.uncertain, DispatchStatus.failed)
"""What was handed over, or may have been: no difference to a plan it stood in."""


@dataclass
class Checksum:
    """The letters of a plan, added up."""

    total: int = 0
    letters: int = 0

    def add(self, line: str) -> None:
        self.total = (self.total + int.from_bytes(hashlib.sha256(line.encode()).digest())) % (1 << 256)
        self.letters += 1

    @property
    def text(self) -> str:
        """Sixteen hex digits; those of an empty plan begin with e3b0."""
        return hashlib.sha256(self.total.to_bytes(32) if self.letters else b"").hexdigest()[:16]


def take_checksum(session: Session, app: App, until: datetime, *, campaign: str | None = None, since: datetime | None = None) -> Checksum:
    """The checksum of everything the plan of ``until`` holds, once it has been applied to this session: newly due and owed.

    ``since`` also counts what was planned from that instant on: what entered the plan of then has been planned later.
    """
    dispatch = table_of(Dispatch)
    library, found = open_library(app, session, opens=True), Checksum()
    wanted = is_owed(dispatch, until)
    if since is not None:
        wanted = or_(wanted, and_(is_open(dispatch), dispatch.c.planned_at >= since))
    for row in session.execute(_rows(campaign).where(wanted)).yield_per(5000):
        found.add(_line(row, library))
    return found


def is_recognised(
    session: Session,
    app: App,
    present: Checksum,
    expected: str,
    until: datetime,
    *,
    campaign: str | None = None,
    since: datetime | None = None,
) -> bool:
    """The present plan of ``until`` is the expected one, or is what is left of it: the others have left, the latest ones first.

    ``since`` is when the expected plan was made, where that is known.
    """
    if present.text == expected:
        return True
    library, together = open_library(app, session, opens=True), Checksum(present.total, present.letters)
    for row in _left(session, until, campaign, since):
        together.add(_line(row, library))
        if together.text == expected:
            return True
    return False


def is_confirmed(app: App, checksum: str, now: datetime) -> bool:
    """Somebody said yes to exactly this plan, and need not be asked again."""
    with store.read(app.engine) as session:
        return find_permission(session, CONFIRMING, now, hash=checksum) is not None


def record_confirmed(app: App, checksum: str, letters: int, now: datetime, actor: str) -> None:
    """Somebody said yes to this plan; that holds as long as a plan is looked for."""
    with store.write(app.engine) as session:
        until = now + REVIEWED_WITHIN
        record_permission(session, PermissionKind.plan, who=actor, at=now, until=until, hash=checksum, figure=letters)


def _rows(campaign: str | None) -> Select[Any]:
    dispatch, campaigns = table_of(Dispatch), table_of(Campaign)
    query = select(dispatch, campaigns.c.name.label("campaign")).join_from(
        dispatch, campaigns, campaigns.c.id == dispatch.c.campaign_id + 0
    )
    query = query.where(campaigns.c.status == CampaignStatus.running)
    return query if campaign is None else query.where(campaigns.c.name == campaign)


def _left(session: Session, until: datetime, campaign: str | None, since: datetime | None) -> Iterator[Any]:
    """What left since, the latest first. Read along the messages, whose numbers grow with time."""
    dispatch, served, message = table_of(Dispatch), table_of(MessageDispatch), table_of(Message)
    first = (since or until - REVIEWED_WITHIN) - TRIED_FOR
    older = select(message.c.id).where(message.c.claimed_at < first).order_by(message.c.id.desc()).limit(1)
    newest_older = session.execute(older).scalar() or 0
    query = (
        _rows(campaign)
        .add_columns(message.c.claimed_at)
        .join(served, served.c.dispatch_id == dispatch.c.id)
        .join(message, message.c.id == served.c.message_id)
        .where(message.c.id > newest_older, dispatch.c.status.in_(LEFT))
    )
    latest: dict[int, tuple[datetime, Any]] = {}
    for row in session.execute(query):
        at = row.sent_at or row.claimed_at
        if (since is None or at >= since) and (row.id not in latest or latest[row.id][0] < at):
            latest[row.id] = (at, row)
    for _, row in sorted(latest.values(), key=lambda each: (each[0], each[1].id), reverse=True):
        yield row


def _line(row: Any, library: Library) -> str:
    """A letter by its key and the editions it would get, or got."""
    try:
        edition = ",".join(map(library.edition_id, keys_of_parts(key_of_row(row), row.route, library)))
    except (ProblemsError, InputError):
        edition = "broken"
    return f"{row.campaign}|{row.occasion}|{row.step}|{row.recipient_kind}|{row.recipient_id}|{edition}\n"
