"""What houses tell beside their packs: what they did, and with which toolkits they work."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, HTTPException, Response

from om_campaigns.partner.action_reports import TYPED, answer_toolkit, report_action, show_life, show_toolkits
from om_campaigns.partner.faults import FormFault
from om_campaigns.web.forms import TheForm
from om_campaigns.web.portal.access import PATH, TOO_OLD, Desk, OwnForm, TheDesk

router = APIRouter()

NOTHING = dict.fromkeys(TYPED, "") | {"brief": "no"}


@router.get(f"{PATH}/berichte", response_class=Response)
def reports(desk: TheDesk) -> Response:
    """Tell what was done; what was told."""
    return _show(desk)


def _show(desk: Desk, wrong: tuple[FormFault, ...] = (), typed: Mapping[str, str] = NOTHING) -> Response:
    life = show_life(desk.app, desk.acting, desk.language)
    return desk.show("reports.html", page="reports", wrong=wrong, typed={**NOTHING, **typed}, status=desk.status(wrong), **life)


@router.post(f"{PATH}/berichte", response_class=Response)
def report(desk: TheDesk, form: TheForm) -> Response:
    """Record what was done, once."""
    typed = {name: form[name] for name in TYPED}
    wrong = report_action(desk.app, desk.acting, typed) if desk.is_own(form) else (TOO_OLD,)
    return _show(desk, wrong, typed) if wrong else desk.go("/berichte", "bericht")


@router.get(f"{PATH}/hilfen", response_class=Response)
def toolkits(desk: TheDesk) -> Response:
    """The toolkits of the house, and whether their versions are the current ones."""
    return desk.show("toolkits.html", page="toolkits", several=len(desk.acting.houses) > 1, **show_toolkits(desk.app, desk.acting))


@router.post(f"{PATH}/hilfen", response_class=Response)
def toolkit(desk: TheDesk, form: OwnForm) -> Response:
    """The current version is in use, or the toolkit is not used any more, or is again."""
    if not answer_toolkit(desk.app, desk.acting, form["haus"], form["hilfe"], form["nutzen"]):
        raise HTTPException(404)
    return desk.go("/hilfen", "hilfe")
