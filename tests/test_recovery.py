"""Recovery, whatever the paths: no breaker is left open without a way out, and no check without an answer after it.

Time is a clock moved by hand, and the loop's timers are kept in a list. A run takes its permits and settles them as the
runner does; the world decides at its beginning how it will end.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from monitor.breaker.machine import EventKind, Policy, State
from monitor.breaker.permit import BreakerEvent, Permit
from monitor.breaker.registry import Breakers
from monitor.errors import CircuitOpen, ProbeError
from monitor.model import Blocked, Category, Key, Observation, Outcome, Reason, Result, Target
from monitor.recovery import Recovery
from monitor.runner import LEASE_MARGIN, settle
from tests.fakes import FakeClock, a_console, a_login, a_target

PROMISE = 5.0
"""Seconds after the closing of a breaker within which all behind it have been asked again."""
OPEN_TIME = 6.0
TIMEOUT = 5.0


@dataclass(order=True, unsafe_hash=True)
class Timer:
    """What `call_later` returns."""

    at: float
    number: int
    call: Callable[[], object] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class FakeLoop:
    """Timers over a clock moved by hand."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._timers: list[Timer] = []
        self._numbers = itertools.count()

    def call_later(self, delay: float, call: Callable[..., object], *args: object) -> Timer:
        timer = Timer(self._clock.now + max(0.0, delay), next(self._numbers), lambda: call(*args))
        heapq.heappush(self._timers, timer)
        return timer

    def call_soon_threadsafe(self, call: Callable[..., object], *args: object) -> Timer:
        return self.call_later(0.0, call, *args)

    def pass_(self, seconds: float) -> None:
        end = self._clock.now + seconds
        while self._timers and self._timers[0].at <= end:
            timer = heapq.heappop(self._timers)
            self._clock.now = max(self._clock.now, timer.at)
            if not timer.cancelled:
                timer.call()
        self._clock.now = end


@dataclass
class Running:
    """A run under way."""

    target: Target
    permits: list[Permit]
    culprit: Key | None
    """The layer that was dead when it began; None: it will be answered."""
    began: float


class World:
    """Breakers, recovery, runs, and what is dead."""

    def __init__(self, *, failures: int = 3, backoff: float = 1.0) -> None:
        self.clock = FakeClock()
        self.loop = FakeLoop(self.clock)
        policy = Policy(failures=failures, open_time=OPEN_TIME, backoff_factor=backoff, backoff_cap=4 * OPEN_TIME)
        self.breakers = Breakers(policies=dict.fromkeys(Category, policy), clock=self.clock)
        self.recovery = Recovery(self.breakers)
        self.breakers.subscribe(self._event)
        self.targets: dict[str, Target] = {}
        self.running: dict[str, Running] = {}
        self.dead: set[Key] = set()
        self.last: dict[str, Result] = {}
        self.answered_at: dict[str, float] = {}
        self.closed_at: dict[Key, float] = {}
        self.slow: set[str] = set()
        """Checks whose runs end only when told to."""
        loop: Any = self.loop
        self.recovery.start(run=self.run, busy=lambda target: target.id in self.running, loop=loop)

    def _event(self, event: BreakerEvent) -> None:
        if event.kind is EventKind.CLOSED:
            self.closed_at[event.key] = self.clock.now

    def replace(self, targets: Sequence[Target]) -> None:
        """Reload, as `monitor.app` does."""
        self.targets = {target.id: target for target in targets}
        self.breakers.plan(targets)
        self.breakers.retain({key for target in targets for key in target.path})
        self.recovery.replace(targets)
        self.last = {name: result for name, result in self.last.items() if name in self.targets}

    def run(self, target: Target, *, due: float | None = None) -> None:
        if target.id in self.running or target.id not in self.targets:
            return
        target = self.targets[target.id]
        permits: list[Permit] = []
        try:
            for key in target.path:
                permit = self.breakers.get(key).acquire(target.timeout + LEASE_MARGIN)
                permits.append(permit)
        except CircuitOpen as refusal:
            for permit in permits:
                permit.release()
            blocked = Blocked(refusal.key, refusal.retry_after)
            self._over(Result(target=target, outcome=Outcome.SUPPRESSED, at=self.clock.now, blocked=blocked))
            return
        culprit = next((key for key in target.path if key in self.dead), None)
        self.running[target.id] = Running(target, permits, culprit, self.clock.now)
        if target.id not in self.slow:
            self.end(target.id)

    def end(self, name: str, *, neutral: bool = False) -> None:
        """End a run under way as the world decided when it began, or for a reason of our own."""
        run = self.running.pop(name)
        target, now = run.target, self.clock.now
        if neutral:
            result = Result(target=target, outcome=Outcome.ERROR, at=now, local="ours")
        elif run.culprit is not None:
            error = ProbeError("dead", category=run.culprit.category, reason=Reason.TIMEOUT)
            tripped = settle(target, run.permits, error)
            result = Result(
                target=target, outcome=Outcome.FAILURE, at=now, failure=error.failure(), tripped=tripped, duration=1.0
            )
        else:
            for permit in run.permits:
                permit.success()
            result = Result(target=target, outcome=Outcome.SUCCESS, at=now, observation=Observation())
        for permit in run.permits:
            permit.release()
        self._over(result)

    def _over(self, result: Result) -> None:
        if result.target.id in self.targets:
            self.last[result.target.id] = result
            if result.observation is not None:
                self.answered_at[result.target.id] = self.clock.now
        self.recovery.heard(result)

    def unanswered(self) -> set[str]:
        return {name for name, result in self.last.items() if result.observation is None}

    def state(self, key: Key) -> State:
        return self.breakers.get(key).snapshot().state


def fail(world: World, *targets: Target) -> None:
    for target in targets:
        world.run(target)
        world.loop.pass_(0.0)


def test_check_that_tripped_a_breaker_of_others__is_asked_again_soon_after_the_trial() -> None:
    world = World()
    login, console = a_login(), a_console()
    world.replace([login, console])
    world.dead = {login.path[0]}
    fail(world, login, login, console)  # the console's run is the third failure
    assert world.state(login.path[0]) is State.OPEN
    world.dead.clear()
    world.loop.pass_(OPEN_TIME + 1.0 + PROMISE)
    assert world.unanswered() == set()
    assert world.answered_at[console.id] - world.closed_at[login.path[0]] <= PROMISE


def test_check_that_failed_before_others_tripped_its_breaker__is_asked_again_soon_after_the_trial() -> None:
    world = World()
    login, console = a_login(), a_console()
    world.replace([login, console])
    world.dead = {login.path[0]}
    fail(world, console, login, login)
    world.dead.clear()
    world.loop.pass_(OPEN_TIME + 1.0 + PROMISE)
    assert world.unanswered() == set()


def test_check_that_failed_at_an_inner_layer_in_the_same_outage__is_asked_again_too() -> None:
    world = World()
    login, console = a_login(), a_console()
    world.replace([login, console])
    world.dead = {console.path[1]}
    fail(world, console)
    world.dead = {login.path[0]}
    fail(world, login, login, login)
    world.dead.clear()
    world.loop.pass_(OPEN_TIME + 1.0 + PROMISE)
    assert world.unanswered() == set()


def test_check_under_way_while_its_breaker_closes__is_asked_again_when_it_fails() -> None:
    world = World()
    login, console = a_login(), a_console()
    world.replace([login, console])
    world.dead = {login.path[0]}
    world.slow = {console.id}
    world.run(console)
    fail(world, login, login, login)
    world.dead.clear()
    world.loop.pass_(OPEN_TIME + 1.0)
    assert world.state(login.path[0]) is State.CLOSED
    world.slow.clear()
    world.end(console.id)
    assert world.unanswered() == {console.id}
    world.loop.pass_(PROMISE)
    assert world.unanswered() == set()


def test_trial_without_a_verdict__is_made_again() -> None:
    world = World()
    login = a_login()
    world.replace([login])
    world.dead = {login.path[0]}
    fail(world, login, login, login)
    world.slow = {login.id}
    world.loop.pass_(OPEN_TIME + 1.0)
    world.end(login.id, neutral=True)
    assert world.state(login.path[0]) is State.OPEN
    world.dead.clear()
    world.slow.clear()
    world.loop.pass_(login.timeout + LEASE_MARGIN + PROMISE)
    assert (world.state(login.path[0]), world.unanswered()) == (State.CLOSED, set())


def test_breaker_behind_another_open_one__is_tried_when_that_one_closes() -> None:
    world = World()
    login, console = a_login(), a_console()
    world.replace([login, console])
    world.dead = {console.path[2]}
    fail(world, console, console, console)
    world.dead = {login.path[0]}
    fail(world, login, login, login)
    assert {world.state(console.path[0]), world.state(console.path[2])} == {State.OPEN}
    world.loop.pass_(OPEN_TIME + 1.0)
    world.dead.clear()
    world.loop.pass_(OPEN_TIME + 1.0 + PROMISE)
    assert (world.state(console.path[2]), world.unanswered()) == (State.CLOSED, set())


def test_breaker_forced_open__returns_nobody() -> None:
    world = World()
    login = a_login()
    world.replace([login])
    world.dead = {login.path[0]}
    fail(world, login)
    before = world.last[login.id]
    world.breakers.get(login.path[0]).force_open()
    world.loop.pass_(PROMISE)
    assert world.last[login.id] is before


KEYS = (
    *(Key(Category.NETWORK, "ws-01", scope) for scope in ("ssh:22", "adb:5037")),
    Key(Category.WORKSTATION, "ws-01", "ssh"),
    *(Key(Category.EXTERNAL, "ws-01", scope) for scope in ("ldplayer", "memu")),
    *(Key(Category.EMULATOR, "ws-01", scope) for scope in ("ldplayer:0", "memu:1")),
)
LAYERS = [[key for key in KEYS if key.category is category] for category in Category]
PATHS = st.builds(
    lambda path, kept: tuple(itertools.compress(path, kept)) or path,
    st.tuples(*map(st.sampled_from, LAYERS)),
    st.tuples(*(st.booleans() for _ in LAYERS)),
)


def _checks(found: dict[str, tuple[tuple[Key, ...], int]]) -> list[Target]:
    return [
        a_target(name, *path, through=min(through, len(path) - 1), timeout=TIMEOUT)
        for name, (path, through) in found.items()
    ]


NAMES = st.sampled_from("abcdef")
TARGETS = st.dictionaries(NAMES, st.tuples(PATHS, st.integers(0, 3)), min_size=1).map(_checks)


class RecoveryOfAnyPaths(RuleBasedStateMachine):
    """Random checks on random paths fail, hang and come back, while configs change and operators meddle."""

    @initialize(checks=TARGETS, failures=st.integers(1, 3), backoff=st.sampled_from([1.0, 2.0]))
    def begin(self, checks: list[Target], failures: int, backoff: float) -> None:
        self.world = World(failures=failures, backoff=backoff)
        self.world.replace(checks)

    @rule(names=st.lists(NAMES, min_size=1, max_size=8))
    def turns(self, names: list[str]) -> None:
        for target in filter(None, (self.world.targets.get(f"ws-01/{name}") for name in names)):
            self.world.run(target)

    @rule(number=st.integers(0, 20), turns=st.integers(0, 4))
    def outage(self, number: int, turns: int) -> None:
        """A layer somebody passes falls silent, and everybody takes turns at it."""
        passed = sorted({key for target in self.world.targets.values() for key in target.path})
        self.world.dead.add(passed[number % len(passed)])
        for _ in range(turns):
            for target in self.world.targets.values():
                self.world.run(target)

    @rule(key=st.sampled_from(KEYS))
    def lives(self, key: Key) -> None:
        self.world.dead.discard(key)

    @rule(name=NAMES)
    def hangs(self, name: str) -> None:
        self.world.slow.add(f"ws-01/{name}")

    @rule(name=NAMES, neutral=st.booleans())
    def ends(self, name: str, *, neutral: bool) -> None:
        self.world.slow.discard(f"ws-01/{name}")
        if f"ws-01/{name}" in self.world.running:
            self.world.end(f"ws-01/{name}", neutral=neutral)

    @rule(seconds=st.sampled_from([0.1, 1.0, OPEN_TIME, 30.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.loop.pass_(seconds)

    @rule(checks=TARGETS)
    def reload(self, checks: list[Target]) -> None:
        self.world.replace(checks)

    @rule(key=st.sampled_from(KEYS), how=st.sampled_from(["force_open", "force_closed", "reset"]))
    def operator(self, key: Key, how: str) -> None:
        breaker = self.world.breakers.find(key)
        if breaker is not None:
            getattr(breaker, how)()

    @rule(late=st.booleans())
    def everything_is_repaired(self, *, late: bool) -> None:
        """Without any turn, every breaker closes, and who had no answer behind one has it within the promise."""
        world = self.world
        for key in KEYS:
            breaker = world.breakers.find(key)
            if breaker is not None and breaker.snapshot().forced is not None:
                breaker.reset()
        world.dead.clear()
        world.slow.clear()
        behind = {name for name in world.unanswered() if self._refused(world.targets[name])}
        since = world.clock.now
        if late:
            world.loop.pass_(20 * OPEN_TIME)
        ended = {name: self._end(name) for name in tuple(world.running)}
        world.loop.pass_(40 * OPEN_TIME)
        assert {world.state(key) for target in world.targets.values() for key in target.path} <= {State.CLOSED}
        for name in behind & world.targets.keys():
            closed = max(world.closed_at.get(key, 0.0) for key in world.targets[name].path)
            asked = max(since, closed, ended.get(name, 0.0))
            assert name not in world.unanswered()
            assert world.answered_at[name] - asked <= PROMISE, "it waited too long"

    @invariant()
    def every_open_breaker_has_a_way_out(self) -> None:
        """Open and not forced, it has a trial scheduled or admits its next caller."""
        if not hasattr(self, "world"):
            return
        self.world.loop.pass_(0.0)
        for state in self.world.breakers.items():
            if state.state is State.OPEN and state.forced is None:
                assert self.world.recovery.trial_due(state.key) or not state.retry_after

    def _refused(self, target: Target) -> bool:
        return any(self.world.state(key) is not State.CLOSED for key in target.path)

    def _end(self, name: str) -> float:
        self.world.end(name)
        return self.world.clock.now


TestRecoveryOfAnyPaths = RecoveryOfAnyPaths.TestCase
TestRecoveryOfAnyPaths.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
