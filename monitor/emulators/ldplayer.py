r"""What LDPlayer's console prints and its config files hold, as values. Pure: it runs nothing and reads no file.

Lines are split into fields as bytes; only titles are decoded.

A row of ``ldconsole list2``::

    index,title,top_hwnd,bind_hwnd,android_started,pid,vbox_pid[,width,height,dpi]
    4,auto2,14948100,20385656,1,56948,31756,1280,720,240

The title is neither quoted nor escaped and may hold commas; LDPlayer 3 and early 4 print no sizes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from monitor import emulators
from monitor.emulators import Driver, NoListing, decode, lines_of
from monitor.model import EmulatorRun, Entity, Reason

NAME: Final = "ldplayer"
"""The driver's name in emulator ids: ``ldplayer:3``."""

MISSING: Final = b"player don't exist!"
"""What the console prints, on stdout, about an instance it does not have; the exit code may be 0."""

_INTEGER: Final = re.compile(rb"-?[0-9]{1,18}")
_BANNER: Final = re.compile(rb"(?:\bv(?P<version>[0-9]+(?:\.[0-9]+)*) )?Command Line Management Interface")
_MAC: Final = re.compile(r"[0-9A-Fa-f]{12}")
_SIZED: Final = 8
"""Integers after the title of a row with width, height and dpi."""
_UNSIZED: Final = 5
_LIST3: Final = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One row of ``list2``, as printed; what follows from it is a property."""

    index: int
    title: str
    top_hwnd: int
    bind_hwnd: int
    android_started: int
    """0 not started, 1 started, 2 booting."""
    pid: int
    """Of the window's process; -1 or 0: none."""
    vbox_pid: int
    """Of the machine's process; -1 or 0: none."""
    width: int | None = None
    height: int | None = None
    dpi: int | None = None

    @property
    def run(self) -> EmulatorRun:
        """What the row says of the instance; no more than one witness."""
        if self.android_started == 0 and self.pid <= 0 and self.vbox_pid <= 0:
            return EmulatorRun.STOPPED
        if self.android_started in {0, 2} and self.pid > 0:
            return EmulatorRun.STARTING
        if self.android_started == 1 and self.pid > 0 and self.vbox_pid > 0:
            return EmulatorRun.RUNNING
        return EmulatorRun.DEGRADED

    @property
    def adb_port(self) -> int | None:
        """Where the guest's adb listens on the workstation's loopback; None: the rule gives no port."""
        return emulators.port(5555 + 2 * self.index)

    @property
    def adb_serials(self) -> tuple[str, ...]:
        """The names adb may list the guest under; all of them are one machine."""
        port = self.adb_port
        return () if port is None else (f"127.0.0.1:{port}", f"emulator-{port - 1}")

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes it has."""
        return tuple(pid for pid in (self.pid, self.vbox_pid) if pid > 0)

    @property
    def entity(self) -> Entity:
        """What of it every console has."""
        return Entity(
            driver=NAME, index=self.index, title=self.title, run=self.run, adb_port=self.adb_port, pids=self.pids
        )


@dataclass(frozen=True, slots=True)
class Listing:
    """What ``list2`` printed: every line that is not blank is in one of the two."""

    instances: tuple[Instance, ...]
    rejected: tuple[str, ...]
    """Lines that are no rows, as text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Banner:
    """The first line of the usage text; its version, where the build prints one (from 14 on)."""

    version: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """One row of ``list3`` (late 9.x only): index, title and size. Its third field means nothing known."""

    index: int
    title: str
    field3: int
    width: int
    height: int
    dpi: int


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceConfig:
    """What ``leidian<N>.config`` says; None: the key is absent, so LDPlayer's default holds."""

    title: str | None
    adb_debug: int | None
    """0 off, 1 local, 2 remote."""
    width: int | None
    height: int | None
    dpi: int | None
    cpu: int | None
    memory_mb: int | None
    mac: str | None
    """As Linux in the guest writes it (``00:db:32:4d:4b:76``): the same address as its wlan0."""


def parse_list2(data: bytes, code_page: str) -> Listing:
    """Read the rows of ``list2``.

    Args:
        data: Exactly what the console printed.
        code_page: The Python codec of the host's ANSI code page; any name will do no harm.

    """
    instances: list[Instance] = []
    rejected: list[str] = []
    for line in lines_of(data):
        instance = _row(line, code_page)
        if instance is None:
            rejected.append(decode(line, code_page))
        else:
            instances.append(instance)
    return Listing(tuple(instances), tuple(rejected))


def parse_banner(data: bytes) -> Banner | None:
    """Recognise the usage text the console prints instead of an answer; None: this is not it."""
    first = next(lines_of(data), b"")
    found = _BANNER.search(first)
    if found is None:
        return None
    version = found["version"]
    return Banner(version=None if version is None else version.decode("ascii"))


def parse_isrunning(data: bytes) -> bool | None:
    """Read ``isrunning``; None: neither answer. ``stop`` does not prove that the instance exists."""
    return {b"running": True, b"stop": False}.get(data.strip())


def parse_list3(data: bytes, code_page: str) -> Screen | None:
    """Read the one row of ``list3``; None: it is not one."""
    split = _split(next(lines_of(data), b""), _LIST3)
    if split is None:
        return None
    index, title, (field3, width, height, dpi) = split
    return Screen(index=index, title=decode(title, code_page), field3=field3, width=width, height=height, dpi=dpi)


def parse_config(data: bytes) -> InstanceConfig | None:
    """Read a ``leidian<N>.config`` (JSON, flat keys with dots in them); None: it is not one."""
    try:
        keys = json.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(keys, dict):
        return None
    resolution = keys.get("advancedSettings.resolution")
    size = resolution if isinstance(resolution, dict) else {}
    return InstanceConfig(
        title=_text(keys, "statusSettings.playerName"),
        adb_debug=_number(keys, "basicSettings.adbDebug"),
        width=_number(size, "width"),
        height=_number(size, "height"),
        dpi=_number(keys, "advancedSettings.resolutionDpi"),
        cpu=_number(keys, "advancedSettings.cpuCount"),
        memory_mb=_number(keys, "advancedSettings.memorySize"),
        mac=_mac(_text(keys, "propertySettings.macAddress")),
    )


def is_missing(data: bytes) -> bool:
    """Tell whether the console says that it has no such instance."""
    return data.strip() == MISSING


def _row(line: bytes, code_page: str) -> Instance | None:
    split = _split(line, _SIZED) or _split(line, _UNSIZED)
    if split is None:
        return None
    index, title, numbers = split
    top, bind, started, pid, vbox_pid, *size = numbers
    width, height, dpi = size or (None, None, None)
    return Instance(
        index=index,
        title=decode(title, code_page),
        top_hwnd=top,
        bind_hwnd=bind,
        android_started=started,
        pid=pid,
        vbox_pid=vbox_pid,
        width=width,
        height=height,
        dpi=dpi,
    )


def _split(line: bytes, count: int) -> tuple[int, bytes, tuple[int, ...]] | None:
    """Split a row into its index, its title and the `count` integers after it."""
    first, *rest = line.split(b",")
    numbers = rest[len(rest) - count :]
    if len(rest) <= count or not first.isdigit() or not all(map(_INTEGER.fullmatch, (first, *numbers))):
        return None
    return int(first), b",".join(rest[:-count]), tuple(map(int, numbers))


def _text(keys: Mapping[str, object], key: str) -> str | None:
    value = keys.get(key)
    return value if isinstance(value, str) else None


def _number(keys: Mapping[str, object], key: str) -> int | None:
    value = keys.get(key)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _mac(written: str | None) -> str | None:
    """Write a MAC address of twelve bare digits as the guest does; leave any other text alone."""
    if written is None or not _MAC.fullmatch(written):
        return written
    return ":".join(written[at : at + 2] for at in range(0, len(written), 2)).lower()


def _parse(data: bytes, exit_code: int, code_page: str) -> emulators.Listing | NoListing:
    """Read a listing, or say why this is none."""
    if (banner := parse_banner(data)) is not None:
        version = "" if banner.version is None else f" {banner.version}"
        return NoListing(Reason.PROTOCOL, f"LDPlayer{version} printed its usage text instead of a list")
    listing = parse_list2(data, code_page)
    if exit_code != 0 and (listing.instances or not listing.rejected):
        return NoListing(Reason.COMMAND_FAILED, f"list2 failed with exit code {exit_code}")
    if not listing.instances and not listing.rejected:
        return NoListing(Reason.PROTOCOL, "listed nothing; an installed LDPlayer always has an instance 0")
    return emulators.Listing(tuple(instance.entity for instance in listing.instances), listing.rejected)


DRIVER = Driver(name=NAME, program="ldconsole", argv=lambda program, _: (program, "list2"), parse=_parse)
