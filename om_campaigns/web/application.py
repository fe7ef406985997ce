"""The application: every door outside, put together. Only ``server`` and tests call this."""

from __future__ import annotations

from functools import partial
from urllib.parse import quote

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from starlette.exceptions import HTTPException
from starlette.routing import Match
from starlette.types import Scope

from om_campaigns.app import App
from om_campaigns.reader.tokens import Door
from om_campaigns.web import answers, archive, counted_links, forms, portal, preferences, regional_contacts, subscribe, unsubscribe
from om_campaigns.web.middleware import Guard
from om_campaigns.web.site import Site

ROUTERS = (
    forms.router,
    unsubscribe.router,
    preferences.router,
    subscribe.router,
    archive.router,
    regional_contacts.router,
    answers.router,
    counted_links.router,
    *portal.ROUTERS,
)


LEAVING = (Door.unsubscribe, Door.preferences, Door.one_click)
"""Doors by which one may leave: behind a link to them that is damaged stands a way to leave, too."""


def make_application(app: App) -> FastAPI:
    """Every page of one workspace as an ASGI application. It shows no documentation of itself to the world."""
    site = Site(app)
    web = FastAPI(title="om_campaigns", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    web.state.site = site
    for router in ROUTERS:
        web.include_router(router)
    web.add_exception_handler(HTTPException, _show_fault)
    web.add_exception_handler(RequestValidationError, _show_fault)
    web.add_middleware(Guard, is_https=app.settings.web.base_url.startswith("https://"), fault_page=partial(_fault_page, site))
    return web


def _fault_page(site: Site, scope: Scope, status: int) -> Response:
    return site.show(Request(scope), "fault.html", status=status, code=status)


def _without_slash(request: Request) -> str:
    """The page meant by a path that ends in a slash too much; '' where there is none. Never with a host: what a request says of it
    is anybody's word (SEC-20)."""
    path = str(request.scope["path"])
    shorter = "/" + path.strip("/")
    if shorter == path or request.method not in ("GET", "HEAD"):
        return ""
    scope = {**request.scope, "path": shorter}
    if not any(route.matches(scope)[0] is Match.FULL for route in request.app.router.routes):
        return ""
    query = request.scope["query_string"].decode("latin-1")
    return quote(shorter) + (f"?{query}" if query else "")


async def _show_fault(request: Request, fault: Exception) -> Response:
    """What went wrong, as a page; never with a word of the request in it."""
    site: Site = request.app.state.site
    status = fault.status_code if isinstance(fault, HTTPException) else 404
    if status == 404 and (page := _without_slash(request)):
        return RedirectResponse(page, 307)
    if status == 404 and site.path(request).split("/")[1] in LEAVING:
        return unsubscribe.show_broken_link(request, site)
    headers = dict(fault.headers or {}) if isinstance(fault, HTTPException) else {}
    answer = site.show(request, "fault.html", status=status, code=status)
    answer.headers.update(headers)
    return answer
