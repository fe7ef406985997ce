"""The manual's page on columns is what the import reads: every column of every table, every word of a closed list."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

from om_campaigns.audience.intake.kinds import KINDS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_columns_reference", DOCS / "make_columns_reference.py")
    assert spec is not None
    assert spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def test_the_page_is_current(maker: ModuleType) -> None:
    assert maker.PAGE.read_text(encoding="utf-8") == maker.make_page(), "run: python docs/make_columns_reference.py"


def test_every_closed_list_stands_there_with_its_german_words(maker: ModuleType) -> None:
    closed = {
        (kind.name, column)
        for kind in KINDS
        for column, reader in kind.columns.items()
        if reader.__qualname__.startswith(("word.", "words_list."))
    }
    assert closed == set(maker.VOCABULARIES)
