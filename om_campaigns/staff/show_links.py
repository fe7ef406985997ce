"""How often the links of letters were followed, by house or by day, as far as that tells of nobody (FWD-15, LAW-11, LAW-14)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import func, select
from sqlmodel import Session

from om_campaigns.audience.models import Organisation, Touch
from om_campaigns.audience.vocabulary import PASSING_ON
from om_campaigns.campaign.models import Campaign, CampaignVersion, Dispatch, Pack, PackOrganisation
from om_campaigns.campaign.vocabulary import DispatchStatus
from om_campaigns.columns import table_of
from om_campaigns.compose.audience_size import load_adviser_counts
from om_campaigns.compose.models import CountedLink, LinkDay
from om_campaigns.report.small_numbers import Part, protect

REST = ""
"""Stands for the houses without links of their own."""

_link, _day, _house = table_of(CountedLink), table_of(LinkDay), table_of(Organisation)


class Link(NamedTuple):
    """A link of a step, in all wordings and languages; ``is_pack``: in what houses pass on."""

    campaign: str
    step: str
    is_pack: bool
    target: str


def load_by_house(session: Session, smallest: int, today: date, *, campaign: str = "", step: str = "") -> list[dict[str, Any]]:
    """One row per link and house: campaign, step, passed_on, target, house (slug, '' for all others together), readers, clicks.

    ``clicks`` is None where it would be a figure about fewer people than ``smallest``.
    """
    rows = []
    counted = _load_counts(session, campaign, step)
    readers = _load_readers(session, today, {(link.campaign, link.step) for link in counted})
    for link, counts in counted.items():
        behind = readers[link.campaign, link.step, link.is_pack]
        others = sum(number for house, number in behind.items() if house not in counts)
        parts = {house: Part(clicks, behind[house] if house else others) for house, clicks in counts.items()}
        told = protect(parts, smallest)
        rest = [house for house in parts if house in told.together or house == REST]
        rows += [_row(link, house, parts[house].readers, clicks) for house, clicks in told.shown.items() if house != REST]
        if rest:
            clicks = None if told.rest is None else told.rest + told.shown.get(REST, 0)
            rows.append(_row(link, REST, sum(parts[house].readers for house in rest), clicks))
    return rows


def load_by_day(session: Session, smallest: int, *, campaign: str = "", step: str = "") -> list[dict[str, Any]]:
    """One row per link and day: campaign, step, passed_on, target, day (None for all other days together), clicks (None as above)."""
    days: dict[Link, dict[Any, int]] = defaultdict(lambda: defaultdict(int))
    for link, day, clicks in _rows(session, campaign, step, _day.c.day):
        if day is not None:
            days[link][day] += clicks
    rows = []
    for link, counts in sorted(days.items()):
        told = protect({day: Part(clicks, smallest) for day, clicks in sorted(counts.items())}, smallest)
        start = {"campaign": link.campaign, "step": link.step, "passed_on": link.is_pack, "target": link.target}
        rows += [start | {"day": day, "clicks": clicks} for day, clicks in told.shown.items()]
        if told.together:
            rows.append(start | {"day": None, "clicks": told.rest})
    return rows


def _row(link: Link, house: str, readers: int, clicks: int | None) -> dict[str, Any]:
    names = {"campaign": link.campaign, "step": link.step, "passed_on": link.is_pack, "target": link.target}
    return names | {"house": house, "readers": readers, "clicks": clicks}


def _load_counts(session: Session, campaign: str, step: str) -> dict[Link, dict[str, int]]:
    counts: dict[Link, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for link, house, clicks in _rows(session, campaign, step, _house.c.slug):
        counts[link][house or REST] += clicks
    return {link: dict(sorted(houses.items())) for link, houses in sorted(counts.items())}


def _rows(session: Session, campaign: str, step: str, by: Any) -> Iterator[tuple[Link, Any, int]]:
    version, campaigns = table_of(CampaignVersion), table_of(Campaign)
    names = (campaigns.c.name, _link.c.step, _link.c.is_pack, _link.c.target)
    query = (
        select(*names, by, func.coalesce(func.sum(_day.c.clicks), 0))
        .join_from(_link, version, version.c.id == _link.c.version_id)
        .join(campaigns, campaigns.c.id == version.c.campaign_id)
        .outerjoin(_house, _house.c.id == _link.c.organisation_id)
        .outerjoin(_day, _day.c.link_id == _link.c.id)
        .group_by(*names, by)
    )
    if campaign:
        query = query.where(campaigns.c.name == campaign)
    if step:
        query = query.where(_link.c.step == step)
    for row in session.execute(query):
        yield Link(*row[:4]), row[4], row[5]


def _load_readers(session: Session, today: date, texts: set[tuple[str, str]]) -> dict[tuple[str, str, bool], dict[str, int]]:
    """How many people a text reached, by campaign, step and whether it was passed on, then by house; of these (campaign, step) only."""
    campaigns, dispatch, pack, member = table_of(Campaign), table_of(Dispatch), table_of(Pack), table_of(PackOrganisation)
    touch, ids = table_of(Touch), {row.name: row.id for row in session.execute(select(campaigns.c.id, campaigns.c.name))}
    found: dict[tuple[str, str, bool], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for name, step in sorted(texts):
        reached = (
            select(touch.c.organisation_id, func.count().label("number"))
            .where(touch.c.campaign_id == ids[name], touch.c.step == step, ~touch.c.service, touch.c.route.not_in(PASSING_ON))
            .group_by(touch.c.organisation_id)
            .subquery()
        )
        letters = select(_house.c.slug, reached.c.number).join_from(reached, _house, _house.c.id == reached.c.organisation_id)
        for house, number in session.execute(letters):
            found[name, step, False][house] = number
    left = dispatch.c.status.in_((DispatchStatus.sent, DispatchStatus.uncertain))
    packs = (
        select(campaigns.c.name, pack.c.step, _house.c.slug, member.c.organisation_id)
        .join_from(pack, member, member.c.pack_id == pack.c.id)
        .join(dispatch, dispatch.c.id == pack.c.dispatch_id)
        .join(campaigns, campaigns.c.id == pack.c.campaign_id)
        .join(_house, _house.c.id == pack.c.organisation_id)
        .where(left)
        .distinct()
    )
    advisers = load_adviser_counts(session, today)
    for name, step, house, served in session.execute(packs):
        found[name, step, True][house] += advisers[served]
    return found
