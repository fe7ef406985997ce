"""The manual's page on statuses: every word of the closed lists, in their order, and the reasons in the words of ``why``."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest

from om_campaigns.audience.tasks import TaskKind
from om_campaigns.audience.vocabulary import Rhythm, SuppressionReason
from om_campaigns.campaign.vocabulary import REASONS, CampaignStatus, DispatchStatus, EnrolmentState, Reason, RelayState
from om_campaigns.cli.ledger import STATUSES
from om_campaigns.compose.overlay import Conflict, OverlayKind
from om_campaigns.delivery.models import MessageState

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "statuses.md").read_text(encoding="utf-8")


def read_table(heading: str) -> list[tuple[str, str]]:
    section = PAGE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE)


@pytest.mark.parametrize(
    ("heading", "words"),
    [
        ("Campaign", CampaignStatus),
        ("Enrolment", EnrolmentState),
        ("Dispatch", DispatchStatus),
        ("Message", MessageState),
        ("Suppression", SuppressionReason),
        ("Pack", RelayState),
        ("Own words", [*OverlayKind, *(each for each in Conflict if each)]),
        ("Tasks", TaskKind),
        ("Rhythm", Rhythm),
    ],
)
def test_every_word_stands_there_and_no_other(heading: str, words: type[StrEnum]) -> None:
    assert [word for word, _ in read_table(heading)] == [each.value for each in words]


def test_every_reason_stands_there_in_the_words_that_why_uses() -> None:
    assert read_table("Reasons") == [(each.value, REASONS[each]) for each in Reason if each is not Reason.none]


def test_the_ledger_can_be_asked_for_every_status() -> None:
    assert list(STATUSES) == [each.value for each in DispatchStatus]
