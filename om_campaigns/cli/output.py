"""How commands read times and look into the workspace, and how they print rows: tables, JSON, CSV."""

from __future__ import annotations

import csv
import io
import json
import sys
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from om_campaigns.cli.layout import Column, lay_out
from om_campaigns.cli.screen import columns_of, is_terminal, paint

if TYPE_CHECKING:
    from sqlmodel import Session

    from om_campaigns.app import App
    from om_campaigns.cli import State


class When(click.ParamType[date | datetime]):
    """A day, or with ``takes_time`` also a time of day: ISO 8601 or as Germans write it. Gives what ``clock.read_when`` gives."""

    name = "time"

    def __init__(self, *, takes_time: bool) -> None:
        self.takes_time = takes_time

    def convert(self, value: str | date, param: click.Parameter | None, ctx: click.Context | None) -> date | datetime:
        from om_campaigns.clock import read_when

        if isinstance(value, date):
            return value
        try:
            found = read_when(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if isinstance(found, datetime) and not self.takes_time:
            self.fail(f"'{value}' is a time; a whole day is wanted, like 2027-01-05 or 5.1.2027", param, ctx)
        return found


DAY, TIME = When(takes_time=False), When(takes_time=True)


def say_moment(moment: datetime, zone: ZoneInfo, now: datetime) -> str:
    """``Tue 4 May 09:00`` in the instance's zone; with the year where it is not this one."""
    local = moment.astimezone(zone)
    year = "" if local.year == now.astimezone(zone).year else f" {local.year}"
    return f"{local:%a} {local.day} {local:%b}{year} {local:%H:%M}"


@contextmanager
def looking(state: State) -> Iterator[tuple[App, Session]]:
    """The opened workspace and a session in which nothing can be changed."""
    from om_campaigns.store import read

    app = state.app()
    with read(app.engine) as session:
        yield app, session


FORMATS = ("table", "json", "csv")
FORMULA_STARTS = frozenset("=+-@\t\r\0＝＋－＠")

Columns = Mapping[str, str]
"""Key of a row → heading, in the order of the table."""


def format_option(function: Any) -> Any:
    """``--format table|json|csv``; the command gets it as ``format_``."""
    option = click.option(
        "--format", "format_", type=click.Choice(FORMATS), default="table", show_default=True, help="A table to read, or data for programs."
    )
    return option(function)


def print_rows(
    rows: Sequence[Mapping[str, Any]],
    format_: str,
    columns: Columns,
    *,
    keys: Sequence[str] = (),
    zone: ZoneInfo | None = None,
    empty: str = "nothing to show",
    apart: str = "",
) -> None:
    """Print a listing. ``columns`` are the table's; JSON and CSV have ``keys``, or every key of a row.

    ``zone`` is where a table shows instants; ``empty`` is what a table of no rows says. ``apart`` is a column that is copied from
    a terminal: there it stands below the table, each value whole on a line of its own.
    """
    if format_ == "json":
        print_json([{key: row[key] for key in keys or row} for row in rows])
    elif format_ == "csv":
        _print_csv(rows, keys or (list(rows[0]) if rows else list(columns)))
    elif not rows:
        click.echo(empty)
    else:
        below = apart in columns and is_terminal(sys.stdout)
        inside = {key: heading for key, heading in columns.items() if not (below and key == apart)}
        cells = [[shown(row[key], zone) for key in inside] for row in rows]
        _print_table([_column(heading, [row[key] for row in rows]) for key, heading in inside.items()], cells)
        if below:
            click.echo(f"{columns[apart]}, in the same order:")
            for row in rows:
                click.echo(shown(row[apart], zone))


def print_facts(facts: Mapping[str, Any], *, zone: ZoneInfo | None = None) -> None:
    """Print one thing as lines of name and value; what is unknown or empty is left out."""
    told = {name: shown(value, zone) for name, value in facts.items() if value not in (None, "", [], ())}
    width = max(map(len, told), default=0)
    for name, text in told.items():
        first, *rest = text.split("\n")
        click.echo(f"{name:<{width}}  {first}")
        for line in rest:
            click.echo(f"{'':<{width}}  {line}")


def print_json(value: Any) -> None:
    """Print a value as JSON, indented, umlauts as they are."""
    click.echo(json.dumps(_jsonable(value), indent=2, ensure_ascii=False))


def shown(value: Any, zone: ZoneInfo | None = None) -> str:
    """A value as a table shows it; control characters become visible, so nothing can steer a terminal."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return value.astimezone(zone or UTC).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(shown(each, zone) for each in value)
    text = str(value)
    if text.isprintable():
        return text
    return "".join("�" if letter != "\n" and unicodedata.category(letter) in ("Cc", "Cf", "Zl", "Zp") else letter for letter in text)


def counted(number: int, one: str, several: str = "") -> str:
    """``1 problem``, ``2 problems``."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def neutral(text: str) -> str:
    """A CSV cell no spreadsheet runs as a formula (SEC-06); a text that begins with an apostrophe itself keeps it."""
    return f"'{text}" if text[:1] in FORMULA_STARTS and text else text


def _column(heading: str, values: Sequence[Any]) -> Column:
    is_number = all(isinstance(value, int | float | None) for value in values)
    return Column(heading, is_number=is_number, is_whole=any(isinstance(value, date) for value in values))


def _jsonable(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {str(_jsonable(name)): _jsonable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(each) for each in value]
    return value


def _print_csv(rows: Sequence[Mapping[str, Any]], keys: Sequence[str]) -> None:
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(keys)
    for row in rows:
        writer.writerow([neutral(_csv_cell(row[key])) for key in keys])
    click.echo(text.getvalue(), nl=False)


def _csv_cell(value: Any) -> str:
    plain = _jsonable(value)
    if plain is None:
        return ""
    if isinstance(plain, bool):
        return "yes" if plain else "no"
    if isinstance(plain, list):
        return ",".join(map(str, plain))
    return json.dumps(plain, ensure_ascii=False) if isinstance(plain, dict) else str(plain)


def _print_table(columns: Sequence[Column], cells: Sequence[Sequence[str]]) -> None:
    """On a terminal as wide as it is, nothing cut; elsewhere one line a row, as wide as it comes."""
    if not is_terminal(sys.stdout):
        cells = [[" ".join(cell.split("\n")) for cell in row] for row in cells]
    head, *lines = lay_out(columns, cells, columns_of())
    click.echo(paint(head, sys.stdout, dim=True), color=True)
    for line in lines:
        click.echo(line)
