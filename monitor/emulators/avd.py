"""What the tools of the Android SDK tell of its virtual devices (Android Studio's emulators), as values.

``emulator -list-avds`` names them, with noise around; ``adb devices`` tells which run, and each of those its name. One
script brings all of it::

    INFO    | Storing crashdata in: /tmp/android-me/emu-crash.db, detection is enabled for process: 46675
    Pixel_7
    @@adb
    List of devices attached
    emulator-5554   device
    @@avd emulator-5554
    Pixel_7
    OK
    @@end

The adb beside the emulator goes before any other: another version of it would end the server of the first. A device
that is ``offline`` is one that boots, or hangs: how long it has been so tells them apart.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.emulators import Driver, Listing, NoListing, decode, port
from monitor.hostfacts.powershell import PREAMBLE, encoded, quoted
from monitor.model import EmulatorRun, Entity, Platform, Reason

NAME: Final = "avd"

_WINDOWS: Final = (
    PREAMBLE
    + r"""$e=PROGRAM
$c=Get-Command $e
if(!$c){exit 9009}
$env:Path="$(Split-Path $c.Source)\..\platform-tools;$env:ANDROID_HOME\platform-tools;$env:Path"
& $e -list-avds
'@@adb'
$d=@(adb devices);$d
$d|%{if($_ -match '^(emulator-\d+)\s'){"@@avd $($matches[1])";adb -s $matches[1] emu avd name}}
'@@end'
"""
)
_LINUX: Final = r"""e=PROGRAM
c=$(command -v "$e") || exit 127
PATH=${c%/*}/../platform-tools:${ANDROID_HOME:-/opt/android-sdk}/platform-tools:$PATH
"$e" -list-avds 2>/dev/null
echo @@adb
d=$(timeout 10 adb devices 2>/dev/null)
printf '%s\n' "$d"
for s in $(printf '%s\n' "$d" | sed -n 's/^\(emulator-[0-9]*\)[[:space:]].*/\1/p'); do
  echo "@@avd $s"; timeout 2 adb -s "$s" emu avd name 2>/dev/null
done
echo @@end
"""
_AVD: Final = re.compile(r"[A-Za-z0-9._-]{1,120}")
_NOISE: Final = re.compile(r"(?:INFO|WARNING|WARN|ERROR|FATAL|DEBUG|VERBOSE|USER_\w+)\s*\|")
_DEVICE: Final = re.compile(r"(emulator-([0-9]{4,5}))\s+(\S+)")
_LIST: Final = "List of devices attached"
_NOT_YET: Final = frozenset({"offline", "connecting", "authorizing"})


@dataclass(frozen=True, slots=True)
class Avds:
    """What ``emulator -list-avds`` printed."""

    names: tuple[str, ...]
    noise: tuple[str, ...]
    """The other lines."""


@dataclass(frozen=True, slots=True)
class Device:
    """A virtual device that runs, as adb and its own console tell."""

    serial: str
    console_port: int
    state: str
    name: str
    """Of its AVD; empty: it did not tell."""


def parse_list_avds(text: str) -> Avds:
    """Tell the names from the noise: a name has neither blanks nor bars."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return Avds(
        tuple(line for line in lines if _AVD.fullmatch(line)), tuple(line for line in lines if not _AVD.fullmatch(line))
    )


def _argv(program: str, platform: Platform) -> Sequence[str]:
    if platform is Platform.WINDOWS:
        return encoded(_WINDOWS.replace("PROGRAM", quoted(program)))
    return ("sh", "-c", _LINUX.replace("PROGRAM", shlex.quote(program), 1))


def _parse(data: bytes, exit_code: int, code_page: str) -> Listing | NoListing:
    text = decode(data, "utf-8-sig")
    head, _, rest = text.partition("@@adb")
    told, end, _ = rest.partition("@@end")
    devices, *names = told.split("@@avd ")
    if exit_code != 0 or not end:
        return NoListing(Reason.COMMAND_FAILED, f"the tools could not be asked to the end (exit code {exit_code})")
    if _LIST not in devices:
        return NoListing(Reason.NOT_INSTALLED, "adb listed no devices; is it beside the emulator or on the PATH?")
    avds, running = parse_list_avds(head), tuple(_running(devices, _names(names)))
    named = {device.name: device for device in running if device.name}
    entities = (_entity(at, name, named.get(name)) for at, name in enumerate(sorted({*avds.names, *named})))
    rejected = [line for line in avds.noise if not _NOISE.match(line)]
    rejected += [f"{device.serial}: it does not tell which AVD it is" for device in running if not device.name]
    return Listing(tuple(entities), tuple(rejected))


def _names(answers: Sequence[str]) -> Mapping[str, str]:
    """The AVD of each serial, of those that told."""
    rows = [answer.split() for answer in answers]
    return {words[0]: words[1] for words in rows if len(words) > 1 and words[-1] == "OK" and _AVD.fullmatch(words[1])}


def _running(devices: str, names: Mapping[str, str]) -> Iterator[Device]:
    for line in devices.splitlines():
        if found := _DEVICE.match(line):
            yield Device(found[1], int(found[2]), found[3], names.get(found[1], ""))


def _entity(at: int, name: str, device: Device | None) -> Entity:
    run = EmulatorRun.STOPPED
    if device is not None:
        run = EmulatorRun.STARTING if device.state in _NOT_YET else EmulatorRun.RUNNING
    return Entity(
        driver=NAME,
        index=at,
        key=name,
        title=name,
        run=run,
        adb_port=None if device is None else port(device.console_port + 1),
    )


DRIVER = Driver(name=NAME, program="emulator", argv=_argv, parse=_parse)
