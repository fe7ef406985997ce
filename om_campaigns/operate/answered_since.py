"""What houses and readers answered after a backup, taken over from the database that was moved aside, so that nobody is asked twice.

Answers, acknowledgements and action reports are facts and let no mail go. What would let mail go, or was done by staff, is listed
instead of taken over: somebody says it again, or the person is asked again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Table, func, select, update
from sqlmodel import Session, SQLModel

from om_campaigns.audience.changes import Change
from om_campaigns.audience.models import Address, Network, Response
from om_campaigns.audience.opt_ins import OptIn
from om_campaigns.audience.responses import Acknowledgement, ActionReport, ActionReportPartner
from om_campaigns.audience.tasks import Task
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.campaign.models import Pack
from om_campaigns.columns import table_of
from om_campaigns.operate.counterparts import Counterparts
from om_campaigns.reader.leaving_page import TAKEN_BACK
from om_campaigns.store import add_new, change


@dataclass
class Answers:
    """What was taken over, in numbers; and what was not: ``subscribed`` and ``taken_back`` (leaving) are addresses."""

    acknowledgements: int = 0
    reports: int = 0
    signs: int = 0
    """Other signs of houses, which conditions and measures read."""
    packs: int = 0
    """Packs that a house has come further with."""
    subscribed: list[str] = field(default_factory=list)
    taken_back: list[str] = field(default_factory=list)
    by_houses: int = 0
    by_staff: int = 0
    """Changes of values, by houses on their pages, and by imports and staff."""
    tasks: int = 0


def take_answers(there: Session, here: Session, same: Counterparts, since: datetime) -> Answers:
    """Copy what was answered since; running it twice changes nothing. After the letters: a pack must be here to be answered."""
    done = Answers()
    places = _Places(same, _match(there, here, Pack, "public_id"), _match(there, here, Network, "slug"))
    _tell_rest(there, here, since, done)  # first, because what is taken over is not to be told as lacking
    done.packs = _take_states(there, here, places)
    done.acknowledgements = sum(number is not None for number in _copy(there, here, Acknowledgement, since, places).values())
    reports = _copy(there, here, ActionReport, since, places)
    done.reports = sum(number is not None for number in reports.values())
    _take_partners(there, here, {old: new for old, new in reports.items() if new is not None}, same)
    done.signs = sum(number is not None for number in _copy(there, here, Response, since, places).values())
    here.flush()
    return done


@dataclass(frozen=True)
class _Places:
    """Number there → number here, for whatever answers refer to."""

    same: Counterparts
    packs: Mapping[int, int]
    networks: Mapping[int, int]

    def of(self, name: str) -> Mapping[int, int] | None:
        known: dict[str, Mapping[int, int]] = {
            "pack_id": self.packs,
            "network_id": self.networks,
            "organisation_id": self.same.houses,
            "person_id": self.same.people,
            "campaign_id": self.same.campaigns,
        }
        return known.get(name)

    def translate(self, row: Any, table: Table) -> dict[str, Any] | None:
        """The row as it would stand here, None where it refers to something this database does not know."""
        values: dict[str, Any] = {}
        for column in table.c:
            value, places = getattr(row, column.name), self.of(column.name)
            if column.name == "id":
                continue
            if places is not None and value is not None:
                value = places.get(value)
                if value is None:
                    return None
            values[column.name] = value
        return values


def _match(there: Session, here: Session, model: type[SQLModel], name: str) -> dict[int, int]:
    table = table_of(model)
    query = select(table.c[name], table.c.id)
    mine = dict(here.execute(query).all())
    return {number: mine[key] for key, number in there.execute(query) if key in mine}


def _copy(there: Session, here: Session, model: type[SQLModel], since: datetime, places: _Places) -> dict[int, int | None]:
    """Rows of that time that are not here, known by their ``source_key``; number there → number here, None where it was here before."""
    table = table_of(model)
    found: dict[int, int | None] = {}
    for row in there.execute(select(table).where(table.c.at >= since).order_by(table.c.id)).all():
        values = places.translate(row, table)
        if values is None:
            continue
        found[row.id] = None
        if add_new(here, table, **values):
            mine = [table.c.source_key == row.source_key] + ([table.c.kind == row.kind] if "kind" in table.c else [])
            found[row.id] = int(here.execute(select(table.c.id).where(*mine)).scalar_one())
    return found


def _take_partners(there: Session, here: Session, reports: dict[int, int], same: Counterparts) -> None:
    table = table_of(ActionReportPartner)
    for row in there.execute(select(table).where(table.c.report_id.in_(list(reports)))).all() if reports else []:
        if row.organisation_id in same.houses:
            add_new(here, table, report_id=reports[row.report_id], organisation_id=same.houses[row.organisation_id])


def _take_states(there: Session, here: Session, places: _Places) -> int:
    """How far a house has come with a pack, where that was said later there."""
    pack = table_of(Pack)
    query = select(pack.c.id, pack.c.relay_state, pack.c.state_at)
    mine = {row.id: row for row in here.execute(query)}
    moved = 0
    for row in there.execute(query).all():
        known = mine.get(places.packs.get(row.id, 0))
        if known is not None and known.state_at < row.state_at and known.relay_state is not row.relay_state:
            moved += change(here, update(pack).where(pack.c.id == known.id).values(relay_state=row.relay_state, state_at=row.state_at))
    return moved


def _tell_rest(there: Session, here: Session, since: datetime, done: Answers) -> None:
    """What is not taken over: it would let mail go, or somebody has to say it again."""
    asked, address, changed, task = (table_of(each) for each in (OptIn, Address, Change, Task))
    mine = set(here.execute(select(asked.c.ref).where(asked.c.confirmed_at.is_not(None))).scalars())
    confirmed = select(asked.c.ref, asked.c.address).where(asked.c.confirmed_at >= since).order_by(asked.c.confirmed_at)
    done.subscribed = [row.address or "?" for row in there.execute(confirmed) if row.ref not in mine]
    lifted = select(address.c.address).join(changed, changed.c.entity_id == address.c.id)
    lifted = lifted.where(
        changed.c.entity == "address", changed.c.field == "suppressed", changed.c.new == TAKEN_BACK, changed.c.at >= since
    )
    done.taken_back = sorted({each or "?" for each in there.execute(lifted).scalars()})
    known = set(here.execute(select(changed.c.batch).where(changed.c.at >= since).distinct()).scalars())
    query = select(changed.c.batch, changed.c.origin, func.count()).where(changed.c.at >= since, changed.c.entity != "instance")
    for batch, origin, number in there.execute(query.group_by(changed.c.batch, changed.c.origin)):
        if batch not in known and origin is Origin.partner:
            done.by_houses += number
        elif batch not in known and origin in (Origin.file, Origin.staff, Origin.sample):
            done.by_staff += number
    keys = set(here.execute(select(task.c.source_key)).scalars())
    done.tasks = sum(each not in keys for each in there.execute(select(task.c.source_key).where(task.c.closed_at.is_(None))).scalars())
