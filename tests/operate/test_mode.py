"""tick: two keys must turn for live mail, and turning one back never diverts what is owed to real people."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from om_campaigns import engines, migrations, store
from om_campaigns.app import App
from om_campaigns.errors import RefusedError
from om_campaigns.keyring import make_keys
from om_campaigns.store import Mode
from om_campaigns.tick import tick
from om_campaigns.wiring import open_app

pytestmark = pytest.mark.slow

NOW = datetime(2027, 1, 5, 8, tzinfo=UTC)


def opened(folder: Path, config: str, done: Mode) -> App:
    (folder / "config.toml").write_text(config, encoding="utf-8")
    make_keys(folder / "keys.toml")
    engine = engines.open_engine("sqlite:///om-campaigns.db", root=folder)
    migrations.upgrade(engine)
    with store.write(engine) as session:
        store.instance(session).mode = done
    engine.dispose()
    return open_app(folder, now=NOW)


def test_a_config_that_says_live_is_not_enough(tmp_path: Path) -> None:
    assert opened(tmp_path, 'mode = "live"\n', Mode.rehearsal).mode is Mode.rehearsal


def test_a_config_turned_back_to_rehearsal_refuses_to_send(tmp_path: Path) -> None:
    app = opened(tmp_path, 'mode = "rehearsal"\n', Mode.live)
    with pytest.raises(RefusedError, match="went live"):
        tick(app, NOW)


def test_live_mail_is_refused_while_no_page_answers_uns_01(tmp_path: Path) -> None:
    app = opened(tmp_path, 'mode = "live"\n', Mode.live)
    with pytest.raises(RefusedError, match="base_url"):
        tick(app, NOW)


@pytest.mark.slow
def test_a_halted_installation_refuses_and_says_why(tmp_path: Path) -> None:
    app = opened(tmp_path, "", Mode.rehearsal)
    with store.write(app.engine) as session:
        row = store.instance(session)
        row.halted_at, row.halt_reason = NOW, "wrong text"
    with pytest.raises(RefusedError, match="wrong text"):
        tick(app, NOW)
