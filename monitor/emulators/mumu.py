"""What MuMu's console prints, as values.

``MuMuManager info -v all`` prints JSON in UTF-8, whatever the code page: an object by index, or, in some builds with
one instance, that instance itself. Most keys are there only while the instance runs::

    {"1": {"index": "1", "name": "A12", "is_process_started": true, "is_android_started": true, "pid": 10572,
           "player_state": "start_finished", "adb_host_ip": "127.0.0.1", "adb_port": 16416, ...}}

ADB's port is read, never computed: it moves when it is taken.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from monitor.emulators import Driver, Listing, NoListing, decode, port, signed_exit
from monitor.model import EmulatorRun, Entity, Reason

NAME: Final = "mumu"
NO_SUCH: Final = -200
"""The error code about an instance it does not have."""

_USAGE: Final = b"OVERVIEW: A utility for control mumu player"
_INDEX: Final = re.compile(r"[0-9]{1,6}")
_SHOWN: Final = 200
_STARTED: Final = "start_finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One instance, as printed."""

    index: int
    title: str
    run: EmulatorRun
    adb_host: str | None
    adb_port: int | None
    pid: int | None
    """Of the window's process."""
    headless_pid: int | None
    android_version: str | None
    disk_bytes: int | None

    @property
    def adb_serial(self) -> str | None:
        """The name adb lists it under once somebody has connected it; None: it does not run."""
        return None if self.adb_port is None else f"{self.adb_host or '127.0.0.1'}:{self.adb_port}"

    @property
    def entity(self) -> Entity:
        """What of it every console has."""
        pids = tuple(pid for pid in (self.pid, self.headless_pid) if pid is not None)
        return Entity(driver=NAME, index=self.index, title=self.title, run=self.run, adb_port=self.adb_port, pids=pids)


@dataclass(frozen=True, slots=True)
class Info:
    """What ``info`` printed."""

    instances: tuple[Instance, ...]
    rejected: tuple[str, ...]
    """Values that are no instances, as text."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """The error it printed instead."""

    code: int
    message: str


def parse_info(data: bytes) -> Info | Refusal | None:
    """Read what ``info`` printed; None: this is not its JSON."""
    try:
        told = json.loads(data.decode("utf-8-sig", "backslashreplace"))
    except (ValueError, RecursionError):
        return None
    if not isinstance(told, dict):
        return None
    code = told.get("errcode")
    if isinstance(code, int) and code != 0:
        return Refusal(signed_exit(code), str(told.get("errmsg", ""))[:_SHOWN])
    instances: list[Instance] = []
    rejected: list[str] = []
    for key, value in _by_index(told):
        instance = _instance(key, value)
        if instance is None:
            rejected.append(f"{key}: {json.dumps(value, ensure_ascii=False)}"[:_SHOWN])
        else:
            instances.append(instance)
    return Info(tuple(instances), tuple(rejected))


def _by_index(told: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    bare = "is_process_started" in told or "created_timestamp" in told
    yield from [(str(told.get("index", "")), told)] if bare else told.items()


def _instance(key: str, value: object) -> Instance | None:
    if not isinstance(value, dict):
        return None
    index = str(value.get("index", key))
    if not _INDEX.fullmatch(index) or not isinstance(value.get("is_process_started"), bool):
        return None
    return Instance(
        index=int(index),
        title=_text(value, "name") or "",
        run=_run(value),
        adb_host=_text(value, "adb_host_ip"),
        adb_port=port(value.get("adb_port")),
        pid=_positive(value, "pid"),
        headless_pid=_positive(value, "headless_pid"),
        android_version=_text(value, "android_version"),
        disk_bytes=_positive(value, "disk_size_bytes"),
    )


def _run(value: Mapping[str, object]) -> EmulatorRun:
    """What the instance says of itself; an error on the way up leaves its process behind."""
    if not value.get("is_process_started"):
        return EmulatorRun.STOPPED
    if value.get("is_android_started") is True and value.get("player_state", _STARTED) == _STARTED:
        return EmulatorRun.RUNNING
    return EmulatorRun.DEGRADED if value.get("launch_err_code") else EmulatorRun.STARTING


def _text(value: Mapping[str, object], key: str) -> str | None:
    text = value.get(key)
    return text if isinstance(text, str) else None


def _positive(value: Mapping[str, object], key: str) -> int | None:
    number = value.get(key)
    return number if isinstance(number, int) and not isinstance(number, bool) and number > 0 else None


def _parse(data: bytes, exit_code: int, code_page: str) -> Listing | NoListing:
    if _USAGE in data:
        return NoListing(Reason.PROTOCOL, "MuMu printed its usage text instead of a list")
    info = parse_info(data)
    if isinstance(info, Refusal):
        return NoListing(Reason.COMMAND_FAILED, f"MuMu refused with error {info.code}: {info.message!r}")
    if exit_code != 0:
        return NoListing(Reason.COMMAND_FAILED, f"info failed with exit code {exit_code}")
    if info is None:
        return NoListing(Reason.PROTOCOL, f"no list of instances: {decode(data.strip()[:80], 'utf-8')!r}")
    return Listing(tuple(instance.entity for instance in info.instances), info.rejected)


DRIVER = Driver(name=NAME, program="MuMuManager", argv=lambda program, _: (program, "info", "-v", "all"), parse=_parse)
