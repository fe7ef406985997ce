"""The house itself: what it decides, and its own mirror."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, HTTPException, Response

from om_campaigns import store
from om_campaigns.pipeline.house_look import LOGO_BYTES, ColourFault, NoLogoError, save_look, show_look
from om_campaigns.pipeline.house_people import save_deputies, show_people
from om_campaigns.pipeline.house_settings import TYPED, save_settings, say_to_staff, show_settings
from om_campaigns.report.queries.house_mirror import load_mirror
from om_campaigns.web.portal.guard import PATH, Desk, OwnForm, TheDesk

router = APIRouter()


@router.get(f"{PATH}/haus", response_class=Response)
def own_house(desk: TheDesk) -> Response:
    """On to the settings of their own house."""
    return desk.go(f"/haus/{desk.partner.slug}")


@router.get(f"{PATH}/haus/{{house}}", response_class=Response)
def settings(desk: TheDesk, house: str) -> Response:
    """What the house has decided."""
    return _show(desk, house)


def _show(
    desk: Desk, house: str, wrong: tuple[str, ...] = (), typed: Mapping[str, str] | None = None, fault: ColourFault | None = None
) -> Response:
    found, look, people = (show(desk.app, desk.reach, house) for show in (show_settings, show_look, show_people))
    if found is None or look is None or people is None:
        raise HTTPException(404)
    values = {**found["now"], "farbe": look["accent"], "nachricht": "", **(typed or {})}
    given = {**found, **people, "logo": look["logo"], "fault": fault}
    return desk.show("house.html", page="house", wrong=wrong, typed=values, status=422 if wrong else 200, **given)


@router.post(f"{PATH}/haus/{{house}}", response_class=Response)
def settings_saved(desk: TheDesk, form: OwnForm, house: str) -> Response:
    """Takes over what was chosen, or nothing of it."""
    typed = {name: form[name] for name in TYPED}
    wrong = save_settings(desk.app, desk.reach, house, typed)
    return _show(desk, house, wrong, typed) if wrong else desk.go(f"/haus/{house}", "gespeichert")


@router.post(f"{PATH}/haus/{{house}}/aussehen", response_class=Response)
def look_saved(desk: TheDesk, form: OwnForm, house: str) -> Response:
    """Takes over colour and logo together, or nothing of them."""
    colour = form["farbe"]
    try:
        fault = save_look(desk.app, desk.reach, house, colour, form.content("logo", LOGO_BYTES), drop_logo=form["ohne"] == "ja")
    except NoLogoError:
        return _show(desk, house, ("logo",), {"farbe": colour})
    return _show(desk, house, ("farbe",), {"farbe": colour}, fault) if fault else desk.go(f"/haus/{house}", "gespeichert")


@router.post(f"{PATH}/haus/{{house}}/stellvertretung", response_class=Response)
def deputies_saved(desk: TheDesk, form: OwnForm, house: str) -> Response:
    """Lets those deputise who were ticked, and nobody else."""
    done = save_deputies(desk.app, desk.reach, house, form.all("vertretung"))
    return desk.go(f"/haus/{house}", "gespeichert") if done else _show(desk, house, ("vertretung",))


@router.post(f"{PATH}/haus/{{house}}/nachricht", response_class=Response)
def said_to_staff(desk: TheDesk, form: OwnForm, house: str) -> Response:
    """A sentence to the people of OM."""
    words = form["nachricht"]
    wrong = say_to_staff(desk.app, desk.reach, house, words)
    return _show(desk, house, (wrong,), {"nachricht": words}) if wrong else desk.go(f"/haus/{house}", "nachricht")


@router.get(f"{PATH}/spiegel", response_class=Response)
def mirror(desk: TheDesk) -> Response:
    """How far the packs of the house came, compared with nobody."""
    with store.read(desk.app.engine) as session:
        found = load_mirror(session, desk.reach.houses, desk.app.today(desk.app.now()))
    return desk.show("mirror.html", page="mirror", several=len(desk.reach.houses) > 1, **found)
