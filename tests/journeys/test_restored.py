"""After a restore nothing leaves twice and nobody who left gets mail: by the database moved aside, or by the mail server's log."""

from __future__ import annotations

import gzip
import threading
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from om_campaigns.app import App
from om_campaigns.audience.models import Address
from om_campaigns.audience.opt_ins import OptIn
from om_campaigns.audience.responses import CascadeLevel
from om_campaigns.audience.vocabulary import Origin, SuppressionScope
from om_campaigns.delivery.rehearsal_transports import MemoryTransport
from om_campaigns.errors import InputError, RefusedError
from om_campaigns.operate.backup import Restored, back_up, restore
from om_campaigns.operate.confirming_restored import Confirmation, confirm_restored, look_at_restored
from om_campaigns.operate.installation import halt
from om_campaigns.partner.acknowledgements import Answer, record_answer
from om_campaigns.partner.action_reports import Said, record_action_report
from om_campaigns.partner.packs import Acting, find_by_code
from om_campaigns.reader.leaving import Channel, Leaver, record_leaving
from om_campaigns.reader.leaving_page import take_back_leaving
from om_campaigns.staff.entering import FigureNeededError
from om_campaigns.store import write
from om_campaigns.tick import tick
from om_campaigns.transport import Envelope, Outcome
from om_campaigns.wiring import open_app
from tests.cli.shell import om
from tests.journeys.test_cascade import series, taker
from tests.journeys.workspace import SQLITE, Workspace, house, local, person
from tests.operate.test_backup import use_its_programs

pytestmark = pytest.mark.slow

READERS = 300
FIRST, SECOND = local("2027-01-05"), local("2027-01-12")
Office = tuple[Workspace, Path]


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "sqlite":
        return SQLITE
    use_its_programs(monkeypatch)
    return str(request.getfixturevalue("empty_postgres"))


def make_office(folder: Path, database: str, readers: int) -> Workspace:
    """Readers of a series of two letters, all of them in it, none of them written to yet."""
    office = Workspace(folder, database=database, settings="[smtp]\nconnections = 1")
    office.houses(house("k", "05"))
    office.people(*people(readers))
    office.segment("alle", "'contact' in roles")
    office.campaign("wir", "w1 day = 0", "w2 day = 7")
    office.publish()
    office.tick(local("2027-01-04"))
    return office


def people(number: int) -> list[str]:
    return [person(f"Leser N{each:03}", "k", email=f"n{each:03}@k.example") for each in range(number)]


class Ending(MemoryTransport):
    """A mail server that takes so many letters; the run is stopped with the last of them."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        self.left, self.stop = letters, threading.Event()

    def keep(self, envelope: Envelope, content: bytes) -> Outcome:
        self.left -= 1
        if not self.left:
            self.stop.set()
        return super().keep(envelope, content)


def send(office: Workspace, now: datetime, letters: int = 10_000) -> list[str]:
    """A tick that hands over so many letters; who got them."""
    office.now = now
    transport = Ending(letters)
    tick(office.app, now, transport=transport, stop=transport.stop)
    return [envelope.recipient for envelope, _ in transport.letters]


def leave(office: Workspace, address: str, at: datetime) -> None:
    ((number, home),) = office.ask(
        "SELECT a.id, o.id FROM address a, organisation o WHERE a.address = :address ORDER BY o.id LIMIT 1", address=address
    )
    with write(office.app.engine) as session:
        assert session.get(Address, number) is not None
        record_leaving(session, Leaver(number, home, "wir-gedanke"), SuppressionScope.all, Channel.page, at, office.app.today(at))


def bring_back(office: Workspace, file: Path, now: datetime) -> Restored:
    office.app.engine.dispose()
    done = restore(office.folder, file, is_replacing=True, now=now)
    office.now = now
    office.do("UPDATE instance SET mode = 'live'")
    return done


def confirm(office: Workspace, now: datetime, source: str) -> Confirmation:
    """Look, then confirm what was seen; the office goes on rehearsing afterwards."""
    app: App = open_app(office.folder)
    shown = look_at_restored(app, now, "test", source)
    done = confirm_restored(app, now, "test", shown.after.checksum, source)
    app.engine.dispose()
    office.do("UPDATE instance SET mode = 'rehearsal', rehearsal_now = NULL")
    return done


def test_300_readers_a_backup_two_mailings_and_a_restore(tmp_path: Path, database: str) -> None:
    """Nothing leaves twice, nobody who left gets mail, the halt holds, and everybody gets what was not sent yet."""
    office = make_office(tmp_path / "ws", database, READERS)
    back_up(office.app, tmp_path / "om.zip", office.now)
    got = Counter((to, "w1") for to in send(office, FIRST))
    leave(office, "n007@k.example", FIRST + timedelta(hours=3))
    office.do("UPDATE person SET status = 'left' WHERE full_name = 'Leser N008'")
    got += Counter((to, "w2") for to in send(office, SECOND, 100))
    assert got.total() == READERS + 100
    halt(office.app, SECOND + timedelta(minutes=1), "Petra", "Datum falsch")

    now = SECOND + timedelta(minutes=30)
    done = bring_back(office, tmp_path / "om.zip", now)
    assert done.database_aside
    app = open_app(office.folder)
    before = office.dump()
    shown = look_at_restored(app, now, "test", done.database_aside)
    app.engine.dispose()
    assert office.dump() == before
    assert shown.before is not None
    assert (shown.before.letters, shown.after.letters) == (READERS, READERS - 102)
    assert shown.taken is not None
    assert shown.taken.letters == {("wir", "w1"): READERS, ("wir", "w2"): 100}
    assert shown.stops is not None
    assert (shown.stops.opt_outs, shown.stops.people) == (["n007@k.example"], 1)

    confirmed = confirm(office, now, done.database_aside)
    assert confirmed.is_halted
    with pytest.raises(RefusedError, match="Datum falsch"):
        send(office, now)
    office.do("UPDATE instance SET halted_at = NULL")
    got += Counter((to, "w2") for to in send(office, now))
    assert got == Counter(
        (f"n{each:03}@k.example", step) for each in range(READERS) for step in ("w1", "w2") if step == "w1" or each not in (7, 8)
    )
    assert send(office, local("2027-01-19")) == []


def test_without_the_database_it_shows_everything_and_asks(tmp_path: Path, database: str) -> None:
    office = make_office(tmp_path / "ws", database, 3)
    back_up(office.app, tmp_path / "om.zip", office.now)
    send(office, FIRST)
    bring_back(office, tmp_path / "om.zip", FIRST)
    app = open_app(office.folder)
    shown = look_at_restored(app, FIRST, "test")
    assert (shown.after.letters, shown.after.enrolled) == (3, 0)
    with pytest.raises(RefusedError, match="the plan has changed"):
        confirm_restored(app, FIRST, "test", "0" * 16)
    app.engine.dispose()
    said = om(office.folder, "restore", "--confirm-live", now="")
    assert said.code == 3
    assert "there is nobody to ask" in said.err
    assert "--expect" in said.err
    assert "checksum" in said.out
    assert office.ask("SELECT fingerprint FROM instance") == [("restored",)]
    said = om(office.folder, "restore", "--confirm-live", now="", typed="\n")
    assert (said.code, office.ask("SELECT fingerprint FROM instance")) == (3, [("restored",)])
    checksum = next(line for line in said.out.splitlines() if line.startswith("checksum")).split()[1]
    assert om(office.folder, "restore", "--confirm-live", "--expect", checksum, now="").code == 0
    assert office.ask("SELECT fingerprint FROM instance") != [("restored",)]


def test_a_restored_database_holds_those_who_are_too_many_for_a_day(tmp_path: Path, database: str) -> None:
    """A faulty import just before the backup: who would enter is shown, and only their number lets them in."""
    office = make_office(tmp_path / "ws", database, 3)
    office.people(*people(153))
    office.do("DELETE FROM permission")
    back_up(office.app, tmp_path / "om.zip", office.now)
    bring_back(office, tmp_path / "om.zip", FIRST)
    app = open_app(office.folder)
    held, let_in = look_at_restored(app, FIRST, "test"), look_at_restored(app, FIRST, "test", enters=150)
    assert [(each.campaign, each.number.people, each.needs_figure) for each in held.entering] == [("wir", 150, True)]
    assert (held.after.letters, let_in.after.letters) == (3, 153)
    with pytest.raises(FigureNeededError, match="150 would enter, not 149"):
        confirm_restored(app, FIRST, "test", let_in.after.checksum, enters=149)
    with pytest.raises(RefusedError, match="the plan has changed"):
        confirm_restored(app, FIRST, "test", let_in.after.checksum)
    assert office.count("permission") == 0
    confirm_restored(app, FIRST, "petra", let_in.after.checksum, enters=150)
    app.engine.dispose()
    office.do("UPDATE instance SET mode = 'rehearsal', rehearsal_now = NULL")
    given = office.ask("SELECT what, subject, figure, who FROM permission ORDER BY subject")
    assert given == [("restore", "", 153, "petra"), ("restore", "wir", 150, "petra")]
    assert len(send(office, FIRST)) == 153


@pytest.mark.parametrize("enters", [True, False])
def test_whoever_lets_it_send_again_says_how_many_enter_or_leaves_them_held(tmp_path: Path, enters: bool) -> None:
    office = make_office(tmp_path / "ws", SQLITE, 3)
    office.people(*people(153))
    office.do("DELETE FROM permission")
    back_up(office.app, tmp_path / "om.zip", office.now)
    bring_back(office, tmp_path / "om.zip", FIRST)
    said = om(office.folder, "restore", "--confirm-live", now="")
    assert (said.code, "150 people  wir" in said.out, "held: too many for a day" in said.out) == (3, True, True), said.out
    assert "restore --confirm-live --expect 150" in said.out
    assert "refused: 150 would enter, not 149" in om(office.folder, "restore", "--confirm-live", "--expect", "149", now="").err
    if enters:
        said = om(office.folder, "restore", "--confirm-live", "--expect", "150", now="")
    letters, _, answer = said.err.partition(" letters would leave")
    checksum = next(line for line in said.out.splitlines() if line.startswith("checksum")).split()[1]
    assert f"--expect {checksum}{' --expect 150' if enters else ''}\n" in answer
    assert office.ask("SELECT fingerprint FROM instance") == [("restored",)]
    typed = f"{150 if enters else ''}\n{letters.split()[-1]}\n"
    assert om(office.folder, "restore", "--confirm-live", now="", typed=typed).code == 0
    assert office.ask("SELECT sum(figure) FROM permission WHERE subject = 'wir'") == [(150 if enters else None,)]


def test_readers_who_came_after_the_backup_are_not_sent_it_again(tmp_path: Path) -> None:
    """Whether they are imported before it is taken over or afterwards; what cannot be placed is listed."""
    for is_first in (True, False):
        office = make_office(tmp_path / f"ws-{is_first}", SQLITE, 3)
        back_up(office.app, tmp_path / f"om-{is_first}.zip", office.now)
        office.people(*people(5))
        assert len(send(office, FIRST)) == 5
        done = bring_back(office, tmp_path / f"om-{is_first}.zip", FIRST)
        if is_first:
            office.people(*people(5))
        confirmed = confirm(office, FIRST + timedelta(minutes=5), done.database_aside)
        assert confirmed.taken is not None
        assert [each.address for each in confirmed.taken.unknown] == ([] if is_first else ["n003@k.example", "n004@k.example"])
        if not is_first:
            office.people(*people(5))
        assert send(office, FIRST + timedelta(minutes=10)) == []
        assert sorted(send(office, SECOND)) == [f"n{each:03}@k.example" for each in range(5)]


def test_taking_it_over_twice_changes_nothing(tmp_path: Path) -> None:
    office = make_office(tmp_path / "ws", SQLITE, 3)
    back_up(office.app, tmp_path / "om.zip", office.now)
    send(office, FIRST)
    done = bring_back(office, tmp_path / "om.zip", FIRST)
    confirm(office, FIRST, done.database_aside)
    before = office.dump()
    office.do("UPDATE instance SET mode = 'live', fingerprint = 'restored'")
    confirm(office, FIRST, done.database_aside)
    changed = {name for name, rows in office.dump().items() if rows != before[name]}
    assert changed <= {"instance", "change", "permission", "campaign_look"}


def test_a_letter_that_nobody_knows_the_fate_of_stays_uncertain(tmp_path: Path) -> None:
    office = make_office(tmp_path / "ws", SQLITE, 3)
    back_up(office.app, tmp_path / "om.zip", office.now)
    send(office, FIRST)
    office.do("UPDATE dispatch SET status = 'uncertain', sent_at = NULL WHERE id = 1")
    office.do("UPDATE message SET state = 'uncertain', sent_at = NULL WHERE id = 1")
    office.do("UPDATE touch SET certain = 0 WHERE id = 1")
    done = bring_back(office, tmp_path / "om.zip", FIRST)
    confirm(office, FIRST, done.database_aside)
    assert Counter(each.status for each in office.ledger()) == {"sent": 2, "uncertain": 1}
    assert send(office, FIRST) == []


def test_whatever_stopped_mail_after_the_backup_stops_it_still(tmp_path: Path) -> None:
    """Opt-outs, wishes, consents, erasures, bounces, seats, pauses and service mails that left; and nothing lets mail go again."""
    office = make_office(tmp_path / "ws", SQLITE, 8)
    office.do(
        "INSERT INTO notice (purpose, address, language, detail, made_at, due_at, body_hash)"
        " VALUES ('link', 'n006@k.example', 'de', '{}', :at, :at, '')",
        at="2027-01-04 08:00:00.000000",
    )
    office.do("UPDATE basis SET kind = 'consent_written' WHERE address_id = 4")
    back_up(office.app, tmp_path / "om.zip", office.now)
    leave(office, "n000@k.example", FIRST)
    office.do("UPDATE notice SET due_at = NULL, address = ''")
    office.do("UPDATE basis SET withdrawn_at = '2027-01-05 09:00:00.000000' WHERE address_id = 4")
    office.do("UPDATE address SET bounce_state = 'hard' WHERE address = 'n001@k.example'")
    office.do("UPDATE seat SET until = '2027-01-05' WHERE id = 3")
    office.do("INSERT INTO preference (address_id, rhythm, at) VALUES (6, 'monthly', '2027-01-05 09:00:00.000000')")
    assert om(office.folder, "person", "erase", "Leser N004", "--yes", now="2027-01-05T10:00").code == 0
    done = bring_back(office, tmp_path / "om.zip", FIRST + timedelta(days=1))
    confirmed = confirm(office, FIRST + timedelta(days=1), done.database_aside)
    stops = confirmed.stops
    assert stops is not None
    assert (stops.consents_withdrawn, stops.preferences, stops.erased, stops.bounced, stops.people, stops.notices) == (1, 1, 1, 1, 1, 1)
    assert stops.opt_outs[0] == "n000@k.example"
    assert sorted(send(office, FIRST + timedelta(days=1))) == ["n005@k.example", "n006@k.example", "n007@k.example"]
    assert office.ask("SELECT count(*) FROM person WHERE full_name = 'Leser N004'") == [(0,)]


def test_what_was_answered_after_the_backup_is_not_asked_again_and_the_rest_is_listed(tmp_path: Path, database: str) -> None:
    """Answers to packs and reports are taken over; who subscribed, came back or was changed is listed, never dropped in silence."""
    office = Workspace(tmp_path / "ws", database=database, settings="[smtp]\nconnections = 1")
    office.houses(taker("amt"), taker("tal"))
    office.people(person("Anna Amt", "amt", email="n000@k.example"), person("Tom Tal", "tal", email="n001@k.example"))
    series(office)
    office.tick(FIRST)
    leave(office, "n001@k.example", FIRST)
    back_up(office.app, tmp_path / "om.zip", office.now)
    later = FIRST + timedelta(hours=3)
    ((code, amt),) = office.ask("SELECT p.code, o.id FROM pack p JOIN organisation o ON o.id = p.organisation_id WHERE o.slug = 'amt'")
    ((number,),) = office.ask("SELECT id FROM address WHERE address = 'n001@k.example'")
    with write(office.app.engine) as session:
        record_answer(session, find_by_code(session, code), Answer(CascadeLevel.adviser, 4), later, Acting("mail", Origin.answer))
        said = Said(amt, 2, "Ein gemeinsamer Abend", together_with="Haus tal")
        record_action_report(session, said, "bericht-1", later, office.app.today(later), Acting("Anna", Origin.partner))
        assert take_back_leaving(session, Leaver(number, amt, "wir-gedanke"), SuppressionScope.all, FIRST, later)
        session.add(
            OptIn(
                address="neu@amt.example",
                normal_key="neu@amt.example",
                mailing_lists=["hilfen"],
                consent_text="Ja",
                form_url="/",
                asked_at=later,
                confirmed_at=later,
            )
        )
    office.people(person("Nora Neu", "tal"))
    done = bring_back(office, tmp_path / "om.zip", later)
    confirmed = confirm(office, later, done.database_aside)
    found = confirmed.answers
    assert found is not None
    assert (found.acknowledgements, found.packs, found.reports, found.signs) == (1, 1, 1, 2)
    assert (found.subscribed, found.taken_back) == (["neu@amt.example"], ["n001@k.example"])
    assert found.by_staff > 0
    assert office.ask("SELECT relay_state FROM pack WHERE code = :code", code=code) == [("reported",)]
    assert office.ask("SELECT level, count, actor FROM acknowledgement") == [("adviser", 4, "mail")]
    assert office.ask(
        "SELECT r.text, o.slug FROM action_report r JOIN action_report_partner p ON p.report_id = r.id"
        " JOIN organisation o ON o.id = p.organisation_id"
    ) == [("Ein gemeinsamer Abend", "tal")]
    assert office.count("suppression") == 1  # who left before the backup has left
    before = office.dump()
    office.do("UPDATE instance SET mode = 'live', fingerprint = 'restored'")
    said_now = om(office.folder, "restore", "--confirm-live", "--sent-since", done.database_aside, now="").out
    for line in ("subscribed: neu@amt.example", "took back that they left: n001@k.example", "import the tables again"):
        assert line in said_now
    confirm(office, later, done.database_aside)
    changed = {name for name, rows in office.dump().items() if rows != before[name]}
    assert changed <= {"instance", "change", "permission", "campaign_look"}


def test_a_campaign_that_was_paused_after_the_backup_is_paused(tmp_path: Path) -> None:
    office = make_office(tmp_path / "ws", SQLITE, 2)
    back_up(office.app, tmp_path / "om.zip", office.now)
    assert om(office.folder, "campaign", "pause", "wir", now="2027-01-05T08:30").code == 0
    done = bring_back(office, tmp_path / "om.zip", FIRST)
    confirmed = confirm(office, FIRST, done.database_aside)
    assert confirmed.stops is not None
    assert confirmed.stops.campaigns == ["wir"]
    assert send(office, FIRST) == []


def test_what_is_no_later_state_of_this_database_is_refused(tmp_path: Path) -> None:
    office = make_office(tmp_path / "ws", SQLITE, 1)
    other = Workspace(tmp_path / "other")
    other.app.engine.dispose()
    back_up(office.app, tmp_path / "om.zip", office.now)
    bring_back(office, tmp_path / "om.zip", FIRST)
    app = open_app(office.folder)
    wrong = {other.folder / "om-campaigns.db": "no later state", tmp_path / "none": "no such file", tmp_path / "om.zip": "is a backup"}
    for source, words in wrong.items():
        with pytest.raises(InputError, match=words):
            look_at_restored(app, FIRST, "test", str(source))


# --- the mail server's log ---------------------------------------------------------------------------------------------------


def by_address(office: Workspace) -> str:
    """A line of time and address for every letter that left."""
    rows = office.ask("SELECT a.address, t.at FROM touch t JOIN address a ON a.id = t.address_id ORDER BY t.id")
    return "".join(f"{str(at)[:19]}Z {address}\n" for address, at in rows)


def by_postfix(office: Workspace) -> str:
    """What Postfix writes about them, between other mail."""
    rows = office.ask("SELECT m.message_id, m.envelope_to, m.sent_at FROM message m WHERE m.sent_at IS NOT NULL ORDER BY m.id")
    lines = []
    for number, (name, to, at) in enumerate(rows):
        day, moment = str(at)[:19].split(" ")
        start = f"{day}T{moment}.123456+00:00 mx postfix"
        queue = f"4Zx{number:08X}"
        lines += [
            f"{start}/smtpd[12]: connect from om[10.0.0.2]",
            f"{start}/cleanup[13]: {queue}: message-id={name}",
            f"{start}/qmgr[14]: {queue}: from=<b+x@om.example>, size=40000, nrcpt=1 (queue active)",
            f"{start}/smtp[15]: {queue}: to=<{to}>, relay=mx.k.example[10.0.0.9]:25, delay=1, dsn=2.0.0, status=sent (250 ok)",
            f"{start}/qmgr[14]: {queue}: removed",
        ]
    return "".join(f"{line}\n" for line in lines)


@pytest.mark.parametrize("make_log", [by_address, by_postfix])
def test_the_log_of_the_mail_server_says_what_left(tmp_path: Path, database: str, make_log: Callable[[Workspace], str]) -> None:
    """Before the backup nobody was in the series: people are enrolled as they were then, and their letters count as sent."""
    office = make_office(tmp_path / "ws", database, 40)
    office.do("DELETE FROM enrolment")
    back_up(office.app, tmp_path / "om.zip", office.now)
    first = send(office, FIRST)
    second = send(office, SECOND, 15)
    log = tmp_path / "mail.log"
    log.write_text(make_log(office), encoding="utf-8")
    now = SECOND + timedelta(minutes=30)
    bring_back(office, tmp_path / "om.zip", now)
    confirmed = confirm(office, now, str(log))
    assert confirmed.matched is not None
    assert confirmed.matched.letters == {("wir", "w1"): 40, ("wir", "w2"): 15}
    assert (confirmed.matched.mails, confirmed.matched.leftovers, confirmed.matched.unreadable) == (55, [], [])
    assert confirmed.after.letters == 25
    assert sorted(send(office, now)) == sorted(set(first) - set(second))
    assert send(office, local("2027-01-19")) == []


def test_the_brake_on_entering_does_not_hold_those_back_whose_letters_left(tmp_path: Path) -> None:
    """More than enter on an ordinary day, as the log shows; afterwards the brake is what it was."""
    office = make_office(tmp_path / "ws", SQLITE, 130)
    office.do("DELETE FROM enrolment")
    office.do("DELETE FROM permission")
    office.do("UPDATE campaign SET largest_entry = 0, largest_house_entry = 0")
    back_up(office.app, tmp_path / "om.zip", office.now)
    log = tmp_path / "mail.log"
    log.write_text("".join(f"2027-01-05T09:00 n{each:03}@k.example\n" for each in range(130)), encoding="utf-8")
    bring_back(office, tmp_path / "om.zip", FIRST)
    confirmed = confirm(office, FIRST + timedelta(minutes=30), str(log))
    assert confirmed.matched is not None
    assert confirmed.matched.letters == {("wir", "w1"): 130}
    assert office.ask("SELECT count(*) FROM permission WHERE subject <> ''") == [(0,)]
    assert send(office, FIRST + timedelta(minutes=30)) == []


def test_what_does_not_match_is_listed_and_never_guessed(tmp_path: Path) -> None:
    office = make_office(tmp_path / "ws", SQLITE, 3)
    back_up(office.app, tmp_path / "om.zip", office.now)
    log = tmp_path / "mail.log.1.gz"
    lines = (
        "# from the mail server\n"
        "2027-01-05T09:00:01+01:00 <N000@K.example>\n"
        "2027-01-05T09:00:02+01:00 to=<fremd@anderswo.example>\n"
        "2027-01-05T09:00:03 to=<post@>\n"
        "2027-01-06T10:00 n000@k.example\n"
        "kein Datum n001@k.example\n"
    )
    log.write_bytes(gzip.compress(lines.encode()))
    bring_back(office, tmp_path / "om.zip", FIRST)
    found = look_at_restored(open_app(office.folder), FIRST + timedelta(days=2), "test", str(log)).matched
    assert found is not None
    assert found.letters == {("wir", "w1"): 1}
    assert [(each.mail.line, each.why) for each in found.leftovers] == [(3, "no such address here"), (5, "no letter was due to it")]
    assert [(each.line, each.column) for each in found.unreadable] == [(4, 21), (6, 1)]


def test_a_message_id_that_is_none_of_ours_matches_nothing(tmp_path: Path) -> None:
    """A service mail to the same reader at the same time, and the mail of another program."""
    office = make_office(tmp_path / "ws", SQLITE, 1)
    back_up(office.app, tmp_path / "om.zip", office.now)
    log = tmp_path / "mail.log"
    line = "Jan  5 09:00:0{0} mx postfix/{1}[1]: 4Zx0000000{0}: {2}\n"
    log.write_text(
        line.format(1, "cleanup", "message-id=<aaaaaaaaaaaaaaaa@om-mail.example>")
        + line.format(1, "smtp", "to=<n000@k.example>, relay=x, status=sent (250 ok)")
        + line.format(2, "cleanup", "message-id=<b@anderswo.example>")
        + line.format(2, "smtp", "to=<n000@k.example>, relay=x, status=sent (250 ok)"),
        encoding="utf-8",
    )
    bring_back(office, tmp_path / "om.zip", FIRST)
    found = look_at_restored(open_app(office.folder), FIRST + timedelta(hours=1), "test", str(log)).matched
    assert found is not None
    assert (found.letters, {each.why for each in found.leftovers}) == (Counter(), {"no letter was due to it", "of another sender"})
