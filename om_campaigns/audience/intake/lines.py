"""Contact lines: what a house agreed to show to everybody. A row without its day and its source is not taken."""

from __future__ import annotations

from typing import Any

from sqlmodel import Session

from om_campaigns.audience.contact_lines import find_owners, is_agreed
from om_campaigns.audience.intake.report import Counts
from om_campaigns.audience.intake.run import Record, Run, Sheet
from om_campaigns.audience.intake.shelves import Shelf

_COLUMNS = (
    "name_en",
    "phone",
    "email",
    "email_key",
    "url",
    "hours",
    "hours_en",
    "agreed_on",
    "agreed_by",
    "source",
    "until",
)
_EMPTY = dict.fromkeys(("name_en", "phone", "email", "email_key", "url", "hours", "hours_en", "agreed_by"), "")
_PROOF = ("agreed_on", "source")
_WAYS = ("phone", "email", "url")

Key = tuple[int, str]


def import_contact_lines(run: Run, sheets: list[Sheet]) -> None:
    """Lines by house and name; an address that is a person's own needs that person's agreement."""
    shelf = Shelf(run, "contact_line", ("organisation_id", "name"), _COLUMNS, _EMPTY | {"origin": run.journal.origin.value})
    wanted: dict[Key, Record] = {}
    for sheet in sheets:
        for record in run.records(sheet):
            values = record.values
            key = (run.known.organisations[values["organisation"]], values["name"])
            if "email" in values:
                given = values["email"]
                values |= {"email": given.address if given else None, "email_key": given.normal_key if given else None}
            if key in wanted:
                earlier = wanted[key]
                run.reject(sheet, record.line, "name", f"this line stands in line {earlier.line} of {earlier.sheet.table.file} already")
            elif _is_complete(run, record, shelf.rows.get(key, {})):
                wanted[key] = record
    wanted = _agreed(run, wanted, shelf)
    slugs = {key: record.values["organisation"] for key, record in wanted.items()}
    shelf.save(
        {key: {name: value for name, value in record.values.items() if name in _COLUMNS} for key, record in wanted.items()},
        lambda key: f"{slugs[key]} {key[1]}",
    )
    for table, column, field in (("contact_line_region", "ags", "regions"), ("contact_line_topic", "topic", "topics")):
        entries = {key: record.values[field] for key, record in wanted.items() if field in record.values}
        shelf.save_links(table, ("contact_line_id", column), field, entries)
    shelf.count(run.report.other.setdefault("contact_lines", Counts()), list(wanted))


def _is_complete(run: Run, record: Record, stored: dict[str, Any]) -> bool:
    """A line has a way to reach somebody, and says when and how the house agreed to show it."""
    merged = {**stored, **record.values}
    missing = [column for column in _PROOF if not merged.get(column)]
    for column in missing:
        run.reject(record.sheet, record.line, column, f"{column} is missing: when and how did the house agree that everybody may see this?")
    reachable = any(merged.get(column) for column in _WAYS)
    if not reachable:
        run.reject(record.sheet, record.line, "", "nobody can be reached: give phone, email or url")
    return reachable and not missing


def _agreed(run: Run, wanted: dict[Key, Record], shelf: Shelf) -> dict[Key, Record]:
    """Those whose address is nobody's own, or its owner's to show."""
    merged = {key: {**shelf.rows.get(key, {}), **record.values} for key, record in wanted.items()}
    with Session(run.connection) as session:
        owners = find_owners(session, {each.get("email_key") or "" for each in merged.values()})
    taken = {}
    for key, record in wanted.items():
        if is_agreed(merged[key].get("agreed_by") or "", owners[merged[key].get("email_key") or ""]):
            taken[key] = record
        else:
            reason = "this is a person's own address: agreed_by must be that person, or give the address of an office"
            run.reject(record.sheet, record.line, "email", reason)
    return taken
