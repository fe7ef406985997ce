"""Who gets a step and who no longer does: the rules that are asked again before every step, told by one walk of three weeks."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import col, select

from om_campaigns import store
from om_campaigns.audience.consent import record_suppression
from om_campaigns.audience.models import Address
from om_campaigns.audience.vocabulary import SuppressionReason, SuppressionScope
from tests.journeys.workspace import Workspace, assert_caps, assert_no_double, house, local, person

pytestmark = pytest.mark.slow

NEW = "0 <= days_since(joined_on) <= 25"
"""True for houses that joined on 15 December until 9 January, so nobody but the late one matches after the first step."""

HOUSES = ("treu", "geht", "ruht", "ohne", "gesperrt", "sitz", "a", "b", "hilfe")


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Three weekly steps from 5 January on; on the 6th much changes, on the 13th some of it back; one house joins on the 11th."""
    office = Workspace(tmp_path_factory.mktemp("recipients"))
    office.houses(*(house(name, "05") for name in HOUSES))
    people(office)
    office.segment("alle", NEW)
    office.segment("hilfe", "'multiplier' in roles or has_role('press')")
    office.campaign("wir", "w1 day = 0", "w2 day = 7", "w3 day = 14")
    at = {
        local("2027-01-06"): lambda: change(office),
        local("2027-01-11"): lambda: join_late(office),
        local("2027-01-13"): lambda: office.houses(house("ruht", "05")),
    }
    office.publish()
    office.walk(local("2027-01-27"), at=at, pause=timedelta(days=30))
    return office


def people(office: Workspace, *, until: str = "", basis: str = "membership_or_service_duty") -> None:
    office.people(
        person("Tina Treu", "treu"),
        person("Gerd Geht", "geht"),
        person("Rita Ruht", "ruht"),
        person("Olga Ohne", "ohne", basis=basis),
        person("Gabi Gesperrt", "gesperrt"),
        person("Sven Sitz", "sitz", until=until),
        person("Doris Doppelt", "b", person="D1", roles="adviser", email="doris@heim.example"),
        person("Doris Doppelt", "a", person="D1", roles="contact", email="doris@heim.example", primary=""),
    )


def change(office: Workspace) -> None:
    """A house leaves, one rests, a basis is withdrawn, an address opts out of the list, a seat ends."""
    office.houses(house("geht", "05", status="left"), house("ruht", "05", status="paused"))
    people(office, until="2027-01-08")
    office.do(
        "UPDATE basis SET withdrawn_at = :now WHERE address_id = (SELECT id FROM address WHERE address LIKE 'olga%')",
        now=office.bound(office.now),
    )
    with store.write(office.app.engine) as session:
        address = session.exec(select(Address).where(col(Address.address).like("gabi%"))).one()
        record_suppression(
            session, address, SuppressionReason.opt_out, office.now, scope_kind=SuppressionScope.mailing_list, scope="wir-gedanke"
        )


def join_late(office: Workspace) -> None:
    office.houses(house("spaet", "05", joined_on="2027-01-11"))
    office.people(person("Sina Spät", "spaet", email="sina@spaet.example"))


def story(walked: Workspace, to: str) -> list[tuple[str, str, str]]:
    return [(each.step, each.status, each.reason) for each in walked.ledger(to=to)]


def test_one_mail_for_a_person_with_two_seats_and_the_stronger_role_wins(walked: Workspace) -> None:
    """Rule 1: adviser at b (the primary home), contact at a: the contact gets it."""
    mails = walked.ledger(to="doris@")
    assert [(each.step, each.organisation, each.status) for each in mails] == [
        ("w1", "a", "sent"),
        ("w2", "a", "sent"),
        ("w3", "a", "sent"),
    ]


def test_a_house_that_leaves_gets_nothing_more_and_its_statistics_stay(walked: Workspace) -> None:
    """Rule 4."""
    gone = "organisation_inactive"
    assert story(walked, "gerd") == [("w1", "sent", ""), ("w2", "skipped", gone), ("w3", "skipped", gone)]
    touches = walked.ask("SELECT t.step FROM touch t JOIN organisation o ON o.id = t.organisation_id WHERE o.slug = 'geht'")
    assert touches == [("w1",)]


def test_a_house_that_rests_misses_a_step_and_goes_on_afterwards(walked: Workspace) -> None:
    """Rule 11: the status of the house is asked again before every step."""
    assert story(walked, "rita") == [("w1", "sent", ""), ("w2", "skipped", "organisation_inactive"), ("w3", "sent", "")]


def test_a_withdrawn_basis_stops_the_next_step(walked: Workspace) -> None:
    """Rule 11, LAW-01; the imported file still names the basis, which does not bring it back."""
    assert story(walked, "olga") == [("w1", "sent", ""), ("w2", "skipped", "no_basis"), ("w3", "skipped", "no_basis")]


def test_a_suppressed_address_gets_nothing_more(walked: Workspace) -> None:
    """Rule 11, UNS-08, UNS-09: suppression beats every basis."""
    assert story(walked, "gabi") == [("w1", "sent", ""), ("w2", "skipped", "suppressed"), ("w3", "skipped", "suppressed")]


def test_a_seat_that_ended_gets_nothing_more(walked: Workspace) -> None:
    assert story(walked, "sven") == [("w1", "sent", ""), ("w2", "skipped", "seat_ended"), ("w3", "skipped", "seat_ended")]


def test_a_running_series_is_not_filtered_again_by_its_segment(walked: Workspace) -> None:
    """Rule 11: from 10 January on nobody of the first day matches, and all the same the series goes to its end."""
    assert walked.sent(to="tina") == [("w1", "2027-01-05 09:00"), ("w2", "2027-01-12 09:00"), ("w3", "2027-01-19 09:00")]


def test_a_late_joiner_starts_at_the_first_step(walked: Workspace) -> None:
    """Rule 7: joined on Monday 11 January."""
    assert walked.sent(to="sina") == [("w1", "2027-01-12 09:00"), ("w2", "2027-01-19 09:00"), ("w3", "2027-01-26 09:00")]


def test_every_way_came_to_its_end_without_doubles(walked: Workspace) -> None:
    assert walked.ask("SELECT DISTINCT state FROM enrolment") == [("finished",)]
    assert_no_double(walked)
    assert_caps(walked)


# Values and toolkits


@pytest.fixture(scope="module")
def helped(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A letter that prints a role, to one with and one without; the next step names a toolkit that is withdrawn meanwhile."""
    office = Workspace(tmp_path_factory.mktemp("helped"))
    office.take(toolkits=toolkits("current"))
    office.houses(house("hilfe", "05"))
    office.people(person("Mit Rolle", "hilfe"), person("Ohne Rolle", "hilfe", roles=""))
    office.segment("alle", "status == 'active'")
    office.campaign("wir", "w1 day = 0", "w2 day = 7", "w3 day = 14")
    office.text("wir", "w1.de", "Guten Tag {{ contact.full_name }}, Sie sind {{ contact.role }}.")
    office.text("wir", "w2.de", head='toolkits = ["BZ"]')
    office.publish()
    at = {
        local("2027-01-06"): lambda: office.people(person("Ohne Rolle", "hilfe", roles="deputy")),
        local("2027-01-08"): lambda: office.take(toolkits=toolkits("withdrawn")),
    }
    office.walk(local("2027-01-05", "11:00"), pause=timedelta(days=1))
    assert story(office, "mit") == [("w1", "sent", "")]
    assert story(office, "ohne") == [("w1", "held", "missing_value")]
    office.walk(local("2027-01-27"), at=at, pause=timedelta(days=7))
    return office


def toolkits(status: str) -> str:
    return f"code;name;version;released_on;status;change_kind\nBZ;Check;2.0;2026-01-01;{status};new\n"


def test_a_missing_value_holds_one_letter_back_until_it_is_there(helped: Workspace) -> None:
    """Rule 9: the others go; filled on Wednesday, the letter goes in the window of that day, and the series goes on from there."""
    assert helped.sent(to="mit")[0] == ("w1", "2027-01-05 09:00")
    assert helped.sent(to="ohne")[0] == ("w1", "2027-01-06 09:00")
    content = next(content for envelope, content in helped.transport.letters if envelope.recipient.startswith("ohne"))
    assert b"deputy" in content


def test_a_withdrawn_toolkit_stops_the_step_that_names_it(helped: Workspace) -> None:
    """Rule 7: the step is skipped with its reason, the next one goes."""
    assert [each[:3] for each in story(helped, "mit")] == [("w1", "sent", ""), ("w2", "skipped", "toolkit_withdrawn"), ("w3", "sent", "")]
