"""segments: the twelve of the starter workspace pick whom they say, and a wrong file is named with every mistake in it."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlmodel import Session, SQLModel

from om_campaigns import store
from om_campaigns.audience import models as m
from om_campaigns.audience import toolkits
from om_campaigns.audience.expressions import Selects
from om_campaigns.audience.segments import Part, Segment, explain, load_segments, subjects
from om_campaigns.audience.toolkits import version_key
from om_campaigns.audience.vocabulary import (
    BasisKind,
    ForwardPolicy,
    Level,
    NetworkKind,
    OrganisationStatus,
    PersonStatus,
    RecipientKind,
    ResponseKind,
    Role,
    Route,
    ToolkitStatus,
)
from om_campaigns.errors import ProblemsError

TODAY = date(2027, 1, 4)
STARTER = Path(__file__).parents[2] / "audiences" / "segments"


class _Town:
    """A hand-made audience; houses and people are called by short names."""

    def __init__(self, session: Session) -> None:
        self.session = session
        self.houses: dict[str, int] = {}
        self.seats: dict[str, int] = {}
        self.people: dict[str, int] = {}

    def add(self, row: SQLModel) -> int:
        self.session.add(row)
        self.session.flush()
        return getattr(row, "id", None) or 0

    def house(self, name: str, kind: str, level: Level, region: str, **more: Any) -> None:
        if self.session.get(m.OrganisationType, kind) is None:
            self.add(m.OrganisationType(code=kind, name=kind, group=""))
        routes, interests, parent = more.pop("routes", ()), more.pop("interests", ()), more.pop("parent", None)
        number = self.add(
            m.Organisation(
                slug=name, name=name, name_key=name, org_type=kind, level=level, parent_id=self.houses[parent] if parent else None, **more
            )
        )
        self.houses[name] = number
        self.add(m.OrganisationRegion(organisation_id=number, ags=region))
        for place, route in enumerate(routes):
            self.add(m.OrganisationRoute(organisation_id=number, position=place, route=route))
        for topic in interests:
            self.add(m.OrganisationInterest(organisation_id=number, topic=topic))

    def seat(self, name: str, house: str, *roles: Role, basis: BasisKind | None = None, home: bool = True, **more: Any) -> None:
        """``name`` is the person, ``name@house`` the seat."""
        status = more.pop("status", PersonStatus.active)
        if name not in self.people:
            mail = f"{name}@{house}.example"
            address = self.add(m.Address(address=mail, normal_key=mail, domain=f"{house}.example", hmac=mail, key_id="k"))
            self.people[name] = self.add(m.Person(full_name=name, name_key=name, main_address_id=address, status=status))
            if basis is not None:
                self.add(m.Basis(address_id=address, kind=basis, mailing_list="*"))
        number = self.add(
            m.Seat(person_id=self.people[name], organisation_id=self.houses[house], is_primary_home=home, until=more.get("until"))
        )
        self.seats[f"{name}@{house}"] = number
        for role in roles:
            self.add(m.SeatRole(seat_id=number, role=role))

    def network(self, name: str, kind: NetworkKind, coordinator: str, active: date | None, **members: date | None) -> None:
        number = self.add(m.Network(slug=name, name=name, kind=kind, coordinator_id=self.houses[coordinator], last_activity_on=active))
        for house, carried in members.items():
            self.add(m.NetworkOrganisation(network_id=number, organisation_id=self.houses[house], carried_over_on=carried))

    def touch(self, house: str, count: int, *, service: bool = False) -> None:
        for number in range(count):
            day = date(2026, 10, 1 + number)
            self.add(
                m.Touch(
                    campaign_id=1,
                    occasion="",
                    step=f"{house}{number}{service}",
                    recipient_kind=RecipientKind.organisation,
                    recipient_id=self.houses[house],
                    address_id=1,
                    organisation_id=self.houses[house],
                    route=Route.direct_email,
                    at=datetime(2026, 10, 1, tzinfo=UTC),
                    day=(day - date(1970, 1, 1)).days,
                    service=service,
                )
            )

    def response(self, house: str, day: date) -> None:
        at = datetime(day.year, day.month, day.day, tzinfo=UTC)
        self.add(m.Response(kind=ResponseKind.reply, source_key=house, at=at, organisation_id=self.houses[house], detail={}))


def _build_houses(town: _Town) -> None:
    packs, mail = (Route.direct_email, Route.forward_pack), (Route.direct_email,)
    town.house("dach", "chamber_hwk", Level.umbrella, "DE", routes=packs)
    town.house("land", "chamber_hwk", Level.state, "05", parent="dach")
    town.house("kammer", "chamber_hwk", Level.regional, "05315", parent="land", joined_on=date(2026, 12, 1), adviser_headcount=40)
    town.house("ort", "guild", Level.local, "05", parent="kammer", joined_on=date(2027, 2, 1), status=OrganisationStatus.paused)
    town.house("kasse", "health_insurer", Level.regional, "09", routes=mail, adviser_headcount=5)
    town.house("verband", "professional_association", Level.regional, "DE", interests=("safety", "climate"))
    policy = ForwardPolicy.no_forwarding
    town.house("firma", "enterprise", Level.local, "06", routes=packs, forward_policy=policy, adviser_headcount=2)


def _build_people(town: _Town) -> None:
    doi, membership = BasisKind.consent_doi, BasisKind.membership_or_service_duty
    town.seat("mira", "kammer", Role.contact, basis=doi)
    town.seat("kurt", "kammer", Role.contact, basis=BasisKind.employer_internal)
    town.seat("olga", "ort", Role.contact, basis=doi)
    town.seat("ende", "ort", Role.contact, Role.adviser, basis=doi, until=date(2027, 1, 3))
    town.seat("krank", "kasse", Role.contact, basis=doi, status=PersonStatus.paused)
    town.seat("vera", "land", Role.distributor, Role.adviser)
    town.seat("vito", "kammer", Role.distributor)
    town.seat("vroni", "kasse", Role.distributor)
    town.seat("jonas", "verband", Role.adviser, basis=doi)
    town.seat("jonas", "firma", Role.adviser, home=False)
    town.seat("britta", "kammer", Role.adviser, basis=doi)
    town.seat("moritz", "verband", Role.adviser, basis=membership)
    town.seat("aylin", "verband", Role.ambassador, basis=BasisKind.consent_written)
    town.seat("anton", "firma", Role.ambassador, basis=membership)


def _build_networks_and_toolkits(town: _Town) -> None:
    town.network("morgental", NetworkKind.om, "kasse", date(2026, 8, 1))
    town.network("abendtal", NetworkKind.om, "verband", date(2026, 12, 20))
    town.network("ruhetal", NetworkKind.om, "firma", None)
    town.network("talau", NetworkKind.other, "land", date(2026, 1, 1), kammer=date(2026, 6, 1), kasse=date(2025, 6, 1), ort=None)
    check, old = town.add(toolkits.Toolkit(code="BZ", name="Check")), town.add(toolkits.Toolkit(code="ALT", name="Merkblatt"))
    versions = {}
    for kit, version, status, released in (
        (check, "2.9", ToolkitStatus.superseded, date(2025, 3, 1)),
        (check, "2.10", ToolkitStatus.current, date(2026, 11, 1)),
        (old, "1.0", ToolkitStatus.withdrawn, date(2020, 1, 1)),
    ):
        row = toolkits.ToolkitVersion(toolkit_id=kit, version=version, sort_key=version_key(version), status=status, released_on=released)
        versions[kit, version] = town.add(row)
    for house, kit, version, confirmed in (
        ("kammer", check, "2.9", None),
        ("kasse", check, "2.9", date(2026, 12, 1)),
        ("verband", check, "2.9", date(2026, 1, 1)),
        ("land", check, "2.10", None),
        ("firma", old, "1.0", date(2026, 12, 1)),
    ):
        use = toolkits.ToolkitUse(
            organisation_id=town.houses[house], toolkit_id=kit, version_id=versions[kit, version], confirmed_on=confirmed
        )
        town.add(use)


def _build_history(town: _Town) -> None:
    for house, count in (("kammer", 3), ("kasse", 3), ("ort", 3), ("land", 4), ("verband", 2)):
        town.touch(house, count)
    town.touch("verband", 1, service=True)
    town.response("kammer", date(2026, 12, 1))
    town.response("land", date(2026, 3, 1))


@pytest.fixture
def town(engine: Engine) -> Any:
    with store.read(engine) as session:
        built = _Town(session)
        _build_houses(built)
        _build_people(built)
        _build_networks_and_toolkits(built)
        _build_history(built)
        yield built


MEMBERS = {
    "s01-neue-partner": {"mira@kammer"},
    "s02-verteilpersonen-dach": {"vera@land"},
    "s03-regionalstellen": {"mira@kammer", "kurt@kammer", "olga@ort"},
    "s04-beratende-ueber-ihr-haus": {"land", "kammer"},
    "s05-freie-beratende": {"jonas@verband", "jonas@firma"},
    "s06-kammern-nrw": {"land", "kammer", "ort"},
    "s07-arbeitsschutz-gesundheit": {"kasse", "verband"},
    "s08-botschafter": {"aylin@verband"},
    "s09-netzwerke-in-der-pause": {"kasse", "firma"},
    "s10-andere-netzwerke": {"kasse", "ort"},
    "s11-ueberholte-fassungen": {"kammer", "verband", "firma"},
    "s12-stille-partner": {"kasse", "land"},
}


def test_the_twelve_segments_pick_whom_they_say(town: _Town) -> None:
    """samples.md 4g, one expected set each; on both databases."""
    segments = load_segments(STARTER)
    for name in MEMBERS:
        segment = segments[name]
        names = town.seats if segment.selects is Selects.seats else town.houses
        rows = town.session.execute(subjects(segment, today=TODAY, campaigns={})).mappings().all()
        column = "seat_id" if segment.selects is Selects.seats else "organisation_id"
        assert {row[column] for row in rows} == {names[member] for member in MEMBERS[name]}, name


def test_the_columns_of_subjects_name_seat_person_and_house(town: _Town) -> None:
    segment = load_segments(STARTER)["s08-botschafter"]
    rows = town.session.execute(subjects(segment, today=TODAY, campaigns={})).mappings().all()
    wanted = {"seat_id": town.seats["aylin@verband"], "person_id": town.people["aylin"], "organisation_id": town.houses["verband"]}
    assert [dict(row) for row in rows] == [wanted]


def test_a_seat_counts_on_its_last_day_and_a_paused_person_never(town: _Town) -> None:
    segment = _segment("'contact' in roles", Selects.seats)
    for today, there in ((date(2027, 1, 3), True), (date(2027, 1, 4), False)):
        found = set(town.session.execute(subjects(segment, today=today, campaigns={})).scalars())
        assert (town.seats["ende@ort"] in found) is there
        assert town.seats["krank@kasse"] not in found


def test_explain_counts_each_part_alone_and_so_far(town: _Town) -> None:
    found = explain(town.session, load_segments(STARTER)["s01-neue-partner"], today=TODAY, campaigns={})
    assert (found.considered, found.joint, found.matched) == (12, "and", 1)
    assert found.parts == (
        Part("status == 'active'", 9, 1, alone=11, so_far=11),
        Part("0 <= days_since(joined_on) <= 90", 10, 5, alone=4, so_far=4),
        Part("'contact' in roles", 11, 5, alone=3, so_far=2),
        Part("has_basis('wir-gedanke')", 12, 5, alone=8, so_far=1),
    )


def test_explain_of_a_choice_grows(town: _Town) -> None:
    found = explain(town.session, load_segments(STARTER)["s07-arbeitsschutz-gesundheit"], today=TODAY, campaigns={})
    assert (found.considered, found.joint, found.matched) == (7, "or", 2)
    assert [(part.alone, part.so_far) for part in found.parts] == [(1, 1), (0, 1), (1, 2)]


def test_explain_of_a_rule_that_asks_nothing_counts_everybody(town: _Town) -> None:
    assert explain(town.session, _segment("true", Selects.organisations), today=TODAY, campaigns={}).matched == 7


def _segment(where: str, selects: Selects) -> Segment:
    return Segment("x", "x", "", selects, where, "x.toml", 1, 1)


# ---- files

RULE = "'''\n'contact' in roles\n'''"
GOOD = "format = 1\ntitle = \"A\"\nselects = \"seats\"\nwhere = '''\n'contact' in roles\n'''\n"


def _load(folder: Path, **files: str) -> dict[str, Segment]:
    for name, text in files.items():
        (folder / f"{name}.toml").write_bytes(text.encode())
    return load_segments(folder)


def _problems(folder: Path, **files: str) -> list[str]:
    with pytest.raises(ProblemsError) as caught:
        _load(folder, **files)
    return [str(each).removeprefix(f"{folder.as_posix()}/") for each in caught.value.problems]


def test_a_segment_knows_where_its_rule_begins(tmp_path: Path) -> None:
    segment = _load(tmp_path, a=GOOD)["a"]
    assert (segment.title, segment.selects, segment.line, segment.column) == ("A", Selects.seats, 5, 1)
    assert segment.where == "'contact' in roles\n"


def test_a_folder_that_is_not_there_has_no_segments(tmp_path: Path) -> None:
    assert load_segments(tmp_path / "none") == {}


def test_all_mistakes_of_all_files_are_named_at_once_where_they_stand(tmp_path: Path) -> None:
    found = _problems(
        tmp_path,
        a=GOOD.replace("'contact' in roles", "level == 'stat'\n  and levl == 'x'"),
        b=GOOD.replace(RULE, "'''levl == 'x' '''"),
        c=GOOD.replace("seats", "people").replace("title", "titel"),
        d=GOOD,
    )
    assert found == [
        "a.toml:5:10: 'stat' is not one of umbrella, state, regional, local; did you mean 'state'? [EXPR-04]",
        "a.toml:6:7: unknown name 'levl'; did you mean 'level'? [EXPR-02]",
        "b.toml:4:12: unknown name 'levl'; did you mean 'level'? [EXPR-02]",
        "c.toml: 'title' is missing [SEG-01]",
        "c.toml:2:1: unknown key 'titel'; did you mean 'title'? [SEG-01]",
        'c.toml:3:12: selects is "seats" or "organisations", not "people" [SEG-01]',
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (GOOD.replace("format = 1", "format = 2"), "x.toml:1:10: format 2 is not known here; this version reads format = 1 [SEG-01]"),
        (GOOD.replace('"seats"', '["seats"]'), "x.toml:3:11: 'selects' is a text in quotation marks [SEG-01]"),
        (GOOD.replace('"A"', '" "'), "x.toml:2:10: 'title' is empty [SEG-01]"),
        (
            GOOD.replace(RULE, '"levl == \\"x\\""'),
            "x.toml:4:10: unknown name 'levl'; did you mean 'level'? [EXPR-02]",
        ),
        (GOOD.replace("\n", "\r\n").replace("roles", "rolls"), "x.toml:5:14: unknown name 'rolls'; did you mean 'roles'? [EXPR-02]"),
        ("﻿" + GOOD.replace("roles", "rolls"), "x.toml:5:14: unknown name 'rolls'; did you mean 'roles'? [EXPR-02]"),
        (GOOD.replace("'contact' in roles\n", ""), "x.toml:5:1: 'where' is empty [SEG-01]"),
        ("format = 1\ntitle = A", "x.toml:2:9: this is not TOML: invalid value [SEG-01]"),
    ],
)
def test_a_mistake_in_a_file_is_named(tmp_path: Path, text: str, problem: str) -> None:
    assert problem in _problems(tmp_path, x=text)


def test_a_file_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.toml").write_bytes('title = "Für"'.encode("cp1252"))
    assert _problems(tmp_path) == ["x.toml: this file is not UTF-8 (byte 11) [SEG-01]"]
