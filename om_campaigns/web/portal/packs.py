"""Packs: which wait, what they say, how they are passed on, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, PlainTextResponse

from om_campaigns.errors import InputError, RefusedError
from om_campaigns.partner.acknowledgements import acknowledge, read_form
from om_campaigns.partner.faults import FaultError, FormFault
from om_campaigns.partner.packs import CHOICES, RelayState, hand_over_pack, move_pack
from om_campaigns.partner.show_house_packs import Shown, list_packs, load_file, show_text
from om_campaigns.partner.show_own_words import count_pack_conflicts
from om_campaigns.web.forms import TheForm
from om_campaigns.web.middleware import POLICY
from om_campaigns.web.portal.access import PATH, MaybeDesk, TheVisit, Visit, find_visit, show_entrance
from om_campaigns.web.site import TheSite

router = APIRouter()

PACK, LINK = f"{PATH}/pakete/{{public_id}}", "/paket/{token}"
"""Both doors lead to the same pages."""

WITH_LETTER = {"Content-Security-Policy": f"{POLICY}; frame-src 'self'; script-src 'self'; connect-src 'self'"}
"""A page that shows a mail in a frame, or copies it by our own script."""

AS_LETTER = {
    "Content-Security-Policy": (
        "sandbox allow-popups; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'self'"
    ),
    "X-Frame-Options": "SAMEORIGIN",
}
"""The mail itself: its styles stand in its tags, it runs nothing and asks nobody else for anything."""

TYPED = ("tun", "bis", "an", "stufe", "zahl", "satz", "haus")
"""The fields of the forms about a pack."""

NOTHING = dict.fromkeys(TYPED, "")
"""Forms to which nobody has put anything yet."""

BEGUN = ("stufe", "zahl", "satz")
"""What of the form is an answer."""

SCREENS = {"breit": "wide", "schmal": "narrow", "text": "text"}


@router.get(PATH, response_class=Response)
def home(request: Request, site: TheSite, desk: MaybeDesk) -> Response:
    """What waits for the house, or the entrance."""
    if desk is None:
        said = request.query_params.get("gut", "")
        return show_entrance(request, site, said=said if said in ("abgemeldet", "zuende") else "")
    today = desk.app.today(desk.app.now())
    return desk.show("packs.html", page="packs", today=today, several=len(desk.acting.houses) > 1, **list_packs(desk.app, desk.acting))


@router.get(PACK, response_class=Response)
@router.get(LINK, response_class=Response)
def pack(visit: TheVisit) -> Response:
    """One pack with all that can be done with it; opening it changes nothing (UNS-04)."""
    return _show(visit)


def _show(visit: Visit, wrong: tuple[FormFault, ...] = (), typed: Mapping[str, str] = NOTHING, status: int = 422, **said: str) -> Response:
    conflicts = count_pack_conflicts(visit.site.app, visit.acting, visit.public_id) if visit.desk is not None else 0
    return visit.show("pack.html", wrong=wrong, typed={**NOTHING, **typed}, conflicts=conflicts, status=status if wrong else 200, **said)


@router.post(PACK, response_class=Response)
@router.post(LINK, response_class=Response)
def pack_answered(visit: TheVisit, form: TheForm) -> Response:
    """A choice about the pack, somebody else to receive it, or how far it came. A choice keeps an answer that was begun and not sent."""
    typed = {name: form[name] for name in TYPED}
    is_begun = any(typed[name] for name in BEGUN)
    if typed["bis"] and not is_begun and not typed["tun"]:
        typed["tun"] = "postponed"  # the enter key in the field of the day
    if not visit.is_own(form):
        return _show(visit, (FormFault("tun", "alt"),), typed, 400)
    said, wrong = _do(visit, typed)
    if typed["tun"] and is_begun and not wrong:
        return _show(find_visit(visit.request, visit.site), (), typed | {"tun": "", "bis": ""}, said=said)
    return _show(visit, wrong, typed) if wrong else visit.go(said)


def _do(visit: Visit, typed: Mapping[str, str]) -> tuple[str, tuple[FormFault, ...]]:
    """What was done, and what is wrong with it."""
    app, about = visit.site.app, (visit.site.app, visit.acting, visit.public_id)
    hands_over = typed["an"] and visit.desk is not None  # a link may have been forwarded: it shows and moves nobody (FWD-03)
    field, said = ("tun", typed["tun"]) if typed["tun"] else ("an", "uebergeben") if hands_over else ("stufe", "quittung")
    try:
        if typed["tun"]:
            state, until = _read_choice(typed["tun"], typed["bis"])
            move_pack(*about, state, app.now(), until=until)
        elif hands_over:
            hand_over_pack(*about, app.now(), to=typed["an"])
        else:
            serves = [each["slug"] for each in visit.pack["serves"]]
            acknowledge(*about, read_form(typed["stufe"], typed["zahl"], typed["satz"], typed["haus"], serves), app.now())
    except FaultError as error:
        return said, (error.fault,)
    except (InputError, RefusedError):
        return said, (FormFault(field),)
    return said, ()


def _read_choice(choice: str, until: str) -> tuple[RelayState, date | None]:
    if choice not in CHOICES:
        raise FaultError(f"'{choice}' is no choice", FormFault("tun"))
    try:
        return RelayState(choice), date.fromisoformat(until) if choice == RelayState.postponed else None
    except ValueError as error:
        raise FaultError(f"'{until}' is no day", FormFault("bis")) from error


@router.get(f"{PACK}/vorschau", response_class=Response)
@router.get(f"{LINK}/vorschau", response_class=Response)
def preview(visit: TheVisit) -> Response:
    """The mail on a wide screen, on a phone, and as plain text."""
    screen = SCREENS.get(visit.request.query_params.get("als", ""), "wide")
    page = visit.show("preview.html", shown=_text(visit), screen=screen)
    page.headers.update(WITH_LETTER)
    return page


@router.get(f"{PACK}/weitergeben", response_class=Response)
@router.get(f"{LINK}/weitergeben", response_class=Response)
def pass_on(visit: TheVisit) -> Response:
    """Which way works in which mail program (FWD-08), and what it allows (FWD-11)."""
    page = visit.show("pass_on.html", pictures=_text(visit).pictures)
    page.headers.update(WITH_LETTER)
    return page


@router.get(f"{PACK}/brief", response_class=Response)
@router.get(f"{LINK}/brief", response_class=Response)
def letter(visit: TheVisit) -> Response:
    """The mail and nothing else, to be looked at in a frame, or marked and copied."""
    shown = _text(visit)
    return HTMLResponse(shown.html, headers=AS_LETTER | {"Content-Language": shown.language})


@router.get(f"{PACK}/brief.txt", response_class=Response)
@router.get(f"{LINK}/brief.txt", response_class=Response)
def letter_text(visit: TheVisit) -> Response:
    """The mail as plain text."""
    return PlainTextResponse(_text(visit).text)


def _text(visit: Visit) -> Shown:
    shown = show_text(visit.site.app, visit.acting, visit.public_id)
    if shown is None:
        raise HTTPException(404)
    return shown


@router.get(f"{PACK}/dateien/{{name}}", response_class=Response)
@router.get(f"{LINK}/dateien/{{name}}", response_class=Response)
def download(visit: TheVisit, name: str) -> Response:
    """A file of the pack, to be saved (FWD-07)."""
    found = load_file(visit.site.app, visit.acting, visit.public_id, name)
    if found is None:
        raise HTTPException(404)
    media, content = found
    return Response(content, media_type=media, headers={"Content-Disposition": f'attachment; filename="{name}"'})
