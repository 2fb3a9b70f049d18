"""The command line: reads arguments, prints answers, sets exit codes; the work is done elsewhere.

What only some commands need is imported by those: reading a config and probing take most of a command's start.
Exit codes are those of a probe: 0 up or degraded, 1 down, 2 wrong usage or config, 3 unknown.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, NoReturn

import typer

from monitor.commands.late import LateGroup
from monitor.errors import ConfigError
from monitor.model import Status, WorkstationState
from monitor.terminal import cell, say
from monitor.version import __version__

if TYPE_CHECKING:
    from monitor.config import Config
    from monitor.recording import Recorder

DOWN: Final = 1
USAGE: Final = 2
UNKNOWN: Final = 3

COLOURS: Final = {Status.UP: "green", Status.DEGRADED: "yellow", Status.DOWN: "red", Status.UNKNOWN: "magenta"}

app = typer.Typer(
    name="emuwatch",
    help="Monitor farms of Android emulators: guarded probes, Prometheus metrics, a status page.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    cls=LateGroup,
)

ConfigPath = Annotated[Path, typer.Option("--config", "-c", help="The config file.", show_default=True)]
DEFAULT_CONFIG: Final = Path("config.yaml")


def main() -> None:
    """Run the command; what ``emuwatch`` on the command line calls."""
    app()


def _version(value: bool) -> None:  # noqa: FBT001 - typer calls it with the option's value
    if value:
        say(f"emuwatch {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Monitor farms of Android emulators."""


@app.command()
def run(
    config: ConfigPath = DEFAULT_CONFIG,
    shard: Annotated[
        str, typer.Option(help="Watch a stable share of the workstations only: I/N, 1 <= I <= N.")
    ] = "1/1",
    log_format: Annotated[str | None, typer.Option(help="console or json; overrides the config.")] = None,
    log_level: Annotated[str | None, typer.Option(help="debug, info, warning or error; overrides the config.")] = None,
) -> None:
    """Watch what the config names, until interrupted. SIGHUP loads the config anew."""
    loaded = _load(config)
    relog = logging_by(log_format, log_level)
    relog(loaded)
    share = _shard(shard)
    from monitor.app import ListenError, Service  # noqa: PLC0415 - the other commands start faster without
    from monitor.serving import serve  # noqa: PLC0415 - the same

    async def body() -> None:
        await serve(Service(loaded, config_path=config, shard=share, relog=relog))

    try:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(body())
    except (ListenError, ConfigError) as error:
        _wrong(str(error))


@app.command()
def demo(
    port: Annotated[int, typer.Option(help="Where the page listens, on 127.0.0.1.")] = 9877,
    plain: Annotated[bool, typer.Option("--plain", help="Plain lines instead of a live screen.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Watch a simulated fleet of 8 workstations with 6 emulators each, with a story of faults on a loop."""
    from monitor.demo import demo as run_demo  # noqa: PLC0415 - the other commands start faster without

    raise typer.Exit(run_demo(port=port, plain=plain))


@app.command("check-config")
def check_config(config: ConfigPath = DEFAULT_CONFIG) -> None:
    """Say what is wrong with a config, all of it, or what it watches."""
    from monitor.metrics.estimate import words  # noqa: PLC0415 - the other commands start faster without

    loaded = _load(config)
    gateways = f", {len(loaded.gateways)} gateways" if loaded.gateways else ""
    say(f"{config}: ok, {len(loaded.workstations)} workstations, {len(loaded.targets)} checks{gateways}")
    say(f"/metrics: {words(loaded)}")


@app.command()
def probe(
    workstation: Annotated[str, typer.Argument(help="The id of a workstation.")],
    check: Annotated[str | None, typer.Argument(help="The name of one of its checks; all when left out.")] = None,
    config: ConfigPath = DEFAULT_CONFIG,
    record: Annotated[
        Path | None, typer.Option(help="Write what the host answered into this folder, without the credential.")
    ] = None,
) -> None:
    """Run the checks of a workstation once and print what they say."""
    from monitor import log  # noqa: PLC0415 - the other commands start faster without
    from monitor.once import probe_once  # noqa: PLC0415 - the same
    from monitor.recording import Recorder  # noqa: PLC0415 - the same

    loaded = _load(config)
    log.configure(style="console", level="warning")
    known = {target.workstation.id for target in loaded.targets} | {w.id for w in loaded.workstations}
    if workstation not in known:
        _wrong(f"{config}: no workstation {workstation!r}")
    targets = [t for t in loaded.targets if t.workstation.id == workstation and check in {None, t.name}]
    if not targets:
        _wrong(f"{config}: {workstation} has no check {check!r}" if check else f"{config}: {workstation} has no checks")
    recorder = None if record is None else Recorder(record)
    state = asyncio.run(probe_once(loaded, targets, record=recorder))
    _print_probe(state)
    if recorder is not None:
        _print_samples(state, recorder)
    raise typer.Exit(_exit_code(state, whole=check is None))


@app.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of the config, for editors."""
    from monitor.config import schema  # noqa: PLC0415 - the other commands start faster without

    say(json.dumps(schema(), indent=2))


def new_loop() -> asyncio.AbstractEventLoop:
    """Make the fastest event loop the platform has."""
    if sys.platform == "win32":
        return asyncio.new_event_loop()
    import uvloop  # noqa: PLC0415 - not to be had on Windows

    return uvloop.new_event_loop()


def logging_by(style: str | None, level: str | None) -> Callable[[Config], None]:
    """Check the options for logs, and make what sets logging up as they say, or else as a config does."""
    if style not in {None, "console", "json"}:
        _wrong(f"--log-format: {style!r}: write console or json")
    if level not in {None, "debug", "info", "warning", "error"}:
        _wrong(f"--log-level: {level!r}: write debug, info, warning or error")

    def relog(config: Config) -> None:
        from monitor import log  # noqa: PLC0415 - the other commands start faster without

        chosen = style or config.log_format
        log.configure(style="json" if chosen == "json" else "console", level=level or config.log_level)

    return relog


def _load(path: Path) -> Config:
    from monitor.config import load  # noqa: PLC0415 - --version and --help start faster without

    try:
        return load(path)
    except ConfigError as error:
        _wrong(str(error))


def _shard(text: str) -> tuple[int, int]:
    index, _, count = text.partition("/")
    if not (index.isdecimal() and count.isdecimal() and 1 <= int(index) <= int(count)):
        _wrong(f"--shard: {text!r}: write I/N with 1 <= I <= N, e.g. 1/3")
    return int(index), int(count)


def _wrong(message: str) -> NoReturn:
    say(message, err=True)
    raise typer.Exit(USAGE)


def _print_probe(state: WorkstationState) -> None:
    from rich.console import Console  # noqa: PLC0415 - --version and --help start faster without
    from rich.table import Table  # noqa: PLC0415 - the same

    table = Table(title=cell(f"{state.workstation.id} ({state.workstation.host}): {state.status}"))
    for heading in ("check", "status", "took", "why"):
        table.add_column(heading, overflow="fold")
    for check in state.checks:
        took = "" if check.last_duration is None else f"{check.last_duration * 1000:.0f} ms"
        status = cell(check.status, COLOURS[check.status])
        table.add_row(cell(check.target.name), status, took, cell(check.message))
    for emulator in state.emulators:
        status = cell(emulator.status, COLOURS[emulator.status])
        words = ", ".join(filter(None, (emulator.title, emulator.state, emulator.message)))
        table.add_row(cell(emulator.id), status, "", cell(words))
    Console().print(table)


def _print_samples(state: WorkstationState, recorder: Recorder) -> None:
    """Say of every check what was recorded; of what some exchange (echoes, adb's own protocol) nothing is."""
    for check in state.checks:
        samples = recorder.samples.get(check.target.name, ())
        for path in samples:
            say(f"{check.target.name}: recorded in {path}")
        if not samples:
            why = "nobody answered" if check.last_success is None else "what it exchanges is not kept"
            say(f"{check.target.name}: nothing to record: {why}")


def _exit_code(state: WorkstationState, *, whole: bool) -> int:
    statuses = {check.status for check in state.checks} | ({state.status} if whole else set())
    if Status.DOWN in statuses:
        return DOWN
    return UNKNOWN if Status.UNKNOWN in statuses else 0
