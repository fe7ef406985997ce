"""Intake: files of an office become houses, people, bases, networks and toolkits. Read ``import_files`` first.

Everything is checked in memory against what is stored, and only what differs is written, in bulk. A row goes in whole or
not at all; importing the same file twice changes nothing; nothing here brings back a withdrawn basis or a suppression.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path

from sqlalchemy import Connection
from sqlmodel import Session

from om_campaigns.audience import bulk
from om_campaigns.audience.changes import ChangeLog, Difference
from om_campaigns.audience.intake import files, kinds, networks_and_toolkits, organisations
from om_campaigns.audience.intake.addresses_and_bases import Addresses, Bases
from om_campaigns.audience.intake.import_run import BasisGrant, Counts, ImportReport, Rejected, Run, Sheet, load_known
from om_campaigns.audience.intake.kinds import FileKind
from om_campaigns.audience.intake.people import People
from om_campaigns.audience.intake.people_rows import staged_rows
from om_campaigns.audience.intake.seats import Seats
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.errors import InputError, Problem, ProblemsError
from om_campaigns.keyring import Keyring

__all__ = ["WRITTEN", "BasisGrant", "Counts", "Difference", "ImportReport", "Rejected", "import_files"]

_HELD = ("organisation", "person", "address", "seat", "basis", "network", "toolkit", "toolkit_version", "contact_line")

WRITTEN = (
    *("organisation_type", "region", "mailing_list", "organisation", "organisation_region", "organisation_sector", "organisation_interest"),
    *("organisation_route", "organisation_relation", "address", "person", "seat", "seat_role", "basis", "suppression"),
    *("network", "network_region", "network_organisation", "network_person", "toolkit", "toolkit_topic", "toolkit_version", "toolkit_use"),
    *("contact_line", "contact_line_region", "contact_line_topic", "change"),
)
"""The tables an import may write to: what a trial works on a copy of."""

_PARTS: tuple[tuple[FileKind, Callable[[Run, list[Sheet]], None]], ...] = (
    (kinds.MAILING_LISTS, organisations.import_mailing_lists),
    (kinds.REGIONS, organisations.import_regions),
    (kinds.ORGANISATION_TYPES, organisations.import_types),
    (kinds.ORGANISATIONS, lambda run, sheets: organisations.import_organisations(run, sheets, Addresses(run))),
    (kinds.PEOPLE, lambda run, sheets: _import_people(run, sheets)),
    (kinds.NETWORKS, networks_and_toolkits.import_networks),
    (kinds.TOOLKITS, networks_and_toolkits.import_toolkits),
    (kinds.TOOLKIT_USES, networks_and_toolkits.import_toolkit_uses),
    (kinds.CONTACT_LINES, organisations.import_contact_lines),
)


def import_files(
    session: Session,
    paths: Sequence[Path] | None,
    folder: Path,
    *,
    keyring: Keyring,
    now: datetime,
    today: date,
    actor: str,
    origin: Origin = Origin.file,
    basis: BasisGrant | None = None,
    is_trial: bool = False,
) -> ImportReport:
    """Import files (all known ones of ``folder`` when ``paths`` is None) in the order in which they build on each other.

    A trial is an import whose transaction the caller rolls back: it keeps nobody from the tables. ``today`` is the day on which
    somebody has left whose row does not say when. Raises ProblemsError for files that cannot be read at all or have unknown columns
    (all of them at once); InputError when there is nothing to import or ``basis`` names an unknown list or house.
    """
    sheets = _open_all(_find_files(folder) if paths is None else list(paths))
    strays = [] if paths is not None else find_strays(folder)
    with session.begin_nested(), _room_for(session.connection()) as connection:
        if not is_trial:
            bulk.hold_tables(connection, _HELD)
        run = Run(connection, keyring, ChangeLog(origin, actor, now), today, basis, load_known(connection))
        for kind, part in _PARTS:
            if of_kind := [sheet for sheet in sheets if sheet.kind is kind]:
                part(run, of_kind)
        run.change_log.write(connection)
    session.expire_all()
    run.report.changes = run.change_log.differences
    run.report.notes += [f"{path.relative_to(folder).as_posix()} was not read: {text}" for path, text in strays]
    return run.report


SUBFOLDERS = {"segments": ".toml", "overlays": ".md"}
"""Folders below that of the tables, and how their files end."""

TABLE_ENDINGS = (".csv", ".xlsx")


def _find_files(folder: Path) -> list[Path]:
    found = [folder / f"{kind.name}{suffix}" for kind in kinds.KINDS for suffix in TABLE_ENDINGS]
    found = [path for path in found if path.is_file()]
    if not found:
        raise InputError(f"{folder}: there is no file to import", hint=f"for example {folder / 'organisations.csv'} and people.csv")
    return found


def find_strays(folder: Path) -> list[tuple[Path, str]]:
    """What lies in the folder of tables, or among its segments and own words, and is read by nobody; and why."""
    names = [kind.name for kind in kinds.KINDS]
    strays = []
    for path in sorted(folder.glob("*")):
        if path.name.startswith(".") or (path.is_dir() and path.name in SUBFOLDERS):
            continue
        if path.is_dir():
            strays.append((path, f"only the folders {' and '.join(SUBFOLDERS)} are looked into"))
        elif not (path.stem in names and path.suffix in TABLE_ENDINGS):
            tables = f"the tables of this folder are called {', '.join(names)}, each .csv or .xlsx"
            is_table = path.suffix.lower() in (*TABLE_ENDINGS, ".tsv", ".txt")
            strays.append((path, f"{tables}; 'audience import FILE' takes one by any name" if is_table else tables))
    for name, ending in SUBFOLDERS.items():
        others = (path for path in sorted((folder / name).rglob("*")) if path.is_file() and not path.name.startswith("."))
        strays += [(path, f"files of {name}/ end in {ending}") for path in others if path.suffix != ending]
    return strays


def _open_all(paths: list[Path]) -> list[Sheet]:
    sheets: list[Sheet] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            table = files.read_table(path)
            kind = kinds.recognise(table, path.stem)
            sheets.append(Sheet(table, kind, kinds.find_columns(table, kind)))
        except ProblemsError as error:
            problems += error.problems
    if problems:
        raise ProblemsError(problems, hint="nothing was imported")
    return sheets


@contextmanager
def _room_for(connection: Connection) -> Iterator[Connection]:
    """Let SQLite keep the indexes it fills in memory while it does (256 MB); otherwise large imports spill to disk.

    Python's search for cycles is off meanwhile: an import makes a million small things and not one cycle, and looking
    through them again and again takes a third of the time.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        with _large_cache(connection):
            yield connection
    finally:
        if collecting:
            gc.enable()


@contextmanager
def _large_cache(connection: Connection) -> Iterator[Connection]:
    if connection.dialect.name != "sqlite":
        yield connection
        return
    before = {name: connection.exec_driver_sql(f"PRAGMA {name}.cache_size").scalar_one() for name in ("main", "temp")}
    for name in before:
        connection.exec_driver_sql(f"PRAGMA {name}.cache_size = -262144")
    try:
        yield connection
    finally:
        for name, size in before.items():
            connection.exec_driver_sql(f"PRAGMA {name}.cache_size = {size}")


def _import_people(run: Run, sheets: list[Sheet]) -> None:
    _check_grant(run)
    people = People(run, Addresses(run))
    for row, error in people.take(row for sheet in sheets for row in staged_rows(run, sheet)):
        run.reject(row.sheet, row.line, error.column, error.reason)
    run.report.rejected.sort(key=lambda each: (each.file, each.line))
    seats, bases = Seats(people), Bases(run, people.addresses.first_new)
    seats.settle()
    touched = bases.add(people.all_rows())
    people.addresses.write()
    seats.write()
    bases.write()
    _count(run, people, seats, bases, touched)
    if run.report.without_basis:
        run.report.notes.append(
            f"{run.report.without_basis} of {run.report.people_total} have no basis and cannot be written to (LAW-01): "
            "record one in the columns basis, obtained_on and source, or for the whole file with --basis"
        )


def _check_grant(run: Run) -> None:
    grant = run.grant
    if grant is None:
        return
    if grant.mailing_list != "*" and grant.mailing_list not in run.known.mailing_lists:
        near = run.known.hint(grant.mailing_list, run.known.mailing_lists)
        raise InputError(f"unknown mailing list '{grant.mailing_list}'{near}", hint="mailing lists stand in mailing_lists.csv")
    if grant.collected_by != "om" and grant.collected_by not in run.known.organisations:
        near = run.known.hint(grant.collected_by, run.known.organisations)
        raise InputError(f"unknown organisation '{grant.collected_by}'{near}", hint="who collected the basis: om, or the slug of a house")


def _count(run: Run, people: People, seats: Seats, bases: Bases, touched: set[int]) -> None:
    report, mailable, first_new = run.report, bases.mailable, people.first_new
    for person, rows in people.rows.items():
        report.without_basis += not any(address in mailable for _row, address in rows)
        if person >= first_new:
            report.people.new += 1
            run.change_log.show_created("person", rows[0][0].name, rows[0][0].place.slug)
        else:
            changed = person in seats.changed or any(address in touched for _row, address in rows)
            report.people.count(new=False, changed=changed)
    for (address, house), (row, _address) in people.role_rows.items():
        seat = people.role_seat_at.get((address, house))
        report.people.count(new=seat is None, changed=seat is not None and (-seat in seats.changed or address in touched))
        report.without_basis += address not in mailable
        if seat is None:
            run.change_log.show_created("seat", row.address.address, row.place.slug)
    report.people_total = len(people.rows) + len(people.role_rows)
    if kept := bases.kept():
        report.notes.append(
            f"{kept} {'address keeps its' if kept == 1 else 'addresses keep their'} basis though the file states none: an empty cell takes "
            "nothing away; where somebody withdrew it, do 'om-campaigns person unsubscribe ADDRESS'"
        )
