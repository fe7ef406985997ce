"""The closed list of what an expression may say: fields, functions, their types and what they mean; and the tree of what one did say.

The reference (``docs/reference/expressions.md``) carries the same sentences; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from om_campaigns.audience.german import fold, type_words
from om_campaigns.audience.vocabulary import (
    BasisKind,
    DataRole,
    ForwardPolicy,
    Level,
    NetworkKind,
    OrganisationStatus,
    Role,
    Route,
)
from om_campaigns.nearest import find_nearest


class Selects(StrEnum):
    """What a segment picks: places of people in houses, or houses."""

    seats = "seats"
    organisations = "organisations"


class Kind(StrEnum):
    """The type of a field, of what a function gives, and of a parameter."""

    text = "text"
    number = "number"
    days = "number of days"
    """A number of days since a date; compiled to a comparison of the date itself, so an index helps."""
    date = "date"
    version = "version"
    texts = "list of texts"
    truth = "yes or no"


class Refers(StrEnum):
    """What of the workspace a word in an expression names; it can only be checked against data."""

    organisation_type = "organisation type"
    organisation = "organisation"
    region = "region"
    sector = "sector"
    topic = "topic"
    network = "network"
    toolkit = "toolkit"
    campaign = "campaign"
    mailing_list = "mailing list"


class Takes(StrEnum):
    """The shape of a parameter that is not a word of a vocabulary."""

    days = "number of days"
    text = "text"
    region = "region key"
    step = "campaign or campaign/step"
    regions_field = "regions"
    date_field = "a date field"


@dataclass(frozen=True, slots=True)
class Field:
    """A name without brackets. ``words`` is its closed vocabulary, ``seat`` says it needs a seat."""

    kind: Kind
    says: str
    words: type[StrEnum] | None = None
    refers: Refers | None = None
    seat: bool = False


@dataclass(frozen=True, slots=True)
class Parameter:
    takes: Takes | type[StrEnum]
    refers: Refers | None = None


@dataclass(frozen=True, slots=True)
class Function:
    """A name with brackets. ``example`` is how it is written."""

    kind: Kind
    example: str
    says: str
    parameters: tuple[Parameter, ...] = ()
    seat: bool = False


FIELDS: dict[str, Field] = {
    "type": Field(Kind.text, "type of the house", refers=Refers.organisation_type),
    "level": Field(Kind.text, "level of the house", words=Level),
    "status": Field(Kind.text, "status of the house", words=OrganisationStatus),
    "slug": Field(Kind.text, "slug of the house", refers=Refers.organisation),
    "language": Field(Kind.text, "language of the person; where none is known, of the house"),
    "forward_policy": Field(Kind.text, "what the house may do with a pack", words=ForwardPolicy),
    "data_role": Field(Kind.text, "who answers for direct mail in the house's name", words=DataRole),
    "joined_on": Field(Kind.date, "day on which the house joined"),
    "left_on": Field(Kind.date, "day on which the house left"),
    "headcount_as_of": Field(Kind.date, "day for which the head count of advisers holds"),
    "adviser_count": Field(Kind.number, "head count of advisers; where none is known, the number of adviser seats"),
    "network_idle_days": Field(
        Kind.days, "days without recorded activity, of the OM network idle longest among those the house coordinates"
    ),
    "regions": Field(Kind.texts, "region keys (AGS or DE) of the house", refers=Refers.region),
    "sectors": Field(Kind.texts, "sectors of the house", refers=Refers.sector),
    "interests": Field(Kind.texts, "topics the house is interested in", refers=Refers.topic),
    "networks": Field(Kind.texts, "slugs of the networks in which the house, or the person, sits", refers=Refers.network),
    "roles": Field(Kind.texts, "roles of the person in this house", words=Role, seat=True),
    "basis": Field(Kind.texts, "kinds of basis, not withdrawn, for the seat's address", words=BasisKind, seat=True),
    "since": Field(Kind.date, "day on which the seat began", seat=True),
    "until": Field(Kind.date, "last day of the seat", seat=True),
    "home.type": Field(Kind.text, "type of the person's primary home", refers=Refers.organisation_type, seat=True),
    "home.level": Field(Kind.text, "level of the person's primary home", words=Level, seat=True),
    "home.status": Field(Kind.text, "status of the person's primary home", words=OrganisationStatus, seat=True),
    "home.slug": Field(Kind.text, "slug of the person's primary home", refers=Refers.organisation, seat=True),
}

_DAYS = Parameter(Takes.days)
_REGION = (Parameter(Takes.regions_field), Parameter(Takes.region, Refers.region))

FUNCTIONS: dict[str, Function] = {
    "within": Function(Kind.truth, "within(regions, '05')", "a region of the house lies inside this region", _REGION),
    "serves": Function(
        Kind.truth, "serves(regions, '05315')", "a region of the house lies inside this region, contains it, or is DE", _REGION
    ),
    "days_since": Function(Kind.days, "days_since(joined_on)", "days from that day to today", (Parameter(Takes.date_field),)),
    "has_role": Function(Kind.truth, "has_role('contact')", "somebody active holds this role in the house", (Parameter(Role),)),
    "takes": Function(
        Kind.truth,
        "takes('forward_pack')",
        "the house receives on this route; without routes of its own, the nearest house above that has any",
        (Parameter(Route),),
    ),
    "children": Function(
        Kind.number, "children('active')", "number of houses directly below, with this status", (Parameter(OrganisationStatus),)
    ),
    "member_of": Function(
        Kind.truth, "member_of('om-talau')", "the house, or the person, sits in this network", (Parameter(Takes.text, Refers.network),)
    ),
    "sits_in": Function(
        Kind.truth, "sits_in('other')", "the house, or the person, sits in a network of this kind", (Parameter(NetworkKind),)
    ),
    "coordinates": Function(Kind.truth, "coordinates('om')", "the house coordinates a network of this kind", (Parameter(NetworkKind),)),
    "carried_over_within": Function(
        Kind.truth,
        "carried_over_within(365)",
        "the house reported a carry-over into a network of kind other in the last so many days",
        (_DAYS,),
    ),
    "uses": Function(
        Kind.version,
        "uses('BZ')",
        "version of this toolkit which the house uses",
        (Parameter(Takes.text, Refers.toolkit),),
    ),
    "uses_outdated": Function(
        Kind.truth,
        "uses_outdated()",
        "the house uses a version below the current one, not confirmed since that came out, or a withdrawn one",
    ),
    "received": Function(
        Kind.truth,
        "received('wir-gedanke/a1')",
        "this step, or any step of the campaign, was handed over to the person; without a person, to the house",
        (Parameter(Takes.step, Refers.campaign),),
    ),
    "answered": Function(
        Kind.truth,
        "answered('wir-gedanke/a3')",
        "the house answered the question of this step, or of any step of the campaign",
        (Parameter(Takes.step, Refers.campaign),),
    ),
    "touches_within": Function(
        Kind.number, "touches_within(180)", "number of letters to the house in the last so many days, service mail apart", (_DAYS,)
    ),
    "responded_within": Function(Kind.truth, "responded_within(180)", "a sign came back from the house in the last so many days", (_DAYS,)),
    "has_basis": Function(
        Kind.truth,
        "has_basis('wir-gedanke')",
        "there is a basis on which OM may write to the seat's address on this mailing list",
        (Parameter(Takes.text, Refers.mailing_list),),
        seat=True,
    ),
}

MAX_DAYS = 36_500
MAX_NUMBER = 1_000_000_000


Constant = str | int | date


@dataclass(frozen=True, slots=True)
class Term:
    """A field, or a function with its arguments. Versions and dates in ``arguments`` are as they were written."""

    name: str
    kind: Kind
    arguments: tuple[str | int, ...] = ()
    seat: bool = False


@dataclass(frozen=True, slots=True)
class Is:
    """A comparison with one value; ``op`` is ``==  <  <=  >  >=``, ``value`` None asks whether the term is missing."""

    term: Term
    op: str
    value: Constant | None


@dataclass(frozen=True, slots=True)
class OneOf:
    """The term's value is one of these; ``missing`` says that none stood in the list too."""

    term: Term
    values: tuple[Constant, ...]
    missing: bool


@dataclass(frozen=True, slots=True)
class Holds:
    """A list-valued term holds this text."""

    term: Term
    value: str


@dataclass(frozen=True, slots=True)
class Truth:
    """A function that says yes or no."""

    term: Term


@dataclass(frozen=True, slots=True)
class Always:
    value: bool


@dataclass(frozen=True, slots=True)
class Not:
    node: Node


@dataclass(frozen=True, slots=True)
class All:
    nodes: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Any:
    nodes: tuple[Node, ...]


Node = Is | OneOf | Holds | Truth | Always | Not | All | Any


@dataclass(frozen=True, slots=True)
class Reference:
    """A word of an expression that names something of the workspace; line and column count within the expression."""

    refers: Refers
    value: str
    line: int
    column: int


UNKNOWN = "unknown-value"
SECTORS = frozenset({"all", *"ABCDEFGHIJKLMNOPQRSTU"})
CLOSED = frozenset({Refers.organisation_type, Refers.sector})
"""Vocabularies that do not grow with the next import of houses: an unknown word is an error, elsewhere a warning."""

Words = Mapping[Refers, Collection[str]]


def describe_unknown(refers: Refers, value: str, words: Words) -> str:
    """What is wrong with a word; '' if it is known, or nothing can be said of such words."""
    known = words.get(refers)
    if known is None or value in known:
        return ""
    meant = type_words().get(fold(value)) if refers is Refers.organisation_type else None
    near = meant if meant in known else find_nearest(value, known)
    hint = f"did you mean '{near}'?" if near else f"there are {', '.join(sorted(known)[:20]) or 'none'}"
    return f"there is no {refers} '{value}'; {hint}"
