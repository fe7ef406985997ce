"""Commands that look: what they print for people and for programs, and what they say when something is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house, local, person

pytestmark = pytest.mark.slow

LEDGER_KEYS = ["campaign", "occasion", "step", "route", "recipient", "organisation", "status", "due_at", "sent_at", "message_id"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two chambers under a roof, three people, a published campaign of two steps whose first was sent on 5 January."""
    workspace = Workspace(tmp_path_factory.mktemp("ws"))
    workspace.houses(
        house("dach", "05", level="state", name="Dachverband West"),
        house("ihk-tal", "05315", parent="dach", routes="", name="IHK Tal"),
        house("hwk-berg", "09", name="HWK Berg"),
    )
    workspace.people(
        person("Jörg Müller", "ihk-tal", email="joerg@ihk-tal.example"),
        person("Anna Berg", "hwk-berg", basis=""),
        person("Ute Dach", "dach", roles="adviser"),
        person("", "ihk-tal", email="info@ihk-tal.example", roles="press", basis=""),
    )
    workspace.segment("alle", "'contact' in roles")
    workspace.campaign("reihe", "a1 day = 0", "a2 day = 7")
    workspace.publish()
    workspace.tick(local("2027-01-04"))
    workspace.tick(local("2027-01-05"))
    return workspace.folder


def test_org_list_filters_by_text_type_and_region(folder: Path) -> None:
    assert [row["slug"] for row in om(folder, "org", "list", "--format", "json").json] == ["dach", "hwk-berg", "ihk-tal"]
    assert [row["slug"] for row in om(folder, "org", "list", "--region", "05", "--format", "json").json] == ["dach", "ihk-tal"]
    assert [row["slug"] for row in om(folder, "org", "list", "TAL", "--format", "json").json] == ["ihk-tal"]
    assert om(folder, "org", "list", "--type", "guild", "--format", "json").json == []
    (row,) = om(folder, "org", "list", "ihk", "--format", "json").json
    assert row == {
        "slug": "ihk-tal", "name": "IHK Tal", "short_name": "", "type": "chamber_ihk", "level": "regional", "parent": "dach",
        "status": "active", "regions": ["05315"], "seats": 2, "adviser_headcount": None,
    }  # fmt: skip


def test_org_show_tells_inherited_routes_and_the_tree(folder: Path) -> None:
    found = om(folder, "org", "show", "IHK Tal", "--format", "json").json
    assert (found["parents"], found["routes"], found["routes_from"]) == (["dach"], ["direct_email"], "dach")
    assert [(seat["name"], seat["email"]) for seat in found["seats"]] == [
        ("Jörg Müller", "joerg@ihk-tal.example"),
        ("", "info@ihk-tal.example"),
    ]
    assert om(folder, "org", "show", "dach", "--format", "json").json["children"] == ["ihk-tal"]
    assert "direct_email (from dach)" in om(folder, "org", "show", "ihk-tal").out


def test_person_list_and_show(folder: Path) -> None:
    rows = om(folder, "person", "list", "--format", "json").json
    assert [(row["name"], row["has_basis"], row["suppressed"]) for row in rows] == [
        ("Anna Berg", False, False),
        ("Jörg Müller", True, False),
        ("Ute Dach", True, False),
    ]
    assert [row["name"] for row in om(folder, "person", "list", "--role", "adviser", "--format", "json").json] == ["Ute Dach"]
    assert [row["name"] for row in om(folder, "person", "list", "@hwk", "--format", "json").json] == ["Anna Berg"]
    found = om(folder, "person", "show", "jörg  müller", "--format", "json").json
    assert [basis["kind"] for basis in found["addresses"][0]["bases"]] == ["membership_or_service_duty"]
    assert [(each["campaign"], each["state"], each["next_step"]) for each in found["enrolments"]] == [("reihe", "active", "a2")]
    assert [(each["step"], each["at"]) for each in found["touches"]] == [("a1", "2027-01-05T08:00:00Z")]
    text = om(folder, "person", "show", "joerg@ihk-tal.example").out
    assert "joerg@ihk-tal.example (personal, main)" in text
    assert "membership_or_service_duty" in text
    assert "without basis" in om(folder, "person", "show", "Anna Berg").out


def test_who_is_not_there_is_said_with_the_next_best(folder: Path) -> None:
    said = om(folder, "person", "show", "Jörg Müler")
    assert (said.code, said.out) == (2, "")
    assert said.err == "error: there is nobody 'Jörg Müler'\nhint: did you mean 'Jörg Müller'?\n"
    assert "did you mean 'hwk-berg'?" in om(folder, "org", "show", "hwk-brg").err
    assert "is not an e-mail address" in om(folder, "person", "show", "a@@b").err
    said = om(folder, "ledger", "--campaign", "reihen")
    assert (said.code, "no campaign 'reihen' is published" in said.err) == (2, True)


def test_segment_list_show_and_explain(folder: Path) -> None:
    (row,) = om(folder, "segment", "list", "--format", "json").json
    assert (row["name"], row["selects"], row["members"]) == ("alle", "seats", 2)
    shown = om(folder, "segment", "show", "alle", "--format", "json").json
    assert [each["name"] for each in shown["rows"]] == ["Anna Berg", "Jörg Müller"]
    limited = om(folder, "segment", "show", "alle", "--limit", "1")
    assert ("Anna Berg" in limited.out, "Jörg" in limited.out, limited.err) == (True, False, "1 of 2; --limit 0 shows all\n")
    explained = om(folder, "segment", "show", "alle", "--explain", "--format", "json").json
    assert (explained["considered"], explained["matched"]) == (4, 2)
    assert [(part["text"], part["alone"], part["line"]) for part in explained["parts"]] == [("'contact' in roles", 2, 4)]
    assert "did you mean 'alle'?" in om(folder, "segment", "show", "ale").err


def test_campaign_list_and_show(folder: Path) -> None:
    (row,) = om(folder, "campaign", "list", "--format", "json").json
    assert row["enrolled"] == {"active": 1, "finished": 0, "exited": 0, "stopped": 0}
    assert (row["name"], row["version"], row["status"], row["sent"], row["owed"]) == ("reihe", 1, "running", 1, 0)
    found = om(folder, "campaign", "show", "reihe", "--format", "json").json
    assert [(step["step"], step["when"], step["sent"]) for step in found["steps"]] == [("a1", "day 0", 1), ("a2", "day 7", 0)]
    assert found["audiences"] == [{"segment": "alle", "routes": ["direct_email"], "sender": "om"}]
    assert "a2    day 7" in om(folder, "campaign", "show", "reihe").out


def test_ledger_has_exactly_the_documented_keys(folder: Path) -> None:
    (row,) = om(folder, "ledger", "--format", "json").json
    assert list(row) == LEDGER_KEYS
    assert row["message_id"].startswith("<")
    row["message_id"] = ""
    assert row == {
        "campaign": "reihe", "occasion": "", "step": "a1", "route": "direct_email", "recipient": "joerg@ihk-tal.example",
        "organisation": "ihk-tal", "status": "sent", "due_at": "2027-01-05T08:00:00Z", "sent_at": "2027-01-05T08:00:00Z",
        "message_id": "",
    }  # fmt: skip
    assert om(folder, "ledger", "--format", "csv").out.splitlines()[0] == ",".join(LEDGER_KEYS)


def test_ledger_filters(folder: Path) -> None:
    def number(*options: str) -> int:
        return len(om(folder, "ledger", *options, "--format", "json").json)

    assert number("--campaign", "reihe", "--status", "sent") == 1
    assert number("--status", "failed") == 0
    assert (number("--person", "joerg@ihk-tal.example"), number("--person", "Anna Berg")) == (1, 0)
    assert (number("--org", "IHK Tal"), number("--org", "dach")) == (1, 0)
    assert "the ledger has no such row" in om(folder, "ledger", "--status", "held").out
    assert "reihe/a1" in om(folder, "ledger").out


def test_audience_show_counts_who_may_be_written_to(folder: Path) -> None:
    """LAW-01: an address without a basis is counted and named, with what to do."""
    counts = om(folder, "audience", "show", "--format", "json").json
    assert {name: counts[name] for name in ("organisations", "people", "role_addresses", "seats", "addresses", "without_basis")} == {
        "organisations": 3, "people": 3, "role_addresses": 1, "seats": 4, "addresses": 4, "without_basis": 2,
    }  # fmt: skip
    assert [(each["slug"], each["mailable"]) for each in counts["mailing_lists"]] == [
        ("hilfen", 2), ("monatsbrief", 2), ("wir-gedanke", 2),
    ]  # fmt: skip
    assert "2 of 4 addresses have no basis. Do this:" in om(folder, "audience", "show").out


def test_the_bare_command_says_how_it_stands(folder: Path, tmp_path: Path) -> None:
    text = om(folder).out
    assert "rehearsal: mail goes to outbox/ only" in text
    assert "3 houses, 3 people, 4 addresses" in text
    assert "reihe" in text
    nowhere = om(tmp_path)
    assert (nowhere.code, "om-campaigns init" in nowhere.out) == (0, True)
    assert not list(tmp_path.iterdir())


def test_other_commands_without_a_workspace_say_what_to_do(tmp_path: Path) -> None:
    said = om(tmp_path, "ledger")
    assert (said.code, "there is no workspace here" in said.err, "om-campaigns init" in said.err) == (2, True, True)


@pytest.mark.parametrize(
    ("arguments", "near"),
    [
        (["campaign", "show", "reihhe"], "reihe"),
        (["ledger", "--campaign", "rei"], "reihe"),
        (["plan", "reihee"], "reihe"),
        (["why", "joerg@ihk-tal.example", "riehe"], "reihe"),
        (["preview", "reihe/a11"], "a1"),
        (["send", "--correction", "reihe/a22"], "a2"),
        (["segment", "show", "all"], "alle"),
        (["org", "show", "Dachverband Wst"], "dach"),
        (["person", "show", "Anna Breg"], "Anna Berg"),
        (["pack", "list", "--house", "ihk-tall"], "ihk-tal"),
        (["overlay", "show", "ihk-tall", "reihe/a1"], "ihk-tal"),
        (["chekc"], "check"),
        (["campaign", "publsh"], "publish"),
    ],
)
def test_every_command_says_what_was_probably_meant(folder: Path, arguments: list[str], near: str) -> None:
    said = om(folder, *arguments)
    assert (said.code, f"id you mean '{near}'?" in said.err) == (2, True), said.err
