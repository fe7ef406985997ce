"""The words around a letter (labels, foot), one TOML file per language: ``layouts/words.<language>.toml``."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

from om_campaigns.campaign.definition import Step
from om_campaigns.errors import Problem, ProblemsError
from om_campaigns.toml_positions import load_toml

FALLBACK = "de"


def wording_path(language: str) -> str:
    return f"layouts/words.{language}.toml"


def load_wording(files: Mapping[str, str], language: str) -> dict[str, str]:
    """The words of a language, German where it lacks one; ProblemsError if a file is no table of texts."""
    words: dict[str, str] = {}
    for name in (FALLBACK, language):
        path = wording_path(name)
        if path in files:
            words |= _parsed(path, files[path])
    if not words:
        raise ProblemsError([Problem(wording_path(FALLBACK), 0, 0, "wording", "the words around a letter are missing")])
    return words


@functools.lru_cache(maxsize=32)
def _parsed(path: str, source: str) -> dict[str, str]:
    values, findings = load_toml(source, path, "wording")
    if values is None:
        raise ProblemsError(findings.in_order())
    wrong = [key for key, value in values.items() if key != "format" and not isinstance(value, str)]
    if wrong or values.get("format") != 1:
        text = f"'{wrong[0]}' must be a text" if wrong else "the file begins with: format = 1"
        raise ProblemsError([Problem(path, 1, 0, "wording", text)])
    return {key: value for key, value in values.items() if key != "format"}


def days_between(here: Step, following: Step) -> int:
    if here.day is not None and following.day is not None:
        return following.day - here.day
    if following.after is not None:
        return following.after
    return following.elapsed.days if following.elapsed else 0


WEEKS: dict[str, Callable[[int], str]] = {
    "de": lambda weeks: {1: "In einer Woche", 2: "In zwei Wochen", 3: "In drei Wochen", 4: "In vier Wochen"}.get(
        weeks, f"In {weeks} Wochen"
    ),
    "en": lambda weeks: {1: "In a week", 2: "In two weeks", 3: "In three weeks", 4: "In four weeks"}.get(weeks, f"In {weeks} weeks"),
}


def after_text(days: int, language: str) -> str:
    """When the next letter comes, as a letter says it; to the week, because windows and holidays move the day."""
    if days < 5:
        return "Demnächst" if language == "de" else "Soon"
    return WEEKS[language](max(1, round(days / 7)))
