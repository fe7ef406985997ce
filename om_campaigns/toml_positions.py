"""Where each value of a TOML file stands, because TOML parsers do not say; and what is wrong there.

``locate`` works on files that ``tomllib`` has read; it only follows their shape: tables, arrays of tables, inline tables, strings.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from om_campaigns.errors import Problem

Key = tuple[str | int, ...]
"""The way to a value: ``("audience", 0, "segment")``."""


@dataclass(frozen=True, slots=True)
class Place:
    """Line and column (from 1) of a key, and of its value's first character (inside the quotation marks of a string).

    ``exact`` says that every character of the value stands as it is in the file: a literal string, or one without escapes.
    """

    line: int
    column: int
    value_line: int
    value_column: int
    exact: bool


_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR = re.compile(r"[^,\]}#\r\n]+")
_TOML_PLACE = re.compile(r"\s*\(at (?:line (\d+), column (\d+)|end of document)\)")
_QUOTES = ("'''", '"""', "'", '"')


def locate(source: str) -> dict[Key, Place]:
    """Every key of a TOML text and every member of its arrays → its place. An unreadable text gives what was understood."""
    scanner = _Scanner(source)
    try:
        scanner.document()
    except (IndexError, ValueError):
        return scanner.found
    return scanner.found


class _Scanner:
    def __init__(self, source: str) -> None:
        self.source, self.at = source, 0
        self.found: dict[Key, Place] = {}
        self.counts: dict[Key, int] = {}

    def document(self) -> None:
        table: Key = ()
        while self._skip():
            if self.source[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)

    def _skip(self) -> bool:
        match = _BLANK.match(self.source, self.at)
        self.at = match.end() if match else self.at
        return self.at < len(self.source)

    def _header(self) -> Key:
        begin, double = self.at, self.source.startswith("[[", self.at)
        self.at += 2 if double else 1
        names = self._key()
        self.at = self.source.index("]]" if double else "]", self.at) + (2 if double else 1)
        path = self._resolve(names[:-1])
        path = (*path, names[-1])
        if double:
            position = self.counts.get(path, 0)
            self.counts[path] = position + 1
            path = (*path, position)
        else:
            path = self._resolve(names)
        self._note(path, begin, begin, exact=True)
        return path

    def _resolve(self, names: tuple[str, ...]) -> Key:
        """A header's name, with the number of the latest member wherever it walks through an array of tables."""
        path: Key = ()
        for name in names:
            path = (*path, name)
            if path in self.counts:
                path = (*path, self.counts[path] - 1)
        return path

    def _key(self) -> tuple[str, ...]:
        names = []
        while True:
            self._skip()
            if self.source[self.at] in "'\"":
                begin, end, _ = self._string()
                names.append(self.source[begin:end])
            else:
                match = _BARE.match(self.source, self.at)
                if match is None:
                    raise ValueError
                names.append(match.group())
                self.at = match.end()
            self._skip()
            if self.source[self.at] != ".":
                return tuple(names)
            self.at += 1

    def _pair(self, table: Key) -> None:
        begin = self.at
        path = (*table, *self._key())
        if self.source[self.at] != "=":
            raise ValueError
        self.at += 1
        self._value(path, begin)

    def _value(self, path: Key, begin: int | None = None) -> None:
        self._skip()
        start = self.at
        begin = start if begin is None else begin
        opening = self.source[start]
        if opening in "'\"":
            first, _, exact = self._string()
            self._note(path, begin, first, exact=exact)
        elif opening in "[{":
            self._note(path, begin, start, exact=True)
            self._members(path, closing="]" if opening == "[" else "}")
        else:
            match = _SCALAR.match(self.source, start)
            if match is None:
                raise ValueError
            self.at = match.end()
            self._note(path, begin, start, exact=True)

    def _members(self, path: Key, closing: str) -> None:
        self.at += 1
        position = 0
        while True:
            self._skip()
            if self.source[self.at] == closing:
                self.at += 1
                return
            if self.source[self.at] == ",":
                self.at += 1
            elif closing == "]":
                self._value((*path, position))
                position += 1
            else:
                self._pair(path)

    def _string(self) -> tuple[int, int, bool]:
        """Read over a string; returns where its content begins and ends, and whether it stands there as it is."""
        quote = next(one for one in _QUOTES if self.source.startswith(one, self.at))
        begin = end = self.at + len(quote)
        if len(quote) == 3:
            begin = end = begin + (2 if self.source.startswith("\r\n", begin) else self.source.startswith("\n", begin))
        while not self.source.startswith(quote, end):
            if end >= len(self.source):
                raise ValueError
            end += 2 if quote[0] == '"' and self.source[end] == "\\" else 1
        while len(quote) == 3 and self.source.startswith(quote[0], end + 3) and self.source[end] == quote[0]:
            end += 1
        self.at = end + len(quote)
        return begin, end, quote[0] == "'" or "\\" not in self.source[begin:end]

    def _note(self, path: Key, key_at: int, value_at: int, *, exact: bool) -> None:
        line, column = self._place(key_at)
        value_line, value_column = self._place(value_at)
        self.found[path] = Place(line, column, value_line, value_column, exact)

    def _place(self, offset: int) -> tuple[int, int]:
        return self.source.count("\n", 0, offset) + 1, offset - self.source.rfind("\n", 0, offset)


class Findings:
    """Everything wrong in one file, in the order of the file. ``places``: where each key and value of it stands."""

    def __init__(self, file: str, places: Mapping[Key, Place] | None = None) -> None:
        self.file = file
        self._places = places or {}
        self._problems: list[Problem] = []

    def place_of(self, path: Key) -> Place | None:
        """The place of what stands at ``path``, else of the nearest table around it; None if that is the file."""
        while path and path not in self._places:
            path = path[:-1]
        return self._places.get(path)

    def at_key(self, path: Key, rule_id: str, text: str) -> None:
        place = self.place_of(path)
        self._problems.append(Problem(self.file, place.line if place else 1, place.column if place else 1, rule_id, text))

    def at_value(self, path: Key, rule_id: str, text: str) -> None:
        place = self.place_of(path)
        line, column = (place.value_line, place.value_column) if place else (1, 1)
        self._problems.append(Problem(self.file, line, column, rule_id, text))

    def add(self, *problems: Problem) -> None:
        self._problems.extend(problems)

    def in_order(self) -> list[Problem]:
        return sorted(set(self._problems), key=lambda each: (each.file != self.file, each.file, each.line, each.column, each.text))


MOST_CHARACTERS = 500_000
"""Of a file of settings, of a campaign or a segment; what is longer is something else."""


MOST_PARTS = 100
"""Of a key with dots: a parser walks all tables before it for each part."""

_LONG_KEY = re.compile(rf"[\s\[]*[A-Za-z0-9_-]+(?:\s*\.\s*[A-Za-z0-9_-]+){{{MOST_PARTS}}}")


def _is_endless_key(line: str) -> bool:
    return line.count(".") > MOST_PARTS and _LONG_KEY.match(line) is not None


def load_toml(source: str, file: str, rule_id: str = "toml") -> tuple[dict[str, Any] | None, Findings]:
    """The parsed text and an empty list of findings that knows its places; None with the one problem if it is not TOML."""
    source = source.removeprefix("\ufeff")
    if len(source) > MOST_CHARACTERS:
        findings = Findings(file)
        text = f"the file has {len(source):,} characters; settings, campaigns and segments have {MOST_CHARACTERS:,} at most"
        findings.add(Problem(file, 0, 0, rule_id, text))
        return None, findings
    endless = next((number for number, text in enumerate(source.split("\n"), 1) if _is_endless_key(text)), 0)
    if endless:
        findings = Findings(file)
        findings.add(Problem(file, endless, 0, rule_id, f"a key has more than {MOST_PARTS} parts"))
        return None, findings
    try:
        values = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        findings = Findings(file)
        text = str(error)
        where = _TOML_PLACE.search(text)
        line, column = (int(where[1]), int(where[2])) if where and where[1] else (source.count("\n") + 1, 0)
        reason = _TOML_PLACE.sub("", text)
        findings.add(Problem(file, line, column, rule_id, f"this is not TOML: {reason[:1].lower()}{reason[1:]}"))
        return None, findings
    except RecursionError:
        findings = Findings(file)
        findings.add(Problem(file, 0, 0, rule_id, "brackets are nested too deeply"))
        return None, findings
    except ValueError:  # Python itself refuses to read the digits
        findings = Findings(file)
        findings.add(Problem(file, 0, 0, rule_id, "a number has more digits than can be read"))
        return None, findings
    return values, Findings(file, locate(source))
