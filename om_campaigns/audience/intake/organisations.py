"""Organisations, the words around them (types, regions, mailing lists), and their contact lines.

A contact line is what a house agreed to show to everybody: a row without its day and its source is not taken.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlmodel import Session

from om_campaigns.audience import german as words
from om_campaigns.audience.contact_lines import find_owners, is_agreed
from om_campaigns.audience.intake.addresses_and_bases import Addresses
from om_campaigns.audience.intake.import_run import Counts, Record, Run, Sheet, know_organisation
from om_campaigns.audience.intake.reference_tables import ReferenceTable, save_words
from om_campaigns.audience.vocabulary import AddressKind

COLUMNS = (
    *("name", "name_key", "short_name", "org_type", "level", "status", "joined_on", "left_on", "language", "forward_policy"),
    *("adviser_headcount", "headcount_as_of", "brand", "data_role", "holiday_land", "zone", "relay", "pack_delivery", "shelf_life_days"),
    *("rhythm", "quiet_days", "newsletter_days", "parent_id", "list_address_id"),
)
DEFAULTS = {"short_name": "", "status": "active", "forward_policy": "as_is", "public_id": ""}
_NEEDED = ("name", "type", "level")
_NEVER_EMPTY = (*_NEEDED, "slug")


def import_mailing_lists(run: Run, sheets: list[Sheet]) -> None:
    """Mailing lists by slug."""
    rows = {record.values["slug"]: record.values for record in once(run, sheets, "slug")}
    columns = ("slug", "name_de", "name_en", "description_de", "description_en")
    run.report.other["mailing_lists"] = save_words(run, "mailing_list", columns, rows)
    run.known.mailing_lists.update(rows)


def import_regions(run: Run, sheets: list[Sheet]) -> None:
    """Names of districts, counties and municipalities by AGS."""
    rows = {record.values["ags"]: record.values for record in once(run, sheets, "ags")}
    run.report.other["regions"] = save_words(run, "region", ("ags", "name"), rows)
    for ags, values in rows.items():
        run.known.regions.setdefault(words.fold(values["name"]), set()).add(ags)


def import_types(run: Run, sheets: list[Sheet]) -> None:
    """Types of organisation beyond those known from the start."""
    rows = {record.values["code"]: record.values for record in once(run, sheets, "code")}
    run.report.other["organisation_types"] = save_words(run, "organisation_type", ("code", "name", "group"), rows)
    for code, values in rows.items():
        run.known.types |= {words.fold(values["name"]): code, words.fold(code): code}


def once(run: Run, sheets: Iterable[Sheet], column: str) -> Iterable[Record]:
    """Records of several files; the second with the same key is rejected."""
    seen: dict[Any, Record] = {}
    for sheet in sheets:
        for record in run.records(sheet):
            key = record.values.get(column)
            if key in seen:
                run.refuse_double(record, column, f"'{key}'", seen[key])
                continue
            seen[key] = record
            yield record


def import_organisations(run: Run, sheets: list[Sheet], addresses: Addresses) -> None:
    """Houses by slug (or name), their tree and their lists. A row is taken whole or not at all."""
    houses = ReferenceTable(run, "organisation", ("slug",), COLUMNS, DEFAULTS | {"origin": run.change_log.origin.value})
    taken = _identify(run, sheets, houses)
    parents = _place(run, taken, houses)
    houses.save({slug: _plain_values(run, record) for slug, record in taken.items()})
    for slug in taken:
        row = houses.rows[slug]
        know_organisation(run.known, row["id"], slug, row["name"], row["short_name"])
    for slug, record in taken.items():
        late: dict[str, Any] = {}
        if "parent" in record.values:
            late["parent_id"] = houses.id_of(parents[slug]) if slug in parents else None
        if "list_address" in record.values:
            given = record.values["list_address"]
            late["list_address_id"] = addresses.take(given, AddressKind.list_address) if given else None
        if late:
            addresses.write()
            houses.update(slug, late, slug, silent=slug in houses.new)
    rows = {slug: record.values for slug, record in taken.items()}
    for values in rows.values():
        if "also_in" in values:
            values["also_in"] = [houses.id_of(each) for each in values["also_in_slugs"]]
    houses.save_links("organisation_region", ("organisation_id", "ags"), "regions", rows)
    houses.save_links("organisation_sector", ("organisation_id", "sector"), "sectors", rows)
    houses.save_links("organisation_interest", ("organisation_id", "topic"), "interests", rows)
    houses.save_links("organisation_route", ("organisation_id", "route"), "routes", rows, ordered=True)
    houses.save_links("organisation_relation", ("organisation_id", "related_id"), "also_in", rows)
    houses.count(run.report.organisations, list(taken))


def _identify(run: Run, sheets: list[Sheet], houses: ReferenceTable) -> dict[str, Record]:
    taken: dict[str, Record] = {}
    for sheet in sheets:
        for record in run.records(sheet):
            try:
                slug = _slug_of(run, record, taken)
            except ValueError as error:
                run.refuse(record, "name", str(error))
                continue
            if houses.can_take(record, slug, taken, _NEEDED, _NEVER_EMPTY):
                taken[slug] = record
    return taken


def _slug_of(run: Run, record: Record, taken: dict[str, Record]) -> str:
    """The given slug, else that of the house with this name, else one made from the name."""
    if slug := record.values.get("slug"):
        return str(slug)
    name = record.values.get("name")
    if name is None:
        raise ValueError("neither a slug nor a name")
    known = run.known.organisation_names.get(words.name_key(name), set())
    if len(known) > 1:
        raise ValueError(f"several organisations have this name ({', '.join(sorted(known)[:5])}); write the slug")
    slug = next(iter(known), None) or words.make_slug(name)
    if not slug:
        raise ValueError("no slug can be made from this name; write one")
    if not known and slug in run.known.organisations:
        raise ValueError(f"the slug '{slug}' made from this name belongs to another organisation; write a slug")
    return slug


def _place(run: Run, taken: dict[str, Record], houses: ReferenceTable) -> dict[str, str]:
    """Slug → parent's slug for the rows that name one; rows with an unknown parent or in a cycle leave ``taken``."""
    slug_by_id = {row["id"]: slug for slug, row in houses.rows.items()}
    while True:
        names = _names(run, taken, houses)
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
            tree = {slug: slug_by_id[row["parent_id"]] for slug, row in houses.rows.items() if row["parent_id"]}
            tree = {slug: parent for slug, parent in tree.items() if not (slug in taken and "parent" in taken[slug].values)} | parents
            faults = {
                s: ("parent", f"a cycle: {' → '.join([*c, c[0]])}") for c in find_cycles(tree) for s in c if s in taken and s in parents
            }
        if not faults:
            return parents
        for slug, (column, reason) in faults.items():
            record = taken.pop(slug)
            run.refuse(record, column, reason)


def _names(run: Run, taken: dict[str, Record], houses: ReferenceTable) -> dict[str, set[str]]:
    names: dict[str, set[str]] = {slug: {slug} for slug in (*houses.rows, *taken)}
    for key, slugs in run.known.organisation_names.items():
        names.setdefault(key, set()).update(slugs)
    for slug, record in taken.items():
        for column in ("name", "short_name"):
            if found := record.values.get(column):
                names.setdefault(words.name_key(found), set()).add(slug)
    return names


def _resolve(run: Run, names: dict[str, set[str]], text: str) -> str:
    slugs = {text.lower()} if text.lower() in names and text.lower() in names[text.lower()] else names.get(words.name_key(text), set())
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
    values = dict(record.values)
    if "type" in values:
        values["org_type"] = values["type"]
    if "name" in values:
        values["name_key"] = words.name_key(values["name"])
    if (values.get("left_on") or "9") <= run.today.isoformat() and "status" not in values:
        values["status"] = "left"
    return values


_LINE_COLUMNS = ("name_en", "phone", "email", "email_key", "url", "hours", "hours_en", "agreed_on", "agreed_by", "source", "until")
_EMPTY = dict.fromkeys(("name_en", "phone", "email", "email_key", "url", "hours", "hours_en", "agreed_by"), "")
_PROOF = ("agreed_on", "source")
_WAYS = ("phone", "email", "url")

Key = tuple[int, str]


def import_contact_lines(run: Run, sheets: list[Sheet]) -> None:
    """Lines by house and name; an address that is a person's own needs that person's agreement."""
    lines = ReferenceTable(
        run, "contact_line", ("organisation_id", "name"), _LINE_COLUMNS, _EMPTY | {"origin": run.change_log.origin.value}
    )
    taken: dict[Key, Record] = {}
    for sheet in sheets:
        for record in run.records(sheet):
            values = record.values
            key = (run.known.organisations[values["organisation"]], values["name"])
            if "email" in values:
                given = values["email"]
                values |= {"email": given.address if given else None, "email_key": given.normal_key if given else None}
            if key in taken:
                run.refuse_double(record, "name", "this line", taken[key])
            elif _is_complete(run, record, lines.rows.get(key, {})):
                taken[key] = record
    rows = {key: record.values for key, record in _agreed(run, taken, lines).items()}
    lines.save(rows, lambda key: f"{rows[key]['organisation']} {key[1]}")
    lines.save_links("contact_line_region", ("contact_line_id", "ags"), "regions", rows)
    lines.save_links("contact_line_topic", ("contact_line_id", "topic"), "topics", rows)
    lines.count(run.report.other.setdefault("contact_lines", Counts()), list(rows))


def _is_complete(run: Run, record: Record, stored: dict[str, Any]) -> bool:
    """A line has a way to reach somebody, and says when and how the house agreed to show it."""
    merged = {**stored, **record.values}
    missing = [column for column in _PROOF if not merged.get(column)]
    for column in missing:
        run.refuse(record, column, f"{column} is missing: when and how did the house agree that everybody may see this?")
    reachable = any(merged.get(column) for column in _WAYS)
    if not reachable:
        run.refuse(record, "", "nobody can be reached: give phone, email or url")
    return reachable and not missing


def _agreed(run: Run, taken: dict[Key, Record], lines: ReferenceTable) -> dict[Key, Record]:
    """Those whose address is nobody's own, or its owner's to show."""
    merged = {key: {**lines.rows.get(key, {}), **record.values} for key, record in taken.items()}
    with Session(run.connection) as session:
        owners = find_owners(session, {each.get("email_key") or "" for each in merged.values()})
    agreed = {}
    for key, record in taken.items():
        if is_agreed(merged[key].get("agreed_by") or "", owners[merged[key].get("email_key") or ""]):
            agreed[key] = record
        else:
            reason = "this is a person's own address: agreed_by must be that person, or give the address of an office"
            run.refuse(record, "email", reason)
    return agreed
