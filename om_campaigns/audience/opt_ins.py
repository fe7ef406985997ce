"""Subscriptions asked for on our pages: the record that proves each, how long its link confirms, how long it serves (LAW-05)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, select, update
from sqlmodel import Field, Session, SQLModel, col

from om_campaigns.audience.addresses import fold_key, hash_address
from om_campaigns.audience.models import Basis, Suppression
from om_campaigns.audience.vocabulary import SuppressionReason
from om_campaigns.columns import Instant, Json, key, new_ref, reference, table_of
from om_campaigns.keyring import Keyring

PURPOSE = "opt_in"
VALID = timedelta(days=14)
"""How long the link of the mail confirms."""


class OptIn(SQLModel, table=True):
    """One subscription asked for on our pages, with everything that proves it (LAW-05).

    Unconfirmed rows are emptied after 30 days. ``consent_text`` is what stood beside the box, word for word.
    """

    __tablename__ = "opt_in"

    id: int = Field(default=None, primary_key=True)
    ref: str = key(default_factory=new_ref, unique=True)
    address: str
    normal_key: str = key(index=True)
    full_name: str = ""
    language: str = key(default="de")
    organisation_id: int | None = Field(default=None, sa_column=reference("organisation.id", nullable=True))
    mailing_lists: Any = Field(sa_type=Json)
    consent_text: str
    form_url: str
    asked_at: datetime = Field(sa_type=Instant, nullable=False)
    mail_sent_at: datetime | None = Field(default=None, sa_type=Instant)
    mail_id: str = ""
    mail_hash: str = ""
    confirmed_at: datetime | None = Field(default=None, sa_type=Instant)
    ended_at: datetime | None = Field(default=None, sa_type=Instant)
    """When it last served a basis that is gone or has a newer proof."""


def has_objected(session: Session, keyring: Keyring, normal_key: str) -> bool:
    """Whoever objected or complained is not even asked again."""
    hashes = [hash_address(keyring, key, key_id) for key in {normal_key, fold_key(normal_key)} for key_id in keyring.secrets]
    blocked = table_of(Suppression)
    final = (SuppressionReason.objection, SuppressionReason.complaint)
    query = select(blocked.c.id).where(blocked.c.hmac.in_(hashes), blocked.c.reason.in_(final)).limit(1)
    return session.execute(query).first() is not None


def find_opt_in(session: Session, ref: str, now: datetime) -> OptIn | None:
    """The request behind the link of a mail, as long as it confirms or has confirmed."""
    found: OptIn | None = session.execute(select(OptIn).where(col(OptIn.ref) == ref)).scalar_one_or_none()
    if found is None or not found.address or (found.confirmed_at is None and now - found.asked_at > VALID):
        return None
    return found


def note_mail(session: Session, ref: str, message_id: str, body_hash: str, at: datetime) -> None:
    """The mail left: its name and the hash of what it said belong to the proof."""
    session.execute(update(OptIn).where(col(OptIn.ref) == ref).values(mail_sent_at=at, mail_id=message_id, mail_hash=body_hash))


def end_proofs(session: Session, bases: ColumnElement[bool], now: datetime) -> None:
    """Note when the proofs of these bases last served: the bases are about to go, or to get newer proofs (LAW-07)."""
    basis, opt_in = table_of(Basis), table_of(OptIn)
    served: dict[str, datetime] = {}
    for row in session.execute(select(basis.c.proof_ref, basis.c.withdrawn_at).where(bases, basis.c.proof_ref != "")):
        until = row.withdrawn_at or now
        served[row.proof_ref] = max(served.get(row.proof_ref, until), until)
    for ref, until in served.items():
        session.execute(update(opt_in).where(opt_in.c.ref == ref).values(ended_at=until))
