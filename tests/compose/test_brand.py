"""Brands: inherited down to ``om``, complete, and readable in light, dark and inverted (REN-07, REN-08)."""

from __future__ import annotations

import pytest

from om_campaigns.compose.brand import PAIRS, brand_chain, contrast, inverted, load_brand, mix
from om_campaigns.errors import ProblemsError

HOUSES = ["om", "hwk-westerfurt", "krankenkasse-auental", "beraterverband-klarsee"]


def with_brand(files: dict[str, str], text: str, name: str = "x") -> dict[str, str]:
    return {**files, f"brands/{name}.toml": "format = 1\n" + text}


@pytest.mark.parametrize("house", HOUSES)
def test_ren_08_every_pair_is_readable_in_every_light(look_files: dict[str, str], house: str) -> None:
    brand = load_brand(look_files, house)
    for text, ground in PAIRS:
        assert contrast(brand.colours[text], brand.colours[ground]) >= 4.5
        assert contrast(brand.dark[text], brand.dark[ground]) >= 4.5
        assert contrast(inverted(brand.colours[text]), inverted(brand.colours[ground])) >= 4.5


def test_the_houses_look_different(look_files: dict[str, str]) -> None:
    brands = [load_brand(look_files, house) for house in HOUSES]
    assert len({brand.colours["accent"] for brand in brands}) == 4
    assert len({(brand.shape["corner"], brand.fonts["voice"]) for brand in brands}) >= 3


def test_one_colour_is_enough(look_files: dict[str, str]) -> None:
    files = with_brand(look_files, '[colours]\naccent = "#7a1f6b"')
    brand, om = load_brand(files, "x"), load_brand(files, "om")
    assert brand.colours["accent"] == "#7a1f6b"
    assert brand.colours["ink"] == om.colours["ink"]
    assert brand.colours["accent_tint"] not in (om.colours["accent_tint"], "#7a1f6b")
    assert brand.dark["accent"] != om.dark["accent"]
    assert brand.fonts == om.fonts


def test_chains_end_at_om(look_files: dict[str, str]) -> None:
    files = with_brand(with_brand(look_files, 'extends = "y"', "x"), "[shape]\ncorner = 9", "y")
    assert brand_chain(files, "x") == ("x", "y", "om")
    assert load_brand(files, "x").shape["corner"] == 9


def test_a_logo_belongs_to_one_house(look_files: dict[str, str]) -> None:
    logo = '[logo]\nurl = "https://h.example/l.png"\nwidth = 120\nheight = 40\nalt = "Haus Y"'
    files = with_brand(with_brand(look_files, 'extends = "y"', "x"), logo, "y")
    assert load_brand(files, "y").as_context()["logo"]["alt"] == "Haus Y"
    assert load_brand(files, "x").as_context()["logo"] is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[colours]\naccent = "#f5d90a"', "[REN-08]"),
        ('[colours]\nacent = "#101010"', "brands/x.toml:3:10: unknown key 'acent'"),
        ('[colours]\naccent = "red"', "brands/x.toml:3:11: 'accent' must be a colour"),
        ('[colours]\nsheet = "#ffffff"', "no pure black or white"),
        ('[fonts]\ntext = "x; } body { color: red"', "must be a list of font names"),
        ('[shape]\ncorner = "6px"', "must be a number of pixels"),
        ('[logo]\nurl = "http://h.example/l.png"\nwidth = 1\nheight = 1\nalt = ""', "https://"),
        ('[logo]\nurl = "https://h.example/l.png"', "[logo] needs alt, height, width"),
        ('extends = "x"', "in a circle"),
        ('extends = "nobody"', "there is no brand 'nobody'"),
        ("[colours\n", "brands/x.toml:2:9: this is not TOML"),
        ('colour = "#123456"', "unknown key 'colour'"),
    ],
)
def test_faults_are_named(look_files: dict[str, str], text: str, said: str) -> None:
    with pytest.raises(ProblemsError) as caught:
        load_brand(with_brand(look_files, text), "x")
    assert said in str(caught.value)


def test_format_is_asked_for(look_files: dict[str, str]) -> None:
    with pytest.raises(ProblemsError, match="format = 1"):
        load_brand({**look_files, "brands/x.toml": 'name = "X"'}, "x")


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert inverted("#00ff7f") == "#ff0080"
    assert mix("#ffffff", "#000000", 0.5) == "#808080"
