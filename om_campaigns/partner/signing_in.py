"""How the people of a house enter the portal: a link to the stored address, a page that asks once more, a session that ends.

Asking does the same work for every address, known or not; what follows happens afterwards, out of sight (SEC-09). A link is
used up by pressing its button and never by opening it, because scanners open every link (UNS-04).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience import access
from om_campaigns.audience.access import SESSION_LIFE, Steward
from om_campaigns.audience.addresses import MAX_TEXT, normalise
from om_campaigns.compose.links import read_token
from om_campaigns.delivery.models import Notice
from om_campaigns.delivery.rate_limits import hide, network_of, take_turn
from om_campaigns.service_letters import ENTRANCE, send_at_once

LINK_LIFE = timedelta(hours=1)
HOUR = timedelta(hours=1)
PER_ADDRESS = 5
"""Links one address may ask for in an hour."""

PER_NETWORK = 60
"""Requests from one corner of the net in an hour: a big house sits behind one address."""


@dataclass(frozen=True, slots=True)
class Partner:
    """Somebody who acts for houses in the portal, as pages know them. ``actor`` is what change logs say."""

    address_id: int
    name: str
    language: str
    own: tuple[int, ...]
    houses: tuple[int, ...]
    slug: str
    """Of the first of their own houses."""

    @property
    def actor(self) -> str:
        return self.name or "role address"

    @property
    def face(self) -> int:
        """The house whose colours the pages wear."""
        return self.own[0]


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
        steward = access.find_steward(session, address_id, app.today(now)) if address_id is not None else None
        if steward is None:
            return False
        session.add(
            Notice(
                purpose="portal",
                address=steward.address,
                address_id=steward.address_id,
                organisation_id=steward.own[0],
                language=steward.language or app.settings.language,
                detail={"link": access.make_link(session, steward.address_id, now, now + LINK_LIFE)},
                made_at=now,
                due_at=now,
            )
        )
    send_at_once(app)
    return True


def look_at_link(app: App, token: str) -> Partner | None:
    """Whom a link lets in; nothing is used up."""
    now = app.now()
    with store.read(app.engine) as session:
        address_id = access.find_link(session, _ref(app, token), now)
        return _partner(access.find_steward(session, address_id, app.today(now)) if address_id is not None else None)


def enter(app: App, token: str) -> str | None:
    """Use a link up and begin a session; its key for the cookie, or None where the link opens nothing (any more)."""
    now = app.now()
    with store.write(app.engine) as session:
        address_id = access.use_link(session, _ref(app, token), now)
        if address_id is None or access.find_steward(session, address_id, app.today(now)) is None:
            return None
        session_key = secrets.token_urlsafe(32)
        access.begin_session(session, session_key, address_id, now, now + SESSION_LIFE)
        return session_key


def find_partner(app: App, session_key: str) -> Partner | None:
    """Who is signed in with this key; asked anew for every page, so that a role that ended ends here at once."""
    if not session_key:
        return None
    now = app.now()
    with store.read(app.engine) as session:
        address_id = access.find_session(session, session_key, now)
        return _partner(access.find_steward(session, address_id, app.today(now)) if address_id is not None else None)


def leave(app: App, session_key: str, *, everywhere: bool = False) -> int:
    """End this session, or every one of the same address; returns how many."""
    now = app.now()
    with store.write(app.engine) as session:
        address_id = access.find_session(session, session_key, now) if everywhere else None
        return access.end_sessions(session, now, session_key=session_key, address_id=address_id)


def _ref(app: App, token: str) -> str:
    parts = read_token(app.keyring, ENTRANCE, token)
    return parts[0] if parts is not None and len(parts) == 1 else ""


def _partner(steward: Steward | None) -> Partner | None:
    if steward is None:
        return None
    return Partner(steward.address_id, steward.name, steward.language, steward.own, steward.houses, steward.slug)
