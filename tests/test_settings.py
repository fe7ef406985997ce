"""Settings: ``config.example.toml`` names every one of them, unknown keys are refused, secrets never show."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from om_campaigns.errors import ProblemsError
from om_campaigns.settings import Settings, load_settings

EXAMPLE = Path(__file__).parent.parent / "config.example.toml"
DIFFERENT = {"web.base_url", "sender.imprint", "sender.imprint_url", "sender.privacy_url"}
"""What the starter sets; everything else in the example is the default."""


def names(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, field in model.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from names(field.annotation, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}"


def test_the_example_names_every_setting_in_its_section() -> None:
    section, found = "", set()
    for line in EXAMPLE.read_text(encoding="utf-8").splitlines():
        if heading := re.fullmatch(r"\[(\w+)\]", line):
            section = f"{heading[1]}."
        elif setting := re.match(r"(?:# )?(\w+) = ", line):
            found.add(section + setting[1])
    assert found == set(names(Settings))


def test_the_example_loads_and_says_the_defaults(tmp_path: Path) -> None:
    shutil.copy(EXAMPLE, tmp_path / "config.toml")
    loaded, default = load_settings(tmp_path), Settings()
    different = set()
    for name in names(Settings):
        one, other = loaded, default
        for part in name.split("."):
            one, other = getattr(one, part), getattr(other, part)
        if one != other:
            different.add(name)
    assert different == DIFFERENT


def test_unknown_keys_are_all_refused_with_their_names(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("format = 1\nmood = 'live'\n[smtp]\nhots = 'x'\n", encoding="utf-8")
    with pytest.raises(ProblemsError) as refused:
        load_settings(tmp_path)
    assert {problem.text.split(":")[0] for problem in refused.value.problems} == {"mood", "smtp.hots"}


def test_the_environment_wins_and_sec19_secrets_never_show(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copy(EXAMPLE, tmp_path / "config.toml")
    monkeypatch.setenv("OM_CAMPAIGNS_SMTP__PASSWORD", "sehr-geheim")
    monkeypatch.setenv("OM_CAMPAIGNS_DATABASE__URL", "postgresql://om:auch-geheim@db/om")
    loaded = load_settings(tmp_path)
    assert loaded.smtp.secret() == "sehr-geheim"
    assert loaded.smtp.port == 587
    assert "geheim" not in repr(loaded) + str(loaded.model_dump())
    assert loaded.model_fields_set


def test_a_password_is_never_sent_in_clear(tmp_path: Path) -> None:
    """BULK-15."""
    text = "format = 1\n[smtp]\nhost = 'mail.om-probe.de'\nusername = 'om'\ntls = 'none'\n"
    (tmp_path / "config.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ProblemsError, match="never sent in clear"):
        load_settings(tmp_path)
