"""Subscribing: asked for on a page, confirmed through the address itself, provable word for word (LAW-05, LAW-06).

Nothing here tells whether an address was known before (SEC-09).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, func, or_, select, update
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.audience.addresses import NormalAddress, fold_key, hash_address
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.consent import stops
from om_campaigns.audience.models import Address, Basis, Organisation, Seat, SeatRole, Suppression
from om_campaigns.audience.opt_ins import PURPOSE, OptIn, end_proofs
from om_campaigns.audience.registration import take_address, take_person
from om_campaigns.audience.seats import people_of, seats_at
from om_campaigns.audience.tasks import Task, TaskKind, open_task
from om_campaigns.audience.vocabulary import (
    ROLE_STRENGTH,
    BasisKind,
    Origin,
    Role,
    SuppressionReason,
    SuppressionScope,
)
from om_campaigns.columns import digest, table_of
from om_campaigns.delivery.models import Notice, Pace
from om_campaigns.keyring import Keyring
from om_campaigns.reader.leaving import Channel

FORGOTTEN_AFTER = timedelta(days=30)
PROOF_YEARS = 3
COUNTED = timedelta(days=2)
"""How long it is known how often somebody asked."""

PER_ADDRESS, PER_DOMAIN, PER_NETWORK = 3, 200, 30
"""Mails a day that may be asked for: for one address, for addresses of one domain, from one network (SEC-11)."""

FIRST_OF_NETWORK = 3
"""So many of a network are served for a domain even where others have used up what is the domain's."""


@dataclass(frozen=True, slots=True)
class Request:
    """What came from the form. ``network`` is where it came from, counted for a day as a keyed hash and kept nowhere else."""

    address: NormalAddress
    full_name: str
    language: str
    organisation_id: int | None
    mailing_lists: tuple[str, ...]
    consent_text: str
    form_url: str
    network: str


def ask(session: Session, keyring: Keyring, request: Request, now: datetime) -> bool:
    """Remember a request and owe its mail; False (and nothing remembered) where somebody asks too often.

    Whether the address may be asked is decided when the mail is written, so that the time of the answer does not tell (SEC-09).
    """
    if not _may_ask(session, keyring, request, now):
        return False
    opt_in = OptIn(
        address=request.address.address,
        normal_key=request.address.normal_key,
        full_name=request.full_name,
        language=request.language,
        organisation_id=request.organisation_id,
        mailing_lists=list(request.mailing_lists),
        consent_text=request.consent_text,
        form_url=request.form_url,
        asked_at=now,
    )
    session.add(opt_in)
    session.add(
        Notice(
            purpose=PURPOSE,
            address=request.address.address,
            organisation_id=request.organisation_id,
            language=request.language,
            detail={"opt_in": opt_in.ref},
            made_at=now,
            due_at=now,
        )
    )
    session.flush()
    return True


def _may_ask(session: Session, keyring: Keyring, request: Request, now: datetime) -> bool:
    """Count a request. What is refused uses up nothing that others need: whoever asks too often is told so first by their own limit."""

    def count(what: str, subject: str) -> int:
        return _count(session, f"opt-in-{what}", hash_address(keyring, subject), now)

    domain, network = request.address.domain, request.network
    if count("network", network) > PER_NETWORK or count("address", fold_key(request.address.normal_key)) > PER_ADDRESS:
        return False
    from_there = count("domain-network", f"{domain} {network}")
    return count("domain", domain) <= PER_DOMAIN or from_there <= FIRST_OF_NETWORK


def _count(session: Session, scope: str, subject: str, now: datetime) -> int:
    """One more today; returns how many there are."""
    pace, day = table_of(Pace), now.replace(hour=0, minute=0, second=0, microsecond=0)
    store.add_new(session, pace, scope=scope, subject=subject, window_start=day, used=0, detail="")
    mine = and_(pace.c.scope == scope, pace.c.subject == subject, pace.c.window_start == day)
    session.execute(update(pace).where(mine).values(used=pace.c.used + 1))
    return int(session.execute(select(pace.c.used).where(mine)).scalar_one())


def confirm(session: Session, keyring: Keyring, opt_in: OptIn, now: datetime) -> bool:
    """Make it a basis, and undo what the same person had left before; False when it was confirmed already (single use)."""
    if opt_in.confirmed_at is not None:
        return False
    opt_in.confirmed_at = now
    domain = opt_in.normal_key.rpartition("@")[2]
    address = take_address(session, keyring, NormalAddress(opt_in.address, opt_in.normal_key, domain))
    _take_seat(session, opt_in, address, now)
    for mailing_list in opt_in.mailing_lists:
        _record_consent(session, opt_in, address.id, mailing_list, now)
    _reopen(session, address, opt_in, now)
    session.flush()
    return True


def find_home_task(session: Session, ref: str) -> Task | None:
    """What people of OM were asked where a subscription named no house."""
    task: Task | None = session.execute(select(Task).where(col(Task.source_key) == f"home:{ref}")).scalar_one_or_none()
    return task


def _take_seat(session: Session, opt_in: OptIn, address: Address, now: datetime) -> None:
    """Whoever is new gets a name and a place in the house they subscribed through; without a house people must find one.

    Whoever sits there already reads as an adviser from now on, too: without that role no series would take them in.
    """
    seat, people = table_of(Seat), people_of(session, address.id)
    here = or_(seat.c.id.in_(seats_at(address.id)), seat.c.person_id.in_(people))
    columns = (seat.c.id, seat.c.organisation_id, seat.c.person_id)
    known = session.execute(select(*columns).where(here).order_by(seat.c.is_primary_home.desc(), seat.c.id)).all()
    mine = next((row.id for row in known if opt_in.organisation_id in (None, row.organisation_id)), None)
    if mine is not None:
        session.execute(update(seat).where(seat.c.id == mine, seat.c.until < now.date()).values(until=None))
        store.add_new(session, table_of(SeatRole), seat_id=mine, role=Role.adviser)
        return
    if opt_in.organisation_id is None:
        open_task(session, TaskKind.home_missing, f"home:{opt_in.ref}", now, address_id=address.id, name=opt_in.full_name)
        return
    person_id = next((row.person_id for row in known if row.person_id in people), None) or next(iter(people), None)
    if person_id is None:
        person_id = take_person(session, opt_in.full_name, address.id, now, Channel.page, opt_in.language)
    place = Seat(
        person_id=person_id, organisation_id=opt_in.organisation_id, is_primary_home=not known, strength=ROLE_STRENGTH[Role.adviser]
    )
    session.add(place)
    session.flush()
    session.add(SeatRole(seat_id=place.id, role=Role.adviser))


def _record_consent(session: Session, opt_in: OptIn, address_id: int, mailing_list: str, now: datetime) -> None:
    basis = table_of(Basis)
    values = {
        "obtained_on": now.date(),
        "source": opt_in.form_url,
        "text_version": digest(opt_in.consent_text)[:12],
        "proof_ref": opt_in.ref,
        "withdrawn_at": None,
        "origin": Origin.answer,
    }
    mine = and_(
        basis.c.address_id == address_id,
        basis.c.kind == BasisKind.consent_doi,
        basis.c.mailing_list == mailing_list,
        basis.c.collector_id.is_(None),
    )
    end_proofs(session, mine, now)
    if not store.change(session, update(basis).where(mine).values(**values)):
        store.add_new(session, basis, address_id=address_id, kind=BasisKind.consent_doi, mailing_list=mailing_list, **values)
    record_change(
        session, "address", address_id, "basis", None, f"{BasisKind.consent_doi.value} {mailing_list}", now, Channel.page, Origin.answer
    )


def _reopen(session: Session, address: Address, opt_in: OptIn, now: datetime) -> None:
    """Take back what the person themselves had left, as far as they now subscribe, and nothing else (UNS-09): of everything they had left,
    all of OM's mail or all through a house, the other lists stay left."""
    house = session.get(Organisation, opt_in.organisation_id) if opt_in.organisation_id else None
    kind, scope, lists = col(Suppression.scope_kind), col(Suppression.scope), set(opt_in.mailing_lists)
    concerned = or_(
        kind == SuppressionScope.all,
        and_(kind == SuppressionScope.organisation, scope == (house.public_id if house else "")),
        and_(kind == SuppressionScope.mailing_list, scope.in_(lists)),
    )
    query = (
        select(Suppression)
        .where(stops(address), col(Suppression.reason) == SuppressionReason.opt_out, concerned)
        .order_by(col(Suppression.id))
    )
    said: dict[tuple[str, str], str] = {}
    for left in session.execute(query.with_for_update()).scalars():  # twice where the address has a folded form
        told, reopened = f"{left.scope_kind.value} {left.scope}".strip(), set((left.reopened or "").split())
        if left.scope_kind is SuppressionScope.mailing_list:
            session.delete(left)
            said["suppressed", told] = "lifted by a new subscription"
        elif not lists <= reopened:
            left.reopened = f" {' '.join(sorted(lists | reopened))} "
            said["reopened", told] = " ".join(sorted(lists))
    for (name, told), new in said.items():
        record_change(session, "address", address.id, name, told, new, now, Channel.page, Origin.answer)


def forget_old(session: Session, now: datetime) -> int:
    """Delete what was never confirmed after 30 days, and proofs three years after the end of the year they last served (LAW-07)."""
    opt_in, basis = table_of(OptIn), table_of(Basis)
    unconfirmed = and_(opt_in.c.confirmed_at.is_(None), opt_in.c.asked_at < now - FORGOTTEN_AFTER)
    end = now.replace(year=now.year - PROOF_YEARS, month=1, day=1, hour=0, minute=0, second=0, microsecond=0)
    pace = table_of(Pace)
    in_use = select(basis.c.proof_ref).where(or_(basis.c.withdrawn_at.is_(None), basis.c.withdrawn_at >= end))
    outlived = and_(func.coalesce(opt_in.c.ended_at, opt_in.c.confirmed_at) < end, opt_in.c.ref.not_in(in_use))
    asked = or_(*(pace.c.scope.startswith(each) for each in ("opt-in-", "entrance-", "leave-", "answers")))
    session.execute(delete(pace).where(asked, pace.c.window_start < now - COUNTED))
    return store.change(session, delete(opt_in).where(or_(unconfirmed, outlived)))
