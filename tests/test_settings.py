"""Settings: ``config.example.toml`` names every one of them, unknown keys are refused, secrets never show."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import BaseModel

from om_campaigns.errors import InputError, ProblemsError
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
    assert [(problem.line, problem.column, problem.text) for problem in refused.value.problems] == [
        (2, 1, "unknown setting 'mood'; did you mean 'mode'?"),
        (4, 1, "unknown setting 'smtp.hots'; did you mean 'smtp.host'?"),
    ]


A_HOST = "it is a host and at most a path, for example https://briefe.om.example"

WRONG = {
    "format = 2": "1:10: '2' is no value of 'format'; it can be 1",
    "mode = 'loud'": "1:9: 'loud' is no value of 'mode'; it can be rehearsal, live",
    "mode = 'lives'": "1:9: 'lives' is no value of 'mode'; did you mean 'live'?",
    "zone = 'Mars'": "1:9: 'zone': 'Mars' is not an IANA time zone, for example Europe/Berlin",
    "staff = 'a@om-probe.de'": '1:10: \'staff\' must be a list of texts: ["…", "…"]',
    "staff = ['a@om-probe.de', 1]": "1:27: 'staff' holds texts in quotation marks only",
    "run = 60": "1:7: 'run' must be a section: a line with its name in brackets, its settings below",
    "[run]\nevery_seconds = 1": "2:17: 'run.every_seconds' must be a whole number from 5 to 3600",
    "[run]\nevery_seconds = 60.5": "2:17: 'run.every_seconds' must be a whole number from 5 to 3600",
    "[smtp]\nport = 'x'": "2:9: 'smtp.port' must be a whole number from 1 to 65535",
    "[smtp]\nrate_per_minute = -1": "2:19: 'smtp.rate_per_minute' must be a whole number from 0",
    "[smtp]\ndomains = { 'gmx.de' = -1 }": "2:24: 'smtp.domains.gmx.de' must be a whole number from 0",
    "[smtp]\ndomains = 3": "2:11: 'smtp.domains' must be a table: { … }",
    "[smtp]\npassword = 4": "2:12: 'smtp.password' must be a text in quotation marks",
    "[smtp]\npassword_file = 4": "2:17: 'smtp.password_file' must be a path in quotation marks",
    "[smpt]\nhost = ''": "1:1: unknown setting 'smpt'; did you mean 'smtp'?",
    "[web]\nbase_url = 'ftp://x'": "2:13: 'web.base_url': it begins with https:// (REN-16)",
    "[web]\nbase_url = 'http://localhost.evil.de'": "2:13: 'web.base_url': it begins with https:// (REN-16)",
    "[web]\nbase_url = 'http://127.0.0.1.evil.de/x'": "2:13: 'web.base_url': it begins with https:// (REN-16)",
    "[web]\nbase_url = 'http://localhost@evil.de'": "2:13: 'web.base_url': it begins with https:// (REN-16)",
    "[web]\nbase_url = 'https://om.de@evil.de'": f"2:13: 'web.base_url': {A_HOST}",
    "[web]\nbase_url = 'https://'": f"2:13: 'web.base_url': {A_HOST}",
    "[web]\nbase_url = 'https://om.de/?x'": f"2:13: 'web.base_url': {A_HOST}",
    "[web]\nbase_url = 'https://[om.de'": "2:13: 'web.base_url': it is no address: Invalid IPv6 URL",
    "[smtp]\nhost = 'localhost.evil.de'\nusername = 'om'\ntls = 'none'": (
        "1:1: 'smtp': a password is never sent in clear: set tls to starttls or tls (BULK-15)"
    ),
    "[sender]\nfeedback_sender_id = 'OM'": "2:23: 'sender.feedback_sender_id': 5 to 15 letters a-z and digits (MSG-22)",
    "mode = rehearsal": "1:8: this is not TOML: invalid value",
}


@pytest.mark.parametrize("content", WRONG)
def test_a_fault_is_named_where_it_stands_in_our_own_words(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.toml").write_text(content + "\n", encoding="utf-8")
    with pytest.raises(ProblemsError) as refused:
        load_settings(tmp_path)
    (problem,) = refused.value.problems
    assert str(problem) == f"{tmp_path / 'config.toml'}:{WRONG[content]} [{problem.rule_id}]"
    assert "config.example.toml" in refused.value.hint


def test_a_fault_of_the_environment_names_its_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "config.toml").write_text("format = 1\n[run]\nevery_seconds = 60\n", encoding="utf-8")
    monkeypatch.setenv("OM_CAMPAIGNS_RUN__EVERY_SECONDS", "often")
    with pytest.raises(ProblemsError, match=r"^OM_CAMPAIGNS_RUN__EVERY_SECONDS: 'run.every_seconds' must be a whole number from 5 to 3600"):
        load_settings(tmp_path)
    monkeypatch.setenv("OM_CAMPAIGNS_RUN__EVERY_SECONDS", "60")
    monkeypatch.setenv("OM_CAMPAIGNS_STAFF", "a@om-probe.de")
    with pytest.raises(InputError, match="environment"):
        load_settings(tmp_path)


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
