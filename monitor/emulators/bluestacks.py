r"""What BlueStacks 5 leaves to be read: it has no console, so its settings are its list and its processes its state.

``bluestacks.conf`` (UTF-8, ``key="value"``) names the instances; one runs when a ``HD-Player.exe`` was started for it.
The port in ``status.adb_port`` outlives the instance, so it proves nothing. One script brings both::

    bst.enable_adb_access="1"
    bst.instance.Pie64.display_name="BlueStacks App Player"
    bst.instance.Pie64.status.adb_port="5555"
    @@players
    7316 HD-Player.exe "C:\Program Files\BlueStacks_nxt\HD-Player.exe" --instance Pie64
    @@end
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.emulators import Driver, Listing, NoListing, decode, port
from monitor.errors import LocalError
from monitor.hostfacts.powershell import PREAMBLE, encoded, quoted
from monitor.hostfacts.processes import Row, processes_of
from monitor.model import EmulatorRun, Entity, Platform, Process, Reason

NAME: Final = "bluestacks"
CONF: Final = r"C:\ProgramData\BlueStacks_nxt\bluestacks.conf"

_SCRIPT: Final = (
    PREAMBLE
    + r"""$f=FILE
if(!(Test-Path -LiteralPath $f)){exit 9009}
[IO.File]::ReadAllText($f)
'@@players'
$p=@(Get-CimInstance Win32_Process -Filter "Name='HD-Player.exe'" -ErrorVariable x)
if($x){exit 1}
$p|?{$_}|%{"$($_.ProcessId) $($_.Name) $($_.CommandLine)"}
'@@end'
"""
)
_LINE: Final = re.compile(r'(?P<key>[\w.]+)="(?P<value>.*)"')
_OF_INSTANCE: Final = re.compile(r"bst\.instance\.(?P<instance>[\w-]{1,80})\.(?P<key>[\w.]+)")
_PLAYER: Final = re.compile(r"(?P<pid>[0-9]{1,10}) (?P<name>\S+)(?: (?P<line>.+))?")
_DIGITS: Final = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One instance, as the settings have it."""

    key: str
    """What everything else calls it: ``Nougat32``, ``Pie64_2``."""
    title: str
    adb_port_configured: int | None
    adb_port_status: int | None
    """Where ADB listens, or did when it last ran."""
    width: int | None
    height: int | None
    dpi: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Conf:
    """What the settings say."""

    adb_access: bool
    """Whether the user lets ADB in; without it nothing listens."""
    hypervisor: str | None
    instances: tuple[Instance, ...]


def parse_conf(data: bytes) -> Conf | None:
    """Read a ``bluestacks.conf``; None: no line of it is one of BlueStacks."""
    values: dict[str, str] = {}
    instances: dict[str, dict[str, str]] = {}
    for line in decode(data, "utf-8-sig").splitlines():
        setting = _LINE.fullmatch(line.strip())
        if setting is None:
            continue
        values[setting["key"]] = setting["value"]
        if of_instance := _OF_INSTANCE.fullmatch(setting["key"]):
            instances.setdefault(of_instance["instance"], {})[of_instance["key"]] = setting["value"]
    if not any(key.startswith("bst.") for key in values):
        return None
    named = sorted((key, own) for key, own in instances.items() if "display_name" in own or "adb_port" in own)
    return Conf(
        adb_access=values.get("bst.enable_adb_access") == "1",
        hypervisor=values.get("bst.status.hypervisor"),
        instances=tuple(_instance(key, own) for key, own in named),
    )


def _instance(key: str, values: Mapping[str, str]) -> Instance:
    return Instance(
        key=key,
        title=values.get("display_name", ""),
        adb_port_configured=port(_number(values, "adb_port")),
        adb_port_status=port(_number(values, "status.adb_port")),
        width=_number(values, "fb_width"),
        height=_number(values, "fb_height"),
        dpi=_number(values, "dpi"),
    )


def _number(values: Mapping[str, str], key: str) -> int | None:
    text = values.get(key, "")
    return int(text) if _DIGITS.fullmatch(text) and text.isascii() else None


def _argv(program: str, platform: Platform) -> Sequence[str]:
    if platform is not Platform.WINDOWS:
        raise LocalError("BlueStacks is looked for on Windows only")
    return encoded(_SCRIPT.replace("FILE", quoted(program)))


def _parse(data: bytes, exit_code: int, code_page: str) -> Listing | NoListing:
    head, _, rest = data.partition(b"@@players")
    players, end, _ = rest.partition(b"@@end")
    conf = parse_conf(head)
    if conf is None:
        return NoListing(Reason.PROTOCOL, f"no settings of BlueStacks: {decode(data.strip()[:80], 'utf-8')!r}")
    if exit_code != 0 or not end:
        return NoListing(Reason.COMMAND_FAILED, "its processes could not be listed")
    running = _running(decode(players, "utf-8").splitlines())
    known = {process.key: process for process in running if process.key}
    if len(known) < len(running) and set(known) != {instance.key for instance in conf.instances}:
        words = "a player runs whose command line may not be seen; log in as an administrator"
        return NoListing(Reason.PERMISSION, words)
    entities = (_entity(at, each, known.get(each.key), conf) for at, each in enumerate(conf.instances))
    return Listing(tuple(entities))


def _running(lines: Iterable[str]) -> tuple[Process, ...]:
    found = [match for line in lines if (match := _PLAYER.fullmatch(line.strip()))]
    return processes_of(Row(match["name"], int(match["pid"]), match["line"]) for match in found)


def _entity(at: int, instance: Instance, process: Process | None, conf: Conf) -> Entity:
    return Entity(
        driver=NAME,
        index=at,
        key=instance.key,
        title=instance.title,
        run=EmulatorRun.STOPPED if process is None else EmulatorRun.RUNNING,
        adb_port=(instance.adb_port_status or instance.adb_port_configured) if conf.adb_access else None,
        pids=() if process is None else (process.pid,),
    )


DRIVER = Driver(name=NAME, program=CONF, argv=_argv, parse=_parse)
