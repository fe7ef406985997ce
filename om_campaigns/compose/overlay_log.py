"""The log of own words: append-only, the last row of a block is what holds; nothing a house ever said is lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert, select
from sqlmodel import Session

from om_campaigns.audience.vocabulary import Origin
from om_campaigns.columns import table_of
from om_campaigns.compose.models import OverlayChange
from om_campaigns.compose.overlay import OverlayKind, OwnBlock


@dataclass(frozen=True, slots=True)
class OverlayKey:
    """The text a house speaks for itself in: one step of one campaign, in one language."""

    organisation_id: int
    campaign_id: int
    step: str
    language: str


@dataclass(frozen=True, slots=True)
class Logged:
    """A row of the log: what was said, when, and who said it."""

    own: OwnBlock
    at: datetime
    origin: Origin
    actor: str


def load_history(session: Session, key: OverlayKey) -> list[Logged]:
    """Everything a house said about one text, the oldest first."""
    log = table_of(OverlayChange)
    query = select(log).where(
        log.c.organisation_id == key.organisation_id,
        log.c.campaign_id == key.campaign_id,
        log.c.step == key.step,
        log.c.language == key.language,
    )
    return [_logged(row) for row in session.execute(query.order_by(log.c.id))]


def load_current(
    session: Session, campaign_id: int | None = None, *, houses: Sequence[int] | None = None
) -> dict[OverlayKey, dict[str, Logged]]:
    """What holds now, by text and block, in the order the blocks were first said; of one campaign or of all, of these houses or of all."""
    log = table_of(OverlayChange)
    query = select(log).order_by(log.c.id)
    if campaign_id is not None:
        query = query.where(log.c.campaign_id == campaign_id)
    if houses is not None:
        query = query.where(log.c.organisation_id.in_(houses))
    found: dict[OverlayKey, dict[str, Logged]] = {}
    for row in session.execute(query):
        blocks = found.setdefault(OverlayKey(row.organisation_id, row.campaign_id, row.step, row.language), {})
        if row.kind is OverlayKind.reset:
            blocks.pop(row.block, None)
        else:
            blocks[row.block] = _logged(row)
    return {key: blocks for key, blocks in found.items() if blocks}


def _logged(row: Any) -> Logged:
    return Logged(OwnBlock(row.block, row.kind, row.text, row.base_hash, row.after), row.at, row.origin, row.actor)


def record_own(session: Session, key: OverlayKey, own: OwnBlock, at: datetime, origin: Origin, actor: str) -> bool:
    """Write down what a house does with a block; False when that holds already."""
    held = load_current(session, key.campaign_id).get(key, {}).get(own.block)
    if (held is None and own.kind is OverlayKind.reset) or (held is not None and held.own == own):
        return False
    session.execute(
        insert(table_of(OverlayChange)).values(
            organisation_id=key.organisation_id,
            campaign_id=key.campaign_id,
            step=key.step,
            language=key.language,
            block=own.block,
            kind=own.kind,
            text=own.text,
            base_hash=own.base_hash,
            after=own.after,
            at=at,
            origin=origin,
            actor=actor,
        )
    )
    return True
