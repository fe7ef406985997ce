"""Organisations, and the words around them: types, regions, mailing lists."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from om_campaigns.audience import columns_de as words
from om_campaigns.audience.intake import cells, shelves
from om_campaigns.audience.intake.addressbook import Addressbook
from om_campaigns.audience.intake.run import Record, Run, Sheet, know_organisation
from om_campaigns.audience.vocabulary import AddressKind

COLUMNS = (
    "name",
    "name_key",
    "short_name",
    "org_type",
    "level",
    "status",
    "joined_on",
    "left_on",
    "language",
    "forward_policy",
    "adviser_headcount",
    "headcount_as_of",
    "brand",
    "data_role",
    "holiday_land",
    "zone",
    "relay",
    "pack_delivery",
    "shelf_life_days",
    "rhythm",
    "quiet_days",
    "newsletter_days",
    "parent_id",
    "list_address_id",
)
DEFAULTS = {
    "short_name": "",
    "status": "active",
    "forward_policy": "as_is",
    "public_id": "",
}
_NEEDED = ("name", "type", "level")
_NEVER_EMPTY = (*_NEEDED, "slug")


def import_mailing_lists(run: Run, sheets: list[Sheet]) -> None:
    """Mailing lists by slug."""
    wanted = {record.values["slug"]: record.values for record in once(run, sheets, "slug")}
    columns = ("slug", "name_de", "name_en", "description_de", "description_en")
    run.report.other["mailing_lists"] = shelves.save_words(run, "mailing_list", columns, wanted)
    run.known.mailing_lists.update(wanted)


def import_regions(run: Run, sheets: list[Sheet]) -> None:
    """Names of districts, counties and municipalities by AGS."""
    wanted = {record.values["ags"]: record.values for record in once(run, sheets, "ags")}
    run.report.other["regions"] = shelves.save_words(run, "region", ("ags", "name"), wanted)
    for ags, values in wanted.items():
        run.known.regions.setdefault(words.fold(values["name"]), set()).add(ags)


def import_types(run: Run, sheets: list[Sheet]) -> None:
    """Types of organisation beyond those known from the start."""
    wanted = {record.values["code"]: record.values for record in once(run, sheets, "code")}
    run.report.other["organisation_types"] = shelves.save_words(run, "organisation_type", ("code", "name", "group"), wanted)
    for code, values in wanted.items():
        run.known.types |= {words.fold(values["name"]): code, words.fold(code): code}


def once(run: Run, sheets: Iterable[Sheet], column: str) -> Iterable[Record]:
    """Records of several files; the second with the same key is rejected."""
    seen: dict[Any, Record] = {}
    for sheet in sheets:
        for record in run.records(sheet):
            key = record.values.get(column)
            if key in seen:
                run.reject(sheet, record.line, column, f"'{key}' stands in line {seen[key].line} of {seen[key].sheet.table.file} already")
                continue
            seen[key] = record
            yield record


def import_organisations(run: Run, sheets: list[Sheet], book: Addressbook) -> None:
    """Houses by slug (or name), their tree and their lists. A row is taken whole or not at all."""
    shelf = shelves.Shelf(run, "organisation", ("slug",), COLUMNS, DEFAULTS | {"origin": run.journal.origin.value})
    taken = _identify(run, sheets, shelf)
    parents = _place(run, taken, shelf)
    shelf.save({slug: _plain_values(run, record) for slug, record in taken.items()})
    for slug in taken:
        row = shelf.rows[slug]
        know_organisation(run.known, row["id"], slug, row["name"], row["short_name"])
    for slug, record in taken.items():
        late: dict[str, Any] = {}
        if "parent" in record.values:
            late["parent_id"] = shelf.id_of(parents[slug]) if slug in parents else None
        if "list_address" in record.values:
            given = record.values["list_address"]
            late["list_address_id"] = book.take(given, AddressKind.list_address) if given else None
        if late:
            book.write()
            shelf.update(slug, late, slug, silent=slug in shelf.new)
    _save_lists(run, taken, shelf)
    shelf.count(run.report.organisations, list(taken))


def _identify(run: Run, sheets: list[Sheet], shelf: shelves.Shelf) -> dict[str, Record]:
    taken: dict[str, Record] = {}
    for sheet in sheets:
        for record in run.records(sheet):
            try:
                slug = _slug_of(run, record, taken)
            except ValueError as error:
                run.reject(sheet, record.line, "name", str(error))
                continue
            missing = [c for c in _NEEDED if (slug not in shelf.rows and record.values.get(c) is None)]
            missing += [c for c in _NEVER_EMPTY if c in record.values and record.values[c] is None and c not in missing]
            for column in missing:
                run.reject(sheet, record.line, column, f"{column} is missing")
            if slug in taken:
                run.reject(
                    sheet, record.line, "slug", f"'{slug}' stands in line {taken[slug].line} of {taken[slug].sheet.table.file} already"
                )
            elif not missing:
                taken[slug] = record
    return taken


def _slug_of(run: Run, record: Record, taken: dict[str, Record]) -> str:
    """The given slug, else that of the house with this name, else one made from the name."""
    if slug := record.values.get("slug"):
        return str(slug)
    name = record.values.get("name")
    if name is None:
        raise ValueError("neither a slug nor a name")
    known = run.known.organisation_names.get(cells.name_key(name), set())
    if len(known) > 1:
        raise ValueError(f"several organisations have this name ({', '.join(sorted(known)[:5])}); write the slug")
    slug = next(iter(known), None) or words.make_slug(name)
    if not slug:
        raise ValueError("no slug can be made from this name; write one")
    if not known and slug in run.known.organisations:
        raise ValueError(f"the slug '{slug}' made from this name belongs to another organisation; write a slug")
    return slug


def _place(run: Run, taken: dict[str, Record], shelf: shelves.Shelf) -> dict[str, str]:
    """Slug → parent's slug for the rows that name one; rows with an unknown parent or in a cycle leave ``taken``."""
    slug_by_id = {row["id"]: slug for slug, row in shelf.rows.items()}
    while True:
        names = _names(run, taken, shelf)
        parents: dict[str, str] = {}
        faults: dict[str, tuple[str, str]] = {}
        for slug, record in taken.items():
            try:
                if parent := record.values.get("parent"):
                    parents[slug] = _resolve(run, names, parent)
                record.values["also_in_slugs"] = tuple(_resolve(run, names, each) for each in record.values.get("also_in") or ())
            except ValueError as error:
                faults[slug] = ("parent" if slug not in parents and record.values.get("parent") else "also_in", str(error))
        if not faults:
            tree = {slug: slug_by_id[row["parent_id"]] for slug, row in shelf.rows.items() if row["parent_id"]}
            tree = {slug: parent for slug, parent in tree.items() if not (slug in taken and "parent" in taken[slug].values)} | parents
            faults = {
                s: ("parent", f"a cycle: {' → '.join([*c, c[0]])}") for c in find_cycles(tree) for s in c if s in taken and s in parents
            }
        if not faults:
            return parents
        for slug, (column, reason) in faults.items():
            record = taken.pop(slug)
            run.reject(record.sheet, record.line, column, reason)


def _names(run: Run, taken: dict[str, Record], shelf: shelves.Shelf) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {slug: {slug} for slug in (*shelf.rows, *taken)}
    for key, slugs in run.known.organisation_names.items():
        names.setdefault(key, set()).update(slugs)
    for slug, record in taken.items():
        for column in ("name", "short_name"):
            if found := record.values.get(column):
                names.setdefault(cells.name_key(found), set()).add(slug)
    return names


def _resolve(run: Run, names: dict[str, set[str]], text: str) -> str:
    slugs = {text.lower()} if text.lower() in names and text.lower() in names[text.lower()] else names.get(cells.name_key(text), set())
    if len(slugs) > 1:
        raise ValueError(f"'{text[:60]}' names several organisations ({', '.join(sorted(slugs)[:5])}); write the slug")
    if not slugs:
        raise ValueError(f"unknown organisation '{text[:60]}'{run.known.hint(text.lower(), names)}")
    return next(iter(slugs))


def find_cycles(tree: dict[str, str]) -> list[list[str]]:
    """Every cycle of child → parent, each once, in order."""
    done: set[str] = set()
    cycles = []
    for start in tree:
        path: dict[str, int] = {}
        here: str | None = start
        while here is not None and here not in done and here not in path:
            path[here] = len(path)
            here = tree.get(here)
        if here is not None and here in path:
            cycles.append(list(path)[path[here] :])
        done.update(path)
    return cycles


def _plain_values(run: Run, record: Record) -> dict[str, Any]:
    values = {name: value for name, value in record.values.items() if name in COLUMNS}
    if "type" in record.values:
        values["org_type"] = record.values["type"]
    if "name" in values:
        values["name_key"] = cells.name_key(values["name"])
    if (values.get("left_on") or "9") <= run.today.isoformat() and "status" not in values:
        values["status"] = "left"
    return values


def _save_lists(run: Run, taken: dict[str, Record], shelf: shelves.Shelf) -> None:
    def wanted(column: str) -> dict[str, Any]:
        return {slug: record.values[column] for slug, record in taken.items() if column in record.values}

    shelf.save_links("organisation_region", ("organisation_id", "ags"), "regions", wanted("regions"))
    shelf.save_links("organisation_sector", ("organisation_id", "sector"), "sectors", wanted("sectors"))
    shelf.save_links("organisation_interest", ("organisation_id", "topic"), "interests", wanted("interests"))
    shelf.save_links("organisation_route", ("organisation_id", "route"), "routes", wanted("routes"), ordered=True)
    also = {slug: [shelf.id_of(each) for each in taken[slug].values["also_in_slugs"]] for slug in wanted("also_in")}
    shelf.save_links("organisation_relation", ("organisation_id", "related_id"), "also_in", also)
