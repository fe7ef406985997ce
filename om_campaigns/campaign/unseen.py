"""Whether a campaign must be looked at again: has anything been written since that could let somebody enter?

Asking a segment of everybody is nearly all the work of a tick at which nothing is due. Its answer changes only with what it is
asked of, so the database itself takes a note of every such write, by triggers and in the writer's own transaction: no way of
writing can forget it, and none is seen before what was written. Notes are taken down before a look, never after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, Table, delete, exists, select, text, update
from sqlalchemy.sql import visitors
from sqlmodel import Field, Session, SQLModel

from om_campaigns import __version__, store
from om_campaigns.audience import models as audience
from om_campaigns.audience import toolkits
from om_campaigns.campaign.models import Campaign
from om_campaigns.campaign.vocabulary import Reason
from om_campaigns.columns import Json, digest, key, table_of


class UnseenChange(SQLModel, table=True):
    """A note that something of this ``source`` was written. There may be several of one source; one is enough."""

    __tablename__ = "unseen_change"

    id: int = Field(default=None, primary_key=True)
    source: str = key(index=True)


class CampaignLook(SQLModel, table=True):
    """The latest look at who enters a campaign. It holds while ``changes`` is what was ``seen`` and ``basis`` is the same.

    ``sources`` are those whose changes count; ``refused`` are the matches that stayed outside, by reason.
    """

    __tablename__ = "campaign_look"

    campaign_id: int = Field(foreign_key="campaign.id", primary_key=True)
    changes: int = 0
    seen: int = 0
    basis: str = ""
    sources: Any = Field(default_factory=list, sa_type=Json)
    refused: Any = Field(default_factory=dict, sa_type=Json)


AUDIENCE = "audience"
"""Source of everything that says who somebody is, where they sit and whether they may be written to; every campaign asks that."""

HISTORY = {table_of(audience.Touch): "touch", table_of(audience.Response): "response"}
"""What has happened, which only some segments ask for."""

WATCHED: dict[Table, str] = {
    **{
        table_of(model): AUDIENCE
        for model in (
            *(audience.Organisation, audience.OrganisationRegion, audience.OrganisationSector, audience.OrganisationInterest),
            *(audience.OrganisationRoute, audience.OrganisationRelation, audience.Address, audience.Person, audience.Seat),
            *(audience.SeatRole, audience.Basis, audience.Suppression, audience.Network, audience.NetworkRegion),
            *(audience.NetworkOrganisation, audience.NetworkPerson, toolkits.Toolkit, toolkits.ToolkitTopic),
            *(toolkits.ToolkitVersion, toolkits.ToolkitUse),
        )
    },
    **HISTORY,
}
"""Each table that entering reads, with the source its changes are noted under. Enrolments are watched too, by campaign."""

_PREFIX = "unseen1_"
"""Begins the names of the triggers; another number makes them anew."""


def source_of(campaign_id: int) -> str:
    """The source of changes to who is under way in a campaign, or has finished it."""
    return f"enrolment {campaign_id}"


@dataclass(frozen=True)
class Sight:
    """What a look at a campaign rests on: how many changes were taken down before it, and what else its answer depends on."""

    changes: int
    basis: str
    is_due: bool
    """Something may have changed since the look before."""
    refused: Counter[Reason] = field(default_factory=Counter)
    """Who stayed outside then."""


def take_down(session: Session) -> None:
    """Count the notes against every campaign that asks for their source. Must be committed before anybody looks.

    On PostgreSQL a note that a writer leans on stays: what that writer does is not to be seen yet.
    """
    _watch(session)
    note, look = table_of(UnseenChange), table_of(CampaignLook)
    sources = set(session.execute(select(note.c.source)).scalars())
    if not sources:
        return
    free = select(note.c.id).with_for_update(skip_locked=True)
    session.execute(delete(note).where(note.c.id.in_(free)))
    for row in session.execute(select(look.c.campaign_id, look.c.sources)).all():
        if not sources.isdisjoint(row.sources):
            session.execute(update(look).where(look.c.campaign_id == row.campaign_id).values(changes=look.c.changes + 1))


def is_anything_noted(session: Session) -> bool:
    """There are notes to take down, or triggers to make: cheap, because it is asked every minute."""
    return bool(session.execute(select(exists().select_from(table_of(UnseenChange)))).scalar()) or not _is_watched(session)


def look_up(session: Session, campaigns: Collection[Campaign], today: date, *more: str, are_taken_down: bool = False) -> dict[str, Sight]:
    """What is known of the latest look at each of these campaigns, by name. ``more``: settings on which the answer depends.

    ``are_taken_down``: this was seen to just now (``take_down``), so there is no need to look for notes and triggers.
    """
    look = table_of(CampaignLook)
    rows = session.execute(select(look).where(look.c.campaign_id.in_([each.id for each in campaigns])))
    looks = {row.campaign_id: row for row in rows}
    found: dict[str, Sight] = {}
    for campaign in campaigns:
        row, basis = looks.get(campaign.id), digest(__version__, today.isoformat(), str(campaign.latest_version_id), *more)
        if row is None:
            found[campaign.name] = Sight(0, basis, is_due=True)
            continue
        is_due = (row.seen, row.basis) != (row.changes, basis)
        if not (is_due or are_taken_down):
            is_due = _is_noted(session, row.sources) or not _is_watched(session)
        refused = Counter({Reason(reason): count for reason, count in row.refused.items()})
        found[campaign.name] = Sight(row.changes, basis, is_due, refused)
    return found


def _is_noted(session: Session, sources: Iterable[str]) -> bool:
    return bool(session.execute(select(exists().where(table_of(UnseenChange).c.source.in_(sources)))).scalar())


def record_look(session: Session, campaign: Campaign, sight: Sight, sources: Iterable[str], refused: Counter[Reason]) -> None:
    """A campaign was looked at with what ``sight`` knew; in the transaction that enrols whoever was found."""
    values = {
        "changes": sight.changes,
        "seen": sight.changes,
        "basis": sight.basis,
        "sources": sorted(sources),
        "refused": {reason.value: count for reason, count in refused.items()},
    }
    look = table_of(CampaignLook)
    insertion = store.insert_into(session, look).values(campaign_id=campaign.id, **values)
    kept = {name: insertion.excluded[name] for name in ("seen", "basis", "sources", "refused")}
    session.execute(insertion.on_conflict_do_update(index_elements=["campaign_id"], set_=kept))


def look_again(session: Session) -> None:
    """Trust no look that was made before: what came in by a way that leaves no notes is to be seen, too."""
    look = table_of(CampaignLook)
    session.execute(update(look).values(changes=look.c.changes + 1))


def read_history(queries: Iterable[Select[Any]]) -> set[str]:
    """The sources of history that these queries ask for."""
    return {HISTORY[each] for query in queries for each in visitors.iterate(query) if isinstance(each, Table) and each in HISTORY}


# --- the triggers -----------------------------------------------------------------------------------------------------------


def _watch(session: Session) -> None:
    """Make the triggers that are not there, and then trust no look made without them. A table that was rebuilt has lost its own."""
    if _is_watched(session):
        return
    connection = session.connection()
    for name, table in _triggers(connection).items():
        on = f' ON "{table}"' if connection.dialect.name == "postgresql" else ""
        connection.exec_driver_sql(f'DROP TRIGGER "{name}"{on}')
    for statement in _making(connection.dialect.name):
        connection.exec_driver_sql(statement)
    look_again(session)


def _is_watched(session: Session) -> bool:
    return set(_triggers(session.connection())) == {each.name for each in WATCHES}


def _triggers(connection: Connection) -> dict[str, str]:
    """The triggers of this module that are there, of whatever version, and the table of each."""
    if connection.dialect.name == "postgresql":
        query = (
            "SELECT t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE t.tgname LIKE 'unseen%' AND c.relnamespace = current_schema()::regnamespace"
        )
    else:
        query = "SELECT name, tbl_name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'unseen%'"
    return dict(connection.execute(text(query)).all())


@dataclass(frozen=True)
class _Watch:
    """One trigger: what is noted of an ``event`` on a table, in SQL. Without a ``condition`` every such write is."""

    table: str
    event: str
    source: str
    condition: str = ""

    @property
    def name(self) -> str:
        """Known by its table, its event and the first column it watches."""
        return f"{_PREFIX}{self.table}_{'_'.join(self.event.partition(',')[0].lower().split())}"

    def made_on_sqlite(self) -> str:
        unknown = f"NOT EXISTS (SELECT 1 FROM unseen_change WHERE source = {self.source})"
        when = f"({self.condition}) AND {unknown}" if self.condition else unknown
        note = f"INSERT INTO unseen_change (source) VALUES ({self.source})"
        return f'CREATE TRIGGER "{self.name}" AFTER {self.event} ON "{self.table}" WHEN {when} BEGIN {note}; END'

    def made_on_postgresql(self) -> str:
        asked = f"FOR EACH ROW WHEN ({self.condition})" if self.condition else "FOR EACH STATEMENT"
        call = "note_unseen_state()" if "NEW." in self.source else f"note_unseen({self.source})"
        return f'CREATE TRIGGER "{self.name}" AFTER {self.event} ON "{self.table}" {asked} EXECUTE FUNCTION {call}'


_STATE = "'enrolment ' || NEW.campaign_id"

WATCHES = (
    *(_Watch(table.name, event, f"'{source}'") for table, source in WATCHED.items() for event in ("INSERT", "UPDATE", "DELETE")),
    _Watch("campaign", "INSERT", f"'{AUDIENCE}'"),
    _Watch("campaign", "DELETE", f"'{AUDIENCE}'"),
    _Watch("enrolment", "INSERT", _STATE, "NEW.state <> 'active'"),
    _Watch("enrolment", "UPDATE OF state, left_at", _STATE, "OLD.state <> NEW.state OR (OLD.left_at IS NULL) <> (NEW.left_at IS NULL)"),
    _Watch(
        "enrolment",
        "UPDATE OF campaign_id, occasion, subject_kind, subject_id, address_id",
        f"'{AUDIENCE}'",
        " OR ".join(f"OLD.{name} <> NEW.{name}" for name in ("campaign_id", "occasion", "subject_kind", "subject_id"))
        + " OR OLD.address_id <> NEW.address_id AND NEW.subject_kind = 'person'",  # a house's follows whoever receives for it
    ),
    _Watch("enrolment", "DELETE", f"'{AUDIENCE}'"),
)
"""Of an enrolment, what may let somebody enter: its state, for campaigns that look at this one, and whom and which address it keeps
from entering. Moving from step to step does not."""

_FUNCTION = """
CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM 1 FROM unseen_change WHERE source = {source} LIMIT 1 FOR KEY SHARE SKIP LOCKED;
    IF NOT FOUND THEN
        INSERT INTO unseen_change (source) VALUES ({source});
    END IF;
    RETURN NULL;
END $$
"""
"""Leans on a note that is there already, so that it stays until this transaction has ended, or leaves one; it waits for nobody."""


def _making(dialect: str) -> Iterator[str]:
    """The statements that make every trigger."""
    if dialect == "postgresql":
        yield _FUNCTION.format(name="note_unseen", source="TG_ARGV[0]")
        yield _FUNCTION.format(name="note_unseen_state", source=_STATE)
    yield from (each.made_on_postgresql() if dialect == "postgresql" else each.made_on_sqlite() for each in WATCHES)
