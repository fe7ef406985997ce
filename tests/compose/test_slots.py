"""Slots: printed with a closed filter list, never decided on, escaped by where they land (house.md, Composing; SEC-03, SEC-05)."""

from __future__ import annotations

import html
import time
from html.parser import HTMLParser
from urllib.parse import unquote

import pytest
from hypothesis import given as always
from hypothesis import strategies as st

from om_campaigns.compose.escaping import LandingError, cut_html, unsafe_addresses
from om_campaigns.compose.slot_guard import Guard
from om_campaigns.compose.slots import MARK, Book, Hole, Landing, SlotUse, cut_text, escape_for
from om_campaigns.compose.template_checks import check_source
from om_campaigns.compose.templates import ENVIRONMENT, FAILURES, Source, make_problem, make_template

PARTS = {
    "blocks/button.mjml": "{% macro button(u) %}\n<a href='{{ u }}'>\n{% if u %}x{% endif %}{% endmacro %}",
    "blocks/name.mjml": "{{ contact.full_name }}{{ i }}",
}


def render(text: str, name: str = "step.md") -> tuple[str, list[SlotUse]]:
    book = Book()
    environment = ENVIRONMENT.for_files(PARTS)
    names = {"org": {"name": "Müller & Söhne", "kind": "x", "list": [1, 2]}, **book.roots()}
    return make_template(environment, Source(name, name, text)).render(names), book.uses


def refused(text: str) -> str:
    source = Source("step.md", "step.md", text)
    try:
        render(text)
    except FAILURES as error:
        return str(make_problem(error, source))
    pytest.fail(f"was not refused: {text}")


@pytest.mark.parametrize(
    "text",
    [
        "Hallo {{ contact.full_name }} von {{ org.name }}",
        '<a href="{{ links.web }}" title="{{ contact.full_name }}">',
        "{{ contact.full_name|upper|default('Sie') }}",
        "{% set n = contact.full_name %}{{ n }}",
        "{% set n %}<b>{{ contact.full_name }}</b>{% endset %}{{ n }}",
        "{{ 'Hallo ' ~ contact.full_name ~ '!' }}",
        "{{ [contact.full_name, org.name]|join(', ') }}",
        '{% macro b(u) %}<a href="{{ u }}">{% endmacro %}{{ b(links.web) }}',
        "{% macro box() %}<div>{{ caller() }}</div>{% endmacro %}{% call box() %}{{ contact.full_name }}{% endcall %}",
        "{% for i in org.list %}{% include 'blocks/name.mjml' %}{% endfor %}",
        "{% set ns = namespace(x='') %}{% set ns.x = contact.full_name %}{{ ns.x }}",
        "{% with n = contact.full_name %}{{ n }}{% endwith %}",
        "{{ {'a': contact.full_name}.a }}",
        "{{ contact['full_name'] }}",
    ],
)
def test_a_slot_may_be_printed(text: str) -> None:
    out, uses = render(text)
    assert uses
    assert {int(mark[1]) for mark in MARK.finditer(out)} == set(range(len(uses)))


def test_the_same_use_is_one_slot_and_filters_are_kept() -> None:
    _, uses = render("{{ contact.full_name }}{{ contact.full_name }}{{ contact.full_name|d('Sie')|truncate(9) }}")
    assert uses == [SlotUse("contact.full_name"), SlotUse("contact.full_name", (("d", ("Sie",)), ("truncate", (9,))))]


DECISIONS = [
    "{% if contact.first_name %}a{% endif %}",
    "{{ 'a' if contact.first_name else 'b' }}",
    "{{ contact.first_name or 'x' }}",
    "{{ not contact.first_name }}",
    "{% if contact.role == 'adviser' %}a{% endif %}",
    "{% if 'a' in contact.role %}a{% endif %}",
    "{% if contact.role is defined %}a{% endif %}",
    "{% for c in contact.role %}a{% endfor %}",
    "{% set n = contact.full_name %}{% if n %}y{% endif %}",
    "{% set n %}{{ contact.full_name }}{% endset %}{% if n %}y{% endif %}",
    "{{ ('Hallo ' ~ contact.full_name)|length }}",
    "{{ ('Hallo ' ~ contact.full_name)|upper }}",
    "{{ contact.full_name|replace('a', 'b') }}",
    "{{ contact.full_name|truncate(org.name) }}",
    "{{ contact.full_name|default(contact.email) }}",
    "{{ contact.full_name|truncate(length=3) }}",
    "{{ 'x' + contact.full_name }}",
    "{{ 'a%s' % contact.full_name }}",
    "{{ contact.full_name.upper() }}",
    "{{ ('x' ~ contact.full_name).replace('Z', 'y') }}",
    "{{ ('x' ~ contact.full_name)[:9] }}",
    "{{ org[contact.full_name] }}",
    "{{ range(contact.full_name) }}",
    "{% set ns = namespace(x='') %}{% set ns.x = contact.full_name %}{% if ns.x %}a{% endif %}",
    "{% from 'blocks/button.mjml' import button %}{{ button(links.web) }}",
    "{% for contact in org.list %}{{ contact }}{% endfor %}",
    "{% set links = 1 %}",
    "{% autoescape false %}{{ contact.full_name }}{% endautoescape %}",
    "{% filter upper %}{{ contact.full_name }}{% endfilter %}",
    "{{ contact.full_name|safe }}",
    "{{ contact }}",
    "{{ contact.nick|default('x') }}",
]


@pytest.mark.parametrize("text", DECISIONS)
def test_a_slot_is_never_decided_on(text: str) -> None:
    assert refused(text)


@pytest.mark.parametrize("text", [text for text in DECISIONS if "import" not in text and "ns.x" not in text and "~" not in text])
def test_check_sees_the_same_on_branches_that_are_not_taken(text: str) -> None:
    hidden = "{% if org.type == 'never' %}\n" + text + "\n{% endif %}"
    problems = check_source(Source("step.md", "step.md", hidden))
    assert problems
    assert {problem.line for problem in problems} <= {2}


def test_errors_say_line_and_nearest_name() -> None:
    assert refused("x\n\n{{ contact.fulname }}").startswith("step.md:3: there is no 'contact.fulname'; did you mean 'contact.full_name'?")
    assert refused("{% from 'blocks/button.mjml' import button %}\n{{ button(links.web) }}").startswith("blocks/button.mjml:3:")


@pytest.mark.parametrize(
    "attack",
    [
        "{{ ''.__class__.__mro__ }}",
        "{{ org|attr('__class__') }}",
        "{{ '{0.__class__}'.format(org) }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ namespace.__init__.__globals__ }}",
        "{{ self.__init__ }}",
        "{{ range(99999999)|list }}",
        "{% for a in range(999) %}{% for b in range(999) %}{% for c in range(999) %}{% endfor %}{% endfor %}{% endfor %}",
        "{% for a in range(999) %}{% for b in range(20) %}" + "x" * 9000 + "{% endfor %}{% endfor %}",
        "{{ 'x' * 999999999 }}",
        "{{ [1] * 999999999 }}",
        "{{ 9 ** 9 ** 9 ** 9 }}",
        "{{ '%999999999d' % 1 }}",
        "{{ 'x'|center(999999999) }}",
        "{% set ns = namespace(x='xxxxxxxxxx') %}{% for i in range(60) %}{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
        "{% set ns = namespace(x='xxxxxxxxxx') %}{% for i in range(60) %}{% set ns.x = ns.x + ns.x %}{% endfor %}",
        "{% set ns = namespace(x='x') %}{% for i in range(60) %}{% set ns.x %}{{ ns.x }}{{ ns.x }}{% endset %}{% endfor %}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
        "{% include '../secret' %}",
        "{% include '/etc/passwd' %}",
        "{% include 'campaigns/other/a1.de.md' %}",
        "{{ org.list.append(3) }}",
        "{{ org.update({}) }}",
        "{{ lipsum() }}",
    ],
)
def test_sec_03_templates_stay_in_their_box(attack: str) -> None:
    begin = time.process_time()
    assert refused(attack)
    assert time.process_time() - begin < 1


PAGE = (
    '<a href="Zq7s00000q7Z" title=\'a Zq7s00001q7Z\'>Zq7s00002q7Z &amp; x</a><a href="https://x.example/?q=Zq7s00003q7Z">'
    '<!--[if mso]><v:rect href="Zq7s00000q7Z" fill="x>y">Zq7s00002q7Z</v:rect><![endif]--><title>Zq7s00004q7Z</title>'
)


def test_a_mark_lands_where_it_stands() -> None:
    gapped = cut_html(PAGE, [SlotUse(f"contact.f{number}") for number in range(5)])
    assert [(hole.slot, hole.landing) for hole in gapped.holes] == [
        (0, Landing.url),
        (1, Landing.attribute),
        (2, Landing.text),
        (3, Landing.url_part),
        (0, Landing.url),
        (2, Landing.text),
        (4, Landing.text),
    ]
    assert len(gapped.chunks) == len(gapped.holes) + 1


def test_an_address_part_the_author_has_encoded_is_not_encoded_twice() -> None:
    gapped = cut_html('<a href="https://x.example/?q=Zq7s00000q7Z">', [SlotUse("contact.email", (("urlencode", ()),))])
    assert gapped.holes == (Hole(0, Landing.attribute),)


@pytest.mark.parametrize(
    "page",
    [
        "<style>.a{content:'Zq7s00000q7Z'}</style>",
        "<script>Zq7s00000q7Z</script>",
        '<p style="color:Zq7s00000q7Z">',
        '<p onclick="Zq7s00000q7Z">',
        "<p title=Zq7s00000q7Z>",
        '<p Zq7s00000q7Z="x">',
        "<Zq7s00000q7Z>",
        "<!-- Zq7s00000q7Z -->",
        '<!--[if mso]><p style="Zq7s00000q7Z"><![endif]-->',
        '<a href="Zq7s00000q7Z?a=1">',
    ],
)
def test_places_no_escaping_makes_safe_are_refused(page: str) -> None:
    with pytest.raises(LandingError):
        cut_html(page, [SlotUse("contact.full_name")])


class Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, list[tuple[str, str | None]]]] = []
        self.texts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, attrs))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


HOSTILE = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cc"])) | st.sampled_from(
    ["</a><script>alert(1)</script>", '" onmouseover="x', "' x='", "--><b>", "javascript:alert(1)", "&lt;", "{{ 7*7 }}", "Zq7s00000q7Z"]
)


@always(HOSTILE)
def test_any_value_stays_text_wherever_it_lands(value: str) -> None:
    page = '<a title="Zq7s00000q7Z" href="https://x.example/?q=Zq7s00000q7Z">Zq7s00000q7Z</a>'
    filled = cut_html(page, [SlotUse("contact.full_name")]).joined([value], escape_for)
    reader = Reader()
    reader.feed(filled)
    reader.close()
    assert [tag for tag, _ in reader.tags] == ["a"]
    attributes = dict(reader.tags[0][1])
    assert attributes["title"] == value
    assert unquote(str(attributes["href"])) == "https://x.example/?q=" + value
    assert "".join(reader.texts) == value
    assert html.unescape(escape_for(Landing.text, value)) == value


@pytest.mark.parametrize("value", ["javascript:alert(1)", "//evil.example", "data:text/html,x", "https://a b", "\\\\evil", ""])
def test_sec_07_a_whole_address_must_be_one(value: str) -> None:
    with pytest.raises(ValueError, match="not a web or mail address"):
        escape_for(Landing.url, value)


def test_sec_07_constant_addresses_with_foreign_schemes_are_found() -> None:
    page = '<a href="javascript:x"><a href="HTTPS://ok.example"><img src="data:x"><a href="mailto:a@b.example"><a href="tel:1">'
    assert unsafe_addresses(page) == ["javascript:x", "data:x"]


def test_text_is_cut_alike() -> None:
    gapped = cut_text("Hallo Zq7s00001q7Z, Zq7s00000q7Z", Landing.plain)
    assert gapped.joined(["<b>", "Ö & Co"], escape_for) == "Hallo Ö & Co, <b>"


def test_the_guard_leaves_harmless_templates_as_they_are() -> None:
    text = "{% for n in org.list if n > 1 %}{{ n * 2 }}{% else %}-{% endfor %}{{ 'ja' if org.kind == 'x' and not false else 'nein' }}"
    assert Guard().visit(ENVIRONMENT.parse_plain(text, "x")) is not None
    assert render(text)[0] == "4ja"
