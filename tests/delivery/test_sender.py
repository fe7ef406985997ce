"""Sender: every outcome stands in the ledger with its touch; permission is read again at the hand-over (UNS-08, MSG-04)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text, update
from sqlmodel import Session, select

from om_campaigns.audience.models import Address, Basis, Organisation, Person, Suppression, Touch
from om_campaigns.audience.vocabulary import (
    BasisKind,
    BounceState,
    OrganisationStatus,
    PersonStatus,
    Sender,
    SuppressionReason,
    SuppressionScope,
)
from om_campaigns.campaign.models import Campaign, Dispatch
from om_campaigns.campaign.vocabulary import CampaignStatus, DispatchStatus, Reason
from om_campaigns.clock import fixed_clock
from om_campaigns.delivery.handover import Compose, Ended, Held, Prepared, Sent
from om_campaigns.delivery.models import Message, MessageSlots, MessageState, Pace, Part, Worker
from om_campaigns.delivery.rehearsal_transports import LocalConnection, MemoryTransport
from om_campaigns.delivery.send_queue import Due, of_campaign
from om_campaigns.delivery.sender import send_due
from om_campaigns.store import instance, read, write
from om_campaigns.transport import Connection, Envelope, Kind, NoConnectionError, Outcome, Stage, Transport, Trouble
from tests.delivery import stage
from tests.delivery.stage import NOW, compose, make_stage, prepare


class AnsweringTransport(MemoryTransport):
    """Memory with a will of its own: ``answers`` per recipient, used up one by one; ``on_offer`` runs before each answer."""

    def __init__(self, answers: dict[str, list[Outcome]] | None = None, on_offer: Callable[[str], None] | None = None) -> None:
        super().__init__()
        self.answers = answers or {}
        self.on_offer = on_offer

    def connect(self) -> LocalConnection:
        return AnsweringConnection(self)


class AnsweringConnection(LocalConnection):
    def __init__(self, transport: AnsweringTransport) -> None:
        super().__init__(transport.keep)
        self.mine = transport
        self.recipient = ""

    def offer(self, envelope: Envelope) -> None:
        super().offer(envelope)
        self.recipient = envelope.recipient
        if self.mine.on_offer is not None:
            self.mine.on_offer(envelope.recipient)

    def answer(self) -> Outcome | None:
        waiting = self.mine.answers.get(self.recipient, [])
        return waiting.pop(0) if waiting and waiting[0].at_stage is not Stage.dot else None

    def hand_over(self, content: bytes, then: Envelope | None) -> Outcome:
        waiting = self.mine.answers.get(self.recipient, [])
        return waiting.pop(0) if waiting else super().hand_over(content, then)


def send(engine: Engine, folder: Path, transport: Transport, *, at: datetime = NOW, **options: Any) -> Sent:
    given: Compose = options.pop("compose", compose)
    pace = options.pop("smtp", stage.Pace(connections=1))
    return send_due(engine, clock=fixed_clock(at), compose=given, transport=transport, smtp=pace, lock_folder=folder, **options)


def one(engine: Engine, table: Any, number: int = 1) -> Any:
    with read(engine) as session:
        found = session.get(table, number)
        if found is not None:
            session.expunge(found)
        return found


def touches(engine: Engine) -> Sequence[Touch]:
    with read(engine) as session:
        found = session.exec(select(Touch)).all()
        session.expunge_all()
        return found


def message_of(engine: Engine) -> Message:
    with read(engine) as session:
        found = session.exec(select(Message)).one()
        session.expunge(found)
        return found


def test_everything_due_is_sent_once_and_recorded_with_its_touch(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 30)
    transport = MemoryTransport()
    account = send(engine, tmp_path, transport, smtp=stage.Pace(connections=2))
    assert (account.sent, account.handled, account.ended) == (30, 30, Ended.done)
    assert Counter(envelope.recipient for envelope, _ in transport.letters) == Counter(f"p{n}@y.example" for n in range(1, 31))
    dispatch, message = one(engine, Dispatch, 7), one(engine, Message, 7)
    assert (dispatch.status, dispatch.sent_at, dispatch.attempts) == (DispatchStatus.sent, NOW, 1)
    assert (message.state, message.sent_at, message.code, message.attempts) == (MessageState.sent, NOW, 250, 1)
    facts = touches(engine)
    assert len(facts) == 30
    first = next(fact for fact in facts if fact.recipient_id == 1)
    assert (first.step, first.address_id, first.at, first.day, first.certain) == ("a1", 1, NOW, 20823, True)
    assert (first.ideas, first.items) == ("we_opportunities", "a1")
    assert one(engine, MessageSlots).slot_values["contact.full_name"].startswith("Jörg")
    assert one(engine, Worker).ended_at == NOW
    assert list(tmp_path.glob("*.lock")) == []


def test_a_second_run_at_the_same_instant_changes_nothing(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 3)
    transport = MemoryTransport()
    send(engine, tmp_path, transport)
    assert send(engine, tmp_path, transport).handled == 0
    assert len(transport.letters) == 3
    assert one(engine, Worker, 2) is None


def test_instants_written_by_the_ledger_compare_with_those_of_the_planner(engine: Engine, tmp_path: Path) -> None:
    """One spelling of an instant in a column, else ranges over it are wrong."""
    make_stage(engine, 2)
    send(engine, tmp_path, MemoryTransport())
    with read(engine) as session:
        assert session.exec(select(Dispatch).where(Dispatch.sent_at == NOW)).all()  # type: ignore[arg-type]
        assert not session.exec(select(Touch).where(Touch.at < NOW)).all()  # type: ignore[arg-type]


def test_what_is_not_due_or_outside_its_window_stays_planned(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 3)
    with write(engine) as session:
        session.get_one(Dispatch, 1).due_at = NOW + timedelta(seconds=1)
        session.get_one(Dispatch, 2).open_until = NOW
        session.get_one(Dispatch, 3).open_until = NOW + timedelta(seconds=1)
    transport = MemoryTransport()
    assert send(engine, tmp_path, transport).sent == 1
    assert [envelope.recipient for envelope, _ in transport.letters] == ["p3@y.example"]


def test_only_the_named_campaign_is_sent(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 2)
    assert send(engine, tmp_path, MemoryTransport(), chosen=[of_campaign(2)]).handled == 0
    assert send(engine, tmp_path, MemoryTransport(), chosen=[of_campaign(1)]).sent == 2


def suppressed(session: Session) -> None:
    hidden = {"scope_kind": SuppressionScope.mailing_list, "scope": "reihe", "reason": SuppressionReason.opt_out, "at": NOW}
    session.add(Suppression(hmac="h1", key_id="k1", **hidden))


def withdrawn(session: Session) -> None:
    session.get_one(Basis, 1).withdrawn_at = NOW


def employer_only(session: Session) -> None:
    session.get_one(Basis, 1).kind = BasisKind.employer_internal


def house_paused(session: Session) -> None:
    session.get_one(Organisation, 1).status = OrganisationStatus.paused


def person_left(session: Session) -> None:
    session.get_one(Person, 1).status = PersonStatus.left


def erased(session: Session) -> None:
    session.get_one(Address, 1).erased_at = NOW


def stopped(session: Session) -> None:
    session.get_one(Campaign, 1).status = CampaignStatus.stopped


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (suppressed, Reason.suppressed),
        (withdrawn, Reason.no_basis),
        (employer_only, Reason.no_basis),
        (house_paused, Reason.organisation_inactive),
        (person_left, Reason.person_inactive),
        (erased, Reason.erased),
        (stopped, Reason.campaign_stopped),
    ],
)
def test_permission_that_goes_between_claim_and_hand_over_cancels_uns_08(
    engine: Engine, tmp_path: Path, change: Callable[[Session], None], reason: Reason
) -> None:
    make_stage(engine, 1)

    def take_away(_recipient: str) -> None:
        with write(engine) as session:
            change(session)

    transport = AnsweringTransport(on_offer=take_away)
    account = send(engine, tmp_path, transport)
    assert transport.letters == []
    assert (account.dropped, account.skipped, account.handled) == (1, Counter({reason: 1}), 0)
    dispatch = one(engine, Dispatch)
    assert (dispatch.status, dispatch.reason) == (DispatchStatus.cancelled, reason)
    assert message_of(engine).state is MessageState.dropped
    assert touches(engine) == []


def test_a_house_without_shared_responsibility_does_not_lend_its_basis(engine: Engine, tmp_path: Path) -> None:
    """LAW-01, LAW-18: a basis collected by the house carries mail in its name only with role processor or joint."""
    make_stage(engine, 1, sender=Sender.home)
    with write(engine) as session:
        session.get_one(Basis, 1).collector_id = 1
    assert send(engine, tmp_path, MemoryTransport()).sent == 1
    make_again(engine)
    with write(engine) as session:
        session.get_one(Organisation, 1).data_role = None
    assert send(engine, tmp_path, MemoryTransport()).skipped == Counter({Reason.no_basis: 1})


def make_again(engine: Engine) -> None:
    """Dispatch 1 is owed once more, as if it had never been served."""
    with write(engine) as session:
        for table in ("message_slots", "message_dispatch", "message", "touch"):
            session.execute(text(f"DELETE FROM {table}"))
        session.execute(update(Dispatch).values(status=DispatchStatus.planned, reason=Reason.none, sent_at=None))


def test_a_campaign_paused_meanwhile_owes_its_letters_again(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 8)

    def pause(_recipient: str) -> None:
        with write(engine) as session:
            session.get_one(Campaign, 1).status = CampaignStatus.paused

    transport = AnsweringTransport(on_offer=pause)
    account = send(engine, tmp_path, transport)
    assert (transport.letters, account.sent, account.dropped) == ([], 0, 0)
    assert one(engine, Dispatch).reason is Reason.campaign_paused
    with read(engine) as session:
        assert {row.status for row in session.exec(select(Dispatch))} == {DispatchStatus.planned}
    with write(engine) as session:
        session.get_one(Campaign, 1).status = CampaignStatus.running
    assert send(engine, tmp_path, MemoryTransport()).sent == 8


def test_halt_stops_the_run_and_loses_nothing(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 8)

    def halt(recipient: str) -> None:
        if recipient == "p3@y.example":
            with write(engine) as session:
                instance(session).halted_at = NOW

    transport = AnsweringTransport(on_offer=halt)
    account = send(engine, tmp_path, transport)
    assert (account.sent, account.ended) == (2, Ended.halted)
    with read(engine) as session:
        assert Counter(row.status for row in session.exec(select(Dispatch))) == {DispatchStatus.sent: 2, DispatchStatus.planned: 6}
    assert send(engine, tmp_path, transport).ended is Ended.halted
    with write(engine) as session:
        instance(session).halted_at = None
    assert send(engine, tmp_path, MemoryTransport()).sent == 6


def test_a_letter_without_a_value_is_held_and_told(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 2)

    def hold_first(_session: Session, dues: Sequence[Due], _now: datetime) -> list[Prepared | Held]:
        return [Held(due.id, Reason.missing_value, "contact.full_name") if due.id == 1 else prepare(due) for due in dues]

    account = send(engine, tmp_path, MemoryTransport(), compose=hold_first)
    assert (account.sent, account.held, account.skipped) == (1, 1, Counter({Reason.missing_value: 1}))
    dispatch = one(engine, Dispatch)
    assert (dispatch.status, dispatch.reason, dispatch.detail) == (DispatchStatus.held, Reason.missing_value, "contact.full_name")


def test_a_row_that_composing_forgets_is_an_error_not_an_endless_loop(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 2)
    with pytest.raises(RuntimeError, match="no answer for dispatch"):
        send(engine, tmp_path, MemoryTransport(), compose=lambda _session, _dues, _now: [])


def test_an_error_of_composing_gives_back_what_was_claimed(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 40)
    calls = []

    def break_later(session: Session, dues: Sequence[Due], now: datetime) -> Sequence[Prepared | Held]:
        calls.append(len(dues))
        if len(calls) > 1:
            raise ZeroDivisionError
        return compose(session, dues, now)

    transport = MemoryTransport()
    with pytest.raises(ZeroDivisionError):
        send(engine, tmp_path, transport, compose=break_later)
    with read(engine) as session:
        found = Counter(row.status for row in session.exec(select(Dispatch)))
    assert set(found) <= {DispatchStatus.sent, DispatchStatus.planned}
    assert found[DispatchStatus.sent] == len(transport.letters)
    assert send(engine, tmp_path, transport).sent == 40 - found[DispatchStatus.sent]


def temporary(code: int | None = 450, reply: str = "try later", stage_of: Stage = Stage.rcpt, *, lost: bool = False) -> Outcome:
    return Outcome(Kind.temporary, code, reply, stage_of, lost)


@pytest.mark.parametrize("stage_of", [Stage.rcpt, Stage.dot])
def test_refused_for_now_comes_again_with_the_same_message_id_msg_04(engine: Engine, tmp_path: Path, stage_of: Stage) -> None:
    """BNC-10: not before 30 minutes."""
    make_stage(engine, 1)
    transport = AnsweringTransport({"p1@y.example": [temporary(stage_of=stage_of)]})
    assert send(engine, tmp_path, transport).retry == 1
    dispatch, first = one(engine, Dispatch), message_of(engine)
    assert (dispatch.status, first.state, first.attempts) == (DispatchStatus.retry, MessageState.retry, 1)
    assert timedelta(minutes=30) <= dispatch.due_at - NOW <= timedelta(minutes=36)
    assert touches(engine) == []
    assert send(engine, tmp_path, transport, at=NOW + timedelta(minutes=29)).handled == 0
    assert send(engine, tmp_path, transport, at=dispatch.due_at).sent == 1
    second = message_of(engine)
    assert (second.message_id, second.ref, second.state, second.attempts) == (first.message_id, first.ref, MessageState.sent, 2)
    assert first.message_id.encode() in transport.letters[0][1]


def test_permission_that_goes_while_a_letter_waits_to_be_tried_again_counts_uns_08(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 1)
    transport = AnsweringTransport({"p1@y.example": [temporary()]})
    assert send(engine, tmp_path, transport).retry == 1
    with write(engine) as session:
        suppressed(session)
    account = send(engine, tmp_path, transport, at=NOW + timedelta(hours=2))
    assert (transport.letters, account.dropped, one(engine, Dispatch).reason) == ([], 1, Reason.suppressed)
    assert message_of(engine).state is MessageState.failed


def test_greylisting_comes_again_after_ten_minutes_bnc_10(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 1)
    send(engine, tmp_path, AnsweringTransport({"p1@y.example": [temporary(reply="4.2.0 Greylisted, please wait")]}))
    assert timedelta(minutes=10) <= one(engine, Dispatch).due_at - NOW <= timedelta(minutes=12)


def test_after_five_days_a_letter_is_given_up(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 1)
    transport = AnsweringTransport({"p1@y.example": [temporary() for _ in range(99)]})
    at, runs = NOW, 0
    while one(engine, Dispatch).status in (DispatchStatus.planned, DispatchStatus.retry):
        send(engine, tmp_path, transport, at=at)
        at, runs = max(one(engine, Dispatch).due_at, at), runs + 1
    assert (one(engine, Dispatch).status, one(engine, Dispatch).reason) == (DispatchStatus.failed, Reason.gave_up)
    assert timedelta(days=5) <= at - NOW <= timedelta(days=5, hours=15)
    assert 8 <= runs <= 20
    assert message_of(engine).attempts == runs


def test_an_address_that_is_not_there_is_suppressed_and_never_asked_again_bnc_07(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 1)
    gone = Outcome(Kind.permanent, 550, "5.1.1 <p1@y.example>: Recipient address rejected: User unknown", Stage.rcpt)
    assert send(engine, tmp_path, AnsweringTransport({"p1@y.example": [gone]})).failed == 1
    dispatch = one(engine, Dispatch)
    assert (dispatch.status, dispatch.reason) == (DispatchStatus.failed, Reason.hard_bounce)
    assert "p1@y.example" not in dispatch.detail
    assert "User unknown" in dispatch.detail
    suppression = one(engine, Suppression)
    assert (suppression.hmac, suppression.scope_kind, suppression.reason) == ("h1", SuppressionScope.all, SuppressionReason.hard_bounce)
    assert one(engine, Address).bounce_state is BounceState.hard


@pytest.mark.parametrize(
    ("code", "reply", "stage_of"),
    [
        (554, "5.7.1 message rejected as spam", Stage.dot),
        (550, "5.7.26 unauthenticated: SPF and DKIM failed", Stage.rcpt),
        (552, "5.3.4 message size exceeds limit", Stage.mail),
        (552, "5.2.2 mailbox full", Stage.rcpt),
        (550, "5.1.1 user unknown", Stage.dot),
    ],
)
def test_other_refusals_fail_without_suppressing_anybody_bnc_07(
    engine: Engine, tmp_path: Path, code: int, reply: str, stage_of: Stage
) -> None:
    make_stage(engine, 1)
    send(engine, tmp_path, AnsweringTransport({"p1@y.example": [Outcome(Kind.permanent, code, reply, stage_of)]}))
    assert (one(engine, Dispatch).status, one(engine, Dispatch).reason) == (DispatchStatus.failed, Reason.refused)
    assert one(engine, Suppression) is None
    assert message_of(engine).state is MessageState.failed


def test_a_storm_of_policy_refusals_stops_the_run_and_suppresses_nobody_bnc_13(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 60)
    refused = {f"p{n}@y.example": [Outcome(Kind.permanent, 550, "5.7.1 blocked by policy", Stage.rcpt)] for n in range(1, 61)}
    account = send(engine, tmp_path, AnsweringTransport(refused))
    assert (account.failed, account.sent, account.ended) == (10, 0, Ended.policy)
    assert one(engine, Suppression) is None
    with read(engine) as session:
        assert Counter(row.status for row in session.exec(select(Dispatch)))[DispatchStatus.planned] == 50


def test_no_answer_after_the_dot_is_uncertain_and_never_sent_again(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 1)
    silent = Outcome(Kind.uncertain, None, "no answer", Stage.dot, lost=True)
    transport = AnsweringTransport({"p1@y.example": [silent]})
    assert send(engine, tmp_path, transport).uncertain == 1
    assert (one(engine, Dispatch).status, message_of(engine).state) == (DispatchStatus.uncertain, MessageState.uncertain)
    assert [fact.certain for fact in touches(engine)] == [False]
    assert send(engine, tmp_path, transport, at=NOW + timedelta(days=1)).handled == 0


def test_smtputf8_missing_is_a_named_refusal_msg_09(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 1)
    refused = Outcome(Kind.permanent, None, "needs SMTPUTF8", Stage.mail, needs_smtputf8=True)
    send(engine, tmp_path, AnsweringTransport({"p1@y.example": [refused]}))
    assert one(engine, Dispatch).reason is Reason.needs_smtputf8


def test_a_server_that_breaks_three_dialogues_in_a_row_is_left_alone(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 9)
    broken = {f"p{n}@y.example": [temporary(421, "closing", Stage.mail, lost=True)] for n in range(1, 10)}
    account = send(engine, tmp_path, AnsweringTransport(broken))
    assert (account.retry, account.ended) == (3, Ended.turned_away)
    assert "closing" in account.detail


class Unreachable:
    name = "smtp"

    def connect(self) -> Connection:
        raise NoConnectionError(Trouble.auth_failed, "smtp.example:587: 535 no")


def test_without_a_connection_everything_is_given_back(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 5)
    account = send(engine, tmp_path, Unreachable())
    assert (account.handled, account.ended, account.detail) == (0, Ended.auth_failed, "smtp.example:587: 535 no")
    with read(engine) as session:
        assert {row.status for row in session.exec(select(Dispatch))} == {DispatchStatus.planned}
        assert {row.state for row in session.exec(select(Message))} == {MessageState.dropped}


def test_stop_finishes_the_letter_on_the_wire_and_gives_the_rest_back(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 20)
    stop = threading.Event()
    transport = AnsweringTransport(on_offer=lambda recipient: stop.set() if recipient == "p2@y.example" else None)
    account = send(engine, tmp_path, transport, stop=stop)
    assert (account.sent, account.ended) == (2, Ended.stopped)
    with read(engine) as session:
        assert Counter(row.status for row in session.exec(select(Dispatch))) == {DispatchStatus.sent: 2, DispatchStatus.planned: 18}
    assert send(engine, tmp_path, MemoryTransport()).sent == 18


def test_a_retry_given_back_keeps_its_message_msg_04(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 1)
    transport = AnsweringTransport({"p1@y.example": [temporary()]})
    send(engine, tmp_path, transport)
    first = message_of(engine)
    later = one(engine, Dispatch).due_at
    send(engine, tmp_path, Unreachable(), at=later)
    assert (one(engine, Dispatch).status, message_of(engine).state) == (DispatchStatus.retry, MessageState.retry)
    send(engine, tmp_path, transport, at=later)
    assert (message_of(engine).message_id, message_of(engine).state) == (first.message_id, MessageState.sent)


def test_one_letter_may_serve_several_dispatches(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 2)

    def merge(_session: Session, dues: Sequence[Due], _now: datetime) -> list[Prepared | Held]:
        return [replace(prepare(dues[0]), dispatch_ids=tuple(due.id for due in dues))]

    transport = MemoryTransport()
    assert send(engine, tmp_path, transport, compose=merge).sent == 1
    assert len(transport.letters) == 1
    assert {one(engine, Dispatch, n).status for n in (1, 2)} == {DispatchStatus.sent}
    assert len(touches(engine)) == 2


def test_a_merged_letter_waits_when_one_of_its_dispatches_lost_permission(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 2)
    with write(engine) as session:
        session.get_one(Person, 2).status = PersonStatus.left

    def merge(_session: Session, dues: Sequence[Due], _now: datetime) -> list[Prepared | Held]:
        return [replace(prepare(dues[0]), dispatch_ids=tuple(due.id for due in dues))]

    transport = MemoryTransport()
    send(engine, tmp_path, transport, compose=merge)
    assert (one(engine, Dispatch, 2).status, one(engine, Dispatch, 1).reason) == (DispatchStatus.cancelled, Reason.none)
    send(engine, tmp_path, transport, compose=merge)
    assert (one(engine, Dispatch, 1).status, len(transport.letters)) == (DispatchStatus.sent, 1)


@pytest.mark.slow
def test_a_standing_clock_sends_one_minutes_worth_and_ends_bulk_18(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 12)
    transport = MemoryTransport()
    account = send(engine, tmp_path, transport, smtp=stage.Pace(connections=1, rate_per_minute=5))
    assert (account.sent, account.ended) == (5, Ended.paced)
    again = send(engine, tmp_path, transport, smtp=stage.Pace(connections=1, rate_per_minute=5), at=NOW + timedelta(seconds=59))
    assert again.sent == 0
    later = send(engine, tmp_path, transport, smtp=stage.Pace(connections=1, rate_per_minute=5), at=NOW + timedelta(seconds=61))
    assert later.sent == 5
    with read(engine) as session:
        assert len(session.exec(select(Pace).where(Pace.scope == "rate")).all()) == 1


def test_progress_adds_up(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 25)
    seen: list[int] = []
    send(engine, tmp_path, MemoryTransport(), progress=seen.append)
    assert sum(seen) == 25


PARTS = (Part.cover, Part.ready)


def compose_pack(_session: Session, dues: Sequence[Due], _now: datetime) -> list[Prepared | Held]:
    """Cover and ready mail for each row, but never a part that was served."""
    return [prepare(due, part=part, to=f"{part}{due.id}@y.example") for due in dues for part in PARTS if not due.is_served(part)]


def states_of(engine: Engine) -> dict[str, str]:
    """Each message's state by its recipient, the latest of each."""
    return dict(_ask(engine, "SELECT envelope_to, state FROM message ORDER BY id"))


def _ask(engine: Engine, sql: str) -> Sequence[Any]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(sql))]


def test_a_pack_is_sent_when_both_parts_are_and_is_one_touch(engine: Engine, tmp_path: Path) -> None:
    """Domain rule 8: cover and ready mail are one touch."""
    make_stage(engine, 3)
    transport = MemoryTransport()
    assert send(engine, tmp_path, transport, compose=compose_pack).sent == 6
    assert one(engine, Dispatch).status is DispatchStatus.sent
    assert len(touches(engine)) == 3
    assert send(engine, tmp_path, transport, compose=compose_pack).handled == 0


@pytest.mark.parametrize("late", ["cover1@y.example", "ready1@y.example"])
def test_only_the_part_that_was_put_off_goes_again_msg_04(engine: Engine, tmp_path: Path, late: str) -> None:
    make_stage(engine, 1)
    transport = AnsweringTransport({late: [temporary(stage_of=Stage.dot)]})
    assert send(engine, tmp_path, transport, compose=compose_pack).retry == 1
    dispatch = one(engine, Dispatch)
    assert dispatch.status is DispatchStatus.retry
    assert send(engine, tmp_path, transport, compose=compose_pack, at=dispatch.due_at).sent >= 1
    assert one(engine, Dispatch).status is DispatchStatus.sent
    assert sorted(envelope.recipient for envelope, _ in transport.letters) == ["cover1@y.example", "ready1@y.example"]
    assert len(touches(engine)) == 1
    assert len(_ask(engine, f"SELECT message_id FROM message WHERE envelope_to = '{late}'")) == 1, "the same message, tried again"


def test_a_part_refused_for_good_fails_the_pack_and_the_other_is_not_begun(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 1)
    transport = AnsweringTransport({"cover1@y.example": [Outcome(Kind.permanent, 554, "no", Stage.rcpt)]})
    send(engine, tmp_path, transport, compose=compose_pack)
    assert one(engine, Dispatch).status is DispatchStatus.failed
    assert transport.letters == []
    assert states_of(engine) == {"cover1@y.example": "failed", "ready1@y.example": "dropped"}


def test_after_a_stop_between_the_parts_only_the_missing_one_goes_out(engine: Engine, tmp_path: Path) -> None:
    """The cover has left, the ready mail was given back: it alone is made again."""
    make_stage(engine, 1)
    stop = threading.Event()
    transport = AnsweringTransport(on_offer=lambda recipient: stop.set() if recipient.startswith("cover") else None)
    send(engine, tmp_path, transport, compose=compose_pack, stop=stop)
    assert [envelope.recipient for envelope, _ in transport.letters] == ["cover1@y.example"]
    assert one(engine, Dispatch).status is DispatchStatus.planned
    assert send(engine, tmp_path, transport, compose=compose_pack).sent == 1
    assert [envelope.recipient for envelope, _ in transport.letters] == ["cover1@y.example", "ready1@y.example"]
    assert one(engine, Dispatch).status is DispatchStatus.sent


def test_a_worker_that_died_between_the_parts_leaves_the_cover_single(engine: Engine, tmp_path: Path) -> None:
    """Recovery: the cover is recorded as sent, the ready mail was only claimed; the dispatch is owed again, the cover is not."""
    make_stage(engine, 1)
    send(engine, tmp_path, MemoryTransport(), compose=compose_pack)
    with write(engine) as session:
        for sql in (
            "UPDATE dispatch SET status = 'claimed', sent_at = NULL",
            "UPDATE message SET state = 'claimed', sent_at = NULL, attempts = 0 WHERE envelope_to LIKE 'ready%'",
            "UPDATE worker SET ended_at = NULL",
        ):
            session.execute(text(sql))
    transport = MemoryTransport()
    assert send(engine, tmp_path, transport, compose=compose_pack).sent == 1
    assert [envelope.recipient for envelope, _ in transport.letters] == ["ready1@y.example"]
    assert one(engine, Dispatch).status is DispatchStatus.sent
    assert len(touches(engine)) == 1


def test_an_uncertain_part_makes_the_pack_uncertain_whichever_comes_first(engine: Engine, tmp_path: Path) -> None:
    make_stage(engine, 1)
    silent = Outcome(Kind.uncertain, None, "no answer", Stage.dot, lost=True)
    transport = AnsweringTransport({"cover1@y.example": [silent]})
    assert send(engine, tmp_path, transport, compose=compose_pack).uncertain == 1
    assert one(engine, Dispatch).status is DispatchStatus.uncertain
    assert transport.letters == [], "nothing more of it goes by itself"
    assert [fact.certain for fact in touches(engine)] == [False]
