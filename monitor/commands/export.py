"""``emuwatch export alerts|dashboards DIR``: write the files that Prometheus, Alertmanager and Grafana load.

Exit codes: 0 written, 2 wrong usage or a folder that can't be written.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Final
from urllib.parse import urlsplit

import typer

from monitor.bundle import NothingToExportError, write_alerts, write_dashboards
from monitor.terminal import say

USAGE: Final = 2

app = typer.Typer(
    name="export", help="Write alert rules or dashboards as files, for others to load.", no_args_is_help=True
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="Where to write; made if it is not there.")]


def _address(text: str | None) -> str | None:
    """Accept what can be clicked on, and can't end the line of YAML it is put into."""
    if text is not None:
        parts = urlsplit(text)
        if (
            parts.scheme not in {"http", "https"}
            or not parts.hostname
            or not text.isprintable()
            or set(text) & set(" '\"#")
        ):
            raise typer.BadParameter("write an address such as https://wiki.example/runbooks")
    return text


@app.command()
def alerts(
    folder: Folder,
    runbook_base: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            callback=_address,
            help="Where the runbooks will be found: alerts link to URL/NAME.md. Without it, to runbooks/NAME.md.",
        ),
    ] = None,
) -> None:
    """Write Prometheus rules, a runbook for each alert, and an example for Alertmanager."""
    _say(lambda: write_alerts(folder, runbook_base=runbook_base))


@app.command()
def dashboards(folder: Folder) -> None:
    """Write dashboards and provisioning for Grafana: mount DIR as /etc/grafana/provisioning."""
    _say(lambda: write_dashboards(folder))


def _say(write: Callable[[], list[Path]]) -> None:
    try:
        written = write()
    except (NothingToExportError, OSError) as error:
        say(error, err=True)
        raise typer.Exit(USAGE) from None
    for path in written:
        say(path)
