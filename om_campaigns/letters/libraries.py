"""The shelf of editions, opened as this workspace is set up."""

from __future__ import annotations

from sqlmodel import Session

from om_campaigns.app import App
from om_campaigns.compose.contexts import Houses
from om_campaigns.compose.library import Library
from om_campaigns.compose.readers import Readers


def open_library(app: App, session: Session, houses: Houses | None = None, *, counts: bool = True, opens: bool = False) -> Library:
    """A library for one run. ``counts``: what houses and readers really get, with links that are counted where a campaign wants it.

    ``opens``: whoever uses it stores what it makes, so houses may get links of their own (see ``Readers``).
    """
    readers = Readers(app.settings.web.base_url, app.settings.privacy.smallest_group, app.today(app.now()), opens) if counts else None
    today = app.today(app.now())
    return Library(session, app.settings.sender, houses or Houses(session, today), app.settings.web.pages, readers)
