"""Making a workspace, halting, and forgetting: nothing is overwritten, and lost keys never open a way round a suppression."""

from __future__ import annotations

import shutil
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from om_campaigns import app as app_module
from om_campaigns import migrations
from om_campaigns.app import starter_folder
from om_campaigns.audience.vocabulary import Origin
from om_campaigns.clock import system_clock
from om_campaigns.errors import InstallationError, RefusedError
from om_campaigns.operate.installation import init_workspace
from om_campaigns.operate.retention import Forgotten, forget_old_values
from om_campaigns.staff.importing import import_audience
from om_campaigns.wiring import open_app
from tests.cli.shell import om
from tests.journeys.workspace import HOUSE_COLUMNS, PEOPLE_COLUMNS, STEP, Workspace, house, local, person

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


def test_init_copies_the_starter_and_makes_keys_and_database(tmp_path: Path) -> None:
    done = init_workspace(tmp_path / "ws")
    assert (done.is_new, done.is_sample, done.kept) == (True, True, [])
    for name in ("config.toml", "audiences/people.csv", "audiences/segments", "templates/layouts/letter.mjml", "audiences/.sample"):
        assert (tmp_path / "ws" / name).exists(), name
    assert stat.S_IMODE((tmp_path / "ws/keys.toml").stat().st_mode) == 0o600
    app = open_app(tmp_path / "ws")
    assert migrations.current(app.engine) == migrations.head()
    assert not (tmp_path / "ws/templates/.keep").exists()


def test_what_the_starter_brings_is_marked_as_sample(tmp_path: Path) -> None:
    """What stands in the unchanged starter can never be written to in earnest (see go-live)."""
    init_workspace(tmp_path)
    app = open_app(tmp_path)
    import_audience(app, [tmp_path / "audiences/mailing_lists.csv", tmp_path / "audiences/organisations.csv"], system_clock(), "test")
    with app.engine.connect() as connection:
        assert {row[0] for row in connection.exec_driver_sql("SELECT DISTINCT origin FROM organisation")} == {Origin.sample}
    (tmp_path / "audiences/.sample").unlink()
    (tmp_path / "own.csv").write_text("slug;name;type;level\neigen;Eigenes Haus;guild;local\n", encoding="utf-8")
    import_audience(app, [tmp_path / "own.csv"], system_clock(), "test")
    with app.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT origin FROM organisation WHERE slug = 'eigen'").scalar() == Origin.file


def test_a_blank_workspace_has_only_what_every_letter_needs(tmp_path: Path) -> None:
    done = init_workspace(tmp_path, is_blank=True)
    assert not done.is_sample
    assert not (tmp_path / "audiences/.sample").exists()
    assert not list((tmp_path / "audiences/segments").iterdir())
    assert not list((tmp_path / "templates/campaigns").iterdir())
    assert [path.name for path in (tmp_path / "templates/brands").iterdir()] == ["om.toml"]
    assert list((tmp_path / "templates/layouts").iterdir())
    assert "begleitmail.de.md" in [path.name for path in (tmp_path / "templates/content").iterdir()]
    tables = sorted((tmp_path / "audiences").glob("*.csv"))
    assert "people.csv" in [path.name for path in tables]
    assert {path.read_text(encoding="utf-8").count("\n") for path in tables} == {1}
    report = import_audience(open_app(tmp_path), [], system_clock(), "test")
    assert (report.rejected, report.people_total) == ([], 0)


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "audiences").mkdir()
    (tmp_path / "audiences/people.csv").write_text("meine", encoding="utf-8")
    assert init_workspace(tmp_path).kept == ["audiences/people.csv"]
    assert (tmp_path / "audiences/people.csv").read_text(encoding="utf-8") == "meine"
    keys = (tmp_path / "keys.toml").read_bytes()
    (tmp_path / "audiences/.sample").unlink()
    again = init_workspace(tmp_path)
    assert (again.is_new, again.written) == (False, [])
    assert (tmp_path / "keys.toml").read_bytes() == keys
    assert not (tmp_path / "audiences/.sample").exists()


def test_law09_lost_keys_are_not_replaced_beside_old_hashes(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "ws")
    (workspace.folder / "keys.toml").unlink()
    assert init_workspace(workspace.folder).written == ["keys.toml"]
    workspace.houses(house("ihk-tal", "05"))
    workspace.people(person("Jörg Müller", "ihk-tal"))
    (workspace.folder / "keys.toml").unlink()
    with pytest.raises(RefusedError, match="holds 1 addresses and suppressions"):
        init_workspace(workspace.folder)


def test_the_starter_is_found_in_a_wheel_and_in_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert starter_folder() == ROOT
    package = tmp_path / "site-packages/om_campaigns"
    package.mkdir(parents=True)
    monkeypatch.setattr(app_module, "__file__", str(package / "app.py"))
    with pytest.raises(InstallationError, match="starter workspace is missing"):
        starter_folder()
    for name in ("templates", "audiences"):
        shutil.copytree(ROOT / name, package / "_starter" / name)
    shutil.copy(ROOT / "config.example.toml", package / "_starter")
    assert starter_folder() == package / "_starter"
    init_workspace(tmp_path / "ws")
    assert (tmp_path / "ws/audiences/organisations.csv").is_file()


def test_old_values_are_forgotten_and_new_ones_stay(tmp_path: Path) -> None:
    """LAW-07: after ``retention.slot_days`` names inside sent mails are gone; the ledger stays."""
    workspace = Workspace(tmp_path / "ws", settings="[retention]\nslot_days = 10\n")
    workspace.houses(house("ihk-tal", "05"))
    workspace.people(person("Jörg Müller", "ihk-tal"))
    workspace.segment("alle", "'contact' in roles")
    workspace.campaign("reihe", "a1 day = 0", "a2 day = 7")
    workspace.publish()
    for day in ("2027-01-04", "2027-01-05", "2027-01-12"):
        workspace.tick(local(day))
    assert workspace.count("message_slots") == 2
    assert forget_old_values(workspace.app, local("2027-01-05") + timedelta(days=10)) == Forgotten(0, 0, 0)
    assert forget_old_values(workspace.app, local("2027-01-05") + timedelta(days=10, seconds=1)) == Forgotten(1, 0, 0)
    assert (workspace.count("message_slots"), workspace.count("message"), len(workspace.sent())) == (1, 2, 2)


def test_what_a_blank_workspace_passes_on_leaves(tmp_path: Path) -> None:
    """With nothing but the files of `init --blank`, houses, a segment and a text: no cover is held for a text that is missing."""
    init_workspace(tmp_path, is_blank=True)
    rows = {
        "organisations": HOUSE_COLUMNS + house("amt", "05", routes="forward_pack", adviser_headcount="12"),
        "people": PEOPLE_COLUMNS + person("Anna Amt", "amt", roles="distributor"),
        "mailing_lists": "slug;name_de\nreihe;Reihe\n",
    }
    for name, content in rows.items():
        (tmp_path / f"audiences/{name}.csv").write_text(content, encoding="utf-8")
    (tmp_path / "audiences/segments/alle.toml").write_text(
        "format = 1\ntitle = \"Alle\"\nselects = \"organisations\"\nwhere = '''status == 'active' '''\n", encoding="utf-8"
    )
    folder = tmp_path / "templates/campaigns/reihe"
    folder.mkdir()
    head = 'format = 1\nkind = "drip"\ntitle = "Reihe"\nmailing_list = "reihe"\n[[audience]]\nsegment = "alle"\nroutes = ["forward_pack"]\n'
    (folder / "campaign.toml").write_text(head + '[[step]]\nname = "b1"\nday = 0\n', encoding="utf-8")
    (folder / "b1.de.md").write_text(STEP.format(subject="Ein Nachbar hilft", body="Guten Tag,\n\nein Schritt."), encoding="utf-8")
    at = "2027-01-05T10:00"
    for command in (["audience", "import"], ["check"], ["campaign", "publish"], ["send", "--all-due"]):
        said = om(tmp_path, *command, now=at)
        assert said.code == 0, said
    found = om(tmp_path, "ledger", "--format", "json", now=at).json
    assert [(each["step"], each["status"]) for each in found] == [("b1", "sent")]
