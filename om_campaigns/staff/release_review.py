"""What keeps drafts from being published: faults of what changed. What was published before is sent on, and its faults are named."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from sqlalchemy import select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.app import App
from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.models import Campaign, CampaignVersion
from om_campaigns.campaign.releases import PUBLISHED, load_files
from om_campaigns.columns import table_of
from om_campaigns.compose.step_checks import check_looks
from om_campaigns.errors import InputError, Problem, errors_among
from om_campaigns.letters.texts import SHARED, Draft, campaign_names, check_texts, read_defined
from om_campaigns.staff.linting import find_faults


@dataclass(frozen=True)
class Review:
    """Drafts as they were read, and their errors by what becomes of them; ``set_aside`` by the campaign they are published with."""

    drafts: Sequence[Draft]
    stopping: Sequence[Problem] = ()
    earlier: Sequence[Problem] = ()
    set_aside: Mapping[str, Sequence[Problem]] = field(default_factory=dict)
    can_set_aside: Collection[str] = ()
    """Rules of ``stopping`` that ``despite`` may name: letters can be made in spite of them."""


@dataclass(frozen=True)
class _Frozen:
    """What of a campaign is published: its latest version."""

    definition: CampaignDefinition
    files: Mapping[str, str]

    def is_like(self, draft: Draft) -> bool:
        return self.definition == draft.definition and self.files == draft.files


def review_drafts(app: App, names: Sequence[str], now: datetime, despite: Collection[str] = ()) -> Review:
    """Check the named campaigns (all, if none is named) as ``check`` does; drafts that would publish nothing new are not looked at.

    An error stops its campaign unless the same rule was broken by the same, unchanged file when it was last published, or
    ``despite`` names the rule and the letter can be made all the same. Raises InputError for unknown campaigns, and for a rule of
    ``despite`` that nothing breaks.
    """
    with store.scratch(app.engine, (*PUBLISHED, "organisation")) as session:
        drafts, problems = read_defined(app, session, names)
        is_whole = {draft.name for draft in drafts} == set(names or campaign_names(app))
        stopping = [] if is_whole else errors_among(problems)  # a broken segment stops those who need it
        frozen = {draft.name: _load_frozen(session, draft.name) for draft in drafts}
        changed = [draft for draft in drafts if not (found := frozen[draft.name]) or not found.is_like(draft)]
        faults, unmakeable = _find_faults(app, session, changed, now)
        before: dict[str, set[tuple[str, str]]] = {}
        earlier: list[Problem] = []
        set_aside: dict[str, list[Problem]] = {}
        for fault in faults:
            concerned = [draft for draft in changed if not fault.file.startswith("campaigns/") or _is_of(fault, draft.name)]
            shown = replace(fault, file=(app.templates / fault.file).as_posix())
            if all(_was_there(app, session, draft, frozen[draft.name], fault, now, before) for draft in concerned):
                earlier.append(shown)
            elif fault.rule_id in despite and fault not in unmakeable:
                for draft in concerned:
                    set_aside.setdefault(draft.name, []).append(shown)
            else:
                stopping.append(shown)
        can_set_aside = sorted({fault.rule_id for fault in faults if fault not in unmakeable} - set(despite))
    known = {fault.rule_id for fault in faults}
    if changed and (unknown := sorted(set(despite) - known)):
        hint = f"faults were found of {', '.join(sorted(known))}" if known else "leave --despite away: nothing is wrong"
        raise InputError(f"no changed file breaks the rule '{unknown[0]}'", hint=hint)
    return Review(drafts, list(dict.fromkeys(stopping)), earlier, set_aside, can_set_aside)


def _is_of(fault: Problem, name: str) -> bool:
    return f"{fault.file}/".startswith(f"campaigns/{name}/")


def _find_faults(app: App, session: Session, drafts: Sequence[Draft], now: datetime) -> tuple[list[Problem], set[Problem]]:
    """Errors of these drafts with their paths below ``templates/``, and those for which no letter can be made."""
    if not drafts:
        return [], set()
    prefix = app.templates.as_posix() + "/"
    texts = [replace(fault, file=fault.file.removeprefix(prefix)) for draft in drafts for fault in draft.faults]
    looks = [fault for draft in drafts for fault in check_looks(_shared(draft.files))]
    letters, unmakeable = find_faults(app, session, drafts, now)
    return errors_among(dict.fromkeys([*looks, *texts, *letters])), unmakeable


def _shared(files: Mapping[str, str]) -> dict[str, str]:
    return {path: text for path, text in files.items() if path.startswith(tuple(f"{folder}/" for folder in SHARED))}


def _load_frozen(session: Session, name: str) -> _Frozen | None:
    campaign = session.execute(select(Campaign).where(table_of(Campaign).c.name == name)).scalar_one_or_none()
    if campaign is None or campaign.latest_version_id is None:
        return None
    version = session.get_one(CampaignVersion, campaign.latest_version_id)
    return _Frozen(CampaignDefinition.from_structure(version.structure), load_files(session, campaign.latest_version_id))


def _was_there(
    app: App,
    session: Session,
    draft: Draft,
    frozen: _Frozen | None,
    fault: Problem,
    now: datetime,
    before: dict[str, set[tuple[str, str]]],
) -> bool:
    """The file stands in the published version as it is, and broke the rule there too; ``before`` keeps what that version breaks."""
    if frozen is None or fault.file not in draft.files or frozen.files.get(fault.file) != draft.files[fault.file]:
        return False
    if draft.name not in before:
        texts = check_texts(app, draft.name, frozen.files, frozen.definition.pattern)
        published = Draft(draft.name, frozen.definition, dict(frozen.files), tuple(texts))
        found, _ = _find_faults(app, session, [published], now)
        before[draft.name] = {(each.file, each.rule_id) for each in found}
    return (fault.file, fault.rule_id) in before[draft.name]
