"""How often something may be asked for: counters that survive restarts and say nothing about whom they count (SEC-11, LAW-26)."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select
from sqlmodel import Session

from om_campaigns.app import App
from om_campaigns.audience.addresses import hash_address
from om_campaigns.columns import table_of
from om_campaigns.delivery.models import Pace
from om_campaigns.store import insert_into


def take_turn(session: Session, scope: str, subject: str, limit: int, every: timedelta, now: datetime) -> bool:
    """Count one more for ``subject``; False where the limit of this window was reached before. Older windows are forgotten."""
    pace, seconds = table_of(Pace), int(every.total_seconds())
    start = datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds, UTC)
    session.execute(delete(pace).where(pace.c.scope == scope, pace.c.window_start < start))
    counted = insert_into(session, pace).values(scope=scope, subject=subject, window_start=start, used=1, detail="")
    keys = [pace.c.scope, pace.c.subject, pace.c.window_start]
    session.execute(counted.on_conflict_do_update(index_elements=keys, set_={"used": pace.c.used + 1}))
    here = select(pace.c.used).where(pace.c.scope == scope, pace.c.subject == subject, pace.c.window_start == start)
    return int(session.execute(here).scalar_one()) <= limit


def hide(app: App, text: str) -> str:
    """A name for whom a counter counts, from which nobody finds back."""
    return hash_address(app.keyring, text)[:32]


def network_of(host: str) -> str:
    """The network a request comes from: /24 or /48, so that nobody is counted alone; '' where it cannot be told."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return ""
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped:  # where a server listens for both, all of IPv4 comes so
        address = address.ipv4_mapped
    return str(ipaddress.ip_network((address, 24 if address.version == 4 else 48), strict=False))
