"""From what a server said to what stands in the ledger."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from zoneinfo import ZoneInfo

from om_campaigns.campaign.vocabulary import DispatchStatus, Reason
from om_campaigns.delivery.letters import Done
from om_campaigns.delivery.models import MessageState
from om_campaigns.delivery.pacing import make_retry_at
from om_campaigns.delivery.replies import OURS, Fault, is_hard, make_fault
from om_campaigns.delivery.transport import Kind, Outcome, Stage

_EPOCH = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class Verdict:
    """The states after an attempt. ``suppress``: the address is not there (BNC-07). ``ours``: the refusal is about us (BNC-13)."""

    message: MessageState
    dispatch: DispatchStatus
    reason: Reason = Reason.none
    detail: str = ""
    retry_at: datetime | None = None
    suppress: bool = False
    ours: bool = False


SENT = Verdict(MessageState.sent, DispatchStatus.sent)


def make_verdict(done: Done) -> Verdict:
    """What one outcome means for message and dispatch."""
    outcome = done.outcome
    if outcome.kind is Kind.accepted:
        return SENT
    said = make_detail(outcome, done.letter.prepared.envelope_to)
    if outcome.kind is Kind.uncertain:
        return Verdict(MessageState.uncertain, DispatchStatus.uncertain, detail=said)
    fault = make_fault(outcome.code, outcome.reply)
    if outcome.kind is Kind.temporary:
        letter = done.letter
        retry_at = make_retry_at(
            letter.attempts + 1, letter.first_claimed_at, done.at, greylisted=fault is Fault.greylist, ref=letter.prepared.ref
        )
        if retry_at is not None:
            return Verdict(MessageState.retry, DispatchStatus.retry, detail=said, retry_at=retry_at)
        return Verdict(MessageState.failed, DispatchStatus.failed, Reason.gave_up, said)
    if outcome.needs_smtputf8:
        return Verdict(MessageState.failed, DispatchStatus.failed, Reason.needs_smtputf8, said)
    if outcome.at_stage is Stage.rcpt and is_hard(outcome.code, outcome.reply):
        return Verdict(MessageState.failed, DispatchStatus.failed, Reason.hard_bounce, said, suppress=True)
    return Verdict(MessageState.failed, DispatchStatus.failed, Reason.refused, said, ours=fault in OURS)


def make_detail(outcome: Outcome, recipient: str) -> str:
    """Stage, code and text for people; the recipient's address, which servers like to repeat, is left out (MSG-25)."""
    said = re.sub(re.escape(recipient), "…", outcome.reply, flags=re.IGNORECASE)
    return " ".join(part for part in (f"{outcome.at_stage.value}:", str(outcome.code or ""), said) if part)


def make_day(at: datetime, zone: str) -> int:
    """The local calendar day of an instant as days since 1970-01-01."""
    return _day_of_quarter(int(at.timestamp()) // 900, zone)


@lru_cache(maxsize=256)
def _day_of_quarter(quarter: int, zone: str) -> int:
    return datetime.fromtimestamp(quarter * 900, ZoneInfo(zone)).toordinal() - _EPOCH
