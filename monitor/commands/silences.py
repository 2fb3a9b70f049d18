"""``emuwatch silence`` and ``emuwatch maintenance``: look at them in the running service, make them, end them.

Exit codes: 0 done, 2 wrong usage or config, or no such silence, 3 the service could not be reached.
"""

from __future__ import annotations

import getpass
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table

from monitor.client import segment
from monitor.commands.service import DEFAULT_CONFIG, USAGE, ConfigPath, service
from monitor.silences import Purpose
from monitor.terminal import cell, say

Many = list[str] | None
ANYTHING: Final = ("workstation", "site", "label", "subject")

Why = Annotated[str, typer.Option("--reason", "-r", help="Why; it is shown, and kept with the event.")]


def group(purpose: Purpose, help_text: str) -> typer.Typer:
    """Make the commands for one purpose."""
    app = typer.Typer(name=purpose.value, help=help_text, no_args_is_help=True)

    @app.command("list")
    def list_(
        config: ConfigPath = DEFAULT_CONFIG,
        everything: Annotated[bool, typer.Option("--all", help="Those that are over, too.")] = False,  # noqa: FBT002 - a flag
    ) -> None:
        """List them."""
        with service(config) as running:
            found = running.get(f"/api/v1/silences?purpose={purpose}")["silences"]
        _print([silence for silence in found if everything or silence["phase"] != "ended"])

    @app.command("add")
    def add(  # noqa: PLR0913, PLR0917 - each is an option
        reason: Why,
        workstation: Annotated[Many, typer.Option("--workstation", "-w", help="Its id; wildcards; may repeat.")] = None,
        site: Annotated[Many, typer.Option(help="A site; wildcards; may repeat.")] = None,
        label: Annotated[Many, typer.Option(help="NAME=VALUE; wildcards; all must match.")] = None,
        subject: Annotated[Many, typer.Option(help="Only this check (rdp) or emulator (ldplayer:3).")] = None,
        everything: Annotated[bool, typer.Option("--all", help="Everything there is.")] = False,  # noqa: FBT002 - a flag
        lasting: Annotated[str | None, typer.Option("--for", help="How long: 30m, 2h, 1d.")] = None,
        starts: Annotated[str | None, typer.Option("--from", help="When: 2026-01-31T22:00; default: now.")] = None,
        until: Annotated[str | None, typer.Option(help="Up to when, instead of --for.")] = None,
        cron: Annotated[str | None, typer.Option(help="Again and again: '0 3 * * sun'; with --for.")] = None,
        timezone: Annotated[str, typer.Option(help="Of --from, --until and --cron.")] = "UTC",
        name: Annotated[str | None, typer.Option(help="What it is called.")] = None,
        config: ConfigPath = DEFAULT_CONFIG,
    ) -> None:
        """Make one; say whom it covers, and how long."""
        if not everything and not any((workstation, site, label, subject)):
            _wrong(f"say whom it covers: --{', --'.join(ANYTHING)}, or --all")
        given = {
            "workstations": workstation or None,
            "sites": site or None,
            "subjects": subject or None,
            "labels": _labels(label or []) or None,
            "duration": lasting,
            "starts": starts,
            "ends": until,
            "schedule": cron,
            "name": name,
        }
        body: dict[str, object] = {key: value for key, value in given.items() if value is not None}
        body |= {"purpose": purpose.value, "timezone": timezone, "reason": reason, "who": getpass.getuser()}
        with service(config) as running:
            made = running.post("/api/v1/silences", body)
        say(f"{made['id']}: {made['phase']}, {made['starts']} to {made['ends']}")
        if not made["kept"]:
            say("the store is away: a restart before it is back would forget it", err=True)

    @app.command("end")
    def end(
        identity: Annotated[str, typer.Argument(metavar="ID", help="As `list` prints it.")],
        reason: Why,
        config: ConfigPath = DEFAULT_CONFIG,
    ) -> None:
        """End one before its time."""
        with service(config) as running:
            path = f"/api/v1/silences/{segment(identity)}/end"
            over = running.post(path, {"reason": reason, "who": getpass.getuser()})
        say(f"{over['id']}: ended")

    return app


silences = group(Purpose.SILENCE, "Silences: nobody is told of what they cover.")
maintenance = group(Purpose.MAINTENANCE, "Windows of maintenance: nobody is told, and pages and metrics show them.")


def _labels(given: list[str]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    wrong = next(("".join(pair) for pair in pairs if not pair[0] or not pair[1]), None)
    if wrong is not None:
        _wrong(f"--label {wrong!r}: write NAME=VALUE")
    return {name: value for name, _, value in pairs}


def _print(found: list[dict[str, Any]]) -> None:
    table = Table()
    for heading in ("id", "phase", "covers", "from", "to", "again", "why", "who"):
        table.add_column(heading, overflow="fold")
    for silence in found:
        again = f"{silence['schedule']} {silence['timezone']}" if silence["schedule"] else ""
        words = (
            silence["id"],
            silence["phase"],
            _covers(silence),
            silence["starts"] or "",
            silence["ended"] or silence["ends"] or "",
            again,
            silence["reason"],
            silence["who"],
        )
        table.add_row(*map(cell, words))
    Console().print(table)


def _covers(silence: dict[str, Any]) -> str:
    parts = [*silence["workstations"]] if silence["workstations"] != ["*"] else []
    parts += [f"site {site}" for site in silence["sites"] if silence["sites"] != ["*"]]
    parts += [f"{name}={value}" for name, value in silence["labels"].items()]
    parts += [f"only {subject}" for subject in silence["subjects"] if silence["subjects"] != ["*"]]
    return ", ".join(parts) or "everything"


def _wrong(message: str) -> None:
    say(message, err=True)
    raise typer.Exit(USAGE)
