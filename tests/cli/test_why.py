"""``why`` always knows a reason: shared addresses, displaced contacts, houses nobody serves, and every campaign at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from om_campaigns.staff.why import explain_recipient
from tests.cli.shell import om
from tests.journeys.test_cascade import BODY, PACKS, taker
from tests.journeys.workspace import Workspace, house, local, person

pytestmark = pytest.mark.slow

BOTH = "direct_email,forward_pack"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Anna and Ute share an address; Anna is contact and Dieter deputises; *leer* has advisers and nobody who receives."""
    made = Workspace(tmp_path_factory.mktemp("why"))
    made.houses(
        taker("tal", name="Kammer Tal", routes=BOTH),
        taker("leer", name="Innung Leer", routes="forward_pack"),
        taker("liste", name="Verband Liste", routes="list_address"),
        house("weg", "05", name="Haus Weg", status="left"),
    )
    made.people(
        person("Anna Tal", "tal", email="buero@tal.example"),
        person("Ute Tal", "tal", email="buero@tal.example", roles="leadership"),
        person("Dieter Tal", "tal", roles="deputy"),
        person("Bernd Tal", "tal", roles="adviser"),
        person("Alte Tal", "tal", until="2027-01-03"),
        person("Ole Tal", "tal", roles="leadership"),
        person("Lotte Leer", "leer", roles="adviser"),
        person("Wilma Weg", "weg"),
        person("Sabine Groß", "tal", email="sabine@tal.example", roles="press"),
        person("Manuel Groß", "leer", email="manuel@leer.example", roles="press"),
        person("Thorsten Groß", "liste", email="thorsten@liste.example", roles="press"),
        person("", "liste", email="info@liste.example", roles="press"),
    )
    made.do("UPDATE person SET main_address_id = NULL WHERE full_name = 'Ole Tal'")
    made.segment("stille", "'leadership' in roles or 'press' in roles or 'contact' in roles")
    made.segment("haeuser", "status == 'active' and adviser_count >= 1", "organisations")
    made.campaign("brief", "a1 day = 0", "a2 day = 14", segment="stille", texts=False)
    for step in ("a1", "a2"):
        made.text("brief", f"{step}.de", "{{ contact.greeting }},\n\nein Schritt.")
    made.campaign("reihe", "r1 day = 0", audience=PACKS, segment="haeuser", texts=False)
    made.text("reihe", "r1.de", BODY)
    made.publish()
    made.tick(local("2027-01-05"))
    made.now = local("2027-01-05", "10:00")
    return made


def why(office: Workspace, who: str, campaign: str) -> str:
    said = om(office.folder, "why", who, campaign, now="2027-01-05T10:00")
    assert said.code == 0, said.err
    return said.out.splitlines()[0]


@pytest.mark.parametrize(
    ("who", "campaign", "told"),
    [
        ("Ute Tal", "brief", "Ute Tal does not get brief: somebody else already gets it at the same address; Anna Tal."),
        ("Dieter Tal", "reihe", "Dieter Tal does not get reihe: tal passes it on to its advisers; the pack goes to Anna Tal."),
        ("Bernd Tal", "reihe", "Bernd Tal does not get reihe: tal passes it on to its advisers; the pack goes to Anna Tal."),
        ("Anna Tal", "brief", "Anna Tal gets brief: in it since 2027-01-05, and 'a2' is next."),
        ("Anna Tal", "reihe", "Anna Tal gets reihe: receives the packs of tal, in it since 2027-01-05."),
        ("Alte Tal", "brief", "Alte Tal does not get brief: the seat in this house has ended, or does not begin before a later day."),
        ("Ole Tal", "brief", "Ole Tal does not get brief: has no e-mail address."),
        ("Wilma Weg", "brief", "Wilma Weg does not get brief: the house is paused, left or merged."),
        ("Bernd Tal", "brief", "Bernd Tal does not get brief: Kammer Tal does not match segment stille: 'leadership' in roles."),
    ],
)
def test_a_person_gets_a_reason(office: Workspace, who: str, campaign: str, told: str) -> None:
    assert why(office, who, campaign).startswith(told.rstrip("."))


@pytest.mark.parametrize("who", ["leer", "Lotte Leer"])
def test_a_house_that_nobody_serves_says_that_nobody_receives(office: Workspace, who: str) -> None:
    told = why(office, who, "reihe")
    assert "nobody receives packs there: no distributor, contact, deputy or list address" in told
    assert "nobody passes it on to the advisers of leer" in told
    assert "e-mail address" not in told


def test_everybody_and_every_house_has_a_reason_for_every_campaign(office: Workspace) -> None:
    for table in ("person", "organisation"):
        for (number,) in office.ask(f"SELECT id FROM {table}"):
            for campaign in ("brief", "reihe"):
                answer = explain_recipient(office.app, campaign, office.now, **{f"{table}_id": number})
                assert answer.because, (table, number, campaign)
                has_address = office.ask("SELECT main_address_id FROM person WHERE id = :id", id=number)
                if table == "person" and has_address[0][0]:
                    assert "no e-mail address" not in answer.because


def test_without_a_campaign_all_are_listed(office: Workspace) -> None:
    said = om(office.folder, "why", "Ute Tal", now="2027-01-05T10:00")
    assert said.out.splitlines()[0] == "Ute Tal gets 0 of 2 campaigns."
    assert "somebody else already gets it at the same address; Anna Tal" in said.out
    assert said.out.splitlines()[-1].endswith('why "Ute Tal" brief')
    data = json.loads(om(office.folder, "why", "Anna Tal", "--format", "json", now="2027-01-05T10:00").out)
    assert [(each["campaign"], each["gets"]) for each in data] == [("brief", True), ("reihe", True)]


@pytest.mark.parametrize("command", [("person", "show"), ("why",)])
def test_a_name_that_several_have_lists_them(office: Workspace, command: tuple[str, ...]) -> None:
    said = om(office.folder, *command, "Groß", now="2027-01-05T10:00")
    assert said.code == 0, said.err
    assert said.out.splitlines()[0] == "'Groß' is 3 people."
    for name in ("Sabine Groß", "Manuel Groß", "Thorsten Groß"):
        assert name in said.out


def test_one_person_is_found_by_a_part_of_the_name_but_never_erased_by_it(office: Workspace) -> None:
    assert "Lotte Leer" in om(office.folder, "person", "show", "Lotte").out
    said = om(office.folder, "person", "erase", "Lotte", "--yes")
    assert said.code == 2
    assert "did you mean Lotte Leer" in said.err


def test_preview_for_an_offices_address_shows_that_letter(office: Workspace, tmp_path: Path) -> None:
    """A seat without a person: not the letter of whoever is strongest in the house."""
    said = om(office.folder, "preview", "brief", "--for", "info@liste.example", "--write", str(tmp_path), now="2027-01-05T10:00")
    assert said.code == 0, said.err
    mails = [path.read_bytes() for path in tmp_path.glob("*.eml")]
    assert len(mails) == 2
    assert all(b"To: info@liste.example" in mail for mail in mails)
