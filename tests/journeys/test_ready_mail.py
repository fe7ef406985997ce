"""A leak is stopped on the way out, whatever let it in: the mails of that pack are held with the reason, everybody else's go (FWD-01)."""

from __future__ import annotations

from pathlib import Path

import pytest

from om_campaigns.errors import ProblemsError
from tests.journeys.test_cascade import packs, series, taker, to_house
from tests.journeys.workspace import Workspace, local, person

pytestmark = pytest.mark.slow

LEAKS = {
    "a token": "https://om.example/abmelden/k1.9lqrUVxpeq0iDHnz9UYPpwrp.f4s2w3zolr6xx3yk.gvfm7u3fzo4rvs5p.reihe",
    "a masked address": "Diese E-Mail ging an k…@amt.example",
}


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    """A house that gets cover and ready mail, one that wants an attachment, one with a list of its own."""
    office = Workspace(tmp_path)
    office.houses(
        taker("amt"),
        taker("kammer", pack_delivery="attachment"),
        taker("verband", routes="list_address", list_address="verteiler@verband.example"),
    )
    office.people(
        person("Anna Amt", "amt"), person("Karl Kammer", "kammer"), person("", "verband", email="verteiler@verband.example", roles="")
    )
    series(office, "b1 day = 0")
    return office


@pytest.mark.parametrize("leak", LEAKS.values(), ids=LEAKS)
def test_fwd_01_a_layout_that_leaks_holds_every_pack_and_its_repair_lets_them_go(office: Workspace, leak: str) -> None:
    layout = office.folder / "templates/layouts/letter.mjml"
    source = layout.read_text(encoding="utf-8")
    layout.write_text(source.replace("{{ t.passed_on|", f"{leak} {{{{ t.passed_on|"), encoding="utf-8")
    with pytest.raises(ProblemsError):
        office.publish(is_checked=True)
    office.freeze()
    office.tick(local("2027-01-05"))
    assert office.transport.letters == []
    assert {(each.status, each.reason) for each in office.ledger()} == {("held", "broken_text")}
    layout.write_text(source, encoding="utf-8")
    office.publish()
    office.walk(local("2027-01-07"))
    assert {each.status for each in office.ledger()} == {"sent"}
    assert len(packs(office)) == 3


def test_uns_12_fwd_01_what_is_forwarded_has_nothing_of_one_reader_in_its_head(office: Workspace) -> None:
    office.tick(local("2027-01-05"))
    [ready] = [each for each in to_house(office, "amt") if each.get_content_type() == "multipart/alternative"]
    [to_list] = to_house(office, "verband")
    for mail in (ready, to_list):
        assert not {name for name in mail if name.lower() in ("list-unsubscribe-post", "feedback-id", "list-archive")}
        assert mail["To"].addresses[0].display_name == ""
    assert not {name for name in ready if name.lower().startswith("list-") or name in ("Precedence", "Reply-To")}
