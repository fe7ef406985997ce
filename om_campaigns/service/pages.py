"""``web``: the pages alone, until told to stop."""

from __future__ import annotations

from om_campaigns.app import App
from om_campaigns.errors import InstallationError
from om_campaigns.service.stopping import told_to_stop, wait


def serve_until_told(app: App, host: str, port: int) -> None:
    """Serve the pages until SIGTERM or SIGINT; answers that are on their way are finished. Main thread only.

    Raises InstallationError when the extra ``web`` is not installed or the port cannot be had.
    """
    try:
        from om_campaigns.web.server import serving
    except ModuleNotFoundError as error:
        raise InstallationError(f"the pages need {error.name}", hint="install the extra: om-campaigns[web]") from None
    with told_to_stop(app.settings.run.stop_seconds) as stop, serving(app, host, port):
        wait(stop)
