"""The application: every door outside, put together. Only ``server`` and tests call this."""

from __future__ import annotations

from functools import partial

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.types import Scope

from om_campaigns.app import App
from om_campaigns.web import answers, archive, common, feeds, helping, links, pictures, portal, preferences, subscribe, unsubscribe
from om_campaigns.web.headers import Guard
from om_campaigns.web.site import Site

ROUTERS = (
    common.router,
    unsubscribe.router,
    preferences.router,
    subscribe.router,
    archive.router,
    feeds.router,
    helping.router,
    answers.router,
    pictures.router,
    links.router,
    *portal.ROUTERS,
)


def make_application(app: App) -> FastAPI:
    """Every page of one workspace as an ASGI application. It shows no documentation of itself to the world."""
    site = Site(app)
    web = FastAPI(title="om_campaigns", openapi_url=None, docs_url=None, redoc_url=None)
    web.state.site = site
    for router in ROUTERS:
        web.include_router(router)
    web.add_exception_handler(HTTPException, _show_fault)
    web.add_exception_handler(RequestValidationError, _show_fault)
    web.add_middleware(Guard, is_https=app.settings.web.base_url.startswith("https://"), fault_page=partial(_fault_page, site))
    return web


def _fault_page(site: Site, scope: Scope, status: int) -> Response:
    return site.show(Request(scope), "fault.html", status=status, code=status)


async def _show_fault(request: Request, fault: Exception) -> Response:
    """What went wrong, as a page; never with a word of the request in it."""
    site: Site = request.app.state.site
    status = fault.status_code if isinstance(fault, HTTPException) else 404
    headers = dict(fault.headers or {}) if isinstance(fault, HTTPException) else {}
    answer = site.show(request, "fault.html", status=status, code=status)
    answer.headers.update(headers)
    return answer
