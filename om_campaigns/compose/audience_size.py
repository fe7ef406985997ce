"""For whom links are counted together: houses of whose readers there are enough, and the rest, where they are enough (LAW-11, LAW-14).

A house has links of its own once as many people as the smallest group says are owed the same text at one time, or stand behind
the pack. It keeps them for whoever reads that text later. What is too small is not counted apart, so nothing has to be hidden.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime

from sqlalchemy import func, select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.audience.seats import HOUSE, adviser_count
from om_campaigns.audience.vocabulary import Route
from om_campaigns.campaign.matching import is_waiting
from om_campaigns.campaign.models import Dispatch, Pack, PackOrganisation
from om_campaigns.columns import table_of
from om_campaigns.compose.counted import Counting
from om_campaigns.compose.models import CountedLink

Text = tuple[str, str, str, bool]
"""Step, variant, language, and whether it is passed on: whose readers are counted together."""


@dataclass
class Readers:
    """Who reads which text, for one run. ``opens``: houses may get links of their own now; else those that have some keep them."""

    base_url: str
    smallest_group: int
    day: date
    opens: bool = False
    _known: dict[int, set[tuple[Text, int]]] = field(default_factory=dict)
    _owed: dict[int, dict[Text, dict[int, int]]] = field(default_factory=dict)

    def counting(self, session: Session, campaign_id: int, version_id: int, text: Text, organisation_id: int) -> Counting | None:
        """For whom a text for one house is counted; None where too few read it, or no page could be reached."""
        if not self.base_url:
            return None
        for scope in (organisation_id, 0):
            if self._has_links(session, version_id, text, scope) or (self.opens and self._are_enough(session, campaign_id, text, scope)):
                return Counting(self.base_url, version_id, *text, scope)
        return None

    def _has_links(self, session: Session, version_id: int, text: Text, scope: int) -> bool:
        if version_id not in self._known:
            link = table_of(CountedLink)
            columns = (link.c.step, link.c.variant, link.c.language, link.c.is_pack, link.c.organisation_id)
            rows = session.execute(select(*columns).where(link.c.version_id == version_id).distinct())
            self._known[version_id] = {((row[0], row[1], row[2], row[3]), row[4] or 0) for row in rows}
        return (text, scope) in self._known[version_id]

    def _are_enough(self, session: Session, campaign_id: int, text: Text, scope: int) -> bool:
        if campaign_id not in self._owed:
            self._owed[campaign_id] = _load_owed(session, campaign_id) | _load_behind_packs(session, campaign_id, self.day)
        houses: Mapping[int, int] = self._owed[campaign_id].get(text, {})
        number = houses.get(scope, 0) if scope else sum(each for each in houses.values() if each < self.smallest_group)
        return number >= self.smallest_group


def _load_owed(session: Session, campaign_id: int) -> dict[Text, dict[int, int]]:
    """How many people of each house a text waits for: whoever is owed it more than once is one reader."""
    dispatch = table_of(Dispatch)
    group = (dispatch.c.step, dispatch.c.variant, dispatch.c.language, dispatch.c.organisation_id)
    query = select(*group, func.count(dispatch.c.address_id.distinct())).where(
        is_waiting(dispatch), dispatch.c.campaign_id + 0 == campaign_id, dispatch.c.route == Route.direct_email
    )
    found: dict[Text, dict[int, int]] = defaultdict(dict)
    for step, variant, language, house, number in session.execute(query.group_by(*group)):
        found[step, variant, language, False][house] = number
    return found


def _load_behind_packs(session: Session, campaign_id: int, day: date) -> dict[Text, dict[int, int]]:
    """How many advisers stand behind the packs of a text, by the house that passes them on."""
    pack, member, dispatch = table_of(Pack), table_of(PackOrganisation), table_of(Dispatch)
    columns = (dispatch.c.step, dispatch.c.variant, dispatch.c.language, pack.c.organisation_id, member.c.organisation_id)
    query = (
        select(*columns)
        .join_from(pack, member, member.c.pack_id == pack.c.id)
        .join(dispatch, dispatch.c.id == pack.c.dispatch_id)
        .where(pack.c.campaign_id == campaign_id)
        .distinct()
    )
    rows = session.execute(query).all()
    advisers = load_adviser_counts(session, day) if rows else {}
    found: dict[Text, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for step, variant, language, house, served in rows:
        found[step, variant, language, True][house] += advisers[served]
    return found


def load_adviser_counts(session: Session, day: date) -> dict[int, int]:
    """How many advisers each house has on this day: as it says itself, else those it named who sit there."""
    return dict(session.execute(select(HOUSE.c.id, adviser_count(HOUSE, day))).all())


def record_links(session: Session, counting: Counting, targets: tuple[str, ...], now: datetime) -> None:
    """Store where the counted links of an edition lead; those that are stored stay as they are."""
    for target in targets:
        store.add_new(
            session,
            table_of(CountedLink),
            ref=counting.ref(target),
            version_id=counting.version_id,
            step=counting.step,
            variant=counting.variant,
            language=counting.language,
            is_pack=counting.is_pack,
            organisation_id=counting.organisation_id or None,
            target=target,
            made_at=now,
        )
