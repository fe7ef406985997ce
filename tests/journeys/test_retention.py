"""What is forgotten after a time, and that nothing follows from it: nobody gets anything twice, and ``why`` still answers."""

from __future__ import annotations

import pytest

from om_campaigns import store
from om_campaigns.operate import retention
from om_campaigns.operate.retention import Forgotten, forget_old_values
from om_campaigns.staff.show_campaigns import load_campaign
from om_campaigns.staff.why import explain_recipient
from tests.journeys.test_cascade import series, taker
from tests.journeys.workspace import Workspace, house, local, person

pytestmark = pytest.mark.slow

SETTINGS = "[retention]\nslot_days = 30\nletter_months = 3\n[caps]\nper_week = 7\nper_month = 30\n"
LATER = local("2027-06-01")
"""A Tuesday, long after everything that was sent is forgotten."""


@pytest.fixture
def office(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Two people who had both letters of a series in January; forgetting goes in steps of one row."""
    monkeypatch.setattr(retention, "AT_ONCE", 1)
    office = Workspace(tmp_path_factory.mktemp("retention"), settings=SETTINGS)
    office.houses(house("k", "05"), house("b", "05"))
    office.people(person("Karla", "k"), person("Bernd", "b"))
    office.segment("kontakte", "'contact' in roles")
    office.campaign("erst", "e1 day = 0", "e2 day = 7", head='re_enter = "after_finish"', segment="kontakte")
    office.publish()
    office.walk(local("2027-01-20"))
    assert len(office.sent("erst")) == 4
    return office


def forget(office: Workspace) -> Forgotten:
    """Forget twice: the second time there is nothing."""
    done = forget_old_values(office.app, office.now)
    before = office.dump()
    assert forget_old_values(office.app, office.now) == Forgotten(0, 0, 0)
    assert office.dump() == before
    return done


def test_first_the_values_and_addresses_go_then_letters_and_ledger_never_the_facts(office: Workspace) -> None:
    """LAW-07: the plain address goes with the values; touches and enrolments stay for ever."""
    touches, enrolments = office.count("touch"), office.count("enrolment")
    office.now = local("2027-03-01")
    assert forget(office) == Forgotten(4, 0, 0)
    assert office.ask("SELECT DISTINCT envelope_to FROM message") == [("",)]
    office.now = LATER
    assert forget(office) == Forgotten(0, 4, 4)
    assert [office.count(name) for name in ("message", "message_dispatch", "message_slots", "dispatch")] == [0, 0, 0, 0]
    assert (office.count("touch"), office.count("enrolment")) == (touches, enrolments)


def test_what_is_uncertain_or_owed_or_under_way_stays(office: Workspace) -> None:
    office.do("UPDATE message SET state = 'uncertain' WHERE id = 1")
    office.do("UPDATE dispatch SET status = 'uncertain' WHERE id = (SELECT dispatch_id FROM message_dispatch WHERE message_id = 1)")
    office.do("UPDATE dispatch SET status = 'failed' WHERE id = (SELECT dispatch_id FROM message_dispatch WHERE message_id = 2)")
    office.do("UPDATE message SET state = 'retry' WHERE id = 3")
    office.now = LATER
    assert forget(office) == Forgotten(3, 1, 1)
    assert [row[0] for row in office.ask("SELECT id FROM message ORDER BY id")] == [1, 2, 3]
    assert office.ask("SELECT id FROM message WHERE envelope_to <> ''") == [(3,)]


def test_a_dispatch_stays_while_its_series_goes_on_or_its_touch_is_missing(office: Workspace) -> None:
    office.do("UPDATE enrolment SET state = 'active', next_step = 'e2', next_due_at = '2028-01-01 00:00:00' WHERE subject_id = 1")
    office.do("DELETE FROM touch WHERE recipient_id = 2 AND step = 'e2'")
    office.now = LATER
    assert forget(office) == Forgotten(4, 4, 1)
    assert office.ask("SELECT recipient_id, step FROM dispatch ORDER BY id") == [(1, "e1"), (1, "e2"), (2, "e2")]


def test_nobody_gets_anything_twice_after_forgetting(office: Workspace) -> None:
    """Re-entry, backfill, starts_after, a newer version and somebody else at the address: only what is new is sent."""
    office.now = LATER
    forget(office)
    office.tick()
    assert office.ledger() == []
    office.text("erst", "e1.de", "Guten Tag {{ contact.full_name }}, neue Worte.")
    office.segment("hatte", "received('erst/e1')")
    office.campaign("danach", "n1 day = 0", head='starts_after = ["erst"]\nbackfill = true', segment="kontakte")
    office.campaign("weil", "w1 day = 0", segment="hatte")
    office.publish()
    office.people(person("Karla", "k", email="neu@k.example"), person("Bernd", "b"), person("Nach Folge", "k", email="karla@k.example"))
    office.tick()
    assert office.sent("danach", to="bernd") == [("n1", "2027-06-01 09:00")]
    assert office.sent("weil", to="bernd") == [("w1", "2027-06-01 09:00")]
    assert office.ledger("erst", to="bernd") == []
    assert office.ledger("erst", to="neu@k") == [], "Karla had it, at another address"
    assert_no_double_facts(office)


def assert_no_double_facts(office: Workspace) -> None:
    """As ``assert_no_double``, from the touches: the ledger has forgotten what was before."""
    rows = office.ask("SELECT campaign_id, occasion, step, address_id FROM touch")
    assert len(rows) == len(set(rows))


def test_whoever_enters_again_gets_the_new_occasion_and_nothing_of_the_old(office: Workspace) -> None:
    """SCH-16: only after leaving the segment a new occasion begins, forgotten or not."""
    office.now = LATER
    forget(office)
    office.tick()
    office.people(person("Karla", "k", roles="press"), person("Bernd", "b"))
    office.tick(local("2027-06-02"))
    office.people(person("Karla", "k"), person("Bernd", "b"))
    office.tick(local("2027-06-03"))
    assert [(each.step, each.occasion != "") for each in office.ledger("erst", to="karla", status="sent")] == [("e1", True)]
    assert office.ledger("erst", to="bernd") == []


def test_why_and_the_figures_answer_from_the_touches(office: Workspace) -> None:
    def told() -> tuple[list[tuple[str, str, object]], list[int], int]:
        answer = explain_recipient(office.app, "erst", office.now, person_id=1)
        with store.read(office.app.engine) as session:
            found = load_campaign(session, "erst")
        return (
            [(row["step"], str(row["status"]), row["sent_at"]) for row in answer.history],
            [step["sent"] for step in found["steps"]],
            found["sent"],
        )

    before = told()
    assert before[1:] == ([2, 2], 4)
    office.now = LATER
    forget(office)
    assert told() == before


def test_packs_stay_with_what_they_are_handed_on_by(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A pack can be passed on, corrected and handed to somebody else for ever; its letters go all the same."""
    office = Workspace(tmp_path_factory.mktemp("packs"), settings=SETTINGS)
    office.houses(taker("amt"))
    office.people(person("Anna Amt", "amt"))
    series(office, "b1 day = 0")
    office.tick(local("2027-01-05"))
    assert office.count("pack") == 1
    office.tick(LATER)
    forget(office)
    assert [office.count(name) for name in ("message", "dispatch", "pack", "touch")] == [0, 1, 1, 1]


def test_nothing_to_forget_is_found_out_on_one_page(office: Workspace) -> None:
    """However many letters there are: each kind is asked once, nothing is written for it."""
    from benchmarks.size import Meter

    meter = Meter()
    try:
        cost = meter.measure(lambda: forget_old_values(office.app, office.now))
    finally:
        meter.stop()
    assert cost.statements <= 12
