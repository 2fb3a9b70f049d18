"""Builders and fakes the tests share: a clock that is moved by hand, targets, results."""

from __future__ import annotations

from dataclasses import replace

from monitor.checks import CheckParams
from monitor.figures import CheckFigures, EmulatorFigures, WorkstationFigures
from monitor.model import (
    Blocked,
    Category,
    EmulatorRun,
    Entity,
    Failure,
    Key,
    Observation,
    Outcome,
    Reason,
    Result,
    Severity,
    Target,
    Verdict,
    Workstation,
    WorkstationState,
)


class FakeClock:
    """Seconds that pass only when told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += seconds


class NoParams(CheckParams):
    """Parameters of a check that has none."""


def a_workstation(identity: str = "ws-01") -> Workstation:
    return Workstation(id=identity, host="127.0.0.1", site="garage")


def network(scope: str, workstation: str = "ws-01") -> Key:
    return Key(Category.NETWORK, workstation, scope)


def a_target(
    name: str = "rdp",
    *path: Key,
    workstation: Workstation | None = None,
    through: int = 0,
    interval: float = 30.0,
    timeout: float = 5.0,
    **changes: object,
) -> Target:
    """A tcp-like check; `path` defaults to its own endpoint."""
    where = workstation or a_workstation()
    target = Target(
        workstation=where,
        name=name,
        kind="tcp",
        params=NoParams(),
        path=path or (network(f"tcp:{name}", where.id),),
        through=through,
        interval=interval,
        timeout=timeout,
    )
    return replace(target, **changes) if changes else target  # type: ignore[arg-type]  # fields by name


def a_console(workstation: Workstation | None = None) -> Target:
    """An ldplayer check: it travels through the endpoint and the transport."""
    where = workstation or a_workstation()
    path = (
        network("ssh:22", where.id),
        Key(Category.WORKSTATION, where.id, "ssh"),
        Key(Category.EXTERNAL, where.id, "ldplayer"),
    )
    return a_target("ldplayer", *path, workstation=where, through=2, kind="ldplayer")


def a_login(workstation: Workstation | None = None) -> Target:
    """An ssh check: it asks about the endpoint and the transport themselves."""
    where = workstation or a_workstation()
    path = (network("ssh:22", where.id), Key(Category.WORKSTATION, where.id, "ssh"))
    return a_target("ssh", *path, workstation=where, kind="ssh")


def an_emulator(index: int, run: EmulatorRun = EmulatorRun.RUNNING, **changes: object) -> Entity:
    entity = Entity(driver="ldplayer", index=index, title=f"farm-{index}", run=run)
    return replace(entity, **changes) if changes else entity  # type: ignore[arg-type]  # fields by name


def figures(state: WorkstationState) -> WorkstationFigures:
    """What is measured of a state made by hand."""
    checks = [
        CheckFigures(
            check.target,
            check.status,
            check.reason,
            check.stale_since,
            check.last_run,
            check.last_duration,
            check.last_success,
            check.facts,
            check.host,
        )
        for check in state.checks
    ]
    emulators = [
        EmulatorFigures(
            emulator.id,
            Entity(
                driver=emulator.driver,
                index=emulator.index,
                title=emulator.title,
                run=EmulatorRun.RUNNING,
                boot_limit=emulator.boot_limit,
            ),
            emulator.state,
            emulator.status,
            emulator.reason,
            emulator.boot_seconds,
        )
        for emulator in state.emulators
    ]
    return WorkstationFigures(state.workstation, state.status, checks, emulators)


def answered(
    target: Target,
    at: float,
    verdict: Verdict = Verdict.UP,
    *,
    message: str = "",
    entities: tuple[Entity, ...] | None = None,
) -> Result:
    reason = None if verdict is Verdict.UP else Reason.UNEXPECTED
    seen = Observation(verdict=verdict, reason=reason, message=message, entities=entities)
    return Result(target=target, outcome=Outcome.SUCCESS, at=at, duration=0.1, observation=seen)


def failed(
    target: Target,
    at: float,
    category: Category = Category.NETWORK,
    reason: Reason = Reason.REFUSED,
    *,
    tripped: Key | None = None,
) -> Result:
    failure = Failure(category=category, severity=Severity.HIGH, reason=reason, message=f"{category} {reason}")
    return Result(target=target, outcome=Outcome.FAILURE, at=at, duration=0.1, failure=failure, tripped=tripped)


def refused_by(target: Target, at: float, key: Key, retry_after: float = 42.0) -> Result:
    return Result(target=target, outcome=Outcome.SUPPRESSED, at=at, blocked=Blocked(key, retry_after))
