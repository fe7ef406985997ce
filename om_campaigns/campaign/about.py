"""One recipient among all who are in a campaign: with whoever shares an address with them, nobody else is worth planning to tell why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, FromClause, and_, literal_column, or_, select
from sqlmodel import Session

from om_campaigns.audience.vocabulary import RecipientKind
from om_campaigns.campaign.candidates import CANDIDATE
from om_campaigns.campaign.enrolment import ENTRANT
from om_campaigns.campaign.models import Campaign, Dispatch, Enrolment
from om_campaigns.columns import table_of


@dataclass(frozen=True)
class About:
    """A person or a house."""

    kind: RecipientKind
    subject_id: int

    def choose_enrolments(self, session: Session, campaign: Campaign, numbers: Sequence[int]) -> Sequence[int]:
        """Those of these enrolments that are theirs, or of somebody behind the same address."""
        chosen = self._load_enrolments(session, campaign)
        return [number for number in numbers if number in chosen]

    def choose_letters(self, session: Session, campaign: Campaign, numbers: Sequence[int]) -> Sequence[int]:
        """Those of these dispatches that go to them, or to somebody behind the same address."""
        dispatch = table_of(Dispatch)
        query = select(dispatch.c.id).where(dispatch.c.enrolment_id.in_(self._load_enrolments(session, campaign)))
        chosen = set(session.execute(query).scalars())
        return [number for number in numbers if number in chosen]

    def choose_entrants(self, session: Session) -> Sequence[int]:
        """Those in ENTRANT who are they, or would enter by an address that they could enter by."""
        addresses = select(CANDIDATE.c.address_id).where(self._is_theirs(CANDIDATE), CANDIDATE.c.address_id.is_not(None))
        chosen = or_(self._is_theirs(ENTRANT), ENTRANT.c.address_id.in_(addresses))
        return session.execute(select(ENTRANT.c.id).where(chosen).order_by(ENTRANT.c.id)).scalars().all()

    def _load_enrolments(self, session: Session, campaign: Campaign) -> set[int]:
        enrolment = table_of(Enrolment)
        query = select(enrolment.c.id, enrolment.c.occasion, enrolment.c.address_id)
        own = session.execute(query.where(enrolment.c.campaign_id + 0 == campaign.id, self._is_theirs(enrolment))).all()  # by the subject
        shared = select(enrolment.c.id).where(
            enrolment.c.campaign_id == campaign.id,
            enrolment.c.subject_kind == literal_column("'person'"),  # in the words of the partial index
            enrolment.c.occasion.in_({row.occasion for row in own}),
            enrolment.c.address_id.in_({row.address_id for row in own}),
        )
        return {row.id for row in own} | set(session.execute(shared).scalars())

    def _is_theirs(self, row: FromClause) -> ColumnElement[bool]:
        kind = self.kind if row is table_of(Enrolment) else self.kind.value
        return and_(row.c.subject_kind == kind, row.c.subject_id == self.subject_id)
