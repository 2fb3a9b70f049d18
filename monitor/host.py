"""One workstation's share of the fleet's beliefs: its checks, its endpoints, its emulators, and what they add up to.

Pure. What a result changes in it is in `monitor.fleet`; here is what it holds, shows, and keeps over a restart.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from monitor.belief import Belief, Remembered
from monitor.evidence import Heard
from monitor.figures import CheckFigures, WorkstationFigures
from monitor.health import Endpoint, Vote
from monitor.inventory import Inventory
from monitor.model import (
    Blocked,
    Category,
    CheckState,
    Fact,
    HostFacts,
    Outcome,
    Reason,
    Status,
    SubjectKind,
    Target,
    Workstation,
)
from monitor.truth import GuestSeen

_GUEST: Final = {
    Reason.REFUSED: GuestSeen.REFUSES,
    Reason.BOOTING: GuestSeen.BOOTS,
    Reason.UNEXPECTED: GuestSeen.COMPLAINS,
    Reason.THRESHOLD: GuestSeen.COMPLAINS,
    Reason.WITNESSES_DISAGREE: GuestSeen.COMPLAINS,
    **dict.fromkeys(
        (Reason.TIMEOUT, Reason.OFFLINE, Reason.RESET, Reason.UNREACHABLE, Reason.PROTOCOL, Reason.SHELL_LOST),
        GuestSeen.SILENT,
    ),
}
"""What the reason for which a witness is not UP says of its guest; any other: nothing."""
ENDPOINT: Final = "endpoint"
"""What a `Remembered` is about, beside the kinds of `SubjectKind`."""


@dataclass(slots=True)
class CheckBelief:
    """One check and what its runs have told so far."""

    target: Target
    belief: Belief = field(default_factory=Belief)
    reason: Reason | None = None
    message: str = "not asked yet"
    pending: str = ""
    stale_since: float | None = None
    last_outcome: Outcome | None = None
    last_run: float | None = None
    last_duration: float | None = None
    last_success: float | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    host: HostFacts | None = None
    blocked: Blocked | None = None
    driver: str | None = None
    """The console it lists, once it listed one."""

    @property
    def votes(self) -> bool:
        """Whether it has a say in its workstation's health: it knows something, and not of one emulator only."""
        return self.belief.known and self.target.emulator is None

    def vote(self) -> Vote:
        """What it says of its workstation."""
        status, local = self.belief.status, self.reason is Reason.LOCAL
        return Vote(self.target.name, status, self.message, critical=self.target.critical, local=local)

    def heard(self, asked: float) -> Heard | None:
        """What it says of the guest it bears witness of; None: that could not be asked, or not lately."""
        if self.pending:
            return None
        if self.belief.status is Status.UP and self.stale_since is None:
            return Heard(GuestSeen.ANSWERS, asked=asked)
        seen = _GUEST.get(self.reason) if self.reason is not None else None
        if seen is None or self.belief.status is Status.UNKNOWN or self.stale_since is not None:
            return None
        return Heard(seen, self.message, asked=asked)

    def remember(self) -> Remembered:
        """What is worth keeping over a restart."""
        return Remembered(
            kind=SubjectKind.CHECK.value,
            workstation=self.target.workstation.id,
            name=self.target.name,
            status=self.belief.status,
            since=self.belief.since,
            reason=self.reason,
            message=self.message,
            driver=self.driver,
        )

    def restore(self, past: Remembered) -> None:
        """Take up what was believed before a restart, unless it was asked since then."""
        if self.belief.restore(past.status, past.since):
            self.reason, self.message = past.reason, past.message
        self.driver = self.driver or past.driver

    def shown(self, at: float) -> CheckState:
        """The state others may see."""
        return CheckState(
            target=self.target,
            status=self.belief.status,
            since=self.belief.since,
            reason=self.reason,
            message=self.message,
            pending=self.pending,
            stale_since=self.stale_since,
            flapping=self.belief.flapping(at),
            last_outcome=self.last_outcome,
            last_run=self.last_run,
            last_duration=self.last_duration,
            last_success=self.last_success,
            facts=self.facts,
            host=self.host,
            blocked=self.blocked,
        )

    def figures(self) -> CheckFigures:
        """What is measured of it."""
        return CheckFigures(
            self.target,
            self.belief.status,
            self.reason,
            self.stale_since,
            self.last_run,
            self.last_duration,
            self.last_success,
            self.facts,
            self.host,
        )


class Host:
    """One workstation: its checks, its endpoints, its emulators, and the belief they add up to."""

    __slots__ = ("belief", "checks", "endpoints", "inventory", "message", "workstation")

    def __init__(self, workstation: Workstation) -> None:
        self.workstation = workstation
        self.checks: dict[str, CheckBelief] = {}
        self.endpoints: dict[str, Endpoint] = {}
        self.inventory = Inventory(workstation.id)
        self.belief = Belief()
        self.message = "not asked yet"

    def endpoint(self, target: Target) -> Endpoint | None:
        """The endpoint a target's path goes through; None where that is an emulator's own, not the workstation's."""
        key = target.path[0]
        if key.category is not Category.NETWORK:
            return None
        if target.emulator is not None:
            return self.endpoints.get(key.scope)
        return self.endpoints.setdefault(key.scope, Endpoint())

    def witnesses(self, emulators: Collection[str]) -> Iterator[Target]:
        """The checks that see emulators otherwise than through their console: of the guests, and of the host itself."""
        for check in self.checks.values():
            if check.target.emulator in emulators or (emulators and check.host is not None):
                yield check.target

    def figures(self) -> WorkstationFigures:
        """What is measured of it and all that hangs on it."""
        checks = [check.figures() for check in self.checks.values()]
        return WorkstationFigures(self.workstation, self.belief.status, checks, self.inventory.figures())

    def lists(self, driver: str) -> bool:
        """Whether one of its checks lists this console, as far as is known."""
        return any(check.driver == driver for check in self.checks.values())

    def remember(self) -> Iterator[Remembered]:
        """What is worth keeping over a restart, but for the emulators: whatever is known at all."""
        if self.belief.known:
            yield self._remembered(SubjectKind.WORKSTATION.value, "", self.belief.status, self.message)
        yield from (check.remember() for check in self.checks.values() if check.belief.known)
        for scope, endpoint in self.endpoints.items():
            if endpoint.answers is not None:
                yield self._remembered(ENDPOINT, scope, Status.UP if endpoint.answers else Status.DOWN, endpoint.why)

    def restore(self, past: Remembered) -> None:
        """Take up one thing known before a restart, unless something newer is known or it is watched no more."""
        check = self.checks.get(past.name)
        if past.kind == SubjectKind.WORKSTATION and self.belief.restore(past.status, past.since):
            self.message = past.message
        elif past.kind == SubjectKind.CHECK and check is not None:
            check.restore(past)
        elif past.kind == ENDPOINT and past.name in self._scopes():
            endpoint = self.endpoints.setdefault(past.name, Endpoint())
            if endpoint.answers is None:
                endpoint.answers, endpoint.why = past.status is Status.UP, past.message

    def _scopes(self) -> set[str]:
        targets = [check.target for check in self.checks.values() if check.target.emulator is None]
        return {target.path[0].scope for target in targets if target.path[0].category is Category.NETWORK}

    def _remembered(self, kind: str, name: str, status: Status, message: str) -> Remembered:
        return Remembered(
            kind=kind,
            workstation=self.workstation.id,
            name=name,
            status=status,
            since=None if kind == ENDPOINT else self.belief.since,
            message=message,
        )
