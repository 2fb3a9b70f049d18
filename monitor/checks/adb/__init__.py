r"""One guest over adb, rung by rung: server, device, shell, boot, app, space, screen. The first that fails is told.

    {kind: adb}                             # through SSH: the server on the workstation's loopback; over WinRM: its adb
    {kind: adb, via: run, program: 'C:\LDPlayer\LDPlayer9\adb.exe'}
    {kind: adb, package: com.example.game, package_is: focused, data_free: 1GiB, frozen_after: 5m}

It runs for every emulator a console lists; with ``emulator: ldplayer:3`` (and ``port:``) for one. A guest nothing of
which listens is an answer of the workstation's adb (DOWN): stopped emulators open no breaker. A guest that does not
answer adb is an error. One that answers is alive, UP or DEGRADED; not having booted yet is DEGRADED with the fact
``boot_completed: false``, and whether that is stuck is judged with the other witnesses. A missing or broken server
says nothing of any guest: it has a layer of its own, and what can't be asked because of it is UNKNOWN.
"""

from __future__ import annotations

import asyncio
from typing import Final

from monitor.adb import Adb
from monitor.adb.fails import STATES, Trouble, guest_error
from monitor.adb.program import AdbProgram
from monitor.adb.server import AdbServer
from monitor.adb.watch import DeviceWatch, WatchedServer
from monitor.checks import Check, Reach
from monitor.checks.adb.params import Params
from monitor.checks.adb.seen import judge, look, war
from monitor.emulators.adb import Device, parse_connect, parse_devices
from monitor.errors import LocalError, ProbeError
from monitor.model import Category, Observation, Reason, Target, Verdict
from monitor.stream import open_tcp
from monitor.transports import AnyTransportKind

LOOPBACK: Final = "127.0.0.1"
ECHO: Final = "emuwatch"
SHOWN: Final = 80
"""Characters of a wrong answer worth a message."""


async def probe(target: Target, params: Params, reach: Reach) -> Observation:
    """Climb the ladder."""
    port = params.port or target.adb_port
    if port is None:
        raise LocalError(f"{target.id}: nothing tells the port of its adb; write port: 5555")
    via = _via(params, reach)
    adb, where = _adb(target, params, reach, via), f"{target.workstation.id} adb port {port}"
    told = await adb.told()
    listed = parse_devices(told.devices)
    twins = listed.of_port(port)
    if not twins:
        if (absent := await _connect(adb, port, params, where)) is not None:
            return absent
        twins = parse_devices(await adb.devices()).of_port(port) or (Device(serial=_at(port), state="offline"),)
    if not twins[0].usable:
        if via == "tunnel" and twins[0].state == "offline" and await _refused(port, reach):
            return _absent(f"{where}: nothing listens any more, adb still lists it as offline", Reason.REFUSED)
        return _unusable(twins[0], where)
    reach.mark(Category.EMULATOR)
    await _echo(adb, twins[0].serial, params, where)
    guest = await look(adb, [twin.serial for twin in twins if twin.usable], params, reach.memory)
    return judge(guest, params, reach.memory, reach.now(), war(listed, told.version, reach.memory))


def _via(params: Params, reach: Reach) -> str:
    """Tell the way that is meant."""
    if params.via != "auto":
        return params.via
    return "tunnel" if reach.tunnels else "run"


def _adb(target: Target, params: Params, reach: Reach, via: str) -> Adb:
    """Open a way to adb; no I/O."""
    workstation, port = target.workstation, params.server_port
    if via == "run":
        return AdbProgram(reach.run, program=params.program, platform=workstation.platform, where=workstation.id)
    where = f"{workstation.id} adb:{port}"
    if via == "direct":
        return AdbServer(lambda: open_tcp(workstation.host, port), where=where, layer=Category.NETWORK, mark=reach.mark)
    return WatchedServer(
        lambda: reach.open_stream(LOOPBACK, port, layer=Category.EXTERNAL),
        where=where,
        layer=Category.EXTERNAL,
        mark=reach.mark,
        watch=reach.shared(DeviceWatch, f"{LOOPBACK}:{port}"),
    )


async def _connect(adb: Adb, port: int, params: Params, where: str) -> Observation | None:
    """Have adb connect to a guest it does not list; say what it means that it can't.

    Raises:
        ProbeError: EMULATOR: something is there and does not let adb in.

    """
    if not params.connect:
        return _absent(f"{where}: adb lists no such device", Reason.OFFLINE)
    words = await adb.connect(_at(port))
    told = parse_connect(words)
    if told.connected:
        return None
    if told.reason is Reason.REFUSED:
        return _absent(f"{where}: nothing listens, so it does not run, or its ADB is switched off", Reason.REFUSED)
    if told.reason is Reason.UNAUTHORIZED:
        raise guest_error(Trouble.UNAUTHORIZED, where=where)
    said = words.decode("utf-8", "backslashreplace").strip()[:SHOWN]
    raise ProbeError(f"{where}: adb says {said!r}", category=Category.EMULATOR, reason=told.reason or Reason.OFFLINE)


async def _refused(port: int, reach: Reach) -> bool:
    """Look whether anything listens at a guest's port: for a minute adb lists a guest that is gone as offline."""
    try:
        stream = await reach.open_stream(LOOPBACK, port, layer=Category.EMULATOR)
    except ProbeError as error:
        if error.category is Category.EMULATOR and error.reason is Reason.REFUSED:
            return True
        raise
    stream.close()
    return False


def _unusable(device: Device, where: str) -> Observation:
    """Say what a device means that adb lists and can't use; recovery and its like are answers.

    Raises:
        ProbeError: EMULATOR: offline, unauthorized, authorizing, connecting, no permissions.

    """
    if device.state in STATES:
        raise guest_error(STATES[device.state], where=f"{where} ({device.serial})")
    return _absent(f"{where} ({device.serial}): is in the state {device.state!r}, not Android", Reason.UNEXPECTED)


async def _echo(adb: Adb, serial: str, params: Params, where: str) -> None:
    """Have a shell say a word within its limit: a frozen guest looks well until it is asked to do something."""
    try:
        async with asyncio.timeout(params.echo_within):
            said = await adb.shell(serial, f"echo {ECHO}")
    except TimeoutError as exc:
        message = f"{where} ({serial}): its shell did not answer within {params.echo_within:g} s"
        raise ProbeError(message, category=Category.EMULATOR, reason=Reason.TIMEOUT) from exc
    if said.exit_code != 0 or said.stdout.strip() != ECHO.encode():
        shown = (said.stdout + said.stderr).decode("utf-8", "backslashreplace").strip()[:SHOWN]
        message = f"{where} ({serial}): its shell answered {shown!r} (exit code {said.exit_code})"
        raise ProbeError(message, category=Category.EMULATOR, reason=Reason.PROTOCOL)


def _absent(message: str, reason: Reason) -> Observation:
    return Observation(verdict=Verdict.DOWN, reason=reason, message=message)


def _at(port: int) -> str:
    return f"{LOOPBACK}:{port}"


def _between(params: Params) -> tuple[tuple[Category, str], ...]:
    """The layer of the adb server: an endpoint of its own, or a program behind the transport."""
    if params.via == "direct":
        return ((Category.NETWORK, f"adb:{params.server_port}"),)
    return ((Category.EXTERNAL, "adb"),)


def _served(params: Params, kind: AnyTransportKind) -> tuple[str, str] | None:
    if params.via != "tunnel" or kind.tunnels:
        return None
    return "via", f"{kind.name} can't reach ports of the workstation; leave via out, and its own adb is run instead"


CHECK: Final = Check(
    name="adb",
    category=Category.EMULATOR,
    params=Params,
    probe=probe,
    scope=lambda _: "guest",
    transport=lambda params: params.via != "direct",
    served=_served,
    between=_between,
    each=True,
)
