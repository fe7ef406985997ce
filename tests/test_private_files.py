"""What holds addresses, letters or secrets is its owner's alone from the first byte, and nothing is read or written through a link."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from om_campaigns import engines, store
from om_campaigns.errors import RefusedError
from om_campaigns.operate.backup import back_up, restore
from om_campaigns.operate.doctor import Level, examine
from om_campaigns.private_files import make_private_file, write_private
from tests.journeys.workspace import Workspace, house, person

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name != "posix", reason="rights of POSIX")]


@pytest.fixture(autouse=True)
def careless() -> Iterator[None]:
    """A umask that takes nothing away from anybody."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    made = Workspace(tmp_path / "ws", settings='[sender]\nimprint = "OM, Hauptstraße 1, 10115 Berlin"\n')
    made.houses(house("ihk", "05"))
    made.people(person("Anna Groß", "ihk"))
    made.segment("alle", "'contact' in roles")
    made.campaign("reihe", "a1 day = 0")
    return made


def call(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from om_campaigns.cli import main; main()", "-w", str(folder), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, umask=0)


def open_to_others(folder: Path, *patterns: str) -> list[str]:
    found = [path for pattern in patterns for path in folder.glob(pattern)]
    assert found, patterns
    return [f"{path.name} {stat.filemode(path.lstat().st_mode)}" for path in found if path.lstat().st_mode & 0o077]


PRIVATE = ("config.toml", "keys.toml", "*.db*", "outbox", "outbox/*", "locks")


@pytest.mark.slow
def test_a_workspace_is_private_whatever_the_umask(tmp_path: Path) -> None:
    folder = tmp_path / "ws"
    assert call(folder, "init").returncode == 0
    assert call(folder, "audience", "import").returncode == 0
    entering = re.search(r"--expect (\d+)", call(folder, "campaign", "publish").stderr)
    assert entering
    for arguments in (("campaign", "publish", "--expect", entering[1]), ("--now", "2027-01-12T10:00", "send", "--all-due", "--yes")):
        done = call(folder, *arguments)
        assert done.returncode == 0, done.stderr
    assert list(folder.glob("outbox/*.eml"))
    assert open_to_others(folder, *PRIVATE) == []
    assert [path for path in folder.rglob("*") if path.lstat().st_mode & 0o002] == [], "what anybody may change would be sent"
    assert call(folder, "backup", str(tmp_path / "om.zip")).returncode == 0
    back = tmp_path / "back"
    assert call(back, "restore", str(tmp_path / "om.zip")).returncode == 0
    (back / "keys.toml").write_text("# another\n", encoding="utf-8")
    assert call(back, "restore", str(tmp_path / "om.zip"), "--replace").returncode == 0
    assert open_to_others(tmp_path, "om.zip", "back/config.toml", "back/keys.toml", "back/*.db*", "back/before-restore-*") == []


def test_the_files_beside_a_database_are_as_private_as_itself(tmp_path: Path) -> None:
    engine = engines.open_engine("sqlite:///om.db", root=tmp_path)
    store.metadata.create_all(engine)
    with store.write(engine) as session:
        store.instance(session)
        assert {path.name for path in tmp_path.iterdir()} == {"om.db", "om.db-wal", "om.db-shm"}
        assert open_to_others(tmp_path, "om.db*") == []
    engine.dispose()


def test_doctor_names_what_others_may_read(workspace: Workspace) -> None:
    def look() -> tuple[Level, str, str]:
        (found,) = [each for each in examine(workspace.folder, workspace.app.clock) if each.topic == "rights"]
        return found.level, found.text, found.hint

    workspace.folder.chmod(0o755)
    for name in ("config.toml", "om-campaigns.db", "om-campaigns.db-wal", "om-campaigns.db-shm"):
        (workspace.folder / name).chmod(0o600)
    assert look()[0] is Level.ok
    (workspace.folder / "om-campaigns.db").chmod(0o644)
    level, text, hint = look()
    assert level is Level.warn
    assert text.endswith("om-campaigns.db")
    assert "config.toml" not in text
    assert hint.startswith("chmod go-rwx ")
    workspace.folder.chmod(0o700)
    assert look()[0] is Level.ok, "nobody gets that far"


def test_private_files_are_never_written_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("kept", encoding="utf-8")
    for target in ("precious", "nowhere"):
        link = tmp_path / f"to-{target}"
        link.symlink_to(tmp_path / target)
        with pytest.raises(FileExistsError):
            make_private_file(link)
        write_private(link, b"letter")
        assert (link.is_symlink(), link.read_bytes()) == (False, b"letter")
    assert (tmp_path / "precious").read_text(encoding="utf-8") == "kept"
    assert not (tmp_path / "nowhere").exists()


def test_a_backup_holds_nothing_that_lies_elsewhere(workspace: Workspace, tmp_path: Path) -> None:
    secret = tmp_path / "shadow"
    secret.write_text("root:geheim", encoding="utf-8")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/more").write_text("geheim", encoding="utf-8")
    (workspace.folder / "templates/content/bild.png").symlink_to(secret)
    (workspace.folder / "audiences/mehr").symlink_to(tmp_path / "folder")
    done = back_up(workspace.app, tmp_path / "om.zip", workspace.now)
    assert done.left_out == ["audiences/mehr", "templates/content/bild.png"]
    assert not {"templates/content/bild.png", "audiences/mehr/more"} & set(done.contents.files)
    said = call(workspace.folder, "backup", str(tmp_path / "again.zip"))
    assert "left out, because links are not followed: audiences/mehr, templates/content/bild.png" in said.stderr


@pytest.mark.parametrize("name", ["config.toml", "keys.toml", "templates", "audiences"])
def test_a_workspace_of_links_is_not_backed_up_by_halves(workspace: Workspace, tmp_path: Path, name: str) -> None:
    (workspace.folder / name).rename(tmp_path / "elsewhere")
    (workspace.folder / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RefusedError, match="is a link"):
        back_up(workspace.app, tmp_path / "om.zip", workspace.now)
    assert not (tmp_path / "om.zip").exists()


@pytest.mark.parametrize("name", ["templates", "templates/layouts", "keys.toml", "om-campaigns.db", "templates/campaigns/reihe/a1.de.md"])
@pytest.mark.parametrize("leads", ["somewhere", "nowhere"])
def test_nothing_is_restored_through_a_link(workspace: Workspace, tmp_path: Path, name: str, leads: str) -> None:
    back_up(workspace.app, tmp_path / "om.zip", workspace.now)
    folder, outside = tmp_path / "back", tmp_path / "outside"
    (folder / name).parent.mkdir(parents=True)
    if leads == "somewhere" and "." not in Path(name).name:
        outside.mkdir()
    elif leads == "somewhere":
        outside.write_text("kept", encoding="utf-8")
    (folder / name).symlink_to(outside)
    before = sorted(outside.iterdir()) if outside.is_dir() else outside.read_bytes() if outside.exists() else None
    with pytest.raises(RefusedError):
        restore(folder, tmp_path / "om.zip", is_replacing=False, now=workspace.now)
    done = restore(folder, tmp_path / "om.zip", is_replacing=True, now=workspace.now)
    assert done.aside is not None
    assert (done.aside / name).is_symlink()
    assert not (folder / name).is_symlink()
    assert before == (sorted(outside.iterdir()) if outside.is_dir() else outside.read_bytes() if outside.exists() else None)


def test_a_config_is_not_restored_through_a_link_either(workspace: Workspace, tmp_path: Path) -> None:
    back_up(workspace.app, tmp_path / "om.zip", workspace.now)
    (tmp_path / "back").mkdir()
    (tmp_path / "back/config.toml").symlink_to(tmp_path / "nowhere.toml")
    with pytest.raises(RefusedError, match="is a link"):
        restore(tmp_path / "back", tmp_path / "om.zip", is_replacing=True, now=workspace.now)
    assert not (tmp_path / "nowhere.toml").exists()


def test_doctor_says_so_as_json(workspace: Workspace) -> None:
    workspace.folder.chmod(0o755)
    (workspace.folder / "config.toml").chmod(0o644)
    rows = json.loads(call(workspace.folder, "doctor", "--format", "json").stdout)
    assert [(row["level"], row["hint"].split()[0]) for row in rows if row["topic"] == "rights"] == [("warn", "chmod")]


def test_restoring_without_a_named_workspace_asks_where_something_lies(workspace: Workspace, tmp_path: Path) -> None:
    back_up(workspace.app, tmp_path / "om.zip", workspace.now)
    here = tmp_path / "home"
    here.mkdir()
    program = [sys.executable, "-c", "from om_campaigns.cli import main; main()"]

    def restore_here(*options: str) -> subprocess.CompletedProcess[str]:
        command = [*program, *options, "restore", str(tmp_path / "om.zip")]
        return subprocess.run(command, cwd=here, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    (here / "brief.txt").write_text("meiner", encoding="utf-8")
    said = restore_here()
    assert said.returncode == 3, said.stderr
    assert f"-w {here}" in said.stderr
    assert [path.name for path in here.iterdir()] == ["brief.txt"]
    assert restore_here("-w", str(here)).returncode == 0
    assert (here / "templates").is_dir()


def test_an_empty_folder_needs_no_name(workspace: Workspace, tmp_path: Path) -> None:
    back_up(workspace.app, tmp_path / "om.zip", workspace.now)
    here = tmp_path / "leer"
    here.mkdir()
    command = [sys.executable, "-c", "from om_campaigns.cli import main; main()", "restore", str(tmp_path / "om.zip")]
    done = subprocess.run(command, cwd=here, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert (here / "keys.toml").is_file()
