"""What mail programs lack: features are recognised in HTML and CSS, the newest test counts, allowances have reasons (REN-02 … REN-05)."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from om_campaigns.compose.lint.clients import check_clients, find_features, load_allowed, load_tests, read_allowed
from om_campaigns.compose.lint.make_caniemail import CLIENTS, make_data, newest

KNOWN = load_tests().features
NAMES = frozenset(KNOWN)


def slugs(body: str, css: str = "") -> set[str]:
    """Features of a letter beside those every letter has."""
    page = f"<html><head>{f'<style>{css}</style>' if css else ''}</head><body>{body}</body></html>"
    return {use.slug for use in find_features(page, NAMES)} - {"html-body", "html-p", "html-style"}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('<p style="display:flex">', {"css-display", "css-display-flex"}),
        ('<p style="flex-direction:column">', {"css-flex-direction"}),
        ('<p style="border-left-width:2px">', {"css-border", "css-unit-px"}),
        ('<p style="margin-top:1em;padding:1%">', {"css-margin", "css-padding", "css-unit-em", "css-unit-percent"}),
        ('<p style="left:0;row-gap:0">', {"css-left-right-top-bottom", "css-gap"}),
        ('<p style="width:calc(1px + 2vw)">', {"css-width", "css-unit-calc", "css-unit-px", "css-unit-vw"}),
        ('<p style="color:rgba(0,0,0,.5)">', {"css-rgba"}),
        ('<p style="width:min(1px,2px)">', {"css-width", "css-function-min", "css-unit-px"}),
        ('<p style="color:var(--ink)">', {"css-variables"}),
        ('<p style="background:linear-gradient(red,blue)">', {"css-background", "css-linear-gradient"}),
        ('<p style="width:1px!important">', {"css-width", "css-unit-px", "css-important"}),
        ('<p style="-webkit-hyphens:auto;mso-line-height-rule:exactly">', {"css-hyphens"}),
        ('<p style="margin-inline:0">', {"css-margin-inline-block"}),
        ("<nav></nav><h2></h2><ul></ul>", {"html-semantics", "html-h1-h6", "html-lists"}),
        ('<a href="#oben">', {"html-anchor-links"}),
        ('<a href="mailto:a@b.example">', {"html-mailto-links"}),
        (
            '<img src="https://a.example/x.WEBP?v=1" loading="lazy" srcset="x">',
            {"html-img", "image-webp", "html-loading-attribute", "html-srcset"},
        ),
        ('<img src="data:image/png;base64,AA">', {"html-img", "image-base64"}),
        ('<input type="radio"><button type="submit">', {"html-input-radio", "html-button-submit"}),
        ("<!--[if mso]><p style='display:flex'></p><![endif]-->", set()),
    ],
)
def test_features_of_elements_and_style_attributes(body: str, expected: set[str]) -> None:
    assert slugs(body) == expected


@pytest.mark.parametrize(
    ("css", "expected"),
    [
        ("a > b {}", {"css-selector-child", "css-selector-type"}),
        (".a .b {}", {"css-selector-class", "css-selector-descendant"}),
        (".a.b {}", {"css-selector-class", "css-selector-chaining"}),
        ("#a, * {}", {"css-selector-id", "css-selector-grouping", "css-selector-universal"}),
        ("[data-x=y] .a {}", {"css-selector-attribute", "css-selector-class", "css-selector-descendant"}),
        ("a:hover {}", {"css-selector-type", "css-pseudo-class-hover"}),
        ("a::after {}", {"css-selector-type", "css-pseudo-element-after"}),
        ("a + b ~ c {}", {"css-selector-type", "css-selector-adjacent-sibling", "css-selector-general-sibling"}),
        (
            "@media (prefers-color-scheme: dark) { a { float:left } }",
            {"css-at-media", "css-at-media-prefers-color-scheme", "css-selector-type", "css-float"},
        ),
        ("@import url(x.css);", {"css-at-import"}),
        ("@font-face { font-family: x }", {"css-at-font-face"}),
        ("@supports (x:y) { .a { order: 1 } }", {"css-at-supports", "css-selector-class"}),
    ],
)
def test_features_of_style_sheets(css: str, expected: set[str]) -> None:
    assert slugs("<p>", css) == expected


def found(document: str, *allowed: str) -> list[tuple[str, bool, str]]:
    return [
        (each.text.split("[")[1].split("]")[0], each.is_warning, each.text) for each in check_clients(document, {*load_allowed(), *allowed})
    ]


def test_a_program_that_lacks_it_is_an_error_that_names_program_version_and_age() -> None:
    [(slug, is_warning, text)] = found('<p style="box-shadow:0 1px 2px red">')
    assert (slug, is_warning) == ("css-box-shadow", False)
    assert "does not work in " in text
    assert "Outlook for Windows (2019)" in text
    assert "GMX (2022-06)" in text
    assert "tested 2023-12-20" in text


def test_a_program_that_has_it_in_part_is_a_warning_with_the_note() -> None:
    [(slug, is_warning, text)] = found('<p style="text-indent:2px">')
    assert (slug, is_warning) == ("css-text-indent", True)
    assert "works only in part in " in text
    assert " – " in text


def test_what_is_allowed_is_silent() -> None:
    assert found('<p style="box-shadow:0 1px 2px red">', "css-box-shadow") == []


def test_a_program_that_drops_the_style_sheet_never_meets_what_stands_in_it() -> None:
    """GMX and WEB.DE drop <style> (REN-05), Outlook for Windows media queries; only the others can be let down by what is inside."""
    [(slug, _, text)] = found("<style>@media (min-width:1px) { .a { box-shadow:0 1px 2px red } }</style>")
    assert slug == "css-box-shadow"
    assert "GMX" not in text
    assert "Outlook for Windows" not in text
    assert "Gmail (" in text


def test_ren_02_the_newest_test_counts_whatever_its_place_in_the_file() -> None:
    assert newest({"2019-12": "y", "2022-06": "n", "2020-01": "y"}) == ("2022-06", "n")
    assert newest({"9.2": "n", "16.80": "y", "10.0": "n"}) == ("16.80", "y")


def test_the_copy_is_made_from_the_package_as_published(tmp_path: Path) -> None:
    support = {"gmx": {"desktop-webmail": {"2022-06": "a #2", "2020-01": "y"}}, "outlook": {"windows": {"2019": "u"}}}
    feature = {
        "slug": "css-x",
        "title": "x ",
        "category": "css",
        "last_test_date": "2022-06-01",
        "stats": support,
        "notes_by_num": {"2": "Only  half."},
    }
    other = {**feature, "slug": "amp", "category": "others"}
    (tmp_path / "data").mkdir()
    (tmp_path / "data/caniemail.json").write_text(json.dumps({"last_update_date": "2026-05-13 14:45:41 +0000", "data": [feature, other]}))
    (tmp_path / "package.json").write_text('{"version": "2.0.2"}')
    data = make_data(tmp_path)
    assert data["date"] == "2026-05-13"
    assert data["features"] == {
        "css-x": {"title": "x", "tested": "2022-06-01", "support": {"gmx/desktop-webmail": ["2022-06", "a", "Only half."]}}
    }


def test_ren_03_ren_04_the_shipped_copy_covers_the_programs_of_our_readers_and_tells_its_age() -> None:
    tests = load_tests()
    assert tests.clients == CLIENTS
    readers = {"Outlook for Windows", "Outlook.com and new Outlook", "Gmail", "Gmail for Android", "Apple Mail", "GMX", "WEB.DE"}
    assert set(CLIENTS.values()) >= readers | {"Thunderbird"}
    assert date.fromisoformat(tests.date) >= date(2026, 5, 13)
    assert len(tests.features) > 300
    assert all(entry.result in ("y", "a", "n") for feature in tests.features.values() for entry in feature.support.values())
    for client in ("outlook/windows", "gmx/desktop-webmail", "web-de/desktop-webmail", "gmail/android"):
        assert sum(client in feature.support for feature in tests.features.values()) > 250


def test_every_allowance_is_needed_somewhere_and_says_why() -> None:
    for slug, reason in load_allowed().items():
        assert any(entry.result != "y" for entry in KNOWN[slug].support.values()), slug
        assert len(reason) > 15, slug


def test_an_allowance_without_reason_or_for_nothing_known_is_told_with_its_place() -> None:
    allowed, problems = read_allowed('css-filter = "only sharper"\ncss-fliter = "x"\ncss-float = ""\n', "lint.toml")
    assert set(allowed) == {"css-filter", "css-fliter", "css-float"}
    assert [(each.line, each.text) for each in problems] == [
        (2, "caniemail has no feature 'css-fliter'; did you mean 'css-filter'?"),
        (3, "'css-float' needs the reason why nothing is lost without it, as a text"),
    ]
    assert [(each.line, each.rule_id) for each in read_allowed("css-float =\n", "lint.toml")[1]] == [(1, "REN-02")]
