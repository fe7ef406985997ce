"""Tables of what goes on the wire: messages, their slot values, the workers that own claims, and pacing.

A message is made when its dispatches are claimed; its ``message_id`` stands here before the server sees it (MSG-04).
"""

from __future__ import annotations

import hmac
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Column, Index, Integer, text
from sqlmodel import Field, SQLModel

from om_campaigns.columns import Instant, Json, by_value, key, new_ref, one_of, reference, spell_ref


class MessageKind(StrEnum):
    campaign = "campaign"
    service = "service"
    test = "test"
    staff = "staff"


class MessageState(StrEnum):
    """Where a letter is; the allowed moves stand in ``delivery/states.py``."""

    claimed = "claimed"
    sending = "sending"
    sent = "sent"
    retry = "retry"
    failed = "failed"
    uncertain = "uncertain"
    dropped = "dropped"


class Part(StrEnum):
    """Which part of what is owed a message carries: a mail, or a pack's cover and ready mail."""

    mail = "mail"
    cover = "cover"
    ready = "ready"


class Worker(SQLModel, table=True):
    """A process that claims. Its lock is held while it lives; a claim whose owner's lock is free is recovered.

    ``boot`` tells a killed process from a machine that lost power.
    """

    __tablename__ = "worker"

    id: int = Field(default=None, primary_key=True)
    name: str
    boot: str = key()
    started_at: datetime = Field(sa_type=Instant, nullable=False)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)


class Message(SQLModel, table=True):
    """A letter on the wire. ``ref`` is its name outside; ``claim_id`` fences off a claim that was taken over.

    ``zone``, ``ideas`` and ``items`` are what its touch will say, so that a touch can be written after the hand-over, whatever happens.
    """

    __tablename__ = "message"
    __table_args__ = (
        Index(
            "ix_message_open",
            "worker_id",
            sqlite_where=text("state IN ('claimed', 'sending')"),
            postgresql_where=text("state IN ('claimed', 'sending')"),
        ),
        Index("ix_message_address_id", "address_id"),
        one_of("kind", MessageKind),
        one_of("state", MessageState),
    )

    id: int = Field(default=None, sa_column=Column(Integer, primary_key=True))
    ref: str = key(default_factory=new_ref, unique=True)
    message_id: str = key()
    kind: MessageKind = Field(default=MessageKind.campaign, sa_type=by_value(MessageKind), nullable=False)
    campaign_id: int | None = None
    address_id: int | None = None
    envelope_from: str
    envelope_to: str
    edition_id: str = key()
    zone: str = key(default="UTC")
    ideas: str = key(default="")
    items: str = key(default="")
    state: MessageState = Field(default=MessageState.claimed, sa_type=by_value(MessageState), nullable=False)
    worker_id: int = Field(sa_column=reference("worker.id", index=False))
    claim_id: str = key()
    attempts: int = 0
    claimed_at: datetime = Field(sa_type=Instant, nullable=False)
    sent_at: datetime | None = Field(default=None, sa_type=Instant)
    code: int | None = None
    reply: str = ""


class MessageDispatch(SQLModel, table=True):
    """Which dispatches a message serves; n:m, because merging joins several and a pack sends two mails for one."""

    __tablename__ = "message_dispatch"
    __table_args__ = (one_of("part", Part), Index("ix_message_dispatch_dispatch", "dispatch_id"))

    message_id: int = Field(foreign_key="message.id", primary_key=True)
    dispatch_id: int = Field(foreign_key="dispatch.id", primary_key=True)
    part: Part = Field(default=Part.mail, sa_type=by_value(Part), nullable=False)


class Notice(SQLModel, table=True):
    """A service mail that somebody asked for (kind ``service``), apart from every campaign: no cap, no window, no touch.

    What stands in its link is derived when it is written, so nothing here opens a door. ``message_id`` is its mail once it was
    tried; ``address`` is emptied when it left.
    """

    __tablename__ = "notice"
    __table_args__ = (Index("ix_notice_due", "due_at"),)

    id: int = Field(default=None, primary_key=True)
    purpose: str = key()
    address: str
    address_id: int | None = Field(default=None, sa_column=reference("address.id", nullable=True))
    organisation_id: int | None = Field(default=None, sa_column=reference("organisation.id", nullable=True))
    language: str = key(default="de")
    detail: Any = Field(default_factory=dict, sa_type=Json)
    """What the purpose needs to write it, ids and slugs only."""
    made_at: datetime = Field(sa_type=Instant, nullable=False)
    due_at: datetime | None = Field(default=None, sa_type=Instant)
    """Empty once nothing more is to be done."""
    message_id: int | None = Field(default=None, sa_column=reference("message.id", nullable=True))
    body_hash: str = ""
    """SHA-256 of what the mail said, once it left: it belongs to the proof of what is agreed to through it (LAW-05)."""


class MessageSlots(SQLModel, table=True):
    """The personal values of one mail, until retention or erasure; links are never kept, they are derived again."""

    __tablename__ = "message_slots"

    message_id: int = Field(foreign_key="message.id", primary_key=True)
    slot_values: Any = Field(sa_type=Json)


class Pace(SQLModel, table=True):
    """A limit that survives restarts: what was used in the window that began at ``window_start``."""

    __tablename__ = "pace"

    scope: str = key(primary_key=True)
    subject: str = key(primary_key=True)
    window_start: datetime = Field(sa_type=Instant, primary_key=True)
    used: int = 0
    stopped_until: datetime | None = Field(default=None, sa_type=Instant)
    detail: str = ""


def make_ref(secret: bytes, *, campaign: str, occasion: str, step: str, recipient: str, part: Part, attempt: int) -> str:
    """The ref of one part of one letter: 80 bits of an HMAC (RFC 2104) over its key, 16 letters of base32.

    ``campaign`` is its name and ``recipient`` the public id of person or house, which a restored database has as well; ``attempt`` counts
    the messages made for this part before, from 0: one that was dropped before it was sent keeps its name.
    """
    key = "\0".join(("letter", campaign, occasion, step, recipient, part.value, str(attempt)))
    return spell_ref(int.from_bytes(hmac.digest(secret, key.encode(), "sha256")[:10]))
