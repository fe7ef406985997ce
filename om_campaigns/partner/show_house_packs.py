"""Packs as the houses see them that received them: what waits, until when, what it says, and what was said about each.

Everything is asked for by the public id of a pack *and* the houses somebody may act for; a pack of any other house is not there
(SEC-14). Nothing is changed by being looked at (UNS-04).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlmodel import Session, col

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.audience.access import Acting, find_receivers
from om_campaigns.audience.models import Organisation
from om_campaigns.audience.responses import Acknowledgement
from om_campaigns.campaign.models import Campaign, CampaignVersion, Dispatch, Pack, PackOrganisation
from om_campaigns.campaign.vocabulary import RelayState
from om_campaigns.columns import table_of
from om_campaigns.compose.building import find_shown
from om_campaigns.compose.edition import Edition
from om_campaigns.compose.models import EditionRow, PackRevision
from om_campaigns.compose.overlay_log import OverlayKey
from om_campaigns.compose.pack import FILE_NAMES, Format
from om_campaigns.compose.pictures import Picture, media_of
from om_campaigns.delivery.states import RELAY
from om_campaigns.letters.packing import make_kept_file, make_pack_text
from om_campaigns.letters.relay import WAITING
from om_campaigns.partner.packs import CHOICES, find_house_pack, open_text
from om_campaigns.partner.show_own_words import count_conflicts_by_text

MOST_DONE = 60
"""Packs of one page that are done; all that wait are shown."""

MEDIA = {
    Format.eml: "message/rfc822",
    Format.html: "text/html; charset=utf-8",
    Format.text: "text/plain; charset=utf-8",
    Format.markdown: "text/markdown; charset=utf-8",
    Format.snippet: "text/html; charset=utf-8",
    Format.pdf: "application/pdf",
    Format.manifest: "application/json",
}
"""FWD-07: a draft is served as a mail, and downloaded."""


@dataclass(frozen=True, slots=True)
class Shown:
    """A text as it is passed on. ``html`` is the whole mail."""

    subject: str
    html: str
    text: str
    language: str
    pictures: tuple[Picture, ...]


def list_packs(app: App, acting: Acting) -> dict[str, Any]:
    """packs, as ``load_house_packs`` gives them, with ``conflicts``: blocks of a waiting one to decide about; most_done, and has_more
    where more than these are done."""
    with store.read(app.engine) as session:
        packs = load_house_packs(session, acting.houses, most_done=MOST_DONE + 1)
        has_more = sum(not each["is_waiting"] for each in packs) > MOST_DONE
        packs = packs[:-1] if has_more else packs
        texts = [OverlayKey(each["house_id"], each["campaign_id"], each["step"], each["language"]) for each in packs]
        waiting = {key for key, each in zip(texts, packs, strict=True) if each["is_waiting"]}
        conflicts = count_conflicts_by_text(session, app, waiting)
    told = [each | {"conflicts": conflicts.get(key, 0)} for key, each in zip(texts, packs, strict=True)]
    return {"packs": told, "most_done": MOST_DONE, "has_more": has_more}


def show_pack(app: App, acting: Acting, public_id: str) -> dict[str, Any] | None:
    """One pack with ``choices``: what may be said about it now, and ``colleagues`` [{ref, name}]: who else could receive it.

    None for one these houses do not have.
    """
    with store.read(app.engine) as session:
        found = load_house_packs(session, acting.houses, public_id=public_id)
        if not found:
            return None
        state = found[0]["state"]
        can_move = state is RelayState.offered or (state, RelayState.offered) in RELAY
        colleagues = _colleagues(session, app, found[0]) if can_move else []
    return found[0] | {"choices": [each.value for each in CHOICES if (state, each) in RELAY], "colleagues": colleagues}


def _colleagues(session: Session, app: App, pack: dict[str, Any]) -> list[dict[str, str]]:
    receives = session.execute(select(col(Dispatch.address_id)).join(Pack).where(col(Pack.id) == pack["id"])).scalar_one()
    return [
        {"ref": each.ref, "name": each.name}
        for each in find_receivers(session, pack["house_id"], app.today(app.now()))
        if each.address_id != receives
    ]


def show_text(app: App, acting: Acting, public_id: str) -> Shown | None:
    """What a pack says now."""
    with store.read(app.engine) as session:
        pack = find_house_pack(session, acting, public_id)
        if pack is None:
            return None
        library, key = open_text(session, app, pack)
        edition = library.edition(key)
        subject, html, text = ("".join(each.chunks) for each in (edition.subject, edition.html, edition.text))
        return Shown(subject, html, text, edition.language, tuple(find_shown(library.given(key))))


def load_file(app: App, acting: Acting, public_id: str, name: str) -> tuple[str, bytes] | None:
    """Media type and content of a file of a pack, or of one of its pictures, by its name.

    None where these houses have no such pack, or a pack no such file.
    """
    with store.read(app.engine) as session:
        pack = find_house_pack(session, acting, public_id)
        if pack is None:
            return None
        text = make_pack_text(*open_text(session, app, pack))
        if form := next((form for form, known in FILE_NAMES.items() if known == name), None):
            return MEDIA[form], make_kept_file(text, form)
        return next(((media_of(each.name), each.content) for each in text.pictures if each.name == name), None)


def load_house_packs(session: Session, houses: Sequence[int], *, public_id: str = "", most_done: int | None = None) -> list[dict[str, Any]]:
    """Packs these houses received: all that wait first, by their last day, then the others, the newest first.

    id, public_id, code, title, series, language, step, campaign, campaign_id, house, house_id, route, state, is_waiting, due_on,
    offered_on, serves [{id, slug, name}], answers [{at, house, level, count, sentence}], the newest first.

    One pack, if ``public_id`` names it. Of those that do not wait any more, ``most_done`` at most.
    """
    pack, dispatch, campaign, house = table_of(Pack), table_of(Dispatch), table_of(Campaign), table_of(Organisation)
    query = (
        select(
            pack.c.id,
            pack.c.public_id,
            pack.c.code,
            pack.c.step,
            pack.c.campaign_id,
            campaign.c.name.label("campaign"),
            campaign.c.latest_version_id,
            house.c.name.label("house"),
            house.c.id.label("house_id"),
            dispatch.c.route,
            pack.c.relay_state.label("state"),
            pack.c.due_on,
            dispatch.c.sent_at.label("offered_on"),
        )
        .join_from(pack, dispatch, dispatch.c.id == pack.c.dispatch_id)
        .join(campaign, campaign.c.id == pack.c.campaign_id)
        .join(house, house.c.id == pack.c.organisation_id)
        .where(pack.c.organisation_id.in_(houses), pack.c.relay_state != RelayState.planned)
        .order_by(dispatch.c.sent_at.desc(), pack.c.id.desc())
    )
    if public_id:
        query = query.where(pack.c.public_id == public_id)
    is_waiting = pack.c.relay_state.in_(WAITING)
    waiting = [dict(row._mapping) for row in session.execute(query.where(is_waiting))]
    waiting.sort(key=lambda row: (row["due_on"] is None, row["due_on"]))
    rows = waiting + [dict(row._mapping) for row in session.execute(query.where(~is_waiting).limit(most_done))]
    ids = [row["id"] for row in rows]
    titles, serves, answers = _load_titles(session, ids), _load_served(session, ids), _load_answers(session, ids)
    series = _load_series(session, {row["latest_version_id"] for row in rows})
    for row in rows:
        row["is_waiting"] = row["state"] in WAITING
        row["title"], row["language"] = titles.get(row["id"], (row["step"], ""))
        row["series"] = series.get(row["latest_version_id"], row["campaign"])
        row["serves"], row["answers"] = serves[row["id"]], answers[row["id"]]
    return rows


def _load_titles(session: Session, ids: Sequence[int]) -> dict[int, tuple[str, str]]:
    """Subject and language of what each pack says now."""
    revision, edition = table_of(PackRevision), table_of(EditionRow)
    query = select(revision.c.pack_id, edition.c.body).join_from(revision, edition, edition.c.id == revision.c.edition_id)
    bodies = dict(session.execute(query.where(revision.c.pack_id.in_(ids)).order_by(revision.c.pack_id, revision.c.number)).all())
    made = {pack_id: Edition.from_bytes(body) for pack_id, body in bodies.items()}
    return {pack_id: ("".join(each.subject.chunks), each.language) for pack_id, each in made.items()}


def _load_series(session: Session, ids: set[int | None]) -> dict[int, str]:
    """The titles of campaigns, by their latest version."""
    version = table_of(CampaignVersion)
    rows = session.execute(select(version.c.id, version.c.structure).where(version.c.id.in_([each for each in ids if each])))
    return {number: structure.get("title") or "" for number, structure in rows}


def _load_served(session: Session, ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    member, house = table_of(PackOrganisation), table_of(Organisation)
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    columns = (member.c.pack_id, house.c.id, house.c.slug, house.c.name)
    query = select(*columns).join_from(member, house, house.c.id == member.c.organisation_id).where(member.c.pack_id.in_(ids))
    for pack_id, number, slug, name in session.execute(query.order_by(house.c.name).distinct()):
        found[pack_id].append({"id": number, "slug": slug, "name": name})
    return found


def _load_answers(session: Session, ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    answer, house = table_of(Acknowledgement), table_of(Organisation)
    found: dict[int, list[dict[str, Any]]] = defaultdict(list)
    query = (
        select(answer.c.pack_id, answer.c.at, house.c.name.label("house"), answer.c.level, answer.c.count, answer.c.sentence)
        .outerjoin(house, house.c.id == answer.c.organisation_id)
        .where(answer.c.pack_id.in_(ids))
        .order_by(answer.c.at.desc(), answer.c.id.desc())
    )
    for row in session.execute(query):
        found[row.pack_id].append(dict(row._mapping) | {"level": row.level.value if row.level else "no"})
    return found
