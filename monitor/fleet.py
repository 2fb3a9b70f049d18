"""What we believe of the fleet now: results go in, transitions come out, snapshots are read.

Pure: no clock, no I/O; time comes with each result. A failure below the check's own layer makes UNKNOWN, never DOWN;
a run that was refused says nothing of the layer it is about. The rules are those of the section "Status" in the design.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from monitor.belief import Remembered
from monitor.figures import WorkstationFigures
from monitor.health import Endpoint, of_workstation
from monitor.host import CheckBelief, Host
from monitor.inventory import RememberedEmulator
from monitor.model import (
    Blocked,
    Category,
    Outcome,
    Reason,
    Result,
    Status,
    SubjectKind,
    Target,
    Transition,
    Verdict,
    Workstation,
    WorkstationState,
)

_STATUS: Final = {Verdict.UP: Status.UP, Verdict.DEGRADED: Status.DEGRADED, Verdict.DOWN: Status.DOWN}


class Fleet:
    """All beliefs. Not thread-safe: one event loop applies results and reads snapshots."""

    def __init__(self) -> None:
        self._hosts: dict[str, Host] = {}
        self._now = 0.0

    def replace(self, workstations: Iterable[Workstation], targets: Iterable[Target]) -> None:
        """Take a new config: what is unchanged keeps its history, what is gone is forgotten."""
        old, self._hosts = self._hosts, {}
        for workstation in sorted(workstations, key=lambda w: w.id):
            host = old.get(workstation.id)
            if host is None or host.workstation.host != workstation.host:
                host = Host(workstation)
            host.workstation = workstation
            self._hosts[workstation.id] = host
        wanted: dict[str, dict[str, Target]] = {}
        for target in targets:
            wanted.setdefault(target.workstation.id, {})[target.name] = target
        for host in self._hosts.values():
            _adopt(host, wanted.get(host.workstation.id, {}))

    def apply(self, result: Result) -> tuple[Transition, ...]:
        """Learn from one result.

        Returns:
            What changed, innermost first: the check, its emulators, its workstation. Nothing for a target that is
            gone from config, or for a run that was skipped.

        """
        host = self._hosts.get(result.target.workstation.id)
        check = host.checks.get(result.target.name) if host else None
        if host is None or check is None or not _same(check.target, result.target):
            return ()
        check.last_outcome = result.outcome
        if result.outcome is Outcome.SKIPPED:
            return ()
        self._now = result.at
        return (*_learn(check, result), *_spread(host, check, result), *_weigh(host, result.at))

    def snapshot(self) -> tuple[WorkstationState, ...]:
        """Show all workstations, by id."""
        return tuple(self.each())

    def each(self) -> Iterator[WorkstationState]:
        """Show one workstation after the other, by id, for who does other work in between: each is as it is then."""
        return map(self._shown, tuple(self._hosts.values()))

    def figures(self) -> Iterator[WorkstationFigures]:
        """What is measured of one workstation after the other, as `each` shows them."""
        return (host.figures() for host in tuple(self._hosts.values()))

    def identities(self) -> tuple[str, ...]:
        """The ids of all workstations, in order."""
        return tuple(self._hosts)

    def workstation(self, identity: str) -> WorkstationState | None:
        """Show one workstation; None when there is no such."""
        host = self._hosts.get(identity)
        return self._shown(host) if host else None

    def remember(self, identity: str) -> tuple[tuple[Remembered, ...], tuple[RememberedEmulator, ...]]:
        """What is worth keeping of one workstation over a restart: its beliefs, and its emulators."""
        host = self._hosts.get(identity)
        return (tuple(host.remember()), tuple(host.inventory.remember())) if host else ((), ())

    def restore(self, beliefs: Iterable[Remembered], emulators: Iterable[RememberedEmulator]) -> None:
        """Go on from what was remembered; do it after `replace`: what is no longer watched is passed over.

        What was learnt meanwhile is newer and stays.
        """
        for belief in beliefs:
            host = self._hosts.get(belief.workstation)
            if host is not None:
                host.restore(belief)
        for emulator in emulators:
            host = self._hosts.get(emulator.workstation)
            if host is not None and host.lists(emulator.entity.driver):
                host.inventory.restore([emulator])

    def driver(self, target: Target) -> str | None:
        """Which console a check lists; None: it never listed one."""
        host = self._hosts.get(target.workstation.id)
        check = host.checks.get(target.name) if host else None
        return check.driver if check else None

    def told(self, workstation: str, emulator: str, at: float) -> bool:
        """Take note that an emulator was told to start or stop at a Unix time; False: there is no such emulator."""
        host = self._hosts.get(workstation)
        return host is not None and host.inventory.told(emulator, at)

    def to_confirm(self, result: Result) -> tuple[Target, ...]:
        """Whom to ask out of turn after a listing: the other witnesses of what it alone would call DOWN."""
        host = self._hosts.get(result.target.workstation.id)
        listed = result.observation is not None and result.observation.entities is not None
        return tuple(host.witnesses(host.inventory.unconfirmed)) if host and listed else ()

    def suspect(self, target: Target) -> bool:
        """Whether the last run of a target found no answer."""
        host = self._hosts.get(target.workstation.id)
        check = host.checks.get(target.name) if host else None
        return check is not None and check.last_outcome in {Outcome.FAILURE, Outcome.TIMEOUT, Outcome.SUPPRESSED}

    def _shown(self, host: Host) -> WorkstationState:
        return WorkstationState(
            workstation=host.workstation,
            status=host.belief.status,
            since=host.belief.since,
            message=host.message,
            flapping=host.belief.flapping(self._now),
            checks=tuple(check.shown(self._now) for check in host.checks.values()),
            emulators=host.inventory.states(self._now),
        )


def _same(one: Target, other: Target) -> bool:
    """Whether two targets ask the same: a reload may change how often, how strictly, and under which labels."""
    return one is other or _asks(one) == _asks(other)


def _asks(target: Target) -> object:
    where = target.workstation.id, target.workstation.host, target.adb_port
    return where, target.name, target.kind, target.path, target.through, target.params


def _adopt(host: Host, targets: Mapping[str, Target]) -> None:
    """Give a host its checks: those that ask the same keep what is known of them, others start anew."""
    old, host.checks = host.checks, {}
    for name, target in targets.items():
        kept = old.get(name)
        if kept is not None and _same(kept.target, target):
            kept.target = target
            host.checks[name] = kept
        else:
            host.checks[name] = CheckBelief(target)
    ways = [target.path[0] for target in targets.values() if not target.emulator]
    scopes = dict.fromkeys(key.scope for key in ways if key.category is Category.NETWORK)
    host.endpoints = {scope: host.endpoints.get(scope) or Endpoint() for scope in scopes}
    host.inventory.forget_consoles({check.driver for check in host.checks.values() if check.driver})
    host.inventory.retain_guests((t.emulator, t.name) for t in targets.values() if t.emulator)


def _learn(check: CheckBelief, result: Result) -> Iterator[Transition]:
    """Update the belief of the check itself."""
    if result.outcome is Outcome.SUPPRESSED and result.blocked is not None:
        yield from _suppress(check, result, result.blocked)
        return
    check.blocked, check.stale_since = None, None
    check.last_run, check.last_duration = result.at, result.duration
    if result.observation is not None:
        check.last_success = result.at
        check.facts, check.host = result.observation.facts, result.observation.host
    status, reason, message = _evidence(check.target, result)
    at_once = result.tripped is not None and result.tripped in check.target.path
    after = 1 if at_once else check.target.up_after if status is Status.UP else check.target.down_after
    yield from _believe(check, result.at, status, reason, message, after=after)


def _evidence(target: Target, result: Result) -> tuple[Status, Reason | None, str]:
    """What a run that was not refused says of the check."""
    seen, failure = result.observation, result.failure
    if seen is not None:
        return _STATUS[seen.verdict], seen.reason, seen.message
    if failure is None:
        return Status.UNKNOWN, Reason.LOCAL, result.local or "the monitor could not ask"
    own = target.owns(target.layer(failure.category))
    return (Status.DOWN if own else Status.UNKNOWN), failure.reason, failure.message


def _suppress(check: CheckBelief, result: Result, blocked: Blocked) -> Iterator[Transition]:
    """A breaker refused: its own leaves the belief as it was, stale; one on the way makes it UNKNOWN."""
    check.blocked, check.last_duration = blocked, None
    if check.target.owns(blocked.key):
        check.stale_since = result.at if check.stale_since is None else check.stale_since
        return
    message = f"{blocked.key.scope} open"
    yield from _believe(check, result.at, Status.UNKNOWN, Reason.SUPPRESSED, message, after=1)


def _believe(
    check: CheckBelief, at: float, status: Status, reason: Reason | None, message: str, *, after: int
) -> Iterator[Transition]:
    first = not check.belief.known
    old = check.belief.see(status, at, after=after)
    if check.belief.status is status and check.belief.known:
        check.reason, check.message, check.pending = reason, message, ""
    else:
        check.pending = message
    if old is not None and old is not status:
        target = check.target
        yield Transition(
            kind=SubjectKind.CHECK,
            workstation=target.workstation.id,
            name=target.name,
            old=old,
            new=status,
            at=at,
            message=message,
            first=first,
        )


def _spread(host: Host, check: CheckBelief, result: Result) -> Iterator[Transition]:
    """Pass the evidence on: to the endpoint on the way, to the emulators listed, to the guest witnessed."""
    target, at, asked = check.target, result.at, result.at - result.duration
    _hear_endpoint(host.endpoint(target), check, result)
    if result.observation is not None and result.observation.entities is not None:
        entities = result.observation.entities
        check.driver = entities[0].driver if entities else check.driver
        if check.driver is not None:
            yield from host.inventory.hear_console(check.driver, entities, at, down_after=target.down_after)
    elif check.driver is not None and (check.blocked is not None or not check.pending):
        yield from host.inventory.lose_console(check.driver, check.message, at, alone=_at_fault(result))
    if target.emulator is not None:
        yield from host.inventory.hear_guest(target.emulator, target.name, check.heard(asked), at)
    if check.host is not None:
        facts = check.host if result.observation is not None else None
        if facts is not None or check.blocked is not None or not check.pending:
            yield from host.inventory.hear_host(facts, at, asked=asked, down_after=target.down_after)


def _at_fault(result: Result) -> bool:
    """Whether a run that got no answer came as far as the check's own layer."""
    failure, blocked = result.failure, result.blocked
    layer = result.target.layer(failure.category) if failure else blocked.key if blocked else None
    return layer is not None and result.target.owns(layer)


def _hear_endpoint(endpoint: Endpoint | None, check: CheckBelief, result: Result) -> None:
    if endpoint is None:
        return
    failure = result.failure
    if result.outcome in {Outcome.SUPPRESSED, Outcome.ERROR}:
        endpoint.not_asked()
    elif failure is None or failure.category is not Category.NETWORK:
        endpoint.answered(result.at - result.duration)  # it may have fallen silent while it was being asked
    else:
        tripped = result.tripped == check.target.path[0]
        after = 1 if tripped else check.target.down_after
        endpoint.failed(failure.reason, check.target.name, result.at, after=after)


def _weigh(host: Host, at: float) -> Iterator[Transition]:
    """Update the belief of the workstation."""
    status, message = of_workstation(host.endpoints, [c.vote() for c in host.checks.values() if c.votes])
    first = not host.belief.known
    if status is None or (first and status is Status.UNKNOWN):
        return
    host.message = message
    old = host.belief.see(status, at)
    if old is not None and old is not status:
        yield Transition(
            kind=SubjectKind.WORKSTATION,
            workstation=host.workstation.id,
            name="",
            old=old,
            new=status,
            at=at,
            message=message,
            first=first,
        )
