"""``campaign.toml`` → ``CampaignDefinition``, with everything that is wrong in it at once, each at its line and column."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import time, timedelta
from typing import NamedTuple, Protocol

from om_campaigns.audience import expressions
from om_campaigns.audience.expressions import Refers, Selects
from om_campaigns.audience.expressions.catalogue import CLOSED, Words, describe_unknown
from om_campaigns.audience.vocabulary import Route, Sender
from om_campaigns.campaign.definition import (
    WORKING_HOURS,
    Audience,
    CampaignDefinition,
    ReEnter,
    Step,
    Variant,
    Window,
)
from om_campaigns.campaign.strict_toml import (
    AUDIENCE_KEYS,
    CAMPAIGN_KEYS,
    DAYS,
    KINDS,
    MAX_DAYS,
    PATTERNS,
    RE_ENTER,
    ROUTES,
    SENDERS,
    STEP_KEYS,
    VARIANT_KEYS,
    WINDOW_KEYS,
    Table,
    parse_clock,
    parse_closing,
    parse_duration,
)
from om_campaigns.campaign.vocabulary import CampaignKind
from om_campaigns.errors import Problem, ProblemsError
from om_campaigns.nearest import suggest
from om_campaigns.toml_positions import Findings, Key, load_toml

FORMAT = 1
NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
TEXT_NAME = re.compile(r"(?P<step>[^.]+)(?:\.(?P<variant>[^.]+))?\.(?P<language>[a-z]{2})\.md")


class SegmentRule(Protocol):
    """What a campaign needs to know of a segment."""

    @property
    def selects(self) -> str: ...

    @property
    def where(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Known:
    """What a campaign may refer to: segments by name, slugs of mailing lists, names of campaigns.

    ``unreadable`` are segments that are there but broken; their own problems say why, once.
    """

    segments: Mapping[str, SegmentRule]
    mailing_lists: Collection[str]
    campaigns: Collection[str]
    unreadable: Collection[str] = ()
    words: Words = field(default_factory=dict)
    """What else words of expressions may name, as far as the data tells."""


@dataclass(frozen=True, slots=True)
class _Scope:
    """What the conditions of one campaign may speak of."""

    selects: tuple[str, ...]
    known: Known

    def unknown(self, refers: Refers, value: str) -> str:
        """What is wrong with a name in an expression, '' if nothing is or nothing can be said of it."""
        if refers is Refers.campaign:
            names, value = self.known.campaigns, value.partition("/")[0]
        elif refers is Refers.mailing_list:
            names = self.known.mailing_lists
        else:
            return describe_unknown(refers, value, self.known.words)
        return "" if value in names else f"there is no {refers} '{value}'{suggest(value, names)}"


PACK = "pack"
"""``<step>.pack.<language>.md`` is what a pack says where the step's own text is its cover; no variant can be called so."""


class TextName(NamedTuple):
    """A step's text file by its name: ``<step>[.<variant>].<language>.md``."""

    step: str
    variant: str
    language: str

    def __str__(self) -> str:
        return ".".join(part for part in (*self, "md") if part)


def parse_text_name(file_name: str) -> TextName | None:
    """What the name of a text file says, None if it is not the name of one."""
    match = TEXT_NAME.fullmatch(file_name)
    return TextName(match["step"], match["variant"] or "", match["language"]) if match else None


def read_campaign(source: str, *, name: str, file: str, texts: Iterable[str], known: Known) -> CampaignDefinition:
    """As ``parse_campaign``; raises ProblemsError with all problems."""
    definition, problems = parse_campaign(source, name=name, file=file, texts=texts, known=known)
    if definition is None or problems:
        raise ProblemsError(problems)
    return definition


def parse_campaign(
    source: str, *, name: str, file: str, texts: Iterable[str], known: Known
) -> tuple[CampaignDefinition | None, list[Problem]]:
    """A campaign as far as it can be read, and all problems; fit for use only if there are none. None: it is not TOML.

    ``source``: text of ``campaign.toml``; ``name``: the campaign's folder; ``file``: its path for problems; ``texts``: names of
    the text files beside it. ``file`` has forward slashes. What stands in those is for ``compose`` to check.
    """
    values, findings = load_toml(source, file)
    if values is None:
        return None, findings.in_order()
    table = Table(findings, values, (), CAMPAIGN_KEYS)
    if not NAME.fullmatch(name):
        findings.add(Problem(file, 0, 0, "name", f"'{name}' as a campaign's folder: use a-z, 0-9 and hyphens only"))
    if "format" not in table:
        table.problem("format", f"'format = {FORMAT}' is missing")
    table.whole("format", low=FORMAT, high=FORMAT)
    entries = list(table.tables("step", STEP_KEYS))
    definition = _definition(table, entries, name, known)
    _check_steps(table, entries, definition)
    _check_texts(findings, entries, definition.steps, sorted(texts))
    return definition, findings.in_order()


def _definition(table: Table, entries: Sequence[Table], name: str, known: Known) -> CampaignDefinition:
    audiences = tuple(_audiences(table, known))
    scope = _Scope(tuple(sorted({audience.selects for audience in audiences})) or ("seats",), known)
    window = _window(table)
    return CampaignDefinition(
        name=name,
        kind=table.word("kind", KINDS, default=CampaignKind.drip, required=True),
        title=table.one_line("title", required=True),
        title_en=table.one_line("title_en"),
        mailing_list=_reference(table, "mailing_list", known.mailing_lists, "mailing list", required=True),
        priority=_or(table.whole("priority", low=0, high=100), 50),
        pattern=table.word("pattern", PATTERNS, default=""),
        window=window,
        exit_when=_condition(table, "exit_when", scope),
        then=_other_campaign(table.path_of("then"), table.text("then"), table, name, known),
        starts_after=_other_campaigns(table, "starts_after", name, known),
        not_while_in=_other_campaigns(table, "not_while_in", name, known),
        re_enter=table.word("re_enter", RE_ENTER, default=ReEnter.never),
        backfill=table.yes("backfill", default=True),
        is_public=table.yes("public", default=True),
        per_hour=_or(table.whole("per_hour", low=1, high=100_000), 0),
        people_a_day=_or(table.whole("people_a_day", low=1, high=1_000_000), 0),
        houses_a_day=_or(table.whole("houses_a_day", low=1, high=1_000_000), 0),
        count_links=table.yes("count_links", default=False),
        audiences=audiences,
        steps=tuple(_step(entry, window or WORKING_HOURS, scope) for entry in entries),
    )


def _or(value: int | None, default: int) -> int:
    return default if value is None else value


def _audiences(table: Table, known: Known) -> Iterable[Audience]:
    if not table.value("audience"):
        table.findings.at_key(table.path_of("audience"), "audience", "an [[audience]] with its segment is missing")
    seen: set[str] = set()
    for entry in table.tables("audience", AUDIENCE_KEYS):
        segment = _reference(entry, "segment", {*known.segments, *known.unreadable}, "segment", required=True)
        if segment in seen:
            entry.problem("segment", f"'{segment}' already stands above, where it matches first", "audience")
        seen.add(segment)
        routes = entry.words("routes", ROUTES) or (Route.direct_email,)
        if "routes" in entry and entry.value("routes") == []:
            entry.problem("routes", "'routes' names no route; leave it away for direct_email")
        if {Route.direct_email} < set(routes) or Route.none in routes:
            entry.problem(
                "routes", "either 'direct_email' alone, or ways of passing on: forward_pack, list_address, newsletter_block", "audience"
            )
        rule = known.segments.get(segment)
        yield Audience(
            segment,
            routes,
            entry.word("sender", SENDERS, default=Sender.om),
            rule.selects if rule else "seats",
            rule.where if rule else "",
        )


def _reference(table: Table, key: str, known: Collection[str], what: str, *, required: bool = False) -> str:
    value = table.text(key, required=required)
    if value and value not in known:
        table.problem(key, f"there is no {what} '{value}'{suggest(value, known)}", "reference")
    return value


def _other_campaigns(table: Table, key: str, own: str, known: Known) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_other_campaign(path, name, table, own, known) for path, name in table.texts(key)))


def _other_campaign(path: Key, name: str, table: Table, own: str, known: Known) -> str:
    if name == own:
        table.findings.at_value(path, "reference", "a campaign cannot name itself here")
    elif name and name not in known.campaigns:
        table.findings.at_value(path, "reference", f"there is no campaign '{name}'{suggest(name, known.campaigns)}")
    return name


def _window(table: Table) -> Window | None:
    window = table.table("window", WINDOW_KEYS)
    if window is None:
        return None
    for key in ("from", "to"):
        if key not in window:
            window.problem(key, f"'{key}' is missing", "window")
    days = tuple(sorted(window.words("days", DAYS))) if "days" in window else WORKING_HOURS.days
    if window.value("days") in ([], ""):
        window.problem("days", "a window without days never opens", "window")
    start, end = window.parsed("from", parse_clock), window.parsed("to", parse_closing)
    if not days or start is None or end is None:
        return None
    if start == end and not (window.value("to") == "24:00" and start == time.min):
        window.problem("to", "the window is empty: it closes when it opens", "window")
        return None
    return Window(days, start, end)


def _step(entry: Table, window: Window, scope: _Scope) -> Step:
    day = entry.whole("day", low=0, high=MAX_DAYS)
    wait = entry.parsed("after", parse_duration)
    if ("day" in entry) == ("after" in entry):
        text = "'day' and 'after' cannot both stand here" if "day" in entry else "a step needs 'day' or 'after'"
        entry.findings.at_key(entry.path_of("after"), "step", text)
    grace = entry.parsed("grace", parse_duration)
    return Step(
        name=_name(entry, "a step"),
        day=day,
        after=wait if isinstance(wait, int) else None,
        elapsed=wait if isinstance(wait, timedelta) else None,
        at=_time_of_day(entry, wait, window),
        grace=timedelta(days=grace) if isinstance(grace, int) else grace,
        when=_condition(entry, "when", scope),
        variants=tuple(_variants(entry, scope)),
    )


def _time_of_day(entry: Table, wait: int | timedelta | None, window: Window) -> time | None:
    at = entry.parsed("at", parse_clock)
    if at is not None and isinstance(wait, timedelta):
        entry.problem("at", "'at' goes with whole days only; hours are counted exactly", "step")
    elif at is not None and not window.holds(at):
        entry.problem("at", f"{at:%H:%M} lies outside the window {window.start:%H:%M}–{window.end:%H:%M}", "window")
    else:
        return at
    return None


def _variants(step: Table, scope: _Scope) -> Iterable[Variant]:
    seen: set[str] = set()
    for entry in step.tables("variants", VARIANT_KEYS):
        name = _name(entry, "a variant")
        if name and name in seen:
            entry.problem("name", f"there is a variant '{name}' already", "name")
        if name == PACK:
            entry.problem("name", f"'{PACK}' is the text of the pack; call the variant differently", "name")
        seen.add(name)
        if not entry.value("when"):
            entry.problem("when", "a variant needs 'when': whom it is for")
        yield Variant(name, _condition(entry, "when", scope))


def _name(entry: Table, what: str) -> str:
    name = entry.text("name", required=True)
    if name and not NAME.fullmatch(name):
        entry.problem("name", f"'{name}' as the name of {what}: use a-z, 0-9 and hyphens only", "name")
    return name


def _condition(table: Table, key: str, scope: _Scope) -> str:
    """An expression, checked for everything the campaign's segments select; kept exactly as written."""
    source = table.value(key)
    if not table.text(key):
        return ""
    findings, place = table.findings, table.findings.place_of(table.path_of(key))
    exact = place is not None and place.exact
    line, column = (place.value_line, place.value_column) if place else (1, 1)
    for selects in scope.selects:
        found = expressions.check(source, selects, file=findings.file, line=line, column=column)
        for each in expressions.read(source, Selects(selects)).references:
            if text := scope.unknown(each.refers, each.value):
                at = column - 1 if each.line == 1 else 0
                is_open = each.refers not in CLOSED | {Refers.campaign, Refers.mailing_list}
                found.append(Problem(findings.file, line + each.line - 1, at + each.column, "reference", text, is_open))
        findings.add(*(each if exact else replace(each, line=line, column=column) for each in found))
    return str(source)


def _check_steps(table: Table, entries: Sequence[Table], definition: CampaignDefinition) -> None:
    findings, steps = table.findings, definition.steps
    if not steps:
        findings.at_key(table.path_of("step"), "step", "a [[step]] is missing")
    if definition.re_enter is not ReEnter.never and any(audience.passes_on for audience in definition.audiences):
        table.problem("re_enter", "a campaign that passes on through houses serves each pool once; leave 're_enter' away", "audience")
    if definition.kind is CampaignKind.announcement and len(steps) > 1:
        findings.at_key((*table.path_of("step"), 1), "step", "an announcement has exactly one step; several make a drip")
    latest, seen = 0, set()
    for entry, step in zip(entries, steps, strict=True):
        if step.name and step.name in seen:
            entry.problem("name", f"there is a step '{step.name}' already", "name")
        seen.add(step.name)
        if step.day is not None and step.day < latest:
            entry.problem("day", f"day {step.day} comes after day {latest}; steps stand in the order they are due", "step")
        latest = max(latest, step.day or 0)


def _check_texts(findings: Findings, entries: Sequence[Table], steps: Sequence[Step], files: Sequence[str]) -> None:
    """Every text belongs to a step, every variant has a text, and a step without variants has one."""
    folder = findings.file.rpartition("/")[0]
    variants = {step.name: {variant.name for variant in step.variants} for step in steps}
    found: set[tuple[str, str]] = set()
    for file_name in files:
        name = parse_text_name(file_name)
        path = f"{folder}/{file_name}" if folder else file_name
        if name is None:
            findings.add(Problem(path, 0, 0, "text", "a text is called <step>.<language>.md or <step>.<variant>.<language>.md"))
        elif name.step not in variants:
            findings.add(Problem(path, 0, 0, "text", f"there is no step '{name.step}'{suggest(name.step, variants)}"))
        elif name.variant and name.variant != PACK and name.variant not in variants[name.step]:
            near = suggest(name.variant, variants[name.step])
            findings.add(Problem(path, 0, 0, "text", f"step '{name.step}' has no variant '{name.variant}'{near}"))
        else:
            found.add((name.step, name.variant))
    for entry, step in zip(entries, steps, strict=True):
        if step.name and not step.variants and (step.name, "") not in found:
            entry.problem("name", f"step '{step.name}' has no text: write {step.name}.de.md", "text")
        for position, variant in enumerate(step.variants):
            if variant.name and step.name and (step.name, variant.name) not in found:
                text = f"variant '{variant.name}' has no text: write {step.name}.{variant.name}.de.md"
                findings.at_value((*entry.path_of("variants"), position, "name"), "text", text)
