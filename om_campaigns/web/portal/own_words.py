"""Own words: the blocks of a pack, edited, left out, added or taken back; OM's and the house's side by side where they differ."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, HTTPException, Response

from om_campaigns.pipeline.house_words import LOOK, TYPED, change_words, look_at_words, show_words
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


def _show(
    visit: Visit, wrong: tuple[str, ...] = (), typed: Mapping[str, str] = NOTHING, status: int = 422, looked_at: str = ""
) -> Response:
    words = show_words(visit.site.app, visit.reach, visit.public_id)
    if words is None:
        raise HTTPException(404)
    given = {**words, "looked_at": looked_at, "typed": {**NOTHING, **typed}}
    return visit.show("words_of_house.html", wrong=wrong, status=status if wrong else 200, **given)


@router.post(WORDS, response_class=Response)
def own_words_changed(visit: TheVisit, form: TheForm) -> Response:
    """One thing done with one block, and the packs that wait say it from now on; or only a look at how it would read."""
    typed = {name: form[name] for name in TYPED}
    if not visit.is_own(form):
        return _show(visit, (f"worte-{typed['block'] or 'neu'}:alt",), typed, 400)
    if typed["tun"] == LOOK:
        wrong, looked_at = look_at_words(visit.site.app, visit.reach, visit.public_id, typed)
        return _show(visit, wrong, typed, looked_at=looked_at)
    wrong = change_words(visit.site.app, visit.reach, visit.public_id, typed)
    return _show(visit, wrong, typed) if wrong else visit.go("worte", "/worte")
