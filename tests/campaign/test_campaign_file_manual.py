"""The manual's page on ``campaign.toml``: its examples can be read, and it names every key and no other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import pytest

from om_campaigns.audience.german import fold
from om_campaigns.campaign.definition import WEEKDAYS
from om_campaigns.campaign.reading import Known, read_campaign
from om_campaigns.campaign.strict_toml import (
    AUDIENCE_KEYS,
    CAMPAIGN_KEYS,
    DAYS,
    KINDS,
    PATTERNS,
    RE_ENTER,
    ROUTES,
    SENDERS,
    STEP_KEYS,
    WINDOW_KEYS,
    parse_duration,
)

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "campaign-file.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Rule:
    selects: str
    where: str = "level == 'local'"


@pytest.mark.parametrize("example", EXAMPLES)
def test_each_example_can_be_read(example: str) -> None:
    known = Known(
        {"neue-partner": Rule("seats"), "berater-direkt": Rule("seats"), "dachverbaende": Rule("organisations")}, ["wir-gedanke"], []
    )
    texts = ["willkommen.de.md", "nachbarn.de.md", "paket.wenige.de.md"] if "willkommen" in example else ["hinweis.de.md"]
    assert read_campaign(example, name="example", file="campaign.toml", texts=texts, known=known).steps


def test_there_are_examples_in_both_languages() -> None:
    assert len(EXAMPLES) == 2
    assert "Schritt" in EXAMPLES[0]
    assert "step" in EXAMPLES[1]


@pytest.mark.parametrize(
    ("heading", "keys"),
    [
        ("## The campaign", {key: names for key, names in CAMPAIGN_KEYS.items() if key not in ("audience", "step")}),
        ("## `[[audience]]`", AUDIENCE_KEYS),
        ("## `[[step]]`", STEP_KEYS),
        ("## Windows", WINDOW_KEYS),
    ],
)
def test_the_tables_name_every_key_and_no_other(heading: str, keys: dict[str, tuple[str, ...]]) -> None:
    section = PAGE.partition(heading)[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \|([^|]*)\|", section, re.MULTILINE)
    assert {key: tuple(re.findall(r"`([^`]+)`", german)) for key, german in rows} == keys


@pytest.mark.parametrize("words", [KINDS, PATTERNS, RE_ENTER, ROUTES, SENDERS])
def test_every_value_stands_in_the_page(words: dict[str, object]) -> None:
    assert all(f"`{meaning}`" in PAGE for meaning in words.values())


def test_each_german_value_in_the_page_is_known() -> None:
    known = {fold(word) for words in (KINDS, PATTERNS, RE_ENTER, ROUTES, SENDERS) for word in words}
    for german in re.findall(r"`\w+` \(`(\w+)`\)", PAGE):
        assert fold(german) in known


def test_days_and_waits_of_the_page_are_read() -> None:
    for name in [*WEEKDAYS, "monday", "mo", "so", "montag"]:
        assert name in DAYS
    for wait in re.findall(r'`"(\d+ ?[A-Za-z]+)"`', PAGE):
        assert parse_duration(wait)
