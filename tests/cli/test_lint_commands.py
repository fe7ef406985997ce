"""``check`` and ``preview`` as a writer of letters meets the lint: where it is, what it is, and whether it stops anything."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from om_campaigns.operate.installation import init_workspace
from om_campaigns.staff.browser import PROGRAMS
from tests.cli.shell import om
from tests.journeys.workspace import STEP, Workspace, house, person

pytestmark = pytest.mark.slow

IMPRINT = '[sender]\nimprint = "Verein Beispiel, Gartenweg 2, 50667 Köln"\nimprint_url = "https://om.example/impressum"\n'
PACKS = 'routes = ["forward_pack"]\nsender = "om"'
BODY = "{{ contact.greeting }},\n\nein Satz für {{ org.name }}."


@pytest.fixture
def office(tmp_path: Path) -> Workspace:
    """A chamber with one contact and a campaign of one letter; its files are clean."""
    office = Workspace(tmp_path, settings=IMPRINT)
    office.houses(house("amt", "05", adviser_headcount="5", routes="forward_pack,direct_email"))
    office.people(person("Anna Amt", "amt"))
    office.segment("alle", "'contact' in roles")
    office.campaign("reihe", "a1 day = 0", texts=False)
    office.text("reihe", "a1.de", BODY)
    return office


def spoil(office: Workspace, file: str, old: str, new: str) -> None:
    path = office.folder / "templates" / file
    source = path.read_text(encoding="utf-8")
    assert old in source
    path.write_text(source.replace(old, new, 1), encoding="utf-8")


def checked(office: Workspace, code: int = 2) -> list[tuple[str, int, str, str]]:
    """File below templates, line, rule and level of everything ``check`` says."""
    said = om(office.folder, "check", "--format", "json")
    assert said.code == code, said
    return [(each["file"].split("/templates/")[-1], each["line"], each["rule"], each["level"]) for each in said.json]


def test_a_clean_workspace_is_told_with_the_age_of_the_tests(office: Workspace) -> None:
    said = om(office.folder, "check")
    assert (said.code, said.err) == (0, "")
    assert "All well." in said.out
    assert "as tested up to 2026-" in said.out


@pytest.mark.parametrize(
    ("sender", "told"),
    [
        ("", "there is no imprint"),
        ('[sender]\nimprint = "OM"\n', "names no postal code or no e-mail address"),
        ('[sender]\nimprint = "OM, Hauptstraße 1, 10115 Berlin, post@om.example"\n', ""),
    ],
)
def test_law_15_what_is_missing_of_the_imprint_is_told(office: Workspace, sender: str, told: str) -> None:
    """A warning while mail stays here; live mail does not leave without one (see going live)."""
    (office.folder / "config.toml").write_text(f"format = 1\n{sender}", encoding="utf-8")
    said = om(office.folder, "check")
    assert (said.code, "[LAW-15]" in said.out, told in said.out) == (0, bool(told), True)


def test_a_fault_in_one_segment_hides_no_other(office: Workspace) -> None:
    """Only what is wrong is told: the campaigns that use the others are read as before."""
    office.segment("kaputt", "'contact' in role")
    said = om(office.folder, "check")
    assert said.code == 2
    assert "1 problem to mend" in said.out
    assert "there is no segment" not in said.out
    office.segment("kaputt", "'contact' in roles")
    office.campaign("weitere", "b1 day = 0", segment="kaputt")
    office.segment("kaputt", "'contact' in role")
    said = om(office.folder, "check")
    assert ("1 problem to mend" in said.out, "there is no segment" in said.out) == (True, False), "nor a second one of its campaign"
    assert om(office.folder, "campaign", "publish", "weitere").code == 2
    assert om(office.folder, "preview", "weitere/b1").code == 2


@pytest.mark.slow
def test_the_starter_workspace_is_clean(tmp_path: Path) -> None:
    """Texts, layouts and brands: no error and no warning."""
    init_workspace(tmp_path / "ws")
    said = om(tmp_path / "ws", "check")
    assert (said.code, said.err) == (0, "")


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("<mj-spacer height=", "<mj-spacr height=", "there is no <mj-spacr>; did you mean 'mj-spacer'?"),
        ("<mj-column><mj-spacer", "<mj-section><mj-spacer", "<mj-section> cannot stand inside <mj-section>"),
    ],
)
def test_check_finds_wrong_mj_tags_with_file_and_line(office: Workspace, old: str, new: str, text: str) -> None:
    file = "layouts/letter.mjml"
    source = (office.folder / "templates" / file).read_text(encoding="utf-8")
    line = source[: source.index(old)].count("\n") + 1
    spoil(office, file, old, new)
    said = om(office.folder, "check")
    assert said.code == 2
    assert f"templates/{file}:{line}: {text}" in said.out


def test_a_fault_of_the_layout_is_told_once_with_the_layout(office: Workspace) -> None:
    office.text("reihe", "a1.en", BODY)
    spoil(office, "layouts/letter.mjml", '<mj-text font-size="{{ y.text }}px"', '<mj-text font-size="12px"')
    assert [each for each in checked(office) if each[2] == "REN-12"] == [("layouts/letter.mjml", 0, "REN-12", "error")]


def test_a_fault_of_one_house_is_told_with_its_brand(office: Workspace) -> None:
    logo = '\n[logo]\nurl = "https://haus.example/logo.bmp"\nwidth = 180\nheight = 40\nalt = "Haus"\n'
    (office.folder / "templates/brands/haus.toml").write_text(f'format = 1\nname = "Haus"\n{logo}', encoding="utf-8")
    assert checked(office, 0) == [("brands/haus.toml", 0, "REN-02", "warning")]


def test_a_fault_of_a_text_is_told_with_its_line(office: Workspace) -> None:
    office.text("reihe", "a1.de", f"{BODY}\n\nMehr steht [hier](https://bit.ly/abc).")
    found = checked(office)
    line = (office.folder / "templates/campaigns/reihe/a1.de.md").read_text(encoding="utf-8").split("[hier]")[0].count("\n") + 1
    assert set(found) == {("campaigns/reihe/a1.de.md", line, rule, "error") for rule in ("REN-12", "REN-16")}


def test_ren_11_a_picture_needs_its_size_and_gets_it_in_the_text(office: Workspace) -> None:
    picture = "![Zwei Menschen am Zaun](https://om.example/zaun.png)"
    office.text("reihe", "a1.de", f"{BODY}\n\n{picture}")
    assert {each[:3] for each in checked(office)} == {("campaigns/reihe/a1.de.md", 11, "REN-11")}
    office.text("reihe", "a1.de", f"{BODY}\n\n{picture}{{width=520 height=200}}\n\n{'Das Bild zeigt, worum es geht. ' * 4}")
    assert checked(office, 0) == []


def test_warnings_are_shown_and_stop_nothing(office: Workspace) -> None:
    source = STEP.format(subject="Guten Tag {{ contact.full_name }}", body=BODY)
    (office.folder / "templates/campaigns/reihe/a1.de.md").write_text(source, encoding="utf-8")
    said = om(office.folder, "check")
    assert said.code == 0
    assert "warning: the reader's name in the subject" in said.out
    assert "1 warning" in said.out
    assert om(office.folder, "campaign", "publish", "reihe").code == 0


def test_what_a_house_would_pass_on_is_read_again_before_anything_is_sent(office: Workspace) -> None:
    """FWD-01: a layout that prints one reader's address on what is passed on fails the check, not the partner."""
    office.segment("haeuser", "adviser_count >= 1", "organisations")
    office.campaign("weiter", "b1 day = 0", audience=PACKS, segment="haeuser", texts=False)
    office.text("weiter", "b1.de", f"{BODY}\n\nIhr Platz: https://om.example/abmelden/abc")
    found = checked(office)
    assert {each[2] for each in found} >= {"FWD-01"}
    assert {each[0] for each in found} == {"campaigns/weiter/b1.de.md"}


def test_a_workspace_may_allow_more_with_a_reason(office: Workspace) -> None:
    spoil(office, "layouts/letter.mjml", '<h1 style="', '<h1 style="text-shadow:0 1px 1px {{ c.line }};')
    assert [each[2] for each in checked(office)] == ["REN-02"]
    (office.folder / "templates/lint.toml").write_text('css-text-shadow = "a finish nobody misses"\n', encoding="utf-8")
    assert checked(office, 0) == []
    (office.folder / "templates/lint.toml").write_text('css-text-shadow = ""\n', encoding="utf-8")
    assert checked(office) == [("lint.toml", 1, "REN-02", "error")]
    (office.folder / "templates/lint.toml").write_bytes('css-text-shadow = "schön"\n'.encode("latin-1"))
    assert checked(office) == [("lint.toml", 1, "ENCODING", "error")]


def test_a_stopped_campaign_is_left_alone_and_one_that_changed_its_list_is_told(office: Workspace) -> None:
    office.publish()
    spoil(office, "campaigns/reihe/campaign.toml", '"wir-gedanke"', '"monatsbrief"')
    assert checked(office) == [("campaigns/reihe/campaign.toml", 0, "reference", "error")]
    assert om(office.folder, "campaign", "stop", "reihe", "--yes").code == 0
    assert checked(office, 0) == []


def test_without_any_house_letters_are_written_to_an_invented_one(tmp_path: Path) -> None:
    office = Workspace(tmp_path, settings=IMPRINT)
    office.segment("alle", "'contact' in roles")
    office.campaign("reihe", "a1 day = 0", texts=False)
    office.text("reihe", "a1.de", "{{ contact.greeting }},\n\n[hier](https://om.example/x) steht es.")
    assert [each[2] for each in checked(office)] == ["REN-12"]


def test_preview_shows_every_mail_of_a_pack_and_what_the_lint_says(office: Workspace) -> None:
    office.segment("haeuser", "adviser_count >= 1", "organisations")
    office.campaign("weiter", "b1 day = 0", audience=PACKS, segment="haeuser", texts=False)
    office.text("weiter", "b1.de", f"{BODY}\n\nMehr steht [hier](https://om.example/x).")
    said = om(office.folder, "preview", "weiter", "--write", str(office.folder / "out"))
    assert said.code == 0
    written = sorted(path.name for path in (office.folder / "out").glob("*.eml"))
    assert written == ["weiter-b1.cover.de.eml", "weiter-b1.ready.de.eml"]
    assert said.err.count("[REN-12]") == 1
    assert b"ABC-DEFG" in (office.folder / "out/weiter-b1.cover.de.eml").read_bytes()
    assert b"ABC-DEFG" not in (office.folder / "out/weiter-b1.ready.de.eml").read_bytes()
    assert office.count("pack") == office.count("campaign") == 0


def test_ren_18_code_and_tables_are_estimated_and_measured(office: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """An estimate warns; Chromium knows, and what it measured is an error. Without one, nothing was checked, and that is said."""
    wide = f"`{'nie-umbrochen-' * 5}` und\n\n| a | b |\n|---|---|\n| {'x' * 40} | {'y' * 40} |"
    spoil(office, "campaigns/reihe/a1.de.md", "ein Satz", f"{wide}\n\nein Satz")
    assert [(line, level) for _, line, rule, level in checked(office, 0) if rule == "REN-18"] == [(9, "warning"), (13, "warning")]
    if any(map(shutil.which, PROGRAMS)):
        said = om(office.folder, "check", "--browser", "--format", "json")
        assert said.code == 2
        measured = [each["text"] for each in said.json if each["rule"] == "REN-18" and each["level"] == "error"]
        assert len(measured) == 1
        assert re.match(r"the letter is \d{3} px wide on a phone of 360", measured[0])
    monkeypatch.setenv("PATH", "/nowhere")
    said = om(office.folder, "check", "--browser")
    assert said.code != 0
    assert "there is no Chromium" in said.out
