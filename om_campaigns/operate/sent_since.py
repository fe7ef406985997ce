"""What left after a backup, taken over from the database that was moved aside: letters, their packs, and how far each reader came.

Without it a restored database would send everything a second time. Taking it over twice changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Table, and_, bindparam, func, select, update
from sqlmodel import Session

from om_campaigns.audience.models import Address, Touch
from om_campaigns.campaign.models import Campaign, Dispatch, Enrolment, Pack, PackOrganisation
from om_campaigns.columns import table_of
from om_campaigns.compose.models import EditionRow, PackRevision
from om_campaigns.delivery.models import Message, MessageDispatch, Worker
from om_campaigns.delivery.outcomes import TOUCH_COLUMNS
from om_campaigns.delivery.workers import recover_claims
from om_campaigns.operate.counterparts import Counterparts
from om_campaigns.store import add_new, insert_into

T = TypeVar("T")

MARGIN = timedelta(days=2)
"""So long before the last letter that is known here something may have happened that is not: a letter is recorded after it left."""

CHUNK = 5_000
"""Values in one statement."""

KEY = ("campaign_id", "occasion", "step", "recipient_kind", "recipient_id")
SUBJECT = ("campaign_id", "occasion", "subject_kind", "subject_id")
PROGRESS = (
    "state", "reason", "entered_at", "last_at", "last_day", "next_step", "next_due_at", "promised_at", "shift_seconds", "left_at",
    "ended_at",
)  # fmt: skip
SAID = ("at", "day", "ideas", "items", "certain")
"""What a touch says of a letter beside what the letter says itself."""

OUTCOME = ("status", "reason", "detail", "planned_at", "first_due_at", "due_at", "due_day", "open_until", "attempts", "sent_at")

HANDED_OVER = ("state", "attempts", "sent_at", "code", "reply")
MAIL = (
    "ref", "message_id", "kind", "envelope_from", "envelope_to", "edition_id", "zone", "ideas", "items", "claim_id", "claimed_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Unknown:
    """A letter that left and that this database cannot place: its reader or its campaign came after the backup."""

    at: datetime
    address: str
    letter: str
    why: str


@dataclass
class Taken:
    """What was taken over. ``letters`` by campaign and step; ``unknown`` could not be placed, their addresses are remembered."""

    letters: Counter[tuple[str, str]] = field(default_factory=Counter)
    unknown: list[Unknown] = field(default_factory=list)


def find_since(here: Session) -> datetime:
    """From when on something may have happened that this database does not know."""
    latest = here.execute(select(func.max(table_of(Touch).c.at))).scalar()
    return latest - MARGIN if latest else datetime.min.replace(tzinfo=UTC) + MARGIN


def settle_hands(there: Session, now: datetime) -> None:
    """What the processes of the other database had in hand when it was moved aside may have left, and is uncertain."""
    for number in there.execute(select(table_of(Worker).c.id).where(table_of(Worker).c.ended_at.is_(None))).scalars().all():
        recover_claims(there, number, now, lost_power=True)


def take_letters(there: Session, here: Session, same: Counterparts, since: datetime, now: datetime) -> Taken:
    """Count as sent here what was sent, or may have been, there; with its touch, its messages, its pack and its reader's progress."""
    done = Taken()
    names = dict(there.execute(select(table_of(Campaign).c.id, table_of(Campaign).c.name)).all())
    rows = _load_letters(there, since)
    known = _known_touches(here, since)
    fresh = [row for row in rows if known.get(_key(row, same)) not in (row.certain, True)]
    enrolments = _take_enrolments(there, here, same, since, {row.enrolment_id for row in fresh})
    numbers = _take_dispatches(here, {row.id: values for row in fresh if (values := _values(row, same, enrolments))})
    for row in fresh:
        if row.id in numbers:
            done.letters[names[row.campaign_id], row.step] += 1
        else:
            done.unknown.append(_remember(there, here, row, same, names[row.campaign_id]))
    _take_largest_entries(there, here, same)
    _take_messages(there, here, same, numbers, now)
    _take_packs(there, here, same, numbers)
    return done


def _load_letters(there: Session, since: datetime) -> Sequence[Any]:
    """What left there since, or may have, in the order of its time."""
    dispatch, touch = table_of(Dispatch), table_of(Touch)
    said = [touch.c[name] for name in SAID]
    query = (
        select(dispatch, *said)
        .join_from(touch, dispatch, and_(*(touch.c[name] == dispatch.c[name] for name in KEY)))
        .where(touch.c.at >= since)
        .order_by(touch.c.at, touch.c.id)
    )
    return there.execute(query).all()


def _known_touches(here: Session, since: datetime) -> dict[tuple[Any, ...], bool]:
    """Key → whether it is certain, of what this database knows of that time."""
    touch = table_of(Touch)
    query = select(*(touch.c[name] for name in KEY), touch.c.certain).where(touch.c.at >= since)
    return {tuple(row[:-1]): row.certain for row in here.execute(query)}


def _key(row: Any, same: Counterparts) -> tuple[Any, ...]:
    recipient = same.recipient(row.recipient_kind, row.recipient_id)
    return (same.campaigns.get(row.campaign_id, 0), row.occasion, row.step, row.recipient_kind, recipient or 0)


def _take_enrolments(there: Session, here: Session, same: Counterparts, since: datetime, wanted: set[int]) -> dict[int, tuple[int, int]]:
    """Who entered since, and how far those who had a letter came; number there → number and version here."""
    enrolment = table_of(Enrolment)
    query = select(enrolment).where(enrolment.c.campaign_id.in_(list(same.campaigns)))
    rows = {row.id: row for row in there.execute(query.where(enrolment.c.entered_at >= since))}
    for chunk in _chunks(sorted(wanted - rows.keys())):
        rows |= {row.id: row for row in there.execute(query.where(enrolment.c.id.in_(chunk)))}
    keys = {number: _subject(row, same) for number, row in rows.items()}
    mine = _known_enrolments(here, same)
    new = [values for number, row in rows.items() if keys[number] not in mine and (values := _entry(row, keys[number], same))]
    if new:
        _insert_new(here, enrolment, new)
        mine = _known_enrolments(here, same)
    moved = [
        {"number": found[0], **{f"new_{name}": getattr(row, name) for name in PROGRESS}}
        for number, row in rows.items()
        if number in wanted and (found := mine.get(keys[number])) and found[1] == same.versions.get(row.version_id)
    ]
    _update_each(here, enrolment, enrolment.c.id, PROGRESS, moved)
    return {number: mine[key] for number, key in keys.items() if key in mine}


def _subject(row: Any, same: Counterparts) -> tuple[Any, ...]:
    subject = same.recipient(row.subject_kind, row.subject_id)
    return (same.campaigns.get(row.campaign_id, 0), row.occasion, row.subject_kind, subject or 0)


def _known_enrolments(here: Session, same: Counterparts) -> dict[tuple[Any, ...], tuple[int, int]]:
    enrolment = table_of(Enrolment)
    query = select(*(enrolment.c[name] for name in SUBJECT), enrolment.c.id, enrolment.c.version_id)
    query = query.where(enrolment.c.campaign_id.in_(list(same.campaigns.values())))
    return {tuple(row[:4]): (row.id, row.version_id) for row in here.execute(query)}


def _entry(row: Any, key: tuple[Any, ...], same: Counterparts) -> dict[str, Any] | None:
    """An enrolment as it would stand here; None for somebody this database does not know, in a house or version it does not know."""
    house, address, version = same.houses.get(row.organisation_id), same.addresses.get(row.address_id), same.versions.get(row.version_id)
    seat = same.seats.get(row.seat_id) if row.seat_id else 0
    if not key[0] or not key[3] or house is None or address is None or version is None or seat is None:
        return None
    places = {"organisation_id": house, "address_id": address, "version_id": version, "seat_id": seat, "audience": row.audience}
    return {**dict(zip(SUBJECT, key, strict=True)), **places, **{name: getattr(row, name) for name in PROGRESS}}


def _values(row: Any, same: Counterparts, enrolments: dict[int, tuple[int, int]]) -> dict[str, Any] | None:
    """A dispatch with its touch as they would stand here."""
    key, entered = _key(row, same), enrolments.get(row.enrolment_id)
    house, address = same.houses.get(row.organisation_id), same.addresses.get(row.address_id)
    if not key[0] or not key[4] or entered is None or house is None or address is None:
        return None
    places = {"enrolment_id": entered[0], "version_id": same.versions.get(row.version_id, entered[1]), "address_id": address}
    places |= {"organisation_id": house, "seat_id": same.seats.get(row.seat_id, 0)}
    names = ("audience", "route", "sender", "variant", "language", "priority", "service", *OUTCOME, *SAID)
    return {**dict(zip(KEY, key, strict=True)), **places, **{name: getattr(row, name) for name in names}}


def _take_dispatches(here: Session, letters: dict[int, dict[str, Any]]) -> dict[int, int]:
    """Store letters as sent, by their number there; their numbers here, without those that somebody else at the address had."""
    dispatch, touch = table_of(Dispatch), table_of(Touch)
    said = {number: {name: values.pop(name) for name in SAID} for number, values in letters.items()}
    known = _find_dispatches(here, letters.values())
    changed = [
        {"number": known[key], **{f"new_{name}": values[name] for name in OUTCOME}}
        for values in letters.values()
        if (key := _key_of(values)) in known
    ]
    _update_each(here, dispatch, dispatch.c.id, OUTCOME, changed)
    new = [values for values in letters.values() if _key_of(values) not in known]
    _insert_new(here, dispatch, new)
    known |= _find_dispatches(here, new)
    found = {number: known[key] for number, values in letters.items() if (key := _key_of(values)) in known}
    touches = [{**{name: letters[number][name] for name in TOUCH_COLUMNS}, **said[number]} for number in found]
    _insert_new(here, touch, touches)
    surely = (
        update(touch).where(*(touch.c[name] == bindparam(f"of_{name}") for name in KEY), touch.c.certain.is_(False)).values(certain=True)
    )
    if certain := [{f"of_{name}": each[name] for name in KEY} for each in touches if each["certain"]]:
        here.connection().execute(surely, certain)
    return found


def _key_of(values: dict[str, Any]) -> tuple[Any, ...]:
    return tuple(values[name] for name in KEY)


def _find_dispatches(here: Session, letters: Iterable[dict[str, Any]]) -> dict[tuple[Any, ...], int]:
    """Key → number of those among ``letters`` that are here."""
    dispatch = table_of(Dispatch)
    found: dict[tuple[Any, ...], int] = {}
    for chunk in _chunks(sorted({values["enrolment_id"] for values in letters})):
        query = select(*(dispatch.c[name] for name in KEY), dispatch.c.id).where(dispatch.c.enrolment_id.in_(chunk))
        found |= {tuple(row[:-1]): row.id for row in here.execute(query)}
    return found


def _insert_new(here: Session, table: Table, rows: Sequence[dict[str, Any]]) -> None:
    """Rows that no unique key holds already."""
    if rows:
        here.execute(insert_into(here, table).on_conflict_do_nothing(), rows)


def _update_each(here: Session, table: Table, number: ColumnElement[Any], names: Sequence[str], rows: Sequence[dict[str, Any]]) -> None:
    """Rows of ``number`` and ``new_…`` for each name."""
    if rows:
        statement = update(table).where(number == bindparam("number")).values(**{name: bindparam(f"new_{name}") for name in names})
        here.connection().execute(statement, rows)


def _remember(there: Session, here: Session, row: Any, same: Counterparts, campaign: str) -> Unknown:
    """Somebody this database does not know has had this letter: whoever comes to the address later is not sent it again."""
    theirs = there.get_one(Address, row.address_id)
    why = "its reader came after the backup: import the audience, then again"
    if row.campaign_id not in same.campaigns:
        return Unknown(
            row.at, theirs.address, f"{campaign}/{row.step}", "its campaign was published after the backup: publish it, then again"
        )
    if row.address_id not in same.addresses:
        add_new(here, table_of(Address), **{each.name: getattr(theirs, each.name) for each in table_of(Address).c if each.name != "id"})
        mine = select(table_of(Address).c.id).where(table_of(Address).c.normal_key == theirs.normal_key)
        same.addresses[row.address_id] = int(here.execute(mine).scalar_one())
    values = {
        name: getattr(row, name)
        for name in ("occasion", "step", "recipient_kind", "route", "at", "day", "ideas", "items", "service", "certain")
    }
    places = {
        "campaign_id": same.campaigns[row.campaign_id],
        "recipient_id": -row.recipient_id,
        "address_id": same.addresses[row.address_id],
    }
    add_new(here, table_of(Touch), **values, **places, organisation_id=same.houses.get(row.organisation_id, 0))
    return Unknown(row.at, theirs.address, f"{campaign}/{row.step}", why)


def _take_largest_entries(there: Session, here: Session, same: Counterparts) -> None:
    """How many entered a campaign on its largest day is known there, too."""
    for theirs in there.execute(select(Campaign)).scalars().all():
        mine = here.get(Campaign, same.campaigns.get(theirs.id, 0))
        if mine is not None:
            mine.largest_entry = max(mine.largest_entry, theirs.largest_entry)
            mine.largest_house_entry = max(mine.largest_house_entry, theirs.largest_house_entry)


def _take_messages(there: Session, here: Session, same: Counterparts, numbers: dict[int, int], now: datetime) -> None:
    """The mails of these letters, so that whatever comes back to one of them is understood."""
    message, served = table_of(Message), table_of(MessageDispatch)
    worker = 0
    for chunk in _chunks(sorted(numbers)):
        query = select(message, served.c.dispatch_id, served.c.part).join_from(served, message, message.c.id == served.c.message_id)
        rows = there.execute(query.where(served.c.dispatch_id.in_(chunk)).order_by(message.c.id)).all()
        mine = _find_messages(here, {row.ref for row in rows})
        new = {row.ref: row for row in rows if row.ref not in mine}
        if new:
            worker = worker or _make_worker(here, now)
            _insert_new(here, message, [_message(row, same, worker) for row in new.values()])
        changed = {row.ref: row for row in rows if row.ref in mine}.values()
        left = [{"number": mine[row.ref], **{f"new_{name}": getattr(row, name) for name in HANDED_OVER}} for row in changed]
        _update_each(here, message, message.c.id, HANDED_OVER, left)
        mine |= _find_messages(here, new.keys())
        links = [{"message_id": mine[row.ref], "dispatch_id": numbers[row.dispatch_id], "part": row.part} for row in rows]
        _insert_new(here, served, links)


def _message(row: Any, same: Counterparts, worker: int) -> dict[str, Any]:
    """A mail as it would stand here."""
    places = {"campaign_id": same.campaigns.get(row.campaign_id), "address_id": same.addresses.get(row.address_id), "worker_id": worker}
    return {**{name: getattr(row, name) for name in (*MAIL, *HANDED_OVER)}, **places}


def _find_messages(here: Session, refs: Collection[str]) -> dict[str, int]:
    message = table_of(Message)
    found: dict[str, int] = {}
    for chunk in _chunks(sorted(refs)):
        found |= dict(here.execute(select(message.c.ref, message.c.id).where(message.c.ref.in_(chunk))).all())
    return found


def _make_worker(here: Session, now: datetime) -> int:
    """Whose claims the mails were, here: somebody who has ended."""
    worker = Worker(name="taken over", boot="", started_at=now, ended_at=now)
    here.add(worker)
    here.flush()
    return worker.id


def _take_packs(there: Session, here: Session, same: Counterparts, numbers: dict[int, int]) -> None:
    """Packs that were handed over keep their code, which stands in the mails, and the houses they serve."""
    pack, served, revision, edition = (table_of(each) for each in (Pack, PackOrganisation, PackRevision, EditionRow))
    for chunk in _chunks(sorted(numbers)):
        for row in there.execute(select(pack).where(pack.c.dispatch_id.in_(chunk))).all():
            key = {"campaign_id": same.campaigns[row.campaign_id], "occasion": row.occasion, "step": row.step}
            key["organisation_id"] = same.houses[row.organisation_id]
            values = {name: getattr(row, name) for name in ("public_id", "code", "relay_state", "state_at", "due_on")}
            values |= {"dispatch_id": numbers[row.dispatch_id], "named": [same.houses[each] for each in row.named if each in same.houses]}
            if not add_new(here, pack, **key, **values):
                here.execute(update(pack).where(*(pack.c[name] == value for name, value in key.items())).values(**values))
            number = here.execute(select(pack.c.id).where(*(pack.c[name] == value for name, value in key.items()))).scalar_one()
            for each in there.execute(select(served).where(served.c.pack_id == row.id)).all():
                if each.organisation_id in same.houses and each.relay_id in same.houses:
                    houses = {"organisation_id": same.houses[each.organisation_id], "relay_id": same.houses[each.relay_id]}
                    mine = {name: value for name, value in key.items() if name != "organisation_id"}
                    add_new(here, served, pack_id=number, level=each.level, **houses, **mine)
            made = select(revision, edition).join_from(revision, edition).where(revision.c.pack_id == row.id)
            for one in there.execute(made).mappings():
                add_new(here, edition, **{name: one[edition.c[name]] for name in ("id", "renderer", "made_at", "body")})
                add_new(here, revision, pack_id=number, **{name: one[revision.c[name]] for name in ("number", "edition_id", "made_at")})


def _chunks(numbers: Sequence[T]) -> Iterable[Sequence[T]]:
    return (numbers[at : at + CHUNK] for at in range(0, len(numbers), CHUNK))
