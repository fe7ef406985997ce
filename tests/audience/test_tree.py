"""tree: above and below, and whose word holds, in Python and in SQL, on any tree and on broken ones."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, func, select
from sqlmodel import Session

from om_campaigns import store
from om_campaigns.audience.models import Organisation, OrganisationType
from om_campaigns.audience.tree import find_stating, load_below, load_parents, select_stating, upwards
from om_campaigns.audience.vocabulary import Level
from om_campaigns.columns import table_of

PARENTS: dict[int, int | None] = {1: None, 2: 1, 3: 1, 4: 2, 5: 4, 6: None, 7: 3}


def add_houses(session: Session, parents: Mapping[int, int | None], *, left: tuple[int, ...] = (), brands: Mapping[int, str]) -> None:
    session.add(OrganisationType(code="guild", name="Innung", group="chambers"))
    session.flush()
    for number in parents:
        session.add(
            Organisation(
                id=number,
                slug=f"h{number}",
                name=f"Haus {9 - number}",
                name_key=f"haus {number}",
                org_type="guild",
                level=Level.local,
                status="left" if number in left else "active",
                brand=brands.get(number),
            )
        )
    session.flush()
    house = table_of(Organisation)
    for number, parent in parents.items():
        session.execute(house.update().where(house.c.id == number).values(parent_id=parent))


@given(st.dictionaries(st.integers(1, 9), st.none() | st.integers(1, 9)), st.integers(1, 9))
def test_the_way_upwards_ends_also_in_a_circle_and_meets_nobody_twice(parents: dict[int, int | None], start: int) -> None:
    way = list(upwards(start, parents.get))
    assert way[0] == start
    assert len(way) == len(set(way))
    assert all(parents[low] == high for low, high in pairwise(way))
    assert parents.get(way[-1]) in (None, *way)


def test_below_are_active_houses_level_by_level_and_by_name(engine: Engine) -> None:
    with store.write(engine) as session:
        add_houses(session, PARENTS, left=(4,), brands={})
    with store.read(engine) as session:
        assert load_parents(session) == PARENTS
        assert load_below(session, [1]) == (3, 2, 7), "names run backwards; 5 lies behind 4, which left"
        assert load_below(session, [1, 2]) == (3, 7), "never one of those themselves"
        assert load_below(session, [7]) == ()


def test_a_circle_of_houses_ends_the_way_down(engine: Engine) -> None:
    with store.write(engine) as session:
        add_houses(session, {1: 3, 2: 1, 3: 2}, brands={})
    with store.read(engine) as session:
        assert load_below(session, [1]) == (2, 3)


def test_the_nearest_word_holds_in_python_and_in_sql_alike(engine: Engine) -> None:
    brands = {1: "dach", 4: "amt"}
    with store.write(engine) as session:
        add_houses(session, PARENTS, brands=brands)
    with store.read(engine) as session:
        stated = select_stating("x", lambda house: house.c.brand.is_not(None))
        found = dict(session.execute(select(stated.c.house_id, stated.c.source_id)).all())
        assert session.execute(select(func.count()).select_from(stated)).scalar_one() == len(found), "one word for each house"
    assert found == {1: 1, 2: 1, 3: 1, 4: 4, 5: 4, 7: 1}
    assert found == {each: source for each in PARENTS if (source := find_stating(each, PARENTS.get, brands.get)) is not None}
