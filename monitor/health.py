"""The health of one workstation, from its endpoints and its checks.

Pure. DOWN when none of its endpoints answers; DEGRADED when only some do, or when any check fails that is not critical.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from monitor.model import Reason, Status, worst


@dataclass(slots=True)
class Endpoint:
    """Whether one endpoint of a workstation answers; None: nobody found out yet."""

    answers: bool | None = None
    why: str = ""
    misses: dict[str, int] = field(default_factory=dict)
    """How many runs in a row got no answer, by check; empty when the last one did."""
    heard_at: float = 0.0
    """Unix time up to which it surely was there: when the last run that got an answer began."""
    silent_since: float = 0.0
    """Unix time of the first of the misses."""
    awaited: bool = True
    """Whether somebody is about to ask it for the first time, so that nothing should be concluded without it."""

    @property
    def doubted(self) -> bool:
        """Whether the latest run got no answer, too few in a row to believe it."""
        return bool(self.misses) and self.answers is not False

    def answered(self, at: float) -> None:
        """Something came back from it, or from behind it."""
        self.answers, self.why, self.awaited, self.heard_at = True, "answers", False, at
        self.misses.clear()

    def failed(self, reason: Reason, check: str, at: float, *, after: int) -> None:
        """Nothing came back to a check; believed once the same check got none `after` times in a row."""
        self.awaited = False
        if not self.misses:
            self.silent_since = at
        self.misses[check] = self.misses.get(check, 0) + 1
        if self.misses[check] >= after:
            self.answers, self.why = False, reason.value.replace("_", " ")

    def not_asked(self) -> None:
        """A run ended without asking it: nothing is to be learnt from waiting for it."""
        self.awaited = False


@dataclass(frozen=True, slots=True)
class Vote:
    """What one check says of its workstation."""

    name: str
    status: Status
    message: str
    critical: bool = False
    local: bool = False
    """Whether it is UNKNOWN for a reason of the monitor's own."""

    def weight(self) -> Status:
        """What it makes of the workstation: only a critical check takes it DOWN, any other trouble degrades it."""
        if self.status is Status.DOWN:
            return Status.DOWN if self.critical else Status.DEGRADED
        if self.status is Status.UNKNOWN and not self.local:
            return Status.DEGRADED
        return self.status


def of_workstation(endpoints: Mapping[str, Endpoint], votes: Sequence[Vote]) -> tuple[Status | None, str]:
    """Tell a workstation's status and why.

    Returns:
        None as status while that is being found out: nothing known yet, or nothing heard of the other endpoints since
        one fell silent, and their next run will tell a half dead host from a dead one.

    """
    silent = {scope: endpoint for scope, endpoint in endpoints.items() if endpoint.answers is False}
    if silent:
        words = ", ".join(f"{scope} {endpoint.why}" for scope, endpoint in silent.items())
        since = min(endpoint.silent_since for endpoint in silent.values())
        others = {scope: endpoint for scope, endpoint in endpoints.items() if endpoint.answers}
        answering = [scope for scope, e in others.items() if not e.doubted and e.heard_at >= since]
        if answering:
            return Status.DEGRADED, f"{words}; answering: {', '.join(answering)}"
        undecided = others or any(e.awaited for e in endpoints.values())
        return (None if undecided else Status.DOWN), words
    weighed = [(vote.weight(), f"{vote.name}: {vote.message}") for vote in votes]
    if not weighed:
        return None, ""
    status = worst(*(weight for weight, _ in weighed))
    return status, "" if status is Status.UP else "; ".join(words for weight, words in weighed if weight is status)
