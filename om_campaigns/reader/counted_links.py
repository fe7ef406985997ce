"""Following a counted link: where it leads, and one more for its day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from sqlalchemy import select, update

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.columns import table_of
from om_campaigns.compose.counted import COUNTED_PATH as COUNTED_PATH
from om_campaigns.compose.counted import host_of
from om_campaigns.compose.models import CountedLink, LinkDay


@dataclass(frozen=True, slots=True)
class Found:
    """A counted link and where it leads."""

    id: int
    target: str


def find_link(app: App, ref: str, host: str) -> Found | None:
    """The link of this name; None where there is none, or where it leads to another host than its address says."""
    link = table_of(CountedLink)
    with store.read(app.engine) as session:
        row = session.execute(select(link.c.id, link.c.target).where(link.c.ref == ref)).one_or_none()
    return Found(row.id, row.target) if row is not None and host_of(row.target) == host.lower() else None


def count_click(app: App, link_id: int, day: date) -> None:
    """One more for a link on a day."""
    counted = table_of(LinkDay)
    with store.write(app.engine) as session:
        store.add_new(session, counted, link_id=link_id, day=day, clicks=0)
        session.execute(update(counted).where(counted.c.link_id == link_id, counted.c.day == day).values(clicks=counted.c.clicks + 1))
