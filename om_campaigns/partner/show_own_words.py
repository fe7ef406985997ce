"""Own words of the houses (Hausfassung) as they are looked at: the blocks of a text, what a house says instead, where it must decide."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.access import Acting
from om_campaigns.audience.models import Organisation
from om_campaigns.audience.vocabulary import ForwardPolicy, Sender
from om_campaigns.campaign.models import Campaign, Dispatch
from om_campaigns.campaign.releases import get_campaign
from om_campaigns.columns import digest
from om_campaigns.compose.edition import Purpose
from om_campaigns.compose.library import LetterKey, Library
from om_campaigns.compose.markdown import Block, convert
from om_campaigns.compose.overlay import Conflict, OwnBlock, find_conflict
from om_campaigns.compose.overlay_log import Logged, OverlayKey, load_current, load_history
from om_campaigns.compose.overlay_text import MAX_LENGTH, check_words
from om_campaigns.compose.public_version import make_words_html
from om_campaigns.errors import InputError, Problem
from om_campaigns.letters.owed_editions import open_library
from om_campaigns.nearest import make_hint
from om_campaigns.partner.faults import FormFault
from om_campaigns.partner.packs import find_house_pack

OM_STATE = "om"
"""A block of which the house says nothing itself."""

NEW = "neu"
"""How fields of a block are called that is not there yet."""

KINDS = {"SEC-03": "vorlage", "FWD-01": "person", "FWD-02": "kennwort", "FWD-06": "bild", "REN-16": "kurzlink", "own-words": "zeichen"}
"""Rule that is broken → how the page explains it; everything else is ``setzen``."""


@dataclass(frozen=True, slots=True)
class OwnText:
    """The name of a text that a house may change: its slug, a campaign and a step. ``language`` '' is that of the house."""

    house: str
    campaign: str
    step: str
    language: str = ""


@dataclass(frozen=True)
class HouseText:
    """A text of a house with all that changing it needs: OM's blocks by their names, and what the house did with them."""

    house: Organisation
    place: str
    """How problems call it."""
    library: Library
    letter: LetterKey
    key: OverlayKey
    blocks: Mapping[str, Block]
    own: Mapping[str, Logged]

    @property
    def may_edit(self) -> bool:
        return self.house.forward_policy is not ForwardPolicy.as_is

    def count_conflicts(self) -> int:
        """How many blocks want a decision."""
        return sum(find_conflict(each.own, self.blocks) is not Conflict.none for each in self.own.values())


def find_text(session: Session, app: App, text: OwnText, *, locks: bool = False) -> HouseText:
    """Open a text by its name. ``locks``: nobody else changes it until the end of the transaction.

    Raises InputError for an unknown house, campaign or step, and for one that no house passes on.
    """
    query = select(Organisation).where(col(Organisation.slug) == text.house)
    house = session.execute(query.with_for_update(key_share=True) if locks else query).scalar_one_or_none()
    if house is None:
        houses = session.execute(select(col(Organisation.slug))).scalars()
        raise InputError(f"there is no organisation '{text.house}'", hint=make_hint(text.house, houses, "see 'om-campaigns org list'"))
    return _open_text(session, app, house, get_campaign(session, text.campaign), text.step, text.language)


def find_pack_text(session: Session, app: App, acting: Acting, public_id: str, *, locks: bool = False) -> HouseText | None:
    """Open what a pack passes on; None for a pack these houses do not have, or one whose text is not published any more."""
    pack = find_house_pack(session, acting, public_id)
    if pack is None:
        return None
    if locks:
        session.get_one(Organisation, pack.organisation_id, with_for_update={"key_share": True})
    language = session.get_one(Dispatch, pack.dispatch_id).language
    return _reopen(session, app, OverlayKey(pack.organisation_id, pack.campaign_id, pack.step, language))


def _reopen(session: Session, app: App, key: OverlayKey) -> HouseText | None:
    """A text that was passed on once; None where its step is not published any more: what was said about it stays in the log."""
    house, campaign = session.get_one(Organisation, key.organisation_id), session.get_one(Campaign, key.campaign_id)
    try:
        return _open_text(session, app, house, campaign, key.step, key.language)
    except InputError:
        return None


def _open_text(session: Session, app: App, house: Organisation, campaign: Campaign, step: str, language: str) -> HouseText:
    version_id = campaign.latest_version_id or 0
    library = open_library(app, session)
    definition = library.source(version_id).definition
    if definition.step(step) is None:
        known = [each.name for each in definition.steps]
        raise InputError(f"'{campaign.name}' has no step '{step}'", hint=make_hint(step, known, f"its steps: {', '.join(known)}"))
    language = language or house.language or app.settings.language
    letter = LetterKey(campaign.id, version_id, step, "", language, house.id, Sender.home, 0, Purpose.pack)
    if not (library.pack_text(letter) or any(audience.passes_on for audience in definition.audiences)):
        raise InputError(f"'{campaign.name}/{step}' is not passed on by houses, so there is nothing to say in their own words")
    file, key = library.step_file(letter), library.overlay_key(letter)
    blocks = {block.id: block for block in convert(file.body, file.path, file.body_line, key.language).blocks}
    return HouseText(house, f"{house.slug}: {campaign.name}/{step}", library, letter, key, blocks, library.overlay(letter))


def show_blocks(text: HouseText) -> list[dict[str, Any]]:
    """OM's blocks in their order, then those the house added: block, title, policy, hash, om_text, state, own_text, conflict,
    after, at, origin, actor.

    ``state`` is *om*, *replaced*, *hidden* or *added*; ``om_text`` has names filled in, as the house would read it, and is as it is
    written where a condition leaves some blocks out.
    """
    titles, _ = text.library.pack_style(text.letter)
    markdown = text.library.base_edition(text.letter).markdown
    filled_in = re.findall(r"^::: (?!action$)\w+\n(.*?)\n:::$", markdown, re.DOTALL | re.MULTILINE)
    read = filled_in if len(filled_in) == len(text.blocks) else [block.text for block in text.blocks.values()]
    rows = [
        {"block": block.id, "title": titles.get(block.name, block.name), "policy": block.policy, "hash": block.hash, "om_text": om_text}
        for block, om_text in zip(text.blocks.values(), read, strict=True)
    ]
    rows += [{"block": name, "title": "", "policy": "", "hash": "", "om_text": ""} for name in text.own if name not in text.blocks]
    for row in rows:
        logged = text.own.get(row["block"])
        row["state"], row["own_text"], row["after"] = said_by(logged)
        row["conflict"] = find_conflict(logged.own, text.blocks).value if logged else ""
        row["at"], row["origin"], row["actor"] = (logged.at, logged.origin.value, logged.actor) if logged else (None, "", "")
    return rows


def said_by(said: Logged | OwnBlock | None) -> tuple[str, str, str]:
    """State, words and place of what a house says in a block."""
    own = said.own if isinstance(said, Logged) else said
    return (own.kind.value, own.text, own.after) if own else (OM_STATE, "", "")


def mark_of(state: str, words: str, after: str) -> str:
    """What a house says in a block by now, in a word: the page that shows it sends it back with what is to be done."""
    return digest(state, words, after)[:16]


def list_own_words(session: Session, app: App, *, house: str = "", conflicts_only: bool = False) -> list[dict[str, Any]]:
    """Every block a house said itself: house, campaign, step, language, block, state, conflict, own_text, om_text, at, origin, actor."""
    texts = []
    for key in load_current(session):
        slug = session.get_one(Organisation, key.organisation_id).slug
        if house in ("", slug):
            texts.append((slug, session.get_one(Campaign, key.campaign_id).name, key))
    rows = []
    for slug, campaign, key in sorted(texts, key=lambda each: (*each[:2], each[2].step)):
        text = _reopen(session, app, key)
        where = {"house": slug, "campaign": campaign, "step": key.step, "language": key.language}
        blocks = show_blocks(text) if text else []
        rows += [where | row for row in blocks if row["state"] != OM_STATE and (row["conflict"] or not conflicts_only)]
    return rows


def count_conflicts(session: Session, app: App) -> int:
    """How many blocks want a decision, because OM's text has changed."""
    return sum(count_conflicts_by_text(session, app).values())


def count_conflicts_by_text(session: Session, app: App, texts: Collection[OverlayKey] | None = None) -> dict[OverlayKey, int]:
    """How many blocks want a decision, by text: of these texts, or of all; only those are opened in which a house has own words."""
    said = load_current(session, houses=None if texts is None else sorted({key.organisation_id for key in texts}))
    opened = {key: _reopen(session, app, key) for key in said if texts is None or key in texts}
    return {key: text.count_conflicts() if text else 0 for key, text in opened.items()}


def load_own_history(text: HouseText) -> list[dict[str, Any]]:
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
        for each in load_history(text.library.session, text.key)
    ]


def show_words(app: App, acting: Acting, public_id: str) -> dict[str, Any] | None:
    """The blocks of what a pack passes on, as ``show_blocks`` gives them, each with own_html, om_html (how its words are read) and mark;
    may_edit, text_language, conflicts (how many), most (characters of a block).

    None for a pack these houses do not have, or one whose text is not published any more.
    """
    with store.read(app.engine) as session:
        text = find_pack_text(session, app, acting, public_id)
        if text is None:
            return None
        blocks, may_edit = show_blocks(text), text.may_edit
    for block in blocks:
        block["own_html"], block["om_html"] = (make_words_html(block[name], text.letter.language) for name in ("own_text", "om_text"))
        block["mark"] = mark_of(block["state"], block["own_text"], block["after"])
    conflicts = sum(bool(each["conflict"]) for each in blocks)
    return {"blocks": blocks, "may_edit": may_edit, "text_language": text.letter.language, "conflicts": conflicts, "most": MAX_LENGTH}


def count_pack_conflicts(app: App, acting: Acting, public_id: str) -> int:
    """How many of their own blocks in this pack these houses have to decide about, because OM's words changed."""
    with store.read(app.engine) as session:
        text = find_pack_text(session, app, acting, public_id)
        return text.count_conflicts() if text else 0


def look_at_words(app: App, acting: Acting, public_id: str, block: str, words: str) -> tuple[tuple[FormFault, ...], str]:
    """How own words would be read, as safe HTML; or what is wrong with them, as ``change_words`` tells. Nothing is kept."""
    field = f"worte-{block or NEW}"
    with store.read(app.engine) as session:
        text = find_pack_text(session, app, acting, public_id)
        if text is None or not text.may_edit:
            return (FormFault(field, "nicht"),), ""
        faults = find_length_fault(field, words) or explain(field, check_words(words, text.place, 1))
        return faults, "" if faults else make_words_html(words, text.letter.language)


def find_length_fault(field: str, words: str) -> tuple[FormFault, ...]:
    """Whether there are no words, or too many."""
    return (FormFault(field, "leer"),) if not words.strip() else (FormFault(field, "lang"),) if len(words) > MAX_LENGTH else ()


def explain(field: str, problems: Sequence[Problem]) -> tuple[FormFault, ...]:
    """What keeps words from being passed on, as the page explains it."""
    return tuple(dict.fromkeys(FormFault(field, KINDS.get(each.rule_id, "setzen"), each.line or 1) for each in problems))
