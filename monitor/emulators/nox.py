"""What Nox's console prints, as values.

A row of ``NoxConsole list``, by the vendor's words only; some builds put an index before it::

    vm_name,title,top_hwnd,toolbar_hwnd,bind_hwnd,pid
    Nox_2,NoxPlayer2,852422,590830,36566,6001

The title is not quoted. An instance without a pid (-1 or 0) is stopped; that it boots the console does not tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from monitor.emulators import Driver, Listing, NoListing, decode, lines_of, port
from monitor.model import EmulatorRun, Entity, Reason

NAME: Final = "nox"

_ROW: Final = re.compile(
    rb"(?:(?P<index>[0-9]{1,6}),)?(?P<vm>[^,]+),(?P<title>.*),(?P<top>-?[0-9]{1,18}),(?P<toolbar>-?[0-9]{1,18}),"
    rb"(?P<bind>-?[0-9]{1,18}),(?P<pid>-?[0-9]{1,10})",
    re.DOTALL,
)
_VM: Final = re.compile(rb"nox(?:_([0-9]{1,6}))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One row of ``list``, as printed, and the number it means."""

    index: int
    """The one printed before it, else that of the name of its machine: ``nox`` is 0, ``Nox_2`` is 2."""
    vm_name: str
    title: str
    top_hwnd: int
    toolbar_hwnd: int
    bind_hwnd: int
    pid: int

    @property
    def running(self) -> bool:
        """Whether it has a process."""
        return self.pid > 0

    @property
    def entity(self) -> Entity:
        """What of it every console has; the port is the usual one, which the settings of the machine may change."""
        return Entity(
            driver=NAME,
            index=self.index,
            title=self.title,
            run=EmulatorRun.RUNNING if self.running else EmulatorRun.STOPPED,
            adb_port=port(62024 + self.index if self.index else 62001),
            pids=(self.pid,) if self.running else (),
        )


def parse_list(data: bytes, code_page: str) -> tuple[tuple[Instance, ...], tuple[str, ...]]:
    """Read the rows of ``list``, and the lines that are none."""
    instances: list[Instance] = []
    rejected: list[str] = []
    for line in lines_of(data):
        instance = _instance(line, code_page)
        if instance is None:
            rejected.append(decode(line, code_page))
        else:
            instances.append(instance)
    return tuple(instances), tuple(rejected)


def _instance(line: bytes, code_page: str) -> Instance | None:
    row = _ROW.fullmatch(line)
    vm = None if row is None else _VM.fullmatch(row["vm"])
    if row is None or (vm is None and row["index"] is None):
        return None
    return Instance(
        index=int(row["index"] if vm is None or row["index"] is not None else vm[1] or 0),
        vm_name=decode(row["vm"], code_page),
        title=decode(row["title"], code_page),
        top_hwnd=int(row["top"]),
        toolbar_hwnd=int(row["toolbar"]),
        bind_hwnd=int(row["bind"]),
        pid=int(row["pid"]),
    )


def _parse(data: bytes, exit_code: int, code_page: str) -> Listing | NoListing:
    instances, rejected = parse_list(data, code_page)
    if exit_code != 0 and (instances or not rejected):
        return NoListing(Reason.COMMAND_FAILED, f"list failed with exit code {exit_code}")
    return Listing(tuple(instance.entity for instance in instances), rejected)


DRIVER = Driver(name=NAME, program="NoxConsole", argv=lambda program, _: (program, "list"), parse=_parse)
