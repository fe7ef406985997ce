"""What is kept about people, for how long and who is to be asked, in figures: those of the code and of this installation's settings.

The page on data protection prints them, so that it cannot promise anything else than what is done.
"""

from __future__ import annotations

from dataclasses import dataclass

from om_campaigns.app import App
from om_campaigns.audience.access import ENTRANCE_DAYS, SESSION_LIFE
from om_campaigns.reader import opting_in


@dataclass(frozen=True, slots=True)
class Kept:
    """Figures and words of the page. ``notes`` are paragraphs of this installation's own."""

    contact: str
    notes: list[str]
    session_hours: int
    entrance_days: int
    unconfirmed_days: int
    proof_years: int
    slot_days: int
    letter_months: int
    mail_days: int
    smallest_group: int


def load_kept(app: App, language: str) -> Kept:
    """Everything the page on data protection says beyond its own words."""
    settings = app.settings
    notes = (settings.privacy.notes_en if language == "en" else "") or settings.privacy.notes
    return Kept(
        contact=settings.privacy.contact,
        notes=[each.strip() for each in notes.split("\n\n") if each.strip()],
        session_hours=int(SESSION_LIFE.total_seconds() // 3600),
        entrance_days=ENTRANCE_DAYS,
        unconfirmed_days=opting_in.FORGOTTEN_AFTER.days,
        proof_years=opting_in.PROOF_YEARS,
        slot_days=settings.retention.slot_days,
        letter_months=settings.retention.letter_months,
        mail_days=settings.retention.mail_days,
        smallest_group=settings.privacy.smallest_group,
    )
