"""expressions: the SQL says what a plain Python reading says; errors stand where the mistake is; nothing else is let in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, Select, and_, insert, literal, select
from sqlalchemy.orm import aliased

from om_campaigns import engines, store
from om_campaigns.audience.changes import Change
from om_campaigns.audience.expressions import FIELDS, FUNCTIONS, Kind, Refers, Selects, check, compile_condition, read, split
from om_campaigns.audience.expressions.parse import MAX_BRACKETS, MAX_BYTES
from om_campaigns.audience.models import Organisation, Person, Seat
from om_campaigns.audience.vocabulary import NetworkKind, OrganisationStatus, Role, Route
from om_campaigns.columns import table_of
from om_campaigns.errors import ProblemsError
from tests.audience.plain_audience import (
    CAMPAIGNS,
    LISTS,
    REGIONS,
    SECTORS,
    STEPS,
    TODAY,
    TOPICS,
    TYPES,
    VERSIONS,
    Audience,
    Reading,
    make_audience,
)

SEEDS = (1, 2, 3)
seat, person, organisation = table_of(Seat), table_of(Person), table_of(Organisation)


# ---- the expressions that are tried

_DAYS = st.sampled_from([0, 1, 30, 90, 120, 180, 365])
_ORDER = st.sampled_from(["<", "<=", ">", ">=", "==", "!="])
_WORDS: dict[str, tuple[str, ...]] = {
    "type": TYPES,
    "home.type": TYPES,
    "slug": ("haus-1", "haus-2", "haus-3"),
    "home.slug": ("haus-1", "haus-2", "haus-3"),
    "language": ("de", "en"),
    "regions": REGIONS,
    "sectors": SECTORS,
    "interests": TOPICS,
    "networks": ("netz-1", "netz-2", "netz-3", "netz-4"),
}


def _quoted(values: Any) -> st.SearchStrategy[str]:
    return st.sampled_from([f"'{value}'" for value in values])


def _lists(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(st.one_of(values, values, st.just("none")), max_size=3).map(lambda found: f"[{', '.join(found)}]")


def _compared(term: st.SearchStrategy[str], values: st.SearchStrategy[str], ops: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.one_of(
        st.tuples(term, ops, values).map(" ".join),
        st.tuples(values, ops, term).map(" ".join),
        st.tuples(term, st.sampled_from(["in", "not in"]), _lists(values)).map(" ".join),
        st.tuples(term, st.sampled_from(["== none", "!= none", "is none", "is not none"])).map(" ".join),
    )


def _chained(term: st.SearchStrategy[str], values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    low = st.sampled_from(["<", "<="])
    return st.tuples(values, low, term, low, values).map(" ".join)


_EQUAL = st.sampled_from(["==", "!="])
_DATES = st.sampled_from(["'2026-01-31'", "'2026-07-01'", "'2026-12-24'", "'2027-01-04'"])
_COUNTS = st.sampled_from(["0", "1", "2", "3", "-1"])
_AGES = st.sampled_from(["-20", "0", "30", "90", "120", "180", "365"])


def _field(name: str) -> st.SearchStrategy[str]:
    spec, term = FIELDS[name], st.just(name)
    if spec.kind in {Kind.text, Kind.texts}:
        values = _quoted([word.value for word in spec.words] if spec.words else _WORDS[name])
        if spec.kind is Kind.texts:
            return st.tuples(values, st.sampled_from(["in", "not in"]), term).map(" ".join)
        return _compared(term, values, _EQUAL)
    values = {Kind.date: _DATES, Kind.days: _AGES, Kind.number: _COUNTS}[spec.kind]
    return st.one_of(_compared(term, values, _ORDER), _chained(term, values))


def _call(name: str, *arguments: st.SearchStrategy[Any]) -> st.SearchStrategy[str]:
    return st.tuples(*arguments).map(lambda found: f"{name}({', '.join(str(each) for each in found)})")


_KEYS = _quoted(["05", "053", "05315", "05315000", "06", "DE", "16"])
_ALL_DATES = st.sampled_from([name for name, spec in FIELDS.items() if spec.kind is Kind.date])
_FUNCTION_LEAVES: dict[str, st.SearchStrategy[str]] = {
    "within": _call("within", st.just("regions"), _KEYS),
    "serves": _call("serves", st.just("regions"), _KEYS),
    "days_since": st.one_of(
        _compared(_call("days_since", _ALL_DATES), _AGES, _ORDER),
        _chained(_call("days_since", _ALL_DATES), _AGES),
    ),
    "has_role": _call("has_role", _quoted([role.value for role in Role])),
    "takes": _call("takes", _quoted([route.value for route in Route])),
    "children": _compared(_call("children", _quoted([status.value for status in OrganisationStatus])), _COUNTS, _ORDER),
    "member_of": _call("member_of", _quoted(_WORDS["networks"])),
    "sits_in": _call("sits_in", _quoted([kind.value for kind in NetworkKind])),
    "coordinates": _call("coordinates", _quoted([kind.value for kind in NetworkKind])),
    "carried_over_within": _call("carried_over_within", _DAYS),
    "uses": _compared(_call("uses", _quoted(["BZ", "EIN", "XX"])), _quoted([*VERSIONS, "2", "2.1.0"]), _ORDER),
    "uses_outdated": st.just("uses_outdated()"),
    "received": _call("received", _quoted([*(f"{name}/{step}" for name in CAMPAIGNS for step in STEPS), *CAMPAIGNS, "x/a1"])),
    "answered": _call("answered", _quoted([*(f"{name}/{step}" for name in CAMPAIGNS for step in STEPS), *CAMPAIGNS, "x/a1"])),
    "touches_within": _compared(_call("touches_within", _DAYS), _COUNTS, _ORDER),
    "responded_within": _call("responded_within", _DAYS),
    "has_basis": _call("has_basis", _quoted(LISTS[:2])),
}
LEAVES = {**{name: _field(name) for name in FIELDS}, **_FUNCTION_LEAVES}


def _of_seat(name: str) -> bool:
    return (FIELDS | FUNCTIONS)[name].seat


def _expressions(leaves: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            inner.map(lambda part: f"not ({part})"),
            st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda found: f"({found[0]}) {found[1]} ({found[2]})"),
        ),
        max_leaves=6,
    )


OVER_SEATS = _expressions(st.one_of(*LEAVES.values()))
OVER_HOUSES = _expressions(
    st.one_of(
        *(leaf for name, leaf in LEAVES.items() if not _of_seat(name) and name != "days_since"), st.just("days_since(joined_on) < 90")
    )
)


# ---- both readings


@dataclass(frozen=True)
class Place:
    """A random audience and the database it stands in."""

    engine: Engine = field(repr=False)
    audience: Audience = field(repr=False)


def _place(engine: Engine, seed: int) -> Place:
    audience = make_audience(seed)
    with engine.begin() as connection:
        audience.store(connection)
    return Place(engine, audience)


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Place]]:
    made = []
    for seed in SEEDS:
        engine = engines.open_engine("sqlite:///audience.db", root=tmp_path_factory.mktemp(f"seed{seed}"))
        store.metadata.create_all(engine)
        made.append(_place(engine, seed))
    yield made
    for place in made:
        place.engine.dispose()


def _answers(place: Place, source: str, selects: str) -> dict[int, bool | None]:
    """What the condition says of everybody."""
    condition = compile_condition(source, selects, today=TODAY, campaigns=CAMPAIGNS)
    with place.engine.connect() as connection:
        return {row[0]: row[1] for row in connection.execute(_everybody(selects).add_columns(condition))}


def _by_sql(place: Place, source: str, selects: str) -> set[int]:
    """Whom the condition lets through."""
    condition = compile_condition(source, selects, today=TODAY, campaigns=CAMPAIGNS)
    with place.engine.connect() as connection:
        return set(connection.execute(_everybody(selects).where(condition)).scalars())


def _everybody(selects: str) -> Select[Any]:
    if selects == "organisations":
        return select(organisation.c.id)
    return (
        select(seat.c.id).join(organisation, organisation.c.id == seat.c.organisation_id).outerjoin(person, person.c.id == seat.c.person_id)
    )


def _houses_without_seat(place: Place, source: str) -> set[int]:
    """A house as a subject of its own: seat and person are outer joins that find nothing."""
    nobody, human, house = aliased(Seat), person.alias("human"), aliased(Organisation)
    condition = compile_condition(source, "seats", today=TODAY, campaigns=CAMPAIGNS, seat=nobody, person=human, organisation=house)
    query = (
        select(house.id)
        .outerjoin(nobody, and_(nobody.organisation_id == house.id, nobody.id < 0))
        .outerjoin(human, human.c.id == nobody.person_id)
        .where(condition)
    )
    with place.engine.connect() as connection:
        return set(connection.execute(query).scalars())


def _by_python(place: Place, source: str, selects: str) -> set[int]:
    audience = place.audience
    if selects == "organisations":
        return {house["id"] for house in audience.rows[Organisation] if Reading(audience, house).holds(source)}
    return {
        row["id"]
        for row in audience.rows[Seat]
        if Reading(audience, audience.one(Organisation, row["organisation_id"]) or {}, row).holds(source)
    }


def _agree(place: Place, source: str, selects: str) -> set[int]:
    """Both readings say the same of everybody, and the SQL always says true or false, never NULL."""
    assert check(source, selects) == []
    answers = _answers(place, source, selects)
    assert None not in answers.values(), "a condition was NULL"
    found = {key for key, answer in answers.items() if answer}
    assert found == _by_python(place, source, selects)
    return found


_QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
_LONG = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_every_field_and_every_function_is_tried() -> None:
    assert set(LEAVES) == set(FIELDS) | set(FUNCTIONS)


DECIDING = {
    **{
        name: [f"'{word}' in {name}" for word in _WORDS.get(name, [each.value for each in spec.words or ()])]
        for name, spec in FIELDS.items()
        if spec.kind is Kind.texts
    },
    **{
        name: [f"{name} == '{word}'" for word in _WORDS.get(name, [each.value for each in spec.words or ()])]
        for name, spec in FIELDS.items()
        if spec.kind is Kind.text
    },
    **{name: [f"{name} < '2026-12-24'", f"{name} == none"] for name, spec in FIELDS.items() if spec.kind is Kind.date},
    "data_role": ["data_role == 'joint'", "data_role in ['joint', none]", "data_role in ['processor']", "data_role is not none"],
    "language": ["language == 'de'", "language in ['de', none]", "language not in ['de']", "language == none"],
    "adviser_count": ["adviser_count >= 1", "adviser_count == 0"],
    "network_idle_days": ["network_idle_days >= 120", "network_idle_days < 120"],
    "within": ["within(regions, '05')", "within(regions, '053')", "within(regions, 'DE')"],
    "serves": ["serves(regions, '05315')", "serves(regions, '06')"],
    "days_since": ["days_since(joined_on) <= 90", "0 <= days_since(joined_on) <= 90"],
    "has_role": ["has_role('contact')", "has_role('adviser')"],
    "takes": ["takes('forward_pack')", "takes('direct_email')", "takes('list_address')"],
    "children": ["children('active') >= 1", "children('left') == 0"],
    "member_of": ["member_of('netz-1')", "member_of('netz-2')", "member_of('netz-3')"],
    "sits_in": ["sits_in('other')", "sits_in('om')"],
    "coordinates": ["coordinates('om')", "coordinates('other')"],
    "carried_over_within": ["carried_over_within(365)"],
    "uses": ["uses('BZ') < '2.1'", "uses('BZ') >= '2.10'", "uses('BZ') == none", "uses('EIN') in ['2', '3.0']"],
    "uses_outdated": ["uses_outdated()"],
    "received": ["received('wir-gedanke/a1')", "received('fuenf-gedanken')"],
    "answered": ["answered('wir-gedanke')", "answered('fuenf-gedanken')"],
    "touches_within": ["touches_within(180) >= 3", "touches_within(30) == 0"],
    "responded_within": ["responded_within(180)"],
    "has_basis": ["has_basis('wir-gedanke')"],
}


@pytest.mark.parametrize("name", sorted(FIELDS | FUNCTIONS))
def test_each_name_alone_decides_as_in_python(places: list[Place], name: str) -> None:
    """Somewhere it is true and somewhere false, or it would prove nothing."""
    over = ["seats"] if _of_seat(name) else ["seats", "organisations"]
    decided = False
    for place in places:
        for selects in over:
            for source in DECIDING[name][:4]:
                found, denied = _agree(place, source, selects), _agree(place, f"not ({source})", selects)
                assert not found & denied
                decided = decided or bool(found and denied)
    assert decided


@_QUICK
@given(source=OVER_SEATS, number=st.sampled_from(range(len(SEEDS))))
@example(source="not (level == 'state' or uses('BZ') < '2.1') and not (language in ['de', none])", number=0)
def test_seats_match_as_in_python(places: list[Place], source: str, number: int) -> None:
    _agree(places[number], source, "seats")


@_QUICK
@given(source=OVER_HOUSES, number=st.sampled_from(range(len(SEEDS))))
def test_organisations_match_as_in_python(places: list[Place], source: str, number: int) -> None:
    _agree(places[number], source, "organisations")


@_QUICK
@given(source=OVER_SEATS, number=st.sampled_from(range(len(SEEDS))))
def test_the_values_of_a_seat_that_is_not_there_are_missing(places: list[Place], source: str, number: int) -> None:
    _agree_without_seat(places[number], source)


@settings(_QUICK, max_examples=25)
@given(one=OVER_SEATS, other=OVER_SEATS)
def test_de_morgan(places: list[Place], one: str, other: str) -> None:
    place = places[0]
    a, b = f"({one})", f"({other})"
    assert _by_sql(place, f"not ({a} and {b})", "seats") == _by_sql(place, f"not {a} or not {b}", "seats")
    assert _by_sql(place, f"not ({a} or {b})", "seats") == _by_sql(place, f"not {a} and not {b}", "seats")
    assert _by_sql(place, f"not not {a}", "seats") == _by_sql(place, a, "seats")


@pytest.mark.slow
def test_postgresql_matches_as_python_and_sqlite(postgres_engine: Engine) -> None:
    place = _place(postgres_engine, SEEDS[0])
    for name, sources in DECIDING.items():
        for source in sources:
            _agree(place, source, "seats")
            if not _of_seat(name):
                _agree(place, source, "organisations")

    @_LONG
    @given(source=OVER_SEATS)
    def agree(source: str) -> None:
        _agree(place, source, "seats")
        _agree_without_seat(place, source)

    agree()


def _agree_without_seat(place: Place, source: str) -> None:
    wanted = {row["id"] for row in place.audience.rows[Organisation] if Reading(place.audience, row).holds(source)}
    assert _houses_without_seat(place, source) == wanted


@pytest.mark.slow
@settings(_LONG, max_examples=1500)
@given(source=OVER_SEATS, number=st.sampled_from(range(len(SEEDS))))
def test_many_more_seats_match_as_in_python(places: list[Place], source: str, number: int) -> None:
    _agree(places[number], source, "seats")


# ---- where the mistake is

MISTAKES = [
    ("", 1, 1, "the expression is empty"),
    ("  \n ", 1, 1, "the expression is empty"),
    ("type in ['x'] and\n  within(regoin, '05')", 2, 10, "unknown name 'regoin'; did you mean 'regions'?"),
    ("levl == 'state'", 1, 1, "unknown name 'levl'; did you mean 'level'?"),
    ("zzz == 1", 1, 1, "unknown name 'zzz'"),
    ("home.typ == 'guild'", 1, 1, "unknown name 'home.typ'; did you mean 'home.type'?"),
    ("person.home.type == 'x'", 1, 1, "a dot stands only in names such as home.type"),
    ("uses_outdatd()", 1, 1, "unknown function 'uses_outdatd'; did you mean 'uses_outdated'?"),
    ("true and uses_outdated", 1, 10, "'uses_outdated' is a function; write uses_outdated()"),
    ("level('state')", 1, 1, "'level' is a field; leave the brackets away"),
    ("(type)('x')", 1, 2, "'type' is a field; leave the brackets away"),
    ("'x'()", 1, 1, "only functions of the language can be called"),
    ("sits_in()", 1, 1, "'sits_in' takes one value in its brackets: sits_in('other')"),
    ("within('05')", 1, 1, "'within' takes 2 values in its brackets: within(regions, '05')"),
    ("uses_outdated(1)", 1, 1, "'uses_outdated' takes no value in its brackets: uses_outdated()"),
    ("sits_in(kind='other')", 1, 1, "'sits_in' takes one value in its brackets: sits_in('other')"),
    ("sits_in(*['other'])", 1, 1, "'sits_in' takes one value in its brackets: sits_in('other')"),
    ("within(roles, '05')", 1, 8, "'within' takes the field regions"),
    ("within(regions, 'NW')", 1, 17, "'NW' is not a region key: 2, 3, 5 or 8 digits, or DE; did you mean '05'?"),
    ("within(regions, '5')", 1, 17, "'5' is not a region key: 2, 3, 5 or 8 digits, or DE"),
    ("within(regions, 5)", 1, 17, "'within' takes a text in quotation marks: within(regions, '05')"),
    ("days_since(level) < 3", 1, 12, "'days_since' takes a date, such as joined_on"),
    ("days_since(joind_on) < 3", 1, 12, "unknown name 'joind_on'; did you mean 'joined_on'?"),
    ("days_since(joined_on) <= '90'", 1, 26, "'days_since(joined_on)' is compared with a whole number, without quotation marks"),
    ("days_since(joined_on) <= 40000", 1, 26, "this number is too large (at most 36500)"),
    ("adviser_count > 1.5", 1, 17, "'adviser_count' is compared with a whole number, without quotation marks"),
    ("adviser_count > true", 1, 17, "'adviser_count' is compared with a whole number, without quotation marks"),
    ("adviser_count > 10000000000", 1, 17, "this number is too large (at most 1000000000)"),
    ("adviser_count > 1 + 1", 1, 17, "arithmetic is not part of the language"),
    ("adviser_count", 1, 1, "'adviser_count' is a number, not a condition; compare it, such as adviser_count >= 1"),
    ("type", 1, 1, "'type' is a text, not a condition; compare it, such as type == '…'"),
    ("roles", 1, 1, "'roles' is a list of texts, not a condition; write 'value' in roles"),
    ("joined_on", 1, 1, "'joined_on' is a date, not a condition; compare it, such as days_since(joined_on) <= 90"),
    ("uses('BZ')", 1, 1, "'uses('BZ')' is a version, not a condition; compare it, such as uses('BZ') != none"),
    ("'contact'", 1, 1, "a condition is needed here, not a value"),
    ("level == 'stat'", 1, 10, "'stat' is not one of umbrella, state, regional, local; did you mean 'state'?"),
    ("level == 1", 1, 10, "'level' is compared with a text in quotation marks"),
    ("level < 'state'", 1, 1, "'level' is a text and has no order; use ==, != or in"),
    ("level == type", 1, 10, "a field can only be compared with a fixed value"),
    ("level == ['state']", 1, 10, "a field can only be compared with a fixed value"),
    ("1 == 1", 1, 1, "two fixed values are compared; compare a field with a value"),
    ("joined_on >= '31.12.2026'", 1, 14, "'31.12.2026' is not a day; write it as 2027-01-31"),
    ("joined_on >= 20261231", 1, 14, "'joined_on' is compared with a text in quotation marks"),
    ("joined_on < none", 1, 13, "none has no order; write == none or != none"),
    ("uses('BZ') < 2.1", 1, 14, "'uses('BZ')' is compared with a text in quotation marks"),
    ("uses('BZ') < '-'", 1, 14, "'-' is not a version: it has neither a number nor a letter"),
    ("roles == ['contact']", 1, 1, "'roles' is a list; write 'value' in roles"),
    ("roles in ['contact']", 1, 1, "'roles' is a list; write 'value' in roles"),
    ("['contact'] in roles", 1, 1, "one text in quotation marks is looked for in 'roles'"),
    (
        "'Contact' in roles",
        1,
        1,
        "'Contact' is not one of contact, deputy, distributor, leadership, ambassador, multiplier, press, adviser; did",
    ),
    ("'x' in type", 1, 8, "a list is needed after 'in': ['a', 'b'], or a field such as roles"),
    ("level in 'state'", 1, 10, "a list is needed after 'in': ['a', 'b'], or a field such as roles"),
    ("sits_in('other') == true", 1, 1, "'sits_in('other')' already says yes or no; leave the comparison away"),
    ("(level == 'state') == true", 1, 2, "a value is needed here, not a condition"),
    ("received('a/b/c')", 1, 10, "'a/b/c' is neither a campaign nor campaign/step"),
    ("received('/a1')", 1, 10, "'/a1' is neither a campaign nor campaign/step"),
    ("touches_within(-1) > 1", 1, 16, "'touches_within' takes a number of days from 0 to 36500"),
    ("touches_within('180') > 1", 1, 16, "'touches_within' takes a number of days from 0 to 36500"),
    ("slug == 'a\\x00b'", 1, 9, "this text has a character that cannot be printed"),
    ("slug == 'a\\ud800'", 1, 9, "this text has a character that cannot be printed"),
    ("type|upper == 'X'", 1, 1, "a filter is not part of the language"),
    ("type is defined", 1, 1, "a test with 'is' (only 'is none') is not part of the language"),
    ("true if level == 'state' else false", 1, 1, "'if … else' is not part of the language"),
    ("home['type'] == 'x'", 1, 1, "square brackets after a name is not part of the language"),
    ("level = 'state'", 1, 7, "a single '=' compares nothing; write '=='"),
    ("level == 'state' && true", 1, 18, "write 'and' instead of '&'"),
    ("level == 'state' || true", 1, 18, "write 'or' instead of '||'"),
    ("!uses_outdated()", 1, 1, "write 'not' instead of '!'"),
    ("level == „state“", 1, 10, "write straight quotation marks: 'text'"),
    ("true and\n'contact in roles", 2, 1, "the text that begins here has no closing quotation mark"),
    ("true # all", 1, 6, "'#' cannot stand inside an expression; comments stand above it"),
    ("level == 'state' and", 1, 21, "the expression ends too early"),
    ("level == 'state' and (true", 1, 27, "the expression ends too early"),
    ("level == 'state')", 1, 17, "')' cannot stand here"),
    ("level == 'state' level", 1, 18, "'level' cannot stand here"),
    ("true }} {{ true", 1, 6, "'}}' cannot stand here"),
    ("true {% if %}", 1, 6, "'{%' cannot stand here"),
    ("level in ['state', 'local'", 1, 27, "the expression ends too early"),
    ("ä == 1", 1, 1, "unknown name 'ä'"),
    ("(" * 40, 1, MAX_BRACKETS + 1, f"more than {MAX_BRACKETS} brackets inside each other"),
    ("not " * 100 + "true", 1, 165, "the expression is nested too deeply"),
    ("true or " * 300 + "true", 1, 1, f"an expression may have {MAX_BYTES} bytes at most"),
]


@pytest.mark.parametrize(("source", "line", "column", "text"), MISTAKES, ids=[repr(each[0])[:40] for each in MISTAKES])
def test_a_mistake_is_named_where_it_stands(source: str, line: int, column: int, text: str) -> None:
    problems = check(source, "seats")
    assert len(problems) == 1
    found = problems[0]
    assert (found.line, found.column) == (line, column)
    assert found.text.startswith(text)
    with pytest.raises(ProblemsError):
        compile_condition(source, "seats", today=TODAY, campaigns={})


def test_all_mistakes_are_named_at_once_and_counted_from_where_the_expression_begins() -> None:
    problems = check("levl == 'state' and\n  'Kontakt' in roles and adviser_count > '3'", "seats", file="x.toml", line=7, column=12)
    assert [(each.file, each.line, each.column, each.rule_id) for each in problems] == [
        ("x.toml", 7, 12, "EXPR-02"),
        ("x.toml", 8, 3, "EXPR-04"),
        ("x.toml", 8, 42, "EXPR-03"),
    ]


@pytest.mark.parametrize("name", [name for name, spec in (FIELDS | FUNCTIONS).items() if spec.seat])
def test_what_belongs_to_a_seat_is_refused_for_organisations(name: str) -> None:
    source = DECIDING[name][0]
    problems = check(source, "organisations")
    assert [each.text for each in problems] == [f"'{name}' belongs to a seat, but this expression is about organisations"]


def test_days_since_the_beginning_of_a_seat_is_refused_for_organisations() -> None:
    assert [each.column for each in check("days_since(since) > 3", "organisations")] == [12]


def test_a_name_of_seats_is_not_proposed_for_organisations() -> None:
    assert "'roles'" not in check("rolesx == 'x'", "organisations")[0].text


@given(st.text(max_size=60) | st.text(alphabet="()[]{}'\"notadri =<>!|,.%-+~0_ \n", max_size=120))
@settings(max_examples=150, deadline=None)
def test_no_text_whatever_makes_the_check_fall_over(source: str) -> None:
    lines = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for problem in check(source, "seats"):
        assert 1 <= problem.line <= len(lines)
        assert 1 <= problem.column <= len(lines[problem.line - 1]) + 1


def test_deep_nesting_is_an_error_of_the_text_and_not_of_the_machine() -> None:
    for source in (
        "-" * 2000 + "1 < adviser_count",
        "not " * 500 + "true",
        "1 if 1 else " * 150 + "1",
        "type" + ".x" * 900,
        "((" * 15 + "1",
    ):
        assert check(source, "seats")


# ---- what else is promised


def test_long_chains_are_not_deep() -> None:
    assert check(" or ".join(["true"] * 200), "seats") == []


@pytest.mark.parametrize("source", ["true", "not false", "(true)", "level in ()", "1 <= adviser_count < 9", "level is not none"])
def test_small_forms_are_accepted(source: str) -> None:
    assert check(source, "seats") == []


def test_a_condition_can_stand_in_an_insert_from_select(places: list[Place]) -> None:
    """The planner writes with INSERT … SELECT; the recursive part of ``takes`` must live through it, several times over."""
    sources = ["takes('forward_pack')", "not takes('direct_email') and adviser_count >= 0"]
    conditions = [compile_condition(source, "organisations", today=TODAY, campaigns={}) for source in sources]
    columns = ["batch", "entity", "entity_id", "field", "origin", "actor", "at"]
    rows = select(
        literal("b"),
        literal("organisation"),
        organisation.c.id,
        literal("f"),
        literal("engine"),
        literal(""),
        literal("2027-01-04 00:00:00"),
    ).where(*conditions)
    change = table_of(Change)
    wanted = set.intersection(*(_by_python(places[0], source, "organisations") for source in sources))
    with places[0].engine.connect() as connection:
        connection.execute(insert(change).from_select(columns, rows))
        assert set(connection.execute(select(change.c.entity_id)).scalars()) == wanted
        connection.rollback()


def test_a_campaign_nobody_published_was_received_by_nobody(places: list[Place]) -> None:
    assert _by_sql(places[0], "received('x/a1')", "seats") == set()
    assert len(_by_sql(places[0], "not received('x/a1')", "seats")) == len(places[0].audience.rows[Seat])


def test_dates_are_compared_as_columns_and_prefixes_as_ranges() -> None:
    """So an index can follow them, and no date function of a database is needed."""
    text = str(compile_condition("days_since(joined_on) <= 90 and within(regions, '05')", "organisations", today=TODAY, campaigns={}))
    assert "organisation.joined_on >= :" in text
    assert "x_region.ags >= :" in text
    assert "x_region.ags < :" in text


def test_no_value_stands_in_the_sql_text() -> None:
    evil = "x'' OR 1=1 --"
    condition = compile_condition(f'slug == "{evil}" or "{evil}" in networks', "seats", today=TODAY, campaigns={})
    assert "1=1" not in str(condition)
    assert evil in condition.compile().params.values()


def test_what_costs_more_than_a_column_is_asked_once_per_house() -> None:
    text = str(
        compile_condition("touches_within(180) >= 3 and 'contact' in roles and not uses_outdated()", "seats", today=TODAY, campaigns={})
    )
    assert text.startswith("organisation.id IN (SELECT x_asked.id")
    assert text.count("x_touch.organisation_id = x_asked.id") == 1
    assert text.count("x_use.organisation_id = x_asked.id") == 1


def test_words_that_only_data_can_check_are_handed_out_with_their_place() -> None:
    found = read("type == 'guild' and\n received('wir-gedanke/a1') and 'contact' in roles and has_basis('x')", Selects.seats).references
    assert [(each.refers, each.value, each.line, each.column) for each in found] == [
        (Refers.organisation_type, "guild", 1, 9),
        (Refers.campaign, "wir-gedanke/a1", 2, 11),
        (Refers.mailing_list, "x", 2, 66),
    ]


def test_an_expression_is_cut_at_its_outermost_words() -> None:
    joint, parts = split("a and (b and c)\n and not d")
    assert (joint, [(text, at, at.column) for text, at in parts]) == ("and", [("a", 1, 1), ("(b and c)", 1, 7), ("not d", 2, 6)])
    assert split("a and b or 'x and y'")[0] == "or"
    assert [text for text, _ in split("a and b or 'x and y'")[1]] == ["a and b", "'x and y'"]


def test_the_reference_describes_every_name_in_the_words_of_the_catalogue() -> None:
    reference = (Path(__file__).parents[2] / "docs/reference/expressions.md").read_text(encoding="utf-8")
    for name, spec in FIELDS.items():
        words = "" if spec.words is None else ", ".join(f"`{word.value}`" for word in spec.words)
        assert f"| `{name}` | {spec.kind} | {spec.says} | {words} |" in reference
    for function in FUNCTIONS.values():
        assert f"| `{function.example}` | {function.kind} | {function.says} |" in reference


def test_the_examples_of_the_reference_can_be_used() -> None:
    reference = (Path(__file__).parents[2] / "docs/reference/expressions.md").read_text(encoding="utf-8")
    examples = [line.split("`")[1] for line in reference.split("## Examples")[1].splitlines() if "`" in line and line.startswith("|")]
    assert len(examples) >= 6
    assert [check(source, "seats") for source in examples] == [[]] * len(examples)
