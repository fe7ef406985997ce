"""What people confirmed: written down once, asked by whoever would have to ask them again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import or_, select
from sqlmodel import Session

from om_campaigns.campaign.models import Permission
from om_campaigns.campaign.vocabulary import PermissionKind
from om_campaigns.columns import table_of


def record_permission(
    session: Session,
    what: PermissionKind,
    *,
    who: str,
    at: datetime,
    until: datetime | None = None,
    subject: str = "",
    hash: str = "",
    figure: int | None = None,
    already: int = 0,
) -> Permission:
    """Write down that ``who`` confirmed this; the very same again, while it holds, stays one row."""
    for known in load_permissions(session, [what], at, subject=subject, hash=hash):
        if (known.figure, known.already, known.until) == (figure, already, until):
            return known
    given = Permission(what=what, subject=subject, hash=hash, figure=figure, already=already, who=who, at=at, until=until)
    session.add(given)
    session.flush()
    return given


def load_permissions(
    session: Session, kinds: Collection[PermissionKind], at: datetime, *, subject: str = "", hash: str | None = None
) -> list[Permission]:
    """The permissions of these kinds about ``subject`` that hold at an instant, the latest first; ``hash`` asks for one exact thing."""
    permission = table_of(Permission)
    query = select(Permission).where(
        permission.c.subject == subject,
        permission.c.what.in_(list(kinds)),
        permission.c.at <= at,
        or_(permission.c.until.is_(None), permission.c.until > at),
    )
    if hash is not None:
        query = query.where(permission.c.hash == hash)
    return list(session.execute(query.order_by(permission.c.at.desc(), permission.c.id.desc())).scalars())


def find_permission(
    session: Session, kinds: Collection[PermissionKind], at: datetime, *, subject: str = "", hash: str | None = None
) -> Permission | None:
    """The latest permission that holds at an instant, None where nobody gave one (see ``load_permissions``)."""
    return next(iter(load_permissions(session, kinds, at, subject=subject, hash=hash)), None)
