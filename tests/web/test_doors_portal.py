"""The portal under whatever may be sent to it by somebody who is signed in: no route breaks, and none changes another house.

Routes come from the OpenAPI document, forms from the pages themselves, so that a new one is tested the day it is written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx2 as httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from selectolax.lexbor import LexborHTMLParser

from om_campaigns.compose.links import Door, make_token
from om_campaigns.compose.pack import FILE_NAMES
from om_campaigns.web.application import ROUTERS, make_application
from om_campaigns.web.server import serving
from tests.journeys.workspace import Workspace
from tests.web.portal_help import open_office, sign_in
from tests.web.test_portal_reports import NETWORKS, TOOLKITS, USES

pytestmark = pytest.mark.slow

STRICT = settings(max_examples=15, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
ODD = ("", "ja", "-1", "0", "9" * 30, "NaN", "2027-02-30", "31.12.9999", "\0", "\r\nBcc: a@b", "dach", "fremd", "{{ 7*7 }}", "<b>")
VALUES = st.one_of(st.sampled_from(ODD), st.text(max_size=60))
KEYS = st.sampled_from((True, True, True, False))


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    """A house with a pack and a toolkit whose version is old."""
    office = open_office(tmp_path)
    office.take(networks=NETWORKS, toolkits=TOOLKITS, toolkit_uses=USES)
    return office


@pytest.fixture
def cookie(office: Workspace) -> dict[str, str]:
    """The session of the umbrella's contact."""
    ((name, value),) = sign_in(office, "doris@dach.example").cookies.items()
    return {"cookie": f"{name}={value}"}


@pytest.fixture
def base(office: Workspace) -> Iterator[str]:
    with serving(office.app, "127.0.0.1", 0) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def genuine(office: Workspace) -> dict[str, str]:
    """Parameter of a path → a value that is there."""
    ((pack, house),) = office.ask(
        "SELECT p.public_id, o.public_id FROM pack p JOIN organisation o ON o.id = p.organisation_id WHERE o.slug = 'dach'"
    )
    ((ref,),) = office.ask("SELECT ref FROM address WHERE address = 'doris@dach.example'")
    token = make_token(office.app.keyring, Door.pack, ref, house, pack)
    return {"public_id": pack, "token": token, "house": "dach", "name": next(iter(FILE_NAMES.values()))}


@pytest.mark.parametrize("is_signed_in", [True, False])
def test_schemathesis_finds_no_server_error_on_any_route(
    office: Workspace, base: str, cookie: dict[str, str], genuine: dict[str, str], is_signed_in: bool
) -> None:
    """Each route with what fits its schema and what does not, and with the paths of things that are really there."""
    schema = schemathesis.openapi.from_dict(make_application(office.app).openapi())
    schema.config.update(base_url=base)
    operations = [found.ok() for found in schema.get_all_operations()]
    paths = {each.path for each in operations}
    assert {route.path for router in ROUTERS for route in router.routes} == paths  # type: ignore[attr-defined]
    headers = cookie if is_signed_in else {}
    for operation in operations:
        for mode in (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE):
            _try_out(operation, mode, headers, genuine)
    assert _is_in(base, headers) == is_signed_in, "the session outlived it all"


def _try_out(operation: Any, mode: Any, headers: dict[str, str], genuine: dict[str, str]) -> None:
    @STRICT
    @given(case=operation.as_strategy(generation_mode=mode), is_there=st.booleans())
    def once(case: Any, is_there: bool) -> None:
        if is_there and case.path_parameters:
            case.path_parameters = {name: genuine.get(name, value) for name, value in case.path_parameters.items()}
        answer = case.call(headers=headers)
        assert answer.status_code < 500, (case, answer.status_code)

    try:
        once()
    except Unsatisfiable:
        return  # nothing in this route can be wrong


def _is_in(base: str, headers: dict[str, str]) -> bool:
    return "Ihre Pakete" in httpx.get(f"{base}/portal", headers=headers).text


Form = tuple[str, str, tuple[str, ...]]
"""Where a form goes, its hidden key, and its other fields."""


def find_forms(base: str, headers: dict[str, str], paths: list[str]) -> list[Form]:
    """Every form of these pages that is posted."""
    found: dict[str, Form] = {}
    for path in paths:
        answer = httpx.get(base + path, headers=headers, follow_redirects=True)
        page = LexborHTMLParser(answer.text)
        for form in page.css("form[method=post]"):
            named = [*form.css("[name]"), *page.css(f'[name][form="{form.attributes.get("id", "")}"]')]
            fields = {str(each.attributes["name"]): str(each.attributes.get("value") or "") for each in named}
            action = re.sub(r"\?.*", "", str(form.attributes.get("action") or path)) or path
            key, others = fields.pop("formular"), tuple(fields)
            found[action] = (action, key, tuple(dict.fromkeys((*found.get(action, ("", "", ()))[2], *others))))
    return list(found.values())


def test_no_form_of_the_portal_breaks_or_reaches_another_house(
    office: Workspace, base: str, cookie: dict[str, str], genuine: dict[str, str]
) -> None:
    routes = [(method, route) for router in ROUTERS for route in router.routes for method in route.methods]  # type: ignore[attr-defined]
    pages = [_fill(route.path, genuine) for method, route in routes if method == "GET" and route.path.startswith(("/portal", "/paket"))]
    pages += [f"{page}?bearbeiten=neu" for page in pages if page.endswith("/worte")]
    forms = find_forms(base, cookie, [page for page in pages if "dateien" not in page])
    posted = {route.path for method, route in routes if method == "POST" and route.path.startswith(("/portal", "/paket"))}
    met = {route.path for method, route in routes if method == "POST" for action, _, _ in forms if route.path_regex.match(action)}
    assert posted - met <= {"/portal/anmelden", "/portal/anmelden/{token}"}, "these forms stand on no page"
    untouched = _others(office)
    for action, key, fields in forms:
        if not action.endswith("/abmelden"):
            _post(base + action, key, fields, cookie)
    assert _others(office) == untouched
    assert _is_in(base, cookie)


def _fill(path: str, genuine: dict[str, str]) -> str:
    return re.sub(r"{(\w+)}", lambda found: genuine.get(found[1], "x"), path)


def _post(url: str, key: str, fields: tuple[str, ...], headers: dict[str, str]) -> None:
    @settings(STRICT, max_examples=40)
    @given(said=st.lists(st.tuples(st.sampled_from(fields or ("x",)), VALUES), max_size=8), has_key=KEYS)
    def once(said: list[tuple[str, str]], has_key: bool) -> None:
        body = urlencode([*([("formular", key)] if has_key else []), *said], errors="surrogatepass")
        answer = httpx.post(url, content=body, headers={**headers, "content-type": "application/x-www-form-urlencoded"})
        assert answer.status_code in (200, 303, 400, 404, 409, 422), (url, said, answer.status_code)

    once()


def _others(office: Workspace) -> list[object]:
    """All that is stored about the strangers."""
    ((house,),) = office.ask("SELECT id FROM organisation WHERE slug = 'fremd'")
    tables = ("pack", "response", "task", "action_report", "overlay_change", "organisation_route", "seat")
    rows: list[object] = [office.ask(f"SELECT * FROM {table} WHERE organisation_id = :id", id=house) for table in tables]
    return [*rows, office.ask("SELECT * FROM organisation WHERE id = :id", id=house)]
