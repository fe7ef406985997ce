"""Writes ``docs/reference/columns.md`` from the tables an office may hand in: ``python docs/make_columns_reference.py``."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path

from om_campaigns.audience.german import COLUMNS, ENUM_WORDS, TOPIC_WORDS, TYPE_WORDS
from om_campaigns.audience.intake.kinds import GERMAN_FILES, KINDS, FileKind
from om_campaigns.audience.vocabulary import (
    IDEA_NAMES,
    ORGANISATION_TYPES,
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

PAGE = Path(__file__).parent / "reference" / "columns.md"

HEAD = """# Columns of the tables

Made from the code by `docs/make_columns_reference.py`. How a list is brought in stands in
[import the lists of an office](../how-to/import-office-lists.md).

Names of columns and values are compared without upper case, umlauts, blanks and signs: `E-Mail-Adresse`, `e_mail_adresse` and
`EMailAdresse` are one name. Columns may stand in any order. **Bold** ones must be there and filled.
"""

MEANINGS = {
    "mailing_lists": "What people subscribe to and leave.",
    "regions": "Names of regions, where the built-in ones do not suffice.",
    "organisation_types": "Types of organisations beside the built-in ones.",
    "organisations": "Houses: who they are, what they want, where they stand in their tree. A house needs a slug or a name.",
    "people": "Contacts and advisers, a row for each place in a house. A row without a name is an address of the house (info@…). "
    "The columns `email` and `organisation` must be there.",
    "networks": "Regional networks and who sits in them. A network needs a slug or a name.",
    "toolkits": "Checks and guides, a row for each version.",
    "toolkit_uses": "Which house works with which version.",
    "contact_lines": "Telephone numbers and pages that houses agreed to show in public.",
}

CELLS = {
    "slug": "short name in small letters, digits and hyphens; made from the name where it is empty",
    "name": "the name as it is printed",
    "first_name": "joined with the last name",
    "last_name": "joined with the first name",
    "name_de": "the name in German",
    "name_en": "the name in English",
    "description_de": "one sentence in German, shown where people subscribe",
    "description_en": "the same in English",
    "short_name": "what the house is called in short",
    "type": "a type of organisation, see [below](#types-of-organisations)",
    "level": "where in its tree",
    "parent": "slug or name of the house above",
    "regions": "Länder by name or code, AGS numbers, `DE` for all; several separated by commas",
    "sectors": "letters of WZ sections, or `all`",
    "joined_on": "day",
    "left_on": "day",
    "language": "`de` or `en`",
    "languages": "several languages separated by commas",
    "routes": "how letters reach it, the most wanted first",
    "forward_policy": "what may be done with what is passed on",
    "adviser_headcount": "how many advisers it has; a whole number",
    "headcount_as_of": "the day of that number",
    "interests": "topics, see [below](#topics)",
    "brand": "name of a folder in `templates/brands/`",
    "data_role": "who is responsible for the data, before the law",
    "holiday_land": "the Land whose public holidays count",
    "zone": "time zone, `Europe/Berlin`",
    "list_address": "the address of the house's own distribution list",
    "relay": "who passes on in its tree",
    "pack_delivery": "in which form it wants packs",
    "shelf_life_days": "for how many days after arrival it still passes on",
    "rhythm": "how often it wants to hear from us",
    "quiet_days": "days and spans without mail: `24.12.2026 – 6.1.2027`",
    "newsletter_days": "days of the month on which its newsletter appears: `1, 15`",
    "also_in": "further houses it belongs to, by slug or name",
    "person": "a number of the office's own that stays with the person",
    "email": "one address",
    "roles": "what the person does there; several separated by commas",
    "salutation": "greeting in place of the usual one",
    "primary": "yes, where this is the person's home; `ja`, `x`, `1`",
    "since": "first day",
    "until": "last day, that day included",
    "basis": "why we may write there",
    "mailing_list": "for which lists the basis holds; empty: all",
    "collected_by": "slug or name of the house that obtained it, or `OM`",
    "obtained_on": "the day it was obtained",
    "source": "where it comes from, in words",
    "text_version": "which wording was agreed to",
    "proof_ref": "where the proof lies",
    "kind": "of OM, or another one",
    "coordinator": "slug or name of a house",
    "recognised_on": "day",
    "last_activity_on": "day",
    "organisations": "slugs or names of houses, separated by commas",
    "people": "addresses or own numbers of people, separated by commas",
    "organisation": "slug or name of a house",
    "code": "short and lasting",
    "group": "the group in which reports count it",
    "topics": "topics, see [below](#topics)",
    "url": "an address that begins with https://",
    "version": "`2.1`; 2.10 comes after 2.9",
    "released_on": "day",
    "change_kind": "how much is new",
    "changes": "what is new, in words",
    "toolkit": "code of a toolkit",
    "confirmed_on": "the day the house confirmed that it uses it",
    "ags": "official number of a region, with leading zeros",
    "phone": "`+49 221 4710-130`",
    "hours": "when somebody answers",
    "hours_en": "the same in English",
    "agreed_on": "the day the house agreed to show it",
    "agreed_by": "who agreed",
    "status": "whether it counts",
}
"""What stands in a column; a column of one name means the same in every table."""

VOCABULARIES: dict[tuple[str, str], type[StrEnum]] = {
    ("organisations", "level"): Level,
    ("organisations", "status"): OrganisationStatus,
    ("organisations", "routes"): Route,
    ("organisations", "forward_policy"): ForwardPolicy,
    ("organisations", "data_role"): DataRole,
    ("organisations", "relay"): Relay,
    ("organisations", "pack_delivery"): PackDelivery,
    ("organisations", "rhythm"): Rhythm,
    ("people", "roles"): Role,
    ("people", "status"): PersonStatus,
    ("people", "basis"): BasisKind,
    ("networks", "kind"): NetworkKind,
    ("toolkits", "status"): ToolkitStatus,
    ("toolkits", "change_kind"): ChangeKind,
}
"""The columns that hold words of a closed list."""


def shown(words: str) -> str:
    """Synonyms as a cell of the page, blanks for underscores."""
    return ", ".join(word.replace("_", " ") for word in words.split())


def table_of(kind: FileKind) -> list[str]:
    german = ", ".join(f"`{name}.csv`" for name, canonical in GERMAN_FILES.items() if canonical == kind.name)
    lines = [
        f"## {kind.name}",
        "",
        MEANINGS[kind.name],
        "",
        f"File: `{kind.name}.csv` (or .xlsx …)" + (f", German {german}." if german else "."),
        "",
    ]
    lines += ["| Column | Also called | Holds |", "|---|---|---|"]
    for column in kind.columns:
        name = f"**`{column}`**" if column in kind.required else f"`{column}`"
        lines.append(f"| {name} | {shown(COLUMNS.get(column, ''))} | {CELLS[column]} |")
    for (file, column), vocabulary in VOCABULARIES.items():
        if file == kind.name:
            lines += ["", f"Words of `{column}`:", "", "| Value | Also |", "|---|---|"]
            lines += [f"| `{member.value}` | {shown(ENUM_WORDS[vocabulary].get(member.value, ''))} |" for member in vocabulary]
    return [*lines, ""]


def make_page() -> str:
    """The whole page."""
    lines = [HEAD]
    for kind in KINDS:
        lines += table_of(kind)
    lines += ["## Types of organisations", "", "| Value | German name | Also |", "|---|---|---|"]
    lines += [f"| `{code}` | {name} | {shown(TYPE_WORDS.get(code, ''))} |" for code, (name, _group) in ORGANISATION_TYPES.items()]
    lines += ["", "## Topics", "", "The five ideas of OM and subject topics; others may be added by using them.", ""]
    lines += ["| Value | Also |", "|---|---|"]
    lines += [f"| `{idea.value}` | {', '.join(names.values())} |" for idea, names in IDEA_NAMES.items()]
    lines += [f"| `{topic}` | {shown(others)} |" for topic, others in TOPIC_WORDS.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    PAGE.write_text(make_page(), encoding="utf-8")
