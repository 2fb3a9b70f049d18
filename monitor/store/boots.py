"""Which workstations and guests were booted anew, from one answer to the next, also over a restart of ours. Pure.

A workstation tells when it was started, a guest the id of its boot. What is heard for the first time is no reboot.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from monitor.belief import Remembered
from monitor.hostfacts.boot import rebooted, written
from monitor.model import Result, Status

BOOT: Final = "boot"
"""What a `Remembered` of this is about: its `since` is a workstation's boot time, its `message` the id of a guest's."""


class Boots:
    """The last boot known of each workstation, and of each of its guests by the emulator's id."""

    def __init__(self) -> None:
        self._times: dict[str, float] = {}
        self._ids: dict[str, dict[str, str]] = {}

    def hear(self, result: Result) -> Iterator[tuple[str, str]]:
        """Compare an answer with the one before.

        Returns:
            What was booted anew: the emulator, empty for the workstation itself, and since when it runs, in words.

        """
        seen, target = result.observation, result.target
        if seen is None:
            return
        where = target.workstation.id
        if seen.host is not None and seen.host.boot_time_seconds is not None:
            time = seen.host.boot_time_seconds
            before = self._times.get(where, time)
            self._times[where] = time
            if rebooted(before, time):
                yield "", f"runs since {written(time)}"
        boot, uptime = seen.facts.get("boot_id"), seen.facts.get("uptime_seconds")
        if target.emulator is not None and isinstance(boot, str):
            ids = self._ids.setdefault(where, {})
            if ids.setdefault(target.emulator, boot) != boot:
                ids[target.emulator] = boot
                yield target.emulator, f"runs since {written(result.at - uptime)}" if isinstance(uptime, float) else ""

    def forget(self, workstation: str, emulator: str) -> None:
        """Forget an emulator that is gone: the next one of its name is another."""
        self._ids.get(workstation, {}).pop(emulator, None)

    def retain(self, workstations: Iterable[str]) -> None:
        """Forget all other workstations."""
        kept = frozenset(workstations)
        self._times = {name: time for name, time in self._times.items() if name in kept}
        self._ids = {name: ids for name, ids in self._ids.items() if name in kept}

    def remember(self, workstation: str) -> Iterator[Remembered]:
        """What is worth keeping over a restart."""
        if workstation in self._times:
            yield _remembered(workstation, "", since=self._times[workstation])
        for emulator, boot in self._ids.get(workstation, {}).items():
            yield _remembered(workstation, emulator, boot=boot)

    def restore(self, past: Iterable[Remembered]) -> None:
        """Take what was known before a restart; what was heard since is newer."""
        for belief in past:
            if belief.kind == BOOT and belief.since is not None:
                self._times.setdefault(belief.workstation, belief.since)
            elif belief.kind == BOOT:
                self._ids.setdefault(belief.workstation, {}).setdefault(belief.name, belief.message)


def _remembered(workstation: str, name: str, *, since: float | None = None, boot: str = "") -> Remembered:
    return Remembered(kind=BOOT, workstation=workstation, name=name, status=Status.UP, since=since, message=boot)
