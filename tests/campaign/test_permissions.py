"""permissions: what somebody confirmed holds for what was shown, and for as long as was said; on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session

from om_campaigns.campaign.models import Permission
from om_campaigns.campaign.permissions import find_permission, load_permissions, record_permission
from om_campaigns.campaign.vocabulary import PermissionKind
from om_campaigns.store import read, write

NOON = datetime(2027, 5, 4, 12, tzinfo=UTC)
WEEK = timedelta(days=7)
ENTRY = (PermissionKind.admit, PermissionKind.publication)


def give(session: Session, what: PermissionKind = PermissionKind.admit, **values: object) -> Permission:
    known: dict[str, object] = {"who": "petra", "at": NOON, "until": NOON + WEEK, "subject": "wir-gedanke", "figure": 41}
    return record_permission(session, what, **(known | values))  # type: ignore[arg-type]


def test_a_permission_holds_from_its_instant_to_its_end(engine: Engine) -> None:
    with write(engine) as session:
        give(session)
    with read(engine) as session:
        moments = (NOON - timedelta(seconds=1), NOON, NOON + WEEK - timedelta(seconds=1), NOON + WEEK)
        assert [find_permission(session, ENTRY, at, subject="wir-gedanke") is not None for at in moments] == [False, True, True, False]


def test_one_without_an_end_holds_for_ever(engine: Engine) -> None:
    with write(engine) as session:
        give(session, PermissionKind.restore, subject="", until=None, figure=None, hash="9f41")
    with read(engine) as session:
        assert find_permission(session, [PermissionKind.restore], NOON + 1000 * WEEK, hash="9f41") is not None
        assert find_permission(session, [PermissionKind.restore], NOON + 1000 * WEEK, hash="0000") is None


def test_a_permission_is_for_its_subject_and_kind_only(engine: Engine) -> None:
    with write(engine) as session:
        give(session)
    with read(engine) as session:
        assert find_permission(session, ENTRY, NOON, subject="monatsbrief") is None
        assert find_permission(session, [PermissionKind.publication], NOON, subject="wir-gedanke") is None


def test_the_latest_comes_first_and_the_same_again_is_one(engine: Engine) -> None:
    with write(engine) as session:
        first = give(session)
        assert give(session).id == first.id
        give(session, figure=50, at=NOON + timedelta(hours=1))
    with read(engine) as session:
        found = load_permissions(session, ENTRY, NOON + timedelta(hours=2), subject="wir-gedanke")
        assert [each.figure for each in found] == [50, 41]


def test_an_unknown_kind_cannot_be_stored(engine: Engine) -> None:
    from sqlalchemy import text

    with pytest.raises(IntegrityError), write(engine) as session:  # noqa: PT012
        give(session)
        session.execute(text("UPDATE permission SET what = 'everything'"))
