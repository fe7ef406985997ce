"""What partners do with packs, at the desk of staff: write them to files, say what became of them, see who passes on to whom."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.access import Acting
from om_campaigns.audience.addresses import normalise
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.finding import find_organisation
from om_campaigns.audience.german import read_count
from om_campaigns.audience.intake.files import read_table
from om_campaigns.audience.models import Address, Organisation, Person, Seat
from om_campaigns.audience.responses import CascadeLevel as CascadeLevel
from om_campaigns.audience.vocabulary import Origin, Route
from om_campaigns.campaign.corrections import HANDING_OVER_MARK, hand_over
from om_campaigns.campaign.house_values import load_houses
from om_campaigns.campaign.models import Campaign, Dispatch, Pack
from om_campaigns.campaign.packs import find_codes
from om_campaigns.campaign.receivers import load_offices, load_passing
from om_campaigns.campaign.releases import load_campaign_ids, load_definitions, running_campaigns
from om_campaigns.campaign.routing import Receiver, Service
from om_campaigns.campaign.vocabulary import REASONS, Reason
from om_campaigns.campaign.vocabulary import RelayState as RelayState
from om_campaigns.columns import table_of
from om_campaigns.compose.contexts import Houses
from om_campaigns.compose.library import LetterKey, Library
from om_campaigns.compose.pack import FILE_NAMES, make_file, make_files
from om_campaigns.compose.pack import Format as Format
from om_campaigns.errors import MOST_SHOWN, InputError, RefusedError
from om_campaigns.letters.owed_editions import key_of_row, open_library
from om_campaigns.letters.packing import OPEN_STATES, make_pack_text, pack_key, record_revisions
from om_campaigns.letters.relay import move, offer_again, postpone
from om_campaigns.nearest import suggest
from om_campaigns.partner.acknowledgements import Answer, find_pack, parse_answer, record_acknowledgement, says_passed_on


def write_pack(app: App, code: str, folder: Path, now: datetime, forms: Collection[Format] = ()) -> list[Path]:
    """Write the files of a pack into ``folder``, or only these ``forms``; the same pack gives the same bytes.

    Raises InputError for an unknown code.

    What the published text would say by now becomes the pack's newest revision, unless it was passed on already.
    """
    with store.write(app.engine) as session:
        pack = find_pack(session, code)
        is_open = pack.relay_state in OPEN_STATES
        library, key = open_text(session, app, pack, opens=is_open)
        text = make_pack_text(library, key)
        if is_open:
            library.record_made(session, now)
            record_revisions(session, library, [(pack.id, key)], now)
    files = {FILE_NAMES[form]: make_file(text, form) for form in forms} if forms else make_files(text)
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return [folder / name for name in files]


def open_text(session: Session, app: App, pack: Pack, *, opens: bool = False) -> tuple[Library, LetterKey]:
    """Where the text of a pack is found: what it passes on, in the words of its house. ``opens``: what is made gets stored."""
    return open_library(app, session, opens=opens), pack_key(key_of_row(session.get_one(Dispatch, pack.dispatch_id)))


def acknowledge(
    app: App,
    text: str,
    now: datetime,
    *,
    actor: str,
    level: CascadeLevel | None = None,
    count: int | None = None,
    sentence: str = "",
    house: str = "",
    is_declined: bool = False,
    is_listed: bool = False,
    origin: Origin = Origin.staff,
) -> dict[str, Any]:
    """Record what a house says about a pack. ``text`` is the code, or a whole line (``K7M-2X99 – Regionalstellen – 12``).

    The last word counts: the same answer again, on whatever day, is known already, and one of a file (``is_listed``) wherever it
    was given before.
    A line that only says it was passed on ("… hat es schon weitergegeben") moves the pack and records no level.
    Returns code, level ('no' where it was declined, '' where none was said), count, state, is_new. Raises InputError for what cannot
    be understood.
    """
    if not (level or is_declined) and says_passed_on(text):
        moved = move_pack(app, text, RelayState.forwarded, now)
        return {"code": find_codes(text)[0], "level": "", "count": None, "state": RelayState.forwarded.value, "is_new": moved}
    with store.write(app.engine) as session:
        pack = find_pack(session, text)
        answer = Answer(pack.code, level, count) if level or is_declined else parse_answer(text)
        count = answer.count if count is None else count
        is_new = record_acknowledgement(
            session,
            pack,
            level=answer.level,
            count=count,
            sentence=sentence,
            organisation_id=find_organisation(session, house) if house else None,
            at=now,
            origin=origin,
            actor=actor,
            is_listed=is_listed,
        )
        return {
            "code": pack.code,
            "level": answer.level.value if answer.level else "no",
            "count": count,
            "state": pack.relay_state.value,
            "is_new": is_new,
        }


LATEST = timedelta(days=183)
"""A pack can be put off for half a year."""


@dataclass
class Answered:
    """What a file of acknowledgements came to. ``rejected``: file, line, reason of the first ``MOST_SHOWN``; ``faults`` counts all."""

    new: int = 0
    known: int = 0
    rejected: list[dict[str, Any]] = field(default_factory=list)
    faults: int = 0


COLUMNS = ("code", "level", "count", "sentence", "house")
GERMAN = {"kennwort": "code", "stufe": "level", "zahl": "count", "anzahl": "count", "satz": "sentence", "haus": "house"}


def import_acknowledgements(app: App, path: Path, now: datetime, *, actor: str) -> Answered:
    """Acknowledgements of a CSV file: code, level (or "no"), count, sentence, house; English or German headings.

    Good rows are recorded, bad ones named with their line; a file that was imported before adds nothing. Raises ProblemsError for a
    file that is no table, InputError for a column nobody knows: a figure must not be dropped unseen.
    """
    table = read_table(path)
    names = [GERMAN.get(name.casefold(), name.casefold()) for name in table.header]
    faults = [
        f"unknown column '{name}'{suggest(name, (*COLUMNS, *GERMAN))}"
        for name, known in zip(table.header, names, strict=True)
        if known not in COLUMNS
    ]
    faults += [] if "code" in names else ["there is no column 'code'"]
    faults += ["a column stands here twice"] if len(set(names)) < len(names) else []
    if faults:
        raise InputError(f"{path}:{table.header_line}: {', '.join(faults)}", hint=f"columns: {', '.join((*COLUMNS, *GERMAN))}")
    result = Answered()
    for row in table.rows:
        values = {name: cell.strip() for name, cell in zip(names, row.cells, strict=False)}
        if not row.fault and not any(values.values()):
            continue
        try:
            if row.fault:
                raise InputError(row.fault)
            done = _acknowledge_row(app, values, now, actor)
        except InputError as error:
            result.faults += 1
            if len(result.rejected) < MOST_SHOWN:
                result.rejected.append({"file": str(path), "line": row.line, "reason": str(error)})
            continue
        result.new += done["is_new"]
        result.known += not done["is_new"]
    return result


def _acknowledge_row(app: App, values: Mapping[str, str], now: datetime, actor: str) -> dict[str, Any]:
    try:
        count = read_count(values["count"]) if values.get("count") else None
    except ValueError as error:
        raise InputError(str(error)) from None
    line = " – ".join(filter(None, (values.get("code"), values.get("level"))))
    return acknowledge(
        app, line, now, actor=actor, count=count, sentence=values.get("sentence", ""), house=values.get("house", ""), is_listed=True
    )


def move_pack(app: App, code: str, state: RelayState, now: datetime, *, until: date | None = None) -> bool:
    """Say that a pack is accepted, postponed (``until``), skipped or passed on; False where it was said already.

    Raises InputError for a state it cannot go to from where it is.
    """
    with store.write(app.engine) as session:
        pack = find_pack(session, code)
        if pack.relay_state is RelayState.planned:
            raise InputError(f"pack {pack.code} has not left yet")
        try:
            if state is RelayState.postponed:
                until = until or app.today(now)
                if not app.today(now) < until <= app.today(now) + LATEST:
                    raise InputError(f"a pack can be put off from tomorrow until {app.today(now) + LATEST}, not until {until}")
                return postpone(pack, until, now)
            return move(pack, state, now)
        except ValueError as error:
            raise InputError(f"pack {pack.code} is {pack.relay_state.value}; it cannot become {state.value} any more") from error


def hand_over_pack(app: App, code: str, now: datetime, *, actor: str, to: str = "", origin: Origin = Origin.staff) -> dict[str, Any]:
    """Send a pack's mails to somebody else in the house: to that address, else to the next in line (distributor, contact, deputy).

    Without an address this is done once: whoever has it from somebody else keeps it until somebody is named.

    The pack keeps its code and gets its whole time again. Returns code, receiver (a name, else the address), is_new. Raises InputError
    for an address without such a role in the house or a pack that was passed on, RefusedError where nothing may be sent there.
    """
    with store.write(app.engine) as session:
        pack = find_pack(session, code)
        dispatch = session.get_one(Dispatch, pack.dispatch_id)
        if dispatch.route is Route.list_address:
            raise InputError(f"pack {pack.code} went to the house's own list; there is nobody to hand it over to")
        if not to and HANDING_OVER_MARK in dispatch.occasion:
            return {"code": pack.code, "receiver": _name_at(session, dispatch.seat_id, dispatch.address_id), "is_new": False}
        receiver = _next_receiver(app, session, dispatch, now, to)
        before = dispatch.address_id
        is_new = hand_over(session, pack, receiver, now)
        if is_new:
            houses = Houses(session, app.today(now))
            last_day = houses.last_day(pack.organisation_id, houses.today(pack.organisation_id, now, app.settings.zone))
            try:
                offer_again(pack, last_day, now)
            except ValueError as error:
                raise InputError(f"pack {pack.code} is {pack.relay_state.value}; there is nothing to hand over any more") from error
            record_change(session, "pack", pack.id, "address_id", str(before), str(receiver.address_id), now, actor, origin)
        return {"code": pack.code, "receiver": _name_at(session, receiver.seat_id, receiver.address_id), "is_new": is_new}


def _next_receiver(app: App, session: Session, dispatch: Dispatch, now: datetime, to: str) -> Receiver:
    """Who receives instead, as the planner would choose among those who can."""
    campaign = session.get_one(Campaign, dispatch.campaign_id)
    definition = load_definitions(session, campaign)[dispatch.version_id]
    houses = load_houses(session, zone=app.settings.zone, language=app.settings.language)
    offices = load_offices(session, houses, definition, definition.audiences[dispatch.audience], today=app.today(now))
    receivers = offices[dispatch.organisation_id].receivers
    slug = session.get_one(Organisation, dispatch.organisation_id).slug
    if not to:
        able = [each for each in receivers if each.reason is Reason.none and each.address_id != dispatch.address_id]
        if not able:
            raise InputError(f"nobody else in '{slug}' could receive it", hint="give somebody the role distributor, contact or deputy")
        return able[0]
    wanted = session.execute(select(col(Address.id)).where(col(Address.normal_key) == normalise(to).normal_key)).scalar_one_or_none()
    found = [each for each in receivers if each.address_id == wanted]
    if not found:
        raise InputError(f"{to} is neither distributor, contact nor deputy of '{slug}'", hint="give the role in people.csv first")
    if found[0].reason is not Reason.none:
        raise RefusedError(f"{to}: {REASONS[found[0].reason]}")
    return found[0]


def _name_at(session: Session, seat_id: int, address_id: int) -> str:
    seat = session.get(Seat, seat_id)
    person = session.get(Person, seat.person_id) if seat and seat.person_id else None
    return person.full_name if person else session.get_one(Address, address_id).address


def find_house_pack(session: Session, acting: Acting, public_id: str) -> Pack | None:
    """A pack of these houses that has been handed over; None for every other."""
    query = select(Pack).where(col(Pack.public_id) == public_id, col(Pack.organisation_id).in_(acting.houses))
    return session.execute(query.where(col(Pack.relay_state) != RelayState.planned)).scalar_one_or_none()


def get_code(session: Session, code: str) -> str:
    """The code as it was given out. Raises InputError for one nobody was given."""
    return find_pack(session, code).code


def who_passes_on(app: App, session: Session, now: datetime, campaign: str | None = None) -> list[dict[str, Any]]:
    """For each running campaign that goes through houses: who serves whose advisers and why, overlaps, and whom nobody serves.

    Rows: campaign, served [{house, relay, receiver, route, why}], overlaps (slugs), unserved [{house, reason}].
    """
    organisation = table_of(Organisation)
    slugs = dict(session.execute(select(organisation.c.id, organisation.c.slug)).all())
    campaign_ids = load_campaign_ids(session)
    houses = load_houses(session, zone=app.settings.zone, language=app.settings.language)
    rows = []
    for each in running_campaigns(session):
        definition = load_definitions(session, each)[each.latest_version_id or 0]
        for audience in definition.audiences:
            if not audience.passes_on or campaign not in (None, each.name):
                continue
            passing = load_passing(session, houses, definition, audience, today=app.today(now), campaign_ids=campaign_ids)
            cascade = passing.cascade()
            served = [
                {
                    "house": slugs[service.pool_id],
                    "relay": slugs[service.relay_id],
                    "receiver": slugs[service.receiver.organisation_id],
                    "route": service.route.value,
                    "why": tell_why(service, slugs),
                }
                for service in cascade.services
            ]
            counted = [row["house"] for row in served]
            rows.append(
                {
                    "campaign": each.name,
                    "served": served,
                    "overlaps": sorted({slug for slug in counted if counted.count(slug) > 1}),
                    "unserved": [{"house": slugs[house], "reason": reason.value} for house, reason in cascade.unserved.items()],
                }
            )
    return rows


def tell_why(service: Service, slugs: Mapping[int, str]) -> str:
    """Why a pool is served by this relay, and why its pack goes where it goes, in words."""
    relay, chosen, receiver = service.relay_id, service.chosen, service.receiver
    if service.level:
        told = f"every level passes on here; this is the {service.level} level"
    else:
        told = "it takes packs itself" if relay == service.pool_id else "the house that relays for it takes packs"
    if chosen.organisation_id != relay:
        told += f"; nobody in {slugs[relay]} can receive, so {slugs[chosen.organisation_id]} above does"
    if receiver.address_id != chosen.address_id:
        told += f"; {slugs[chosen.organisation_id]} has its pack at its list"
    if receiver.organisation_id != chosen.organisation_id:
        told += f"; the same address receives for {slugs[receiver.organisation_id]}, so one pack is for both"
    return told
