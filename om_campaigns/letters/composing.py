"""Making what open letters say before they leave: editions, revisions of packs, and the composer of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.campaign.matching import is_waiting
from om_campaigns.campaign.models import Dispatch, Pack
from om_campaigns.columns import table_of
from om_campaigns.compose.contexts import Houses
from om_campaigns.compose.library import LetterKey, Library
from om_campaigns.errors import InputError, ProblemsError
from om_campaigns.letters.composer import Composer
from om_campaigns.letters.keys import key_of_row, open_keys
from om_campaigns.letters.libraries import open_library
from om_campaigns.letters.packing import pack_key, record_revisions


def compose_open(app: App, now: datetime) -> int:
    """Make and store every edition that open letters need; a text that cannot be composed is met again at the hand-over."""
    with store.read(app.engine) as session:
        library = open_library(app, session, opens=True)
        for key in open_keys(session, library):
            with suppress(ProblemsError, InputError):
                library.edition(key)
        packs = list(_waiting_packs(session, library))
        if not (library.made or packs):
            return 0
        with store.write(app.engine) as writing:
            made = library.record_made(writing, now)
            record_revisions(writing, library, packs, now)
            return made


def _waiting_packs(session: Session, library: Library) -> Iterator[tuple[int, LetterKey]]:
    """Packs that wait for their hand-over and can be composed, each with the edition it would pass on."""
    pack, dispatch = table_of(Pack), table_of(Dispatch)
    query = select(pack.c.id.label("pack_id"), dispatch).join_from(pack, dispatch, dispatch.c.id == pack.c.dispatch_id)
    for row in session.execute(query.where(is_waiting(dispatch))):
        key = pack_key(key_of_row(row))
        with suppress(ProblemsError, InputError):
            library.edition(key)
            yield row.pack_id, key


def make_composer(app: App, session: Session, *, counts: bool = False) -> Composer:
    """The composer of one run, reading through ``session``. ``counts``: of what really leaves; what we look at counts nowhere."""
    houses = Houses(session, app.today(app.now()))
    return Composer(
        open_library(app, session, houses, counts=counts),
        houses,
        app.keyring,
        app.settings.sender,
        app.settings.web.base_url,
        app.settings.zone,
        takes_mail=app.settings.inbox.takes_mail,
    )
