"""Several people of one house at the same time: each of them is heard, and nobody meets a fault."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from om_campaigns.audience.vocabulary import Origin
from om_campaigns.partner.look import save_logo
from om_campaigns.partner.organisation import save_settings, show_settings
from om_campaigns.partner.own_words import Acting, Action, BlockChange, change_block
from om_campaigns.partner.show_own_words import OwnText
from tests.compose.test_logos import picture
from tests.journeys.workspace import Workspace
from tests.web.portal_help import open_office

pytestmark = pytest.mark.slow

AT_ONCE = 6
TEXT = OwnText("dach", "reihe", "b1", "de")


@pytest.fixture
def office(tmp_path: Path, database: str) -> Workspace:
    return open_office(tmp_path, database=database)


def at_once(do: Callable[[int], Any]) -> list[Any]:
    with ThreadPoolExecutor(AT_ONCE) as many:
        return list(many.map(do, range(AT_ONCE)))


def test_own_words_of_several_people_do_not_overwrite_each_other(office: Workspace) -> None:
    at_once(lambda each: change_block(office.app, TEXT, BlockChange(Action.add, words=f"Termin {each}."), office.now, Acting("x")))
    rows = office.ask("SELECT block, text FROM overlay_change ORDER BY block")
    assert [row[0] for row in rows] == [f"own-{number}" for number in range(1, AT_ONCE + 1)]
    assert {row[1] for row in rows} == {f"Termin {each}." for each in range(AT_ONCE)}
    own = BlockChange(Action.set, "say", "„Unser Satz.“")
    at_once(lambda _: change_block(office.app, TEXT, own, office.now, Acting("x")))
    assert office.ask("SELECT count(*) FROM overlay_change WHERE block = 'say'") == [(1,)]


def test_the_ways_of_a_house_are_one_decision(office: Workspace) -> None:
    """One window adds a second way, the other one goes back to what is usual: no second way is left without a first."""
    (number,) = office.ask("SELECT id FROM organisation WHERE slug = 'dach'")[0]
    acting = Acting("x", Origin.partner, own=(number,))
    about = show_settings(office.app, acting, "dach")
    assert about is not None
    shown = about["now"]
    assert save_settings(office.app, acting, "dach", shown | {"sonst": "newsletter_block"}, shown) == ()
    assert save_settings(office.app, acting, "dach", shown | {"frist": "9"}, shown) == ()
    routes = "SELECT route FROM organisation_route WHERE organisation_id = :id ORDER BY position"
    assert [row[0] for row in office.ask(routes, id=number)] == ["forward_pack", "newsletter_block"]
    assert save_settings(office.app, acting, "dach", shown | {"weg": ""}, shown) == ()
    assert office.ask(routes, id=number) == []


def test_settings_and_logo_of_several_people_are_saved_one_after_the_other(office: Workspace) -> None:
    (number,) = office.ask("SELECT id FROM organisation WHERE slug = 'dach'")[0]
    acting = Acting("x", Origin.partner, own=(number,))
    shown = show_settings(office.app, acting, "dach")
    assert shown is not None
    typed = shown["now"] | {"weg": "newsletter_block", "sonst": "forward_pack"}
    assert at_once(lambda each: save_settings(office.app, acting, "dach", typed | {"frist": str(each + 1)}, shown["now"])) == AT_ONCE * [()]
    routes = "SELECT route FROM organisation_route WHERE organisation_id = :id ORDER BY position"
    assert [row[0] for row in office.ask(routes, id=number)] == ["newsletter_block", "forward_pack"]
    log = "SELECT old, new FROM change WHERE field = 'shelf_life_days' AND origin = 'partner' ORDER BY id"
    days = office.ask(log)
    assert [old for old, _ in days] == [None, *(new for _, new in days[:-1])], "each saw what the one before had saved"
    assert all(at_once(lambda _: save_logo(office.app, acting, "dach", picture())))
    assert office.count("logo") == 1
