"""states: exactly the listed moves are allowed, over the full product; the manual shows the same table."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import pytest

from om_campaigns.campaign.vocabulary import DispatchStatus
from om_campaigns.delivery.models import MessageState
from om_campaigns.delivery.states import DISPATCH, MESSAGE, IllegalMoveError, check_dispatch, check_message, make_table

MANUAL = Path(__file__).parents[2] / "docs" / "explanation" / "queue.md"


@pytest.mark.parametrize(("old", "new"), list(product(DispatchStatus, repeat=2)))
def test_every_pair_of_dispatch_states(old: DispatchStatus, new: DispatchStatus) -> None:
    if (old, new) in DISPATCH:
        check_dispatch(old, new)
    else:
        with pytest.raises(IllegalMoveError):
            check_dispatch(old, new)


@pytest.mark.parametrize(("old", "new"), list(product(MessageState, repeat=2)))
def test_every_pair_of_message_states(old: MessageState, new: MessageState) -> None:
    if (old, new) in MESSAGE:
        check_message(old, new)
    else:
        with pytest.raises(IllegalMoveError):
            check_message(old, new)


def test_what_arrived_or_may_have_arrived_is_never_sent_by_itself() -> None:
    """SCH-16: from sent nothing follows; from uncertain only what a person or a bounce settles."""
    assert not [new for old, new in DISPATCH if old is DispatchStatus.sent]
    assert {new for old, new in DISPATCH if old is DispatchStatus.uncertain} == {DispatchStatus.sent, DispatchStatus.planned}
    assert not [new for old, new in MESSAGE if old in (MessageState.sent, MessageState.dropped)]
    assert {new for old, new in MESSAGE if old is MessageState.uncertain} == {MessageState.sent, MessageState.retry}


def test_the_manual_shows_these_tables() -> None:
    assert make_table() in MANUAL.read_text(encoding="utf-8")
