"""What stops mail and was said after a backup, taken over from the database that was moved aside: nobody who left gets mail again.

Only what stops is taken over, never what lets something go: whoever subscribed since is asked again, which is better than a wrong letter.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlmodel import Session, SQLModel

from om_campaigns.audience.consent import erase_person
from om_campaigns.audience.models import Address, Basis, Organisation, Person, Preference, PreferenceTopic, Seat, Suppression
from om_campaigns.audience.seats import holds_after, last_days
from om_campaigns.audience.vocabulary import BounceState, OrganisationStatus, PersonStatus
from om_campaigns.campaign.models import Campaign
from om_campaigns.campaign.pausing import cancel_letters, end_enrolments, find_open, pause, stop
from om_campaigns.campaign.vocabulary import CampaignStatus
from om_campaigns.columns import new_ref, table_of
from om_campaigns.delivery.models import Notice
from om_campaigns.operate.counterparts import Counterparts
from om_campaigns.store import add_new, change, instance

SCOPE = ("hmac", "key_id", "scope_kind", "scope")


@dataclass
class Stops:
    """What was taken over. ``opt_outs``: addresses (or ``?`` where only the hash is left); the others are counted, or names."""

    opt_outs: list[str] = field(default_factory=list)
    consents_withdrawn: int = 0
    preferences: int = 0
    erased: int = 0
    bounced: int = 0
    people: int = 0
    houses: int = 0
    notices: int = 0
    """Service mails that left since, or are not wanted any more."""
    campaigns: list[str] = field(default_factory=list)
    halt: tuple[datetime, str, str] | None = None
    """When, by whom, why."""

    @property
    def count(self) -> int:
        counted = self.consents_withdrawn + self.preferences + self.erased + self.bounced + self.people + self.houses + self.notices
        return counted + len(self.opt_outs) + len(self.campaigns) + (self.halt is not None)


def take_stops(there: Session, here: Session, same: Counterparts, now: datetime, actor: str) -> Stops:
    """Whatever stops mail there stops it here. Running it twice changes nothing."""
    done = Stops()
    done.erased = _erase(there, here, same, now, actor)
    _suppress(there, here, done)
    done.consents_withdrawn = _withdraw(there, here, same)
    done.preferences = _prefer(there, here, same)
    done.bounced = _mark(there, here, Address, "bounce_state", same.addresses, keep=(BounceState.none, BounceState.soft))
    done.people = _mark(there, here, Person, "status", same.people, keep=(PersonStatus.active, PersonStatus.erased))
    done.people += _end_seats(there, here, same)
    done.houses = _mark(there, here, Organisation, "status", same.houses, keep=(OrganisationStatus.active,))
    done.notices = _settle_notices(there, here)
    _halt(there, here, done)
    _stop_campaigns(there, here, same, done, now)
    here.flush()
    return done


def _erase(there: Session, here: Session, same: Counterparts, now: datetime, actor: str) -> int:
    """Who was erased there is nobody here, either; suppressions of their addresses come with the others."""
    gone = there.execute(select(table_of(Person).c.id).where(table_of(Person).c.status == PersonStatus.erased)).scalars().all()
    erased = 0
    for number in gone:
        person = here.get(Person, same.people.get(number, 0))
        if person is not None and person.status is not PersonStatus.erased:
            erase_person(here, person, now, actor=actor, batch=new_ref())
            erased += 1
    return erased


def _suppress(there: Session, here: Session, done: Stops) -> None:
    """Suppressions of which one is not here, or was opened again only here."""
    blocked, address = table_of(Suppression), table_of(Address)
    mine = {tuple(getattr(row, name) for name in SCOPE): row for row in here.execute(select(blocked))}
    people = there.execute(select(address.c.hmac, address.c.key_id, address.c.address).where(address.c.hmac.in_(select(blocked.c.hmac))))
    names = {(row.hmac, row.key_id): row.address for row in people}
    for row in there.execute(select(blocked).order_by(blocked.c.at, blocked.c.id)).all():
        known = mine.get(tuple(getattr(row, name) for name in SCOPE))
        open_again = _both(known.reopened if known else row.reopened, row.reopened)
        if known is not None and known.reopened == open_again:
            continue
        if known is None:
            add_new(here, blocked, **{each.name: getattr(row, each.name) for each in blocked.c if each.name != "id"})
        else:
            here.execute(update(blocked).where(blocked.c.id == known.id).values(reason=row.reason, at=row.at, reopened=open_again))
        done.opt_outs.append(names.get((row.hmac, row.key_id), "?"))


def _both(mine: str | None, theirs: str | None) -> str | None:
    """Mailing lists that were subscribed to again in both."""
    both = sorted(set((mine or "").split()) & set((theirs or "").split()))
    return f" {' '.join(both)} " if both else None


def _withdraw(there: Session, here: Session, same: Counterparts) -> int:
    basis = table_of(Basis)
    withdrawn = 0
    for row in there.execute(select(basis).where(basis.c.withdrawn_at.is_not(None))).all():
        if row.collector_id is not None and row.collector_id not in same.houses:
            continue
        collector = basis.c.collector_id.is_(None) if row.collector_id is None else basis.c.collector_id == same.houses[row.collector_id]
        mine = [basis.c.address_id == same.addresses.get(row.address_id, 0), basis.c.kind == row.kind]
        mine += [basis.c.mailing_list == row.mailing_list, collector, basis.c.withdrawn_at.is_(None)]
        withdrawn += change(here, update(basis).where(*mine).values(withdrawn_at=row.withdrawn_at))
    return withdrawn


def _prefer(there: Session, here: Session, same: Counterparts) -> int:
    """How often, and about what, a reader wants to read: as they said last."""
    chosen, topic = table_of(Preference), table_of(PreferenceTopic)
    before = _wishes(here, {})
    changed = 0
    for address, wish in _wishes(there, same.addresses).items():
        if before.get(address) == wish:
            continue
        changed += 1
        for table in (chosen, topic):
            here.execute(delete(table).where(table.c.address_id == address))
        if wish.rhythm:
            here.execute(insert(chosen).values(address_id=address, rhythm=wish.rhythm[0], at=wish.rhythm[1]))
        for each in wish.topics:
            here.execute(insert(topic).values(address_id=address, topic=each))
    return changed


@dataclass
class _Wish:
    rhythm: tuple[Any, datetime] | None = None
    topics: set[str] = field(default_factory=set)


def _wishes(session: Session, numbers: dict[int, int]) -> dict[int, _Wish]:
    """By address, in the numbers of this database where another one is read."""
    chosen, topic = table_of(Preference), table_of(PreferenceTopic)
    found: dict[int, _Wish] = {}
    for row in session.execute(select(chosen)):
        found.setdefault(numbers.get(row.address_id, 0) if numbers else row.address_id, _Wish()).rhythm = (row.rhythm, row.at)
    for row in session.execute(select(topic)):
        found.setdefault(numbers.get(row.address_id, 0) if numbers else row.address_id, _Wish()).topics.add(row.topic)
    found.pop(0, None)
    return found


def _mark(there: Session, here: Session, model: type[SQLModel], name: str, numbers: dict[int, int], *, keep: tuple[Any, ...]) -> int:
    """States that stop mail, of rows that let it pass here. ``keep`` are the states that stop nothing, or that are seen to elsewhere."""
    table = table_of(model)
    column, marked = table.c[name], 0
    for number, state in there.execute(select(table.c.id, column).where(column.not_in(keep))).all():
        mine = (table.c.id == numbers.get(number, 0), column == keep[0])
        marked += change(here, update(table).where(*mine).values({name: state}))
    return marked


def _end_seats(there: Session, here: Session, same: Counterparts) -> int:
    """Seats that end there, and here later or never."""
    seat, mine = table_of(Seat), last_days(here)
    ended = 0
    for number, until in last_days(there).items():
        known = same.seats.get(number)
        if known is not None and mine.get(known) != until:
            ended += change(here, update(seat).where(seat.c.id == known, holds_after(until)).values(until=until))
    return ended


def _settle_notices(there: Session, here: Session) -> int:
    """Service mails that are due here and were seen to there: a link or a confirmation is not sent twice, either."""
    notice = table_of(Notice)
    same = ("id", "purpose", "made_at")
    seen_to = {tuple(row) for row in there.execute(select(*(notice.c[name] for name in same)).where(notice.c.due_at.is_(None)))}
    waiting = here.execute(select(*(notice.c[name] for name in same)).where(notice.c.due_at.is_not(None))).all()
    numbers = [row.id for row in waiting if tuple(row) in seen_to]
    return change(here, update(notice).where(notice.c.id.in_(numbers)).values(due_at=None, address="")) if numbers else 0


def _halt(there: Session, here: Session, done: Stops) -> None:
    theirs, mine = instance(there), instance(here)
    if theirs.halted_at is not None and mine.halted_at is None:
        mine.halted_at, mine.halted_by, mine.halt_reason = theirs.halted_at, theirs.halted_by, theirs.halt_reason
        done.halt = (theirs.halted_at, theirs.halted_by, theirs.halt_reason)
    if theirs.live_now is not None and (mine.live_now is None or mine.live_now < theirs.live_now):
        mine.live_now = theirs.live_now
    here.add(mine)


def _stop_campaigns(there: Session, here: Session, same: Counterparts, done: Stops, now: datetime) -> None:
    for theirs in there.execute(select(Campaign).where(table_of(Campaign).c.status != CampaignStatus.running)).scalars().all():
        mine = here.get(Campaign, same.campaigns.get(theirs.id, 0))
        if mine is None or mine.status is CampaignStatus.stopped or mine.status is theirs.status:
            continue
        if theirs.status is CampaignStatus.stopped:
            stop(here, mine)
            active, owed = find_open(here, mine)
            end_enrolments(here, active, now)
            cancel_letters(here, owed)
        else:
            pause(here, mine, theirs.paused_at or now)
        done.campaigns.append(mine.name)
