"""Days and times as parameters of commands: one way of reading them for all."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import click


class When(click.ParamType[date | datetime]):
    """A day, or with ``takes_time`` also a time of day: ISO 8601 or as Germans write it. Gives what ``clock.read_when`` gives."""

    name = "time"

    def __init__(self, *, takes_time: bool) -> None:
        self.takes_time = takes_time

    def convert(self, value: str | date, param: click.Parameter | None, ctx: click.Context | None) -> date | datetime:
        from om_campaigns.clock import read_when

        if isinstance(value, date):
            return value
        try:
            found = read_when(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if isinstance(found, datetime) and not self.takes_time:
            self.fail(f"'{value}' is a time; a whole day is wanted, like 2027-01-05 or 5.1.2027", param, ctx)
        return found


DAY, TIME = When(takes_time=False), When(takes_time=True)


def say_moment(moment: datetime, zone: ZoneInfo, now: datetime) -> str:
    """``Tue 4 May 09:00`` in the instance's zone; with the year where it is not this one."""
    local = moment.astimezone(zone)
    year = "" if local.year == now.astimezone(zone).year else f" {local.year}"
    return f"{local:%a} {local.day} {local:%b}{year} {local:%H:%M}"
