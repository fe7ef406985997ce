"""Segments: ``audiences/segments/<name>.toml``, each one rule over seats or organisations.

A segment decides who enters a campaign, nothing else (domain rule 11); a running series is not filtered by it again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from sqlalchemy import Select, case, func, select
from sqlmodel import Session

from om_campaigns.audience.expressions import Refers, Selects, check, compile_condition, read, split
from om_campaigns.audience.expressions.catalogue import CLOSED, SECTORS, UNKNOWN, Words, describe_unknown
from om_campaigns.audience.models import MailingList, Network, Organisation, OrganisationType, Person, Seat
from om_campaigns.audience.seats import sits_on
from om_campaigns.audience.toolkits import Toolkit
from om_campaigns.audience.vocabulary import ORGANISATION_TYPES
from om_campaigns.columns import table_of
from om_campaigns.errors import Problem, ProblemsError
from om_campaigns.nearest import suggest
from om_campaigns.toml_positions import Findings, Place, load_toml

FORMAT = 1
RULE = "SEG-01"
KEYS = ("format", "title", "title_en", "selects", "where")
_NEEDED = ("format", "title", "selects", "where")
_START = Place(0, 0, 0, 0, exact=False)

_seat, _person, _organisation = table_of(Seat), table_of(Person), table_of(Organisation)


@dataclass(frozen=True, slots=True)
class Segment:
    """A rule by name; ``line`` and ``column`` say where ``where`` begins in ``file``."""

    name: str
    title: str
    title_en: str
    selects: Selects
    where: str
    file: str
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a rule: how many it matches alone, and together with all parts before it."""

    text: str
    line: int
    column: int
    alone: int
    so_far: int


@dataclass(frozen=True, slots=True)
class Explanation:
    """A rule taken apart. ``joint`` is ``and`` (``so_far`` shrinks) or ``or`` (``so_far`` grows)."""

    considered: int
    joint: str
    parts: tuple[Part, ...]
    matched: int


def load_segments(folder: Path) -> dict[str, Segment]:
    """Every segment of ``folder`` by its name. Raises ProblemsError with every problem of every file."""
    segments, problems = read_segments(folder)
    if problems:
        raise ProblemsError(problems)
    return segments


def read_segments(folder: Path) -> tuple[dict[str, Segment], list[Problem]]:
    """The segments that can be read, by the file's name without ``.toml`` and in that order, and what is wrong with the others.

    A folder that is not there has no segments.
    """
    segments: dict[str, Segment] = {}
    problems: list[Problem] = []
    for path in sorted(folder.glob("*.toml")):
        found = read_segment(path)
        if isinstance(found, Segment):
            segments[found.name] = found
        else:
            problems += found
    return segments, problems


def read_segment(path: Path) -> Segment | list[Problem]:
    """The segment of one file, or everything that is wrong with it."""
    file = path.as_posix()
    try:
        source = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return [Problem(file, 0, 0, RULE, f"this file is not UTF-8 (byte {error.start + 1})")]
    values, findings = load_toml(source, file, RULE)
    if values is None:
        return findings.in_order()
    _check_shape(values, findings)
    problems = findings.in_order()
    where, selects = values.get("where"), values.get("selects")
    at = findings.place_of(("where",)) or _START
    if isinstance(where, str) and isinstance(selects, str) and selects in set(Selects):
        problems += _rule_problems(file, where, selects, at)
    if problems:
        return sorted(problems, key=lambda one: (one.line, one.column))
    return Segment(
        name=path.stem,
        title=values["title"],
        title_en=values.get("title_en", ""),
        selects=Selects(values["selects"]),
        where=values["where"],
        file=file,
        line=at.value_line,
        column=at.value_column,
    )


def _check_shape(values: Mapping[str, Any], findings: Findings) -> None:
    for key, value in values.items():
        if key not in KEYS:
            near = suggest(key, KEYS) or f"; a segment has {', '.join(KEYS)}"
            findings.at_key((key,), RULE, f"unknown key '{key}'{near}")
        elif key == "format":
            if value != FORMAT or isinstance(value, bool):
                findings.at_value((key,), RULE, f"format {value!r} is not known here; this version reads format = {FORMAT}")
        elif not isinstance(value, str):
            findings.at_value((key,), RULE, f"'{key}' is a text in quotation marks")
        elif key in _NEEDED and not value.strip():
            findings.at_value((key,), RULE, f"'{key}' is empty")
        elif key == "selects" and value not in set(Selects):
            findings.at_value((key,), RULE, f'selects is "seats" or "organisations", not "{value}"')
    findings.add(*(Problem(findings.file, 0, 0, RULE, f"'{key}' is missing") for key in _NEEDED if key not in values))


def _rule_problems(file: str, where: str, selects: str, at: Place) -> list[Problem]:
    if at.exact:
        return check(where, selects, file=file, line=at.value_line, column=at.value_column)
    found = check(where, selects, file=file)
    return [Problem(file, at.value_line, at.value_column, one.rule_id, one.text) for one in found]


def subjects(segment: Segment, *, today: date, campaigns: Mapping[str, int]) -> Select[Any]:
    """Who matches now. Columns: ``seat_id, person_id, organisation_id`` for seats, ``organisation_id`` for organisations.

    Only seats that hold today (their last day counts), of active persons or of none. The status of the house is left to the rule
    and to the planner; so are basis, suppression and caps.
    """
    return candidates(segment.selects, today=today).where(
        compile_condition(segment.where, segment.selects, today=today, campaigns=campaigns)
    )


def candidates(selects: Selects, *, today: date) -> Select[Any]:
    """All whom a rule could match, with the columns of ``subjects``; its FROM is what ``compile_condition`` expects."""
    if selects is Selects.organisations:
        return select(_organisation.c.id.label("organisation_id"))
    return (
        select(_seat.c.id.label("seat_id"), _seat.c.person_id, _seat.c.organisation_id)
        .join(_organisation, _organisation.c.id == _seat.c.organisation_id)
        .outerjoin(_person, _person.c.id == _seat.c.person_id)
        .where(sits_on(today))
    )


def explain(session: Session, segment: Segment, *, today: date, campaigns: Mapping[str, int]) -> Explanation:
    """How many each part of a rule lets through, alone and in its order: where a segment loses its people."""
    joint, pieces = split(segment.where)
    asked = [
        case((compile_condition(text, segment.selects, today=today, campaigns=campaigns), 1), else_=0).label(f"part_{position}")
        for position, (text, _) in enumerate(pieces)
    ]
    answers = candidates(segment.selects, today=today).with_only_columns(*asked, maintain_column_froms=True).subquery()
    groups = session.execute(select(*answers.c, func.count()).group_by(*answers.c)).all()
    holds = any if joint == "or" else all
    parts = tuple(
        Part(
            text,
            segment.line + at - 1,
            at.column + (segment.column - 1 if at == 1 else 0),
            alone=sum(count for *answer, count in groups if answer[position]),
            so_far=sum(count for *answer, count in groups if holds(answer[: position + 1])),
        )
        for position, (text, at) in enumerate(pieces)
    )
    return Explanation(sum(group[-1] for group in groups), joint, parts, parts[-1].so_far)


def load_words(session: Session) -> dict[Refers, frozenset[str]]:
    """Every word that the data knows by now, by what it names."""
    columns = {
        Refers.organisation: table_of(Organisation).c.slug,
        Refers.network: table_of(Network).c.slug,
        Refers.toolkit: table_of(Toolkit).c.code,
        Refers.mailing_list: table_of(MailingList).c.slug,
    }
    found = {refers: frozenset(session.execute(select(column)).scalars()) for refers, column in columns.items()}
    types = session.execute(select(table_of(OrganisationType).c.code)).scalars()
    return found | {Refers.organisation_type: frozenset({*ORGANISATION_TYPES, *types}), Refers.sector: SECTORS}


def find_unknown_words(segment: Segment, words: Words) -> list[Problem]:
    """Every unknown word of a segment's rule, at its place."""
    found = []
    for each in read(segment.where, Selects(segment.selects)).references:
        if text := describe_unknown(each.refers, each.value, words):
            line = segment.line + each.line - 1
            column = each.column + (segment.column - 1 if each.line == 1 else 0)
            found.append(Problem(segment.file, line, column, UNKNOWN, text, is_warning=each.refers not in CLOSED))
    return found
