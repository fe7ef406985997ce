"""SEC-14 over every route of the portal: nobody sees or changes anything of a house that is not theirs.

The routes are taken from the application, so that a new one is tested the day it is written; a part of a path that is not known
here fails the test.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from om_campaigns.columns import new_ref
from om_campaigns.compose.pack import FILE_NAMES
from om_campaigns.partner.acknowledgements import Answer, CascadeLevel, acknowledge
from om_campaigns.partner.own_words import Acting, Action, BlockChange, change_block
from om_campaigns.partner.show_own_words import OwnText
from om_campaigns.web.application import ROUTERS
from tests.journeys.workspace import Workspace
from tests.web.portal_help import form_key, make_client, open_office, sign_in

pytestmark = pytest.mark.slow

PEOPLE = {"dach": "doris@dach.example", "tal": "tim@tal.example", "fremd": "frieda@fremd.example"}
SEES = {"dach": {"dach", "tal"}, "tal": {"tal"}, "fremd": {"fremd"}}
WORDS = {
    "dach": ("Dachverband Nord", "doris", "vera", "dach.example", "WORTDACH", "SATZDACH"),
    "tal": ("Kammer Tal", "tim@", "tal.example", "WORTTAL", "SATZTAL"),
    "fremd": ("Innung Fremd", "frieda", "fremd.example", "WORTFREMD", "SATZFREMD"),
}


CHANGED = {
    *("pack", "acknowledgement", "response", "action_report", "task", "change"),
    *("organisation", "organisation_route", "house_look", "seat", "seat_role"),
    "unseen_change",
}
"""Tables that the forms of the portal write to; the last one notes that they did."""


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    """Every house has said something of its own, and answered."""
    office = open_office(tmp_path)
    for house in PEOPLE:
        change = BlockChange(Action.add, words=f"WORT{house.upper()}")
        change_block(office.app, OwnText(house, "reihe", "b1"), change, office.now, Acting(house))
        answer = Answer(CascadeLevel.regional, sentence=f"SATZ{house.upper()}")
        acknowledge(office.app, Acting(house), codes(office)[house], answer, office.now)
    return office


def codes(office: Workspace, column: str = "code") -> dict[str, str]:
    rows = office.ask(f"SELECT o.slug, p.{column} FROM pack p JOIN organisation o ON o.id = p.organisation_id")
    return {str(slug): str(value) for slug, value in rows}


def routes() -> list[tuple[str, str]]:
    """Method and path of every route of the portal, whichever router it is in."""
    every = [(method, route.path) for router in ROUTERS for route in router.routes for method in route.methods]  # type: ignore[attr-defined]
    found = sorted((method, path) for method, path in every if path.startswith("/portal") and "anmelden" not in path)
    assert len(found) >= 9
    return found


def paths(office: Workspace, path: str) -> Iterator[tuple[str, str | None]]:
    """Every way to fill a path, with the house it is about (None: about nobody's)."""
    ids = codes(office, "public_id")
    owners: dict[str, str | None] = {value: house for house, value in ids.items()} | {new_ref(): None}
    slugs: dict[str, str | None] = {house: house for house in PEOPLE} | {"gibt-es-nicht": None}
    values: dict[str, dict[str, str | None]] = {
        "public_id": owners,
        "house": slugs,
        "name": dict.fromkeys(FILE_NAMES.values()) | {"zu.txt": None},
        "block": dict.fromkeys(("say", "offers", "own-1", "nichts")),
    }
    names = re.findall(r"{(\w+)}", path)
    for chosen in itertools.product(*(values[name] for name in names)):
        about = [values[name][value] for name, value in zip(names, chosen, strict=True) if name in ("public_id", "house")]
        filled = path
        for name, value in zip(names, chosen, strict=True):
            filled = filled.replace(f"{{{name}}}", value)
        yield filled, about[0] if about else None


def others(office: Workspace, who: str) -> list[object]:
    """Everything stored about houses that are not theirs."""
    ids = [row[0] for row in office.ask("SELECT id, slug FROM organisation") if row[1] not in SEES[who]]
    tables = ("pack", "response", "task", "action_report", "overlay_change", "organisation_route", "seat", "house_look")
    rows: list[object] = [office.ask(f"SELECT * FROM {table} WHERE organisation_id = :id", id=each) for each in ids for table in tables]
    return [*rows, [office.ask("SELECT * FROM organisation WHERE id = :id", id=each) for each in ids]]


def foreign(office: Workspace, who: str) -> list[str]:
    """Everything of other houses that must not be in any answer."""
    ids, secret = codes(office, "public_id"), codes(office)
    return [word for house in PEOPLE if house not in SEES[who] for word in (*WORDS[house], ids[house], secret[house])]


@pytest.mark.parametrize("who", PEOPLE)
def test_sec_14_nobody_sees_or_changes_anything_of_another_house(office: Workspace, who: str) -> None:
    client = sign_in(office, PEOPLE[who])
    hidden, untouched = foreign(office, who), others(office, who)
    asked = 0
    for method, pattern in routes():
        if pattern.endswith("/abmelden"):
            continue
        for path, house in paths(office, pattern):
            key = form_key(client.get("/portal").text)
            before = office.dump()
            data = {"formular": key, "tun": "accepted", "stufe": "adviser", "haus": "fremd", "satz": "x", "text": "x", "block": "say"}
            data |= {"wirkung": "1", "brief": "named", "hilfe": "BZ", "weg": "newsletter_block", "worte": "as_is", "nachricht": "x"}
            data |= {"takt": "monthly", "ruhe": "24.12.2027", "newsletter": "15", "weitergabe": "top", "berater": "7", "farbe": "#1f4e8c"}
            data |= {"sonst": "forward_pack"}
            answer = client.get(path) if method == "GET" else client.post(path, data=data)
            asked += 1
            has_id = "{public_id}" in pattern or "{house}" in pattern
            if has_id and house not in SEES[who]:
                assert answer.status_code == 404, (method, path)
                assert office.dump() == before, (method, path)
            assert answer.status_code < 500, (method, path)
            said = answer.text.replace(path, "") if answer.headers.get("content-type", "").startswith("text/") else ""
            assert [word for word in hidden if word.casefold() in said.casefold()] == [], (method, path)
            if method == "POST":
                changed = {name for name, rows in office.dump().items() if rows != before[name]}
                assert changed <= CHANGED, (path, changed)
            assert others(office, who) == untouched, (method, path)
    assert asked >= 20


def test_without_a_session_every_route_leads_to_the_entrance(office: Workspace) -> None:
    client, before = make_client(office), office.dump()
    for method, pattern in routes():
        for path, _ in paths(office, pattern):
            answer = client.get(path) if method == "GET" else client.post(path, data={"tun": "accepted"})
            if path == "/portal":
                assert "Link anfordern" in answer.text
            else:
                told = "/portal" if method in ("GET", "HEAD") else "/portal?gut=zuende"
                assert (answer.status_code, answer.headers["location"]) == (303, told), path
            for house in PEOPLE:
                assert not [word for word in WORDS[house] if word in answer.text], path
    assert office.dump() == before


def test_sec_12_without_the_hidden_field_nothing_is_changed(office: Workspace) -> None:
    client = sign_in(office, PEOPLE["dach"])
    before = office.dump()
    for method, pattern in routes():
        if method == "POST":
            for path, house in paths(office, pattern):
                if house in SEES["dach"] or "{" not in pattern:
                    assert client.post(path, data={"tun": "accepted", "stufe": "no"}).status_code == 400, path
    assert office.dump() == before
