"""All doors at once: whatever is sent to them, none breaks, none tells, and of many clicks at once none is lost."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import httpx2 as httpx
import pytest
import schemathesis
from fastapi.routing import APIRoute
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable

from benchmarks.leaving import measure
from om_campaigns.compose.links import Door
from om_campaigns.reader.tokens import make_form_key
from om_campaigns.web.application import ROUTERS, make_application
from om_campaigns.web.unsubscribe import NEW_LINK
from tests.journeys.workspace import SQLITE, Workspace
from tests.web.postbox import token_of

pytestmark = pytest.mark.slow

STRICT = settings(max_examples=25, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
FIELDS = (
    "List-Unsubscribe", "formular", "wunsch", "takt", "reihen", "themen", "sprache", "haus", "weg", "name", "email",
    "einverstanden", "website",
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ["", "One-Click", "this_list", "everything", "monthly", "ja", "0", "-1", "9" * 30, "de", "x@y.example", "\0", "\r\nBcc: a@b"]
    ),
    st.text(max_size=80),
)


def test_schemathesis_finds_no_server_error(workspace: Workspace, base: str) -> None:
    """Every route of the OpenAPI document, with values that fit its schema and with such as do not."""
    schema = schemathesis.openapi.from_dict(make_application(workspace.app).openapi())
    schema.config.update(base_url=base)
    modes = (schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) > 20
    for operation in operations:
        for mode in modes:
            _try_out(operation, mode)


def _try_out(operation: Any, mode: Any) -> None:
    @STRICT
    @given(case=operation.as_strategy(generation_mode=mode))
    def once(case: Any) -> None:
        answer = case.call()
        assert answer.status_code < 500, case
        assert "set-cookie" not in answer.headers
        assert answer.headers["x-content-type-options"] == ["nosniff"]

    try:
        once()
    except Unsatisfiable:
        return  # nothing in this route can be wrong


@pytest.fixture
def posts(workspace: Workspace) -> list[tuple[str, str, str]]:
    """(path, purpose and subject of its form key) of every door that takes a form, with a genuine token."""
    genuine = {door: token_of(workspace, door, "joerg@hwk-tal.example", "hwk-tal") for door in Door}
    found = [(f"/{door}/{token}", door.value, token) for door, token in genuine.items()]
    found += [(path, "anmelden", path) for path in ("/anmelden", "/anmelden/monatsbrief", "/anmelden/haus/hwk-tal")]
    found += [("/verwalten/x", "verwalten", "x"), ("/bestaetigen/x", "bestaetigen", "x"), ("/abmelden", NEW_LINK, "")]
    return [*found, ("/portal/anmelden", "portal-link", ""), ("/portal/anmelden/x", "portal-enter", "x")]


def test_every_form_is_among_them(workspace: Workspace, posts: list[tuple[str, str, str]]) -> None:
    routes = [each for router in ROUTERS for each in router.routes if isinstance(each, APIRoute) and "POST" in each.methods]
    public = {each.path for each in routes if not each.path.startswith("/portal/") or "anmelden" in each.path}
    assert len(public) > 10
    assert public == {each.path for each in routes for path, _, _ in posts if each.path_regex.match(path)}


@settings(STRICT, max_examples=60)
@given(fields=st.lists(st.tuples(st.sampled_from(FIELDS), VALUES), max_size=8), with_key=st.booleans())
def test_no_form_breaks_a_door(
    workspace: Workspace, client: httpx.Client, posts: list[tuple[str, str, str]], fields: list[tuple[str, str]], with_key: bool
) -> None:
    for path, purpose, subject in posts:
        key = [("formular", make_form_key(workspace.app, purpose, subject, workspace.now))] if with_key else []
        body = urlencode([*key, *fields], errors="surrogatepass")
        answer = client.post(path, content=body, headers={"content-type": "application/x-www-form-urlencoded"})
        assert answer.status_code in (200, 204, 400, 404, 422), (path, fields)


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("multipart/form-data; boundary=x", b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n' + b"y" * 50_000),
        ("multipart/form-data", b"--x"),
        ("multipart/form-data; boundary=" + "x" * 300, b"--x--"),
        ("application/x-www-form-urlencoded", b"a=" + b"%" * 1000),
        ("application/x-www-form-urlencoded", b"&".join(b"a%d=1" % number for number in range(5000))),
        ("application/x-www-form-urlencoded; charset=utf-16", b"\xff\xfe\x00"),
        ("application/json", b"[" * 10_000),
        ("", b"\x00\xff" * 1000),
    ],
)
def test_no_body_breaks_a_door(client: httpx.Client, posts: list[tuple[str, str, str]], kind: str, content: bytes) -> None:
    for path, _, _ in posts:
        answer = client.post(path, content=content, headers={"content-type": kind} if kind else {})
        assert answer.status_code in (400, 404, 413, 422) or "<form" not in answer.text, path


@pytest.mark.parametrize("database", ["sqlite", "postgresql"])
def test_parallel_one_click_posts_lose_none(database: str, request: pytest.FixtureRequest) -> None:
    """The short form; ``python -m benchmarks leaving`` sends 10,000."""
    url = SQLITE if database == "sqlite" else request.getfixturevalue("empty_postgres")
    refused, lost, _ = measure(url, people=600)
    assert (refused, lost) == (0, 0)
