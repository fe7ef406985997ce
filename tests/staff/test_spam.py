"""REN-17: no mail of the starter workspace looks like spam to SpamAssassin or rspamd, by the rules their packages brought.

``apt-get install spamassassin rspamd``; without one of them its comparison is skipped by name.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from benchmarks.letters import make_letters, name_of
from om_campaigns.staff import spam
from om_campaigns.staff.preview import Preview

GTUBE = b"XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"
HEAD = (
    b"From: a@om.example\r\nTo: c@d.example\r\nSubject: Kurz\r\n"
    b"Message-ID: <%s@om.example>\r\nDate: Mon, 04 Jan 2027 09:00:00 +0000\r\n\r\n"
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def letters(tmp_path_factory: pytest.TempPathFactory) -> list[Preview]:
    return make_letters(tmp_path_factory.mktemp("starter") / "ws")


def need(program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"no {program} on this machine: apt-get install {program}")


def test_every_starter_mail_is_there_and_the_lint_finds_nothing(letters: list[Preview]) -> None:
    assert {each.campaign for each in letters} >= {"wir-gedanke", "fuenf-gedanken", "hilfen-update"}
    assert {each.part for each in letters} == {"mail", "cover", "ready"}
    assert {each.language for each in letters} == {"de", "en"}
    assert [str(problem) for each in letters for problem in each.problems] == []


@pytest.mark.parametrize("program", spam.FILTERS)
def test_ren_17_no_starter_mail_looks_like_spam(letters: list[Preview], program: str) -> None:
    need(program)
    verdicts = spam.FILTERS[program]([each.content for each in letters])
    told = {name_of(letter): str(verdict) for letter, verdict in zip(letters, verdicts, strict=True)}
    assert {name: told[name] for name, verdict in zip(told, verdicts, strict=True) if not verdict.is_harmless} == {}
    assert all(verdict.rules for verdict in verdicts), "the filter did look"


def test_ren_17_a_mail_that_is_spam_is_called_so_whatever_its_place_and_date() -> None:
    """Each mail gets its own verdict, and one with a date to come is not suspicious for that."""
    need("spamassassin")
    need("rspamd")
    mails = [HEAD % b"b" + b"Ein Satz.\r\n", HEAD % b"a" + GTUBE + b"\r\n", HEAD % b"c" + b"Noch ein Satz.\r\n"]
    verdicts = spam.judge(mails)
    assert [[each.is_harmless for each in both] for both in verdicts] == [[True, True], [False, False], [True, True]]
    assert verdicts[1][0].rules[0][0] == "GTUBE"


def test_without_filters_nothing_is_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert spam.judge([HEAD % b"a"]) == [()]
