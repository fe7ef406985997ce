"""Own words: the blocks of a pack, edited, left out, added or taken back; OM's and the house's side by side where they differ."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, HTTPException, Response

from om_campaigns.pipeline.house_words import TYPED, change_words, show_words
from om_campaigns.web.forms import TheForm
from om_campaigns.web.portal.guard import PATH
from om_campaigns.web.portal.visit import TheVisit, Visit

router = APIRouter()

WORDS = f"{PATH}/pakete/{{public_id}}/worte"
NOTHING = dict.fromkeys(TYPED, "")


@router.get(WORDS, response_class=Response)
def own_words(visit: TheVisit) -> Response:
    """Every block of what is passed on."""
    return _show(visit)


def _show(visit: Visit, wrong: tuple[str, ...] = (), typed: Mapping[str, str] = NOTHING, status: int = 422) -> Response:
    words = show_words(visit.site.app, visit.reach, visit.public_id)
    if words is None:
        raise HTTPException(404)
    return visit.show("words_of_house.html", wrong=wrong, typed={**NOTHING, **typed}, status=status if wrong else 200, **words)


@router.post(WORDS, response_class=Response)
def own_words_changed(visit: TheVisit, form: TheForm) -> Response:
    """One thing done with one block; the packs that wait say it from now on."""
    typed = {name: form[name] for name in TYPED}
    if not visit.is_own(form):
        return _show(visit, (f"worte-{typed['block'] or 'neu'}:alt",), typed, 400)
    wrong = change_words(visit.site.app, visit.reach, visit.public_id, typed)
    return _show(visit, wrong, typed) if wrong else visit.go("worte", "/worte")
