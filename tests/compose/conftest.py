"""A letter of our own for the composing tests: the real layouts and brands, invented texts, one house."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from om_campaigns.compose.edition import EditionInput
from tests.compose.sample_letter import LETTER, Given

TEMPLATES = Path(__file__).parents[2] / "templates"


@pytest.fixture(scope="session")
def look_files() -> dict[str, str]:
    """Layouts, blocks and brands of the starter workspace, without its texts."""
    wanted = ("layouts/", "blocks/", "brands/")
    paths = (path for path in TEMPLATES.rglob("*") if path.suffix in (".mjml", ".txt", ".toml"))
    named = {path.relative_to(TEMPLATES).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    return {name: text for name, text in named.items() if name.startswith(wanted)}


@pytest.fixture
def context() -> dict[str, Any]:
    """The constant values of an edition for one house."""
    return {
        "org": {
            "name": "Handwerkskammer Lindenau",
            "short_name": "HWK Lindenau",
            "slug": "hwk-lindenau",
            "level": "regional",
            "type": "chamber_hwk",
            "type_name": "Handwerkskammer",
        },
        "campaign": {"name": "nachbarn", "title": "Gute Nachbarn", "mailing_list": "nachbarn", "mailing_list_name": "Gute Nachbarn"},
        "step": {
            "name": "n1",
            "subject": "Der kurze Weg zum Nachbarhaus",
            "ideas": ["regional_cooperation"],
            "idea_names": ["Kooperieren in der Region"],
            "position": 2,
            "count": 5,
            "due_date": "3. Mai 2027",
            "call_to_action": "Gesprächspartner finden",
        },
        "toolkits": [],
        "toolkit": None,
        "region": {"ags": "05", "name": "Lindental", "partner_count": 4, "neighbours": [], "neighbour_examples": "A und B"},
        "om": {
            "name": "Offensive Mittelstand",
            "imprint": "Verein Beispiel, Gartenweg 2, 50667 Köln",
            "imprint_url": "https://om.example/impressum",
            "privacy_url": "https://om.example/datenschutz",
            "contact": {"name": "Offensive Mittelstand", "email": "post@om.example"},
        },
        "house_contact": {"name": "Rike Ahlers", "email": "r.ahlers@hwk-lindenau.example"},
        "next_step": {"subject": "Wer übernimmt den Schlüssel?", "after": "In zwei Wochen"},
        "sender": "home",
    }


@pytest.fixture
def values() -> dict[str, str]:
    """The slots of one recipient."""
    return {
        "contact.full_name": "Ömer Weiß",
        "contact.email": "oemer.weiss@hwk-lindenau.example",
        "contact.masked_email": "o…@hwk-lindenau.example",
        "contact.reason": "weil Ihr Haus, Handwerkskammer Lindenau, Partner der Offensive Mittelstand ist.",
        "links.web": "https://om.example/w/abc?a=1&b=2",
        "links.preferences": "https://om.example/p/abc",
        "links.unsubscribe": "https://om.example/u/abc",
        "pack.ack_code": "K7M-2X99",
    }


@pytest.fixture
def given(look_files: dict[str, str], context: dict[str, Any]) -> Given:
    """``given(source, brand=…, language=…, files=…, **context)`` → the input of an edition."""

    def make(
        source: str = LETTER, *, brand: str = "om", language: str = "de", files: dict[str, str] | None = None, **more: Any
    ) -> EditionInput:
        path = f"campaigns/nachbarn/n1.{language}.md"
        return EditionInput({**look_files, path: source, **(files or {})}, path, language, brand, {**context, **more})

    return make
