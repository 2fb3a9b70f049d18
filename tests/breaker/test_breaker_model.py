"""The breaker against a model that shares no code with it: it keeps every failure and searches them anew each time."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from monitor.breaker.guard import Breaker, BreakerEvent, EventKind, Permit
from monitor.breaker.machine import Forced, Policy, State
from monitor.errors import CircuitOpen
from monitor.model import Severity
from tests.breaker.fakes import KEY, Clock


@dataclass
class Model:
    """What should be the case, in the plainest way."""

    policy: Policy
    failures: list[float] = field(default_factory=list)
    open_until: float | None = None
    trial: object | None = None
    trial_until: float = 0.0
    row: int = 0
    forced: Forced | None = None
    era: int = 0
    trips: int = 0
    rejections: int = 0
    seen: dict[Severity, int] = field(default_factory=lambda: dict.fromkeys(Severity, 0))
    not_closed: float = 0.0

    @property
    def closed(self) -> bool:
        return self.forced is Forced.CLOSED or (self.forced is None and self.open_until is None)

    def admits(self, now: float) -> bool:
        if self.closed:
            return True
        if self.forced is not None or self.open_until is None:
            return False
        return now >= (self.open_until if self.trial is None else self.trial_until)

    def open(self, now: float) -> None:
        self.row += 1
        factor = self.policy.backoff_factor
        longest = self.policy.backoff_cap if factor > 1 else self.policy.open_time
        self.open_until = now + min(self.policy.open_time * factor ** (self.row - 1), longest)
        self.trial = None
        self.failures.clear()
        self.era += 1

    def close(self) -> None:
        self.open_until, self.trial, self.row = None, None, 0
        self.failures.clear()
        self.era += 1


@dataclass
class Held:
    permit: Permit
    era: int
    trial: bool
    done: bool = False


class BreakerAgainstModel(RuleBasedStateMachine):
    permits: Bundle[Held] = Bundle("permits")

    @initialize(
        failures=st.integers(1, 4),
        window=st.sampled_from([5.0, 60.0]),
        open_time=st.sampled_from([1.0, 60.0]),
        factor=st.sampled_from([1.0, 2.0]),
        lease=st.sampled_from([0.5, 60.0]),
        min_severity=st.sampled_from(Severity),
    )
    def build(
        self,
        failures: int,
        window: float,
        open_time: float,
        factor: float,
        lease: float,
        min_severity: Severity,
    ) -> None:
        policy = Policy(
            failures=failures,
            window=window,
            open_time=open_time,
            backoff_factor=factor,
            backoff_cap=100.0,
            lease=lease,
            min_severity=min_severity,
        )
        self.clock, self.wall = Clock(0.0), Clock(1e9)
        self.events: list[BreakerEvent] = []
        self.breaker = Breaker(KEY, policy, self.clock, wall=self.wall, publish=self.events.append)
        self.model = Model(policy)

    @rule(seconds=st.sampled_from([0.0, 0.25, 1.0, 7.0, 60.0, 100.0, 3600.0]))
    def time_passes(self, seconds: float) -> None:
        if not self.model.closed:
            self.model.not_closed += seconds
        self.clock.advance(seconds)

    @rule(hours=st.sampled_from([-1, 1, 10_000]))
    def wall_clock_jumps(self, hours: int) -> None:
        self.wall.advance(hours * 3600.0)

    @rule(target=permits)
    def ask(self) -> Any:
        model, now = self.model, self.clock.now
        expected = model.admits(now)
        if not expected:
            model.rejections += 1
            with pytest.raises(CircuitOpen) as refusal:
                self.breaker.acquire()
            due = model.trial_until if model.trial is not None else model.open_until
            told = math.inf if model.forced is Forced.OPEN or due is None else due - now
            assert told == refusal.value.retry_after
            return multiple()
        permit = self.breaker.acquire()
        assert permit.trial is not model.closed
        if permit.trial:
            model.era += 1
            model.trial, model.trial_until = permit, now + model.policy.lease
        return Held(permit, model.era, permit.trial)

    @rule(held=permits, severity=st.none() | st.sampled_from(Severity))
    def settle(self, held: Held, severity: Severity | None) -> None:
        """Also of permits already settled: that must change nothing."""
        model, now = self.model, self.clock.now
        opened = False
        late = held.done or held.era != model.era
        if not late and severity is not None:
            model.seen[severity] += 1
        counts = severity is not None and severity >= model.policy.min_severity
        if not late and held.trial:
            if counts:
                model.open(now)
            else:
                model.close()
        elif not late and counts and model.forced is None:
            model.failures.append(now)
            recent = [at for at in model.failures if now - at <= model.policy.window]
            if len(recent) >= model.policy.failures:
                opened = True
                model.trips += 1
                model.open(now)
        held.done = True
        if severity is None:
            held.permit.success()
        else:
            assert held.permit.failure(severity) is opened

    @rule(held=consumes(permits))
    def let_go(self, held: Held) -> None:
        model = self.model
        if not held.done and held.trial and held.era == model.era:
            model.open_until, model.trial = self.clock.now, None
            model.era += 1
        held.permit.release()

    @rule(forced=st.sampled_from(Forced))
    def force(self, forced: Forced) -> None:
        model = self.model
        if forced is not model.forced:
            if forced is Forced.CLOSED:
                model.close()
            else:
                model.trial = None
                model.era += 1
            model.forced = forced
        if forced is Forced.OPEN:
            self.breaker.force_open()
        else:
            self.breaker.force_closed()

    @rule()
    def reset(self) -> None:
        self.model.forced = None
        self.model.close()
        self.breaker.reset()

    @invariant()
    def agrees_with_the_model(self) -> None:
        model, state = self.model, self.breaker.snapshot()
        not_closed = State.OPEN if model.trial is None else State.HALF_OPEN
        assert state.state is (State.CLOSED if model.closed else not_closed)
        assert state.forced is model.forced
        assert (state.trips, state.rejections) == (model.trips, model.rejections)
        assert dict(state.failures) == model.seen
        assert abs(state.open_seconds - model.not_closed) < 1e-6
        assert (state.retry_after is None) is model.closed

    @invariant()
    def one_event_per_trip(self) -> None:
        opened = [event for event in self.events if event.kind is EventKind.OPENED]
        assert len(opened) == self.model.trips

    def teardown(self) -> None:
        """Whatever happened, an unforced breaker admits its next caller once the time it names is over."""
        if hasattr(self, "breaker") and self.model.forced is not Forced.OPEN:
            self.clock.advance(self.breaker.snapshot().retry_after or 0.0)
            self.breaker.acquire()


TestBreakerAgainstModel = BreakerAgainstModel.TestCase
TestBreakerAgainstModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
