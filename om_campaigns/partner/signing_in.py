"""Signing in, and who acts for which house from then on (SEC-14)."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience import access
from om_campaigns.audience.access import SESSION_LIFE
from om_campaigns.audience.access import Acting as Acting
from om_campaigns.audience.addresses import MAX_TEXT, normalise
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.models import Address, Organisation
from om_campaigns.audience.tasks import TaskKind, open_task
from om_campaigns.campaign.models import Pack
from om_campaigns.campaign.vocabulary import RelayState
from om_campaigns.columns import digest, new_ref
from om_campaigns.compose.links import Door, read_token
from om_campaigns.delivery.models import Notice
from om_campaigns.delivery.rate_limits import hide, network_of, take_turn
from om_campaigns.service_letters import ENTRANCE, send_at_once

LINK_LIFE = timedelta(hours=1)
HOUR = timedelta(hours=1)
PER_ADDRESS = 5
"""Links one address may ask for in an hour."""

PER_NETWORK = 60
"""Requests from one corner of the net in an hour: a big house sits behind one address."""


def count_request(app: App, typed: str, host: str) -> bool:
    """Count that somebody asked for a link; False where it will not be followed up. The same work for every address."""
    now = app.now()
    with store.write(app.engine) as session:
        one = take_turn(session, "entrance-address", hide(app, _key(typed)), PER_ADDRESS, HOUR, now)
        all_from_there = take_turn(session, "entrance-net", hide(app, network_of(host)), PER_NETWORK, HOUR, now)
    return one and all_from_there


def _key(typed: str) -> str:
    """What is counted: the address, however it was spelled, or whatever was typed instead of one."""
    try:
        return normalise(typed).normal_key
    except ValueError:
        return f"no address: {typed[:MAX_TEXT].casefold()}"


def send_entrance_link(app: App, typed: str) -> bool:
    """Send a link where the address is that of somebody who may act for a house; False where it is not."""
    now = app.now()
    with store.write(app.engine) as session:
        address_id = access.find_address(session, _key(typed))
        acting = access.find_acting(session, address_id, app.today(now)) if address_id is not None else None
        if acting is None:
            return False
        session.add(
            Notice(
                purpose="portal",
                address=acting.address,
                address_id=acting.address_id,
                organisation_id=acting.own[0],
                language=acting.language or app.settings.language,
                detail={"link": access.make_link(session, acting.address_id, now, now + LINK_LIFE)},
                made_at=now,
                due_at=now,
            )
        )
    send_at_once(app)
    return True


def look_at_link(app: App, token: str) -> Acting | None:
    """Whom a link lets in; nothing is used up."""
    now = app.now()
    with store.read(app.engine) as session:
        address_id = access.find_link(session, _ref(app, token), now)
        return access.find_acting(session, address_id, app.today(now)) if address_id is not None else None


def enter(app: App, token: str) -> str | None:
    """Use a link up and begin a session; its key for the cookie, or None where the link opens nothing (any more)."""
    now = app.now()
    with store.write(app.engine) as session:
        address_id = access.use_link(session, _ref(app, token), now)
        if address_id is None or access.find_acting(session, address_id, app.today(now)) is None:
            return None
        session_key = secrets.token_urlsafe(32)
        access.begin_session(session, session_key, address_id, now, now + SESSION_LIFE)
        return session_key


def find_signed_in(app: App, session_key: str) -> Acting | None:
    """Who is signed in with this key; asked anew for every page, so that a role that ended ends here at once."""
    if not session_key:
        return None
    now = app.now()
    with store.read(app.engine) as session:
        address_id = access.find_session(session, session_key, now)
        return access.find_acting(session, address_id, app.today(now)) if address_id is not None else None


def leave(app: App, session_key: str, *, everywhere: bool = False) -> int:
    """End this session, or every one of the same address; returns how many."""
    now = app.now()
    with store.write(app.engine) as session:
        address_id = access.find_session(session, session_key, now) if everywhere else None
        return access.end_sessions(session, now, session_key=session_key, address_id=address_id)


def _ref(app: App, token: str) -> str:
    parts = read_token(app.keyring, ENTRANCE, token)
    return parts[0] if parts is not None and len(parts) == 1 else ""


def open_pack_link(app: App, token: str) -> tuple[Acting, str] | None:
    """What the link of a cover mail lets its holder act on: one pack, while the mail's reader still acts for its house."""
    parts = read_token(app.keyring, Door.pack, token)
    ref, house_ref, public_id = parts if parts is not None and len(parts) == 3 else ("", "", "")
    with store.read(app.engine) as session:
        query = select(col(Pack.organisation_id)).join(Organisation, col(Organisation.id) == col(Pack.organisation_id))
        query = query.where(col(Pack.public_id) == public_id, col(Organisation.public_id) == house_ref)
        house = session.execute(query.where(col(Pack.relay_state) != RelayState.planned)).scalar_one_or_none()
        address_id = session.execute(select(col(Address.id)).where(col(Address.ref) == ref)).scalar_one_or_none()
        acting = access.find_acting(session, address_id or 0, app.today(app.now()))
        if house is None or acting is None or house not in acting.houses:
            return None
        return replace(acting, own=(house,), below=()), public_id


SAY_LENGTH = 1000


def find_house(session: Session, acting: Acting, slug: str, *, locks: bool = False) -> Organisation | None:
    """A house somebody acts for; every other one is not there (SEC-14).

    ``locks``: until the end of the transaction nobody else changes it here. Whatever reads what a house has and writes it anew asks for
    that, because PostgreSQL lets two read the same at once.
    """
    query = select(Organisation).where(col(Organisation.slug) == slug, col(Organisation.id).in_(acting.houses))
    if locks:
        query = query.with_for_update(key_share=True)
    found: Organisation | None = session.execute(query).scalar_one_or_none()
    return found


def show_house(app: App, acting: Acting, slug: str) -> dict[str, Any] | None:
    """house {slug, name}, houses [{slug, name}] to go on to; None for a foreign house."""
    with store.read(app.engine) as session:
        house = find_house(session, acting, slug)
        if house is None:
            return None
        rows = session.execute(select(Organisation).where(col(Organisation.id).in_(acting.houses)).order_by(col(Organisation.name)))
        return {
            "house": {"slug": house.slug, "name": house.name},
            "houses": [{"slug": each.slug, "name": each.name} for each in rows.scalars()],
        }


FieldChange = tuple[str, str | None, str | None]
"""Field, old and new, as the change log keeps them."""


def record_changes(session: Session, entity: str, entity_id: int, changes: Sequence[FieldChange], acting: Acting, now: datetime) -> None:
    """Write into the change log what was changed in one go."""
    batch = new_ref()
    for field, old, new in changes:
        record_change(session, entity, entity_id, field, old, new, now, acting.actor, acting.origin, batch)


def say_to_staff(app: App, acting: Acting, slug: str, words: str) -> bool:
    """A sentence to the people of OM, as a task for them, once a day; False for one that is empty or too long."""
    now, text = app.now(), " ".join(words.split())
    if not text or len(text) > SAY_LENGTH:
        return False
    with store.write(app.engine) as session:
        house = find_house(session, acting, slug)
        if house is not None:
            tell_staff(session, house, acting, now, text)
    return house is not None


def tell_staff(session: Session, house: Organisation, acting: Acting, now: datetime, text: str) -> None:
    """A task for the people of OM, in the words of a house or about what it did; once a day."""
    source_key = digest("says", house.slug, text, now.date().isoformat())
    open_task(session, TaskKind.house_says, source_key, now, organisation_id=house.id, by=acting.actor, says=text)
