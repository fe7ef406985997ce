"""A campaign that changes while people are in it: what a letter says of the series is what its reader gets."""

from __future__ import annotations

import email
import email.policy
from pathlib import Path

import pytest

from tests.journeys.workspace import SQLITE, Workspace, assert_no_double, house, local, person

SETTINGS = "[caps]\nper_week = 7\nper_month = 30\n"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def office(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    """Karla and Klaus, who may get every series, on both databases."""
    database = SQLITE if request.param == "sqlite" else request.getfixturevalue("empty_postgres")
    made = Workspace(tmp_path, settings=SETTINGS, database=database)
    made.now = local("2027-01-05")
    made.segment("alle", "status == 'active'")
    made.houses(house("k", "05"))
    made.people(person("Karla", "k"), person("Klaus", "k"))
    return made


def bodies(office: Workspace, to: str = "karla") -> dict[str, str]:
    """Subject → text part of everything somebody got."""
    found = {}
    for envelope, content in office.transport.letters:
        if envelope.recipient.startswith(to):
            mail = email.message_from_bytes(content, policy=email.policy.default)
            part = mail.get_body(("plain",))
            assert part is not None
            found[str(mail["Subject"])] = part.get_content()
    return found


def test_a_step_added_later_is_not_promised_to_who_will_not_get_it(office: Workspace) -> None:
    """Karla is in the series of two; the newest version has three, whose text of the second she gets."""
    office.campaign("wir", "w1 day = 0", "w2 day = 7")
    office.publish()
    office.tick()
    assert "Teil 1 von 2" in bodies(office)["wir w1.de"]
    office.campaign("wir", "w1 day = 0", "w2 day = 7", "schluss day = 21")
    office.text("wir", "w2.de", body="Guten Tag {{ contact.full_name }},\n\nverbesserte Worte.")
    office.people(person("Karla", "k"), person("Klaus", "k"), person("Neu", "k"))
    office.publish()
    office.walk(local("2027-02-04"))
    old, new = bodies(office)["wir w2.de"], bodies(office, "neu")["wir w2.de"]
    assert "verbesserte Worte" in old
    assert "Teil 2 von 2" in old
    assert "schluss" not in old
    assert "Teil 2 von 3" in new
    assert "wir schluss.de" in new
    assert [step for step, _ in office.sent(to="karla")] == ["w1", "w2"]
    assert [step for step, _ in office.sent(to="neu")] == ["w1", "w2", "schluss"]


def test_a_step_taken_out_later_still_counts_for_who_gets_it(office: Workspace) -> None:
    """Its words are the newest it ever had, though no newer version has the step."""
    office.campaign("wir", "w1 day = 0", "w2 day = 7", "w3 day = 14")
    office.publish()
    office.tick()
    office.text("wir", "w2.de", body="Guten Tag {{ contact.full_name }},\n\nverbesserte Worte.")
    office.publish()
    office.campaign("wir", "w1 day = 0", "w3 day = 14")
    (office.folder / "templates/campaigns/wir/w2.de.md").unlink()
    office.people(person("Karla", "k"), person("Klaus", "k"), person("Neu", "k"))
    office.publish()
    office.walk(local("2027-01-30"))
    old, new = bodies(office), bodies(office, "neu")
    assert "Teil 2 von 3" in old["wir w2.de"]
    assert "verbesserte Worte" in old["wir w2.de"]
    assert "wir w3.de" in old["wir w2.de"]
    assert "Teil 3 von 3" in old["wir w3.de"]
    assert "Teil 1 von 2" in new["wir w1.de"]
    assert "wir w3.de" in new["wir w1.de"]
    assert "Teil 2 von 2" in new["wir w3.de"]
    assert_no_double(office)
