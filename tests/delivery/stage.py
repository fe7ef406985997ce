"""A stage for the sender: one published campaign, houses, people with a basis, dispatches that are due. Plain inserts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from sqlalchemy import Engine, insert
from sqlmodel import Session

from om_campaigns.audience.models import Address, Basis, MailingList, Organisation, OrganisationType, Person
from om_campaigns.audience.vocabulary import BasisKind, DataRole, Level, RecipientKind, Route, Sender
from om_campaigns.campaign.models import Campaign, CampaignVersion, Dispatch, Enrolment
from om_campaigns.campaign.vocabulary import CampaignKind
from om_campaigns.columns import new_ref
from om_campaigns.delivery.handover import Held, Prepared
from om_campaigns.delivery.models import Part
from om_campaigns.delivery.send_queue import Due
from om_campaigns.store import write

NOW = datetime(2027, 1, 5, 9, 0, tzinfo=UTC)
"""A Tuesday, 10:00 in Berlin."""


@dataclass(frozen=True)
class Pace:
    """Limits for tests."""

    connections: int = 2
    rate_per_minute: int = 0
    domain_per_minute: int = 0
    domains: Mapping[str, int] = field(default_factory=dict)


def make_stage(engine: Engine, count: int, *, sender: Sender = Sender.om) -> None:
    """Recipient number n (from 1) is person n with address p<n>@y.example, basis n and dispatch n; one house, one campaign."""
    numbers = range(1, count + 1)
    with write(engine) as session:
        session.add(OrganisationType(code="chamber_hwk", name="HWK", group="chambers"))
        session.add(MailingList(slug="reihe", name_de="Reihe"))
        session.flush()
        house = {"slug": "hwk", "name": "HWK", "name_key": "hwk", "org_type": "chamber_hwk"}
        session.add(Organisation(id=1, level=Level.regional, data_role=DataRole.joint, zone="Europe/Berlin", **house))
        session.add(Campaign(id=1, name="wir", kind=CampaignKind.drip, mailing_list="reihe", latest_version_id=1))
        session.flush()
        version = {"structure_hash": "", "content_hash": "", "structure": {}, "published_at": NOW}
        session.add(CampaignVersion(id=1, campaign_id=1, number=1, **version))
        session.flush()
        _fill(session, Address, [_address(n) for n in numbers])
        _fill(session, Person, [{"id": n, "full_name": f"Jörg {n}", "name_key": f"jörg {n}", "main_address_id": n} for n in numbers])
        basis = {"kind": BasisKind.consent_written, "mailing_list": "*"}
        _fill(session, Basis, [{"id": n, "address_id": n, **basis} for n in numbers])
        entered = {"campaign_id": 1, "subject_kind": RecipientKind.person, "organisation_id": 1, "version_id": 1, "entered_at": NOW}
        _fill(session, Enrolment, [{"id": n, "subject_id": n, "address_id": n, **entered} for n in numbers])
        _fill(session, Dispatch, [_dispatch(n, sender) for n in numbers])


def _fill(session: Session, table: Any, rows: list[dict[str, Any]]) -> None:
    if rows:
        session.execute(insert(table), rows)


def _address(n: int) -> dict[str, Any]:
    address = f"p{n}@y.example"
    return {"id": n, "address": address, "normal_key": address, "domain": "y.example", "hmac": f"h{n}", "key_id": "k1"}


def _dispatch(n: int, sender: Sender) -> dict[str, Any]:
    return {
        "id": n,
        "campaign_id": 1,
        "step": "a1",
        "recipient_kind": RecipientKind.person,
        "recipient_id": n,
        "enrolment_id": n,
        "version_id": 1,
        "address_id": n,
        "organisation_id": 1,
        "route": Route.direct_email,
        "sender": sender,
        "planned_at": NOW - timedelta(days=1),
        "first_due_at": NOW - timedelta(hours=1),
        "due_at": NOW - timedelta(hours=1),
        "due_day": 20823,
    }


def compose(_session: Session, dues: Sequence[Due], _now: datetime) -> list[Prepared | Held]:
    """A short letter per row; its Message-ID is its ref, kept on a retry."""
    return [prepare(due) for due in dues]


def prepare(due: Due, *, text: str = "Guten Tag\r\n", to: str = "", part: Part = Part.mail) -> Prepared:
    """One letter."""
    earlier = due.earlier_of(part)
    ref = earlier.ref if earlier else new_ref()
    message_id = earlier.message_id if earlier else f"<{ref}@x.example>"
    recipient = to or f"p{due.address_id}@y.example"

    def write_letter(at: datetime) -> bytes:
        head = f"Date: {format_datetime(at)}\r\nFrom: om@x.example\r\nTo: {recipient}\r\nMessage-ID: {message_id}\r\nSubject: Hallo\r\n"
        return f"{head}\r\n{text}".encode()

    return Prepared(
        dispatch_ids=(due.id,),
        part=part,
        campaign_id=due.campaign_id,
        address_id=due.address_id,
        ref=ref,
        message_id=message_id,
        envelope_from=f"b+{ref}@x.example",
        envelope_to=recipient,
        edition_id="e1",
        slot_values={"contact.full_name": f"Jörg {due.recipient_id}"},
        needs_smtputf8=not recipient.isascii(),
        zone="Europe/Berlin",
        ideas="we_opportunities",
        items="a1",
        write=write_letter,
    )
