"""Packs as staff see them: who received one, for whom, how far it came, and who is served by nobody."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select
from sqlmodel import Session

from om_campaigns.app import App
from om_campaigns.audience.finding import find_organisation
from om_campaigns.audience.models import Address, Organisation, Person, Seat
from om_campaigns.audience.responses import Acknowledgement
from om_campaigns.campaign.house_values import load_houses
from om_campaigns.campaign.models import Campaign, Dispatch, Pack, PackOrganisation
from om_campaigns.campaign.receivers import load_passing
from om_campaigns.campaign.releases import get_campaign, load_campaign_ids, load_definitions, running_campaigns
from om_campaigns.campaign.routing import Service
from om_campaigns.columns import table_of
from om_campaigns.compose.models import PackRevision


def require_known(session: Session, *, campaign: str = "", house: str = "") -> None:
    """Raises InputError, with what is near, for a campaign or a house that is not there: no packs would be a wrong answer."""
    if campaign:
        get_campaign(session, campaign)
    if house:
        find_organisation(session, house)


def load_packs(
    session: Session, *, campaign: str = "", step: str = "", house: str = "", state: str = "", code: str = ""
) -> list[dict[str, Any]]:
    """Packs, the newest last: code, campaign, occasion, step, house (slug), receiver, route, state, state_at, due_on, serves
    (slugs), level, count.

    ``house`` is the slug of the receiving house, or of one that is served; ``level`` and ``count`` are what was acknowledged last.
    """
    pack, dispatch, organisation, campaigns = table_of(Pack), table_of(Dispatch), table_of(Organisation), table_of(Campaign)
    seat, person, address = table_of(Seat), table_of(Person), table_of(Address)
    query = (
        select(
            pack.c.id,
            pack.c.code,
            campaigns.c.name.label("campaign"),
            pack.c.occasion,
            pack.c.step,
            organisation.c.slug.label("house"),
            person.c.full_name.label("person"),
            address.c.address,
            dispatch.c.route,
            pack.c.relay_state.label("state"),
            pack.c.state_at,
            pack.c.due_on,
        )
        .join_from(pack, dispatch, dispatch.c.id == pack.c.dispatch_id)
        .join(campaigns, campaigns.c.id == pack.c.campaign_id)
        .join(organisation, organisation.c.id == pack.c.organisation_id)
        .join(address, address.c.id == dispatch.c.address_id)
        .outerjoin(seat, seat.c.id == dispatch.c.seat_id)
        .outerjoin(person, person.c.id == seat.c.person_id)
        .order_by(dispatch.c.due_at, organisation.c.slug, pack.c.id)
    )
    for column, wanted in ((campaigns.c.name, campaign), (pack.c.step, step), (pack.c.relay_state, state), (pack.c.code, code)):
        if wanted:
            query = query.where(column == wanted)
    if house:
        member = table_of(PackOrganisation)
        meant = select(organisation.c.id).where(organisation.c.slug == house).scalar_subquery()
        query = query.where(
            or_(pack.c.organisation_id == meant, pack.c.id.in_(select(member.c.pack_id).where(member.c.organisation_id == meant)))
        )
    rows = [dict(row._mapping) for row in session.execute(query)]
    ids = [row["id"] for row in rows]
    serves, answers = _load_served(session, ids), _load_answers(session, ids)
    for row in rows:
        row["receiver"] = row.pop("person") or row["address"]
        row["serves"] = serves.get(row["id"], [])
        row["level"], row["count"] = answers.get(row.pop("id"), (None, None))
        del row["address"]
    return rows


MANY = 500
"""Beyond so many packs all of them are asked for, rather than each by its number."""


def _load_served(session: Session, ids: list[int]) -> dict[int, list[str]]:
    member, organisation = table_of(PackOrganisation), table_of(Organisation)
    found: dict[int, list[str]] = defaultdict(list)
    query = select(member.c.pack_id, organisation.c.slug).join(organisation, organisation.c.id == member.c.organisation_id)
    if len(ids) <= MANY:
        query = query.where(member.c.pack_id.in_(ids))
    for pack_id, slug in session.execute(query.order_by(organisation.c.slug)):
        found[pack_id].append(slug)
    return found


def _load_answers(session: Session, ids: list[int]) -> dict[int, tuple[str | None, int | None]]:
    """The latest answer of each pack: level ('no' where it was declined) and number."""
    answer = table_of(Acknowledgement)
    query = select(answer.c.pack_id, answer.c.level, answer.c.count).order_by(answer.c.at, answer.c.id)
    if len(ids) <= MANY:
        query = query.where(answer.c.pack_id.in_(ids))
    return {pack_id: (level.value if level else "no", count) for pack_id, level, count in session.execute(query)}


def load_pack(session: Session, code: str) -> dict[str, Any]:
    """One pack by its code (as ``find_pack`` gives it): the row of ``load_packs`` with ``revisions`` and ``answers``."""
    found = load_packs(session, code=code)[0]
    pack = table_of(Pack)
    pack_id = session.execute(select(pack.c.id).where(pack.c.code == code)).scalar_one()
    revision, answer, organisation = table_of(PackRevision), table_of(Acknowledgement), table_of(Organisation)
    revisions = select(revision.c.number, revision.c.edition_id, revision.c.made_at).where(revision.c.pack_id == pack_id)
    answers = (
        select(answer.c.at, organisation.c.slug.label("house"), answer.c.level, answer.c.count, answer.c.sentence, answer.c.actor)
        .outerjoin(organisation, organisation.c.id == answer.c.organisation_id)
        .where(answer.c.pack_id == pack_id)
        .order_by(answer.c.at, answer.c.id)
    )
    found["revisions"] = [dict(row._mapping) for row in session.execute(revisions.order_by(revision.c.number))]
    found["answers"] = [dict(row._mapping) | {"level": row.level.value if row.level else "no"} for row in session.execute(answers)]
    return found


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
