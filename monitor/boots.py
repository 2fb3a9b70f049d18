"""How long an emulator took to boot: from the look that first saw it start to the look that first saw it run.

Pure. Measured is what was seen from beginning to end. A start nobody saw begin (the console could not be asked, the
monitor came later) and an end nobody was looking for are not guessed at: then the boot before stays the last one known.
As exact as the looks are frequent: the console's interval, and the guest's where one bears witness.
"""

from __future__ import annotations

from typing import Final

from monitor.model import EmulatorRun, Reason
from monitor.truth import GuestSeen, Truth

BOOTING: Final = frozenset({"starting", "stuck_boot"})
AT_REST: Final = frozenset({"stopped", "zombie"})
RUNNING: Final = "running"
UNKNOWN: Final = "unknown"


class Boots:
    """The boots of one emulator."""

    __slots__ = ("_began", "_blind", "_last", "_seen", "took")

    def __init__(self) -> None:
        self.took: float | None = None
        """Seconds the last boot took that was seen whole; None: none was."""
        self._began: float | None = None
        self._seen = 0.0
        """When it was last seen to boot."""
        self._blind = False
        """Whether there was a time since when nobody could look."""
        self._last = UNKNOWN

    def see(
        self, truth: Truth, console: EmulatorRun | None, guest: GuestSeen | None, at: float, *, witnessed: bool
    ) -> None:
        """Take note of what an emulator is believed to be, and what the two say of it who can tell a boot.

        Args:
            truth: What is believed.
            console: What the console says; None: it can't be asked.
            guest: What the guest was last seen to do since the console changed its mind; None: nobody looked since.
            at: Unix time.
            witnessed: Whether anybody looks at the guest at all: then his word ends a boot, not the console's.

        """
        state = truth.state
        if state in BOOTING:
            if self._began is None and (self._last in AT_REST or self._again(console, guest)):
                self._began = at
            self._seen, self._blind = at, False
        elif state == UNKNOWN:
            self._blind = True
        elif state == RUNNING and not _vouched(truth, console, guest, witnessed=witnessed):
            return  # nothing ends by being disputed
        elif state != "zombie" or self._began is None:  # half an emulator is also what a boot looks like in between
            if state == RUNNING:
                self._end(at)
            self._began = None
        self._last = state

    def _again(self, console: EmulatorRun | None, guest: GuestSeen | None) -> bool:
        """Whether what ran boots anew: a guest that falls silent only looks like one that is not there yet."""
        says_so = console is EmulatorRun.STARTING or guest is GuestSeen.BOOTS
        return says_so and self._last not in {UNKNOWN, *BOOTING}

    def _end(self, at: float) -> None:
        """Keep what the boot took, unless nobody could look for longer than it was seen to boot."""
        if self._began is not None and not (self._blind and at - self._seen > self._seen - self._began):
            self.took = at - self._began


def _vouched(truth: Truth, console: EmulatorRun | None, guest: GuestSeen | None, *, witnessed: bool) -> bool:
    """Whether one who can tell says that it runs, and none contradicts; processes alone are there during a boot too."""
    runs = guest in {GuestSeen.ANSWERS, GuestSeen.COMPLAINS} or (console is EmulatorRun.RUNNING and not witnessed)
    return runs and truth.reason is not Reason.WITNESSES_DISAGREE
