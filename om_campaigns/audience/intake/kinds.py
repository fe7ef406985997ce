"""The kinds of files an office hands in: which columns each has, how its cells are read, how it is recognised."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from om_campaigns.audience import german as words
from om_campaigns.audience.intake import cells
from om_campaigns.audience.intake.cells import Reader
from om_campaigns.audience.intake.files import Table
from om_campaigns.audience.vocabulary import (
    BasisKind,
    ChangeKind,
    DataRole,
    ForwardPolicy,
    Level,
    NetworkKind,
    OrganisationStatus,
    PackDelivery,
    PersonStatus,
    Relay,
    Rhythm,
    Role,
    Route,
    ToolkitStatus,
)
from om_campaigns.errors import Problem, ProblemsError
from om_campaigns.nearest import suggest


@dataclass(frozen=True, slots=True, eq=False)
class FileKind:
    """A kind of file. ``columns`` are its canonical columns with their readers; ``required`` must not be empty in a row.

    ``needs`` are columns by which a file of another name is recognised: for each group at least one must be there.
    """

    name: str
    columns: dict[str, Reader]
    required: tuple[str, ...]
    needs: tuple[tuple[str, ...], ...]


def _kind(name: str, required: str, needs: str, /, **columns: Reader) -> FileKind:
    groups = tuple(tuple(group.split("|")) for group in needs.split())
    return FileKind(name, columns, tuple(required.split()), groups)


MAILING_LISTS = _kind(
    "mailing_lists",
    "slug name_de",
    "slug name_de",
    slug=cells.slug,
    name_de=cells.name,
    name_en=cells.name,
    description_de=cells.free_text,
    description_en=cells.free_text,
)
REGIONS = _kind("regions", "ags name", "ags name", ags=cells.ags_only, name=cells.name)
ORGANISATION_TYPES = _kind("organisation_types", "code name group", "code name group", code=cells.slug, name=cells.name, group=cells.slug)
ORGANISATIONS = _kind(
    "organisations",
    "",
    "slug|name type|parent|regions|routes|adviser_headcount|forward_policy|list_address",
    slug=cells.slug,
    name=cells.name,
    short_name=cells.name,
    type=cells.organisation_type,
    level=cells.word(Level, "level"),
    parent=cells.as_written,
    regions=cells.regions,
    sectors=cells.sectors,
    status=cells.word(OrganisationStatus, "status"),
    joined_on=cells.day,
    left_on=cells.day,
    language=cells.language,
    routes=cells.words_list(Route, "route"),
    forward_policy=cells.word(ForwardPolicy, "forward policy"),
    adviser_headcount=cells.whole_number,
    headcount_as_of=cells.day,
    interests=cells.topics,
    brand=cells.slug,
    data_role=cells.word(DataRole, "data role"),
    holiday_land=cells.land,
    zone=cells.zone,
    list_address=cells.email,
    relay=cells.word(Relay, "relay"),
    pack_delivery=cells.word(PackDelivery, "pack delivery"),
    shelf_life_days=cells.whole_number,
    rhythm=cells.word(Rhythm, "rhythm"),
    quiet_days=cells.quiet_days,
    newsletter_days=cells.newsletter_days,
    also_in=cells.all_as_written,
)
PEOPLE = _kind(
    "people",
    "",
    "email organisation",
    person=cells.code,
    name=cells.name,
    first_name=cells.name,
    last_name=cells.name,
    email=cells.email,
    organisation=cells.organisation,
    roles=cells.words_list(Role, "role"),
    language=cells.language,
    salutation=cells.name,
    primary=cells.yes_or_no,
    since=cells.day,
    until=cells.day,
    status=cells.word(PersonStatus, "status"),
    basis=cells.word(BasisKind, "basis"),
    mailing_list=cells.mailing_lists,
    collected_by=cells.collector,
    obtained_on=cells.day,
    source=cells.free_text,
    text_version=cells.free_text,
    proof_ref=cells.free_text,
)
NETWORKS = _kind(
    "networks",
    "",
    "slug|name kind|coordinator|last_activity_on",
    slug=cells.slug,
    name=cells.name,
    kind=cells.word(NetworkKind, "kind of network"),
    regions=cells.regions,
    coordinator=cells.organisation,
    recognised_on=cells.day,
    last_activity_on=cells.day,
    organisations=cells.organisations,
    people=cells.emails_or_keys,
)
TOOLKITS = _kind(
    "toolkits",
    "code name version",
    "code name version",
    code=cells.code,
    name=cells.name,
    name_en=cells.name,
    topics=cells.topics,
    url=cells.url,
    version=cells.code,
    released_on=cells.day,
    status=cells.word(ToolkitStatus, "status"),
    change_kind=cells.word(ChangeKind, "kind of change"),
    changes=cells.free_text,
    languages=cells.languages,
)
TOOLKIT_USES = _kind(
    "toolkit_uses",
    "organisation toolkit version",
    "organisation toolkit version",
    organisation=cells.organisation,
    toolkit=cells.code,
    version=cells.code,
    since=cells.day,
    confirmed_on=cells.day,
)
CONTACT_LINES = _kind(
    "contact_lines",
    "organisation name",
    "organisation agreed_on",
    organisation=cells.organisation,
    name=cells.name,
    name_en=cells.name,
    regions=cells.regions,
    topics=cells.topics,
    phone=cells.phone,
    email=cells.email,
    url=cells.url,
    hours=cells.name,
    hours_en=cells.name,
    agreed_on=cells.day,
    agreed_by=cells.name,
    source=cells.free_text,
    until=cells.day,
)

KINDS = (MAILING_LISTS, REGIONS, ORGANISATION_TYPES, ORGANISATIONS, PEOPLE, NETWORKS, TOOLKITS, TOOLKIT_USES, CONTACT_LINES)
"""In the order in which they build on each other."""

GERMAN_FILES = {
    "reihen": "mailing_lists",
    "regionen": "regions",
    "organisationsarten": "organisation_types",
    "organisationstypen": "organisation_types",
    "organisationen": "organisations",
    "personen": "people",
    "berater": "people",
    "netzwerke": "networks",
    "hilfen": "toolkits",
    "nutzung": "toolkit_uses",
    "anlaufstellen": "contact_lines",
}


@cache
def names_of(kind: FileKind) -> dict[str, str]:
    """Folded header → canonical column of a kind."""
    return words.column_names(tuple(kind.columns))


def recognise(table: Table, stem: str) -> FileKind:
    """The kind of a file by its name, else by its header. Raises ProblemsError when it is none, or could be several."""
    folded = words.fold(stem)
    for kind in KINDS:
        if folded == words.fold(kind.name) or GERMAN_FILES.get(folded) == kind.name:
            return kind
    fitting: list[tuple[int, FileKind]] = []
    for kind in KINDS:
        found = {names_of(kind).get(words.fold(cell)) for cell in table.header}
        if all(found.intersection(group) for group in kind.needs):
            fitting.append((len(found - {None}), kind))
    fitting.sort(key=lambda pair: -pair[0])
    if not fitting or (len(fitting) > 1 and fitting[0][0] == fitting[1][0]):
        text = "neither its name nor its header says what this file holds; name it " + ", ".join(f"{k.name}.csv" for k in KINDS[:-1])
        raise ProblemsError([Problem(table.file, table.header_line, 0, "audience.kind", f"{text} or {KINDS[-1].name}.csv")])
    return fitting[0][1]


def find_columns(table: Table, kind: FileKind) -> list[str]:
    """The canonical name of each header cell; '' for a column without a name. Raises ProblemsError naming every fault."""
    names = names_of(kind)
    found: list[str] = []
    problems: list[Problem] = []
    for position, cell in enumerate(table.header, 1):
        column = names.get(words.fold(cell), "")
        if cell and not column:
            near = suggest(words.fold(cell), names)
            text = f"unknown column '{cell[:60]}'{near or '; known are ' + ', '.join(kind.columns)}"
            problems.append(Problem(table.file, table.header_line, position, "audience.column", text))
        elif column and column in found:
            text = f"column '{cell[:60]}' means {column}, which column {found.index(column) + 1} already is"
            problems.append(Problem(table.file, table.header_line, position, "audience.column", text))
        found.append(column)
    for column in kind.required:
        if column not in found:
            problems.append(Problem(table.file, table.header_line, 0, "audience.column", f"the column {column} is missing"))
    if kind is PEOPLE:
        missing = [column for column in ("email", "organisation") if column not in found]
        problems += [Problem(table.file, table.header_line, 0, "audience.column", f"the column {each} is missing") for each in missing]
    if problems:
        raise ProblemsError(problems)
    return found
