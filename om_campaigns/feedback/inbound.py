"""Mails that came in, so that the same one has its effect once."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Field, SQLModel

from om_campaigns.columns import Instant, by_value, key, one_of
from om_campaigns.feedback.mails import MailKind


class InboundMail(SQLModel, table=True):
    """A mail that came in, known by the hash of its head: the same one twice has its effect once (BNC-03). Keeps nothing of it."""

    __tablename__ = "inbound_mail"
    __table_args__ = (one_of("kind", MailKind),)

    id: int | None = Field(default=None, primary_key=True)
    digest: str = key(unique=True)
    kind: MailKind = Field(sa_type=by_value(MailKind), nullable=False)
    at: datetime = Field(sa_type=Instant, nullable=False)
