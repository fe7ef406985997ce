"""Own words of the houses (Hausfassung): what partners, or staff for them, do with the blocks of what is passed on.

Every change is checked as the whole pack it leads to, written to the log, and gives the packs that wait a new revision – never a
new mail. A page for partners calls the same functions with ``origin=Origin.partner``; ``actor`` is then the name of who is signed in.
The log is for ever: when a person is erased, their public id takes the place of the name (``recipient.forgetting``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Required, TypedDict, Unpack

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App, require_real_clock
from om_campaigns.audience.models import Organisation
from om_campaigns.audience.vocabulary import ForwardPolicy, Origin, Sender
from om_campaigns.campaign.models import Campaign, Dispatch, Pack
from om_campaigns.campaign.releases import get_campaign
from om_campaigns.columns import digest, table_of
from om_campaigns.compose.dialect import unify_line_ends
from om_campaigns.compose.edition import MAX_HTML, TOO_LONG, Purpose
from om_campaigns.compose.library import LetterKey, Library
from om_campaigns.compose.markdown import Block, convert
from om_campaigns.compose.overlay import Conflict, OverlayKind, OwnBlock, find_block_fault, find_conflict, no_such_block
from om_campaigns.compose.overlay_log import Logged, OverlayKey, load_current, load_history, record_own
from om_campaigns.compose.overlay_text import RULE, check_words
from om_campaigns.compose.pack import make_files
from om_campaigns.errors import InputError, Problem, ProblemsError
from om_campaigns.letters.owed_editions import key_of_row, open_library
from om_campaigns.letters.packing import OPEN_STATES, make_pack_text, pack_key, record_revisions
from om_campaigns.nearest import make_hint

UNCHANGED = "passes on what it gets as it is; with forward_policy = edit_allowed it may use own words"
OM_STATE = "om"
"""A block of which the house says nothing itself."""


class By(TypedDict, total=False):
    """Who does something with a block. ``seen`` is the mark it had (``mark_of``): SaidMeanwhileError where it says otherwise by now."""

    actor: Required[str]
    origin: Origin
    seen: str


class SaidMeanwhileError(Exception):
    """The block was changed since it was looked at; a page shows it again."""


@dataclass(frozen=True, slots=True)
class OwnText:
    """The text a house may change: its slug, a campaign and a step by name. ``language`` '' is that of the house."""

    house: str
    campaign: str
    step: str
    language: str = ""

    @property
    def place(self) -> str:
        """How problems call it."""
        return f"{self.house}: {self.campaign}/{self.step}"


@dataclass(frozen=True)
class Desk:
    """A text with all that changing it needs: OM's blocks by their names, and what the house did with them."""

    library: Library
    letter: LetterKey
    key: OverlayKey
    blocks: Mapping[str, Block]
    own: Mapping[str, Logged]


def open_desk(session: Session, app: App, text: OwnText) -> Desk:
    """Find the text. Raises InputError for an unknown house, campaign or step, and for one that no house passes on."""
    house = session.execute(select(Organisation).where(col(Organisation.slug) == text.house)).scalar_one_or_none()
    if house is None:
        houses = session.execute(select(col(Organisation.slug))).scalars()
        raise InputError(f"there is no organisation '{text.house}'", hint=make_hint(text.house, houses, "see 'om-campaigns org list'"))
    campaign = get_campaign(session, text.campaign)
    version_id = campaign.latest_version_id or 0
    library = open_library(app, session)
    definition = library.source(version_id).definition
    if definition.step(text.step) is None:
        known = [step.name for step in definition.steps]
        hint = make_hint(text.step, known, f"its steps: {', '.join(known)}")
        raise InputError(f"'{text.campaign}' has no step '{text.step}'", hint=hint)
    language = text.language or house.language or app.settings.language
    letter = LetterKey(campaign.id, version_id, text.step, "", language, house.id, Sender.home, 0, Purpose.pack)
    if not (library.pack_text(letter) or any(audience.passes_on for audience in definition.audiences)):
        raise InputError(f"'{text.campaign}/{text.step}' is not passed on by houses, so there is nothing to say in their own words")
    step = library.step_file(letter)
    key = library.overlay_key(letter)
    blocks = convert(step.body, step.path, step.body_line, key.language).blocks
    return Desk(library, letter, key, {block.id: block for block in blocks}, library.overlay(letter))


def show_blocks(session: Session, app: App, text: OwnText) -> list[dict[str, Any]]:
    """OM's blocks in their order, then those the house added: block, title, policy, hash, om_text, state, own_text, conflict,
    after, at, origin, actor.

    ``state`` is *om*, *replaced*, *hidden* or *added*; ``om_text`` has names filled in, as the house would read it.
    """
    desk = open_desk(session, app, text)
    titles, _ = desk.library.pack_style(desk.letter)
    shown = _filled_in(desk)
    rows = [
        {
            "block": block.id,
            "title": titles.get(block.name, block.name),
            "policy": block.policy,
            "hash": block.hash,
            "om_text": shown[block.id],
            **_told(desk.own.get(block.id), desk.blocks),
        }
        for block in desk.blocks.values()
    ]
    others = [logged for name, logged in desk.own.items() if name not in desk.blocks]
    return rows + [
        {"block": each.own.block, "title": "", "policy": "", "hash": "", "om_text": "", **_told(each, desk.blocks)} for each in others
    ]


def _told(logged: Logged | None, blocks: Mapping[str, Block]) -> dict[str, Any]:
    if logged is None:
        return {"state": OM_STATE, "own_text": "", "conflict": "", "after": "", "at": None, "origin": "", "actor": ""}
    own = logged.own
    return {
        "state": own.kind.value,
        "own_text": own.text,
        "conflict": find_conflict(own, blocks).value,
        "after": own.after,
        "at": logged.at,
        "origin": logged.origin.value,
        "actor": logged.actor,
    }


def _filled_in(desk: Desk) -> dict[str, str]:
    """OM's blocks with names filled in; as they are written where a condition leaves some of them out."""
    written = {block.id: block.text for block in desk.blocks.values()}
    found = re.findall(r"^::: (?!action$)\w+\n(.*?)\n:::$", desk.library.base_edition(desk.letter).markdown, re.DOTALL | re.MULTILINE)
    return dict(zip(written, found, strict=True)) if len(found) == len(written) else written


def replace_block(app: App, text: OwnText, block: str, words: str, now: datetime, **by: Unpack[By]) -> bool:
    """Say a block in own words; False where they were said already.

    Raises ProblemsError, with line and column in the words, for what must not be passed on or a block that is locked.
    """
    return _change(app, text, lambda desk: OwnBlock(block, OverlayKind.replaced, _tidy(words)), now, **by)


def hide_block(app: App, text: OwnText, block: str, now: datetime, **by: Unpack[By]) -> bool:
    """Leave a block out; False where it was out already. Raises ProblemsError for a block that is not optional."""
    return _change(app, text, lambda desk: OwnBlock(block, OverlayKind.hidden), now, **by)


def add_block(app: App, text: OwnText, words: str, now: datetime, *, name: str = "", after: str = "", **by: Unpack[By]) -> bool:
    """Add a block of the house's own, or change the one of that ``name``; a free name is found where none is given.

    The same words in the same place without a name are the block that is there.

    ``after`` is a block, ``top``, or '' for the end. Raises ProblemsError as ``replace_block`` does.
    """

    if not name:
        by.pop("seen", None)  # there is nothing yet that could have been seen

    def make(desk: Desk) -> OwnBlock:
        there = (each.own for each in desk.own.values() if (each.own.kind, each.own.after) == (OverlayKind.added, after))
        same = next((own.block for own in there if own.text == _tidy(words)), "")
        free = (f"own-{number}" for number in range(1, len(desk.own) + 2) if f"own-{number}" not in desk.own)
        return OwnBlock(name or same or next(free), OverlayKind.added, _tidy(words), after=after)

    return _change(app, text, make, now, **by)


def reset_block(app: App, text: OwnText, block: str, now: datetime, **by: Unpack[By]) -> bool:
    """Go back to OM's block, or take an added one away; False where there are no own words (any more)."""

    def make(desk: Desk) -> OwnBlock | None:
        is_gone = block not in desk.own and any(each.own.block == block for each in load_history(desk.library.session, desk.key))
        return None if is_gone else OwnBlock(block, OverlayKind.reset)

    return _change(app, text, make, now, **by)


def decide(app: App, text: OwnText, block: str, now: datetime, *, keep_own: bool, **by: Unpack[By]) -> bool:
    """Answer a conflict: keep the house's words beside OM's changed block, or take OM's. No texts are merged.

    False where no decision is wanted. Raises ProblemsError where the house's words cannot be kept (locked, gone).
    """

    def make(desk: Desk) -> OwnBlock | None:
        logged = desk.own.get(block)
        if logged is None or find_conflict(logged.own, desk.blocks) is Conflict.none:
            return None
        return replace(logged.own, base_hash="") if keep_own else OwnBlock(block, OverlayKind.reset)

    return _change(app, text, make, now, **by)


def list_own_words(session: Session, app: App, *, house: str = "", conflicts_only: bool = False) -> list[dict[str, Any]]:
    """Every block a house said itself: house, campaign, step, language, block, state, conflict, own_text, om_text, at, origin, actor."""
    slugs = dict(session.execute(select(col(Organisation.id), col(Organisation.slug))).all())
    names = dict(session.execute(select(col(Campaign.id), col(Campaign.name))).all())
    rows = []
    for key in sorted(load_current(session), key=lambda each: (slugs[each.organisation_id], names[each.campaign_id], each.step)):
        text = OwnText(slugs[key.organisation_id], names[key.campaign_id], key.step, key.language)
        if house and house != text.house:
            continue
        where = {"house": text.house, "campaign": text.campaign, "step": text.step, "language": text.language}
        try:
            blocks = show_blocks(session, app, text)
        except InputError:  # the step is not published any more; what was said about it stays in the log
            continue
        rows += [where | row for row in blocks if row["state"] != "om" and (row["conflict"] or not conflicts_only)]
    return rows


def count_conflicts(session: Session, app: App) -> int:
    """How many blocks want a decision, because OM's text has changed."""
    return sum(count_conflicts_by_text(session, app).values())


def count_conflicts_by_text(session: Session, app: App, texts: Collection[OverlayKey] | None = None) -> dict[OverlayKey, int]:
    """How many blocks want a decision, by text: of these texts, or of all; only those are opened in which a house has own words."""
    said = load_current(session, houses=None if texts is None else sorted({key.organisation_id for key in texts}))
    slugs = dict(session.execute(select(col(Organisation.id), col(Organisation.slug))).all())
    names = dict(session.execute(select(col(Campaign.id), col(Campaign.name))).all())
    return {
        key: count_conflicts_of(session, app, OwnText(slugs[key.organisation_id], names[key.campaign_id], key.step, key.language))
        for key in said
        if texts is None or key in texts
    }


def count_conflicts_of(session: Session, app: App, text: OwnText) -> int:
    """How many blocks of one text want a decision; none where its step is not published any more."""
    try:
        desk = open_desk(session, app, text)
    except InputError:
        return 0
    return sum(find_conflict(each.own, desk.blocks) is not Conflict.none for each in desk.own.values())


def own_history(session: Session, app: App, text: OwnText) -> list[dict[str, Any]]:
    """Everything a house ever did with a text, the oldest first: at, block, kind, text, after, origin, actor."""
    return [
        {
            "at": each.at,
            "block": each.own.block,
            "kind": each.own.kind.value,
            "text": each.own.text,
            "after": each.own.after,
            "origin": each.origin.value,
            "actor": each.actor,
        }
        for each in load_history(session, open_desk(session, app, text).key)
    ]


def mark_of(state: str, words: str, after: str) -> str:
    """What a house says in a block by now, in a word: the page that shows it sends it back with what is to be done."""
    return digest(state, words, after)[:16]


def _refuse_unseen(held: Logged | None, own: OwnBlock, seen: str) -> None:
    """Whoever looks at something else than what holds would overwrite it unread; unless it says what they want."""
    state, words, after = (held.own.kind.value, held.own.text, held.own.after) if held else (OM_STATE, "", "")
    wanted = (OM_STATE, "", "") if own.kind is OverlayKind.reset else (own.kind.value, own.text, own.after)
    if seen != mark_of(state, words, after) and wanted != (state, words, after):
        raise SaidMeanwhileError(own.block)


def _change(
    app: App,
    text: OwnText,
    make: Callable[[Desk], OwnBlock | None],
    now: datetime,
    *,
    actor: str,
    origin: Origin = Origin.staff,
    seen: str | None = None,
) -> bool:
    require_real_clock(app)
    with store.write(app.engine) as session:
        session.execute(select(col(Organisation.id)).where(col(Organisation.slug) == text.house).with_for_update(key_share=True))
        desk = open_desk(session, app, text)
        own = make(desk)
        if own is None:
            return False
        if seen is not None and not find_fault(session, desk, own):
            _refuse_unseen(desk.own.get(own.block), own, seen)
        if own.kind in (OverlayKind.replaced, OverlayKind.added) and (problems := check_words(own.text, text.place, 1)):
            raise ProblemsError(problems, hint="nothing was changed")
        if not record(session, desk, own, text.place, 1, now, origin, actor):
            return False
        check_pack(session, app, text)
        renew_packs(session, app, desk.key, now)
        return True


def record(session: Session, desk: Desk, own: OwnBlock, file: str, line: int, now: datetime, origin: Origin, actor: str) -> bool:
    """Write a change into the log, with the hash of what it answers to. Raises ProblemsError for what is not allowed there."""
    if fault := find_fault(session, desk, own):
        raise ProblemsError([Problem(file, line, 0, RULE, fault)], hint="nothing was changed")
    base = desk.blocks.get(own.block)
    if base is not None and own.kind in (OverlayKind.replaced, OverlayKind.hidden):
        own = replace(own, base_hash=base.hash)
    return record_own(session, desk.key, own, now, origin, actor)


def find_fault(session: Session, desk: Desk, own: OwnBlock) -> str:
    """Why a house may not do this with that block; '' where it may."""
    if own.kind is OverlayKind.reset:
        return "" if own.block in desk.blocks or own.block in desk.own else no_such_block(own.block, desk.blocks)
    house = session.get_one(Organisation, desk.key.organisation_id)
    if house.forward_policy is ForwardPolicy.as_is:
        return f"'{house.slug}' {UNCHANGED}"
    if own.kind is OverlayKind.hidden and own.block in desk.own and own.block not in desk.blocks:
        return f"'{own.block}' is the house's own; 'overlay reset' takes it away"
    return find_block_fault(own, desk.blocks)


def check_pack(session: Session, app: App, text: OwnText) -> None:
    """Make every file the house would pass on by now. Raises ProblemsError, about the house's text, for what may not go out."""
    desk = open_desk(session, app, text)
    try:
        make_files(make_pack_text(desk.library, desk.letter))
        size = desk.library.edition(desk.letter).html_bytes
        if desk.library.overlay(desk.letter) and size > MAX_HTML:
            raise ProblemsError([Problem(text.place, 0, 0, "REN-01", TOO_LONG.format(size, MAX_HTML))])
    except ProblemsError as error:
        raise ProblemsError(
            [replace(each, file=f"{text.place} ({each.file})") for each in error.problems], hint="nothing was changed"
        ) from error


def renew_packs(session: Session, app: App, key: OverlayKey, now: datetime) -> int:
    """A new revision for every pack of this text that was not passed on yet; returns how many. Their mails stay as they are."""
    library = open_library(app, session, opens=True)
    keys = list(_waiting(session, key))
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


def _tidy(words: str) -> str:
    """Line ends and trailing blanks are no words."""
    return "\n".join(line.rstrip() for line in unify_line_ends(words).split("\n")).strip("\n")
