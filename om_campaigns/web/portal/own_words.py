"""Own words: the blocks of a pack, edited, left out, added or taken back; OM's and the house's side by side where they differ."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, HTTPException, Response

from om_campaigns.partner.faults import FormFault
from om_campaigns.partner.own_words import WRITING, Action, BlockChange, change_words
from om_campaigns.partner.show_own_words import NEW, look_at_words, show_words
from om_campaigns.web.forms import TheForm
from om_campaigns.web.portal.access import PATH, TheVisit, Visit

router = APIRouter()

WORDS = f"{PATH}/pakete/{{public_id}}/worte"
TYPED = ("tun", "block", "worte", "nach")
NOTHING = dict.fromkeys(TYPED, "")

LOOK = "ansehen"
"""Look how the words would read, without keeping them."""

ACTIONS = {
    "ersetzen": Action.set,
    "weglassen": Action.hide,
    "zurueck": Action.reset,
    "behalten": Action.keep,
    "nehmen": Action.take,
    "einfuegen": Action.add,
}


@router.get(WORDS, response_class=Response)
def own_words(visit: TheVisit) -> Response:
    """Every block of what is passed on; or one of them to be written, and then nothing else that could be done."""
    return _show(visit, editing=visit.request.query_params.get("bearbeiten", ""))


def _show(
    visit: Visit,
    wrong: tuple[FormFault, ...] = (),
    typed: Mapping[str, str] = NOTHING,
    status: int = 422,
    *,
    editing: str = "",
    looked_at: str = "",
    seen: str = "",
) -> Response:
    """``editing``: the block that is being written, ``NEW`` for one to be added, or in place of one that is gone. ``looked_at``: how what
    was typed would read. ``seen``: what the block said when its editor was opened, where that is not what it says now.
    """
    words = show_words(visit.site.app, visit.acting, visit.public_id)
    if words is None:
        raise HTTPException(404)
    known = {NEW, *(each["block"] for each in words["blocks"])} if words["may_edit"] else set()
    editing = editing if editing in known else NEW if typed["worte"] and known else ""
    given = {**words, "editing": editing, "looked_at": looked_at, "seen": seen, "typed": {**NOTHING, **typed}}
    return visit.show("words_of_house.html", wrong=wrong, status=status if wrong else 200, **given)


@router.post(WORDS, response_class=Response)
def own_words_changed(visit: TheVisit, form: TheForm) -> Response:
    """One thing done with one block, and the packs that wait say it from now on; or only a look at how it would read."""
    typed, seen = {name: form[name] for name in TYPED}, form.shown(("block",)).get("block", "")
    action, block, words = ACTIONS.get(typed["tun"]), typed["block"], typed["worte"]
    editing, looked_at = (block or NEW) if typed["tun"] == LOOK or action in WRITING else "", ""
    if not visit.is_own(form):
        return _show(visit, (FormFault(f"worte-{editing or block}", "alt"),), typed, 400, editing=editing, seen=seen)
    if typed["tun"] == LOOK:
        wrong, looked_at = look_at_words(visit.site.app, visit.acting, visit.public_id, block, words)
    elif action is None:
        wrong = (FormFault(f"block-{block or NEW}", "nicht"),)
    else:
        wrong = change_words(visit.site.app, visit.acting, visit.public_id, BlockChange(action, block, words, typed["nach"], seen))
    if not wrong and not looked_at:
        return visit.go("worte", "/worte")
    seen = "" if any(each.kind == "inzwischen" for each in wrong) else seen  # what was said meanwhile stands on the page now
    return _show(visit, wrong, typed, editing=editing, looked_at=looked_at, seen=seen)
