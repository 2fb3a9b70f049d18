"""A farm to look at: every kind of trouble at once, and as many healthy workstations as asked for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from aiohttp import web
from prometheus_client import CollectorRegistry, Gauge

from monitor.breaker.machine import Forced, Policy, State
from monitor.breaker.permit import BreakerState
from monitor.metrics import Scrapes
from monitor.model import (
    Blocked,
    Category,
    CheckState,
    EmulatorState,
    Fact,
    Key,
    Outcome,
    Reason,
    Severity,
    Status,
    Target,
    TransportSpec,
    Workstation,
    WorkstationState,
)
from monitor.silences import Matchers, Purpose, Repeat, Silence, Silences, Span, StandingError, ended
from monitor.web import ServiceStatus, make_app

NOW = 1_767_312_000.0
TOKEN = "correct-horse"
SECRET = "hunter2-never-shown"
UP, DEGRADED, DOWN, UNKNOWN = Status.UP, Status.DEGRADED, Status.DOWN, Status.UNKNOWN


@dataclass(frozen=True, slots=True)
class Params:
    """Parameters with something in them that must never get out."""

    password: str = SECRET


@dataclass
class Farm:
    """Beliefs, breakers and the service, as the application is given them; change them between requests."""

    states: list[WorkstationState] = field(default_factory=list)
    breakers: list[BreakerState] = field(default_factory=list)
    service: ServiceStatus = field(default_factory=lambda: service())  # noqa: PLW0108 - `service` is defined further down
    quiet: Silences = field(default_factory=Silences)
    snapshots: int = 0
    reloads: int = 0
    who: str = ""
    trouble: BaseException | None = None

    def snapshot(self) -> tuple[WorkstationState, ...]:
        self.snapshots += 1
        return tuple(self.states)

    def workstation(self, identity: str) -> WorkstationState | None:
        return next((state for state in self.states if state.workstation.id == identity), None)

    def items(self) -> Iterable[BreakerState]:
        return list(self.breakers)

    def each(self) -> Iterable[Silence]:
        return self.quiet.each()

    def over(self, workstation: Workstation, purpose: Purpose) -> Silence | None:
        self.quiet.tick(NOW)
        return self.quiet.over(workstation, purpose)

    async def add(self, silence: Silence) -> bool:
        self.quiet.put(silence)
        return True

    async def end(self, identity: str, *, who: str, why: str) -> Silence | None:
        assert why
        silence = self.quiet.find(identity)
        if silence is None:
            return None
        if silence.configured:
            raise StandingError
        self.quiet.put(over := ended(silence, who=who, at=NOW))
        return over

    async def reload(self, who: str) -> None:
        self.who = who
        self.reloads += 1
        if self.trouble is not None:
            raise self.trouble

    def app(self, *, refresh: int = 10, external_url: str | None = None) -> web.Application:
        registry = CollectorRegistry()
        gauge = Gauge("emuwatch_workstation_status", "Status.", ["workstation"], registry=registry)
        for state in self.states[:50]:
            gauge.labels(state.workstation.id).set(1)
        return make_app(
            fleet=self,
            breakers=self,
            scrapes=Scrapes(registry=registry),
            token=TOKEN,
            reload=self.reload,
            status=lambda: self.service,
            wall=lambda: NOW,
            silences=self,
            refresh=refresh,
            external_url=external_url,
        )


def service(*, ready: bool = True, **more: object) -> ServiceStatus:
    values: dict[str, object] = {"started_at": NOW - 93_784, "ready": ready, "version": "0.1.0", **more}
    return ServiceStatus(**values)  # type: ignore[arg-type]  # a test names the fields it is about


def machine(identity: str, *, site: str = "Hall A", host: str = "") -> Workstation:
    return Workstation(
        id=identity,
        host=host or f"{identity}.farm.example",
        site=site,
        labels={"rack": "r3", "owner": "payments"},
        transport=TransportSpec("ssh", Params()),
    )


def check(
    workstation: Workstation,
    name: str,
    status: Status = UP,
    *,
    message: str = "",
    reason: Reason | None = None,
    ago: float = 86_000,
    stale: float | None = None,
    flapping: bool = False,
    facts: Mapping[str, Fact] | None = None,
    blocked: Blocked | None = None,
) -> CheckState:
    target = Target(
        workstation=workstation,
        name=name,
        kind=name.partition("-")[0],
        params=Params(),
        path=(Key(Category.NETWORK, workstation.id, "ssh:22"), Key(Category.WORKSTATION, workstation.id, "ssh")),
        interval=30.0,
        timeout=5.0,
        critical=name == "ldplayer",
    )
    return CheckState(
        target=target,
        status=status,
        since=NOW - ago,
        reason=reason,
        message=message,
        stale_since=None if stale is None else NOW - stale,
        flapping=flapping,
        last_outcome=Outcome.SUPPRESSED if blocked else Outcome.SUCCESS if status is not DOWN else Outcome.TIMEOUT,
        last_run=NOW - 14.2,
        last_duration=None if blocked else 0.0421,
        last_success=NOW - 14.2,
        facts=facts or {},
        blocked=blocked,
    )


def emulator(
    index: int,
    state: str = "running",
    status: Status = UP,
    *,
    title: str = "",
    message: str = "console and ADB agree",
    reason: Reason | None = None,
    ago: float = 50_000,
    expected: bool | None = True,
) -> EmulatorState:
    return EmulatorState(
        id=f"ldplayer:{index}",
        driver="ldplayer",
        index=index,
        title=title or f"Farm phone {index:02}",
        state=state,
        status=status,
        since=NOW - ago,
        reason=reason,
        message=message,
        expected=expected,
        first_seen=NOW - 900_000,
        last_seen=NOW - 14,
    )


def healthy(identity: str, *, site: str = "Hall A", emulators: int = 6, ago: float = 200_000) -> WorkstationState:
    workstation = machine(identity, site=site)
    return WorkstationState(
        workstation=workstation,
        status=UP,
        since=NOW - ago,
        message="all 5 checks answer",
        flapping=False,
        checks=(
            check(workstation, "icmp", message="3 of 3 came back", facts={"loss_ratio": 0.0, "rtt_seconds": 0.0011}),
            check(workstation, "tcp-3389", message="accepts connections"),
            check(
                workstation,
                "http",
                message="200 OK",
                facts={"certificate_end_timestamp_seconds": NOW + 7e6, "body_size_bytes": 48_211, "status": 200},
            ),
            check(workstation, "ssh", message="logged in"),
            check(workstation, "ldplayer", message=f"{emulators} of {emulators} run"),
        ),
        emulators=tuple(emulator(index) for index in range(emulators)),
    )


def dead(identity: str, *, site: str = "Hall A") -> WorkstationState:
    workstation = machine(identity, site=site)
    ssh = Blocked(Key(Category.NETWORK, identity, "ssh:22"), 42.0)
    why = "ssh:22 open, next trial in 42 s"
    return WorkstationState(
        workstation=workstation,
        status=DOWN,
        since=NOW - 200,
        message="none of 3 endpoints answers: ssh:22 no answer in time, tcp:3389 no answer in time, icmp 3 of 3 lost",
        flapping=False,
        checks=(
            check(workstation, "icmp", DOWN, message="3 of 3 lost", reason=Reason.TIMEOUT, ago=200, stale=110),
            check(workstation, "tcp-3389", DOWN, message="no answer in time", reason=Reason.TIMEOUT, ago=200),
            check(workstation, "ssh", UNKNOWN, message=why, reason=Reason.SUPPRESSED, ago=170, blocked=ssh),
            check(workstation, "ldplayer", UNKNOWN, message=why, reason=Reason.SUPPRESSED, ago=170, blocked=ssh),
        ),
        emulators=tuple(emulator(index, "unknown", UNKNOWN, message=why, ago=170) for index in range(6)),
    )


def troubled(identity: str, *, site: str = "Hall B") -> WorkstationState:
    workstation = machine(identity, site=site)
    return WorkstationState(
        workstation=workstation,
        status=DEGRADED,
        since=NOW - 4_000,
        message="ldplayer: 2 of 6 are not as expected",
        flapping=True,
        checks=(
            check(workstation, "icmp", message="3 of 3 came back", facts={"loss_ratio": 0.0, "rtt_seconds": 0.0342}),
            check(
                workstation, "http", DEGRADED, message="certificate ends in 5 days", reason=Reason.THRESHOLD, ago=40_000
            ),
            check(
                workstation,
                "ldplayer",
                DOWN,
                message="2 of 6 are not as expected",
                reason=Reason.UNEXPECTED,
                flapping=True,
            ),
        ),
        emulators=(
            emulator(0),
            emulator(
                1, "stuck_boot", DOWN, message="starting for 8 min, ADB never came", reason=Reason.TIMEOUT, ago=480
            ),
            emulator(
                2,
                "running",
                DEGRADED,
                message="the console says stopped, ADB answers",
                reason=Reason.WITNESSES_DISAGREE,
            ),
            emulator(3, "stopped", UP, message="stopped, as expected", expected=False),
            emulator(4, "adb_off", DEGRADED, message="runs, but ADB is off", reason=Reason.OFFLINE),
            emulator(5, title="抖音 \u202eevil\u202c <script>alert(1)</script> " + "long title " * 30),
        ),
    )


def unasked(identity: str) -> WorkstationState:
    workstation = machine(identity, site="")
    return WorkstationState(
        workstation=workstation,
        status=UNKNOWN,
        since=None,
        message="not asked yet",
        flapping=False,
        checks=(CheckState(target=check(workstation, "tcp-22").target),),
        emulators=(),
    )


def mixed(total: int = 12) -> Farm:
    """A farm with every kind of trouble, filled up with healthy workstations."""
    states = [dead("ws-03"), troubled("ws-07"), unasked("ws-99"), refused("ws-05")]
    names = (f"ws-{number:02}" for number in range(1, total + 5))
    taken = {state.workstation.id for state in states}
    free = [name for name in names if name not in taken][: max(0, total - len(states))]
    states += [healthy(name, site="Hall B" if place % 3 else "Hall A") for place, name in enumerate(free)]
    return Farm(states=sorted(states[:total], key=lambda state: state.workstation.id), breakers=breakers())


def refused(identity: str) -> WorkstationState:
    workstation = machine(identity, site="Hall A")
    return WorkstationState(
        workstation=workstation,
        status=DEGRADED,
        since=NOW - 30,
        message="ssh answers but refuses the login, ldplayer cannot be asked",
        flapping=False,
        checks=(
            check(workstation, "icmp", message="3 of 3 came back"),
            check(workstation, "ssh", DOWN, message="login refused", reason=Reason.AUTH, ago=30, stale=20),
            check(
                workstation,
                "ldplayer",
                UNKNOWN,
                message="ssh open, next trial in 9 s",
                reason=Reason.SUPPRESSED,
                ago=25,
            ),
        ),
        emulators=tuple(
            emulator(index, "unknown", UNKNOWN, message="ssh open, next trial in 9 s") for index in range(4)
        ),
    )


def a_silence(identity: str = "5eed", **more: object) -> Silence:
    values: dict[str, object] = {
        "matchers": Matchers(workstations=("ws-03",)),
        "when": Span(NOW - 600, NOW + 5_400),
        "who": "kim",
        "why": "a new disk",
        "created_at": NOW - 600,
        **more,
    }
    return Silence(id=identity, **values)  # type: ignore[arg-type]  # a test names the fields it is about


def silences() -> list[Silence]:
    return [
        a_silence(),
        a_silence("a11", purpose=Purpose.MAINTENANCE, matchers=Matchers(workstations=("ws-05",)), why="cabling"),
        a_silence(
            "config-maintenance-updates",
            purpose=Purpose.MAINTENANCE,
            name="updates",
            matchers=Matchers(sites=("Hall A",)),
            when=Repeat(schedule="0 3 * * sun", duration=7_200.0, timezone="Europe/Berlin"),
            who="config",
            why="Windows updates",
            created_at=0.0,
            configured=True,
        ),
        a_silence("01d", when=Span(NOW - 9_000, NOW - 4_000), ended_at=NOW - 7_000, ended_by="lee"),
    ]


def breaker(key: Key, **more: object) -> BreakerState:
    values: dict[str, object] = {
        "state": State.CLOSED,
        "forced": None,
        "trips": 0,
        "rejections": 0,
        "failures": dict.fromkeys(Severity, 0),
        "open_seconds": 0.0,
        "last_trip": None,
        "retry_after": None,
        "policy": Policy(window=105.0),
        "trial_running": False,
        **more,
    }
    return BreakerState(key=key, **values)  # type: ignore[arg-type]  # a test names the fields it is about


def breakers() -> list[BreakerState]:
    def trouble(count: int) -> Mapping[Severity, int]:
        return {Severity.HIGH: count, Severity.CRITICAL: 1}

    network, login, console = Category.NETWORK, Category.WORKSTATION, Category.EXTERNAL
    return [
        breaker(Key(network, "ws-01", "ssh:22")),
        breaker(Key(network, "ws-01", "icmp"), trips=2, failures={Severity.HIGH: 7}, last_trip=NOW - 90_000),
        breaker(
            Key(network, "ws-03", "ssh:22"),
            state=State.OPEN,
            trips=3,
            rejections=1_204,
            failures=trouble(11),
            open_seconds=260.0,
            last_trip=NOW - 170,
            retry_after=42.0,
        ),
        breaker(Key(network, "ws-03", "icmp"), state=State.HALF_OPEN, trips=1, last_trip=NOW - 120, trial_running=True),
        breaker(Key(login, "ws-05", "ssh"), state=State.OPEN, trips=1, last_trip=NOW - 20, retry_after=9.0),
        breaker(Key(console, "ws-07", "ldplayer"), state=State.OPEN, forced=Forced.OPEN, retry_after=math.inf),
        breaker(Key(console, "ws-08", "ldplayer"), forced=Forced.CLOSED),
        breaker(Key(login, "ws-08", "ssh"), state=State.OPEN, trips=1, last_trip=NOW - 61, retry_after=0.0),
    ]
