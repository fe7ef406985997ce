"""``web``: serve the pages for people outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from om_campaigns.cli import State, pass_state

if TYPE_CHECKING:
    from om_campaigns.operate.scheduler import PageServer


@click.command()
@click.option("--host", default=None, metavar="NAME", help="What to listen on (default: [web] host).")
@click.option("--port", type=click.IntRange(1, 65535), default=None, help="Which port (default: [web] port).")
@pass_state
def web(state: State, host: str | None, port: int | None) -> None:
    """Serve the pages behind the links of mails until Ctrl-C or SIGTERM; no letter is sent, only the mails with links
    that people ask for.

    'run' serves them too where [web] base_url is set. Needs the extra 'web'.
    """
    from om_campaigns.events import set_up_logs
    from om_campaigns.operate.scheduler import serve_until_told

    app = state.app()
    set_up_logs(debug=state.debug, verbose=True)
    serve_until_told(app, host or app.settings.web.host, port or app.settings.web.port, load_server())


def load_server() -> PageServer:
    """What serves the pages. Raises InstallationError when the extra ``web`` is not installed."""
    from om_campaigns.errors import InstallationError

    try:
        from om_campaigns.web.server import serving
    except ModuleNotFoundError as error:
        raise InstallationError(f"the pages need {error.name}", hint="install the extra: om-campaigns[web]") from None
    return serving
