"""Making good: uncertain letters are settled, gaps closed, mistakes corrected; whatever is done twice changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from om_campaigns.delivery.rehearsal_transports import LocalConnection, MemoryTransport
from om_campaigns.errors import InputError, RefusedError
from om_campaigns.staff.corrections import Chosen, look_at_correction, look_at_gaps, send_correction, send_gaps, settle_letters
from om_campaigns.transport import Envelope, Kind, Outcome, Stage
from tests.cli.shell import om
from tests.journeys.workspace import SQLITE, Workspace, assert_no_double, house, local, person

pytestmark = pytest.mark.slow

UNCERTAIN = Outcome(Kind.uncertain, None, "no answer", Stage.dot)
REFUSED = Outcome(Kind.permanent, 554, "5.7.1 policy", Stage.dot)
MALFORMED = Outcome(Kind.permanent, 554, "5.6.0 content malformed", Stage.dot)
NOBODY = Outcome(Kind.permanent, 550, "5.1.1 user unknown", Stage.rcpt)


class Postman(MemoryTransport):
    """Takes letters over, but for the recipients in ``answers``."""

    def __init__(self) -> None:
        super().__init__()
        self.answers: dict[str, Outcome] = {}

    def connect(self) -> LocalConnection:
        return Round(self)


class Round(LocalConnection):
    def __init__(self, postman: Postman) -> None:
        super().__init__(postman.keep)
        self.postman = postman
        self.envelope: Envelope | None = None

    def offer(self, envelope: Envelope) -> None:
        super().offer(envelope)
        self.envelope = envelope

    def answer(self) -> Outcome | None:
        found = self.postman.answers.get(self.envelope.recipient if self.envelope else "")
        return found if found is not None and found.at_stage is Stage.rcpt else None

    def hand_over(self, content: bytes, then: Envelope | None) -> Outcome:
        found = self.postman.answers.get(self.envelope.recipient if self.envelope else "")
        return found or super().hand_over(content, then)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def ws(request: pytest.FixtureRequest, tmp_path: Path) -> Workspace:
    """Four people who were sent ``a1`` on 2027-01-05: ada got it, ben's is uncertain, cem's was refused, dora is unknown."""
    url = SQLITE
    if request.param == "postgres":
        engine = request.getfixturevalue("postgres_engine")
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        url = engine.url.render_as_string(hide_password=False)
    workspace = Workspace(tmp_path / "ws", database=url)
    workspace.transport = postman = Postman()
    workspace.houses(house("ihk-tal", "05"))
    workspace.people(
        *(person(name, "ihk-tal", roles="adviser", primary="yes") for name in ("Ada Eins", "Ben Zwei", "Cem Drei", "Dora Vier"))
    )
    workspace.segment("alle", "'adviser' in roles")
    workspace.campaign("reihe", "a1 day = 0", "a2 day = 7")
    workspace.publish()
    workspace.tick(local("2027-01-04"))
    postman.answers = {
        "ben.zwei@ihk-tal.example": UNCERTAIN,
        "cem.drei@ihk-tal.example": REFUSED,
        "dora.vier@ihk-tal.example": NOBODY,
    }
    workspace.tick(local("2027-01-05"))
    postman.answers = {}
    return workspace


def statuses(ws: Workspace, step: str = "a1", occasion: str = "") -> dict[str, str]:
    return {each.to.partition(".")[0]: each.status for each in ws.ledger(step=step) if each.occasion == occasion}


def twice(work: Callable[[], object], ws: Workspace) -> object:
    """Done, then done again without a change of any table."""
    first = work()
    before = ws.dump()
    work()
    assert ws.dump() == before
    return first


def names(ws: Workspace) -> list[str]:
    return [envelope.recipient.partition(".")[0] for envelope, _ in ws.transport.letters]


def test_the_stage(ws: Workspace) -> None:
    assert statuses(ws) == {"ada": "sent", "ben": "uncertain", "cem": "failed", "dora": "failed"}
    assert sorted(bool(certain) for (certain,) in ws.ask("SELECT certain FROM touch")) == [False, True]


def test_settled_as_arrived_it_is_sent_and_its_touch_certain(ws: Workspace) -> None:
    assert twice(lambda: settle_letters(ws.app, Chosen(), ws.now, "test", arrived=True), ws) == 1
    assert statuses(ws)["ben"] == "sent"
    assert ws.ask("SELECT count(*) FROM touch WHERE certain") == [(2,)]
    assert ws.ask("SELECT reason, sent_at IS NULL FROM dispatch WHERE reason = 'settled'") == [("settled", False)]
    assert ws.ask("SELECT old, new FROM change WHERE entity = 'dispatch'") == [("uncertain", "sent")]
    ws.tick()
    assert names(ws) == ["ada"]


def test_settled_as_not_arrived_it_goes_again_with_the_same_message_id_msg_04(ws: Workspace) -> None:
    ((name,),) = ws.ask("SELECT message_id FROM message WHERE state = 'uncertain'")
    assert twice(lambda: settle_letters(ws.app, Chosen(campaign="reihe"), ws.now, "test", arrived=False), ws) == 1
    assert statuses(ws)["ben"] == "planned"
    assert ws.count("touch") == 1
    ws.tick(local("2027-01-06"))
    assert names(ws) == ["ada", "ben"]
    assert f"Message-ID: {name}".encode() in ws.transport.letters[1][1]
    assert statuses(ws)["ben"] == "sent"
    assert ws.ask("SELECT count(*) FROM touch WHERE certain") == [(2,)]
    assert_no_double(ws)


def test_what_is_settled_for_a_stopped_campaign_is_not_sent(ws: Workspace) -> None:
    om(ws.folder, "campaign", "stop", "reihe", "--yes", now="2027-01-05T10:00")
    settle_letters(ws.app, Chosen(), local("2027-01-05", "10:00"), "test", arrived=False)
    assert statuses(ws)["ben"] == "cancelled"


def test_gaps_are_what_failed_but_for_those_who_are_not_there(ws: Workspace) -> None:
    ws.people(person("Eva Neu", "ihk-tal", roles="adviser"))  # due as well, but no gap
    assert look_at_gaps(ws.app, "reihe") == 1
    done = send_gaps(ws.app, "reihe", ws.now)
    assert (done.owed, done.sent.sent) == (1, 1)
    assert names(ws) == ["ada", "cem"]
    assert statuses(ws) == {"ada": "sent", "ben": "uncertain", "cem": "sent", "dora": "failed"}
    before = ws.dump()
    assert send_gaps(ws.app, "reihe", ws.now).owed == 0
    assert ws.dump() == before


def test_gaps_wait_for_their_window(ws: Workspace) -> None:
    ws.now = local("2027-01-05", "20:00")
    done = send_gaps(ws.app, "reihe", ws.now)
    assert (done.owed, done.sent.sent, names(ws)) == (1, 0, ["ada"])
    ws.tick(local("2027-01-06"))
    assert names(ws) == ["ada", "cem"]


def test_gaps_of_a_paused_campaign_are_refused(ws: Workspace) -> None:
    om(ws.folder, "campaign", "pause", "reihe", now="2027-01-05T10:00")
    with pytest.raises(RefusedError, match="is paused"):
        look_at_gaps(ws.app, "reihe")


def make_many(folder: Path, count: int) -> tuple[Workspace, Postman]:
    """So many people, owed ``a1`` on 2027-01-05."""
    ws = Workspace(folder)
    ws.transport = postman = Postman()
    ws.houses(house("ihk-tal", "05"))
    ws.people(*(person(f"Person Nummer{n:02}", "ihk-tal", roles="adviser") for n in range(count)))
    ws.segment("alle", "'adviser' in roles")
    ws.campaign("reihe", "a1 day = 0")
    ws.publish()
    ws.tick(local("2027-01-04"))
    return ws, postman


def test_gaps_are_not_added_to_the_failures_they_make_good(tmp_path: Path) -> None:
    """Fourteen failed, too few to tell; with those that arrive within the hour it would be half of 28, and a pause."""
    ws, postman = make_many(tmp_path / "ws", 14)
    postman.answers = {f"person.nummer{n:02}@ihk-tal.example": MALFORMED for n in range(14)}
    ws.tick(local("2027-01-05"))
    assert [each.status for each in ws.ledger()] == ["failed"] * 14
    postman.answers = {}
    done = send_gaps(ws.app, "reihe", ws.now)
    assert (done.sent.sent, done.sent.detail) == (14, "")
    assert ws.ask("SELECT status FROM campaign") == [("running",)]


def test_a_correction_is_not_added_to_earlier_failures_but_its_own_count(tmp_path: Path) -> None:
    ws, postman = make_many(tmp_path / "ws", 24)
    ws.tick(local("2027-01-05"))
    ws.do("INSERT INTO pace (scope, subject, window_start, used, detail) VALUES ('failed', '1', '2027-01-05 08:01:00.000000', 5, '')")
    corrected(ws, "2027-01-05", at="09:02")
    postman.answers = {"person.nummer07@ihk-tal.example": MALFORMED}
    done = send_correction(ws.app, "reihe", "a1", ws.now)
    assert (done.sent.sent, done.sent.failed, done.sent.detail) == (23, 1, "")
    postman.answers = {f"person.nummer{n:02}@ihk-tal.example": MALFORMED for n in range(24)}
    corrected(ws, "2027-01-05", "Guten Tag,\n\nnoch einmal.", at="09:04")
    assert "a campaign was paused" in send_correction(ws.app, "reihe", "a1", ws.now).sent.detail


def corrected(
    ws: Workspace, day: str, body: str = "Guten Tag {{ contact.full_name }},\n\nder Termin ist am Montag.", *, at: str = "09:00"
) -> None:
    ws.now = local(day, at)
    ws.text("reihe", "a1.de", body)
    ws.publish("reihe")


def test_a_correction_reaches_exactly_those_who_got_the_step(ws: Workspace) -> None:
    with pytest.raises(RefusedError, match="in other words"):
        send_correction(ws.app, "reihe", "a1", ws.now)
    corrected(ws, "2027-01-06")
    found = look_at_correction(ws.app, "reihe", "a1")
    assert (found.owed, found.got_it, found.uncertain) == (1, 1, 1)
    ws.now = local("2027-01-06", "20:00")  # outside of every window, and within the week of a1
    assert send_correction(ws.app, "reihe", "a1", ws.now).sent.sent == 1
    assert statuses(ws, occasion="+c1") == {"ada": "sent"}
    letter = ws.transport.letters[-1][1]
    assert b"Subject: Korrektur: reihe a1.de" in letter
    assert "der Termin ist am Montag" in letter.decode()
    before = ws.dump()
    assert send_correction(ws.app, "reihe", "a1", ws.now).owed == 0
    assert ws.dump() == before


def test_a_letter_that_was_corrected_counts_once(ws: Workspace) -> None:
    """``campaign show`` names the correction beside it, and only where there is one."""
    told = om(ws.folder, "campaign", "show", "reihe", now="2027-01-07").out
    assert "corrected" not in told
    corrected(ws, "2027-01-06")
    send_correction(ws.app, "reihe", "a1", ws.now)
    found = om(ws.folder, "campaign", "show", "reihe", "--format", "json", now="2027-01-07").json
    assert [(each["step"], each["sent"], each["corrected"]) for each in found["steps"]] == [("a1", 1, 1), ("a2", 0, 0)]
    assert found["sent"] == om(ws.folder, "campaign", "list", "--format", "json", now="2027-01-07").json[0]["sent"] == 1
    assert "corrected" in om(ws.folder, "campaign", "show", "reihe", now="2027-01-07").out


@pytest.mark.parametrize("moment", ["09:00", "08:59"])
def test_a_wording_published_at_the_instant_its_letters_left_is_told_from_theirs(ws: Workspace, moment: str) -> None:
    """As on a day that is walked with one --now, or where letters were being composed while somebody published (08:59:50)."""
    corrected(ws, "2027-01-05", at="09:00")
    if moment == "08:59":
        ws.do("UPDATE campaign_version SET published_at = :at WHERE number = 2", at=ws.bound(local("2027-01-05", "08:59:50")))
    found = look_at_correction(ws.app, "reihe", "a1")
    assert (found.owed, found.got_it) == (1, 1)
    assert send_correction(ws.app, "reihe", "a1", ws.now).sent.sent == 1
    send_gaps(ws.app, "reihe", ws.now)
    assert statuses(ws)["cem"] == "sent"  # at the same instant, in the words of now
    assert look_at_correction(ws.app, "reihe", "a1").got_it == 1
    assert send_correction(ws.app, "reihe", "a1", ws.now).owed == 0
    assert statuses(ws, occasion="+c1") == {"ada": "sent"}


def test_whoever_is_settled_later_gets_the_same_correction(ws: Workspace) -> None:
    corrected(ws, "2027-01-06")
    send_correction(ws.app, "reihe", "a1", ws.now)
    settle_letters(ws.app, Chosen(), ws.now, "test", arrived=True)
    assert send_correction(ws.app, "reihe", "a1", ws.now).owed == 1
    assert statuses(ws, occasion="+c1") == {"ada": "sent", "ben": "sent"}


def test_a_second_mistake_is_a_second_correction_and_new_readers_need_none(ws: Workspace) -> None:
    corrected(ws, "2027-01-06")
    send_correction(ws.app, "reihe", "a1", ws.now)
    send_gaps(ws.app, "reihe", ws.now)
    assert statuses(ws)["cem"] == "sent"  # in the corrected words
    corrected(ws, "2027-01-07", "Guten Tag {{ contact.full_name }},\n\nder Termin ist am Dienstag.")
    send_correction(ws.app, "reihe", "a1", ws.now)
    assert statuses(ws, occasion="+c1") == {"ada": "sent"}
    assert statuses(ws, occasion="+c2") == {"ada": "sent", "cem": "sent"}


def test_a_correction_counts_against_no_cap_and_the_series_goes_on(ws: Workspace) -> None:
    corrected(ws, "2027-01-08")
    send_correction(ws.app, "reihe", "a1", ws.now)
    ws.tick(local("2027-01-12"))
    assert ("a2", "2027-01-12 09:00") in ws.sent(to="ada")
    assert ws.ask("SELECT service FROM touch WHERE occasion = '+c1'") == [(True,)]


def test_the_commands_say_what_they_do(ws: Workspace) -> None:
    at = "2027-01-05T10:00"
    said = om(ws.folder, "ledger", "--status", "uncertain", now=at)
    assert "ledger settle MESSAGE_ID" in said.out
    ((name,),) = ws.ask("SELECT message_id FROM message WHERE state = 'uncertain'")
    assert name in said.out
    assert om(ws.folder, "ledger", "settle", now=at).code == 2
    assert om(ws.folder, "ledger", "settle", "--all", now=at).code == 2
    assert "no uncertain letter is <x@y>" in om(ws.folder, "ledger", "settle", "x@y", "--arrived", now=at).err
    assert om(ws.folder, "ledger", "settle", name, "--not-arrived", now=at, typed="n\n").code == 3
    assert "1 letter settled: arrived" in om(ws.folder, "ledger", "settle", name.strip("<>"), "--arrived", now=at).out
    said = om(ws.folder, "send", "--gaps", "reihe", "--dry-run", now=at)
    assert "1 failed letter of 'reihe' would be sent once more" in said.out
    assert om(ws.folder, "send", "--gaps", "reihe", "--dry-run", "--format", "json", now=at).json["planned"] == 1
    assert om(ws.folder, "send", "--correction", "reihe", now=at).code == 2
    assert "1 mail written to outbox/ (rehearsal)" in om(ws.folder, "send", "--gaps", "reihe", now=at).out
    corrected(ws, "2027-01-06")
    said = om(ws.folder, "send", "--correction", "reihe/a1", now="2027-01-06T10:00")
    assert "3 got 'reihe/a1' in other words; 3 of them would get the correction" in said.out
    assert (said.code, "3 mails written to outbox/ (rehearsal)" in said.out) == (0, True), said


def test_an_unknown_step_has_no_correction(ws: Workspace) -> None:
    with pytest.raises(InputError, match="no step 'a9'"):
        look_at_correction(ws.app, "reihe", "a9")
