"""The manual's page on errors: every class people can meet, with its exit code, and no other."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import om_campaigns
from om_campaigns.errors import OmError

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")


def all_errors(kind: type[OmError]) -> set[type[OmError]]:
    below = {each for each in kind.__subclasses__() if each.__module__.startswith("om_campaigns.")}
    return below.union(*(all_errors(each) for each in below))


def test_every_class_stands_there_with_its_exit_code() -> None:
    for module in pkgutil.walk_packages(om_campaigns.__path__, "om_campaigns."):
        if not module.name.startswith("om_campaigns.migrations."):
            importlib.import_module(module.name)
    shown = {name: int(code) for name, code in re.findall(r"^\| `(\w+)` \| (\d) \|", PAGE, re.MULTILINE)}
    assert shown == {each.__name__: each.exit_code for each in all_errors(OmError)}


def test_every_exit_code_is_explained() -> None:
    explained = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}
    assert explained >= {0, 1, *(each.exit_code for each in all_errors(OmError))}
