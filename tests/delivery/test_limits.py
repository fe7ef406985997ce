"""Limits that hold and brakes that bite: per sender, destination and campaign; in the database; nobody is suppressed by them."""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections import Counter, defaultdict, deque
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, update
from sqlmodel import select

from om_campaigns.audience.changes import Change
from om_campaigns.audience.models import Address, Organisation, Suppression
from om_campaigns.audience.vocabulary import Level
from om_campaigns.campaign.models import Campaign, CampaignVersion, Dispatch, Pack
from om_campaigns.campaign.vocabulary import CampaignStatus, DispatchStatus
from om_campaigns.clock import system_clock
from om_campaigns.delivery import circuit_breakers
from om_campaigns.delivery.circuit_breakers import load_closed, open_destination, release_campaign
from om_campaigns.delivery.claims import Claims
from om_campaigns.delivery.handover import Ended
from om_campaigns.delivery.models import Message, Pace, Worker
from om_campaigns.delivery.pacing import (
    HOUR,
    LONGEST_SLOWED,
    MINUTE,
    OPERATORS,
    Limit,
    Places,
    Rules,
    destination_of_address,
    domains_of,
    make_slow_until,
)
from om_campaigns.delivery.rehearsal_transports import MemoryTransport
from om_campaigns.delivery.sender import send_due
from om_campaigns.delivery.smtp import SmtpTransport
from om_campaigns.delivery.workers import start_worker
from om_campaigns.engines import open_engine
from om_campaigns.settings import SmtpSettings, Tls
from om_campaigns.store import metadata, read, write
from om_campaigns.transport import Kind, Outcome, Stage
from tests.crash.harness import sink
from tests.delivery import stage
from tests.delivery.stage import NOW, make_stage
from tests.delivery.test_sender import AnsweringTransport, compose_pack, one, send

pytestmark = pytest.mark.slow

SLOW_DOWN = Outcome(Kind.temporary, 421, "4.7.0 slow down", Stage.rcpt)
THROTTLED = Outcome(Kind.temporary, 450, "4.7.28 too many", Stage.dot)
POLICY = Outcome(Kind.permanent, 550, "5.7.26 unauthenticated", Stage.dot)
NOT_THERE = Outcome(Kind.permanent, 550, "5.1.1 user unknown", Stage.rcpt)


def spread(engine: Engine, domains: tuple[str, ...]) -> None:
    """Recipient n gets an address p<n> at one of these domains, in turns."""
    with write(engine) as session:
        for address in session.exec(select(Address)):
            address.domain = domains[(address.id or 0) % len(domains)]
            address.address = address.normal_key = f"p{address.id}@{address.domain}"


def compose_to(session: Any, dues: Any, _now: datetime) -> list[Any]:
    """Letters to the addresses as they stand in the database."""
    addresses = {each.id: each.address for each in session.exec(select(Address))}
    return [stage.prepare(due, to=addresses[due.address_id]) for due in dues]


def statuses(engine: Engine) -> Counter[DispatchStatus]:
    with read(engine) as session:
        return Counter(session.exec(select(Dispatch.status)))


def reached(transport: MemoryTransport) -> Counter[str]:
    return Counter(destination_of_address(envelope.recipient) for envelope, _ in transport.letters)


# --- limits ------------------------------------------------------------------------------------------------------------------

REQUESTS = st.lists(
    st.tuples(st.integers(0, 40), st.sampled_from([1, 2]), st.sampled_from(["a", "b", "c"]), st.sampled_from([1, 1, 2, 3])),
    min_size=1,
    max_size=70,
)


@pytest.mark.slow
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(1, 9), st.integers(0, 4), st.integers(0, 5), REQUESTS)
def test_no_window_of_sender_destination_or_campaign_ever_holds_one_more(
    sender: int, domain: int, campaign: int, requests: list[tuple[int, int, str, int]]
) -> None:
    """Two ledgers ask in turns at random seconds, for letters and for packs of several mails whose later ones come when others have
    asked meanwhile; the counts stand in the database (BULK-18). A pack that has begun is never held up by a limit it fits into.
    """
    rates = stage.Pace(rate_per_minute=sender, domain_per_minute=domain, domains={"c": 1})
    rules = Rules("smtp", rates, {1: campaign})
    granted: dict[str, list[datetime]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        engine = open_engine("sqlite:///limits.db", root=Path(folder))
        metadata.create_all(engine)
        ledgers = [Claims(engine, start_worker(engine, Path(folder), NOW).id) for _ in range(2)]
        now = NOW
        begun: deque[tuple[list[Limit], Places, datetime]] = deque()

        def begin(ledger: Claims, limits: list[Limit], places: Places) -> bool:
            if ledger.take_turn(limits, now, places) is not None:
                return False
            for limit in limits:
                granted[limit.subject].append(now)
            return True

        for turn, (gap, number, destination, mails) in enumerate(requests):
            now += timedelta(seconds=gap, milliseconds=turn * 37)
            limits, places = rules.of(number, destination), Places(mails)
            if begin(ledgers[turn % 2], limits, places):
                begun += [(limits, places, now)] * (mails - 1)
            while len(begun) > 2:
                limits, places, since = begun.popleft()
                fits = now - since <= MINUTE and all(limit.most >= 3 for limit in limits)
                assert begin(ledgers[turn % 2], limits, places) or not fits
        for each in ledgers:
            each.close()
        engine.dispose()
    most = {"smtp": (sender, MINUTE), "domain:c": (1, MINUTE), "campaign:1": (campaign, HOUR)}
    for subject, times in granted.items():
        allowed, period = most.get(subject, (domain, MINUTE))
        assert all(later - earlier > period for earlier, later in zip(times, times[allowed:], strict=False)), (subject, times)


def test_a_full_destination_does_not_keep_others_waiting(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 40)
    spread(engine, ("web.de", "a.example", "gmx.de", "b.example"))
    transport = MemoryTransport()
    rates = stage.Pace(connections=2, domains={"gmx.net": 4})
    account = send(engine, tmp_path, transport, smtp=rates, compose=compose_to)
    assert reached(transport) == {"gmx.de": 4, "a.example": 10, "b.example": 10}
    assert (account.sent, account.ended, account.detail) == (24, Ended.paced, "limits are reached: gmx.de")
    assert statuses(engine) == {DispatchStatus.sent: 24, DispatchStatus.planned: 16}
    later = send(engine, tmp_path, transport, smtp=rates, compose=compose_to, at=NOW + timedelta(seconds=61))
    assert (later.sent, reached(transport)["gmx.de"]) == (4, 8)


def test_a_full_destination_makes_no_worker_and_no_message(engine: Engine, tmp_path: Path) -> None:
    """A wake-up every minute leaves nothing behind while a limit or a brake holds everything."""
    make_stage(engine, 9)
    rates = stage.Pace(connections=1, domain_per_minute=3)
    send(engine, tmp_path, MemoryTransport(), smtp=rates)
    with read(engine) as session:
        before = len(session.exec(select(Message)).all())
    assert send(engine, tmp_path, MemoryTransport(), smtp=rates, at=NOW + timedelta(seconds=5)).ended is Ended.paced
    with read(engine) as session:
        assert len(session.exec(select(Message)).all()) == before
    assert one(engine, Worker, 2) is None


def test_a_campaigns_own_limit_is_that_of_its_latest_version(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 12)
    with write(engine) as session:
        session.get_one(CampaignVersion, 1).structure = {"per_hour": 5}
    transport = MemoryTransport()
    assert send(engine, tmp_path, transport).sent == 5
    assert send(engine, tmp_path, transport, at=NOW + timedelta(minutes=59)).sent == 0
    assert send(engine, tmp_path, transport, at=NOW + timedelta(minutes=62)).sent == 5


def make_packs(engine: Engine, count: int, *, letters: int = 0) -> None:
    """Packs of cover and ready mail, and behind them letters to the same destination."""
    make_stage(engine, count + letters)
    with write(engine) as session:
        for number in range(1, count + 1):
            house = {"slug": f"h{number}", "name": "H", "name_key": "h", "org_type": "chamber_hwk", "level": Level.regional}
            session.add(Organisation(id=100 + number, zone="Europe/Berlin", **house))
            session.flush()
            session.add(Pack(code=f"k{number}", dispatch_id=number, campaign_id=1, step="a1", organisation_id=100 + number, state_at=NOW))


def compose_packs(session: Any, dues: Any, now: datetime) -> list[Any]:
    packs = set(session.exec(select(Pack.dispatch_id)))
    return [
        each
        for due in dues
        for each in (compose_pack(session, [due], now) if due.id in packs else [stage.prepare(due, to=f"p{due.id}@y.example")])
    ]


def names(transport: MemoryTransport) -> list[str]:
    return sorted(envelope.recipient.partition("@")[0] for envelope, _ in transport.letters)


@pytest.mark.slow
@pytest.mark.parametrize("connections", [1, 2])
@pytest.mark.parametrize(("limit", "period"), [("per_hour", HOUR), ("domain_per_minute", MINUTE), ("rate_per_minute", MINUTE)])
def test_cover_and_ready_mail_go_together_whatever_the_limit(
    engine: Engine, tmp_path: Path, limit: str, period: timedelta, connections: int
) -> None:
    """FWD-02: two mails in one touch. Three places: one pack, and the third place is kept for the next one, not for a letter behind it."""
    make_packs(engine, 2, letters=2)
    if limit == "per_hour":
        with write(engine) as session:
            session.get_one(CampaignVersion, 1).structure = {"per_hour": 3}
    rates = stage.Pace(connections=connections, **({limit: 3} if limit != "per_hour" else {}))
    transport, at = MemoryTransport(), NOW
    assert send(engine, tmp_path, transport, smtp=rates, compose=compose_packs).ended is Ended.paced
    assert names(transport) == ["cover1", "ready1"]
    made = len(all_messages(engine))
    send(engine, tmp_path, transport, smtp=rates, compose=compose_packs)
    assert (len(transport.letters), len(all_messages(engine)) - made if limit != "rate_per_minute" else 0) == (2, 0)
    at += period * 62 / 60
    send(engine, tmp_path, transport, smtp=rates, compose=compose_packs, at=at)
    assert set(names(transport)) >= {"cover2", "ready2"}
    assert len(transport.letters) == 5
    at += period * 62 / 60
    assert send(engine, tmp_path, transport, smtp=rates, compose=compose_packs, at=at).ended is Ended.done
    assert names(transport) == ["cover1", "cover2", "p3", "p4", "ready1", "ready2"]


def test_a_limit_smaller_than_a_pack_lets_its_mails_go_one_after_the_other(engine: Engine, tmp_path: Path) -> None:
    make_packs(engine, 2)
    rates, transport = stage.Pace(connections=1, domain_per_minute=1), MemoryTransport()
    for minute in range(4):
        send(engine, tmp_path, transport, smtp=rates, compose=compose_packs, at=NOW + minute * timedelta(seconds=61))
        assert len(transport.letters) == minute + 1
    assert names(transport) == ["cover1", "cover2", "ready1", "ready2"]
    assert statuses(engine) == {DispatchStatus.sent: 2}


def all_messages(engine: Engine) -> list[int]:
    with read(engine) as session:
        return [each.id or 0 for each in session.exec(select(Message))]


def send_some(url: str, port: int, folder: Path, began: datetime, ready: Any) -> None:
    engine = open_engine(url)
    transport = SmtpTransport(SmtpSettings(host="127.0.0.1", port=port, tls=Tls.none, helo="limits.example"))
    rates = stage.Pace(connections=2, rate_per_minute=40, domain_per_minute=15)
    ready.wait(60)
    clock = lambda: NOW + (system_clock() - began)  # noqa: E731
    send_due(engine, clock=clock, compose=compose_to, transport=transport, smtp=rates, lock_folder=folder)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_two_processes_keep_one_limit_by_the_clock_on_the_wall(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    engine: Engine = request.getfixturevalue(f"{kind}_engine")
    make_stage(engine, 90)
    spread(engine, ("a.example", "b.example", "c.example"))
    context = multiprocessing.get_context("forkserver")
    ready = context.Barrier(2)
    record = tmp_path / "sink.txt"
    with sink(record, 0) as port:
        url = engine.url.render_as_string(hide_password=False)
        running = [context.Process(target=send_some, args=(url, port, tmp_path, system_clock(), ready)) for _ in range(2)]
        for each in running:
            each.start()
        until = time.monotonic() + 45
        while time.monotonic() < until and (not record.exists() or len(record.read_text().splitlines()) < 40):
            time.sleep(0.1)
        for each in running:
            each.join(2)  # time for a letter too many
            each.kill()
    lines = [line.split() for line in record.read_text().splitlines()]
    per_domain = Counter(line[0].partition("@")[2] for line in lines)
    assert len(lines) == 40
    assert max(per_domain.values()) <= 15
    assert len({line[1] for line in lines}) == 40


# --- brakes ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", [SLOW_DOWN, THROTTLED])
def test_a_destination_that_asks_to_slow_down_is_left_alone_and_no_other(engine: Engine, tmp_path: Path, answer: Outcome) -> None:
    """BULK-18: 421 and 4.7.x."""
    make_stage(engine, 30)
    spread(engine, ("web.de", "a.example", "gmx.de"))
    transport = AnsweringTransport({f"p{n}@web.de": [answer] for n in range(0, 31, 3)})
    account = send(engine, tmp_path, transport, compose=compose_to)
    assert reached(transport)["a.example"] == 10
    assert account.retry == 1
    assert (account.ended, account.detail) == (Ended.paced, "left alone for now: gmx.de")
    assert statuses(engine)[DispatchStatus.planned] == 19 - reached(transport)["gmx.de"]
    assert send(engine, tmp_path, transport, compose=compose_to, at=NOW + timedelta(minutes=4)).handled == 0
    assert send(engine, tmp_path, MemoryTransport(), compose=compose_to, at=NOW + timedelta(minutes=6)).sent > 0


def test_greylisting_leaves_no_destination_alone_whatever_its_code(engine: Engine, tmp_path: Path) -> None:
    """RFC 6647: many servers say 4.7.1."""
    make_stage(engine, 4)
    grey = Outcome(Kind.temporary, 450, "4.7.1 Greylisted, please come again", Stage.rcpt)
    account = send(engine, tmp_path, AnsweringTransport({f"p{n}@y.example": [grey] for n in (1, 2)}))
    assert (account.retry, account.sent, account.ended) == (2, 2, Ended.done)


def test_421_at_mail_speaks_of_the_connection_not_of_a_destination(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 3)
    answers = {"p1@y.example": [Outcome(Kind.temporary, 421, "4.3.2 shutting down", Stage.mail)]}
    send(engine, tmp_path, AnsweringTransport(answers))
    assert statuses(engine) == {DispatchStatus.retry: 1, DispatchStatus.sent: 2}


def test_each_time_in_a_row_it_is_left_alone_for_longer() -> None:
    waits = [make_slow_until(times, NOW) - NOW for times in range(1, 10)]
    assert waits[:3] == [timedelta(minutes=5), timedelta(minutes=10), timedelta(minutes=20)]
    assert waits[-1] == LONGEST_SLOWED
    assert waits == sorted(waits)


def test_slowing_down_is_remembered_until_it_was_quiet_for_an_hour(engine: Engine) -> None:
    until = NOW
    for times in (1, 2, 3):
        with write(engine) as session:
            now, until = until, circuit_breakers.close_destination(session, circuit_breakers.SLOWED, "gmx.de", until, "421")
        assert until == make_slow_until(times, now)
    with write(engine) as session:
        later = until + timedelta(hours=2)
        assert circuit_breakers.close_destination(session, circuit_breakers.SLOWED, "gmx.de", later, "421") == make_slow_until(1, later)


def test_a_burst_of_policy_refusals_stops_that_destination_and_suppresses_nobody_bnc_13(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 90)
    spread(engine, ("web.de", "a.example", "b.example", "gmx.de", "c.example", "d.example"))
    transport = AnsweringTransport({f"p{n}@{domain}": [POLICY] for n in range(91) for domain in ("web.de", "gmx.de")})
    account = send(engine, tmp_path, transport, compose=compose_to, smtp=stage.Pace(connections=1))
    assert account.failed == 10
    with read(engine) as session:
        assert load_closed(session, NOW + timedelta(hours=23)) == {"gmx.de"}
        assert session.exec(select(Suppression)).all() == []
        assert "refused: dot: 550 5.7.26" in session.exec(select(Pace).where(Pace.scope == "stopped")).one().detail
    with write(engine) as session:
        assert open_destination(session, "gmx.de")
        assert not open_destination(session, "gmx.de")
        release_campaign(session, 1)
        session.get_one(Campaign, 1).status = CampaignStatus.running
    send(engine, tmp_path, MemoryTransport(), compose=compose_to)
    assert statuses(engine) == {DispatchStatus.failed: 10, DispatchStatus.sent: 80}


@pytest.mark.parametrize(("failing", "paused"), [(2, True), (1, False)])
def test_a_tenth_of_failures_among_twenty_within_an_hour_pauses_the_campaign(
    engine: Engine, tmp_path: Path, failing: int, *, paused: bool
) -> None:
    make_stage(engine, 60)
    answers = {f"p{20 - n}@y.example": [NOT_THERE] for n in range(failing)}
    account = send(engine, tmp_path, AnsweringTransport(answers), smtp=stage.Pace(connections=1))
    campaign: Campaign = one(engine, Campaign)
    assert account.detail.startswith("a campaign was paused: 2 of 20 letters failed") is paused
    assert (campaign.status is CampaignStatus.paused) is paused
    if not paused:
        assert statuses(engine) == {DispatchStatus.failed: 1, DispatchStatus.sent: 59}
        return
    found = statuses(engine)
    assert (found[DispatchStatus.failed], found[DispatchStatus.sent]) == (2, 18)
    assert found[DispatchStatus.planned] == 40
    with read(engine) as session:
        why = session.exec(select(Pace).where(Pace.scope == "paused")).one().detail
        assert why == "2 of 20 letters failed within an hour, the last one: rcpt: 550 5.1.1 user unknown"
        assert session.exec(select(Change).where(Change.field == "status")).one().new == f"paused: {why}"


def test_failures_of_an_earlier_process_count_and_those_of_an_earlier_hour_do_not(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 40)
    answers = {f"p{n}@y.example": [NOT_THERE] for n in (5, 12, 30)}
    due_later(engine, 11, NOW + timedelta(minutes=30))
    send(engine, tmp_path, AnsweringTransport(answers), smtp=stage.Pace(connections=1))
    assert one(engine, Campaign).status is CampaignStatus.running  # one of ten
    later = NOW + timedelta(minutes=30)
    send(engine, tmp_path, AnsweringTransport(answers), smtp=stage.Pace(connections=1), at=later)
    assert one(engine, Campaign).status is CampaignStatus.paused
    with write(engine) as session:
        release_campaign(session, 1)
        session.get_one(Campaign, 1).status = CampaignStatus.running
    send(engine, tmp_path, AnsweringTransport(answers), smtp=stage.Pace(connections=1), at=later)
    assert statuses(engine)[DispatchStatus.planned] == 0


def due_later(engine: Engine, first: int, at: datetime) -> None:
    with write(engine) as session:
        session.execute(update(Dispatch).where(Dispatch.id >= first).values(due_at=at))  # type: ignore[arg-type, operator]


# --- destinations ------------------------------------------------------------------------------------------------------------


def test_the_domains_of_one_provider_are_one_destination() -> None:
    assert destination_of_address("anna@web.de") == destination_of_address("ben@gmx.net") == "gmx.de"
    assert destination_of_address("anna@ihk-tal.de") == "ihk-tal.de"
    assert set(domains_of(["gmx.de", "ihk-tal.de"])) >= {"web.de", "gmx.net", "ihk-tal.de"}
    listed = [domain for domains in OPERATORS for domain in domains]
    assert len(listed) == len(set(listed))
