"""What the store is known to hold, so that only what differs is written, and all of it after the store was away.

Pure. A figure that changes all the time (when an emulator was last seen, the words beside an UP) is written with the
next real change, or once it is old.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from monitor.belief import Remembered
from monitor.breaker.saved import Saved
from monitor.inventory import RememberedEmulator
from monitor.model import Status
from monitor.store.boots import BOOT
from monitor.store.rows import Past, Thing, identity, table_of

BOOT_GRAIN: Final = 10.0
"""Seconds by which the stored boot time may be off: some hosts compute it anew each time they are asked."""
SEEN_GRAIN: Final = 300.0
"""Seconds by which the stored "last seen" of an emulator may be old."""
TOUCH: Final = 86_400.0
"""Seconds after which a row is written again though nothing changed: rows nobody writes are pruned in the end."""

Name = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Changes:
    """What to write, and what to delete: by table and primary key."""

    fresh: tuple[Thing, ...]
    gone: tuple[Name, ...]


def name_of(thing: Thing) -> Name:
    """Its table and primary key."""
    return table_of(thing).name, identity(thing)


def workstation_of(thing: Thing) -> str:
    """The workstation it belongs to."""
    return thing.key.workstation if isinstance(thing, Saved) else thing.workstation


class Ledger:
    """The rows as they were last written, by workstation."""

    def __init__(self) -> None:
        self._written: dict[str, dict[Name, tuple[Thing, float]]] = {}

    def forget(self) -> None:
        """Know nothing: whatever is true is written again."""
        self._written.clear()

    def read(self, past: Past, workstations: Iterable[str], at: float) -> None:
        """Note what the store was found to hold of our workstations; those of others are none of our business."""
        ours = frozenset(workstations)
        things: tuple[Thing, ...] = (*past.beliefs, *past.emulators, *past.breakers)
        for thing in things:
            if workstation_of(thing) in ours:
                self._written.setdefault(workstation_of(thing), {})[name_of(thing)] = (thing, at)

    def workstations(self) -> set[str]:
        """Those it knows rows of."""
        return set(self._written)

    def compare(self, workstation: str, true: Iterable[Thing], at: float) -> Changes:
        """What has to be done so that the store says what is true of a workstation."""
        written = self._written.get(workstation, {})
        now = {name_of(thing): thing for thing in true}
        fresh = [thing for name, thing in now.items() if not _holds(written.get(name), thing, at)]
        return Changes(tuple(fresh), tuple(name for name in written if name not in now))

    def wrote(self, changes: Changes, at: float) -> None:
        """Note what was written."""
        for thing in changes.fresh:
            self._written.setdefault(workstation_of(thing), {})[name_of(thing)] = (thing, at)
        if changes.gone:
            gone = frozenset(changes.gone)
            kept = {w: {n: v for n, v in rows.items() if n not in gone} for w, rows in self._written.items()}
            self._written = {workstation: rows for workstation, rows in kept.items() if rows}


def _holds(written: tuple[Thing, float] | None, thing: Thing, at: float) -> bool:
    return written is not None and at - written[1] < TOUCH and _essence(written[0], thing) == thing


def _essence(old: Thing, new: Thing) -> Thing:
    """Return `old` with the figures of `new` where they differ by less than matters."""
    if isinstance(old, Remembered) and isinstance(new, Remembered) and new.kind == BOOT:
        close = old.since is not None and new.since is not None and abs(new.since - old.since) < BOOT_GRAIN
        return replace(old, since=new.since) if close else old
    if isinstance(old, Remembered) and isinstance(new, Remembered) and new.status is Status.UP:
        return replace(old, message=new.message)
    if isinstance(old, RememberedEmulator) and isinstance(new, RememberedEmulator):
        close = abs(new.last_seen - old.last_seen) < SEEN_GRAIN
        return replace(old, last_seen=new.last_seen) if close else old
    if isinstance(old, Saved) and isinstance(new, Saved) and old.until is not None and new.until is not None:
        close = abs(new.until - old.until) < 1.0
        return replace(old, until=new.until, open_seconds=new.open_seconds) if close else old
    return old
