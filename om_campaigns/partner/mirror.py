"""A house's own mirror: how far its packs came in a year. Compared with nobody (house rule: no ranking, ever)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, timedelta
from typing import Any

from sqlmodel import Session

from om_campaigns.audience.responses import CascadeLevel
from om_campaigns.partner.pack_list import load_house_packs

PERIOD = timedelta(days=365)
PASSED_ON = ("forwarded", "reported")


def load_mirror(session: Session, houses: Sequence[int], today: date) -> dict[str, Any]:
    """since, packs, offered, passed_on, answered, by_level [(level, how many packs)], the deepest last; of all packs of a year.

    Each pack has ``deepest`` and ``count`` of its latest answer, None where there is none.
    """
    since = today - PERIOD
    packs = [pack for pack in load_house_packs(session, houses) if pack["offered_on"] is None or pack["offered_on"].date() >= since]
    for pack in packs:
        latest = pack["answers"][0] if pack["answers"] else None
        pack["deepest"], pack["count"] = (latest["level"], latest["count"]) if latest else (None, None)
    reached = Counter(pack["deepest"] for pack in packs)
    return {
        "since": since,
        "packs": packs,
        "offered": len(packs),
        "passed_on": sum(pack["state"] in PASSED_ON for pack in packs),
        "answered": sum(pack["deepest"] is not None for pack in packs),
        "by_level": [(level.value, reached[level.value]) for level in CascadeLevel if reached[level.value]],
    }
