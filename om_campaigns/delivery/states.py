"""The tables of states: what may become of what we owe, of a letter on the wire, and of a pack in the house that received it.

Every state change in this house is a pair listed here, and the table in the manual is made from them (``make_table``). The SQL
by which letters and packs move is built through ``check_dispatch`` and ``check_message``, which raise for any other pair; what
the campaign room and the tick do to many rows at once (stopping, holding, releasing) is listed, but not checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Any

from om_campaigns.campaign.vocabulary import DispatchStatus as D
from om_campaigns.campaign.vocabulary import RelayState as R
from om_campaigns.delivery.models import MessageState as M

DISPATCH: Mapping[tuple[D, D], str] = {
    (D.planned, D.held): "a value is missing in the letter",
    (D.planned, D.claimed): "a worker takes it",
    (D.planned, D.skipped): "the planner finds that the step no longer applies",
    (D.planned, D.cancelled): "consent, campaign or recipient is gone",
    (D.held, D.planned): "the value is there now",
    (D.held, D.skipped): "the step no longer applies",
    (D.held, D.cancelled): "consent, campaign or recipient is gone",
    (D.claimed, D.planned): "the worker died, stopped or was paused before the content went out",
    (D.claimed, D.sent): "the server took over every part",
    (D.claimed, D.retry): "the server asked to come again, or a claimed retry was given back",
    (D.claimed, D.failed): "the server refused for good, or every attempt was used up",
    (D.claimed, D.uncertain): "the content left and no answer came",
    (D.claimed, D.cancelled): "permission was gone at the moment of the hand-over",
    (D.retry, D.claimed): "a worker takes it again",
    (D.retry, D.failed): "the letter can no longer be made",
    (D.retry, D.cancelled): "consent, campaign or recipient is gone",
    (D.uncertain, D.sent): "settled: it arrived",
    (D.uncertain, D.planned): "settled: it did not arrive",
    (D.failed, D.planned): "somebody closes the gaps of a campaign",
}

MESSAGE: Mapping[tuple[M, M], str] = {
    (M.claimed, M.sending): "the server waits for the content and permission still holds",
    (M.claimed, M.retry): "refused for now before any content, or a claimed retry was given back",
    (M.claimed, M.failed): "refused for good before any content",
    (M.claimed, M.dropped): "given back, called off, or its worker died",
    (M.claimed, M.uncertain): "the machine lost power: what was recorded after the claim may be lost",
    (M.sending, M.sent): "the server took it over (2xx after the last dot)",
    (M.sending, M.retry): "4xx after the last dot, or the line broke before it",
    (M.sending, M.failed): "5xx after the last dot",
    (M.sending, M.uncertain): "the last dot left and no answer came, or the worker died",
    (M.retry, M.claimed): "a worker takes it again, with the same Message-ID (MSG-04)",
    (M.retry, M.failed): "the letter can no longer be made, or time is up",
    (M.uncertain, M.sent): "settled: it arrived",
    (M.uncertain, M.retry): "settled: it did not arrive; it keeps its Message-ID (MSG-04)",
}


RELAY: Mapping[tuple[R, R], str] = {
    (R.planned, R.offered): "cover and ready mail were handed over",
    (R.planned, R.forwarded): "the mail to the house's own list was handed over",
    (R.offered, R.accepted): "the contact says it will be passed on",
    (R.offered, R.postponed): "the contact names a later day",
    (R.offered, R.skipped): "not this time",
    (R.offered, R.forwarded): "the contact, or a colleague, has passed it on",
    (R.offered, R.reported): "the acknowledgement has come",
    (R.offered, R.replaced): "the next pack of the series was offered and nobody had taken this one",
    (R.offered, R.expired): "its last day has passed",
    (R.accepted, R.offered): "handed over to somebody else in the house",
    (R.accepted, R.postponed): "the contact names a later day",
    (R.accepted, R.skipped): "not this time after all",
    (R.accepted, R.forwarded): "passed on",
    (R.accepted, R.reported): "the acknowledgement has come",
    (R.accepted, R.expired): "its last day has passed",
    (R.postponed, R.offered): "handed over to somebody else in the house",
    (R.postponed, R.accepted): "the contact takes it up again",
    (R.postponed, R.skipped): "not this time after all",
    (R.postponed, R.forwarded): "passed on",
    (R.postponed, R.reported): "the acknowledgement has come",
    (R.postponed, R.replaced): "the next pack of the series was offered",
    (R.postponed, R.expired): "its last day has passed",
    (R.skipped, R.offered): "handed over to somebody else in the house",
    (R.skipped, R.accepted): "the contact has changed their mind",
    (R.skipped, R.forwarded): "passed on after all",
    (R.skipped, R.reported): "acknowledged after all",
    (R.forwarded, R.reported): "the acknowledgement has come",
    (R.replaced, R.forwarded): "passed on although a newer one is there",
    (R.replaced, R.reported): "acknowledged late",
    (R.expired, R.offered): "handed over to somebody else in the house",
    (R.expired, R.forwarded): "passed on after its last day",
    (R.expired, R.reported): "acknowledged late",
}


class IllegalMoveError(ValueError):
    """A state change that no table lists: a programming error."""


def check_dispatch(old: D, new: D) -> None:
    """Raises IllegalMoveError unless a dispatch may go from ``old`` to ``new``."""
    _check(DISPATCH, old, new)


def check_message(old: M, new: M) -> None:
    """Raises IllegalMoveError unless a message may go from ``old`` to ``new``."""
    _check(MESSAGE, old, new)


def check_relay(old: R, new: R) -> None:
    """Raises IllegalMoveError unless a pack may go from ``old`` to ``new``."""
    _check(RELAY, old, new)


def _check(table: Mapping[Any, str], old: StrEnum, new: StrEnum) -> None:
    if (old, new) not in table:
        raise IllegalMoveError(f"{type(old).__name__}: {old.value} → {new.value} is not a listed move")


def make_table() -> str:
    """The tables in Markdown, as they stand in ``docs/explanation/queue.md``."""
    parts = []
    for title, table in (("dispatch", DISPATCH), ("message", MESSAGE), ("pack", RELAY)):
        rows = [f"| `{old.value}` | `{new.value}` | {why} |" for (old, new), why in table.items()]
        parts.append("\n".join([f"### `{title}`", "", "| from | to | when |", "|---|---|---|", *rows]))
    return "\n\n".join(parts) + "\n"
