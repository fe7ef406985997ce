"""Subscribing: a form per house, per list or for all; one mail; one button behind its link (LAW-05, LAW-06)."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from om_campaigns import store
from om_campaigns.letters.pages import Face, load_face
from om_campaigns.reader.subscribing import (
    Offer,
    Wanted,
    confirm,
    consent_text,
    find_faults,
    find_request,
    load_offer,
    name_house,
    subscribe,
)
from om_campaigns.service_letters import send_at_once
from om_campaigns.web.forms import Form, TheForm, has_key, make_key
from om_campaigns.web.site import Site, TheSite, Token, Word

router = APIRouter()

PURPOSE = "anmelden"
TRAP = "website"
"""A field that people do not see and robots fill in."""


@router.get("/anmelden", response_class=Response)
def form_of_all(request: Request, site: TheSite) -> Response:
    """Every list, and the house to choose."""
    return _show(request, site, _offer(request, site))


@router.post("/anmelden", response_class=Response)
def ask_of_all(request: Request, site: TheSite, form: TheForm) -> Response:
    return _ask(request, site, form, _offer(request, site))


@router.get("/anmelden/{mailing_list}", response_class=Response)
def form_of_list(request: Request, site: TheSite, mailing_list: Word) -> Response:
    """One list, and the house to choose."""
    return _show(request, site, _offer(request, site, mailing_list=mailing_list))


@router.post("/anmelden/{mailing_list}", response_class=Response)
def ask_of_list(request: Request, site: TheSite, mailing_list: Word, form: TheForm) -> Response:
    return _ask(request, site, form, _offer(request, site, mailing_list=mailing_list))


@router.get("/anmelden/haus/{house}", response_class=Response)
def form_of_house(request: Request, site: TheSite, house: Word) -> Response:
    """Every list, for the advisers of one house."""
    return _show(request, site, _offer(request, site, house=house))


@router.post("/anmelden/haus/{house}", response_class=Response)
def ask_of_house(request: Request, site: TheSite, house: Word, form: TheForm) -> Response:
    return _ask(request, site, form, _offer(request, site, house=house))


@router.get("/bestaetigen/{token}", response_class=Response)
def look(request: Request, site: TheSite, token: Token) -> Response:
    """What the mail asked about; a scanner that opens it confirms nothing."""
    with store.read(site.app.engine) as session:
        asked = find_request(site.app, session, token, site.app.now())
        face = load_face(site.app, session, asked.organisation_id if asked else None)
    if asked is None:
        return site.show(request, "opt_in_gone.html", status=404)
    served = site.offers.load() if asked.is_confirmed and asked.has_house else {}
    return site.show(
        request, "opt_in_confirm.html", face=face, stored=asked.language, asked=asked, served=served,
        key=make_key(site, "bestaetigen", token),
    )  # fmt: skip


@router.post("/bestaetigen/{token}", response_class=Response)
def confirmed(request: Request, site: TheSite, token: Token, form: TheForm) -> Response:
    """Confirms once; a second time says the same."""
    if has_key(site, form, "bestaetigen", token):
        if form["organisation"]:
            name_house(site.app, token, form["organisation"], site.app.now())
        else:
            confirm(site.app, token, site.app.now())
    return look(request, site, token)


def _offer(request: Request, site: Site, *, mailing_list: str = "", house: str = "") -> Offer:
    served = site.offers.load()
    with store.read(site.app.engine) as session:
        offer = load_offer(session, site.language(request), served, mailing_list=mailing_list, house=house)
    if offer is None:
        raise HTTPException(404)
    return offer


def _ask(request: Request, site: Site, form: Form, offer: Offer) -> Response:
    if not offer.lists:
        return _show(request, site, offer)
    lists = form.all("reihen") if len(offer.lists) > 1 else (offer.lists[0][0],)
    wanted = Wanted(form["name"], form["email"], form["haus"], lists, form["einverstanden"] == "ja")
    if not has_key(site, form, PURPOSE, site.path(request)):
        return _show(request, site, offer, wanted, is_again=True)
    faults = find_faults(wanted, offer)
    if faults:
        return _show(request, site, offer, wanted, faults)
    if not form[TRAP]:
        network = request.client.host if request.client else ""
        subscribe(site.app, wanted, offer, site.language(request), site.path(request), network, site.app.now())
        site.errands.do(send_at_once, site.app)
    return site.show(request, "opt_in_asked.html", face=_face(site, offer))


def _face(site: Site, offer: Offer) -> Face:
    with store.read(site.app.engine) as session:
        return load_face(site.app, session, offer.organisation_id)


def _show(
    request: Request, site: Site, offer: Offer, wanted: Wanted | None = None, faults: list[str] | None = None, *, is_again: bool = False
) -> Response:
    language = site.language(request)
    return site.show(
        request, "opt_in_form.html", face=_face(site, offer), status=400 if faults or is_again else 200, indexed=wanted is None,
        offer=offer,
        wanted=wanted or Wanted("", "", "", (), False), wrong=faults or [], is_again=is_again, trap=TRAP,
        consent=consent_text(site.app, language, offer), key=make_key(site, PURPOSE, site.path(request)),
    )  # fmt: skip
