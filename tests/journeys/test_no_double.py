"""Nobody gets two mails for one (campaign, occasion, step), whatever staff change between the steps (SCH-16)."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.journeys.workspace import Workspace, assert_caps, assert_no_double, house, local, person

pytestmark = pytest.mark.slow

BASIS = "'contact' in roles and has_basis('wir-gedanke')"
HOUSES = ("stetig", "route", "zweit", "umzug", "teil")
EVERY = ["2027-01-05 09:00", "2027-01-12 09:00", "2027-01-19 09:00"]


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three weekly steps; after the first one everything that could bring a second mail happens at once."""
    office = Workspace(tmp_path_factory.mktemp("doubles"))
    office.houses(*(house(name, "05") for name in HOUSES))
    office.people(
        person("Stetig", "stetig"),
        person("Route", "route"),
        person("Zweit", "zweit"),
        person("Umzug", "umzug", person="P1"),
        person("Teil Eins", "teil", person="P2"),
        person("Teil Zwei", "teil", person="P3"),
    )
    office.segment("alle", BASIS)
    office.campaign("wir", "a1 day = 0", "a2 day = 7", "a3 day = 14")
    office.publish()
    office.walk(local("2027-01-24"), at={local("2027-01-05", "10:00"): lambda: disturb(office)}, pause=timedelta(days=30))
    return office


def disturb(office: Workspace) -> None:
    """Routes swapped, the segment renamed, addresses changed, all files imported again, the campaign published again."""
    office.houses(*(house(name, "05", routes="forward_pack,direct_email" if name == "route" else "direct_email") for name in HOUSES))
    office.people(
        person("Stetig", "stetig"),
        person("Route", "route"),
        person("Zweit", "zweit", email="andere.adresse@zweit.example"),
        person("Umzug", "umzug", person="P1", email="neu@umzug.example"),
        person("Teil Eins", "teil", person="P2", email="info@teil.example"),
        person("Teil Zwei", "teil", person="P3", email="info@teil.example"),
    )
    office.take()
    (office.folder / "audiences/segments/alle.toml").rename(office.folder / "audiences/segments/jede.toml")
    office.campaign("wir", "a1 day = 0", "a2 day = 7", "a3 day = 14", segment="jede")
    assert office.publish() == [True]


def test_nobody_gets_a_step_twice(walked: Workspace) -> None:
    """Re-import, renamed segment and new version: everybody got each step once, on its day."""
    assert walked.sent(to="stetig@") == list(zip(("a1", "a2", "a3"), EVERY, strict=True))
    assert_no_double(walked)
    assert_caps(walked)


def test_a_changed_route_preference_changes_nothing_that_was_sent(walked: Workspace) -> None:
    """The house prefers packs now; the campaign offers direct mail only, which it still takes."""
    assert [step for step, _ in walked.sent(to="route@")] == ["a1", "a2", "a3"]


def test_a_second_address_for_the_same_person_is_no_second_person(walked: Workspace) -> None:
    """Same name in the same house: the next steps go to the new address, the first is not repeated."""
    assert [step for step, _ in walked.sent(to="zweit@")] == ["a1"]
    assert [step for step, _ in walked.sent(to="andere.adresse@")] == ["a2", "a3"]
    assert walked.count("person") == 6


def test_a_person_who_moves_goes_on_at_the_new_address(walked: Workspace) -> None:
    assert [step for step, _ in walked.sent(to="umzug@")] == ["a1"]
    assert [step for step, _ in walked.sent(to="neu@umzug")] == ["a2", "a3"]


def test_two_people_who_come_to_share_an_address_get_one_mail_there(walked: Workspace) -> None:
    """Both had their own first step; from then on the first of them is served, the other skipped with the reason."""
    assert [step for step, _ in walked.sent(to="teil.")] == ["a1", "a1"]
    shared = [(each.step, each.status, each.reason) for each in walked.ledger(to="info@teil")]
    assert sorted(shared) == [
        ("a2", "sent", ""),
        ("a2", "skipped", "duplicate_address"),
        ("a3", "sent", ""),
        ("a3", "skipped", "duplicate_address"),
    ]


def test_whoever_comes_later_to_an_address_is_not_sent_what_arrived_there(tmp_path: Path) -> None:
    """Weeks apart, so that no plan sees both: the second is skipped with the reason, and does not wait for ever."""
    office, early, late = Workspace(tmp_path), ("Frau Früh", "amt"), ("Frau Spät", "amt")
    office.houses(house("amt", "05"))
    office.people(person(*early, person="P1"))
    office.segment("alle", BASIS)
    office.campaign("wir", "a1 day = 0", "a2 day = 7", "a3 day = 14")
    office.publish()

    def join() -> None:
        office.people(person(*early, person="P1"), person(*late, person="P2"))
        office.take()

    def share() -> None:
        office.people(*(person(*each, person=f"P{n}", email="info@amt.example") for n, each in enumerate((early, late), 1)))
        office.take()

    at = {local("2027-01-13", "12:00"): join, local("2027-01-18", "12:00"): share}
    office.walk(local("2027-02-14"), at=at, pause=timedelta(days=30))
    shared = sorted((each.step, each.status, each.reason) for each in office.ledger(to="info@amt"))
    assert shared == [("a2", "sent", ""), ("a3", "sent", ""), ("a3", "skipped", "duplicate_address")]
    assert office.ask("SELECT DISTINCT state FROM enrolment") == [("finished",)]
    assert_no_double(office)


def test_people_who_share_an_address_and_are_due_different_steps_both_get_theirs(tmp_path: Path) -> None:
    """One plan sees the third step of the one and the second of the other: different letters, a week apart as the cap wants it."""
    office, early, late = Workspace(tmp_path), ("Frau Früh", "amt"), ("Frau Spät", "amt")
    office.houses(house("amt", "05"))
    office.people(person(*early, person="P1"))
    office.segment("alle", BASIS)
    office.campaign("wir", "a1 day = 0", "a2 day = 7", "a3 day = 14")
    office.publish()

    def join() -> None:
        office.people(person(*early, person="P1"), person(*late, person="P2"))
        office.take()

    def share() -> None:
        office.people(*(person(*each, person=f"P{n}", email="info@amt.example") for n, each in enumerate((early, late), 1)))
        office.take()

    at = {local("2027-01-11", "12:00"): join, local("2027-01-14", "12:00"): share}
    office.walk(local("2027-02-21"), at=at, pause=timedelta(days=30))
    assert [step for step, _ in office.sent(to="frau.fr")] == ["a1", "a2"]
    assert [step for step, _ in office.sent(to="frau.sp")] == ["a1"]
    shared = [(each.step, each.status, each.reason) for each in office.ledger(to="info@amt")]
    assert sorted(shared) == [("a2", "sent", ""), ("a3", "sent", ""), ("a3", "skipped", "duplicate_address")]
    assert_no_double(office)
    assert_caps(office)


def test_the_same_files_publish_nothing_new(walked: Workspace) -> None:
    assert walked.publish() == [False]
