"""``emuwatch discover``: look at the hosts the user names, and write a config that watches what is there.

Exit codes: 0 something was found, 1 nothing was, 2 wrong usage, 130 interrupted (what was found by then is written).
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final, NoReturn

import typer
from pydantic import SecretStr
from rich.console import Console
from rich.text import Text

from monitor import log
from monitor.config.files import check_regular, read_secret
from monitor.discovery import USUAL, Door, Look, Open, Protocol
from monitor.discovery.look import Looker
from monitor.discovery.pace import Pace
from monitor.discovery.scan import AT_ONCE, RATE, TIMEOUT, Scanner, Survey
from monitor.discovery.screen import Shown, progress, summary, table
from monitor.discovery.targets import MOST, hosts
from monitor.discovery.trust import USUAL_FILE, Trust
from monitor.discovery.write import Host, Login, config
from monitor.names import Names
from monitor.terminal import say
from monitor.transports import Credential

NOTHING: Final = 1
USAGE: Final = 2
INTERRUPTED: Final = 130
LOOKING: Final = 8
"""Hosts that are logged in to at the same time."""
HIGHEST_PORT: Final = 65535
KNOWN_HOSTS: Final = "known_hosts"
"""The file beside the config that accepted host keys go to."""
FIRST_GUEST: Final = 5555
"""Where LDPlayer has the adb daemon of its emulator 0; the next is two further."""

_BY_PORT: Final = "Ports to look at"
_BY_LOGIN: Final = "Log in and look around"


@dataclass(kw_only=True)
class _Found:
    """Everything found so far."""

    survey: Survey = field(default_factory=Survey)
    looks: dict[str, Look] = field(default_factory=dict)

    def hosts(self, order: Sequence[str]) -> list[Host]:
        """What was found, by host, as the user named them."""
        doors: dict[str, list[Open]] = {}
        for found in self.survey.open:
            doors.setdefault(found.host, []).append(found)
        named = [name for name in order if name in doors]
        return [Host(name=name, doors=tuple(doors[name]), look=self.looks.get(name, Look())) for name in named]


def discover(  # noqa: PLR0913, PLR0917 - the options of a command
    targets: Annotated[
        list[str], typer.Argument(metavar="HOST...", help="Names, addresses, ranges (10.0.0.[50-57]), networks (CIDR).")
    ],
    exclude: Annotated[list[str] | None, typer.Option(metavar="HOST", help="Leave out; in the same notations.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The config; left out: stdout.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the config if there is one.")] = False,  # noqa: FBT002 - a flag
    port: Annotated[
        list[str] | None,
        typer.Option(metavar="PROTOCOL=PORT", help="Instead of the usual one: ssh=2222.", rich_help_panel=_BY_PORT),
    ] = None,
    only: Annotated[list[Protocol] | None, typer.Option(help="Look for these alone.", rich_help_panel=_BY_PORT)] = None,
    guests: Annotated[
        int, typer.Option(min=0, max=100, help="LDPlayer emulators to look for.", rich_help_panel=_BY_PORT)
    ] = 0,
    max_hosts: Annotated[int, typer.Option(min=1, help="How many are meant at most.", rich_help_panel=_BY_PORT)] = MOST,
    rate: Annotated[
        float, typer.Option(min=0.1, max=10_000, help="Connections begun in a second.", rich_help_panel=_BY_PORT)
    ] = RATE,
    at_once: Annotated[
        int, typer.Option(min=1, max=1000, help="Connections at the same time.", rich_help_panel=_BY_PORT)
    ] = AT_ONCE,
    timeout: Annotated[
        float, typer.Option(min=0.05, max=60, help="Seconds for each.", rich_help_panel=_BY_PORT)
    ] = TIMEOUT,
    user: Annotated[
        str | None,
        typer.Option(help="Without key and password, the keys of the ssh agent.", rich_help_panel=_BY_LOGIN),
    ] = None,
    key_file: Annotated[Path | None, typer.Option(help="A private key, for SSH.", rich_help_panel=_BY_LOGIN)] = None,
    passphrase_file: Annotated[
        Path | None, typer.Option(help="A file with the key's passphrase.", rich_help_panel=_BY_LOGIN)
    ] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="A file with the password.", rich_help_panel=_BY_LOGIN)
    ] = None,
    known_hosts: Annotated[
        Path, typer.Option(help="The host keys that are known.", rich_help_panel=_BY_LOGIN)
    ] = USUAL_FILE,
    accept_host_keys: Annotated[  # noqa: FBT002 - a flag
        bool,
        typer.Option(
            "--accept-host-keys",
            help=f"Take unknown host keys for right and write them to {KNOWN_HOSTS} beside the config.",
            rich_help_panel=_BY_LOGIN,
        ),
    ] = False,
) -> None:
    """Find workstations among the hosts you name, and write a config that watches them.

    Looks for SSH, WinRM and adb servers; with a user, logs in to each host once and lists its emulators.
    """
    log.configure(style="console", level="error")
    login = _login(user, key_file=key_file, passphrase_file=passphrase_file, password_file=password_file)
    if output is not None and output.exists() and not force:
        _wrong(f"{output} is there already; --force replaces it")
    if accept_host_keys and output is None:
        _wrong("--accept-host-keys: needs --output, to know where the keys go")
    names, doors = _hosts(targets, exclude or [], max_hosts), _doors(port or [], only or list(USUAL), guests)
    beside = None if output is None else output.absolute().parent / KNOWN_HOSTS
    known = [known_hosts.expanduser(), *([] if beside is None else [beside])]
    pace, trust = Pace(rate), Trust(*known, accepting=beside if accept_host_keys else None)
    looker = Looker(_credential(login), trust, pace=pace)
    found, screen = _Found(), Console(stderr=True)
    interrupted = False
    with progress(screen) as shown:
        scanner = Scanner(pace=pace, at_once=at_once, timeout=timeout, told=shown.told(found.survey))
        try:
            asyncio.run(_search(names, doors, scanner, looker, found, shown))
        except KeyboardInterrupt:
            interrupted = True
    _finish(found, names, login, output, screen, interrupted=interrupted)


async def _search(
    names: Sequence[str], doors: Sequence[Door], scanner: Scanner, looker: Looker, found: _Found, shown: Shown
) -> None:
    Names().serve(asyncio.get_running_loop())
    await scanner.scan(names, doors, found.survey)
    places = asyncio.Semaphore(LOOKING)

    async def look(host: Host) -> None:
        async with places:
            found.looks[host.name] = await looker.look(host.name, host.known)
        shown.looked(host.name, found.looks[host.name])

    met = [host for host in found.hosts(names) if host.known]
    shown.looking(len(met))
    async with asyncio.TaskGroup() as group:
        for host in met:
            group.create_task(look(host))


def _finish(
    found: _Found, names: Sequence[str], login: Login | None, output: Path | None, screen: Console, *, interrupted: bool
) -> NoReturn:
    """Write what was found, say what it is, end with the exit code."""
    met = found.hosts(names)
    known = any(host.known for host in met)
    if met:
        screen.print(table(met))
    screen.print(Text(summary(found.survey, met)), soft_wrap=True)
    if interrupted:
        kept = "what was found by then is written" if known else "nothing was found by then"
        screen.print(f"interrupted: {kept}", soft_wrap=True)
    if known:
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        _write(config(met, login, when=when, partial=interrupted), output, private=login is not None)
        if output is not None:
            screen.print(Text(f"{output}: written; read it, then: emuwatch check-config -c {output}"), soft_wrap=True)
    raise typer.Exit(INTERRUPTED if interrupted else 0 if known else NOTHING)


def _write(text: str, output: Path | None, *, private: bool) -> None:
    """Write the config at once and whole; readable by its owner only where it names secrets' files."""
    if output is None:
        typer.echo(text, nl=False)
        return
    fresh = output.with_name(f".{output.name}.{os.getpid()}")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
        descriptor = os.open(fresh, flags, 0o600 if private else 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        fresh.replace(output)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        typer.echo(text, nl=False)
        _wrong(f"{output} can't be written ({error.strerror}); it went to stdout instead")


def _hosts(targets: Sequence[str], excluded: Sequence[str], most: int) -> tuple[str, ...]:
    try:
        names = hosts(targets, excluded=excluded, most=most)
    except ValueError as error:
        _wrong(str(error))
    return names or _wrong("every host that is named is excluded too")


def _doors(ports: Sequence[str], only: Sequence[Protocol], guests: int) -> list[Door]:
    """The doors to try; ports that are given for a protocol replace its usual ones."""
    given: dict[Protocol, list[int]] = {}
    for text in ports:
        name, _, number = text.partition("=")
        if name not in list(Protocol) or not number.isdecimal() or not 0 < int(number) <= HIGHEST_PORT:
            _wrong(f"--port: {text!r}: write PROTOCOL=PORT with one of {', '.join(Protocol)}, such as ssh=2222")
        given.setdefault(Protocol(name), []).append(int(number))
    wanted: Mapping[Protocol, Sequence[int]] = {**{protocol: USUAL.get(protocol, ()) for protocol in only}, **given}
    doors = [Door(protocol, number) for protocol, numbers in wanted.items() for number in numbers]
    doors += [Door(Protocol.GUEST, FIRST_GUEST + 2 * index) for index in range(guests)]
    return list(dict.fromkeys(doors))


def _login(
    user: str | None, *, key_file: Path | None, passphrase_file: Path | None, password_file: Path | None
) -> Login | None:
    files = {"--key-file": key_file, "--passphrase-file": passphrase_file, "--password-file": password_file}
    if user is None:
        given = next((option for option, path in files.items() if path is not None), None)
        return None if given is None else _wrong(f"{given}: needs --user")
    if passphrase_file is not None and key_file is None:
        _wrong("--passphrase-file: needs --key-file")
    return Login(
        user=user,
        **{option[2:].replace("-", "_"): None if path is None else path.expanduser() for option, path in files.items()},
    )


def _credential(login: Login | None) -> Credential | None:
    """Read the secrets' files."""
    if login is None:
        return None
    if login.key_file is not None:
        try:
            check_regular(login.key_file)
        except ValueError as error:
            _wrong(f"--key-file: {login.key_file} {error}")
    return Credential(
        user=login.user,
        password=_secret("--password-file", login.password_file),
        key_file=login.key_file,
        passphrase=_secret("--passphrase-file", login.passphrase_file),
    )


def _secret(option: str, path: Path | None) -> SecretStr | None:
    if path is None:
        return None
    try:
        return SecretStr(read_secret(path))
    except ValueError as error:
        _wrong(f"{option}: {path} {error}")


def _wrong(message: str) -> NoReturn:
    say(message, err=True)
    raise typer.Exit(USAGE)
