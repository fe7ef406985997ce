"""Which editions the letters that are owed are made from, and the library they stand in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlmodel import Session

from om_campaigns.app import App
from om_campaigns.audience.vocabulary import PASSING_ON, Route, Sender
from om_campaigns.campaign.matching import is_waiting
from om_campaigns.campaign.models import Dispatch
from om_campaigns.columns import table_of
from om_campaigns.compose.audience_size import Readers
from om_campaigns.compose.contexts import Houses
from om_campaigns.compose.library import LetterKey, Library
from om_campaigns.letters.packing import pack_key, plan_parts


def open_library(app: App, session: Session, houses: Houses | None = None, *, counts: bool = True, opens: bool = False) -> Library:
    """A library for one run. ``counts``: what houses and readers really get, with links that are counted where a campaign wants it.

    ``opens``: whoever uses it stores what it makes, so houses may get links of their own (see ``Readers``).
    """
    readers = Readers(app.settings.web.base_url, app.settings.privacy.smallest_group, app.today(app.now()), opens) if counts else None
    today = app.today(app.now())
    return Library(session, app.settings.sender, houses or Houses(session, today), app.settings.web.pages, readers)


def key_of_row(row: Any) -> LetterKey:
    """The edition that a dispatch (a row, or a ``Due``) needs."""
    return LetterKey(
        row.campaign_id,
        row.version_id,
        row.step,
        row.variant,
        row.language,
        row.organisation_id,
        Sender(row.sender),
        row.due_day,
        left_out=row.left_out,
    )


def open_keys(session: Session, library: Library, *, campaign_id: int | None = None) -> Iterator[LetterKey]:
    """The distinct editions that open dispatches need, however many recipients they have."""
    dispatch = table_of(Dispatch)
    campaign = dispatch.c.campaign_id + 0  # leaves SQLite only the index of what waits, not the whole history
    wanted = [is_waiting(dispatch), *([campaign == campaign_id] if campaign_id is not None else [])]
    yield from keys_where(session, library, campaign, *wanted)


def keys_where(session: Session, library: Library, campaign: ColumnElement[int], *conditions: ColumnElement[bool]) -> Iterator[LetterKey]:
    """The distinct editions of the dispatches that meet these conditions; ``campaign`` is how their campaign is read."""
    dispatch = table_of(Dispatch)
    names = ("version_id", "step", "variant", "language", "organisation_id", "sender", "due_day")
    query = select(campaign, *[dispatch.c[name] for name in names], dispatch.c.left_out, dispatch.c.route).where(*conditions).distinct()
    for *row, left_out, route in session.execute(query):
        yield from keys_of_parts(replace(LetterKey(*row), left_out=left_out), route, library)


def keys_of_parts(key: LetterKey, route: Route, library: Library) -> list[LetterKey]:
    """The editions one dispatch needs: one for a letter, that of the pack and its cover for a pack."""
    if not carries_pack(key, route, library):
        return [key]
    return list(dict.fromkeys([pack_key(key), *(each.key for each in plan_parts(key, route, library.houses))]))


def carries_pack(key: LetterKey, route: Route, library: Library) -> bool:
    """Passed on through the house, or a letter of OM that is the cover of a pack."""
    return route in PASSING_ON or (key.sender is Sender.om and library.pack_text(key))
