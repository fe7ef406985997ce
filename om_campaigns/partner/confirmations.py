"""Which version of a toolkit a house works with, as it says itself (R20)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns.audience.access import Acting
from om_campaigns.audience.changes import Change
from om_campaigns.audience.models import Response
from om_campaigns.audience.toolkits import Toolkit, ToolkitUse, ToolkitVersion
from om_campaigns.audience.vocabulary import Origin, ResponseKind, ToolkitStatus
from om_campaigns.columns import digest
from om_campaigns.partner.signing_in import FieldChange, record_changes


def current_version(session: Session, toolkit_id: int) -> ToolkitVersion | None:
    """The newest version that holds; None for a toolkit that was withdrawn."""
    query = select(ToolkitVersion).where(col(ToolkitVersion.toolkit_id) == toolkit_id, col(ToolkitVersion.status) == ToolkitStatus.current)
    found: ToolkitVersion | None = session.execute(query.order_by(col(ToolkitVersion.sort_key).desc()).limit(1)).scalar_one_or_none()
    return found


def confirm_version(session: Session, organisation_id: int, code: str, now: datetime, today: date, acting: Acting) -> bool:
    """A house that uses a toolkit works with its current version by today; False where it does not use it, or none is current.

    Said twice on one day it is one sign.
    """
    use = _find_use(session, organisation_id, code)
    version = current_version(session, use.toolkit_id) if use is not None else None
    if use is None or version is None:
        return False
    before = session.get_one(ToolkitVersion, use.version_id)
    changes: list[FieldChange] = [
        ("version", before.version, version.version),
        ("confirmed_on", use.confirmed_on.isoformat() if use.confirmed_on else None, today.isoformat()),
    ]
    use.version_id, use.confirmed_on = version.id, today
    _note(session, organisation_id, code, changes, now, acting)
    source_key = digest("confirmed", str(organisation_id), code, version.version, today.isoformat())
    known = select(col(Response.id)).where(col(Response.kind) == ResponseKind.confirmed_version, col(Response.source_key) == source_key)
    if session.execute(known).first() is None:
        session.add(
            Response(
                kind=ResponseKind.confirmed_version, source_key=source_key, at=now, organisation_id=organisation_id,
                detail={"toolkit": code, "version": version.version},
            )
        )  # fmt: skip
    session.flush()
    return True


def end_use(session: Session, organisation_id: int, code: str, now: datetime, acting: Acting) -> bool:
    """A house does not use a toolkit any more, so nobody asks again; False where it never did. Said twice it is said once."""
    use = _find_use(session, organisation_id, code)
    if use is None:
        return (organisation_id, code) in find_ended(session, [organisation_id])
    before = session.get_one(ToolkitVersion, use.version_id)
    _note(session, organisation_id, code, [("version", before.version, None)], now, acting)
    session.delete(use)
    session.flush()
    return True


def resume_use(session: Session, organisation_id: int, code: str, now: datetime, acting: Acting) -> bool:
    """A house uses a toolkit again after ``end_use``, in the version it had; False where it did not end it itself."""
    if _find_use(session, organisation_id, code) is not None:
        return True
    before = find_ended(session, [organisation_id]).get((organisation_id, code))
    query = select(ToolkitVersion).join(Toolkit, col(Toolkit.id) == col(ToolkitVersion.toolkit_id))
    query = query.where(col(Toolkit.code) == code, col(ToolkitVersion.version) == before)
    version = session.execute(query).scalar_one_or_none() if before else None
    if version is None:
        return False
    session.add(ToolkitUse(organisation_id=organisation_id, toolkit_id=version.toolkit_id, version_id=version.id))
    _note(session, organisation_id, code, [("version", None, version.version)], now, acting)
    session.flush()
    return True


def find_ended(session: Session, houses: Sequence[int]) -> dict[tuple[int, str], str]:
    """(house, code) → version, where the last word about a toolkit is that of the house itself: it is not used any more."""
    columns = (col(Change.entity_id), col(Change.field), col(Change.old), col(Change.new), col(Change.origin))
    query = select(*columns).where(col(Change.entity) == "organisation", col(Change.entity_id).in_(houses))
    last: dict[tuple[int, str], str] = {}
    for house, field, old, new, origin in session.execute(query.where(col(Change.field).like("uses % version")).order_by(col(Change.id))):
        last[house, field.removeprefix("uses ").removesuffix(" version")] = old if new is None and origin == Origin.partner else ""
    return {key: version for key, version in last.items() if version}


def _find_use(session: Session, organisation_id: int, code: str) -> ToolkitUse | None:
    query = select(ToolkitUse).join(Toolkit, col(Toolkit.id) == col(ToolkitUse.toolkit_id))
    found: ToolkitUse | None = session.execute(
        query.where(col(ToolkitUse.organisation_id) == organisation_id, col(Toolkit.code) == code)
    ).scalar_one_or_none()
    return found


def _note(session: Session, organisation_id: int, code: str, changes: Sequence[FieldChange], now: datetime, acting: Acting) -> None:
    """In the words of the import of uses (``audience/intake/networks_and_toolkits.py``)."""
    changed = [(f"uses {code} {field}", old, new) for field, old, new in changes if old != new]
    record_changes(session, "organisation", organisation_id, changed, acting, now)
