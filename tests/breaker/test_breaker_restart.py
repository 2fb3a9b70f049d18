"""What a breaker keeps over a restart: monotonic clocks begin anew, wall clocks may be set back."""

from __future__ import annotations

import math

import pytest

from monitor.breaker.machine import Forced, Policy, State
from monitor.breaker.permit import Breaker
from monitor.breaker.saved import Order, Saved
from monitor.errors import CircuitOpen
from tests.breaker.fakes import KEY, Clock, probe_error

POLICY = Policy(failures=1, open_time=60.0, backoff_factor=2.0, backoff_cap=600.0)


class Process:
    """One run of the service: monotonic time of its own, wall time of the world."""

    def __init__(self, wall: Clock, *, policy: Policy = POLICY) -> None:
        self.clock = Clock(wall.now % 7)
        self.wall = wall
        self.breaker = Breaker(KEY, policy, self.clock, wall=wall)

    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.wall.advance(seconds)

    def fail(self) -> None:
        self.breaker.acquire().failure(probe_error())


@pytest.fixture
def world() -> Clock:
    return Clock(1_700_000_000.0)


def restarted(saved: Saved, world: Clock, *, policy: Policy = POLICY) -> Process:
    process = Process(world, policy=policy)
    process.breaker.restore(saved)
    return process


def test_restore__open__opens_for_the_rest_of_its_time(world: Clock) -> None:
    before = Process(world)
    before.fail()
    before.advance(10)
    saved = before.breaker.saved()
    world.advance(20)
    after = restarted(saved, world)
    state = after.breaker.snapshot()
    assert (state.state, state.retry_after, state.trips, state.openings) == (State.OPEN, 30.0, 1, 1)
    assert state.last_trip == 1_700_000_000.0
    with pytest.raises(CircuitOpen):
        after.breaker.acquire()
    after.advance(30)
    assert after.breaker.acquire().trial


def test_restore__open_time_over_long_ago__next_caller_is_the_trial(world: Clock) -> None:
    before = Process(world)
    before.fail()
    saved = before.breaker.saved()
    world.advance(3600)
    after = restarted(saved, world)
    assert after.breaker.snapshot().retry_after == 0.0
    after.breaker.acquire().success()
    assert after.breaker.snapshot().state is State.CLOSED


def test_restore__trial_was_running__next_caller_is_the_trial(world: Clock) -> None:
    before = Process(world)
    before.fail()
    before.advance(60)
    before.breaker.acquire()
    after = restarted(before.breaker.saved(), world)
    assert after.breaker.snapshot().state is State.OPEN
    assert after.breaker.acquire().trial


def test_restore__wall_clock_set_back__never_longer_than_one_opening(world: Clock) -> None:
    before = Process(world)
    before.fail()
    saved = before.breaker.saved()
    world.advance(-86_400)
    assert restarted(saved, world).breaker.snapshot().retry_after == 60.0


def test_restore__back_off__goes_on_from_where_it_was(world: Clock) -> None:
    before = Process(world)
    before.fail()
    before.advance(60)
    before.fail()
    assert before.breaker.snapshot().retry_after == 120.0
    after = restarted(before.breaker.saved(), world)
    assert after.breaker.snapshot().retry_after == 120.0
    after.advance(120)
    after.fail()
    assert after.breaker.snapshot().retry_after == 240.0


@pytest.mark.parametrize(("force", "expected"), [("force_open", State.OPEN), ("force_closed", State.CLOSED)])
def test_restore__forced__stays_forced_with_who_and_why(world: Clock, force: str, expected: State) -> None:
    before = Process(world)
    getattr(before.breaker, force)(who="ann", why="moving the rack")
    world.advance(86_400)
    state = restarted(before.breaker.saved(), world).breaker.snapshot()
    assert (state.state, state.forced is not None) == (expected, True)
    assert state.order == Order("ann", "moving the rack", 1_700_000_000.0)


def test_restore__forced_open__refuses_until_reset(world: Clock) -> None:
    before = Process(world)
    before.breaker.force_open(who="ann")
    after = restarted(before.breaker.saved(), world)
    assert after.breaker.snapshot().retry_after == math.inf
    after.breaker.reset(who="bob")
    assert (after.breaker.snapshot().state, after.breaker.snapshot().order) == (State.CLOSED, None)


def test_restore__late__takes_only_the_force(world: Clock) -> None:
    """The store may come back an hour after the service: what happened meanwhile is truer than what was kept."""
    before = Process(world)
    before.breaker.force_closed(who="ann", why="flaky")
    saved = before.breaker.saved()
    after = Process(world)
    after.fail()
    after.breaker.restore(saved)
    state = after.breaker.snapshot()
    assert (state.state, state.forced, state.trips) == (State.CLOSED, Forced.CLOSED, 1)
    assert state.order is not None
    assert state.order.who == "ann"


def test_saved__closed_and_never_tripped__is_plain(world: Clock) -> None:
    process = Process(world)
    assert process.breaker.saved().plain
    process.fail()
    assert not process.breaker.saved().plain
