"""What MEmu's console prints, as values.

A row of ``memuc listvms``; with ``-s`` it ends with the disk usage::

    index,title,top_hwnd,running,pid[,disk_usage]
    0,MEmu,3932470,1,2092

The title is not quoted. Where there are no machines it prints ``read failed``. It can hang for tens of seconds while
the window of the multi-instance manager is open.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from monitor.emulators import Driver, Listing, NoListing, decode, lines_of, port
from monitor.model import EmulatorRun, Entity, Reason

NAME: Final = "memu"

_ROW: Final = re.compile(
    rb"(?P<index>[0-9]{1,6}),(?P<title>.*?),(?P<top>-?[0-9]{1,18}),(?P<running>[01]),(?P<pid>-?[0-9]{1,10})"
    rb"(?:,(?P<disk>-?[0-9]{1,18}))?",
    re.DOTALL,
)
_NONE: Final = b"read failed"
_ERROR: Final = b"ERROR:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One row of ``listvms``, as printed."""

    index: int
    title: str
    top_hwnd: int
    running: bool
    pid: int
    """0: none."""
    disk_usage: int | None

    @property
    def run(self) -> EmulatorRun:
        """What the row says of the instance."""
        if self.running:
            return EmulatorRun.RUNNING if self.pid > 0 else EmulatorRun.DEGRADED
        return EmulatorRun.STARTING if self.pid > 0 else EmulatorRun.STOPPED

    @property
    def entity(self) -> Entity:
        """What of it every console has; the port is the usual one, which the settings of the machine may change."""
        return Entity(
            driver=NAME,
            index=self.index,
            title=self.title,
            run=self.run,
            adb_port=port(21503 + 10 * self.index),
            pids=(self.pid,) if self.pid > 0 else (),
        )


def parse_listvms(data: bytes, code_page: str) -> tuple[tuple[Instance, ...], tuple[str, ...]]:
    """Read the rows of ``listvms``, and the lines that are none."""
    instances: list[Instance] = []
    rejected: list[str] = []
    for line in lines_of(data):
        row = _ROW.fullmatch(line)
        if row is None:
            rejected.append(decode(line, code_page))
        else:
            instances.append(_instance(row, code_page))
    return tuple(instances), tuple(rejected)


def _instance(row: re.Match[bytes], code_page: str) -> Instance:
    return Instance(
        index=int(row["index"]),
        title=decode(row["title"], code_page),
        top_hwnd=int(row["top"]),
        running=row["running"] == b"1",
        pid=int(row["pid"]),
        disk_usage=None if row["disk"] is None else int(row["disk"]),
    )


def _parse(data: bytes, exit_code: int, code_page: str) -> Listing | NoListing:
    if data.strip().lower() == _NONE:
        return Listing(())
    if data.strip().startswith(_ERROR):
        return NoListing(Reason.COMMAND_FAILED, f"MEmu refused: {decode(next(lines_of(data)), code_page)[:80]!r}")
    instances, rejected = parse_listvms(data, code_page)
    if exit_code != 0 and (instances or not rejected):
        return NoListing(Reason.COMMAND_FAILED, f"listvms failed with exit code {exit_code}")
    return Listing(tuple(instance.entity for instance in instances), rejected)


DRIVER = Driver(name=NAME, program="memuc", argv=lambda program, _: (program, "listvms"), parse=_parse)
