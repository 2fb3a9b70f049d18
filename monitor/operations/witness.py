"""Who else can say that an instance runs, when the console calls it stopped: the host's processes and ports, the guest.

The console sees the windows of its own session, and from session 0 it calls instances stopped that run. So its word is
believed where something runs, and asked for a second one where nothing does. Where no second one is to be had, what was
seen says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from monitor.checks.adb import probe
from monitor.checks.adb.params import Params
from monitor.dispatch import LayeredReach
from monitor.emulators.ldplayer import NAME, Instance
from monitor.hostfacts import windows
from monitor.model import EmulatorRun, HostFacts, Platform, Process, ProcessKind, Target
from monitor.operations.outcome import Seen, Testimony
from monitor.operations.way import Way
from monitor.roster import for_emulator

_NETSTAT: Final = ("netstat", "-an", "-p", "TCP")
_LISTENS: Final = re.compile(rb"^\s*TCP\s+(?:127\.0\.0\.1|0\.0\.0\.0):([0-9]{1,5})\s+0\.0\.0\.0:0\s", re.MULTILINE)
"""A socket nobody is at the other end of; the word for its state is translated, its address is not."""


class Witnesses:
    """What there is on one workstation beside its console.

    Args:
        way: How to get there.
        guests: The adb checks of its config: how a guest is asked.

    """

    def __init__(self, way: Way, guests: Sequence[Target] = ()) -> None:
        self._way = way
        self._guests = tuple(guests)

    async def see(self, row: Instance | None) -> Seen:
        """Hear the others where the console's word is not enough."""
        windows_there = self._way.machine.platform is Platform.WINDOWS
        if row is None or row.run is not EmulatorRun.STOPPED or not windows_there:
            return Seen(row=row)
        facts = windows.parse((await self._way.run(windows.WHAT_RUNS)).stdout) or HostFacts()
        window, machine = (
            _pid(facts.processes or (), row.index, kind) for kind in (ProcessKind.WINDOW, ProcessKind.VM)
        )
        listening = await self._listens(facts, row.adb_port)
        others = Testimony(
            listed=facts.processes is not None and not any(map(_nobodys, facts.processes)),
            window=window,
            machine=machine,
            listening=listening,
            booted=listening and await self._booted(row),
        )
        return Seen(row=row, others=others)

    async def _listens(self, facts: HostFacts, port: int | None) -> bool:
        if port is None:
            return False
        if facts.listening is not None:
            return any(each.port == port for each in facts.listening)
        printed = (await self._way.run(_NETSTAT)).stdout  # no PowerShell there
        return str(port).encode() in _LISTENS.findall(printed)

    async def _booted(self, row: Instance) -> bool:
        """Ask the guest whether Android has started, as the config's check of it does."""
        target = self._target(row)
        if target is None or not isinstance(target.params, Params):
            return False
        params = target.params

        async def look(reach: LayeredReach) -> bool:
            return (await probe(target, params, reach)).facts.get("boot_completed") is True

        return await self._way.beside(target, look) or False

    def _target(self, row: Instance) -> Target | None:
        entity = row.entity
        ours = next((each for each in self._guests if each.emulator == entity.id), None)
        if ours is None:
            ours = next((for_emulator(each, entity) for each in self._guests if each.each), None)
        return None if ours is None else replace(ours, name=f"operations {ours.name}")  # it has a memory of its own


def _pid(processes: Sequence[Process], index: int, kind: ProcessKind) -> int:
    """Find the process of an instance; 0: there is none."""
    named = f"{NAME}:{index}"
    return next((each.pid for each in processes if each.kind is kind and each.emulator == named), 0)


def _nobodys(process: Process) -> bool:
    """Whether a process may be of any instance: the host hides its command line."""
    return process.driver == NAME and process.kind is not ProcessKind.SERVICE and process.emulator is None
