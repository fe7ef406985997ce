"""The house itself: what it decides, its logo, its people, a word to staff, and its own mirror.

Each page has one form with one save, so nothing that was typed is lost by saving something else.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, HTTPException, Response

from om_campaigns import store
from om_campaigns.partner.colleagues import save_deputies, show_people
from om_campaigns.partner.faults import FormFault
from om_campaigns.partner.look import LOGO_BYTES, ColourFault, NoLogoError, save_logo, show_logo
from om_campaigns.partner.mirror import load_mirror
from om_campaigns.partner.organisation import TYPED, TYPED_OFTEN, save_settings, show_settings
from om_campaigns.partner.signing_in import say_to_staff, show_house
from om_campaigns.web.forms import TheForm
from om_campaigns.web.portal.access import PATH, TOO_OLD, Desk, TheDesk

router = APIRouter()

HOUSE = f"{PATH}/haus/{{house}}"


@router.get(f"{PATH}/haus", response_class=Response)
def own_house(desk: TheDesk) -> Response:
    """On to the settings of their own house."""
    return desk.go(f"/haus/{desk.acting.slug}")


def _show(desk: Desk, name: str, slug: str, about: Mapping[str, Any] | None, wrong: tuple[FormFault, ...] = (), **values: Any) -> Response:
    """A page about one house; ``about`` is what it shows, None where these people have no such house."""
    found = show_house(desk.app, desk.acting, slug)
    if found is None or about is None:
        raise HTTPException(404)
    return desk.show(f"house/{name}.html", page="house", part=name, wrong=wrong, status=desk.status(wrong), **found, **about, **values)


@router.get(HOUSE, response_class=Response)
def settings(desk: TheDesk, house: str) -> Response:
    """What the house has decided."""
    return _show_settings(desk, house)


def _show_settings(
    desk: Desk,
    house: str,
    wrong: tuple[FormFault, ...] = (),
    typed: Mapping[str, str] | None = None,
    shown: Mapping[str, str] | None = None,
) -> Response:
    """``shown``: what stood in the fields before anything was typed; it goes along in the form."""
    about = show_settings(desk.app, desk.acting, house)
    now = about["now"] if about else {}
    colour = next((each for each in wrong if isinstance(each, ColourFault)), None)
    return _show(desk, "settings", house, about, wrong, typed=typed or now, shown=now if shown is None else shown, fault=colour)


@router.post(HOUSE, response_class=Response)
def settings_saved(desk: TheDesk, form: TheForm, house: str) -> Response:
    """Takes over what was chosen, or nothing of it."""
    typed = {name: form[name] for name in TYPED} | {TYPED_OFTEN: " ".join(form.all(TYPED_OFTEN)).strip()}
    shown = form.shown(typed)
    wrong = save_settings(desk.app, desk.acting, house, typed, shown) if desk.is_own(form) else (TOO_OLD,)
    return _show_settings(desk, house, wrong, typed, shown) if wrong else desk.go(f"/haus/{house}", "gespeichert")


@router.get(f"{HOUSE}/logo", response_class=Response)
def logo(desk: TheDesk, house: str) -> Response:
    """The logo that letters of the house show."""
    return _show_logo(desk, house)


def _show_logo(desk: Desk, house: str, *wrong: FormFault) -> Response:
    return _show(desk, "logo", house, show_logo(desk.app, desk.acting, house), wrong)


@router.post(f"{HOUSE}/logo", response_class=Response)
def logo_saved(desk: TheDesk, form: TheForm, house: str) -> Response:
    """Takes over another logo, or shows none any more."""
    if not desk.is_own(form):
        return _show_logo(desk, house, TOO_OLD)
    content, drop = form.content("logo", LOGO_BYTES), form["ohne"] == "ja"
    if not content and not drop:
        return _show_logo(desk, house, FormFault("logo", "leer"))
    try:
        is_saved = save_logo(desk.app, desk.acting, house, content, drop=drop)
    except NoLogoError:
        is_saved = False
    return desk.go(f"/haus/{house}/logo", "gespeichert") if is_saved else _show_logo(desk, house, FormFault("logo"))


@router.get(f"{HOUSE}/menschen", response_class=Response)
def people(desk: TheDesk, house: str) -> Response:
    """Who stands for the house, and its offices."""
    return _show_people(desk, house)


def _show_people(
    desk: Desk, house: str, *wrong: FormFault, chosen: tuple[str, ...] | None = None, shown: Mapping[str, str] | None = None
) -> Response:
    """``shown`` as in the settings."""
    about = show_people(desk.app, desk.acting, house)
    now = about["deputies"] if about else []
    shown = {"vertretung": " ".join(now)} if shown is None else shown
    return _show(desk, "people", house, about, wrong, chosen=now if chosen is None else chosen, shown=shown)


@router.post(f"{HOUSE}/menschen", response_class=Response)
def people_saved(desk: TheDesk, form: TheForm, house: str) -> Response:
    """Lets those deputise who were ticked, and nobody else."""
    chosen, shown = form.all("vertretung"), form.shown(("vertretung",))
    if not desk.is_own(form):
        return _show_people(desk, house, TOO_OLD, chosen=chosen, shown=shown)
    if not save_deputies(desk.app, desk.acting, house, chosen, shown.get("vertretung", "").split()):
        return _show_people(desk, house, FormFault("vertretung"), chosen=chosen, shown=shown)
    return desk.go(f"/haus/{house}/menschen", "gespeichert")


@router.get(f"{HOUSE}/nachricht", response_class=Response)
def message(desk: TheDesk, house: str) -> Response:
    """Where a sentence to the people of OM is written."""
    return _show(desk, "message", house, {"typed": ""})


@router.post(f"{HOUSE}/nachricht", response_class=Response)
def message_sent(desk: TheDesk, form: TheForm, house: str) -> Response:
    """A sentence to the people of OM."""
    words = form["nachricht"]
    if not desk.is_own(form):
        return _show(desk, "message", house, {"typed": words}, (TOO_OLD,))
    if not say_to_staff(desk.app, desk.acting, house, words):
        return _show(desk, "message", house, {"typed": words}, (FormFault("nachricht"),))
    return desk.go(f"/haus/{house}/nachricht", "nachricht")


@router.get(f"{PATH}/spiegel", response_class=Response)
def mirror(desk: TheDesk) -> Response:
    """How far the packs of the house came, compared with nobody."""
    with store.read(desk.app.engine) as session:
        found = load_mirror(session, desk.acting.houses, desk.app.today(desk.app.now()))
    return desk.show("mirror.html", page="mirror", several=len(desk.acting.houses) > 1, **found)
