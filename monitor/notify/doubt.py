"""What a process that was just started may tell: what it found out itself, not what it only remembers. Pure.

Trouble from before the start may be over long since, so it waits until it is found again; at a site all of it waits for
the last, so that what is one incident is not told piece by piece. What can't be asked is told in the end all the same.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from monitor.model import CheckState, Status, WorkstationState

PATIENCE: Final = 300.0
"""Seconds after the start within which nothing is told that could not be asked again."""


class Doubt:
    """See the module."""

    def __init__(self, since: float) -> None:
        """Begin to doubt whatever is older than `since`, a Unix time."""
        self._since = since
        self._unheard: dict[str, str] = {}
        """Workstations nobody heard of yet, and the site that waits for them; empty: nobody does."""
        self._held: dict[str, str] = {}
        """Workstations that wait for others of their site."""

    def awaits(self, workstation: str) -> bool:
        """Whether any answer of a workstation is news."""
        return workstation in self._unheard

    def retain(self, workstations: Collection[str]) -> None:
        """Wait for none but these."""
        self._unheard = {name: site for name, site in self._unheard.items() if name in workstations}

    def admits(self, state: WorkstationState, now: float) -> frozenset[str]:
        """Take note of how a workstation is; return those that need not wait any more."""
        name, site = state.workstation.id, state.workstation.site
        self._unheard.pop(name, None)
        doubts = now - self._since < PATIENCE
        if doubts and not _heard(state):
            self._unheard[name] = site if _ill(state) else ""
            return frozenset()
        waits = bool(site) and site in self._unheard.values()
        if doubts and waits and _ill(state) and state.since is not None and state.since < self._since:
            self._held[name] = site
            return frozenset()
        released = {held for held, where in self._held.items() if held == name or (where == site and not waits)}
        for held in released:
            del self._held[held]
        return frozenset({name, *released})


def _heard(state: WorkstationState) -> bool:
    """Whether this process asked for what makes a workstation ill, or anything at all of one that is well.

    What is wrong with the whole comes before what is wrong with one of its emulators.
    """
    ill = _ill(state)
    whole = [check for check in ill if check.target.emulator is None]
    return any(check.last_run is not None for check in whole or ill or state.checks)


def _ill(state: WorkstationState) -> list[CheckState]:
    return [check for check in state.checks if check.status is not Status.UP]
