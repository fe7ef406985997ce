"""Random audiences as plain rows, and a plain Python reading of expressions over them.

Written from the reference of the language, without the engine's reader and without SQL: Jinja parses, loops decide.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from jinja2 import Environment, nodes
from sqlalchemy import Connection, insert

from om_campaigns.audience import models as m
from om_campaigns.audience import toolkits
from om_campaigns.audience.toolkits import version_key
from om_campaigns.audience.vocabulary import (
    BasisKind,
    DataRole,
    ForwardPolicy,
    Level,
    NetworkKind,
    OrganisationStatus,
    PersonStatus,
    RecipientKind,
    Role,
    Route,
    ToolkitStatus,
)
from om_campaigns.columns import table_of

Row = dict[str, Any]
TODAY = date(2027, 1, 4)
TYPES = ("chamber_ihk", "chamber_hwk", "guild", "professional_association")
REGIONS = ("05", "053", "05315", "05315000", "06", "0", "09", "DE")
TOPICS = ("health", "safety", "climate")
SECTORS = ("A", "C", "all")
VERSIONS = ("1.3", "2.0", "2.1", "2.9", "2.10", "3")
CAMPAIGNS = {"wir-gedanke": 1, "fuenf-gedanken": 2}
STEPS = ("a1", "a2")
LISTS = ("wir-gedanke", "monatsbrief", "*")
NEVER = date(1900, 1, 1)
ORDER = [
    m.OrganisationType,
    m.Address,
    m.Organisation,
    m.OrganisationRegion,
    m.OrganisationSector,
    m.OrganisationInterest,
    m.OrganisationRoute,
    m.Person,
    m.Seat,
    m.SeatRole,
    m.Basis,
    m.Network,
    m.NetworkOrganisation,
    m.NetworkPerson,
    toolkits.Toolkit,
    toolkits.ToolkitVersion,
    toolkits.ToolkitUse,
    m.Touch,
    m.Response,
]


@dataclass(frozen=True)
class Audience:
    """Rows by table class, in the order in which they can be stored."""

    rows: dict[type[Any], list[Row]]
    index: dict[Any, Any] = field(default_factory=dict)

    def store(self, connection: Connection) -> None:
        for model in ORDER:
            if self.rows[model]:
                connection.execute(insert(table_of(model)), self.rows[model])

    def one(self, model: type[Any], key: int | None) -> Row | None:
        return next(iter(self.find(model, {"id": key})), None)

    def find(self, model: type[Any], wanted: Row) -> list[Row]:
        names = tuple(wanted)
        if (model, names) not in self.index:
            grouped = self.index[model, names] = defaultdict(list)
            for row in self.rows[model]:
                grouped[tuple(row[name] for name in names)].append(row)
        return self.index[model, names].get(tuple(wanted.values()), [])


class _Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def day(self, back: int = 400, ahead: int = 40) -> date | None:
        return None if self.random.random() < 0.25 else TODAY + timedelta(days=self.random.randint(-back, ahead))

    def maybe(self, values: Any, missing: float = 0.3) -> Any:
        return None if self.random.random() < missing else self.random.choice(list(values))

    def some(self, values: Any, most: int = 3) -> list[Any]:
        return self.random.sample(list(values), self.random.randint(0, min(most, len(values))))

    def links(self, count: int, column: str, values: Any, *, most: int = 3) -> list[Row]:
        return [{"organisation_id": number, column: value} for number in range(1, count + 1) for value in self.some(values, most)]

    def houses(self, count: int) -> list[Row]:
        return [
            {
                "id": number,
                "public_id": f"o{number}",
                "slug": f"haus-{number}",
                "name": f"Haus {number}",
                "name_key": f"haus {number}",
                "org_type": self.random.choice(TYPES),
                "level": self.random.choice(list(Level)),
                "parent_id": self.maybe(range(1, number)) if number > 1 else None,
                "status": self.random.choice(list(OrganisationStatus)),
                "joined_on": self.day(),
                "left_on": self.day(),
                "language": self.maybe(["de", "en"]),
                "forward_policy": self.random.choice(list(ForwardPolicy)),
                "adviser_headcount": self.maybe([0, 1, 4], 0.6),
                "headcount_as_of": self.day(),
                "data_role": self.maybe(list(DataRole)),
            }
            for number in range(1, count + 1)
        ]

    def seats(self, count: int, people: int, houses: int) -> list[Row]:
        taken: set[tuple[int, int]] = set()
        rows: list[Row] = []
        for number in range(1, count + 1):
            person, house = self.maybe(range(1, people + 1), 0.15), self.random.randint(1, houses)
            if person is not None and (person, house) in taken:
                continue
            taken.add((person or 0, house))
            home = person is not None and not any(row["person_id"] == person and row["is_primary_home"] for row in rows)
            rows.append(
                {
                    "id": number,
                    "person_id": person,
                    "organisation_id": house,
                    "address_id": self.maybe(range(1, 21), 0.0 if person is None else 0.6),
                    "is_primary_home": home and self.random.random() < 0.8,
                    "since": self.day(),
                    "until": None if self.random.random() < 0.5 else self.day(60, 60),
                }
            )
        return rows

    def touches(self, count: int, people: int, houses: int) -> list[Row]:
        rows = {}
        for _ in range(count):
            kind = self.random.choice(list(RecipientKind))
            house = self.random.randint(1, houses)
            day = TODAY - timedelta(days=self.random.randint(0, 300))
            row = {
                "campaign_id": self.random.choice([1, 2]),
                "occasion": "",
                "step": self.random.choice(STEPS),
                "recipient_kind": kind,
                "recipient_id": house if kind is RecipientKind.organisation else self.random.randint(1, people),
                "address_id": 1,
                "organisation_id": house,
                "route": Route.direct_email,
                "at": datetime.combine(day, datetime.min.time(), UTC),
                "day": (day - date(1970, 1, 1)).days,
                "service": self.random.random() < 0.2,
                "certain": self.random.random() < 0.8,
            }
            rows[row["campaign_id"], row["step"], kind, row["recipient_id"]] = row
        return list(rows.values())


def make_audience(seed: int) -> Audience:
    """A small audience in which every column that may be NULL sometimes is."""
    make = _Maker(seed)
    choice, houses, people = make.random.choice, 14, 22
    instant = datetime(2026, 6, 1, tzinfo=UTC)
    seats = make.seats(60, people, houses)
    versions = [
        {
            "id": 10 * kit + place,
            "toolkit_id": kit,
            "version": version,
            "sort_key": version_key(version),
            "released_on": make.day(),
            "status": choice(list(ToolkitStatus)),
        }
        for kit in (1, 2, 3)
        for place, version in enumerate(VERSIONS)
    ]
    bases = {
        (row["address_id"], row["kind"], row["mailing_list"], row["collector_id"]): row
        for row in (
            {
                "address_id": make.random.randint(1, 20),
                "kind": choice(list(BasisKind)),
                "mailing_list": choice(LISTS),
                "collector_id": make.maybe(range(1, houses + 1), 0.7),
                "withdrawn_at": choice([None, None, instant]),
            }
            for _ in range(45)
        )
    }
    rows: dict[type[Any], list[Row]] = {
        m.OrganisationType: [{"code": code, "name": code, "group": ""} for code in TYPES],
        m.Organisation: make.houses(houses),
        m.OrganisationRegion: make.links(houses, "ags", REGIONS),
        m.OrganisationSector: make.links(houses, "sector", SECTORS),
        m.OrganisationInterest: make.links(houses, "topic", TOPICS),
        m.OrganisationRoute: [
            {"organisation_id": house, "position": place, "route": route}
            for house in range(1, houses + 1)
            for place, route in enumerate(make.some(list(Route), 2) if make.random.random() < 0.4 else [])
        ],
        m.Address: [
            {"id": n, "address": f"a{n}", "normal_key": f"a{n}", "domain": "a.example", "hmac": f"{n}", "key_id": "k"} for n in range(1, 21)
        ],
        m.Person: [
            {
                "id": number,
                "full_name": f"P {number}",
                "name_key": f"p {number}",
                "main_address_id": make.maybe(range(1, 21)),
                "language": make.maybe(["de", "en"], 0.5),
                "status": choice(list(PersonStatus)),
            }
            for number in range(1, people + 1)
        ],
        m.Seat: seats,
        m.SeatRole: [{"seat_id": seat["id"], "role": role} for seat in seats for role in make.some(list(Role))],
        m.Basis: list(bases.values()),
        m.Network: [
            {
                "id": number,
                "slug": f"netz-{number}",
                "name": f"Netz {number}",
                "kind": choice(list(NetworkKind)),
                "coordinator_id": make.maybe(range(1, 8)),
                "recognised_on": make.day(),
                "last_activity_on": make.day(),
            }
            for number in range(1, 11)
        ],
        m.NetworkOrganisation: [
            {"network_id": network, "organisation_id": house, "carried_over_on": make.day()}
            for network in range(1, 11)
            for house in make.some(range(1, houses + 1), 3)
        ],
        m.NetworkPerson: [
            {"network_id": network, "person_id": person, "for_organisation_id": make.maybe(range(1, houses + 1), 0.5)}
            for network in range(1, 11)
            for person in make.some(range(1, people + 1), 2)
        ],
        toolkits.Toolkit: [{"id": number, "code": code, "name": code} for number, code in enumerate(("BZ", "EIN", "ALT"), 1)],
        toolkits.ToolkitVersion: versions,
        toolkits.ToolkitUse: [
            {"organisation_id": house, "toolkit_id": kit, "version_id": 10 * kit + make.random.randint(0, 5), "confirmed_on": make.day()}
            for house in range(1, houses + 1)
            for kit in make.some((1, 2, 3), 2)
        ],
        m.Touch: make.touches(60, people, houses),
        m.Response: [
            {
                "kind": "answer" if number % 2 else "reply",
                "campaign_id": number % 3 or None,
                "step": STEPS[0] if number < 8 else STEPS[1],
                "source_key": f"{number}",
                "at": datetime.combine(TODAY - timedelta(days=make.random.randint(0, 300)), datetime.min.time(), UTC),
                "organisation_id": make.random.randint(1, houses),
                "detail": {},
            }
            for number in range(12)
        ],
    }
    return Audience({model: _full(model, rows[model]) for model in ORDER})


def _full(model: type[Any], rows: list[Row]) -> list[Row]:
    """The defaults of the table class in every row: bulk inserts need the same keys everywhere."""
    made = []
    for row in rows:
        whole = model(**row)
        names = [column.name for column in table_of(model).columns]
        made.append({name: getattr(whole, name) for name in names if name != "id" or whole.id is not None})
    return made


@dataclass(frozen=True)
class Reading:
    """One subject of an expression: a house, and perhaps a seat in it."""

    audience: Audience
    house: Row
    seat: Row | None = None
    today: date = TODAY

    def holds(self, source: str) -> bool:
        return self.decide(_parsed(source))

    def decide(self, node: nodes.Node) -> bool:
        if isinstance(node, nodes.Not):
            return not self.decide(node.node)
        if isinstance(node, nodes.And):
            return self.decide(node.left) and self.decide(node.right)
        if isinstance(node, nodes.Or):
            return self.decide(node.left) or self.decide(node.right)
        if isinstance(node, nodes.Compare):
            left, sides = self.value(node.expr), [(each.op, self.value(each.expr)) for each in node.ops]
            for op, right in sides:
                if not _compare(left, op, right):
                    return False
                left = right
            return True
        if isinstance(node, nodes.Test):
            return self.value(node.node) is None
        return bool(self.value(node))

    def value(self, node: nodes.Node) -> Any:
        if isinstance(node, nodes.Const):
            return node.value
        if isinstance(node, nodes.Neg):
            return -self.value(node.node)
        if isinstance(node, nodes.List):
            return [self.value(item) for item in node.items]
        if isinstance(node, nodes.Getattr):
            home = self.home()
            return None if home is None else str(home["org_type" if node.attr == "type" else node.attr])
        if isinstance(node, nodes.Call):
            assert isinstance(node.node, nodes.Name)
            return getattr(self, f"call_{node.node.name}")(*(self.value(each) for each in node.args))
        assert isinstance(node, nodes.Name)
        if hasattr(self, f"field_{node.name}"):
            return getattr(self, f"field_{node.name}")()
        side = (self.seat or {}) if node.name in {"since", "until"} else self.house
        found = side.get(node.name)
        return str(found) if isinstance(found, str) else found

    # ---- helpers

    def rows(self, model: type[Any], **wanted: Any) -> Iterator[Row]:
        return iter(self.audience.find(model, wanted))

    def person(self) -> Row | None:
        return self.audience.one(m.Person, self.seat["person_id"]) if self.seat else None

    def address(self) -> int | None:
        if self.seat is None:
            return None
        person = self.person()
        own: int | None = self.seat["address_id"]
        return own if own is not None else person["main_address_id"] if person else None

    def goes_on(self, seat: Row) -> bool:
        return (seat["since"] is None or seat["since"] <= self.today) and (seat["until"] is None or seat["until"] >= self.today)

    def current(self, role: str) -> list[Row]:
        found = []
        for seat in self.rows(m.Seat, organisation_id=self.house["id"]):
            person = self.audience.one(m.Person, seat["person_id"])
            active = person is None or person["status"] == "active"
            if self.goes_on(seat) and active and any(self.rows(m.SeatRole, seat_id=seat["id"], role=role)):
                found.append(seat)
        return found

    def home(self) -> Row | None:
        person = self.person()
        if person is None:
            return None
        seats = [seat for seat in self.rows(m.Seat, person_id=person["id"], is_primary_home=True) if self.goes_on(seat)]
        return self.audience.one(m.Organisation, seats[0]["organisation_id"]) if seats else None

    def sits(self) -> list[Row]:
        ids = {row["network_id"] for row in self.rows(m.NetworkOrganisation, organisation_id=self.house["id"])}
        ids |= {row["network_id"] for row in self.rows(m.NetworkPerson, for_organisation_id=self.house["id"])}
        person = self.person()
        if person is not None:
            ids |= {row["network_id"] for row in self.rows(m.NetworkPerson, person_id=person["id"], for_organisation_id=None)}
        return [row for row in self.audience.rows[m.Network] if row["id"] in ids]

    def ago(self, days: int) -> date:
        return self.today - timedelta(days=days)

    # ---- fields

    def field_type(self) -> str:
        return str(self.house["org_type"])

    def field_language(self) -> str | None:
        person = self.person()
        own: str | None = person["language"] if person else None
        house: str | None = self.house["language"]
        return own if own is not None else house

    def field_adviser_count(self) -> int:
        counted: int | None = self.house["adviser_headcount"]
        return counted if counted is not None else len(self.current("adviser"))

    def field_network_idle_days(self) -> int | None:
        networks = self.rows(m.Network, coordinator_id=self.house["id"], kind=NetworkKind.om)
        days = [row["last_activity_on"] or row["recognised_on"] or NEVER for row in networks]
        return (self.today - min(days)).days if days else None

    def field_regions(self) -> list[str]:
        return [row["ags"] for row in self.rows(m.OrganisationRegion, organisation_id=self.house["id"])]

    def field_sectors(self) -> list[str]:
        return [row["sector"] for row in self.rows(m.OrganisationSector, organisation_id=self.house["id"])]

    def field_interests(self) -> list[str]:
        return [row["topic"] for row in self.rows(m.OrganisationInterest, organisation_id=self.house["id"])]

    def field_networks(self) -> list[str]:
        return [row["slug"] for row in self.sits()]

    def field_roles(self) -> list[str]:
        return [row["role"] for row in self.rows(m.SeatRole, seat_id=self.seat["id"])] if self.seat else []

    def field_basis(self) -> list[str]:
        address = self.address()
        return [row["kind"] for row in self.rows(m.Basis, address_id=address, withdrawn_at=None)] if address is not None else []

    # ---- functions

    def call_within(self, regions: list[str], ags: str) -> bool:
        return any(ags == "DE" or region.startswith(ags) for region in regions)

    def call_serves(self, regions: list[str], ags: str) -> bool:
        holding = [region for region in regions if region == "DE" or (len(region) in {2, 3, 5, 8} and ags.startswith(region))]
        return bool(holding) or self.call_within(regions, ags)

    def call_days_since(self, day: date | None) -> int | None:
        return None if day is None else (self.today - day).days

    def call_has_role(self, role: str) -> bool:
        return bool(self.current(role))

    def call_takes(self, route: str) -> bool:
        house: Row | None = self.house
        while house is not None:
            own = [row["route"] for row in self.rows(m.OrganisationRoute, organisation_id=house["id"])]
            if own:
                return route in own
            house = self.audience.one(m.Organisation, house["parent_id"])
        return False

    def call_children(self, status: str) -> int:
        return len(list(self.rows(m.Organisation, parent_id=self.house["id"], status=status)))

    def call_member_of(self, slug: str) -> bool:
        return slug in self.field_networks()

    def call_sits_in(self, kind: str) -> bool:
        return any(row["kind"] == kind for row in self.sits())

    def call_coordinates(self, kind: str) -> bool:
        return any(self.rows(m.Network, coordinator_id=self.house["id"], kind=kind))

    def call_carried_over_within(self, days: int) -> bool:
        return any(
            row["carried_over_on"] is not None
            and row["carried_over_on"] >= self.ago(days)
            and (self.audience.one(m.Network, row["network_id"]) or {})["kind"] == "other"
            for row in self.rows(m.NetworkOrganisation, organisation_id=self.house["id"])
        )

    def call_uses(self, code: str) -> tuple[int, ...] | None:
        toolkit = next(self.rows(toolkits.Toolkit, code=code), None)
        use = next(self.rows(toolkits.ToolkitUse, organisation_id=self.house["id"], toolkit_id=toolkit["id"]), None) if toolkit else None
        version = self.audience.one(toolkits.ToolkitVersion, use["version_id"]) if use else None
        return _numbers(version["version"]) if version else None

    def call_uses_outdated(self) -> bool:
        for use in self.rows(toolkits.ToolkitUse, organisation_id=self.house["id"]):
            used = self.audience.one(toolkits.ToolkitVersion, use["version_id"])
            assert used is not None
            if used["status"] == "withdrawn":
                return True
            for newer in self.rows(toolkits.ToolkitVersion, toolkit_id=use["toolkit_id"], status=ToolkitStatus.current):
                confirmed, released = use["confirmed_on"], newer["released_on"]
                unconfirmed = confirmed is None or (released is not None and confirmed < released)
                if _numbers(newer["version"]) > _numbers(used["version"]) and unconfirmed:
                    return True
        return False

    def call_received(self, target: str) -> bool:
        name, _, step = target.partition("/")
        touches = [
            row
            for row in self.audience.rows[m.Touch]
            if row["campaign_id"] == CAMPAIGNS.get(name) and row["certain"] and step in {"", row["step"]}
        ]
        person = self.person()
        if person is not None:
            return any(row["recipient_kind"] == "person" and row["recipient_id"] == person["id"] for row in touches)
        if self.seat is not None:
            return any(row["recipient_kind"] == "organisation" and row["recipient_id"] == self.house["id"] for row in touches)
        return any(row["organisation_id"] == self.house["id"] for row in touches)

    def call_answered(self, target: str) -> bool:
        name, _, step = target.partition("/")
        return any(
            row["kind"] == "answer" and row["campaign_id"] == CAMPAIGNS.get(name, "") and step in {"", row["step"]}
            for row in self.rows(m.Response, organisation_id=self.house["id"])
        )

    def call_touches_within(self, days: int) -> int:
        since = (self.ago(days) - date(1970, 1, 1)).days
        touches = self.rows(m.Touch, organisation_id=self.house["id"], certain=True, service=False)
        return sum(row["day"] >= since for row in touches)

    def call_responded_within(self, days: int) -> bool:
        return any(row["at"].date() >= self.ago(days) for row in self.rows(m.Response, organisation_id=self.house["id"]))

    def call_has_basis(self, mailing_list: str) -> bool:
        kinds = {"consent_doi", "consent_written", "membership_or_service_duty", "existing_relation_7_3"}
        address = self.address()
        return address is not None and any(
            row["kind"] in kinds and row["mailing_list"] in {mailing_list, "*"}
            for row in self.rows(m.Basis, address_id=address, collector_id=None, withdrawn_at=None)
        )


@lru_cache(maxsize=64)
def _parsed(source: str) -> nodes.Node:
    output = Environment(autoescape=True).parse("{{ " + source + " }}").body[0]
    assert isinstance(output, nodes.Output)
    return output.nodes[0]


def _numbers(version: str) -> tuple[int, ...]:
    numbers = [int(part) for part in version.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def _compare(left: Any, op: str, right: Any) -> bool:
    """One comparison: a missing value equals only none, and has no order."""
    if op in {"in", "notin"}:
        found = any(_like(left, each) == each if each is not None else left is None for each in right)
        found = found or (left is not None and any(left == _like(each, left) for each in right if each is not None))
        return found == (op == "in")
    if op in {"eq", "ne"}:
        left, right = _alike(left, right)
        return (left == right) == (op == "eq")
    if left is None or right is None:
        return False
    left, right = _alike(left, right)
    return bool({"lt": left < right, "lteq": left <= right, "gt": left > right, "gteq": left >= right}[op])


def _alike(left: Any, right: Any) -> tuple[Any, Any]:
    return _like(left, right), _like(right, left)


def _like(value: Any, other: Any) -> Any:
    """A fixed text as what it is compared with: a day or a version."""
    if isinstance(value, str) and isinstance(other, date):
        return date.fromisoformat(value)
    if isinstance(value, str) and isinstance(other, tuple):
        return _numbers(value)
    return value
