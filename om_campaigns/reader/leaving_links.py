"""A whole link where that of a letter was damaged: to the address itself, and nothing that tells whether it is known (UNS-01, SEC-09)."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import or_, select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.access import find_address
from om_campaigns.audience.addresses import normalise
from om_campaigns.audience.models import Address, Basis, MailingList, Organisation, Seat, Touch
from om_campaigns.audience.seats import seats_at
from om_campaigns.campaign.models import Campaign
from om_campaigns.columns import table_of
from om_campaigns.delivery.models import Notice
from om_campaigns.delivery.rate_limits import hide, take_turn

LEAVE = "leave"
"""Purpose of the mail that brings a whole link where one was damaged."""

PER_ADDRESS, PER_NETWORK, HOUR = 3, 60, timedelta(hours=1)
"""New links one address, and one corner of the net, may ask for in an hour (SEC-11)."""


def count_request(app: App, typed: str, network: str, now: datetime) -> bool:
    """Count that somebody asked for a new link; False where it will not be followed up. The same work for every address (SEC-09)."""
    with store.write(app.engine) as session:
        one = take_turn(session, "leave-address", hide(app, _key(typed)), PER_ADDRESS, HOUR, now)
        return take_turn(session, "leave-net", hide(app, network), PER_NETWORK, HOUR, now) and one


def send_leaving_link(app: App, typed: str) -> bool:
    """Send a link to leave to an address that gets letters; False where it gets none."""
    now = app.now()
    with store.write(app.engine) as session:
        address_id = find_address(session, _key(typed))
        found = _find_letter(session, address_id) if address_id is not None else None
        if found is None:
            return False
        address, house = session.get_one(Address, address_id), session.get_one(Organisation, found[0])
        session.add(
            Notice(
                purpose=LEAVE,
                address=address.address,
                address_id=address_id,
                organisation_id=house.id,
                language=house.language or app.settings.language,
                detail={"mailing_list": found[1]},
                made_at=now,
                due_at=now,
            )
        )
    return True


def _key(typed: str) -> str:
    try:
        return normalise(typed).normal_key
    except ValueError:
        return ""


def _find_letter(session: Session, address_id: int) -> tuple[int, str] | None:
    """The house and the mailing list of the last letter to an address; of what it would get, where none came yet."""
    touch, campaign, basis, seat, mailing_list = (table_of(each) for each in (Touch, Campaign, Basis, Seat, MailingList))
    last = (
        select(touch.c.organisation_id, campaign.c.mailing_list)
        .select_from(touch)
        .join(campaign, campaign.c.id == touch.c.campaign_id)
        .where(touch.c.address_id == address_id)
        .order_by(touch.c.day.desc(), touch.c.id.desc())
    )
    first = (
        select(seat.c.organisation_id, mailing_list.c.slug)
        .select_from(seat)
        .join(basis, basis.c.address_id == address_id)
        .join(mailing_list, or_(mailing_list.c.slug == basis.c.mailing_list, basis.c.mailing_list == "*"))
        .where(seat.c.id.in_(seats_at(address_id)), basis.c.withdrawn_at.is_(None))
        .order_by(seat.c.is_primary_home.desc(), seat.c.id, mailing_list.c.slug)
    )
    row = session.execute(last.limit(1)).one_or_none() or session.execute(first.limit(1)).one_or_none()
    return (row[0], row[1]) if row else None
