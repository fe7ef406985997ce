"""The look of a letter in a real browser: 360 px, dark, inverted, images off, forwarded bare (REN-05, 07, 08, 18; FWD-05).

Pictures of every condition are written to ``LOOK_PICTURES`` if that names a folder, for people to look at.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from om_campaigns.compose.building import make_edition
from om_campaigns.compose.edition import show_html
from tests.compose.sample_letter import Given

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.slow

BRANDS = ["om", "hwk-westerfurt", "krankenkasse-auental", "beraterverband-klarsee"]

LOOK_LETTER = """+++
subject = "Der kurze Weg zum Nachbarhaus spart drei Rundschreiben"
preheader = "Ein Gespräch am Gartenzaun ersetzt drei Rundschreiben."
ideas = ["regional_cooperation"]
call_to_action = { text = "Gesprächspartner in Ihrer Region finden", how = "HOW", target = "TARGET" }
+++
Guten Tag {{ contact.full_name }},

im Betrieb am Ortsrand fehlen **zwei Gesellen** für die Montage. Wer hilft? Drei Häuser wissen Rat, keines fragt die anderen.

- Die **Kreishandwerkerschaft** kennt die Schulen am Ort.
- Die Arbeitssicherheitsfachkräfteberatungsstelle hilft bei der Einarbeitung.

::: offers {#offers locked}
Namen und Rufnummern in {{ region.name }}, gesammelt von {{ org.name }}.
:::

::: say {#say editable}
"Ich frage eben nach und sage Ihnen bis Donnerstag Bescheid."
:::

::: do {#do}
Rufen Sie **eine** Person an. Mehr steht im [Wegweiser](https://haus.example/wegweiser). Kennwort: `{{ pack.ack_code }}`
:::

## Und danach?

1. Notieren, wer geholfen hat.
2. Zwei Sätze weitererzählen.

> Ein Anruf dauert keine zehn Minuten – und erspart dem Betrieb drei Termine.

| Haus | Wofür |
|---|---|
| Krankenkasse | Gesundheit im Betrieb |
| Kammer | Ausbildung und Meister |
"""

TEXT_COLOURS = """() => {
  const channels = colour => { const p = colour.match(/[\\d.]+/g).map(Number); return p.length > 3 ? p : [...p, 1]; };
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const colour = channels(getComputedStyle(at).backgroundColor);
      if (colour[3] > 0.99) return colour.slice(0, 3);
    }
    return [255, 255, 255];
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.data.trim();
    if (!text || /^●+$/.test(text) || element.closest('[aria-hidden=true]') || !element.getClientRects().length) continue;
    const style = getComputedStyle(element);
    const ink = channels(style.color).slice(0, 3);
    found.push({text: text.slice(0, 40), ink, ground: ground(element), size: parseFloat(style.fontSize)});
  }
  return found;
}"""


def document(given: Given, values: dict[str, str], *, how: str = "link", brand: str = "om", **more: Any) -> str:
    target = "https://haus.example/finden" if how == "link" else ""
    source = LOOK_LETTER.replace("HOW", how).replace("TARGET", target)
    return show_html(make_edition(given(source, brand=brand, **more)), values)


def forwarded(page: str) -> str:
    """As a careless client forwards it: no head, no style, no conditional comments, no classes, inside a quotation."""
    bare = re.sub(r"<!--.*?-->|<style.*?</style>|<head.*?</head>", "", page, flags=re.DOTALL)
    bare = re.sub(r'\s(?:class|lang|dir|role|aria-[a-z]+)="[^"]*"', "", bare)
    body = re.sub(r".*?<body[^>]*>|</body>.*", "", bare, flags=re.DOTALL)
    quote = '<blockquote style="margin:0 0 0 8px;border-left:2px solid #aaa;padding-left:8px">'
    return f"<!doctype html><html><body><p>Bitte lesen. Gruß</p>{quote}{body}</blockquote></body></html>"


def show(
    browser: Browser, page: str, name: str, *, width: int = 760, dark: bool = False, images: bool = True, forced: bool = False
) -> Page:
    for context in browser.contexts:
        context.close()
    scheme: Literal["dark", "light"] = "dark" if dark else "light"
    opened = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme, forced_colors="active" if forced else "none")
    opened.route("**/*", lambda route: route.abort())
    if not images:
        page = re.sub(r'src="https://[^"]*"', 'src="https://nowhere.invalid/x.png"', page)
    opened.set_content(page, wait_until="commit")
    if folder := os.environ.get("LOOK_PICTURES"):
        opened.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
    return opened


def words(page: Page) -> list[str]:
    return re.findall(r"[\wÄÖÜäöüß…@.]+", page.inner_text("body"))


def luminance(colour: list[float]) -> float:
    parts = [value / 255 / 12.92 if value / 255 <= 0.04045 else ((value / 255 + 0.055) / 1.055) ** 2.4 for value in colour]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def faint(page: Page, *, invert: bool = False) -> list[str]:
    """Visible texts with a contrast below 4.5, as the browser computes their colours."""
    found = []
    for seen in page.evaluate(TEXT_COLOURS):
        ink, ground = ([255 - value for value in colour] if invert else colour for colour in (seen["ink"], seen["ground"]))
        high, low = sorted((luminance(ink), luminance(ground)), reverse=True)
        if (high + 0.05) / (low + 0.05) < 4.5:
            found.append(f"{seen['text']}: {ink} on {ground}")
    return found


def overflow(page: Page) -> float:
    return float(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))


@pytest.mark.parametrize("brand", BRANDS)
def test_ren_08_contrast_in_light_dark_and_inverted(browser: Browser, given: Given, values: dict[str, str], brand: str) -> None:
    letter = document(given, values, brand=brand)
    light = show(browser, letter, f"{brand}-light")
    assert faint(light) == []
    assert faint(light, invert=True) == []
    assert min(seen["size"] for seen in light.evaluate(TEXT_COLOURS)) >= 14  # REN-12
    night = show(browser, letter, f"{brand}-dark", dark=True)
    assert faint(night) == []
    assert luminance(night.evaluate(TEXT_COLOURS)[3]["ground"]) < 0.05  # it really is dark


@pytest.mark.parametrize(("brand", "how"), [*((brand, "reply") for brand in BRANDS), ("om", "link"), ("om", "offline")])
def test_no_sideways_scrolling_at_360_and_320_px(browser: Browser, given: Given, values: dict[str, str], brand: str, how: str) -> None:
    letter = document(given, values, brand=brand, how=how)
    page = show(browser, letter, f"{brand}-{how}-360", width=360)
    assert overflow(page) <= 0
    page.set_viewport_size({"width": 320, "height": 900})
    assert overflow(page) <= 0


@pytest.mark.parametrize("width", [760, 360])
def test_fwd_05_nothing_is_lost_when_forwarded_without_head_and_styles(
    browser: Browser, given: Given, values: dict[str, str], width: int
) -> None:
    letter = document(given, values)
    whole = words(show(browser, letter, f"whole-{width}", width=width))
    page = show(browser, forwarded(letter), f"forwarded-{width}", width=width)
    rest = words(page)
    assert [word for word in whole if word not in rest] == []
    assert faint(page) == []
    assert overflow(page) <= 0
    column = page.evaluate("[...document.querySelectorAll('h1, p')].map(e => e.getBoundingClientRect().left)")
    assert max(column[1:]) - min(column[1:]) < 80  # one column


def test_one_button_large_enough_to_touch(browser: Browser, given: Given, values: dict[str, str]) -> None:
    page = show(browser, document(given, values, how="reply"), "button", width=360)
    box = page.locator("a", has_text="Gesprächspartner in Ihrer Region finden").bounding_box()
    assert box is not None
    assert box["height"] >= 44
    links = page.evaluate("[...document.querySelectorAll('a')].map(a => [a.textContent, getComputedStyle(a).textDecorationLine])")
    assert [text for text, line in links if line != "underline"] == ["Gesprächspartner in Ihrer Region finden"]


@pytest.mark.parametrize("dark", [False, True])
def test_ren_18_in_forced_colours_the_button_is_still_a_link_in_a_frame(
    browser: Browser, given: Given, values: dict[str, str], dark: bool
) -> None:
    """Windows takes every ground away; what was a coloured button keeps an outline, and all words can be read."""
    letter = document(given, values)
    whole = words(show(browser, letter, "own-colours"))
    page = show(browser, letter, f"forced-{'dark' if dark else 'light'}", dark=dark, forced=True)
    assert words(page) == whole
    assert faint(page) == []
    button = page.locator("a", has_text="Gesprächspartner in Ihrer Region finden")
    assert button.evaluate("a => getComputedStyle(a).color") != page.locator("h1").evaluate("h => getComputedStyle(h).color")


@pytest.mark.parametrize("width", [760, 360])
def test_ren_06_nothing_hangs_on_what_only_word_reads(browser: Browser, given: Given, values: dict[str, str], width: int) -> None:
    """REN-06: new Outlook is a browser; without the conditional comments of classic Outlook the letter is the same letter."""
    letter = document(given, values)
    assert "<!--[if mso" in letter
    whole = show(browser, letter, "with-mso", width=width).inner_text("body")
    page = show(browser, re.sub(r"<!--\[if.*?<!\[endif\]-->", "", letter, flags=re.DOTALL), f"without-mso-{width}", width=width)
    assert page.inner_text("body") == whole
    assert overflow(page) <= 0


def test_ren_18_w3m_shows_every_word_in_order(browser: Browser, given: Given, values: dict[str, str], tmp_path: Path) -> None:
    """A browser of a terminal, as blind readers and servers' consoles use it: no style, no picture, 80 columns."""
    if shutil.which("w3m") is None:
        pytest.skip("no w3m on this machine: apt-get install w3m")
    letter = document(given, values)
    (tmp_path / "letter.html").write_text(letter, encoding="utf-8")
    command = ["w3m", "-dump", "-cols", "80", "-I", "UTF-8", "-O", "UTF-8", str(tmp_path / "letter.html")]
    shown = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    flat = "".join(re.findall(r"\w+", shown))
    assert [word for word in words(show(browser, letter, "words")) if word.strip(".…@") not in flat and word.isalpha()] == []
    order = [
        flat.index("".join(re.findall(r"\w+", text)))
        for text in ("Der kurze Weg zum Nachbarhaus", "Was die OM bietet", "Gesprächspartner in Ihrer", "Impressum")
    ]
    assert order == sorted(order)
    visible = re.sub("[\u034f\u200a\u200c\u00ad]", "", shown)
    assert max(map(len, visible.splitlines())) <= 80


def test_ren_11_readable_with_images_off(browser: Browser, given: Given, values: dict[str, str]) -> None:
    logo = '[logo]\nurl = "https://hwk.example/logo.png"\nwidth = 180\nheight = 48\nalt = "Handwerkskammer Lindenau"\n'
    files = {"brands/mit-logo.toml": f'format = 1\n[colours]\naccent = "#1f4e8c"\n{logo}'}
    page = show(browser, document(given, values, brand="mit-logo", files=files), "images-off", images=False)
    picture = page.locator("img")
    assert picture.get_attribute("alt") == "Handwerkskammer Lindenau"
    assert (picture.get_attribute("width"), picture.get_attribute("height")) == ("180", "48")
    assert len(words(page)) > 120


def test_a_screen_reader_meets_the_letter_in_order(browser: Browser, given: Given, values: dict[str, str]) -> None:
    page = show(browser, document(given, values), "order")
    headings = page.evaluate(
        "[...document.querySelectorAll('h1,h2,h3')].map(h => h.tagName + ' ' + h.textContent.replace(/\\u00a0/g, ' '))"
    )
    assert headings == [
        "H1 Der kurze Weg zum Nachbarhaus spart drei Rundschreiben",
        "H2 Was die OM bietet",
        "H2 Was Sie sagen können",
        "H2 Was Sie tun können",
        "H2 Und danach?",
    ]
    layout = page.evaluate("[...document.querySelectorAll('table')].filter(t => t.role !== 'presentation').length")
    assert layout == 1  # the data table only
