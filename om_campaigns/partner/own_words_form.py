"""Own words in the portal: the blocks of a pack, what the house says instead, and what OM says by now (``own_words`` does the work)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.models import Organisation
from om_campaigns.audience.vocabulary import ForwardPolicy, Origin
from om_campaigns.campaign.models import Campaign, Dispatch, Pack
from om_campaigns.compose.overlay_text import MAX_LENGTH, check_words
from om_campaigns.compose.public_version import make_words_html
from om_campaigns.errors import InputError, Problem, ProblemsError
from om_campaigns.partner.own_words import (
    By,
    OwnText,
    SaidMeanwhileError,
    add_block,
    count_conflicts_of,
    decide,
    hide_block,
    mark_of,
    replace_block,
    reset_block,
    show_blocks,
)
from om_campaigns.partner.pack_form import Reach, find_pack

TYPED = ("tun", "block", "worte", "nach")
"""The fields of the forms about blocks."""

LOOK = "ansehen"
"""Look how the words would read, without keeping them."""

ACTIONS = ("ersetzen", "weglassen", "zurueck", "behalten", "nehmen", "einfuegen")
"""Replace, leave out, go back to OM's, keep ours, take OM's, add one."""

DECISIONS = ("behalten", "nehmen")
"""Those that answer a change of OM's."""

WRITING = ("ersetzen", "einfuegen")
"""Those with words, which have a field where faults are shown; faults of the others stand at the block."""

KINDS = {"SEC-03": "vorlage", "FWD-01": "person", "FWD-02": "kennwort", "FWD-06": "bild", "REN-16": "kurzlink", "own-words": "zeichen"}
"""Rule that is broken → how the page explains it; everything else is ``setzen``."""


def show_words(app: App, reach: Reach, public_id: str) -> dict[str, Any] | None:
    """The blocks of what a pack passes on, as ``show_blocks`` gives them, each with own_html, om_html (how its words are read) and mark;
    may_edit, text_language, conflicts (how many), most (characters of a block).

    None for a pack these houses do not have, or one whose text is not published any more.
    """
    with store.read(app.engine) as session:
        found = _find(session, reach, public_id)
        if found is None:
            return None
        text, may_edit = found
        try:
            blocks = show_blocks(session, app, text)
        except InputError:
            return None
    conflicts = [each["block"] for each in blocks if each["conflict"]]
    blocks = [each | {f"{whose}_html": make_words_html(each[f"{whose}_text"], text.language) for whose in ("own", "om")} for each in blocks]
    blocks = [each | {"mark": mark_of(each["state"], each["own_text"], each["after"])} for each in blocks]
    return {"blocks": blocks, "may_edit": may_edit, "text_language": text.language, "conflicts": len(conflicts), "most": MAX_LENGTH}


def look_at_words(app: App, reach: Reach, public_id: str, typed: dict[str, str]) -> tuple[tuple[str, ...], str]:
    """How own words (``TYPED``) would be read, as safe HTML; or what is wrong with them, as ``change_words`` tells. Nothing is kept."""
    field, words = f"worte-{typed['block'] or 'neu'}", typed["worte"]
    with store.read(app.engine) as session:
        found = _find(session, reach, public_id)
    if found is None or not found[1]:
        return (f"{field}:nicht",), ""
    wrong = _length_fault(field, words) or _spell(field, check_words(words, found[0].place, 1))
    return wrong, "" if wrong else make_words_html(words, found[0].language)


def count_conflicts(app: App, reach: Reach, public_id: str) -> int:
    """How many of their own blocks in this pack these houses have to decide about, because OM's words changed."""
    with store.read(app.engine) as session:
        found = _find(session, reach, public_id)
        return 0 if found is None else count_conflicts_of(session, app, found[0])


def change_words(app: App, reach: Reach, public_id: str, typed: dict[str, str], seen: str) -> tuple[str, ...]:
    """Do one thing with one block (``TYPED``); () when it is done, else ``field:what:line`` of everything that is wrong.

    ``seen`` is the mark the page had for the block: what somebody else said of it meanwhile is not overwritten. Own words hold for the
    house that received the pack, for this step, and for every pack of it that waits.
    """
    action, block, words, after = (typed[name] for name in TYPED)
    with store.read(app.engine) as session:
        found = _find(session, reach, public_id)
        rows = show_blocks(session, app, found[0]) if found is not None else []
    for own in (row for row in rows if row["state"] == "added" and row["block"] == block and action == "ersetzen"):
        action, after = "einfuegen", own["after"]  # a block of the house's own has nothing of OM's to replace
    is_there = any(row["block"] == block for row in rows)
    field = f"{'worte' if action in WRITING else 'block'}-{block if is_there else 'neu'}"
    if found is None or not found[1] or action not in ACTIONS:
        return (f"{field}:nicht",)
    if action == "ersetzen" and not is_there:
        return (f"{field}:inzwischen",)
    if action in WRITING and (wrong := _length_fault(field, words)):
        return wrong
    try:
        is_done = _change(app, found[0], action, block, words, after, reach.actor, seen)
    except SaidMeanwhileError:
        return (f"{field}:{'inzwischen' if action in WRITING else 'entschieden'}",)
    except ProblemsError as error:
        return _spell(field, error.problems)
    except InputError:
        return (f"{field}:nicht",)
    is_own = any(row["block"] == block and row["state"] != "om" for row in rows)
    is_decided_otherwise = not is_done and action in DECISIONS and is_own != (action == "behalten")
    return (f"{field}:entschieden",) if is_decided_otherwise else ()


def _length_fault(field: str, words: str) -> tuple[str, ...]:
    return (f"{field}:leer",) if not words.strip() else (f"{field}:lang",) if len(words) > MAX_LENGTH else ()


def _spell(field: str, problems: Sequence[Problem]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"{field}:{KINDS.get(each.rule_id, 'setzen')}:{each.line or 1}" for each in problems))


def _change(app: App, text: OwnText, action: str, block: str, words: str, after: str, actor: str, seen: str) -> bool:
    now, by = app.now(), By(actor=actor, origin=Origin.partner, seen=seen)
    if action == "ersetzen":
        return replace_block(app, text, block, words, now, **by)
    if action == "einfuegen":
        return add_block(app, text, words, now, name=block, after=after, **by)
    if action == "weglassen":
        return hide_block(app, text, block, now, **by)
    if action == "zurueck":
        return reset_block(app, text, block, now, **by)
    return decide(app, text, block, now, keep_own=action == "behalten", **by)


def _find(session: Session, reach: Reach, public_id: str) -> tuple[OwnText, bool] | None:
    """The text of a pack, and whether its house may change it."""
    pack: Pack | None = find_pack(session, reach, public_id)
    if pack is None:
        return None
    house = session.get_one(Organisation, pack.organisation_id)
    campaign, dispatch = session.get_one(Campaign, pack.campaign_id), session.get_one(Dispatch, pack.dispatch_id)
    return OwnText(house.slug, campaign.name, pack.step, dispatch.language), house.forward_policy is not ForwardPolicy.as_is
