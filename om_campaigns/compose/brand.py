"""A brand: the design tokens of one house, inherited from ``om``, checked for contrast in light, dark and inverted."""

from __future__ import annotations

import colorsys
import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from om_campaigns.errors import Problem, ProblemsError
from om_campaigns.nearest import suggest
from om_campaigns.toml_positions import Findings, load_toml

ROOT_BRAND = "om"
TABLES: dict[str, frozenset[str]] = {
    "colours": frozenset(
        {"page", "sheet", "panel", "line", "ink", "ink_strong", "ink_quiet", "accent", "accent_ink", "accent_tint", "action", "action_ink"}
    ),
    "dark": frozenset(
        {"page", "sheet", "panel", "line", "ink", "ink_strong", "ink_quiet", "accent", "accent_ink", "accent_tint", "action", "action_ink"}
    ),
    "fonts": frozenset({"voice", "text"}),
    "type": frozenset(
        {"text", "line", "title", "title_line", "quote", "quote_line", "small", "small_line", "width", "side", "side_narrow"}
    ),
    "shape": frozenset({"corner", "rule"}),
    "logo": frozenset({"url", "width", "height", "alt"}),
}
COMPLETE = ("colours", "dark", "fonts", "type", "shape")
TOP_KEYS = frozenset({"format", "name", "extends", *TABLES})
HEX = re.compile(r"#[0-9a-fA-F]{6}\Z")
FONTS = re.compile(r"[\w ,'\-]+\Z")

MIN_CONTRAST = 4.5
PAIRS = (
    ("ink", "sheet"),
    ("ink_strong", "sheet"),
    ("ink_quiet", "sheet"),
    ("ink_quiet", "page"),
    ("ink_strong", "page"),
    ("ink", "panel"),
    ("ink_quiet", "panel"),
    ("accent", "sheet"),
    ("accent", "panel"),
    ("accent", "accent_tint"),
    ("ink_strong", "accent_tint"),
    ("accent_ink", "accent"),
    ("action_ink", "sheet"),
)
"""Text colour over background, everywhere the layout sets one on the other (REN-08)."""


@dataclass(frozen=True, slots=True)
class Brand:
    """The tokens a layout may use; all tables are complete after inheritance. ``logo`` may be empty."""

    key: str
    name: str
    colours: Mapping[str, str]
    dark: Mapping[str, str]
    fonts: Mapping[str, str]
    type: Mapping[str, int]
    shape: Mapping[str, int]
    logo: Mapping[str, Any] = field(default_factory=dict)

    def as_context(self) -> dict[str, Any]:
        """Plain data for templates."""
        tables = {name: dict(getattr(self, name)) for name in TABLES}
        return {"key": self.key, "name": self.name, **tables, "logo": dict(self.logo) or None}


def brand_path(key: str) -> str:
    return f"brands/{key}.toml"


def brand_chain(files: Mapping[str, str], key: str) -> tuple[str, ...]:
    """The brand and what it extends, nearest first; ends at ``om``. Raises ProblemsError for a missing file or a circle."""
    chain: list[str] = []
    while key:
        path = brand_path(key)
        if key in chain:
            raise ProblemsError(
                [Problem(brand_path(chain[0]), 0, 0, "brand", f"brands extend each other in a circle: {' → '.join((*chain, key))}")]
            )
        if path not in files:
            raise ProblemsError([Problem(path, 0, 0, "brand", f"there is no brand '{key}'")])
        chain.append(key)
        parent = _parsed(path, files[path])[0].get("extends", ROOT_BRAND)
        key = parent if isinstance(parent, str) and chain[-1] != ROOT_BRAND else ""
    return tuple(chain)


def load_brand(files: Mapping[str, str], key: str) -> Brand:
    """The brand ``key`` with everything it inherits; ``files`` maps paths below ``templates/`` to their text.

    Raises ProblemsError: unknown keys, values of the wrong kind, contrast below 4.5 (REN-08).
    """
    chain = brand_chain(files, key)
    return _made(key, tuple((brand_path(name), files[brand_path(name)]) for name in chain))


@functools.lru_cache(maxsize=256)
def _made(key: str, sources: tuple[tuple[str, str], ...]) -> Brand:
    problems: list[Problem] = []
    tables: dict[str, dict[str, Any]] = {table: {} for table in TABLES}
    for path, source in reversed(sources):
        values, found = _parsed(path, source)
        problems += found
        if not found:
            _inherit(tables, values)
    if not problems:
        missing = {f"[{table}] {name}" for table in COMPLETE for name in TABLES[table] - tables[table].keys()}
        problems += [Problem(sources[-1][0], 0, 0, "brand", f"missing: {', '.join(sorted(missing))}")] if missing else []
    if not problems:
        problems += _contrast_problems(sources[0][0], tables["colours"], tables["dark"])
    if problems:
        raise ProblemsError(problems)
    return Brand(key=key, name=_parsed(*sources[0])[0].get("name", ""), **tables)


def _inherit(tables: dict[str, dict[str, Any]], values: Mapping[str, Any]) -> None:
    """Lays one brand over what it extends. A logo belongs to one house and is never inherited."""
    for table in TABLES:
        own = values.get(table, {})
        tables[table] = tables[table] | own if table in COMPLETE else dict(own)
    if "accent" in values.get("colours", {}):
        for table in ("colours", "dark"):
            _derive(tables[table], values.get(table, {}), values["colours"]["accent"], dark=table == "dark")
    if "sheet" in tables["dark"]:
        _derive_action(tables["dark"], values.get("colours", {}), values.get("dark", {}))


def _derive_action(dark: dict[str, Any], colours: Mapping[str, Any], own: Mapping[str, Any]) -> None:
    """The dark form of the colours of "what you can do", unless the house gives them itself."""
    for name in ("action", "action_ink"):
        if name in colours and name not in own:
            dark[name] = _lightened(colours[name], dark["sheet"])


def _derive(table: dict[str, Any], own: Mapping[str, Any], accent: str, *, dark: bool) -> None:
    """One colour is enough for a house: tint, text on it and its dark form follow from it unless they are given."""
    sheet = table.get("sheet", "#fffefc")
    if dark and "accent" not in own:
        table["accent"] = _lightened(accent, sheet)
    if "accent_tint" not in own:
        table["accent_tint"] = mix(table["accent"], sheet, 0.14 if dark else 0.08)
        if dark and "accent" not in own:
            table["accent"] = _lightened(accent, table["accent_tint"])
    if "accent_ink" not in own:
        table["accent_ink"] = max(("#fffefc", "#14191d"), key=lambda ink: contrast(ink, table["accent"]))


def _lightened(colour: str, background: str) -> str:
    """The same hue, lighter until it stands out from a dark background."""
    hue, light, saturation = colorsys.rgb_to_hls(*(value / 255 for value in _channels(colour)))
    for step in range(40):
        parts = colorsys.hls_to_rgb(hue, min(light + step / 50, 0.95), min(saturation, 0.75))
        lighter = "#" + "".join(f"{round(part * 255):02x}" for part in parts)
        if contrast(lighter, background) >= MIN_CONTRAST + 1.5:
            return lighter
    return "#f0f0f0"


@functools.lru_cache(maxsize=256)
def _parsed(path: str, source: str) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    values, findings = load_toml(source, path, "brand")
    if values is not None:
        _check_values(values, findings)
    return values or {}, tuple(findings.in_order())


def _check_values(values: Mapping[str, Any], findings: Findings) -> None:
    def say(text: str, *key: str) -> None:
        findings.at_value(key, "brand", text)

    if values.get("format") != 1:
        say("the file begins with: format = 1", "format")
    for key in values.keys() - TOP_KEYS:
        say(f"unknown key '{key}'{suggest(key, sorted(TOP_KEYS))}", key)
    for table, known in TABLES.items():
        own = values.get(table, {})
        if not isinstance(own, dict):
            say(f"[{table}] must be a table", table)
            continue
        for key, value in own.items():
            if key not in known:
                near = suggest(key, sorted(known)) or f"; known are {', '.join(sorted(known))}"
                say(f"unknown key '{key}' in [{table}]{near}", table, key)
            elif text := _value_fault(table, key, value):
                say(text, table, key)
    logo = values.get("logo")
    if isinstance(logo, dict) and logo and TABLES["logo"] - logo.keys():
        say(f"[logo] needs {', '.join(sorted(TABLES['logo'] - logo.keys()))} (REN-11)", "logo")


def _value_fault(table: str, key: str, value: Any) -> str:
    if table in ("colours", "dark") and not (isinstance(value, str) and HEX.match(value)):
        return f"'{key}' must be a colour like \"#0b5d5e\""
    if table in ("colours", "dark") and str(value).lower() in ("#000000", "#ffffff") and key in ("ink", "ink_strong", "page", "sheet"):
        return f"'{key}': no pure black or white, dark mode inverts it badly (REN-07)"
    if table == "fonts" and not (isinstance(value, str) and FONTS.match(value)):
        return f"'{key}' must be a list of font names such as \"Georgia, serif\""
    whole = table in ("type", "shape") or (table == "logo" and key in ("width", "height"))
    if whole and not (isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 1200):
        return f"'{key}' must be a number of pixels"
    if table == "logo" and key == "url" and not str(value).startswith("https://"):
        return "the logo needs an https:// address (FWD-06)"
    return ""


def _contrast_problems(path: str, light: Mapping[str, str], dark: Mapping[str, str]) -> list[Problem]:
    problems = []
    conditions = (("light", light), ("dark", dark), ("inverted", {name: inverted(colour) for name, colour in light.items()}))
    for condition, colours in conditions:
        for text, ground in PAIRS:
            ratio = contrast(colours[text], colours[ground])
            if ratio < MIN_CONTRAST:
                problems.append(
                    Problem(
                        path,
                        0,
                        0,
                        "REN-08",
                        f"{text} on {ground} ({condition}) has a contrast of {ratio:.1f}:1, needed is {MIN_CONTRAST}:1",
                    )
                )
    return problems


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def luminance(colour: str) -> float:
    """Relative luminance, 0 to 1 (WCAG 2.2)."""
    parts = [value / 255 for value in _channels(colour)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """Contrast ratio, 1 to 21 (WCAG 2.2, 1.4.3)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def inverted(colour: str) -> str:
    """What a client that inverts colours by force makes of it."""
    return "#" + "".join(f"{255 - value:02x}" for value in _channels(colour))


def mix(one: str, other: str, share: float) -> str:
    """``share`` of ``one`` over ``other``."""
    pairs = zip(_channels(one), _channels(other), strict=True)
    return "#" + "".join(f"{round(a * share + b * (1 - share)):02x}" for a, b in pairs)
