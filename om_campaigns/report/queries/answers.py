"""What houses answered on the pages behind letters, for staff."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns.audience.models import Organisation, Response
from om_campaigns.audience.vocabulary import ResponseKind
from om_campaigns.campaign.models import Campaign
from om_campaigns.columns import table_of


def load_answers(session: Session, *, campaign: str = "", house: str = "") -> list[dict[str, Any]]:
    """Answers, the newest first: number, at, house (slug), house_name, campaign, step, target ('' where it was forgotten), said.

    ``said`` lists what was chosen, or each question with its answer as ``question: answer``. Who answered stands nowhere in it.
    """
    response, organisation, campaigns = table_of(Response), table_of(Organisation), table_of(Campaign)
    query = (
        select(
            response.c.id.label("number"),
            response.c.at,
            organisation.c.slug.label("house"),
            organisation.c.name.label("house_name"),
            campaigns.c.name.label("campaign"),
            response.c.step,
            response.c.detail,
        )
        .join_from(response, organisation, organisation.c.id == response.c.organisation_id)
        .join(campaigns, campaigns.c.id == response.c.campaign_id)
        .where(response.c.kind == ResponseKind.answer)
        .order_by(response.c.at.desc(), response.c.id.desc())
    )
    if campaign:
        query = query.where(campaigns.c.name == campaign)
    if house:
        query = query.where(organisation.c.slug == house)
    rows = [dict(row) for row in session.execute(query).mappings()]
    return [row | _said(row.pop("detail") or {}) for row in rows]


def _said(detail: dict[str, Any]) -> dict[str, Any]:
    texts = [f"{question}: {text}" for question, text in detail.get("texts", ())]
    return {"target": detail.get("target", ""), "said": texts or list(detail.get("chosen", ()))}
