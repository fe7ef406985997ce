"""What a house decides itself: how and when its packs come, in which language, in whose words, and for how many advisers.

Every change stands in the log with its author; an import does not undo it (``audience/intake/partners``). Nobody can enter an address
here: the engine never writes to one that a partner typed in. What needs one is said to the people of OM.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, exists, select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.house_days import spell_quiet_days
from om_campaigns.audience.intake.days import read_newsletter_days, read_quiet_days
from om_campaigns.audience.intake.journal import as_text
from om_campaigns.audience.models import Change, Organisation, OrganisationRoute, Seat, SeatRole
from om_campaigns.audience.vocabulary import ForwardPolicy, Origin, PackDelivery, Relay, Rhythm, Role, Route
from om_campaigns.columns import digest, new_ref, table_of
from om_campaigns.feedback.models import TaskKind
from om_campaigns.feedback.tasks import open_task
from om_campaigns.pipeline.pack_desk import Reach

TYPED = ("weg", "zustellung", "frist", "worte", "sprache", "takt", "ruhe", "newsletter", "weitergabe", "berater")
"""The fields of the form; '' where a house states nothing, and inherits or has no wish."""

LANGUAGES = ("", "de", "en")
MOST_DAYS = 365
MOST_ADVISERS = 999_999
SAY_LENGTH = 1000
OFFERED = (Route.forward_pack, Route.newsletter_block)
"""Ways every house can choose; others only where OM has set them up."""


def show_settings(app: App, reach: Reach, slug: str) -> dict[str, Any] | None:
    """house {slug, name}, houses [{slug, name}], ways (those it can choose), now (by field of ``TYPED``), as_of,
    nobody_advises; None for a foreign house."""
    with store.read(app.engine) as session:
        house = find_house(session, reach, slug)
        if house is None:
            return None
        rows = session.execute(select(Organisation).where(col(Organisation.id).in_(reach.houses)).order_by(col(Organisation.name)))
        routes = _routes(session, house)
        return {
            "house": {"slug": house.slug, "name": house.name},
            "houses": [{"slug": each.slug, "name": each.name} for each in rows.scalars()],
            "ways": [each.value for each in _ways(house, routes)],
            "now": _typed(house, routes),
            "as_of": house.headcount_as_of,
            "nobody_advises": not house.adviser_headcount and not _knows_advisers(session, house),
        }


def _typed(house: Organisation, routes: list[Route]) -> dict[str, str]:
    """What holds now, as the form shows it."""
    return {
        "weg": routes[0].value if routes else "",
        "zustellung": house.pack_delivery.value if house.pack_delivery else "",
        "frist": str(house.shelf_life_days or ""),
        "worte": house.forward_policy.value,
        "sprache": house.language or "",
        "takt": (house.rhythm or Rhythm.as_it_comes).value,
        "ruhe": "\n".join(spell_quiet_days(house.quiet_days or "")),
        "newsletter": ", ".join((house.newsletter_days or "").split()),
        "weitergabe": house.relay.value if house.relay else "",
        "berater": "" if house.adviser_headcount is None else str(house.adviser_headcount),
    }


def save_settings(app: App, reach: Reach, slug: str, typed: dict[str, str]) -> tuple[str, ...]:
    """Take over what was chosen (``TYPED``); () when it holds, else every field that is wrong."""
    now = app.now()
    with store.write(app.engine) as session:
        house = find_house(session, reach, slug)
        if house is None:
            return ("weg",)
        routes = _routes(session, house)
        if wrong := _faults(session, house, routes, typed):
            return wrong
        wanted = _wanted(house, typed)
        if wanted["adviser_headcount"] != house.adviser_headcount:
            wanted["headcount_as_of"] = app.today(now)
            if not wanted["adviser_headcount"] and not _knows_advisers(session, house):
                _tell(session, house, reach, now, "nobody advises in this house any more; it gets no packs for advisers")
        changes = _change(house, wanted)
        if typed["weg"] and [Route(typed["weg"])] != routes[:1]:
            new = [Route(typed["weg"]), *(each for each in routes if each != typed["weg"])]
            _save_routes(session, house, new)
            changes.append(("routes", as_text([each.value for each in routes]), as_text([each.value for each in new])))
        record_changes(session, "organisation", house.id or 0, changes, reach.actor, now)
    return ()


def record_changes(
    session: Session, entity: str, entity_id: int, changes: Sequence[tuple[str, str | None, str | None]], actor: str, now: datetime
) -> None:
    """Write (field, old, new) into the change log, said by a partner."""
    batch = new_ref()
    session.add_all(
        Change(batch=batch, entity=entity, entity_id=entity_id, field=field, old=old, new=new, origin=Origin.partner, actor=actor, at=now)
        for field, old, new in changes
    )


def _faults(session: Session, house: Organisation, routes: list[Route], typed: dict[str, str]) -> tuple[str, ...]:
    advisers = _digits(typed["berater"])
    faults = {
        "weg": typed["weg"] not in {"", *_ways(house, routes)} or (not typed["weg"] and bool(routes)),
        "zustellung": typed["zustellung"] not in {"", *PackDelivery},
        "frist": not _is_number(typed["frist"], 1, MOST_DAYS),
        "worte": typed["worte"] not in set(ForwardPolicy),
        "sprache": typed["sprache"] not in LANGUAGES,
        "takt": typed["takt"] not in set(Rhythm),
        "ruhe": not _can_read(read_quiet_days, typed["ruhe"]),
        "newsletter": not _can_read(read_newsletter_days, typed["newsletter"]),
        "weitergabe": typed["weitergabe"] not in {"", *Relay},
        "berater": not _is_number(advisers, 0, MOST_ADVISERS)
        or (not advisers and house.adviser_headcount is not None and not _knows_advisers(session, house)),
    }
    return tuple(name for name, is_wrong in faults.items() if is_wrong)


def _wanted(house: Organisation, typed: dict[str, str]) -> dict[str, Any]:
    """What was typed, by column."""
    advisers, rhythm = _digits(typed["berater"]), Rhythm(typed["takt"])
    return {
        "pack_delivery": PackDelivery(typed["zustellung"]) if typed["zustellung"] else None,
        "shelf_life_days": int(typed["frist"]) if typed["frist"] else None,
        "forward_policy": ForwardPolicy(typed["worte"]),
        "language": typed["sprache"] or None,
        "rhythm": rhythm if house.rhythm or rhythm is not Rhythm.as_it_comes else None,
        "quiet_days": read_quiet_days(typed["ruhe"]) or None,
        "newsletter_days": read_newsletter_days(typed["newsletter"]) or None,
        "relay": Relay(typed["weitergabe"]) if typed["weitergabe"] else None,
        "adviser_headcount": int(advisers) if advisers else None,
    }


def _ways(house: Organisation, routes: list[Route]) -> list[Route]:
    return list(dict.fromkeys([*routes, *OFFERED, *([Route.list_address] if house.list_address_id else [])]))


def _knows_advisers(session: Session, house: Organisation) -> bool:
    """People are counted where no number is given."""
    role, seat = table_of(SeatRole), table_of(Seat)
    advises = (role.c.seat_id == seat.c.id) & (role.c.role == Role.adviser)
    return bool(session.execute(select(exists().where(seat.c.organisation_id == house.id, seat.c.until.is_(None), advises))).scalar())


def say_to_staff(app: App, reach: Reach, slug: str, words: str) -> str:
    """A sentence to the people of OM, as a task for them; '' when it is there (once a day), else which field is wrong."""
    now, text = app.now(), " ".join(words.split())
    if not text or len(text) > SAY_LENGTH:
        return "nachricht"
    with store.write(app.engine) as session:
        house = find_house(session, reach, slug)
        if house is None:
            return "nachricht"
        _tell(session, house, reach, now, text)
    return ""


def _tell(session: Session, house: Organisation, reach: Reach, now: datetime, text: str) -> None:
    source_key = digest("says", house.slug, text, now.date().isoformat())
    open_task(session, TaskKind.house_says, source_key, now, organisation_id=house.id, by=reach.actor, says=text)


def _change(house: Organisation, wanted: dict[str, Any]) -> list[tuple[str, str | None, str | None]]:
    """Set what differs; field, old and new as the change log keeps them."""
    changes = []
    for field, value in wanted.items():
        old = getattr(house, field)
        if old != value:
            changes.append((field, _text(old), _text(value)))
            setattr(house, field, value)
    return changes


def _text(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, date) else as_text(value)


def _digits(text: str) -> str:
    """A number without the marks people put between its thousands."""
    return text.translate(str.maketrans("", "", " .\u00a0\u202f"))


def _can_read(read: Callable[[str], str], text: str) -> bool:
    try:
        read(text)
    except ValueError:
        return False
    return True


def _is_number(text: str, least: int, most: int) -> bool:
    return not text or (text.isascii() and text.isdecimal() and len(text) < 8 and least <= int(text) <= most)


def find_house(session: Session, reach: Reach, slug: str) -> Organisation | None:
    """A house somebody acts for; every other one is not there (SEC-14)."""
    query = select(Organisation).where(col(Organisation.slug) == slug, col(Organisation.id).in_(reach.houses))
    found: Organisation | None = session.execute(query).scalar_one_or_none()
    return found


def _routes(session: Session, house: Organisation) -> list[Route]:
    route = select(col(OrganisationRoute.route)).where(col(OrganisationRoute.organisation_id) == house.id)
    return list(session.execute(route.order_by(col(OrganisationRoute.position))).scalars())


def _save_routes(session: Session, house: Organisation, routes: list[Route]) -> None:
    session.execute(delete(OrganisationRoute).where(col(OrganisationRoute.organisation_id) == house.id))
    session.add_all(
        OrganisationRoute(organisation_id=house.id or 0, position=position, route=route) for position, route in enumerate(routes)
    )
    session.flush()
