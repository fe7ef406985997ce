"""What a line about a pack says: never a success out of a refusal, never a number out of a date (domain, section 5)."""

from __future__ import annotations

import secrets

import pytest

from om_campaigns.audience.responses import CascadeLevel
from om_campaigns.campaign.packs import make_code
from om_campaigns.errors import InputError
from om_campaigns.partner.acknowledgements import parse_answer

CODE = make_code(secrets.choice)


@pytest.mark.parametrize(
    ("line", "level", "count"),
    [
        ("{} – Regionalstellen – 12", CascadeLevel.regional, 12),
        ("Die Regionalstellen haben es – {} – 12", CascadeLevel.regional, 12),
        ("{} – 12 Regionalstellen am 3. Februar", CascadeLevel.regional, 12),
        ("{} – Beratende, 1.200, seit 03.02.2027", CascadeLevel.adviser, 1200),
        ("{} – Zentrale und Beratende – 40", CascadeLevel.adviser, 40),
        ("{} – Beratende -12", CascadeLevel.adviser, 12),
        ("{} – Beratende: 12.", CascadeLevel.adviser, 12),
        ("{} – nein", None, None),
        ("{} – diesmal nicht", None, None),
        ("{} – not this time", None, None),
        ("{} – nein, das geben wir an unsere Betriebe nicht weiter", None, None),
    ],
)
def test_a_line_is_read_whatever_stands_around_the_code(line: str, level: CascadeLevel | None, count: int | None) -> None:
    found = parse_answer(line.format(CODE.lower()))
    assert (found.level, found.count, found.is_passed_on) == (level, count, False)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{} – noch nicht an die Beratenden weitergegeben", "not yet"),
        ("{} – an die Betriebe geben wir es nicht weiter", "both"),
        ("{} – Regionalstellen 12, Beratende 40", "several numbers"),
        ("{} – danke", "no level"),
        ("{} – nein, wir haben es an 12 Beratende gegeben", "both"),
        ("{} – Regionalstellen – -3", "cannot be one of people"),
        ("{} – Beratende – 12,5", "cannot be one of people"),
        ("{} – Beratende – 99999999999", "cannot be one of people"),
        ("{} – Beratende – zwölf", "in words"),
        ("Regionalstellen – 12", "no valid code"),
    ],
)
def test_a_line_that_can_be_read_in_two_ways_goes_to_a_person(line: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        parse_answer(line.format(CODE))
