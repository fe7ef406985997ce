"""Who would enter which campaign: the table that import, publication and going live show, and the figure that answers it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from zoneinfo import ZoneInfo

from om_campaigns.cli.output import counted, say_moment
from om_campaigns.cli.screen import Column, can_ask, confirm_figure, print_headline, print_table

if TYPE_CHECKING:
    from om_campaigns.staff.entering import Entering

Done = TypeVar("Done")

COLUMNS = (Column("enters"), Column("campaign"), Column("when", is_whole=True), Column("most a day"))


def with_figure(work: Callable[[int | None], Done], expect: int | None, *, command: str, zone: ZoneInfo, now: datetime) -> Done:
    """Do ``work`` with the figure that was given. Where it needs one, show who would enter and ask for it, then do it with that.

    Raises RefusedError, with the ``command`` that answers, where the figure is another one or nobody can be asked.
    """
    from om_campaigns.errors import RefusedError
    from om_campaigns.staff.entering import FigureNeededError, count_entering

    try:
        return work(expect)
    except FigureNeededError as needed:
        figure = count_entering(needed.entering)
        answer = f"{command} --expect {figure}"
        print_entering(needed.entering, zone, now, err=True)
        if expect is not None or not can_ask():
            raise RefusedError(str(needed), hint=needed.hint, command=answer) from None
        print_headline(f"{needed}.", mark="!", err=True)
        confirm_figure("Type the number that would enter", figure, answer=answer, what=str(needed))
        return work(figure)


def print_entering(entering: Sequence[Entering], zone: ZoneInfo, now: datetime, *, err: bool = False) -> None:
    """Who would newly enter which campaign, when the first letter would leave, and how many may enter in a day."""
    rows = [
        [say_subjects(each.number.people, each.number.houses), each.campaign, _when(each, zone, now), _bound(each)] for each in entering
    ]
    print_table(COLUMNS, rows, err=err)


def entering_as_json(entering: Sequence[Entering]) -> list[dict[str, Any]]:
    """Rows of campaign, people, houses, first_due_at, most_people, most_houses, held and stays_out."""
    return [
        {
            "campaign": each.campaign,
            "people": each.number.people,
            "houses": each.number.houses,
            "first_due_at": each.first_due_at,
            "most_people": each.judgement.bound.people,
            "most_houses": each.judgement.bound.houses,
            "held": each.judgement.is_held and not each.stays_out,
            "stays_out": each.stays_out,
        }
        for each in entering
    ]


def say_subjects(people: int, houses: int) -> str:
    """``2,995 people and 3 houses``."""
    parts = [counted(people, "person", "people")] if people else []
    parts += [counted(houses, "house")] if houses else []
    return " and ".join(parts) or "nobody"


def _number(each: Entering) -> str:
    return say_subjects(each.number.people, each.number.houses)


def _when(each: Entering, zone: ZoneInfo, now: datetime) -> str:
    if each.stays_out:
        return "never: matched before it began"
    if each.judgement.is_held:
        return "held: too many for a day"
    return say_moment(each.first_due_at, zone, now) if each.first_due_at else ""


def _bound(each: Entering) -> str:
    bound, number = each.judgement.bound, each.number
    parts = [f"{bound.people:,} people"] if number.people else []
    parts += [f"{bound.houses:,} houses"] if number.houses else []
    return ", ".join(parts)
