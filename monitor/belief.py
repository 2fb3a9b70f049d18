"""How evidence becomes belief: soft until it repeats, then hard, and marked when it keeps changing its mind.

Pure. One `Belief` per check, emulator or workstation; it knows nothing of what it is about.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

from monitor.model import Reason, Status

FLAPPING_CHANGES: Final = 6
FLAPPING_WINDOW: Final = 600.0
"""Over six changes in ten minutes is flapping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remembered:
    """A belief as the store keeps it over a restart."""

    kind: str
    """What it is about: workstation, check, endpoint, boot. Emulators have more to remember (`monitor.inventory`)."""
    workstation: str
    name: str
    """The check's name or the endpoint's scope; empty for the workstation itself."""
    status: Status
    since: float | None
    """Unix time; None for an endpoint, which has no history."""
    reason: Reason | None = None
    message: str = ""
    driver: str | None = None
    """The console the check lists, if it listed one."""


class Belief:
    """A hard status, since when, and the run of evidence against it."""

    __slots__ = ("_changes", "_good", "_streak", "known", "since", "status")

    def __init__(self) -> None:
        self.status = Status.UNKNOWN
        self.since: float | None = None
        self.known = False
        """Whether any evidence was ever believed."""
        self._streak = 0
        self._good = False
        self._changes: deque[float] | None = None

    def see(self, status: Status, at: float, *, after: int = 1) -> Status | None:
        """Weigh one more piece of evidence.

        Args:
            status: What it says.
            at: Unix time.
            after: How many in a row, good or bad alike, it takes to change a belief.

        Returns:
            The former status if the belief changed (or became known at all), else None.

        """
        if status is self.status and self.known:
            self._streak = 0
            return None
        good = status is Status.UP
        self._streak = self._streak + 1 if good is self._good and self._streak else 1
        self._good = good
        if self._streak < after:
            return None
        return self._change(status, at)

    def restore(self, status: Status, since: float | None) -> bool:
        """Take up what was believed before a restart; False: something is believed already, and that is newer."""
        if self.known:
            return False
        self.status, self.since, self.known = status, since, True
        return True

    @property
    def doubted(self) -> bool:
        """Whether the latest evidence speaks against the belief without being enough to change it."""
        return self._streak > 0

    def flapping(self, at: float) -> bool:
        """Whether it changed more than `FLAPPING_CHANGES` times in the `FLAPPING_WINDOW` seconds before `at`."""
        changes = self._changes
        return changes is not None and len(changes) > FLAPPING_CHANGES and at - changes[0] <= FLAPPING_WINDOW

    def _change(self, status: Status, at: float) -> Status:
        old, first = self.status, not self.known
        self.status, self.since, self.known, self._streak = status, at, True, 0
        if not first:
            if self._changes is None:
                self._changes = deque(maxlen=FLAPPING_CHANGES + 1)
            self._changes.append(at)
        return old
