"""Those who are in a series while it changes: what a new version means for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlmodel import Session

from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.matching import is_active
from om_campaigns.campaign.models import Campaign, CampaignFile, CampaignVersion, Enrolment
from om_campaigns.campaign.reading import parse_text_name
from om_campaigns.campaign.releases import Published, load_definitions
from om_campaigns.columns import table_of


@dataclass(frozen=True)
class Concerned:
    """Readers on one version who are in the series: what of the newest they will not get, and what they get that it lacks."""

    version: int
    readers: int
    will_not_get: tuple[str, ...]
    still_get: tuple[tuple[str, int], ...]
    """Steps that the newest version has no more, with how many have them ahead."""


@dataclass(frozen=True)
class VersionChange:
    """A new version beside the one before it, and whom it concerns. ``rewritten``: steps, with how many get the new words."""

    campaign: str
    version: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    rewritten: tuple[tuple[str, int], ...]
    concerned: tuple[Concerned, ...]


def describe_change(session: Session, published: Published) -> VersionChange | None:
    """What a version that was just published changes; None for the first of a campaign and where nothing is new."""
    if published.is_first or not published.is_new:
        return None
    version = table_of(CampaignVersion)
    query = select(version.c.id, version.c.number).where(version.c.campaign_id == published.campaign.id).order_by(version.c.number)
    numbers: dict[int, int] = dict(session.execute(query).all())
    before = list(numbers)[-2]
    definitions = load_definitions(session, published.campaign)
    old, new = (_names(definitions[each]) for each in (before, published.version_id))
    standing = load_standing(session, published.campaign.id or 0)
    rewritten = [name for name in new if name in _changed_texts(session, published.campaign.name, before, published.version_id)]
    return VersionChange(
        published.campaign.name,
        published.number,
        tuple(name for name in new if name not in old),
        tuple(name for name in old if name not in new),
        tuple((name, sum(_ahead(definitions, each, name, standing[each]) for each in standing)) for name in rewritten if name in old),
        tuple(
            _concerned(definitions, each, numbers[each], new, readers)
            for each, readers in sorted(standing.items())
            if _names(definitions[each]) != new
        ),
    )


def load_standing(session: Session, campaign_id: int) -> dict[int, dict[str, int]]:
    """Version → step → how many readers have that step next."""
    enrolment = table_of(Enrolment)
    columns = (enrolment.c.version_id, enrolment.c.next_step)
    query = select(*columns, func.count()).where(enrolment.c.campaign_id == campaign_id, is_active(enrolment)).group_by(*columns)
    standing: dict[int, dict[str, int]] = {}
    for version_id, step, readers in session.execute(query):
        standing.setdefault(version_id, {})[step] = readers
    return standing


def count_ahead(session: Session, campaign: Campaign, step: str) -> int:
    """How many who are in the series have this step still ahead of them."""
    definitions = load_definitions(session, campaign)
    standing = load_standing(session, campaign.id or 0)
    return sum(_ahead(definitions, version_id, step, readers) for version_id, readers in standing.items())


def _names(definition: CampaignDefinition) -> list[str]:
    return [step.name for step in definition.steps]


def _ahead(definitions: Mapping[int, CampaignDefinition], version_id: int, step: str, standing: Mapping[str, int]) -> int:
    """How many on a version have this step still ahead of them."""
    names = _names(definitions[version_id])
    if step not in names:
        return 0
    return sum(readers for name, readers in standing.items() if names.index(name) <= names.index(step))


def _concerned(
    definitions: Mapping[int, CampaignDefinition], version_id: int, number: int, new: list[str], standing: Mapping[str, int]
) -> Concerned:
    own = _names(definitions[version_id])
    lacking = ((name, _ahead(definitions, version_id, name, standing)) for name in own if name not in new)
    return Concerned(
        number,
        sum(standing.values()),
        tuple(name for name in new if name not in own),
        tuple((name, readers) for name, readers in lacking if readers),
    )


def _changed_texts(session: Session, campaign: str, before: int, after: int) -> set[str]:
    """Steps of which a text differs between two versions."""
    file, folder = table_of(CampaignFile), f"campaigns/{campaign}/"
    texts: list[dict[str, str]] = []
    for version_id in (before, after):
        query = select(file.c.path, file.c.blob_hash).where(
            file.c.version_id == version_id, file.c.path.startswith(folder, autoescape=True)
        )
        texts.append(dict(session.execute(query).all()))
    changed = {path for path in {**texts[0], **texts[1]} if texts[0].get(path) != texts[1].get(path)}
    names = (parse_text_name(path.removeprefix(folder)) for path in changed)
    return {name.step for name in names if name is not None}
