"""What a house settles about itself on its page: itself, its rhythm, and by which routes letters come."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from sqlalchemy import delete, select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.access import Acting
from om_campaigns.audience.changes import PARTNER_ORIGINS, Change, as_text
from om_campaigns.audience.german import read_count
from om_campaigns.audience.house_days import read_newsletter_days, read_quiet_days, spell_quiet_days
from om_campaigns.audience.models import Organisation, OrganisationRoute
from om_campaigns.audience.seats import SEAT, has_role, select_sitting
from om_campaigns.audience.vocabulary import ForwardPolicy, PackDelivery, Relay, Rhythm, Role, Route
from om_campaigns.partner.faults import FormFault
from om_campaigns.partner.look import load_look, read_accent, save_look
from om_campaigns.partner.signing_in import FieldChange, find_house, record_changes, tell_staff
from om_campaigns.seen import merge_fields

TYPED = ("weg", "zustellung", "frist", "worte", "sprache", "takt", "ruhe", "newsletter", "weitergabe", "berater", "farbe")
"""The fields of the form with one value; '' where a house states nothing, and inherits or has no wish."""

TYPED_OFTEN = "sonst"
"""The further ways of a house, one field for each; values parted by blanks."""

LANGUAGES = ("", "de", "en")
MOST_DAYS = 365


def show_settings(app: App, acting: Acting, slug: str) -> dict[str, Any] | None:
    """ways (those the house can choose), now (by field of the form), as_of, has_above (whether there is a house to inherit from),
    nobody_advises; None for a foreign house."""
    today = app.today(app.now())
    with store.read(app.engine) as session:
        house = find_house(session, acting, slug)
        if house is None:
            return None
        routes = load_routes(session, house)
        return {
            "ways": [each.value for each in find_ways(session, house, routes)],
            "now": _typed(session, house, routes),
            "as_of": house.headcount_as_of,
            "has_above": house.parent_id is not None,
            "nobody_advises": not house.adviser_headcount and not _knows_advisers(session, house, today),
        }


def _typed(session: Session, house: Organisation, routes: list[Route]) -> dict[str, str]:
    """What holds now, as the form shows it."""
    return {
        "weg": routes[0].value if routes else "",
        "sonst": " ".join(each.value for each in routes[1:]),
        "zustellung": house.pack_delivery.value if house.pack_delivery else "",
        "frist": str(house.shelf_life_days or ""),
        "worte": house.forward_policy.value,
        "sprache": house.language or "",
        "takt": (house.rhythm or Rhythm.as_it_comes).value,
        "ruhe": "\n".join(spell_quiet_days(house.quiet_days or "")),
        "newsletter": ", ".join((house.newsletter_days or "").split()),
        "weitergabe": house.relay.value if house.relay else "",
        "berater": "" if house.adviser_headcount is None else str(house.adviser_headcount),
        "farbe": load_look(session, house).accent,
    }


def save_settings(app: App, acting: Acting, slug: str, typed: dict[str, str], shown: Mapping[str, str]) -> tuple[FormFault, ...]:
    """Take over what was chosen, all of it or nothing; returns what is wrong. ``typed`` has the fields of ``TYPED`` and ``TYPED_OFTEN``.

    ``shown`` is what stood in them when the page was opened: a field that was left as it was undoes nothing that was saved since.
    """
    now = app.now()
    with store.write(app.engine) as session:
        house = find_house(session, acting, slug, locks=True)
        if house is None:
            return (FormFault("weg"),)
        routes, look = load_routes(session, house), load_look(session, house)
        now_there = _typed(session, house, routes)
        typed = merge_fields(shown, typed, now_there, together=("weg", TYPED_OFTEN))
        accent = look.accent if typed["farbe"] == look.accent else read_accent(app, house, typed["farbe"])
        new = read_routes(typed["weg"], typed["sonst"].split(), find_ways(session, house, routes))
        wrong = [each for each in (new, *_find_faults(session, house, typed, app.today(now)), accent) if isinstance(each, FormFault)]
        if wrong or isinstance(new, FormFault) or isinstance(accent, FormFault):
            return tuple(wrong)
        wanted = _wanted(house, typed)
        if wanted["adviser_headcount"] != house.adviser_headcount:
            wanted["headcount_as_of"] = app.today(now)
            if not wanted["adviser_headcount"] and not _knows_advisers(session, house, app.today(now)):
                tell_staff(session, house, acting, now, "nobody advises in this house any more; it gets no packs for advisers")
        changes = _change(house, wanted)
        if new != routes:
            save_routes(session, house, new)
            changes.append(("routes", as_text([each.value for each in routes]), as_text([each.value for each in new])))
        changes += save_look(session, house, accent, look.logo)
        record_changes(session, "organisation", house.id, changes, acting, now)
    return ()


def _find_faults(session: Session, house: Organisation, typed: dict[str, str], today: date) -> list[FormFault]:
    faults = {
        FormFault("zustellung"): typed["zustellung"] not in {"", *PackDelivery},
        FormFault("frist"): not _is_read(read_count, typed["frist"]) or not 1 <= read_count(typed["frist"] or "1") <= MOST_DAYS,
        FormFault("takt"): typed["takt"] not in set(Rhythm),
        FormFault("ruhe"): not _is_read(read_quiet_days, typed["ruhe"]),
        FormFault("newsletter"): not _is_read(read_newsletter_days, typed["newsletter"]),
        FormFault("worte"): typed["worte"] not in set(ForwardPolicy),
        FormFault("sprache"): typed["sprache"] not in LANGUAGES,
        FormFault("berater"): not _is_read(read_count, typed["berater"]),
        FormFault("berater", "leer"): not typed["berater"]
        and house.adviser_headcount is not None
        and not _knows_advisers(session, house, today),
        FormFault("weitergabe"): typed["weitergabe"] not in {"", *Relay},
    }
    return [fault for fault, is_wrong in faults.items() if is_wrong]


def _wanted(house: Organisation, typed: dict[str, str]) -> dict[str, Any]:
    """What was typed, by column."""
    rhythm = Rhythm(typed["takt"])
    return {
        "pack_delivery": PackDelivery(typed["zustellung"]) if typed["zustellung"] else None,
        "shelf_life_days": read_count(typed["frist"]) if typed["frist"] else None,
        "forward_policy": ForwardPolicy(typed["worte"]),
        "language": typed["sprache"] or None,
        "rhythm": rhythm if house.rhythm or rhythm is not Rhythm.as_it_comes else None,
        "quiet_days": read_quiet_days(typed["ruhe"]) or None,
        "newsletter_days": read_newsletter_days(typed["newsletter"]) or None,
        "relay": Relay(typed["weitergabe"]) if typed["weitergabe"] else None,
        "adviser_headcount": read_count(typed["berater"]) if typed["berater"] else None,
    }


def _knows_advisers(session: Session, house: Organisation, today: date) -> bool:
    """People are counted where no number is given."""
    advisers = select_sitting(today, SEAT.c.id).where(SEAT.c.organisation_id == house.id, has_role((Role.adviser,)))
    return session.execute(advisers.limit(1)).first() is not None


def _change(house: Organisation, wanted: dict[str, Any]) -> list[FieldChange]:
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


def _is_read(read: Callable[[str], object], text: str) -> bool:
    """Whether a field is empty, or says what its reader understands."""
    try:
        return not text or read(text) is not None
    except ValueError:
        return False


OFFERED = (Route.forward_pack, Route.newsletter_block)
"""Ways every house can choose; others only where OM has set them up."""


def load_routes(session: Session, house: Organisation) -> list[Route]:
    """The ways a house states, the preferred one first."""
    route = select(col(OrganisationRoute.route)).where(col(OrganisationRoute.organisation_id) == house.id)
    return list(session.execute(route.order_by(col(OrganisationRoute.position))).scalars())


def find_ways(session: Session, house: Organisation, routes: Sequence[Route]) -> list[Route]:
    """What a house can choose among, its own ways first."""
    to_list = [Route.list_address] if house.list_address_id else []
    return list(dict.fromkeys([*routes, *OFFERED, *to_list, *_dropped(session, house)]))


def _dropped(session: Session, house: Organisation) -> list[Route]:
    """Ways the house itself has given up since anybody else last decided about them."""
    query = select(col(Change.old), col(Change.origin)).where(
        col(Change.entity) == "organisation", col(Change.entity_id) == house.id, col(Change.field) == "routes"
    )
    found: list[Route] = []
    for old, origin in session.execute(query.order_by(col(Change.id).desc())):
        if origin not in PARTNER_ORIGINS:
            break
        found += [Route(each) for each in (old or "").split(",") if each]
    return found


def read_routes(first: str, others: Sequence[str], ways: Sequence[Route]) -> list[Route] | FormFault:
    """What was chosen, in its order, or what is wrong with it. ``first`` is '' for a house that states no way; *none* and '' leave no room
    for others.
    """
    if first not in {"", *ways}:
        return FormFault("weg")
    if not set(others) <= set(ways) - {Route.none}:
        return FormFault("sonst")
    if first in ("", Route.none):
        if others:
            return FormFault("sonst", "ohne")
        return [Route.none] if first else []
    return list(dict.fromkeys([Route(first), *map(Route, others)]))


def save_routes(session: Session, house: Organisation, routes: Sequence[Route]) -> None:
    """Put these in the place of what the house stated."""
    session.execute(delete(OrganisationRoute).where(col(OrganisationRoute.organisation_id) == house.id))
    session.add_all(OrganisationRoute(organisation_id=house.id, position=position, route=route) for position, route in enumerate(routes))
    session.flush()
