"""What a house sees of itself: what it took part in, and how far its letters came."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlalchemy import or_, select
from sqlmodel import Session

from om_campaigns.audience.models import Network, NetworkOrganisation, Organisation
from om_campaigns.audience.responses import ActionReport, ActionReportPartner, CascadeLevel, LetterUse
from om_campaigns.audience.toolkits import Toolkit, ToolkitUse, ToolkitVersion
from om_campaigns.audience.vocabulary import ToolkitStatus
from om_campaigns.columns import table_of
from om_campaigns.partner.confirmations import find_ended
from om_campaigns.partner.show_house_packs import load_house_packs


def load_action_reports(session: Session, *, houses: Sequence[int] | None = None, for_letter: bool = False) -> list[dict[str, Any]]:
    """Reports, the newest first: number, at, house (slug), house_name, effect_level, idea, network, together_with, partners (slugs),
    text, letter_use, actor. ``houses``: only theirs; ``for_letter``: only what may stand in the monthly letter.
    """
    report, house, network = table_of(ActionReport), table_of(Organisation), table_of(Network)
    query = (
        select(
            report.c.id.label("number"),
            report.c.at,
            house.c.slug.label("house"),
            house.c.name.label("house_name"),
            report.c.effect_level,
            report.c.idea,
            network.c.name.label("network"),
            report.c.together_with,
            report.c.text,
            report.c.letter_use,
            report.c.actor,
        )
        .join_from(report, house, house.c.id == report.c.organisation_id)
        .outerjoin(network, network.c.id == report.c.network_id)
        .order_by(report.c.at.desc(), report.c.id.desc())
    )
    if houses is not None:
        query = query.where(report.c.organisation_id.in_(houses))
    if for_letter:
        query = query.where(report.c.letter_use != LetterUse.no)
    rows = [dict(row._mapping) for row in session.execute(query)]
    partners = _load_partners(session, [row["number"] for row in rows])
    return [row | {"letter_use": row["letter_use"].value, "partners": partners[row["number"]]} for row in rows]


def _load_partners(session: Session, reports: Sequence[int]) -> dict[int, list[str]]:
    partner, house = table_of(ActionReportPartner), table_of(Organisation)
    found: dict[int, list[str]] = defaultdict(list)
    query = select(partner.c.report_id, house.c.slug).join_from(partner, house, house.c.id == partner.c.organisation_id)
    for number, slug in session.execute(query.where(partner.c.report_id.in_(reports)).order_by(house.c.slug)):
        found[number].append(slug)
    return found


def load_networks(session: Session, houses: Sequence[int]) -> list[dict[str, Any]]:
    """Networks in which these houses sit, or which they coordinate: id, slug, name, kind."""
    network, member = table_of(Network), table_of(NetworkOrganisation)
    query = (
        select(network.c.id, network.c.slug, network.c.name, network.c.kind)
        .outerjoin(member, member.c.network_id == network.c.id)
        .where(or_(member.c.organisation_id.in_(houses), network.c.coordinator_id.in_(houses)))
        .order_by(network.c.name)
        .distinct()
    )
    return [dict(row._mapping) for row in session.execute(query)]


def load_toolkits(session: Session, houses: Sequence[int]) -> list[dict[str, Any]]:
    """Toolkits in use, by house and name: house (slug), house_name, code, name, name_en, url, version, confirmed_on, current (its version,
    None where it was withdrawn), changes, is_current.
    """
    use, toolkit, used, house = table_of(ToolkitUse), table_of(Toolkit), table_of(ToolkitVersion), table_of(Organisation)
    query = (
        select(
            house.c.slug.label("house"),
            house.c.name.label("house_name"),
            toolkit.c.id,
            toolkit.c.code,
            toolkit.c.name,
            toolkit.c.name_en,
            toolkit.c.url,
            used.c.version,
            use.c.confirmed_on,
        )
        .join_from(use, toolkit, toolkit.c.id == use.c.toolkit_id)
        .join(used, used.c.id == use.c.version_id)
        .join(house, house.c.id == use.c.organisation_id)
        .where(use.c.organisation_id.in_(houses))
        .order_by(house.c.name, toolkit.c.name)
    )
    rows = [dict(row._mapping) for row in session.execute(query)]
    newest = _load_current(session)
    for row in rows:
        row["current"], row["changes"] = newest.get(row.pop("id"), (None, ""))
        row["is_current"] = row["current"] == row["version"] and row["confirmed_on"] is not None
    return rows


def load_ended_toolkits(session: Session, houses: Sequence[int]) -> list[dict[str, Any]]:
    """Toolkits these houses said they do not use any more and could take up again, by house and name: house (slug), house_name, code,
    name, name_en."""
    toolkit, house, use = table_of(Toolkit), table_of(Organisation), table_of(ToolkitUse)
    ended, newest = find_ended(session, houses), _load_current(session)
    used = set(session.execute(select(use.c.organisation_id, use.c.toolkit_id).where(use.c.organisation_id.in_(houses))).all())
    columns = (house.c.id, house.c.slug.label("house"), house.c.name.label("house_name"), toolkit.c.code, toolkit.c.name, toolkit.c.name_en)
    query = select(toolkit.c.id.label("toolkit_id"), *columns).join_from(house, toolkit, toolkit.c.id.in_(newest))
    query = query.where(house.c.id.in_({number for number, _ in ended})).order_by(house.c.name, toolkit.c.name)
    rows = (row._mapping for row in session.execute(query))
    return [dict(row) for row in rows if (row["id"], row["code"]) in ended and (row["id"], row["toolkit_id"]) not in used]


def _load_current(session: Session) -> dict[int, tuple[str, str]]:
    version = table_of(ToolkitVersion)
    query = select(version.c.toolkit_id, version.c.version, version.c.changes).where(version.c.status == ToolkitStatus.current)
    return {toolkit: (number, changes) for toolkit, number, changes in session.execute(query.order_by(version.c.sort_key))}


PERIOD = timedelta(days=365)
PASSED_ON = ("forwarded", "reported")


def load_mirror(session: Session, houses: Sequence[int], today: date) -> dict[str, Any]:
    """since, packs, offered, passed_on, answered, by_level [(level, how many packs)], the deepest last; of all packs of a year.

    Each pack has ``deepest`` and ``count`` of its latest answer, None where there is none.
    """
    since = today - PERIOD
    packs = [pack for pack in load_house_packs(session, houses) if pack["offered_on"] is None or pack["offered_on"].date() >= since]
    for pack in packs:
        latest = pack["answers"][0] if pack["answers"] else None
        pack["deepest"], pack["count"] = (latest["level"], latest["count"]) if latest else (None, None)
    reached = Counter(pack["deepest"] for pack in packs)
    return {
        "since": since,
        "packs": packs,
        "offered": len(packs),
        "passed_on": sum(pack["state"] in PASSED_ON for pack in packs),
        "answered": sum(pack["deepest"] is not None for pack in packs),
        "by_level": [(level.value, reached[level.value]) for level in CascadeLevel if reached[level.value]],
    }
