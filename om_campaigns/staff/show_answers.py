"""What houses answered on the pages behind letters, for staff."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session

from om_campaigns.audience.models import Address, Organisation, Person, Response
from om_campaigns.audience.vocabulary import PersonStatus, ResponseKind
from om_campaigns.campaign.models import Campaign
from om_campaigns.columns import table_of


def load_answers(session: Session, *, campaign: str = "", house: str = "") -> list[dict[str, Any]]:
    """Answers, the newest first: number, at, house (slug), house_name, by, campaign, step, target ('' where it was forgotten), said.

    ``by``: the name of who answered; '' for a role address and for whoever was erased. ``said`` lists what was chosen or proposed,
    each question with its answer as ``question: answer``, or the person who was named as ``name (address)``.
    """
    response, organisation, campaigns, person = (table_of(each) for each in (Response, Organisation, Campaign, Person))
    query = (
        select(
            response.c.id.label("number"),
            response.c.at,
            organisation.c.slug.label("house"),
            organisation.c.name.label("house_name"),
            func.coalesce(person.c.full_name, "").label("by"),
            campaigns.c.name.label("campaign"),
            response.c.step,
            response.c.detail,
        )
        .join_from(response, organisation, organisation.c.id == response.c.organisation_id)
        .join(campaigns, campaigns.c.id == response.c.campaign_id)
        .outerjoin(person, person.c.id == response.c.person_id)
        .where(response.c.kind == ResponseKind.answer)
        .order_by(response.c.at.desc(), response.c.id.desc())
    )
    if campaign:
        query = query.where(campaigns.c.name == campaign)
    if house:
        query = query.where(organisation.c.slug == house)
    rows = [dict(row) for row in session.execute(query).mappings()]
    named = _load_named(session, {row["detail"]["person"] for row in rows if "person" in (row["detail"] or {})})
    return [row | _said(row.pop("detail") or {}, named) for row in rows]


def _load_named(session: Session, ids: Collection[int]) -> dict[int, str]:
    """Who was named, as they stand in the data today; nobody who was erased."""
    person, address = table_of(Person), table_of(Address)
    query = (
        select(person.c.id, person.c.full_name, address.c.address)
        .join_from(person, address, address.c.id == person.c.main_address_id)
        .where(person.c.id.in_(ids), person.c.status != PersonStatus.erased)
    )
    return {row.id: f"{row.full_name} ({row.address})" for row in session.execute(query)}


def _said(detail: dict[str, Any], named: Mapping[int, str]) -> dict[str, Any]:
    texts = [f"{question}: {text}" for question, text in detail.get("texts", ())]
    more = [each for each in (detail.get("proposed"), named.get(detail.get("person", 0))) if each]
    return {"target": detail.get("target", ""), "said": [*detail.get("chosen", ()), *texts, *more]}
