"""Names of letters: the same in every copy of a database, another one for everything that is another letter."""

from __future__ import annotations

from pathlib import Path

import pytest

from om_campaigns.columns import new_ref, spell_ref
from om_campaigns.delivery.models import Part, make_ref
from tests.journeys.workspace import Workspace, house, local, person

KEY = {"campaign": "wir", "occasion": "", "step": "a1", "recipient": "abc", "part": Part.mail, "attempt": 0}


def test_a_ref_follows_from_the_key_of_the_letter() -> None:
    first = make_ref(b"s" * 16, **KEY)  # type: ignore[arg-type]
    assert first == make_ref(b"s" * 16, **KEY)  # type: ignore[arg-type]
    assert len(first) == len(new_ref()) == 16
    others = [{**KEY, name: value} for name, value in (("campaign", "wi"), ("occasion", "r2"), ("step", "a2"), ("recipient", "abd"))]
    others += [{**KEY, "part": Part.cover}, {**KEY, "attempt": 1}, {**KEY, "occasion": "a1", "step": ""}]
    assert len({first, make_ref(b"t" * 16, **KEY), *(make_ref(b"s" * 16, **each) for each in others)}) == len(others) + 2  # type: ignore[arg-type]


def test_eighty_bits_are_sixteen_letters() -> None:
    assert (spell_ref(0), spell_ref((1 << 80) - 1)) == ("a" * 16, "7" * 16)


@pytest.mark.slow
def test_two_copies_of_a_database_name_their_letters_alike(tmp_path: Path) -> None:
    """A letter that was dropped between claim and hand-over keeps its name; the next message for it has another one."""
    office = Workspace(tmp_path / "ws")
    office.houses(house("k", "05"))
    office.people(person("Karla", "k"), person("Klaus", "k"))
    office.segment("alle", "'contact' in roles")
    office.campaign("wir", "w1 day = 0")
    office.publish()
    office.tick(local("2027-01-04"))
    names = []
    for folder in (tmp_path / "copy", tmp_path / "other"):
        copy = office.copy(folder)
        copy.tick(local("2027-01-05"))
        names.append({ref for (ref,) in copy.ask("SELECT ref FROM message")})
    assert names[0] == names[1]
    assert len(names[0]) == 2
    copy.do("UPDATE message SET state = 'dropped', sent_at = NULL WHERE id = 1")
    copy.do(
        "UPDATE dispatch SET status = 'planned', sent_at = NULL WHERE id = (SELECT dispatch_id FROM message_dispatch WHERE message_id = 1)"
    )
    copy.do("DELETE FROM touch WHERE id = 1")
    copy.tick(local("2027-01-05", "09:05"))
    assert len({ref for (ref,) in copy.ask("SELECT ref FROM message")}) == 3
