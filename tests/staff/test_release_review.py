"""What `check` refuses is not published by accident; what was published before is sent on, and a person may set one rule aside."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from om_campaigns.errors import ProblemsError
from om_campaigns.staff.publishing import publish_campaigns
from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house, local, person

pytestmark = pytest.mark.slow

LONG = "\n\n".join(["Ein Satz, den in diesem langen Brief niemand mehr liest. " * 30] * 90)
NO_WORDS = "Guten Tag {{ contact.full_name }},\n\nmehr steht [hier](https://om.example/x)."


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "ws")
    made.segment("alle", "status == 'active'")
    made.houses(house("k", "05"))
    made.people(person("Karla", "k"), person("Klaus", "k"))
    made.campaign("wir", "w1 day = 0", "w2 day = 7")
    return made


def versions(office: Workspace) -> int:
    return office.count("campaign_version")


@pytest.mark.parametrize(("body", "rule"), [(LONG, "REN-01"), (NO_WORDS, "REN-12")])
def test_what_check_refuses_is_not_published(office: Workspace, body: str, rule: str) -> None:
    office.text("wir", "w2.de", body)
    before = office.dump()
    with pytest.raises(ProblemsError) as refused:
        office.publish(is_checked=True)
    assert rule in {each.rule_id for each in refused.value.problems}
    assert {each.file for each in refused.value.problems} == {(office.app.templates / "campaigns/wir/w2.de.md").as_posix()}
    assert office.dump() == before


def test_a_refusal_says_what_stays_in_force_and_the_way_past_one_rule(office: Workspace) -> None:
    office.publish(is_checked=True)
    office.text("wir", "w2.de", NO_WORDS)
    said = om(office.folder, "campaign", "publish")
    assert said.code == 2
    assert "nothing was published; wir as published before goes on being sent" in said.err
    assert "--despite REN-12" in said.err


def test_one_rule_is_set_aside_by_a_person_who_is_named(office: Workspace) -> None:
    office.text("wir", "w2.de", NO_WORDS)
    said = om(office.folder, "campaign", "publish", "--despite", "REN-12")
    assert said.code == 0
    assert "published despite this rule" in said.err
    (change,) = office.ask("SELECT old, new, actor FROM change WHERE field = 'published despite'")
    assert change[:2] == (None, "REN-12")
    assert change[2]
    (row,) = om(office.folder, "campaign", "show", "wir", "--format", "json").json["versions"]
    assert row["despite"] == "REN-12"
    again = office.dump()
    assert om(office.folder, "campaign", "publish", "--despite", "REN-12").code == 0
    assert office.dump() == again


def test_a_letter_that_was_published_despite_its_length_is_sent(office: Workspace) -> None:
    office.text("wir", "w1.de", LONG)
    publish_campaigns(office.app, [], office.now, "test", despite=["REN-01", "UNS-14"])
    assert office.tick(local("2027-01-05")).sent.sent == 2


def test_another_rule_is_not_set_aside_with_it_and_one_that_nothing_breaks_is_named(office: Workspace) -> None:
    office.text("wir", "w2.de", NO_WORDS)
    said = om(office.folder, "campaign", "publish", "--despite", "REN-01")
    assert (said.code, versions(office)) == (2, 0)
    assert "no changed file breaks the rule 'REN-01'" in said.err
    office.text("wir", "w2.de")
    assert "leave --despite away" in om(office.folder, "campaign", "publish", "--despite", "REN-01").err


@pytest.mark.parametrize(("body", "rule"), [("{{ nichts }}", "template"), ("{% if contact.role %}x{% endif %}", "slot")])
def test_no_letter_can_be_made_despite_a_text_that_cannot_be_read(office: Workspace, body: str, rule: str) -> None:
    """Setting the rule aside would end in letters that are held in silence."""
    office.text("wir", "w2.de", body)
    with pytest.raises(ProblemsError):
        publish_campaigns(office.app, [], office.now, "test", despite=[rule])
    assert versions(office) == 0


def test_a_text_published_before_is_sent_on_and_named_when_another_one_changes(office: Workspace) -> None:
    office.text("wir", "w2.de", NO_WORDS)
    publish_campaigns(office.app, [], office.now, "test", despite=["REN-12"])
    office.text("wir", "w1.de", "Guten Tag {{ contact.full_name }},\n\nbessere Worte.")
    said = om(office.folder, "campaign", "publish")
    assert (said.code, versions(office)) == (0, 2)
    assert "w2.de.md" in said.err
    assert "published before as it is, and sent on" in said.err


def test_a_broken_segment_stops_only_who_needs_it(office: Workspace) -> None:
    office.write("audiences/segments/kaputt.toml", "format = 1\n")
    assert office.publish(is_checked=True) == [True]


def test_publishing_says_whom_a_new_version_concerns(office: Workspace) -> None:
    office.publish(is_checked=True)
    office.tick(local("2027-01-05"))
    office.campaign("wir", "w1 day = 0", "danke day = 21")
    (office.folder / "templates/campaigns/wir/w2.de.md").unlink()
    said = om(office.folder, "campaign", "publish", now="2027-01-05T12:00")
    assert "wir, version 2 - added: danke; taken out: w2" in said.out
    assert "2 are in the series on version 1 and will not get 'danke'" in said.out
    assert "2 of them will still get 'w2'" in said.out


def test_publishing_says_who_gets_new_words(office: Workspace) -> None:
    office.publish(is_checked=True)
    office.tick(local("2027-01-05"))
    for name in ("w1.de", "w2.de"):
        office.text("wir", name, "Guten Tag {{ contact.full_name }},\n\nbessere Worte.")
    said = om(office.folder, "campaign", "publish", now="2027-01-05T12:00").out
    assert "2 in the series have not had 'w2' yet and will get the new words" in said
    assert "'w1' yet" not in said


@pytest.mark.parametrize(
    ("routes", "missing"),
    [
        (["forward_pack"], ["begleitmail", "so-leiten-sie-weiter", ".attachment", ".block", ".portal"]),
        (["newsletter_block"], ["begleitmail", ".block"]),
        (["list_address"], []),
        (["direct_email"], []),
    ],
)
def test_check_demands_the_texts_that_routes_need(office: Workspace, routes: list[str], missing: list[str]) -> None:
    """Without them a cover would be held back, house by house."""
    shutil.rmtree(office.folder / "templates/content")
    (office.folder / "templates/campaigns/wir/w2.de.md").unlink()
    office.campaign("wir", "w1 day = 0", audience=f"routes = {json.dumps(routes)}")
    office.text("wir", "w1.de", "Guten Tag,\n\n" + "ein Schritt, den zwei Häuser der Region zusammen gehen. " * 8)
    wanted = {f"content/{each if each[0] != '.' else f'so-leiten-sie-weiter{each}'}.de.md" for each in missing}
    rows = om(office.folder, "check", "--format", "json").json
    assert {each["file"].split("templates/")[1] for each in rows if each["level"] == "error"} == wanted
    if wanted:
        with pytest.raises(ProblemsError):
            office.publish(is_checked=True)
    else:
        assert office.publish(is_checked=True) == [True]
    assert versions(office) == (0 if wanted else 1)
