"""``campaign.toml``: what is read, everything that is wrong at its line and column, and what a version freezes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from om_campaigns.audience.vocabulary import Route, Sender
from om_campaigns.campaign.definition import WORKING_HOURS, Audience, CampaignDefinition, ReEnter, Step, Variant, Window
from om_campaigns.campaign.reading import Known, TextName, parse_campaign, parse_text_name, read_campaign
from om_campaigns.campaign.vocabulary import CampaignKind
from om_campaigns.errors import Problem, ProblemsError


@dataclass(frozen=True)
class Rule:
    """A segment as far as a campaign sees it."""

    selects: str = "seats"
    where: str = "'contact' in roles"


KNOWN = Known(
    segments={"neue-partner": Rule(), "dachverbaende": Rule("organisations", "level == 'umbrella'")},
    mailing_lists=["wir-gedanke", "monatsbrief"],
    campaigns=["start", "fuenf-gedanken", "rundbrief"],
)
TEXTS = ["a1.de.md", "a1.en.md", "a2.de.md", "a2.wenige.de.md"]

ENGLISH = """\
format = 1
kind = "drip"
title = "Start im Wir"
title_en = "A start"
mailing_list = "wir-gedanke"
priority = 70
pattern = "offers_say_do"
window = { days = ["tue", "wed", "thu"], from = "09:00", to = "12:00" }
exit_when = "status == 'left'"
then = "fuenf-gedanken"
starts_after = ["rundbrief"]
not_while_in = ["fuenf-gedanken", "rundbrief"]
re_enter = "after_finish"
backfill = false
per_hour = 40
count_links = true

[[audience]]
segment = "neue-partner"
routes = ["direct_email"]
sender = "home"

[[audience]]
segment = "dachverbaende"

[[step]]
name = "a1"
day = 0
at = "10:30"
grace = "14d"

[[step]]
name = "a2"
after = "14d"
when = "level == 'umbrella'"
variants = [ { name = "wenige", when = "adviser_count < 5" } ]
"""

GERMAN = """\
Format = 1
Art = "Serie"
Titel = "Start im Wir"
Titel_en = "A start"
Reihe = "wir-gedanke"
Vorrang = 70
Muster = "bietet_sagen_tun"
Fenster = { Tage = ["di", "Mittwoch", "do"], von = "9:00", bis = "12:00" }
Ende_wenn = "status == 'left'"
Danach = "fuenf-gedanken"
Beginnt_nach = ["rundbrief"]
"Nicht während" = ["fuenf-gedanken", "rundbrief"]
Wiedereintritt = "nach_ende"
Bestand = false
"je Stunde" = 40
"Links zählen" = true

[[Zielgruppe]]
Segment = "neue-partner"
Wege = ["direktmail"]
Absender = "heimatorganisation"

[[Zielgruppe]]
Segment = "dachverbaende"

[[Schritt]]
Name = "a1"
Tag = 0
um = "10:30"
Nachfrist = "14 Tage"

[[Schritt]]
Name = "a2"
nach = "2 Wochen"
wenn = "level == 'umbrella'"
Varianten = [ { Name = "wenige", wenn = "adviser_count < 5" } ]
"""

SMALL = """\
format = 1
kind = "drip"
title = "Start"
mailing_list = "wir-gedanke"
[[audience]]
segment = "neue-partner"
[[step]]
name = "a1"
day = 0
"""


def read(source: str, texts: Iterable[str] = TEXTS) -> CampaignDefinition:
    return read_campaign(source, name="start", file="campaigns/start/campaign.toml", texts=texts, known=KNOWN)


def wrong(source: str, texts: Iterable[str] = ("a1.de.md",), name: str = "start") -> list[Problem]:
    definition, problems = parse_campaign(source, name=name, file="campaigns/start/campaign.toml", texts=texts, known=KNOWN)
    assert problems, definition
    return problems


def places(problems: list[Problem]) -> list[tuple[int, int]]:
    return [(problem.line, problem.column) for problem in problems]


def test_everything_that_can_be_said() -> None:
    assert read(ENGLISH) == CampaignDefinition(
        name="start",
        kind=CampaignKind.drip,
        title="Start im Wir",
        title_en="A start",
        mailing_list="wir-gedanke",
        priority=70,
        pattern="offers_say_do",
        window=Window((1, 2, 3), time(9), time(12)),
        exit_when="status == 'left'",
        then="fuenf-gedanken",
        starts_after=("rundbrief",),
        not_while_in=("fuenf-gedanken", "rundbrief"),
        re_enter=ReEnter.after_finish,
        backfill=False,
        per_hour=40,
        count_links=True,
        audiences=(
            Audience("neue-partner", (Route.direct_email,), Sender.home, "seats", "'contact' in roles"),
            Audience("dachverbaende", (Route.direct_email,), Sender.om, "organisations", "level == 'umbrella'"),
        ),
        steps=(
            Step("a1", day=0, at=time(10, 30), grace=timedelta(days=14)),
            Step("a2", after=14, when="level == 'umbrella'", variants=(Variant("wenige", "adviser_count < 5"),)),
        ),
    )


def test_german_words_say_the_same() -> None:
    assert read(GERMAN) == read(ENGLISH)
    assert read(GERMAN).structure_hash == read(ENGLISH).structure_hash


def test_what_may_be_left_away() -> None:
    small = read(SMALL, ["a1.de.md"])
    assert (small.window, small.priority, small.pattern, small.re_enter, small.backfill) == (None, 50, "", ReEnter.never, True)
    assert small.window_for(small.steps[0]) == WORKING_HOURS


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('after = "14d"', Step("a1", after=14)),
        ('after = "2w"', Step("a1", after=14)),
        ('after = "1 Tag"', Step("a1", after=1)),
        ('after = "36h"', Step("a1", elapsed=timedelta(hours=36))),
        ('after = "24 Stunden"', Step("a1", elapsed=timedelta(hours=24))),
        ("day = 3\nat = 10:15:00", Step("a1", day=3, at=time(10, 15))),
        ('day = 3\ngrace = "48h"', Step("a1", day=3, grace=timedelta(hours=48))),
    ],
)
def test_sch_02_waits_as_people_write_them(written: str, expected: Step) -> None:
    assert read(SMALL.replace("day = 0", written), ["a1.de.md"]).steps == (expected,)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('{ from = "22:00", to = "06:00" }', Window((0, 1, 2, 3, 4), time(22), time(6))),
        ('{ days = "sat", from = "08:00", to = "24:00" }', Window((5,), time(8), time(0))),
        ('{ days = ["fr", "mo"], from = "00:00", to = "24:00" }', Window((0, 4), time(0), time(0))),
    ],
)
def test_sch_07_windows_over_night_and_until_midnight(written: str, expected: Window) -> None:
    assert read(SMALL.replace("[[audience]]", f"window = {written}\n[[audience]]"), ["a1.de.md"]).window == expected


@pytest.mark.parametrize(
    ("window", "at", "expected"),
    [
        (Window((1, 2), time(9), time(12)), time(10), Window((1, 2), time(10), time(12))),
        (Window((1, 6), time(22), time(6)), time(23), Window((1, 6), time(23), time(6))),
        (Window((1, 6), time(22), time(6)), time(1), Window((0, 2), time(1), time(6))),
        (Window((1,), time(8), time(0)), time(20), Window((1,), time(20), time(0))),
        (None, time(14), Window((0, 1, 2, 3, 4), time(14), time(17))),
    ],
)
def test_a_step_with_a_time_uses_the_window_from_then_on(window: Window | None, at: time, expected: Window) -> None:
    definition = replace(read(SMALL, ["a1.de.md"]), window=window)
    assert definition.window_for(Step("a1", day=0, at=at)) == expected


def test_the_order_of_steps() -> None:
    definition = read(ENGLISH)
    assert definition.step("a2") == definition.steps[1] == definition.step_after("a1")
    assert definition.step("a9") is None
    assert definition.step_after("a2") is None
    assert definition.step_after("a9") is None


# --- what is wrong -----------------------------------------------------------------------------------------------------

ONE_THING_WRONG = [
    ("format = 1", "", 1, 1, "'format = 1' is missing"),
    ("format = 1", "format = 2", 1, 10, "'format' must be 1"),
    ("format = 1", "format = true", 1, 10, "'format' must be 1"),
    ('kind = "drip"', 'kind = "dripp"', 2, 9, "'dripp' is no value of 'kind'; did you mean 'drip'?"),
    ('kind = "drip"', 'kind = "wöchentlich"', 2, 9, "it can be announcement, drip"),
    ('kind = "drip"', "", 1, 1, "'kind' is missing"),
    ('title = "Start"', 'titel = "Start"\nTitle = "x"', 4, 1, "says 'title' a second time"),
    ('title = "Start"', 'title = "  "', 3, 10, "'title' is missing"),
    ('title = "Start"', 'title = "Start\\nBcc: x"', 3, 10, "must be one line of plain text"),
    ('title = "Start"', "title = 3", 3, 9, "must be a text in quotation marks"),
    ('"wir-gedanke"', '"wir-gedanken"', 4, 17, "there is no mailing list 'wir-gedanken'; did you mean 'wir-gedanke'?"),
    ("[[audience]]", "prioriti = 3\n[[audience]]", 5, 1, "unknown key 'prioriti'; did you mean 'priority'?"),
    ("[[audience]]", "Forrang = 3\n[[audience]]", 5, 1, "unknown key 'Forrang'; did you mean 'Vorrang'?"),
    ("[[audience]]", "priority = 101\n[[audience]]", 5, 12, "a whole number from 0 to 100"),
    ("[[audience]]", "priority = true\n[[audience]]", 5, 12, "a whole number from 0 to 100"),
    ("[[audience]]", 'pattern = "offer"\n[[audience]]', 5, 12, "is no value of 'pattern'"),
    ("[[audience]]", 'backfill = "yes"\n[[audience]]', 5, 13, "'backfill' must be true or false"),
    ("[[audience]]", 'then = "start"\n[[audience]]', 5, 9, "a campaign cannot name itself"),
    ("[[audience]]", 'then = ["rundbrief"]\n[[audience]]', 5, 8, "must be a text in quotation marks"),
    ("[[audience]]", 'starts_after = ["rundbrief", "rundbref"]\n[[audience]]', 5, 31, "did you mean 'rundbrief'?"),
    ("[[audience]]", 'not_while_in = ["rundbrief", 3]\n[[audience]]', 5, 30, "texts in quotation marks only"),
    ("[[audience]]", 'window = "09:00-12:00"\n[[audience]]', 5, 11, "must be a table"),
    ("[[audience]]", 'window = { from = "09:00" }\n[[audience]]', 5, 10, "'to' is missing"),
    ("[[audience]]", 'window = { from = "09:00", to = "09:00" }\n[[audience]]', 5, 34, "the window is empty"),
    ("[[audience]]", 'window = { from = "00:00", to = "00:00" }\n[[audience]]', 5, 34, "the window is empty"),
    ("[[audience]]", 'window = { from = "9 Uhr", to = "12:00" }\n[[audience]]', 5, 20, "is no time of day"),
    ("[[audience]]", 'window = { from = "24:00", to = "12:00" }\n[[audience]]', 5, 20, "is no time of day"),
    ("[[audience]]", 'window = { days = [], from = "09:00", to = "12:00" }\n[[audience]]', 5, 19, "never opens"),
    ("[[audience]]", 'window = { days = ["tue", "di"], from = "09:00", to = "12:00" }\n[[audience]]', 5, 28, "stands there twice"),
    ("[[audience]]", 'window = { days = ["tues"], from = "09:00", to = "12:00" }\n[[audience]]', 5, 21, "did you mean 'tue'?"),
    ("[[audience]]", "exit_when = '''statos == 'left' '''\n[[audience]]", 5, 16, "status"),
    ('segment = "neue-partner"', 'segment = "neue-partners"', 6, 12, "there is no segment 'neue-partners'; did you mean 'neue-partner'?"),
    ('segment = "neue-partner"', 'routes = ["direct_email"]', 5, 1, "'segment' is missing"),
    ('segment = "neue-partner"', 'segment = "neue-partner"\nroutes = ["direct_mail"]', 7, 12, "did you mean 'direct_email'?"),
    ('segment = "neue-partner"', 'segment = "neue-partner"\nroutes = []', 7, 10, "names no route"),
    ('segment = "neue-partner"', 'segment = "neue-partner"\nsender = "wir"', 7, 11, "it can be home, om"),
    ('[[audience]]\nsegment = "neue-partner"\n', "", 1, 1, "an [[audience]] with its segment is missing"),
    ("[[step]]", '[[audience]]\nsegment = "neue-partner"\n[[step]]', 8, 12, "already stands above"),
    ('name = "a1"', 'name = "A 1"', 8, 9, "use a-z, 0-9 and hyphens only"),
    ("day = 0", "", 7, 1, "a step needs 'day' or 'after'"),
    ("day = 0", 'day = 0\nafter = "3d"', 10, 1, "'day' and 'after' cannot both stand here"),
    ("day = 0", "day = -1", 9, 7, "a whole number from 0"),
    ("day = 0", "day = 1.5", 9, 7, "a whole number from 0"),
    ("day = 0", 'after = "3"', 9, 10, "'3' is no waiting time"),
    ("day = 0", 'after = "0d"', 9, 10, "'0d' is no waiting time"),
    ("day = 0", "after = 3", 9, 9, "'3' is no waiting time"),
    ("day = 0", 'after = "36h"\nat = "09:00"', 10, 7, "'at' goes with whole days only"),
    ("day = 0", 'day = 0\nat = "18:00"', 10, 7, "18:00 lies outside the window 09:00–17:00"),
    ("day = 0", "day = 0\nat = 09:00:30", 10, 6, "hours and minutes only"),
    ("day = 0", 'day = 0\ngrace = "bald"', 10, 10, "'bald' is no waiting time"),
    ("day = 0", 'day = 0\nvariants = ["few"]', 10, 14, "'variants' holds tables only"),
    ("day = 0", "day = 0\nwhen = \"level = 'state'\"", 10, 15, ""),
]


@pytest.mark.parametrize(("old", "new", "line", "column", "text"), ONE_THING_WRONG)
def test_one_thing_wrong_is_named_at_its_place(old: str, new: str, line: int, column: int, text: str) -> None:
    assert SMALL.count(old) == 1
    problems = wrong(SMALL.replace(old, new), ["a1.de.md"] if 'name = "A 1"' not in new else [])
    assert problems[0].file == "campaigns/start/campaign.toml"
    assert (line, column) in places(problems), [str(problem) for problem in problems]
    assert any(text in problem.text for problem in problems), [str(problem) for problem in problems]


def test_everything_wrong_is_told_at_once_in_the_order_of_the_file() -> None:
    source = """\
format = 1
kind = "drip"
titel = "T"
mailing_list = "nope"
color = "red"
[[audience]]
segment = "nope"
[[step]]
name = "a1"
day = 7
[[step]]
name = "a1"
day = 3
[[step]]
name = "b"
when = '''
  level == 'state'
  and levl == 'x'
'''
"""
    problems = wrong(source, ["a1.de.md", "c.de.md", "a1.kurz.de.md", "notes.md"])
    assert [(problem.line, problem.column, problem.rule_id) for problem in problems if problem.file.endswith(".toml")] == [
        (4, 17, "reference"),
        (5, 1, "unknown-key"),
        (7, 12, "reference"),
        (12, 9, "name"),
        (13, 7, "step"),
        (14, 1, "step"),
        (15, 9, "text"),
        (18, 7, next(problem.rule_id for problem in problems if problem.line == 18)),
    ]
    assert [problem.file for problem in problems if not problem.file.endswith(".toml")] == [
        "campaigns/start/a1.kurz.de.md",
        "campaigns/start/c.de.md",
        "campaigns/start/notes.md",
    ]
    with pytest.raises(ProblemsError) as raised:
        read(source)
    assert len(raised.value.problems) > 5


@pytest.mark.parametrize(
    ("source", "line", "column"),
    [("format = 1\nkind = drip\n", 2, 8), ("format = 1\nkind = 'drip", 2, 0), ("x = [\n", 2, 0), ("x = " + "[" * 3000, 0, 0)],
)
def test_what_is_not_toml_is_one_problem(source: str, line: int, column: int) -> None:
    definition, problems = parse_campaign(source, name="start", file="c.toml", texts=[], known=KNOWN)
    assert definition is None
    assert len(problems) == 1
    assert problems[0].rule_id == "toml"
    assert (problems[0].line, problems[0].column) == (line, column)


def test_windows_line_ends_and_a_byte_order_mark_change_nothing() -> None:
    assert read("\ufeff" + ENGLISH.replace("\n", "\r\n")) == read(ENGLISH)
    source = SMALL.replace("day = 0", "day = 0\nwhen = '''\n  level ==\n    'x' and levl == 1'''")
    assert places(wrong(source)) == places(wrong(source.replace("\n", "\r\n")))


def test_conditions_are_checked_for_everything_the_segments_select() -> None:
    """``roles`` belong to seats; a campaign that also selects houses cannot ask for them."""
    seats_only = SMALL.replace("day = 0", "day = 0\nwhen = \"'contact' in roles\"")
    assert read(seats_only, ["a1.de.md"])
    both = seats_only.replace("[[step]]", '[[audience]]\nsegment = "dachverbaende"\n[[step]]')
    assert places(wrong(both)) == [(12, 22)]


def test_names_in_conditions_must_exist() -> None:
    source = SMALL.replace("day = 0", "day = 0\nwhen = '''received('rundbref/b1')'''")
    (problem,) = wrong(source)
    assert (problem.line, problem.text) == (10, "there is no campaign 'rundbref'; did you mean 'rundbrief'?")


def test_an_expression_with_escapes_is_placed_at_its_beginning() -> None:
    source = SMALL.replace("day = 0", 'day = 0\nwhen = "level == \\"state\\" and levl == 1"')
    assert places(wrong(source)) == [(10, 9)]


def test_an_announcement_speaks_once() -> None:
    source = SMALL.replace('"drip"', '"announcement"') + '[[step]]\nname = "a2"\nday = 3\n'
    (problem,) = wrong(source, ["a1.de.md", "a2.de.md"])
    assert (problem.line, problem.column) == (10, 1)
    assert "exactly one step" in problem.text


def test_days_may_be_equal_but_never_go_back() -> None:
    assert read(SMALL + '[[step]]\nname = "a2"\nday = 0\n', ["a1.de.md", "a2.de.md"])
    source = SMALL.replace("day = 0", "day = 9") + '[[step]]\nname = "a2"\nafter = "3d"\n[[step]]\nname = "a3"\nday = 8\n'
    (problem,) = wrong(source, ["a1.de.md", "a2.de.md", "a3.de.md"])
    assert (problem.line, problem.column) == (15, 7)


def test_a_campaign_without_steps() -> None:
    (problem,) = wrong(SMALL.partition("[[step]]")[0], [])
    assert problem.text == "a [[step]] is missing"


def test_a_folder_that_cannot_be_a_name() -> None:
    (problem,) = wrong(SMALL, name="Wir Gedanke")
    assert (problem.line, problem.rule_id) == (0, "name")


@settings(max_examples=150, deadline=None)
@given(st.sampled_from([ENGLISH, GERMAN]), st.data())
def test_whatever_is_typed_ends_in_problems_never_in_an_exception(source: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 3))):
        begin = data.draw(st.integers(0, len(source)))
        end = data.draw(st.integers(begin, min(len(source), begin + 30)))
        piece = data.draw(st.sampled_from(["", "=", '"', "[", "]", "{}", "3", "true", "1979-05-27", "[[step]]\n", "a.b = 1\n", "\n", "'"]))
        source = source[:begin] + piece + source[end:]
    definition, problems = parse_campaign(source, name="start", file="c/campaign.toml", texts=TEXTS, known=KNOWN)
    lines = source.count("\n") + 1
    assert all(0 <= problem.line <= lines and problem.column >= 0 for problem in problems)
    if definition is not None and not problems:
        assert CampaignDefinition.from_structure(definition.to_structure()) == definition
        assert all(step.name and (step.day, step.after, step.elapsed).count(None) == 2 for step in definition.steps)


# --- texts -------------------------------------------------------------------------------------------------------------


def test_every_variant_has_a_text_and_a_step_without_variants_too() -> None:
    source = SMALL.replace("day = 0", 'day = 0\nvariants = [ { name = "few", when = "level == \'state\'" } ]')
    assert read(source, ["a1.few.de.md"])
    (problem,) = wrong(source, ["a1.en.md"])
    assert (problem.line, problem.column) == (10, 24)
    assert "a1.few.de.md" in problem.text
    assert read(SMALL, ["a1.en.md"])
    (problem,) = wrong(SMALL, [])
    assert (problem.line, problem.column) == (8, 9)
    assert "a1.de.md" in problem.text


def test_a_variant_is_for_somebody_and_stands_once() -> None:
    source = SMALL.replace("day = 0", 'day = 0\nvariants = [ { name = "few", when = "level == \'state\'" }, { name = "few" } ]')
    assert [problem.text for problem in wrong(source, ["a1.few.de.md"])] == [
        "a variant needs 'when': whom it is for",
        "there is a variant 'few' already",
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("a1.de.md", TextName("a1", "", "de")),
        ("a1.few.en.md", TextName("a1", "few", "en")),
        ("a1.md", None),
        ("a1.de.txt", None),
        ("a1.x.y.de.md", None),
        (".de.md", None),
    ],
)
def test_names_of_texts(name: str, expected: TextName | None) -> None:
    assert parse_text_name(name) == expected
    if expected:
        assert str(expected) == name


# --- what a version freezes --------------------------------------------------------------------------------------------

WORDS = st.text(max_size=4)
TIMES = st.builds(time, st.integers(0, 23), st.integers(0, 59))
WAITS = st.builds(timedelta, hours=st.integers(1, 10000))
WINDOWS = st.builds(Window, st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))), TIMES, TIMES)
VARIANTS = st.lists(st.builds(Variant, WORDS, WORDS), max_size=2).map(tuple)
STEPS = st.one_of(
    st.builds(Step, WORDS, day=st.integers(0, 99), at=st.none() | TIMES, grace=st.none() | WAITS, when=WORDS, variants=VARIANTS),
    st.builds(Step, WORDS, after=st.integers(1, 99), at=st.none() | TIMES),
    st.builds(Step, WORDS, elapsed=WAITS),
)
AUDIENCES = st.builds(
    Audience,
    WORDS,
    st.lists(st.sampled_from(Route)).map(tuple),
    st.sampled_from(Sender),
    st.sampled_from(["seats", "organisations"]),
    WORDS,
)
NAMES = st.lists(WORDS, max_size=3).map(tuple)
DEFINITIONS = st.builds(
    CampaignDefinition,
    name=WORDS,
    kind=st.sampled_from(CampaignKind),
    title=WORDS,
    mailing_list=WORDS,
    audiences=st.lists(AUDIENCES, max_size=2).map(tuple),
    steps=st.lists(STEPS, max_size=3).map(tuple),
    priority=st.integers(0, 100),
    window=st.none() | WINDOWS,
    starts_after=NAMES,
    not_while_in=NAMES,
    re_enter=st.sampled_from(ReEnter),
    backfill=st.booleans(),
    per_hour=st.sampled_from([0, 1, 500]),
    count_links=st.booleans(),
)


@settings(max_examples=60, deadline=None)
@given(DEFINITIONS)
def test_a_structure_comes_back_from_json_as_it_was(definition: CampaignDefinition) -> None:
    back = CampaignDefinition.from_structure(json.loads(json.dumps(definition.to_structure())))
    assert back == definition
    assert back.structure_hash == definition.structure_hash


def test_the_hash_follows_every_change_and_the_segments_rule() -> None:
    one = read(ENGLISH)
    others = [
        replace(one, title="x"),
        replace(one, window=None),
        replace(one, backfill=True),
        replace(one, per_hour=30),
        replace(one, count_links=False),
        replace(one, audiences=(replace(one.audiences[0], where="true"), *one.audiences[1:])),
        replace(one, steps=one.steps[:1]),
        replace(one, steps=(replace(one.steps[0], grace=None), one.steps[1])),
        replace(one, steps=(one.steps[0], replace(one.steps[1], after=None, elapsed=timedelta(days=14)))),
    ]
    assert len({each.structure_hash for each in (one, *others)}) == len(others) + 1
