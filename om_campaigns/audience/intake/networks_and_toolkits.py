"""Networks, toolkits with their versions, and who uses which."""

from __future__ import annotations

from typing import Any

from om_campaigns.audience import bulk
from om_campaigns.audience import german as words
from om_campaigns.audience.addresses import normalise
from om_campaigns.audience.changes import PartnerChanges
from om_campaigns.audience.intake.import_run import Counts, Record, Run, Sheet
from om_campaigns.audience.intake.reference_tables import ReferenceTable
from om_campaigns.audience.toolkits import version_key

_NEEDED = ("name", "kind")
_VERSION = ("sort_key", "released_on", "status", "change_kind", "changes", "languages")


def import_networks(run: Run, sheets: list[Sheet]) -> None:
    """Networks by slug (or one made from the name), with regions, houses and people."""
    columns = ("name", "kind", "coordinator_id", "recognised_on", "last_activity_on")
    networks = ReferenceTable(run, "network", ("slug",), columns, {})
    people = _people_by_key(run)
    taken: dict[str, Record] = {}
    for sheet in sheets:
        for record in run.records(sheet):
            slug = record.values.get("slug") or words.make_slug(record.values.get("name") or "")
            if networks.can_take(record, slug, taken, _NEEDED, _NEEDED) and _find_people(run, record, people):
                taken[slug] = record
    ids = run.known.organisations
    rows = {slug: record.values for slug, record in taken.items()}
    for values in rows.values():
        if "coordinator" in values:
            values["coordinator_id"] = ids[values["coordinator"]] if values["coordinator"] else None
        if "organisations" in values:
            values["organisations"] = [ids[slug] for slug in values["organisations"] or ()]
    networks.save(rows)
    networks.save_links("network_region", ("network_id", "ags"), "regions", rows)
    networks.save_links("network_organisation", ("network_id", "organisation_id"), "organisations", rows)
    networks.save_links("network_person", ("network_id", "person_id"), "people", rows)
    networks.count(run.report.other.setdefault("networks", Counts()), list(taken))


def _people_by_key(run: Run) -> dict[str, set[int]]:
    """Staff key or normal key of an address → people."""
    found: dict[str, set[int]] = {}
    for each, staff_key, main in bulk.load_rows(
        run.connection,
        "SELECT person.id, staff_key, normal_key FROM person LEFT JOIN address ON address.id = main_address_id "
        "WHERE person.status <> 'erased'",
    ):
        for mark in {staff_key, main} - {None}:
            found.setdefault(mark, set()).add(each)
    for each, own in bulk.load_rows(
        run.connection,
        "SELECT seat.person_id, normal_key FROM seat JOIN address ON address.id = seat.address_id WHERE seat.person_id IS NOT NULL",
    ):
        found.setdefault(own, set()).add(each)
    return found


def _find_people(run: Run, record: Record, people: dict[str, set[int]]) -> bool:
    """Put the ids of the people a network names into its record; False when one is unknown or could be several."""
    found: list[int] = []
    for mark in record.values.get("people") or ():
        ids = people.get(mark, set())
        if "@" in mark:
            try:
                ids = people.get(normalise(mark).normal_key, set())
            except ValueError as error:
                run.refuse(record, "people", str(error))
                return False
        if len(ids) != 1:
            reason = f"'{mark[:60]}' is shared by several people; write their numbers" if ids else f"unknown person '{mark[:60]}'"
            run.refuse(record, "people", reason)
            return False
        found += ids
    if "people" in record.values:
        record.values["people"] = sorted(set(found))
    return True


def import_toolkits(run: Run, sheets: list[Sheet]) -> None:
    """Toolkits by code, one row per version; what concerns the toolkit itself must be the same in all its rows."""
    toolkits = ReferenceTable(run, "toolkit", ("code",), ("name", "name_en", "url"), {"name_en": "", "url": ""})
    defaults = {"status": "current", "change_kind": "new", "changes": "", "languages": "de"}
    versions = ReferenceTable(run, "toolkit_version", ("toolkit_id", "version"), _VERSION, defaults)
    taken: dict[tuple[str, str], Record] = {}
    own: dict[str, dict[str, Any]] = {}
    for sheet in sheets:
        for record in run.records(sheet):
            if _take_version(run, record, taken, own):
                taken[record.values["code"], record.values["sort_key"]] = record
    toolkits.save(own)
    toolkits.save_links("toolkit_topic", ("toolkit_id", "topic"), "topics", own)
    stored = {(row["toolkit_id"], row["sort_key"]): row["version"] for row in versions.rows.values()}
    rows = {}
    for (code, sort_key), record in taken.items():
        toolkit = toolkits.id_of(code)
        version = stored.get((toolkit, sort_key), record.values["version"])  # 2.0 is 2: one version, as first written
        rows[toolkit, version] = record.values
    codes = {toolkits.id_of(code): code for code in own}
    versions.save(rows, lambda key: f"{codes[key[0]]} {key[1]}")
    toolkits.count(run.report.other.setdefault("toolkits", Counts()), list(own))
    versions.count(run.report.other.setdefault("toolkit_versions", Counts()), list(rows))


def _take_version(run: Run, record: Record, taken: dict[tuple[str, str], Record], own: dict[str, dict[str, Any]]) -> bool:
    values = record.values
    try:
        values["sort_key"] = version_key(values["version"])
    except ValueError as error:
        run.refuse(record, "version", str(error))
        return False
    if earlier := taken.get((values["code"], values["sort_key"])):
        run.refuse_double(record, "version", "this version", earlier)
        return False
    common = own.get(values["code"], {})
    for column in ("name", "name_en", "topics", "url"):
        if values.get(column) and common.get(column) and values[column] != common[column]:
            run.refuse(record, column, "another row of the same toolkit says something else")
            return False
    stated = {column: values[column] for column in ("name", "name_en", "topics", "url") if column in values}
    own[values["code"]] = stated | {column: value for column, value in common.items() if value}
    return True


USE_FIELDS = ("version", "since", "confirmed_on")


def import_toolkit_uses(run: Run, sheets: list[Sheet]) -> None:
    """Which house uses which toolkit in which version; a change is logged with the house."""
    connection = run.connection
    toolkits = {words.fold(code): (each, code) for each, code in bulk.load_rows(connection, "SELECT id, code FROM toolkit")}
    found = bulk.load_rows(connection, "SELECT toolkit_id, sort_key, id, version FROM toolkit_version")
    versions = {(toolkit, sort_key): (each, version) for toolkit, sort_key, each, version in found}
    names = dict(versions.values())
    uses = {
        (house, toolkit): [version, bulk.as_day(since), bulk.as_day(confirmed)]
        for house, toolkit, version, since, confirmed in bulk.load_rows(
            connection, "SELECT organisation_id, toolkit_id, version_id, since, confirmed_on FROM toolkit_use"
        )
    }
    counts, partners = run.report.other.setdefault("toolkit_uses", Counts()), PartnerChanges(connection)
    seen: dict[tuple[int, int], int] = {}
    for sheet in sheets:
        for record in run.records(sheet):
            values = record.values
            toolkit, code = toolkits.get(words.fold(values["toolkit"]), (0, ""))
            if not toolkit:
                run.refuse(record, "toolkit", f"unknown toolkit '{values['toolkit']}'{run.known.hint(values['toolkit'], toolkits)}")
                continue
            version = versions.get((toolkit, _key_or_nothing(values["version"])), (0, ""))[0]
            house = run.known.organisations[values["organisation"]]
            if not version:
                run.refuse(record, "version", f"unknown version '{values['version']}' of {code}; it must stand in toolkits.csv")
            elif (house, toolkit) in seen:
                run.refuse(record, "toolkit", f"this house and toolkit stand in line {seen[house, toolkit]} already")
            else:
                seen[house, toolkit] = record.line
                old = uses.get((house, toolkit))
                new = [version, *(values[c] if c in values else (old[i] if old else None) for i, c in ((1, "since"), (2, "confirmed_on")))]
                said = _with_partner_changes(partners, house, code, old, new, names)
                counts.count(new=old is None and said is not None, changed=old is not None and old != said)
                if said is not None and old != said:
                    _store_use(run, (house, toolkit), (code, values["organisation"]), old, said, names)


def _with_partner_changes(
    partners: PartnerChanges, house: int, code: str, old: list[Any] | None, new: list[Any], names: dict[int, str]
) -> list[Any] | None:
    """What holds where the house itself has confirmed another version since, or (None) does not use the toolkit any more."""
    shown = (names[new[0]], new[1], new[2])
    held = [partners.holds(house, f"uses {code} {field}", value) for field, value in zip(USE_FIELDS, shown, strict=True)]
    if old is None:
        return None if held[0] else new
    return [before if is_held else value for is_held, before, value in zip(held, old, new, strict=True)]


def _store_use(
    run: Run, key: tuple[int, int], label: tuple[str, str], old: list[Any] | None, new: list[Any], names: dict[int, str]
) -> None:
    before = old or [None, None, None]
    for field, was, now in zip(USE_FIELDS, before, new, strict=True):
        if was != now:
            shown = (names.get(was) if was else None, names[now]) if field == "version" else (was, now)
            run.change_log.record("organisation", key[0], label[1], f"uses {label[0]} {field}", *shown)
    columns = ("organisation_id", "toolkit_id", "version_id", "since", "confirmed_on")
    if old is not None:
        bulk.delete_rows(run.connection, "toolkit_use", columns[:2], [key])
    bulk.insert_rows(run.connection, "toolkit_use", columns, [(*key, *new)])


def _key_or_nothing(version: str) -> str:
    try:
        return version_key(version)
    except ValueError:
        return ""
