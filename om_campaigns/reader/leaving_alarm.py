"""Many leaving at once: people are told with the next tick, and may take exactly that back (SEC-10)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select

from om_campaigns import events, store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.finding import require_mailing_list
from om_campaigns.audience.models import Address
from om_campaigns.columns import table_of
from om_campaigns.errors import InputError
from om_campaigns.reader import leaving_waves
from om_campaigns.reader.leaving import Channel as Channel
from om_campaigns.reader.leaving_waves import Fate as Fate


def watch_leaving(app: App, now: datetime) -> int:
    """Ask people to look where many left within the last hour, also while sending is halted; returns how many tasks are new."""
    with store.read(app.engine) as session:
        found = leaving_waves.find_bursts(session, now, app.settings.alarm.leaving_percent)
    if not found:
        return 0
    with store.write(app.engine) as session:
        alarmed = [each for each in found if leaving_waves.alarm(session, each, now)]
    for each in alarmed:
        events.mass_leaving(each.scope, each.channel, each.left, each.readers)
    return len(alarmed)


@dataclass(frozen=True, slots=True)
class Undone:
    """What undoing did, or would do: ``rows`` have address, scope, at and fate."""

    rows: list[dict[str, Any]]
    undone: int


def undo_leaving(
    app: App,
    since: datetime,
    until: datetime,
    channel: Channel,
    now: datetime,
    *,
    reason: str,
    actor: str,
    mailing_list: str = "",
    is_dry_run: bool = False,
) -> Undone:
    """Write again to those who left through one door in a time, or say to whom; saying it twice changes nothing more.

    Whoever left the same through another door too, or at another time, stays out. Raises InputError for a time that ends before
    it begins, an unknown list and a reason without a word.
    """
    require_real_clock(app)
    if until < since:
        raise InputError("the time ends before it begins", hint="--since comes before --until")
    if not reason.strip():
        raise InputError("say why: it stands in the history of every address", hint="--reason TEXT")
    with store.undone(app.engine) if is_dry_run else store.write(app.engine) as session:
        if mailing_list:
            require_mailing_list(session, mailing_list)
        which = leaving_waves.Which(since, until, channel, f"mailing_list {mailing_list}" if mailing_list else "")
        chosen = leaving_waves.choose(session, which)
        number = leaving_waves.undo(session, chosen, reason.strip(), actor, now)
        address = table_of(Address)
        written: dict[int, str] = dict(session.execute(select(address.c.id, address.c.address)).all()) if chosen else {}
    rows = [{"address": written[each.address_id], "scope": each.scope, "at": each.at, "fate": each.fate.value} for each in chosen]
    return Undone(rows, number)
