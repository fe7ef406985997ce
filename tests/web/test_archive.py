"""The archive and its feeds: what was sent, for everybody, without a trace of anybody (FWD-04, FWD-13, SEC-24)."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from datetime import datetime
from email.message import EmailMessage
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx2 as httpx
import pytest

from om_campaigns.compose.links import holds_token
from tests.cli.shell import om
from tests.journeys.workspace import Workspace, house, local, person
from tests.web.conftest import Open, axe, html_faults, overflow, picture
from tests.web.postbox import letters

pytestmark = pytest.mark.slow

TEXT = """{{ contact.greeting }},

in **{{ region.name }}** sind {{ region.partner_count }} Häuser dabei. {{ org.name }} auch, {{ contact.full_name }}, wissen Sie.

Und `<b>niemand</b>` ist allein.

::: offers {#offers locked}
Ein kurzer Draht.
:::

::: say {#say editable}
„Ich frage eben nach.“
:::

::: do {#do editable}
Rufen Sie **eine** Person an. [Wegweiser](https://haus.example/weg)
:::
"""
TOOLKITS = (
    "code;name;name_en;url;version;released_on;status\n"
    "BZ;Check Betrieb & Zukunft;Check Business & Future;https://hilfen.example/bz;2.0;2024-11-05;current\n"
)
ATOM = "{http://www.w3.org/2005/Atom}"


@pytest.fixture
def sent(workspace: Workspace) -> Workspace:
    """Two steps that left, one that did not, and a campaign that is not for everybody."""
    workspace.take(toolkits=TOOLKITS)
    workspace.text("reihe", "a1.de", TEXT, head='topics = ["health"]\ntoolkits = ["BZ"]')
    workspace.campaign("intern", "i1 day = 0", head='public = false\nmailing_list = "monatsbrief"')
    workspace.freeze()  # HTML in a text is a fault of the check (MSG-11)
    workspace.walk(local("2027-01-21"))
    assert {(each.campaign, each.step) for each in workspace.ledger(status="sent")} >= {("reihe", "a1"), ("intern", "i1")}
    return workspace


def test_fwd_04_the_neutral_version_of_a_letter_can_be_read_by_everybody(sent: Workspace, client: httpx.Client) -> None:
    page = client.get("/archiv/wir-gedanke")
    assert page.headers["x-robots-tag"] == "all"
    assert "reihe a1.de" in page.text
    letter = client.get("/archiv/wir-gedanke/reihe/a1").text
    assert "Guten Tag," in letter
    assert "in <strong>Deutschland</strong> sind 2 Häuser dabei. Ihr Haus auch, wissen Sie" in letter
    for block in ("offers", "say", "do", "action"):
        assert f'<section class="{block}">' in letter
    assert "&lt;b&gt;niemand&lt;/b&gt;" in letter  # SEC-05
    assert 'href="https://haus.example/weg"' in letter


def web_path(mail: EmailMessage) -> str:
    """Where "read in the browser" leads, the same in both parts of a mail (MSG-11)."""
    text, html = (mail.get_body((kind,)).get_content() for kind in ("plain", "html"))  # type: ignore[union-attr]
    [path] = set(re.findall(r"https?://[^\s/]+(/archiv/[\w/-]+)", text))
    assert {path} == set(re.findall(r'href="https?://[^"/]+(/archiv/[^"]+)"', html))
    return str(path)


@pytest.mark.usefixtures("database")
def test_fwd_04_read_in_the_browser_opens_the_letter_itself_the_same_for_all(sent: Workspace, client: httpx.Client) -> None:
    """Every mail of a step has the same address without a token, and it opens that letter; the list where it is not public."""
    found: dict[str, set[str]] = {}
    for mail in letters(sent):
        found.setdefault(str(mail["Subject"]), set()).add(web_path(mail))
    assert found == {
        "reihe a1.de": {"/archiv/wir-gedanke/reihe/a1"},
        "reihe a2.de": {"/archiv/wir-gedanke/reihe/a2"},
        "intern i1.de": {"/archiv/monatsbrief"},
    }
    assert not any(holds_token(path) for paths in found.values() for path in paths)
    for subject, (path,) in ((subject, paths) for subject, paths in found.items() if subject.startswith("reihe")):
        page = client.get(path)
        assert (page.status_code, f"<h1>{subject}</h1>" in page.text) == (200, True)
    assert client.get("/archiv/monatsbrief").status_code == 200


def test_fwd_04_a_letter_that_is_not_there_leads_to_the_others_of_its_list(sent: Workspace, client: httpx.Client) -> None:
    """Its step may have been taken out of the archive since the letter left."""
    sent.now = local("2027-01-22")
    (sent.folder / "templates/campaigns/reihe/a1.de.md").unlink()
    sent.campaign("reihe", "a2 day = 7", "a3 day = 14")
    sent.publish()
    page = client.get("/archiv/wir-gedanke/reihe/a1")
    assert (page.status_code, page.headers["x-robots-tag"]) == (404, "noindex, nofollow")
    assert "steht nicht hier" in page.text
    assert "reihe a2.de" in page.text


def test_sec_24_nothing_of_anybody_stands_there(sent: Workspace, client: httpx.Client) -> None:
    for path in ("/archiv", "/archiv/wir-gedanke", "/archiv/wir-gedanke/reihe/a1", "/feeds/wir-gedanke.atom", "/feeds/haus/hwk-tal.json"):
        answer = client.get(path)
        assert answer.status_code == 200, path
        for word in ("Jörg", "Mira", "joerg@", "mira@", "K7M"):
            assert word not in answer.text, path
        assert not any(holds_token(url) for url in re.findall(r'href="([^"]+)"', answer.text))
        assert "set-cookie" not in answer.headers


def test_what_is_not_public_or_not_sent_is_not_there(sent: Workspace, client: httpx.Client) -> None:
    assert "i1" not in client.get("/archiv").text
    for path in (
        "/archiv/monatsbrief/intern/i1",
        "/archiv/monatsbrief/intern",
        "/archiv/wir-gedanke/reihe/a3",
        "/archiv/gibt-es-nicht",
        "/archiv/gedanke/kein-gedanke",
        "/archiv/hilfe/XX",
        "/feeds/gibt-es-nicht.rss",
        "/feeds/haus/gibt-es-nicht.rss",
        "/feeds/wir-gedanke.exe",
    ):
        assert client.get(path).status_code == 404, path


def test_it_is_found_by_idea_campaign_and_words(sent: Workspace, client: httpx.Client) -> None:
    assert "reihe a1.de" in client.get("/archiv/gedanke/we_opportunities").text
    assert "reihe a1.de" not in client.get("/archiv/gedanke/support_quality").text
    assert "reihe a2.de" in client.get("/archiv/wir-gedanke/reihe").text
    assert "reihe a1.de" in client.get("/archiv?suche=kurzer+DRAHT").text
    assert "reihe a2.de" not in client.get("/archiv?suche=kurzer+DRAHT").text
    answer = client.get('/archiv?suche="><script>')
    assert "<script" not in answer.text
    assert "Dazu gibt es noch keinen Brief" in answer.text


def test_a_search_that_is_too_long_is_told_so_at_its_field(sent: Workspace, client: httpx.Client, tmp_path: Path) -> None:
    assert client.get("/archiv?suche=" + "x" * 100).status_code == 200
    pages = {}
    for path in ("/archiv", "/archiv/wir-gedanke"):
        answer = client.get(f"{path}?suche=" + "x" * 101)
        assert answer.status_code == 422, path
        assert "höchstens 100 Zeichen" in answer.text
        assert "Dazu gibt es noch keinen Brief" not in answer.text
        pages[path.rpartition("/")[2]] = answer.text
    assert html_faults(pages, tmp_path) == []


def test_a_page_that_may_be_kept_is_kept_for_each_language(sent: Workspace, client: httpx.Client) -> None:
    """What lies between us and the reader must not show an English reader the German page that somebody asked for before."""
    for path in ("/archiv", "/archiv/wir-gedanke/reihe/a1", "/impressum", "/feeds/wir-gedanke.atom"):
        answer = client.get(path)
        assert answer.headers["cache-control"].startswith("public"), path
        assert "Accept-Language" in answer.headers["vary"], path


@pytest.mark.parametrize(
    ("lang", "aid", "by"), [("de", "Check Betrieb &amp; Zukunft", "Nach Hilfe"), ("en", "Check Business &amp; Future", "By aid")]
)
def test_a_toolkit_is_a_way_in(sent: Workspace, client: httpx.Client, lang: str, aid: str, by: str) -> None:
    """From the list of everything by one click to the letters about one aid, and from a letter to its others."""
    more = f"?lang={lang}"
    page = client.get(f"/archiv{more}").text
    assert f'<a href="/archiv/hilfe/BZ{more}">{aid}</a>' in page.partition(f"<h2>{by}</h2>")[2]
    found = client.get(f"/archiv/hilfe/BZ{more}").text
    assert f"<h1>{aid}</h1>" in found
    assert "reihe a1.de" in found
    assert "reihe a2.de" not in found
    assert aid in client.get(f"/archiv/wir-gedanke/reihe/a1{more}").text
    assert by not in client.get(f"/archiv/gedanke/we_opportunities{more}").text


def test_fwd_13_feeds_keep_their_ids_and_change_only_with_their_content(sent: Workspace, client: httpx.Client) -> None:
    first = client.get("/feeds/wir-gedanke.atom")
    assert first.headers["content-type"] == "application/atom+xml"
    entries = ElementTree.fromstring(first.content).findall(f"{ATOM}entry")
    assert [each.findtext(f"{ATOM}id") for each in entries] == [
        "tag:reihen.om-mail.example,2026:reihe/a2",
        "tag:reihen.om-mail.example,2026:reihe/a1",
    ]
    assert client.get("/feeds/wir-gedanke.atom", headers={"if-none-match": first.headers["etag"]}).status_code == 304
    before = {each.findtext(f"{ATOM}id"): each.findtext(f"{ATOM}updated") for each in entries}
    sent.now = local("2027-01-22")
    sent.text("reihe", "a2.de", "Guten Tag,\n\nein anderer Schritt.")
    sent.publish()
    again = client.get("/feeds/wir-gedanke.atom", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 200
    after = {
        each.findtext(f"{ATOM}id"): each.findtext(f"{ATOM}updated")
        for each in ElementTree.fromstring(again.content).findall(f"{ATOM}entry")
    }
    assert [name for name, at in after.items() if at != before[name]] == ["tag:reihen.om-mail.example,2026:reihe/a2"]


def test_fwd_13_every_form_holds_the_same_with_absolute_addresses(sent: Workspace, client: httpx.Client) -> None:
    rss = ElementTree.fromstring(client.get("/feeds/wir-gedanke.rss").content)
    feed = client.get("/feeds/wir-gedanke.json").json()
    titles = [item["title"] for item in feed["items"]]
    assert [each.findtext("title") for each in rss.iter("item")] == titles == ["reihe a2.de", "reihe a1.de"]
    assert all(item["url"].startswith("https://") for item in feed["items"])
    assert all(str(each.findtext("link")).startswith("https://") for each in rss.iter("item"))
    assert "health" in feed["items"][1]["tags"]


def test_fwd_13_a_feed_is_as_new_as_its_newest_entry(sent: Workspace, client: httpx.Client) -> None:
    """A step leaves weeks after its text was published; readers of feeds ask the date of the whole first."""
    feed = ElementTree.fromstring(client.get("/feeds/wir-gedanke.atom").content)
    newest = max(str(each.findtext(f"{ATOM}updated")) for each in feed.findall(f"{ATOM}entry"))
    assert feed.findtext(f"{ATOM}updated") == newest
    assert newest.startswith("2027-01-1")
    built = str(ElementTree.fromstring(client.get("/feeds/wir-gedanke.rss").content).findtext("channel/lastBuildDate"))
    assert parsedate_to_datetime(built) == datetime.fromisoformat(newest)


def test_fwd_13_an_english_feed_stays_english_and_names_the_language_of_each_entry(sent: Workspace, client: httpx.Client) -> None:
    feed = ElementTree.fromstring(client.get("/feeds/wir-gedanke.atom?lang=en").content)
    ours = [each.get("href", "") for each in feed.iter(f"{ATOM}link")]
    assert len(ours) == 4
    assert all(each.endswith("?lang=en") for each in ours)
    language = "{http://www.w3.org/XML/1998/namespace}lang"
    assert feed.get(language) == "en"
    assert [each.get(language) for each in feed.findall(f"{ATOM}entry")] == ["de", "de"]
    shown = client.get("/feeds/wir-gedanke.json?lang=en").json()
    assert shown["feed_url"].endswith("/feeds/wir-gedanke.json?lang=en")
    assert all(item["url"].endswith("?lang=en") for item in shown["items"])
    assert "lang=" not in client.get("/feeds/wir-gedanke.json").text


@pytest.mark.usefixtures("database")
def test_what_must_not_stay_in_the_archive_leaves_it_after_its_campaign_was_stopped(sent: Workspace, client: httpx.Client) -> None:
    """A mistake is seen afterwards. Publishing sends nothing of a stopped campaign, and keeps no other from being published."""
    assert om(sent.folder, "campaign", "stop", "reihe", "--yes").code == 0
    sent.text("reihe", "a1.de", TEXT.replace("Ein kurzer Draht.", "Ein langer Draht."))
    assert om(sent.folder, "campaign", "publish").code == 0
    assert "Ein langer Draht." in client.get("/archiv/wir-gedanke/reihe/a1").text
    campaign = sent.folder / "templates/campaigns/reihe/campaign.toml"
    campaign.write_text(f"public = false\n{campaign.read_text()}")
    before = sent.dump()
    said = om(sent.folder, "campaign", "publish", "reihe")
    assert (said.code, "stopped for good" in said.out, "nothing of it is sent" in said.out) == (0, True, True)
    assert client.get("/archiv/wir-gedanke/reihe/a1").status_code == 404
    sent.tick()
    after = sent.dump()
    assert all(after[table] == before[table] for table in ("dispatch", "message", "enrolment"))
    assert sent.ask("SELECT status FROM campaign WHERE name = 'reihe'") == [("stopped",)]


def test_fwd_13_what_was_sent_stays_in_archive_and_feeds_when_its_campaign_is_stopped(sent: Workspace, client: httpx.Client) -> None:
    paths = ("/archiv/wir-gedanke/reihe/a1", "/archiv", "/feeds/wir-gedanke.atom", "/feeds/haus/hwk-tal.json")
    before = [client.get(path).text for path in paths]
    assert om(sent.folder, "campaign", "stop", "reihe", "--yes").code == 0
    assert [client.get(path).text for path in paths] == before


def test_wcag_3_1_2_german_words_on_an_english_page_say_that_they_are_german(sent: Workspace, client: httpx.Client, visit: Open) -> None:
    """A letter without a translation, the title of its campaign; and nothing is marked where the languages agree."""
    for path in ("/archiv", "/archiv/wir-gedanke/reihe", "/archiv/wir-gedanke/reihe/a1"):
        assert 'lang="de"' not in client.get(f"{path}?lang=de").text.partition("<main")[2].partition("</main>")[0], path
    page = visit("/archiv/wir-gedanke/reihe/a1?lang=en")
    told = "node => node.closest('[lang]').lang"
    assert page.eval_on_selector("h1", told) == page.eval_on_selector(".letter p", told) == "de"
    assert page.eval_on_selector(".eyebrow span", told) == "de"
    assert page.eval_on_selector(".letter .say h2", "node => node.textContent") == "Was Sie sagen können", (
        "all of a letter is in its language"
    )
    assert page.eval_on_selector("p.after", told) == "en"
    page = visit("/archiv?lang=en")
    assert page.eval_on_selector("h1", told) == "en"
    assert page.eval_on_selector(".items h2", told) == page.eval_on_selector(".items h2 + p", told) == "de"
    assert visit("/archiv/wir-gedanke/reihe?lang=en").eval_on_selector("h1", told) == "de"
    assert client.get("/feeds/wir-gedanke.json?lang=en").json()["items"][0]["language"] == "de"
    assert '<li lang="de"' in client.get("/feeds/wir-gedanke.html?lang=en").text


def test_wcag_3_1_2_a_translated_letter_is_read_in_its_own_language(sent: Workspace, client: httpx.Client) -> None:
    sent.now = local("2027-01-22")
    sent.text("reihe", "a1.en", "Hello,\n\nanother step.")
    sent.publish()
    page = client.get("/archiv/wir-gedanke/reihe/a1?lang=en").text
    assert "<h1>reihe a1.en</h1>" in page
    assert '<div class="letter">' in page


def test_a_house_has_a_feed_of_what_reached_it(sent: Workspace, client: httpx.Client) -> None:
    sent.houses(house("neu", "05"))
    sent.people(person("Ida Neu", "neu"))
    assert client.get("/feeds/haus/neu.json").json()["items"] == []
    assert [item["title"] for item in client.get("/feeds/haus/hwk-tal.json").json()["items"]] == ["reihe a2.de", "reihe a1.de"]


def test_fwd_14_the_block_is_ascii_without_scripts(sent: Workspace, client: httpx.Client) -> None:
    block = client.get("/feeds/wir-gedanke.html")
    assert block.content.isascii()
    assert b"<script" not in block.content
    assert b"<style" not in block.content
    assert block.text.count("<li") == 2


@pytest.mark.parametrize("lang", ["de", "en"])
def test_ren_19_the_pages_are_sound(sent: Workspace, client: httpx.Client, visit: Open, lang: str, tmp_path: Path) -> None:
    paths = {
        "all": "/archiv",
        "list": "/archiv/wir-gedanke",
        "letter": "/archiv/wir-gedanke/reihe/a1",
        "none": "/archiv?suche=zzz",
        "home": "/",
    }
    for name, path in paths.items():
        for width, dark in ((1280, False), (360, False), (320, True)):
            page = visit(f"{path}{'&' if '?' in path else '?'}lang={lang}", width=width, dark=dark)
            assert axe(page) == [], name
            assert overflow(page) <= 0
            picture(page, f"archive-{name}-{width}-{lang}")
    folder = tmp_path / "html"
    folder.mkdir()
    assert (
        html_faults({name: client.get(f"{path}{'&' if '?' in path else '?'}lang={lang}").text for name, path in paths.items()}, folder)
        == []
    )


@pytest.mark.parametrize("scripts", [True, False])
def test_ren_19_a_person_searches_and_reads_by_keyboard(sent: Workspace, visit: Open, scripts: bool) -> None:
    page = visit("/archiv", width=360, scripts=scripts)
    page.focus("#suche")
    page.keyboard.type("kurzer draht")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="reihe a1.de").press("Enter")
    page.wait_for_selector("text=Was Sie sagen können")


def test_counts_are_those_of_now(sent: Workspace, client: httpx.Client) -> None:
    """Kept texts are made anew when what they say of houses has changed."""
    assert "sind 2 Häuser dabei" in client.get("/archiv/wir-gedanke/reihe/a1").text
    assert "sind 2 Häuser dabei" in client.get("/feeds/wir-gedanke.json").text
    sent.houses(house("neu", "05"), house("ganz-neu", "09"))
    assert "sind 4 Häuser dabei" in client.get("/archiv/wir-gedanke/reihe/a1").text
    assert "sind 4 Häuser dabei" in client.get("/feeds/wir-gedanke.json").text


def test_sec_24_a_step_that_cannot_stand_there_is_told_before_and_then(sent: Workspace, client: httpx.Client, capfd: object) -> None:
    sent.text("reihe", "a1.de", "Guten Tag,\n\n[Ihre Einstellungen]({{ links.preferences }}) und mehr.\n")
    said = om(sent.folder, "check", now="2027-01-21T09:00")
    assert said.code == 0  # a warning
    [line] = [each for each in (said.out + said.err).splitlines() if "[SEC-24]" in each]
    assert "a1.de.md:" in line
    assert "missing in the archive" in line
    sent.publish()
    capfd.readouterr()  # type: ignore[attr-defined]
    for _ in range(3):
        assert client.get("/archiv/wir-gedanke/reihe/a1").status_code == 404
    told = "".join(capfd.readouterr())  # type: ignore[attr-defined]
    assert told.count("step.not_archived") == 1  # once, not with every visitor
    sent.campaign("reihe", "a1 day = 0", "a2 day = 7", "a3 day = 14", head="public = false", texts=False)
    assert "SEC-24" not in om(sent.folder, "check", now="2027-01-21T09:00").out


def test_sec_24_of_a_cover_the_archive_shows_what_is_passed_on(workspace: Workspace, client: httpx.Client) -> None:
    """No code and no day of one pack; a step that cannot be without them is left out, and ``check`` says so."""
    cover = "{{ contact.greeting }},\n\nbitte bis zum {{ pack.due_date }} mit {{ pack.ack_code }}."
    workspace.campaign("deckel", "d1 day = 0", "d2 day = 7", texts=False, audience='sender = "om"')
    for step in ("d1", "d2"):
        workspace.text("deckel", f"{step}.de", cover)
        workspace.text("deckel", f"{step}.pack.de", "Guten Tag,\n\nein Gedanke zum Weitergeben.")
    workspace.publish("deckel")
    workspace.walk(local("2027-01-21"))
    page = client.get("/archiv/wir-gedanke/deckel/d1").text
    assert "ein Gedanke zum Weitergeben" in page
    for word in ("K7M", "bis zum", "deckel d1.de<"):
        assert word not in page
