"""Opening the workspace for commands that only look."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlmodel import Session

    from om_campaigns.app import App
    from om_campaigns.cli import State


@contextmanager
def looking(state: State) -> Iterator[tuple[App, Session]]:
    """The opened workspace and a session in which nothing can be changed."""
    from om_campaigns.store import read

    app = state.app()
    with read(app.engine) as session:
        yield app, session
