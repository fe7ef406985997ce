"""The one sentence of ``why``: whether somebody gets a campaign, and because of what. It always knows a reason.

Asked inside the transaction in which the campaign was planned to look at it, so candidates and enrolments are those of a tick.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlmodel import Session

from om_campaigns.app import App
from om_campaigns.audience.models import Organisation, Person
from om_campaigns.audience.seats import ADDRESS, PERSON, SEAT, address_id_of, holds_on
from om_campaigns.audience.vocabulary import OrganisationStatus, PersonStatus, RecipientKind
from om_campaigns.campaign.candidates import CANDIDATE
from om_campaigns.campaign.definition import CampaignDefinition
from om_campaigns.campaign.house_values import load_houses
from om_campaigns.campaign.models import Campaign, Dispatch, Enrolment
from om_campaigns.campaign.receivers import load_passing
from om_campaigns.campaign.releases import load_campaign_ids
from om_campaigns.campaign.routing import Cascade, Receiver
from om_campaigns.campaign.vocabulary import CampaignStatus, DispatchStatus, EnrolmentState, Reason
from om_campaigns.columns import table_of

OF_RECEIVERS = (Reason.no_address, Reason.no_basis, Reason.suppressed, Reason.hard_bounce, Reason.seat_ended, Reason.person_inactive)
"""Reasons that are about whoever could receive for a house, and not about the house."""

_enrolment = table_of(Enrolment)


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether somebody gets a campaign: ``because`` of a known reason, ``told`` in its place or after it; ``about`` says of whom."""

    gets: bool
    because: Reason = Reason.none
    told: str = ""
    about: str = ""


@dataclass
class Inquiry:
    """Everything that may be asked about one subject and one campaign. ``mismatch``: the first part of a rule that does not hold."""

    session: Session
    app: App
    campaign: Campaign
    definition: CampaignDefinition
    kind: RecipientKind
    subject_id: int
    today: date
    mismatch: str = ""

    def answer(self) -> Verdict:
        """The verdict: what the subject is in, what keeps it out, and what its houses do for it."""
        stopped = {CampaignStatus.paused: Reason.campaign_paused, CampaignStatus.stopped: Reason.campaign_stopped}
        if (row := self._find_enrolment(self.kind, self.subject_id)) is not None and row.state is not EnrolmentState.active:
            return self._ended(row)
        if self.campaign.status in stopped:
            return Verdict(gets=False, because=stopped[self.campaign.status])
        if row is not None:
            return self._under_way(row)
        for found in (self._gone(), self._kept_out(), self._through_houses(), self._of_its_people()):
            if found is not None:
                return found
        return Verdict(gets=False, told=self.mismatch or "no segment of the campaign asks for it")

    # --- in it -----------------------------------------------------------------------------------------------------------

    def _find_enrolment(self, kind: RecipientKind, subject_id: int) -> Any:
        mine = (_enrolment.c.campaign_id == self.campaign.id, _enrolment.c.subject_kind == kind, _enrolment.c.subject_id == subject_id)
        return self.session.execute(select(_enrolment).where(*mine).order_by(_enrolment.c.id.desc())).first()

    def _ended(self, row: Any) -> Verdict:
        if row.state is EnrolmentState.finished:
            return Verdict(gets=True, told=f"had all of it by {self._day(row.ended_at)}")
        return Verdict(gets=False, because=row.reason) if row.reason else Verdict(gets=False, told=f"{row.state.value}")

    def _under_way(self, row: Any) -> Verdict:
        dispatch = table_of(Dispatch)
        held = select(dispatch.c.reason).where(
            dispatch.c.enrolment_id == row.id, dispatch.c.step == row.next_step, dispatch.c.status == DispatchStatus.held
        )
        if reason := self.session.execute(held).scalar():
            return Verdict(gets=False, because=reason, told=f"'{row.next_step}' waits for it")
        following = f", and '{row.next_step}' is next" if row.next_step else ""
        return Verdict(gets=True, told=f"in it since {self._day(row.entered_at)}{following}")

    def _day(self, at: datetime) -> str:
        return f"{at.astimezone(self.app.settings.zone_info):%Y-%m-%d}"

    # --- kept out --------------------------------------------------------------------------------------------------------

    def _gone(self) -> Verdict | None:
        """Who is not there any more, or not yet."""
        if self.kind is RecipientKind.organisation:
            house = self.session.get_one(Organisation, self.subject_id)
            return None if house.status is OrganisationStatus.active else Verdict(gets=False, because=Reason.organisation_inactive)
        if self.session.get_one(Person, self.subject_id).status is not PersonStatus.active:
            return Verdict(gets=False, because=Reason.person_inactive)
        if not self._seats(SEAT.c.person_id == self.subject_id):
            return Verdict(gets=False, told="sits in no house")
        return None if self._houses else Verdict(gets=False, because=Reason.seat_ended)

    def _kept_out(self) -> Verdict | None:
        """Whoever matches, and what stands in the way: of several seats, the strongest."""
        query = select(CANDIDATE.c.reason, CANDIDATE.c.address_id).where(
            CANDIDATE.c.subject_kind == self.kind.value, CANDIDATE.c.subject_id == self.subject_id
        )
        rows = self.session.execute(query.order_by(CANDIDATE.c.strength, CANDIDATE.c.is_primary_home.desc(), CANDIDATE.c.seat_id)).all()
        if not rows:
            return None
        reason, address_id = rows[0]
        if reason in ("", Reason.duplicate_address.value, Reason.stronger_role.value):
            return self._taken(Reason(reason), address_id)
        return Verdict(gets=False, because=Reason(reason))

    def _taken(self, reason: Reason, address_id: int | None) -> Verdict:
        """Somebody is served at this address already: as receiver of packs, or because they entered first."""
        receivers = [each.receiver for cascade in self._cascades for each in cascade.services if each.receiver.address_id == address_id]
        if receivers:
            slug = self._slugs([receivers[0].organisation_id])[0]
            if self.kind is RecipientKind.person and self._person_at(receivers[0]) == self.subject_id:
                return Verdict(gets=True, told=f"receives the pack of {slug}, and no second letter beside it")
            return Verdict(gets=False, because=Reason.duplicate_address, told=f"{self._name(receivers[0])} receives the pack of {slug}")
        others = select(_enrolment.c.seat_id, _enrolment.c.organisation_id).where(
            _enrolment.c.campaign_id == self.campaign.id, _enrolment.c.address_id == address_id
        )
        other = self.session.execute(others.order_by(_enrolment.c.id)).first()
        who = self._name(Receiver(other.organisation_id, other.seat_id, address_id or 0)) if other is not None else ""
        return Verdict(gets=False, because=Reason.duplicate_address if other is not None else reason or Reason.stronger_role, told=who)

    # --- through houses --------------------------------------------------------------------------------------------------

    def _through_houses(self) -> Verdict | None:
        """What the subject's houses pass on: to whom their packs go, or why nobody serves them."""
        told = list(self._tell_houses())
        return min(told, key=lambda each: not each.gets) if told else None

    def _tell_houses(self) -> Iterator[Verdict]:
        for cascade in self._cascades:
            for each in cascade.services:
                if each.receiver.organisation_id in self._houses and self._is_subject(each.receiver):
                    yield self._receives(each.receiver)
            for each in cascade.services:
                if each.pool_id in self._houses:
                    pool, relay = self._slugs([each.pool_id, each.relay_id])
                    whose = "its advisers" if relay == pool else f"the advisers of {pool}"
                    yield Verdict(gets=False, told=f"{relay} passes it on to {whose}; the pack goes to {self._name(each.receiver)}")
            for house_id, reason in cascade.unserved.items():
                if house_id in self._houses:
                    unserved = f"nobody passes it on to the advisers of {self._slugs([house_id])[0]}"
                    yield Verdict(gets=False, because=reason, about=unserved + (", of who could receive" if reason in OF_RECEIVERS else ""))

    def _is_subject(self, receiver: Receiver) -> bool:
        return self.kind is RecipientKind.organisation or self._person_at(receiver) == self.subject_id

    def _receives(self, receiver: Receiver) -> Verdict:
        (slug,) = self._slugs([receiver.organisation_id])
        row = self._find_enrolment(RecipientKind.organisation, receiver.organisation_id)
        if row is not None and row.state is EnrolmentState.active:
            return Verdict(gets=True, told=f"receives the packs of {slug}, {self._under_way(row).told}")
        of_house = (CANDIDATE.c.subject_kind == RecipientKind.organisation.value, CANDIDATE.c.subject_id == receiver.organisation_id)
        reason = self.session.execute(select(CANDIDATE.c.reason).where(*of_house)).scalar() or (row.reason if row is not None else "")
        return Verdict(gets=False, because=Reason(reason), about=f"would receive the packs of {slug}")

    def _of_its_people(self) -> Verdict | None:
        """A house whose people are asked one by one."""
        if self.kind is RecipientKind.person:
            return None
        theirs = (_enrolment.c.campaign_id == self.campaign.id, _enrolment.c.organisation_id == self.subject_id)
        active = select(func.count()).where(*theirs, _enrolment.c.state == EnrolmentState.active)
        number = self.session.execute(active).scalar_one()
        return Verdict(gets=True, told=f"{number} of its people {'is' if number == 1 else 'are'} in it") if number else None

    # --- who and where ---------------------------------------------------------------------------------------------------

    @cached_property
    def _cascades(self) -> list[Cascade]:
        passing_on = [audience for audience in self.definition.audiences if audience.passes_on]
        if not passing_on:
            return []
        houses = load_houses(self.session, zone=self.app.settings.zone, language=self.app.settings.language)
        ids = load_campaign_ids(self.session)
        return [
            load_passing(self.session, houses, self.definition, audience, today=self.today, campaign_ids=ids).cascade()
            for audience in passing_on
        ]

    @cached_property
    def _houses(self) -> set[int]:
        """The house itself, or those in which the person sits today."""
        if self.kind is RecipientKind.organisation:
            return {self.subject_id}
        return {row.organisation_id for row in self._seats(SEAT.c.person_id == self.subject_id, holds_on(self.today))}

    def _seats(self, *conditions: ColumnElement[bool]) -> Sequence[Any]:
        return self.session.execute(select(SEAT.c.id, SEAT.c.organisation_id, SEAT.c.person_id).where(*conditions)).all()

    def _person_at(self, receiver: Receiver) -> int | None:
        return next((row.person_id for row in self._seats(SEAT.c.id == receiver.seat_id)), None)

    def _name(self, receiver: Receiver) -> str:
        """The person at a seat, else the address."""
        joined = SEAT.outerjoin(PERSON, PERSON.c.id == SEAT.c.person_id).outerjoin(ADDRESS, ADDRESS.c.id == address_id_of())
        query = select(func.coalesce(PERSON.c.full_name, ADDRESS.c.address)).select_from(joined).where(SEAT.c.id == receiver.seat_id)
        found = self.session.execute(query).scalar()
        return found or self.session.execute(select(ADDRESS.c.address).where(ADDRESS.c.id == receiver.address_id)).scalar() or "nobody"

    def _slugs(self, ids: Collection[int]) -> list[str]:
        house = table_of(Organisation)
        known = dict(self.session.execute(select(house.c.id, house.c.slug).where(house.c.id.in_(ids))).all())
        return [known[each] for each in ids]
