"""Editions: built once, identified without building, filled per recipient; nothing from the data can break out (SEC-05)."""

from __future__ import annotations

import dataclasses
import re
import time
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import given as always
from hypothesis import strategies as st

from om_campaigns.compose.building import make_edition, make_edition_id
from om_campaigns.compose.edition import MAX_HTML, Edition, MissingValueError, fill, show_html, show_subject, show_text
from om_campaigns.compose.frontmatter import parse_step, read_step
from om_campaigns.compose.mjml import check_mjml, make_html
from om_campaigns.compose.slots import Landing
from om_campaigns.compose.step_checks import check_looks, check_step, language_of
from om_campaigns.compose.templates import mark_positions
from om_campaigns.errors import InputError, ProblemsError
from tests.compose.sample_letter import HEAD, LETTER, Given, letter


class Page(HTMLParser):
    """What a reader meets: text in order, links, the tags around them."""

    def __init__(self, document: str) -> None:
        super().__init__()
        self.text: list[str] = []
        self.links: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.skip = 0
        self.feed(document)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.tags.append((tag, named))
        self.skip += tag in ("style", "title")
        if tag == "a":
            self.links.append(str(named.get("href")))

    def handle_endtag(self, tag: str) -> None:
        self.skip -= tag in ("style", "title")

    def handle_data(self, data: str) -> None:
        if not self.skip and data.strip("\u034f\u200c\u00a0 \n"):
            self.text.append(data)

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).replace("\u00a0", " ").split())


def built(given: Given, *args: Any, **more: Any) -> Edition:
    return make_edition(given(*args, **more))


def problems(given: Given, *args: Any, **more: Any) -> str:
    with pytest.raises(ProblemsError) as caught:
        make_edition(given(*args, **more))
    return str(caught.value)


def test_a_letter_from_end_to_end(given: Given, values: dict[str, str]) -> None:
    edition = built(given)
    page = Page(show_html(edition, values))
    for said in (
        "Guten Tag Ömer Weiß,",
        "Was Sie sagen können",
        "„Ich frage eben nach",
        "Rike Ahlers",
        "o…@hwk-lindenau.example",
        "Impressum",
    ):
        assert said in page.words
    assert show_subject(edition, values) == "Der kurze Weg zum Nachbarhaus"
    assert {"https://om.example/w/abc?a=1&b=2", "https://om.example/u/abc", "https://haus.example/finden"} <= set(page.links)
    assert "Zq7" not in show_html(edition, values) + show_text(edition, values)


def test_msg_11_text_part_carries_every_statement_and_link(given: Given, values: dict[str, str]) -> None:
    edition = built(given)
    page, text = Page(show_html(edition, values)), show_text(edition, values)
    tokens = re.compile(r"[\wäöüßÄÖÜ]{3,}")
    missing = set(tokens.findall(page.words)) - set(tokens.findall(text))
    assert missing <= {"Ein", "Gespräch", "Gartenzaun", "ersetzt", "drei", "Rundschreiben"}, missing
    for link in page.links:
        assert link in text or link.removeprefix("mailto:").split("?")[0] in text
    assert "Abmelden: https://om.example/u/abc" in text
    assert "<" not in re.sub(r"<https://[^>]+>", "", text)
    assert not re.search(r"[ \t]$|\n{3,}|\u00a0", text, re.MULTILINE)
    assert max(map(len, text.splitlines())) > 120  # nothing is hard-wrapped


def test_ren_accessible_frame(given: Given, values: dict[str, str]) -> None:
    document = show_html(built(given), values)
    page = Page(document)
    assert ("html", "de", "ltr") in {(tag, attrs.get("lang"), attrs.get("dir")) for tag, attrs in page.tags}
    wrapper = next(attrs for tag, attrs in page.tags if tag == "div" and "lang" in attrs)
    assert (wrapper["lang"], wrapper["dir"]) == ("de", "ltr")  # REN-09
    assert "<title>Der kurze Weg zum Nachbarhaus</title>" in document.replace("\u00a0", " ")
    tables = re.findall(r"<table[^>]*>", document)
    assert len(tables) > 20
    assert all('role="presentation"' in table for table in tables)  # REN-10: also inside conditional comments
    headings = [tag for tag, _ in page.tags if re.fullmatch(r"h\d", tag)]
    assert headings == ["h1", "h2", "h2", "h2"]  # REN-12
    assert page.words.startswith("Ein Gespräch am Gartenzaun ersetzt drei Rundschreiben.")  # REN-13
    assert all(attrs.get("alt") is not None for tag, attrs in page.tags if tag == "img")
    assert not {tag for tag, _ in page.tags} & {"script", "form", "iframe", "object", "link"}  # REN-14
    assert document.index("https://om.example/u/abc") < 90_000  # REN-01, UNS-14
    assert len(document.encode()) < 60_000


def test_running_text_has_its_look_without_style(given: Given, values: dict[str, str]) -> None:
    document = show_html(built(given), values)
    bare = re.sub(r"<style.*?</style>", "", document, flags=re.DOTALL)
    assert re.search(r'<a href="https://haus\.example/wegweiser[^"]*" style="color: ?#0b5d5e', bare)
    assert re.search(r'<p style="margin: ?0[^"]*">im Betrieb', bare)
    assert document.count("<style") >= 3  # the rules of the head stay there
    assert "data-css-inline" not in document


def test_home_leads_and_om_stands_beside(given: Given, values: dict[str, str]) -> None:
    home, om = (Page(show_html(built(given, sender=sender), values)).words for sender in ("home", "om"))
    assert home.index("Handwerkskammer Lindenau") < home.index("gemeinsam in der")
    assert "Absender: Offensive Mittelstand und Handwerkskammer Lindenau" in home  # LAW-16
    assert "Rike Ahlers" in home
    assert "gemeinsam in der" not in om
    assert "Reihe Gute Nachbarn" in om
    assert "Rike Ahlers" not in om
    for text in (home, om):
        assert "Verein Beispiel, Gartenweg 2, 50667 Köln" in text  # LAW-15
        assert "weil Ihr Haus, Handwerkskammer Lindenau, Partner der Offensive Mittelstand ist" in text


def test_english_words_around_an_english_letter(given: Given, values: dict[str, str]) -> None:
    edition = built(given, language="en")
    assert "What you can say" in show_html(edition, values)
    assert "Unsubscribe: https://om.example/u/abc" in show_text(edition, values)
    assert '<html lang="en"' in show_html(edition, values)


ACTION = (
    '+++\nsubject = "Ein Thema"\npreheader = "Ein Satz, der neugierig genug macht."\nideas = ["Kooperieren in der Region"]\n{}\n+++\nText\n'
)


@pytest.mark.parametrize("how", ["reply", "answer", "antworten"])
def test_fwd_09_an_answer_is_a_prepared_mail_and_says_that_replying_is_enough(given: Given, values: dict[str, str], how: str) -> None:
    """FWD-09: a mail address with a subject and nothing else, far below what browsers and mail programs cut off."""
    source = ACTION.format(f'Handlungsaufruf = {{ text = "Zwei Häuser nennen", wie = "{how}" }}')
    edition = built(given, source)
    link = next(link for link in Page(show_html(edition, values)).links if "subject=" in link)
    assert link == "mailto:r.ahlers@hwk-lindenau.example?subject=Zwei%20H%C3%A4user%20nennen"
    assert len(link) < 1_900
    assert "antworten Sie einfach auf diese E-Mail" in show_html(edition, values)
    assert "Antworten Sie einfach auf diese E-Mail" in show_text(edition, values)


def test_an_offline_step_is_no_link(given: Given, values: dict[str, str]) -> None:
    edition = built(given, ACTION.format('call_to_action = { text = "Einen Nebensatz notieren", how = "offline" }'))
    page = Page(show_html(edition, values))
    assert "Ihr nächster Schritt Einen Nebensatz notieren" in page.words
    assert "Ihr nächster Schritt: Einen Nebensatz notieren" in show_text(edition, values)


def test_slots_in_the_head(given: Given, values: dict[str, str]) -> None:
    head = HEAD.replace("Der kurze Weg", "{{ contact.full_name|upper }}: der kurze Weg").replace(
        "https://haus.example/finden", "{{ links.web }}"
    )
    edition = built(given, letter("Text", head))
    assert show_subject(edition, values) == "ÖMER WEISS: der kurze Weg zum Nachbarhaus"
    assert {hole.landing for hole in edition.subject.holes} == {Landing.header}
    assert 'href="https://om.example/w/abc?a=1&amp;b=2"' in show_html(edition, values)


NASTY = st.sampled_from(
    [
        "**fett** [x](javascript:alert(1))",
        "<script>alert(1)</script>",
        '" onclick="alert(1)',
        "</mj-text><mj-raw><script>",
        "{{ 7*7 }}",
        "{% if x %}",
        "# Titel\n- Liste",
        "&lt;b&gt;",
        "::: say",
        "<!-- x",
    ]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None)
@always(NASTY, NASTY)
def test_sec_05_names_inject_neither_markdown_nor_html(given: Given, values: dict[str, str], house: str, person: str) -> None:
    org = {**given().context["org"], "name": house}
    plain = built(given, sender="home")
    edition = built(given, org=org, house_contact={"name": person.replace("\n", " "), "email": "a@b.example"}, sender="home")
    filled = {**values, "contact.full_name": person.replace("\n", " ")}
    page, expected = Page(show_html(edition, filled)), Page(show_html(plain, values))
    assert [tag for tag, _ in page.tags] == [tag for tag, _ in expected.tags]
    assert " ".join(house.split()) in page.words
    assert " ".join(person.split()) in " ".join(show_text(edition, filled).split())


def test_the_id_needs_no_building_and_follows_every_input(given: Given, context: dict[str, Any]) -> None:
    base = given()
    assert make_edition(base).id == make_edition_id(base)
    assert make_edition_id(given()) == make_edition_id(base)
    changed = [
        given(LETTER + "!"),
        given(brand="hwk-westerfurt"),
        given(language="en"),
        given(org={**context["org"], "name": "Anders"}),
        given(files={"blocks/say.mjml": base.files["blocks/say.mjml"] + " "}),
        given(files={"brands/om.toml": base.files["brands/om.toml"] + "\n"}),
    ]
    assert len({make_edition_id(each) for each in [base, *changed]}) == 7
    untouched = [given(files={"campaigns/nachbarn/n2.de.md": "x"}), given(files={"brands/hwk-westerfurt.toml": "broken"})]
    assert {make_edition_id(each) for each in untouched} == {make_edition_id(base)}
    broken = given("no head at all")
    assert make_edition_id(broken) != make_edition_id(base)


def test_an_edition_survives_its_bytes(given: Given) -> None:
    edition = built(given, letter("Hallo {{ contact.first_name|default('Sie')|truncate(9) }}"))
    data = edition.to_bytes()
    assert Edition.from_bytes(data) == edition
    assert built(given, letter("Hallo {{ contact.first_name|default('Sie')|truncate(9) }}")).to_bytes() == data
    assert len(data) < 8_000
    with pytest.raises(ValueError, match="no edition"):
        Edition.from_bytes(data[:-9])


def test_a_missing_value_is_named_with_all_others(given: Given, values: dict[str, str]) -> None:
    edition = built(given, letter("{{ contact.full_name }} {{ contact.first_name|default('Sie') }} {{ pack.ack_code }}"))
    assert edition.needed == {
        "contact.full_name",
        "contact.masked_email",
        "contact.reason",
        "links.web",
        "links.preferences",
        "links.unsubscribe",
        "pack.ack_code",
    }
    del values["pack.ack_code"]
    values["contact.full_name"] = ""
    with pytest.raises(MissingValueError) as caught:
        fill(edition, values)
    assert caught.value.paths == ("contact.full_name", "pack.ack_code")


@pytest.mark.parametrize("value", ["a\nb", "a\rBcc: x", "a\u2028b", "a\x00", "a\u202eb"])
def test_sec_01_control_characters_never_reach_a_mail(given: Given, values: dict[str, str], value: str) -> None:
    with pytest.raises(InputError, match=r"contact\.full_name"):
        fill(built(given), {**values, "contact.full_name": value})


@pytest.mark.parametrize("value", ["javascript:alert(1)", "/u/abc", "https://a b"])
def test_sec_07_links_are_addresses(given: Given, values: dict[str, str], value: str) -> None:
    with pytest.raises(InputError, match=r"links\.web"):
        fill(built(given), {**values, "links.web": value})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("Eins\n\nHallo {{ contact.ful_name }}", "n1.de.md:9:7: there is no 'contact.ful_name'; did you mean 'contact.full_name'?"),
        ("Eins\n\n\n{{ org.name }} {{ toolkit.name }}", "n1.de.md:10:16: 'None' has no attribute 'name'"),
        ("{% if contact.first_name %}a{% endif %}", "n1.de.md:7:1:"),
        ("a\n{% if org.name %}b", "n1.de.md:8:1: '{% if %}' is never ended; add '{% endif %}'"),
        ("a\n\n{% endfor %}", "n1.de.md:9:1: '{% endfor %}' has no beginning here"),
        ("::: say\n{% if org.name %}\na\n:::\nb\n\n{% endif %}", "must end in the same block"),
        ("a\n\n{{ org.name | nope }}", "n1.de.md:9:1: No filter named 'nope'"),
        ("[x]({{ org.slug }}:{{ org.name }})", "no web or mail address"),
        ("::: nobody\na\n:::", "there is no file 'blocks/nobody.mjml'"),
    ],
)
def test_faults_say_file_line_and_column(given: Given, body: str, said: str) -> None:
    org = {**given().context["org"], "slug": "javascript"} if "slug" in body else given().context["org"]
    assert said in problems(given, letter(body), org=org)


def test_faults_in_the_head_of_a_step_and_in_layouts(given: Given) -> None:
    assert "n1.de.md:2:12: 'dict object' has no attribute 'nam'" in problems(given, LETTER.replace("Der kurze", "{{ org.nam }}"))
    assert "n1.de.md:6:11: there is no layout 'layouts/fancy.mjml'" in problems(
        given, LETTER.replace("\n+++\nGuten", '\nlayout = "fancy"\n+++\nGuten')
    )
    broken = given().files["blocks/say.mjml"].replace("</mj-column>", "</mj-colum>")
    assert "blocks/say.mjml:4: </mj-colum> stands where <mj-column>, opened at blocks/say.mjml:1" in problems(
        given, files={"blocks/say.mjml": broken}
    )
    assert "blocks/say.mjml:1: there is no <mj-secton>; did you mean 'mj-section'?" in problems(
        given, files={"blocks/say.mjml": "<mj-secton><mj-column></mj-column></mj-secton>"}
    )
    styled = '<mj-section><mj-column><mj-text><p style="color:{{ contact.role }}">x</p></mj-text></mj-column></mj-section>'
    assert "'contact.role' stands inside style=" in problems(given, files={"blocks/say.mjml": styled})
    lost = "<mj-section><mj-column><!-- {{ contact.role }} --><mj-text>x</mj-text></mj-column></mj-section>"
    assert "contact.role" in problems(given, files={"blocks/say.mjml": lost})
    undefined = "\n\n{{ nothing }}"
    assert "blocks/say.mjml:3: 'nothing' is undefined" in problems(given, files={"blocks/say.mjml": undefined})


def test_data_cannot_hold_a_mark(given: Given, context: dict[str, Any]) -> None:
    assert "reserved word" in problems(given, org={**context["org"], "name": "Zq7s00000q7Z"})


def test_a_letter_that_is_too_long_can_be_made(given: Given) -> None:
    """The check refuses it (REN-01); what was published all the same is sent and not held back in silence."""
    assert built(given, letter("\n\n".join(["Wort " * 900] * 25))).html_bytes > MAX_HTML


def test_loops_make_one_list(given: Given, values: dict[str, str]) -> None:
    body = "Hier:\n\n{% for kit in toolkits %}\n- {{ kit.name }}\n{% endfor %}\n\nEnde"
    edition = built(given, letter(body), toolkits=[{"name": "Eins"}, {"name": "Zwei"}])
    page = Page(show_html(edition, values))
    assert [tag for tag, _ in page.tags if tag in ("ul", "li")] == ["ul", "li", "li"]
    assert "- Eins\n- Zwei\n\nEnde" in show_text(edition, values)


@pytest.mark.parametrize(
    ("source", "file", "said"),
    [
        ("<mjml><mj-body><mj-text>x</mj-text></mj-body></mjml>", 1, "<mj-text> cannot stand inside <mj-body>"),
        (
            "<mjml><mj-body>\n<mj-section><mj-column></mj-section></mj-column>\n</mj-body></mjml>",
            2,
            "</mj-section> stands where <mj-column>",
        ),
        ("<mjml><mj-body><mj-section>\n<p>x</p></mj-section></mj-body></mjml>", 2, "<p> must stand inside <mj-text>"),
        ("<mjml><mj-body><mj-raw>\n<script>x</script></mj-raw></mj-body></mjml>", 2, "<script> cannot be in a mail"),
        ("<mjml><mj-head><mj-include path='x'/></mj-head></mjml>", 1, "there is no <mj-include>"),
        ("<mjml>\n<mj-body>", 2, "is never closed"),
    ],
)
def test_mjml_is_read_strictly(source: str, file: int, said: str) -> None:
    found = check_mjml(mark_positions("layouts/x.mjml", source), "layouts/x.mjml")
    assert any(problem.line == file and said in problem.text for problem in found), found


def test_inline_rules_are_inlined_and_nothing_else_changes() -> None:
    source = '<mjml><mj-head><mj-style inline="inline">.a p { color: #123456; }</mj-style><mj-style>.b { color: red; }</mj-style></mj-head>'
    source += '<mj-body><mj-section><mj-column><mj-text css-class="a"><p>x</p></mj-text></mj-column></mj-section></mj-body></mjml>'
    document = make_html(source, "x")
    assert '<p style="color: #123456;">x</p>' in document
    assert ".b { color: red; }" in document
    assert ".a p" not in document


def test_german_and_english_keys_are_equal() -> None:
    german = """+++
Betreff = "a"
Vorspann = "b"
Gedanken = ["Wir-Möglichkeiten nutzen"]
Themen = ["health"]
Handlungsaufruf = { text = "c", wie = "verweis", ziel = "https://x.example" }
Hilfen = ["BZ"]
Vorlage = "letter"
Frist = "14d"
+++
Text
"""
    english = """+++
subject = "a"
preheader = "b"
ideas = ["we_opportunities"]
topics = ["health"]
call_to_action = { text = "c", how = "link", target = "https://x.example" }
toolkits = ["BZ"]
layout = "letter"
due = "14d"
+++
Text
"""
    one, other = (dataclasses.replace(read_step(source, "x"), places={}) for source in (german, english))
    assert one == other
    assert one.due_days == 14


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ('subjekt = "x"', "x:2:12: unknown key 'subjekt'; did you mean 'subject'?"),
        ('subject = "x"\nBetreff = "y"', "x:3:12: 'Betreff' stands there twice"),
        ("subject = 3", "must be a text"),
        ('subject = "x', "x:2:"),
        ("ideas = []", "at least one OM idea"),
        ('ideas = ["Kooperation"]', "is no OM idea"),
        ('call_to_action = "Los"', "every step names one thing to do"),
        ('call_to_action = { text = "x", how = "phone" }', "x:2:39: how = 'phone'"),
        ('call_to_action = { text = "x", how = "link" }', "needs a 'target'"),
        ('call_to_action = { text = "x", how = "link", target = "http://x.example" }', "begins with https://"),
        ('due = "soon"', 'write "14d"'),
    ],
)
def test_heads_are_read_strictly(head: str, said: str) -> None:
    _, found = parse_step(f"+++\n{head}\n+++\nText", "x")
    assert any(said in str(problem) for problem in found), found


def test_check_tells_everything_at_once(given: Given) -> None:
    source = """+++
subject = "AW: Neues"
preheader = "kurz"
ideas = ["shared_standards"]
call_to_action = { text = "x", how = "offline" }
+++
{% if org.level == "never" %}
{{ contact.fulname }} und {% if contact.role %}x{% endif %}
{% endif %}

[https://bank.example](https://evil.example) und [x](http://offen.example)

::: nobody
y
:::
"""
    made = given(source)
    found = [str(problem) for problem in check_step(made.files, made.step_path, "offers_say_do")]
    for said in (
        "n1.de.md:2:12: a subject must not look like an answer",
        "n1.de.md:3:14: the preheader has 4 characters",
        "n1.de.md:8:1: there is no 'contact.fulname'",
        "n1.de.md:8:27: 'contact.role' differs per recipient",
        "the text shows 'bank.example' but the link goes to 'evil.example' [REN-16]",
        "'http://offen.example' is not encrypted",
        "n1.de.md:13:1: there is no block 'nobody'; known are action, do, note, offers, say",
        "asks for the blocks ::: offers, ::: say, ::: do [R18]",
    ):
        assert any(said in problem for problem in found), (said, found)
    assert check_step(given().files, given().step_path, "offers_say_do") == []


@pytest.mark.parametrize("written", ["<b>Ziel</b>", "<script>alert(1)</script>", "<!-- intern -->", "<br/>"])
def test_sec_05_html_in_a_text_is_told_with_its_place(given: Given, written: str) -> None:
    made = given(HEAD + f"Guten Tag,\n\nein {written} mehr.\n")
    problem = check_step(made.files, made.step_path)[0]
    assert (problem.rule_id, problem.line, problem.column) == ("SEC-05", 9, 5)


def test_what_only_looks_like_html_is_text(given: Given) -> None:
    body = "Drei < vier, `<b>`, <https://haus.example>, <post@haus.example>, {% if region.partner_count < 3 %}wenige{% endif %} > 2.\n"
    made = given(HEAD + body)
    assert check_step(made.files, made.step_path) == []


def test_the_looks_that_come_along_are_sound(look_files: dict[str, str]) -> None:
    assert check_looks(look_files) == []
    broken = {**look_files, "blocks/x.mjml": "a\n{% if contact.role %}b{% endif %}{{ tilte }}"}
    assert [str(problem)[:16] for problem in check_looks(broken)] == ["blocks/x.mjml:2:"] * 2


def test_check_also_reads_texts_that_belong_to_no_campaign(look_files: dict[str, str]) -> None:
    texts = {
        "content/note.de.md": "Gut.\n\n{{ org.nmae }}\n",
        "content/cover.de.md": "+++\nsubject = 1\n+++\n",
        "lager/x.de.md": "{% if %}",
    }
    found = {problem.file for problem in check_looks(look_files | texts)}
    assert found == set(texts)


def test_the_language_stands_in_the_name() -> None:
    assert [language_of(path) for path in ("a/a1.de.md", "a/a1.few.en.md", "a/a1.md")] == ["de", "en", "de"]


def test_an_edition_is_made_in_milliseconds(given: Given, context: dict[str, Any]) -> None:
    """Some 15 ms: less than Python takes to count to a million on the same machine (about 60 ms), whatever machine that is."""
    make_edition(given())
    begin = time.process_time()
    for number in range(10):
        make_edition(given(org={**context["org"], "name": f"Haus {number}"}))
    made = time.process_time()
    for _ in range(10_000_000):
        pass
    assert made - begin < time.process_time() - made
