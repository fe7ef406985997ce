"""How campaigns follow, bar and branch: exit_when, then, starts_after, not_while_in, re_enter, backfill, variants and ``when``."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.journeys.workspace import Workspace, assert_caps, assert_no_double, house, local, person

pytestmark = pytest.mark.slow

SETTINGS = "[caps]\nper_week = 7\nper_month = 30\n"
"""Wide, so that the campaigns' own rules show."""


def make_office(folder_of: pytest.TempPathFactory, name: str) -> Workspace:
    office = Workspace(folder_of.mktemp(name), settings=SETTINGS)
    office.segment("alle", "status == 'active'")
    office.segment("kontakte", "'contact' in roles")
    office.segment("berater", "'adviser' in roles")
    office.segment("haeuser", "has_role('leadership')", "organisations")
    return office


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A first campaign of two steps, and others that look at it."""
    office = make_office(tmp_path_factory, "between")
    office.houses(house("k", "05"), house("b", "05"))
    office.people(person("Karla", "k"), person("Bernd", "b", roles="adviser"))
    office.campaign("erst", "e1 day = 0", "e2 day = 7", head='then = "dann"\npriority = 10', segment="kontakte")
    office.campaign("dann", "d1 day = 0", 'd2 after = "1w"', head="priority = 90", segment="berater")
    office.campaign("danach", "n1 day = 0", head='starts_after = ["erst"]', segment="alle")
    office.campaign("sonst", "s1 day = 0", head='not_while_in = ["erst"]\npriority = 5', segment="alle")
    office.publish()
    office.walk(local("2027-01-31"), pause=timedelta(days=30))
    return office


def test_then_enters_the_next_campaign_whatever_its_segment(walked: Workspace) -> None:
    """Karla is no adviser; having finished 'erst' at 9:00 she enters 'dann' in the same tick, though it is planned before."""
    assert walked.sent("dann", to="karla") == [("d1", "2027-01-12 09:00"), ("d2", "2027-01-19 09:00")]
    assert walked.sent("dann", to="bernd")[0] == ("d1", "2027-01-05 09:00")


def test_starts_after_waits_for_the_end_of_another_campaign(walked: Workspace) -> None:
    """Bernd never was in 'erst', so he waits for ever."""
    assert walked.sent("danach") == [("n1", "2027-01-12 09:00")]
    assert walked.ledger("danach")[0].to.startswith("karla")


def test_not_while_in_waits_until_the_other_campaign_is_over(walked: Workspace) -> None:
    assert walked.sent("sonst", to="bernd") == [("s1", "2027-01-05 09:00")]
    assert walked.sent("sonst", to="karla") == [("s1", "2027-01-12 09:00")]


def test_nothing_is_sent_twice_between_campaigns(walked: Workspace) -> None:
    assert_no_double(walked)


def test_exit_when_is_asked_before_every_step(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Who becomes an adviser between the steps leaves; the others go on."""
    office = make_office(tmp_path_factory, "exit")
    office.houses(house("k", "05"))
    office.people(person("Karla", "k"), person("Klaus", "k"))
    office.campaign("wir", "w1 day = 0", "w2 day = 7", head="exit_when = \"'adviser' in roles\"", segment="kontakte")
    office.publish()
    change = {local("2027-01-06"): lambda: office.people(person("Klaus", "k", roles="contact,adviser"))}
    office.walk(local("2027-01-13"), at=change, pause=timedelta(days=30))
    assert [step for step, _ in office.sent(to="karla")] == ["w1", "w2"]
    assert [step for step, _ in office.sent(to="klaus")] == ["w1"]
    assert office.ask("SELECT state, reason FROM enrolment WHERE state <> 'finished'") == [("exited", "exit_condition")]


def test_backfill_false_leaves_out_who_was_there_before(tmp_path_factory: pytest.TempPathFactory) -> None:
    office = make_office(tmp_path_factory, "backfill")
    office.houses(house("k", "05"))
    office.people(person("Alt", "k"))
    office.campaign("wir", "w1 day = 0", head="backfill = false")
    office.publish()
    office.tick(local("2027-01-05"))
    office.people(person("Neu", "k"))
    office.tick(local("2027-01-06"))
    assert [each.to for each in office.ledger(status="sent")] == ["neu@k.example"]
    assert office.ask("SELECT reason FROM enrolment WHERE state = 'exited'") == [("already_there",)]


def test_re_enter_begins_a_new_occasion_after_leaving_the_segment(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Finished, out of the segment, matching anew: a second time; matching on without a break is no reason (SCH-16)."""
    office = make_office(tmp_path_factory, "again")
    office.houses(house("k", "05"))
    office.people(person("Karla", "k"), person("Immer", "k"))
    office.campaign("wir", "w1 day = 0", head='re_enter = "after_finish"', segment="kontakte")
    office.campaign("nie", "n1 day = 0", segment="kontakte")
    office.publish()
    roles = {"2027-01-12": "press", "2027-01-19": "contact", "2027-01-26": "press", "2027-02-02": "contact"}
    at = {local(day): (lambda role=role: office.people(person("Karla", "k", roles=role))) for day, role in roles.items()}
    office.walk(local("2027-02-10"), at=at, pause=timedelta(days=30))
    karla = [(each.occasion, each.at[:10]) for each in office.ledger("wir", to="karla", status="sent")]
    assert karla == [("", "2027-01-05"), ("r2", "2027-01-19"), ("r3", "2027-02-02")]
    assert len(office.sent("wir", to="immer")) == 1
    assert len(office.sent("nie")) == 2
    assert_no_double(office)


def test_variants_and_when_choose_words_and_steps(tmp_path_factory: pytest.TempPathFactory) -> None:
    """The first variant that holds wins, the plain text is for the rest; without one the step is skipped, as it is by ``when``."""
    office = make_office(tmp_path_factory, "variants")
    office.houses(house("nw", "05"), house("by", "09"), house("sn", "14"))
    office.people(person("Nora", "nw"), person("Bea", "by"), person("Sam", "sn"))
    few = """variants = [
        { name = "nw", when = "within(regions, '05')" },
        { name = "west", when = "within(regions, '05') or within(regions, '09')" },
    ]"""
    office.campaign("wir", f"w1 day = 0\n{few}", f"w2 day = 7\n{few}", "w3 day = 14\nwhen = \"within(regions, '09')\"")
    for name in ("w1.nw", "w1.west", "w2.nw", "w2.west"):
        office.text("wir", f"{name}.de")
    (office.folder / "templates/campaigns/wir/w2.de.md").unlink()
    office.publish()
    office.walk(local("2027-01-22"), pause=timedelta(days=30))
    found: dict[str, dict[str, str]] = {"w1": {}, "w2": {}, "w3": {}}
    for each in office.ledger():
        found[each.step][each.to[:3]] = each.variant or each.reason or "plain"
    assert found == {
        "w1": {"nor": "nw", "bea": "west", "sam": "plain"},
        "w2": {"nor": "nw", "bea": "west", "sam": "no_variant"},
        "w3": {"nor": "step_condition", "bea": "plain", "sam": "step_condition"},
    }
    subjects = {content.split(b"Subject: ")[1].split(b"\r\n")[0] for _, content in office.transport.letters}
    assert {b"wir w1.nw.de", b"wir w1.west.de", b"wir w1.de"} <= subjects


def test_a_house_itself_is_served_through_its_role_address(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two [[audience]] entries: whoever matches the first does not enter by the second (rule 1); a seat without person is the house."""
    office = make_office(tmp_path_factory, "audiences")
    office.houses(house("k", "05"))
    office.people(
        person("Karla", "k", roles="contact,adviser"),
        person("Bernd", "k", roles="adviser"),
        person("", "k", roles="contact", email="info@k.example"),
    )
    second = 'sender = "om"\n[[audience]]\nsegment = "alle"'
    office.campaign("wir", "w1 day = 0", audience=second, segment="berater")
    office.text("wir", "w1.de", "{{ contact.greeting }}, ein Schritt.")
    office.publish()
    office.tick(local("2027-01-05"))
    entered = office.ask("SELECT audience, subject_kind, count(*) FROM enrolment GROUP BY 1, 2 ORDER BY 1, 2")
    assert entered == [(0, "person", 2), (1, "organisation", 1)]
    assert sorted(each.to for each in office.ledger(status="sent")) == ["bernd@k.example", "info@k.example", "karla@k.example"]
    assert_caps(office, 7, 30)
