"""What houses tell us beside their packs: what they did, and with which version of a toolkit they work."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from sqlmodel import col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.models import Organisation
from om_campaigns.audience.responses import LetterUse
from om_campaigns.audience.vocabulary import IDEA_NAMES, Idea, Origin
from om_campaigns.columns import digest
from om_campaigns.partner.acting import find_house
from om_campaigns.partner.action_reports import Said, record_action_report
from om_campaigns.partner.confirmations import confirm_version, end_use, resume_use
from om_campaigns.partner.life import load_action_reports, load_ended_toolkits, load_networks, load_toolkits
from om_campaigns.partner.pack_form import Reach

TYPED = ("haus", "wirkung", "text", "mit", "netzwerk", "gedanke", "brief")
"""The fields of a report's form."""

TEXT_LENGTH = 1500
WITH_LENGTH = 300


def show_life(app: App, reach: Reach, language: str) -> dict[str, Any]:
    """What the page of reports needs: houses [{slug, name}], networks, ideas [(value, name)], reports."""
    with store.read(app.engine) as session:
        query = select(col(Organisation.slug), col(Organisation.name)).where(col(Organisation.id).in_(reach.houses))
        names: dict[str, str] = dict(session.execute(query.order_by(col(Organisation.name))).all())
        own = session.execute(select(col(Organisation.slug)).where(col(Organisation.id) == reach.houses[0])).scalar_one()
        return {
            "houses": [{"slug": own, "name": names.pop(own)}, *({"slug": slug, "name": name} for slug, name in names.items())],
            "networks": load_networks(session, reach.houses),
            "ideas": [(idea.value, IDEA_NAMES[idea][language]) for idea in Idea],
            "reports": load_action_reports(session, houses=reach.houses),
        }


def show_toolkits(app: App, reach: Reach) -> dict[str, Any]:
    """toolkits these houses work with, as ``load_toolkits`` gives them; ended: those they could take up again."""
    with store.read(app.engine) as session:
        return {"toolkits": load_toolkits(session, reach.houses), "ended": load_ended_toolkits(session, reach.houses)}


def report_action(app: App, reach: Reach, typed: dict[str, str]) -> tuple[str, ...]:
    """Record a report (``TYPED``); () when it is recorded, else every field that is wrong.

    The same text of a house is one report a day, however often it is sent: with other answers it is a correction.
    """
    now = app.now()
    today = app.today(now)
    text, together_with = " ".join(typed["text"].split()), " ".join(typed["mit"].split())
    with store.write(app.engine) as session:
        house = session.execute(
            select(col(Organisation.id)).where(col(Organisation.slug) == typed["haus"], col(Organisation.id).in_(reach.houses))
        ).scalar_one_or_none()
        networks = {each["slug"]: each["id"] for each in load_networks(session, reach.houses)}
        faults = {
            "haus": house is None,
            "wirkung": typed["wirkung"] not in ("1", "2", "3"),
            "text": not text or len(text) > TEXT_LENGTH,
            "mit": len(together_with) > WITH_LENGTH,
            "netzwerk": bool(typed["netzwerk"]) and typed["netzwerk"] not in networks,
            "gedanke": bool(typed["gedanke"]) and typed["gedanke"] not in set(Idea),
            "brief": typed["brief"] not in set(LetterUse),
        }
        if wrong := tuple(name for name, is_wrong in faults.items() if is_wrong):
            return wrong
        said = Said(
            int(house or 0), int(typed["wirkung"]), text, together_with, typed["gedanke"], networks.get(typed["netzwerk"]),
            LetterUse(typed["brief"]),
        )  # fmt: skip
        source_key = digest("action", typed["haus"], text, today.isoformat())
        record_action_report(session, said, source_key, now, today, origin=Origin.partner, actor=reach.actor)
    return ()


def answer_toolkit(app: App, reach: Reach, house: str, code: str, choice: str) -> bool:
    """A house works with the current version of a toolkit (``ja``), does not use it any more (``nein``), or does again (``wieder``); False
    where that cannot be said."""
    now = app.now()
    with store.write(app.engine) as session:
        found = find_house(session, reach, house, locks=True)
        number = found.id or 0 if found else 0
        if choice == "nein":
            return end_use(session, number, code, now, origin=Origin.partner, actor=reach.actor)
        if choice == "wieder":
            return resume_use(session, number, code, now, origin=Origin.partner, actor=reach.actor)
        return confirm_version(session, number, code, now, app.today(now), origin=Origin.partner, actor=reach.actor)
