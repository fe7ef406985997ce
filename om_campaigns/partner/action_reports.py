"""What a house did, as it says itself: recorded, corrected, shown on its page."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import delete, or_, select, update
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.access import Acting
from om_campaigns.audience.changes import record_change
from om_campaigns.audience.german import fold
from om_campaigns.audience.models import Network, NetworkOrganisation, Organisation, Response
from om_campaigns.audience.responses import ActionReport, ActionReportPartner, LetterUse
from om_campaigns.audience.tasks import Task, TaskKind, open_task
from om_campaigns.audience.vocabulary import IDEA_NAMES, Idea, NetworkKind, OrganisationStatus, ResponseKind
from om_campaigns.columns import digest, table_of
from om_campaigns.partner.confirmations import confirm_version, end_use, resume_use
from om_campaigns.partner.faults import FormFault
from om_campaigns.partner.mirror import load_action_reports, load_ended_toolkits, load_networks, load_toolkits
from om_campaigns.partner.signing_in import find_house


@dataclass(frozen=True, slots=True)
class Said:
    """A report as its form says it. ``network_id`` None: in none."""

    organisation_id: int
    effect_level: int
    text: str
    together_with: str = ""
    idea: str = ""
    network_id: int | None = None
    letter_use: LetterUse = LetterUse.no


def record_action_report(session: Session, said: Said, source_key: str, now: datetime, today: date, acting: Acting) -> bool:
    """Record what a house reports; False when it is known already. Said otherwise under the same ``source_key`` it corrects the report.

    It counts as a sign of life of the house. In a network of others it is a carry-over of today (R7). Where it may stand in the monthly
    letter, people of OM are told.
    """
    table, values = table_of(ActionReport), asdict(said)
    if not store.add_new(session, table, source_key=source_key, **values, at=now, origin=acting.origin, actor=acting.actor):
        is_other = or_(*(table.c[name].is_distinct_from(value) for name, value in values.items()))
        if not store.change(session, update(table).where(table.c.source_key == source_key, is_other).values(**values, actor=acting.actor)):
            return False
    report_id = session.execute(select(table.c.id).where(table.c.source_key == source_key)).scalar_one()
    session.execute(delete(ActionReportPartner).where(col(ActionReportPartner.report_id) == report_id))
    for partner in find_partners(session, said.together_with, said.organisation_id):
        session.add(ActionReportPartner(report_id=report_id, organisation_id=partner))
    _note_sign_of_life(session, said, source_key, now)
    if said.network_id is not None:
        _note_carry_over(session, said, now, today, acting)
    _offer_case(session, said, source_key, report_id, now, acting.actor)
    session.flush()
    return True


def _note_sign_of_life(session: Session, said: Said, source_key: str, now: datetime) -> None:
    response, detail = table_of(Response), {"effect_level": said.effect_level}
    sign = {"kind": ResponseKind.action_report, "source_key": source_key}
    if not store.add_new(session, response, **sign, at=now, organisation_id=said.organisation_id, occasion="", step="", detail=detail):
        mine = (response.c[name] == value for name, value in sign.items())
        session.execute(update(response).where(*mine).values(detail=detail))


def _offer_case(session: Session, said: Said, source_key: str, report_id: int, now: datetime, actor: str) -> None:
    """People of OM see what may stand in the letter, as long as it may."""
    task, is_offered = table_of(Task), said.letter_use is not LetterUse.no
    if is_offered and open_task(session, TaskKind.case_offered, source_key, now, organisation_id=said.organisation_id, report=report_id):
        return
    closed = {"closed_at": None, "closed_by": ""} if is_offered else {"closed_at": now, "closed_by": actor}
    mine = (task.c.source_key == source_key, task.c.closed_at.is_not(None) if is_offered else task.c.closed_at.is_(None))
    session.execute(update(task).where(*mine).values(**closed))


def find_partners(session: Session, names: str, but: int) -> list[int]:
    """The active houses among names as people write them („Kammer Tal, IHK Berg und AOK“): by name, short name or slug."""
    house = table_of(Organisation)
    query = select(house.c.id, house.c.name, house.c.short_name, house.c.slug).where(house.c.status == OrganisationStatus.active)
    known: dict[str, int] = {}
    for row in session.execute(query.order_by(house.c.id.desc())):
        known |= {fold(name): row.id for name in (row.name, row.short_name, row.slug) if name}
    return [each for each in dict.fromkeys(_look_up(names, known)) if each != but]


def _look_up(names: str, known: Mapping[str, int]) -> list[int]:
    """A name may hold "und" itself, so the parts between commas are tried whole before they are cut there."""
    found = []
    for part in re.split(r"[,;\n]", names):
        whole = known.get(fold(part))
        pieces = [part] if whole is not None else re.split(r"\s+(?:und|and|sowie|&)\s+", part)
        found += [known[fold(piece)] for piece in pieces if fold(piece) in known]
    return found


def _note_carry_over(session: Session, said: Said, now: datetime, today: date, acting: Acting) -> None:
    member = table_of(NetworkOrganisation)
    here = (member.c.network_id == said.network_id, member.c.organisation_id == said.organisation_id)
    others = select(col(Network.id)).where(col(Network.kind) == NetworkKind.other)
    query = select(member.c.carried_over_on).where(*here, member.c.network_id.in_(others))
    row = session.execute(query.where(or_(member.c.carried_over_on.is_(None), member.c.carried_over_on < today))).first()
    if row is None:
        return
    session.execute(update(member).where(*here).values(carried_over_on=today))
    field, old = f"carried over in {session.get_one(Network, said.network_id or 0).slug}", row[0].isoformat() if row[0] else None
    record_change(session, "organisation", said.organisation_id, field, old, today.isoformat(), now, acting.actor, acting.origin)


TYPED = ("haus", "wirkung", "text", "mit", "netzwerk", "gedanke", "brief")
"""The fields of a report's form."""

TEXT_LENGTH = 1500
WITH_LENGTH = 300


def show_life(app: App, acting: Acting, language: str) -> dict[str, Any]:
    """What the page of reports needs: houses [{slug, name}], networks, ideas [(value, name)], reports."""
    with store.read(app.engine) as session:
        query = select(col(Organisation.slug), col(Organisation.name)).where(col(Organisation.id).in_(acting.houses))
        names: dict[str, str] = dict(session.execute(query.order_by(col(Organisation.name))).all())
        own = session.execute(select(col(Organisation.slug)).where(col(Organisation.id) == acting.houses[0])).scalar_one()
        return {
            "houses": [{"slug": own, "name": names.pop(own)}, *({"slug": slug, "name": name} for slug, name in names.items())],
            "networks": load_networks(session, acting.houses),
            "ideas": [(idea.value, IDEA_NAMES[idea][language]) for idea in Idea],
            "reports": load_action_reports(session, houses=acting.houses),
        }


def show_toolkits(app: App, acting: Acting) -> dict[str, Any]:
    """toolkits these houses work with, as ``load_toolkits`` gives them; ended: those they could take up again."""
    with store.read(app.engine) as session:
        return {"toolkits": load_toolkits(session, acting.houses), "ended": load_ended_toolkits(session, acting.houses)}


def report_action(app: App, acting: Acting, typed: dict[str, str]) -> tuple[FormFault, ...]:
    """Record a report (``TYPED``); () when it is recorded, else everything that is wrong.

    The same text of a house is one report a day, however often it is sent: with other answers it is a correction.
    """
    now = app.now()
    today = app.today(now)
    text, together_with = " ".join(typed["text"].split()), " ".join(typed["mit"].split())
    with store.write(app.engine) as session:
        house = session.execute(
            select(col(Organisation.id)).where(col(Organisation.slug) == typed["haus"], col(Organisation.id).in_(acting.houses))
        ).scalar_one_or_none()
        networks = {each["slug"]: each["id"] for each in load_networks(session, acting.houses)}
        faults = {
            "haus": house is None,
            "wirkung": typed["wirkung"] not in ("1", "2", "3"),
            "text": not text or len(text) > TEXT_LENGTH,
            "mit": len(together_with) > WITH_LENGTH,
            "netzwerk": bool(typed["netzwerk"]) and typed["netzwerk"] not in networks,
            "gedanke": bool(typed["gedanke"]) and typed["gedanke"] not in set(Idea),
            "brief": typed["brief"] not in set(LetterUse),
        }
        if wrong := tuple(FormFault(name) for name, is_wrong in faults.items() if is_wrong):
            return wrong
        said = Said(
            int(house or 0), int(typed["wirkung"]), text, together_with, typed["gedanke"], networks.get(typed["netzwerk"]),
            LetterUse(typed["brief"]),
        )  # fmt: skip
        source_key = digest("action", typed["haus"], text, today.isoformat())
        record_action_report(session, said, source_key, now, today, acting)
    return ()


def answer_toolkit(app: App, acting: Acting, house: str, code: str, choice: str) -> bool:
    """A house works with the current version of a toolkit (``ja``), does not use it any more (``nein``), or does again (``wieder``); False
    where that cannot be said."""
    now = app.now()
    with store.write(app.engine) as session:
        found = find_house(session, acting, house, locks=True)
        number = found.id if found else 0
        if choice == "nein":
            return end_use(session, number, code, now, acting)
        if choice == "wieder":
            return resume_use(session, number, code, now, acting)
        return confirm_version(session, number, code, now, app.today(now), acting)
