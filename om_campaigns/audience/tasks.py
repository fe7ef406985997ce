"""What people of OM have to look at: asked for once, closed by somebody."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlmodel import Field, Session, SQLModel

from om_campaigns import store
from om_campaigns.columns import Instant, Json, by_value, key, one_of, reference, table_of
from om_campaigns.errors import InputError


class TaskKind(StrEnum):
    """What people of OM have to look at."""

    receiver_left = "receiver_left"
    home_missing = "home_missing"
    home_left = "home_left"
    case_offered = "case_offered"
    distributor_named = "distributor_named"
    contacts_wanted = "contacts_wanted"
    house_says = "house_says"
    mail_unclear = "mail_unclear"
    mass_leaving = "mass_leaving"
    letters_held = "letters_held"
    entry_held = "entry_held"
    clock_doubted = "clock_doubted"


class Task(SQLModel, table=True):
    """Something that needs a person (Aufgabe). Names nobody: ``address_id`` and ``detail`` point at who and what.

    ``source_key`` makes asking for the same thing twice harmless.
    """

    __tablename__ = "task"
    __table_args__ = (one_of("kind", TaskKind),)

    id: int = Field(default=None, primary_key=True)
    kind: TaskKind = Field(sa_type=by_value(TaskKind), nullable=False)
    source_key: str = key(unique=True)
    organisation_id: int | None = Field(default=None, sa_column=reference("organisation.id", nullable=True))
    address_id: int | None = Field(default=None, sa_column=reference("address.id", nullable=True))
    detail: Any = Field(default=None, sa_type=Json)
    at: datetime = Field(sa_type=Instant, nullable=False)
    closed_at: datetime | None = Field(default=None, sa_type=Instant)
    closed_by: str = ""


def open_task(
    session: Session,
    kind: TaskKind,
    source_key: str,
    now: datetime,
    *,
    organisation_id: int | None = None,
    address_id: int | None = None,
    **detail: Any,
) -> bool:
    """Ask people to look at something; False where they were asked for the same before, done or not."""
    return store.add_new(
        session,
        table_of(Task),
        kind=kind,
        source_key=source_key,
        organisation_id=organisation_id,
        address_id=address_id,
        detail=detail,
        at=now,
        closed_by="",
    )


def close_task(session: Session, number: int, now: datetime, actor: str) -> bool:
    """Say that somebody has seen to it; False where that was said before. Raises InputError for a number nobody was given."""
    task = session.get(Task, number)
    if task is None:
        raise InputError(f"there is no task {number}", hint="see 'om-campaigns todo list'")
    if task.closed_at is not None:
        return False
    task.closed_at, task.closed_by = now, actor
    session.flush()
    return True
