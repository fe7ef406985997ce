"""Own words of the houses (Hausfassung): what partners, or staff for them, do with the blocks of what is passed on.

Every change is checked as the whole pack it leads to, written to the log, and gives the packs that wait a new revision – never a
new mail. The portal, the command and the files (``staff.overlay_files``) do the same, each in one transaction.
The log is for ever: when a person is erased, their public id takes the place of the name (``reader.erasure``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.access import Acting as Acting
from om_campaigns.campaign.models import Dispatch, Pack
from om_campaigns.columns import table_of
from om_campaigns.compose.dialect import unify_line_ends
from om_campaigns.compose.edition import MAX_HTML, TOO_LONG
from om_campaigns.compose.library import LetterKey
from om_campaigns.compose.overlay import Conflict, OverlayKind, OwnBlock, find_block_fault, find_conflict, no_such_block
from om_campaigns.compose.overlay_log import OverlayKey, load_history, record_own
from om_campaigns.compose.overlay_text import RULE, check_words
from om_campaigns.compose.pack import make_files
from om_campaigns.errors import Problem, ProblemsError
from om_campaigns.letters.owed_editions import key_of_row, open_library
from om_campaigns.letters.packing import OPEN_STATES, make_pack_text, pack_key, record_revisions
from om_campaigns.partner.faults import FormFault
from om_campaigns.partner.show_own_words import (
    NEW,
    HouseText,
    OwnText,
    explain,
    find_length_fault,
    find_pack_text,
    find_text,
    mark_of,
    said_by,
)

UNCHANGED = "passes on what it gets as it is; with forward_policy = edit_allowed it may use own words"


class Action(StrEnum):
    """What can be done with a block; the last two answer a change of OM's: keep the house's words beside it, or take OM's."""

    set = "set"
    hide = "hide"
    add = "add"
    reset = "reset"
    keep = "keep"
    take = "take"


WRITING = (Action.set, Action.add)
"""Those with words, which have a field where faults are shown; faults of the others stand at the block."""

DECISIONS = (Action.keep, Action.take)


@dataclass(frozen=True, slots=True)
class BlockChange:
    """One thing done with one block.

    An added block stands ``after`` another one, ``top``, or at the end (''); a free name is found where ``block`` is ''. ``seen`` is the
    mark the block had (``mark_of``) when it was looked at; None where nobody looked.
    """

    action: Action
    block: str = ""
    words: str = ""
    after: str = ""
    seen: str | None = None


class SaidMeanwhileError(Exception):
    """The block was changed since it was looked at; a page shows it again."""


def change_block(app: App, text: OwnText, change: BlockChange, now: datetime, acting: Acting) -> bool:
    """Do one thing with one block; False where that holds already, or no decision is wanted.

    Raises ProblemsError, with line and column in the words, for what must not be passed on, and for what the block or the house does
    not allow; InputError for a text that is not there.
    """
    require_real_clock(app)
    with store.write(app.engine) as session:
        return _change(session, app, find_text(session, app, text, locks=True), change, now, acting)


def change_words(app: App, acting: Acting, public_id: str, change: BlockChange) -> tuple[FormFault, ...]:
    """The same from the page of a pack; () when it is done, else everything that is wrong.

    What somebody else said of the block meanwhile is not overwritten. Own words hold for the house that received the pack, for this
    step, and for every pack of it that waits.
    """
    require_real_clock(app)
    is_writing = change.action in WRITING
    field = "worte" if is_writing else "block"
    place = f"{field}-{NEW}"
    try:
        with store.write(app.engine) as session:
            text = find_pack_text(session, app, acting, public_id, locks=True)
            if text is None or not text.may_edit:
                return (FormFault(place, "nicht"),)
            held = text.own.get(change.block)
            if held or change.block in text.blocks:
                place = f"{field}-{change.block}"
            elif change.action is Action.set:
                return (FormFault(place, "inzwischen"),)
            if change.action is Action.set and held and held.own.kind is OverlayKind.added:
                change = replace(change, action=Action.add, after=held.own.after)  # there is nothing of OM's to replace
            if is_writing and (fault := find_length_fault(place, change.words)):
                return fault
            is_done = _change(session, app, text, change, app.now(), acting)
    except SaidMeanwhileError:
        return (FormFault(place, "inzwischen" if is_writing else "entschieden"),)
    except ProblemsError as error:
        return explain(place, error.problems)
    is_decided_otherwise = not is_done and change.action in DECISIONS and (held is not None) != (change.action is Action.keep)
    return (FormFault(place, "entschieden"),) if is_decided_otherwise else ()


def _change(session: Session, app: App, text: HouseText, change: BlockChange, now: datetime, acting: Acting) -> bool:
    own = _make_own(text, change)
    if own is None:
        return False
    if change.seen is not None and change.block and not find_fault(text, own):
        _refuse_unseen(text, own, change.seen)
    if own.kind in (OverlayKind.replaced, OverlayKind.added) and (problems := check_words(own.text, text.place, 1)):
        raise ProblemsError(problems, hint="nothing was changed")
    if not record(session, text, own, text.place, 1, now, acting):
        return False
    renew_packs(session, app, text, now)
    return True


def _make_own(text: HouseText, change: BlockChange) -> OwnBlock | None:
    """What the house says in the block from now on; None where nothing is to be done."""
    block, words, held = change.block, _tidy(change.words), text.own.get(change.block)
    match change.action:
        case Action.set:
            return OwnBlock(block, OverlayKind.replaced, words)
        case Action.hide:
            return OwnBlock(block, OverlayKind.hidden)
        case Action.add:
            return OwnBlock(block or _name_block(text, words, change.after), OverlayKind.added, words, after=change.after)
        case Action.reset:
            is_gone = held is None and any(each.own.block == block for each in load_history(text.library.session, text.key))
            return None if is_gone else OwnBlock(block, OverlayKind.reset)
        case Action.keep | Action.take:
            if held is None or find_conflict(held.own, text.blocks) is Conflict.none:
                return None
            return replace(held.own, base_hash="") if change.action is Action.keep else OwnBlock(block, OverlayKind.reset)


def _name_block(text: HouseText, words: str, after: str) -> str:
    """The same words in the same place are the block that is there."""
    there = (each.own for each in text.own.values() if (each.own.kind, each.own.after) == (OverlayKind.added, after))
    free = (f"own-{number}" for number in range(1, len(text.own) + 2) if f"own-{number}" not in text.own)
    return next((own.block for own in there if own.text == words), "") or next(free)


def _tidy(words: str) -> str:
    """Line ends and trailing blanks are no words."""
    return "\n".join(line.rstrip() for line in unify_line_ends(words).split("\n")).strip("\n")


def _refuse_unseen(text: HouseText, own: OwnBlock, seen: str) -> None:
    """Whoever looks at something else than what holds would overwrite it unread; unless it says what they want."""
    held, wanted = said_by(text.own.get(own.block)), said_by(None if own.kind is OverlayKind.reset else own)
    if seen != mark_of(*held) and wanted != held:
        raise SaidMeanwhileError(own.block)


def record(session: Session, text: HouseText, own: OwnBlock, file: str, line: int, now: datetime, acting: Acting) -> bool:
    """Write a change into the log, with the hash of what it answers to. Raises ProblemsError for what is not allowed there."""
    if fault := find_fault(text, own):
        raise ProblemsError([Problem(file, line, 0, RULE, fault)], hint="nothing was changed")
    base = text.blocks.get(own.block)
    if base is not None and own.kind in (OverlayKind.replaced, OverlayKind.hidden):
        own = replace(own, base_hash=base.hash)
    return record_own(session, text.key, own, now, acting.origin, acting.actor)


def find_fault(text: HouseText, own: OwnBlock) -> str:
    """Why a house may not do this with that block; '' where it may."""
    if own.kind is OverlayKind.reset:
        return "" if own.block in text.blocks or own.block in text.own else no_such_block(own.block, text.blocks)
    if not text.may_edit:
        return f"'{text.house.slug}' {UNCHANGED}"
    if own.kind is OverlayKind.hidden and own.block in text.own and own.block not in text.blocks:
        return f"'{own.block}' is the house's own; 'overlay reset' takes it away"
    return find_block_fault(own, text.blocks)


def renew_packs(session: Session, app: App, text: HouseText, now: datetime) -> int:
    """Make every file the house would pass on by now, then a new revision for every pack of this text that was not passed on yet; returns
    how many. Their mails stay as they are.

    Raises ProblemsError, about the house's text, for what may not go out.
    """
    library = open_library(app, session)
    try:
        make_files(make_pack_text(library, text.letter))
        size = library.edition(text.letter).html_bytes
        if library.overlay(text.letter) and size > MAX_HTML:
            raise ProblemsError([Problem(text.place, 0, 0, "REN-01", TOO_LONG.format(size, MAX_HTML))])
    except ProblemsError as error:
        raise ProblemsError(
            [replace(each, file=f"{text.place} ({each.file})") for each in error.problems], hint="nothing was changed"
        ) from error
    library = open_library(app, session, opens=True)
    keys = list(_waiting(session, text.key))
    for _, letter in keys:
        library.edition(letter)
    library.record_made(session, now)
    return record_revisions(session, library, keys, now)


def _waiting(session: Session, key: OverlayKey) -> Iterator[tuple[int, LetterKey]]:
    pack, dispatch = table_of(Pack), table_of(Dispatch)
    query = (
        select(pack.c.id.label("pack_id"), dispatch)
        .join_from(pack, dispatch, dispatch.c.id == pack.c.dispatch_id)
        .where(
            pack.c.campaign_id == key.campaign_id,
            pack.c.organisation_id == key.organisation_id,
            pack.c.step == key.step,
            pack.c.relay_state.in_(OPEN_STATES),
        )
        .order_by(pack.c.id)
    )
    for row in session.execute(query):
        yield row.pack_id, pack_key(key_of_row(row))
