from __future__ import annotations

import gc
import math
import weakref
from collections.abc import Callable
from contextvars import copy_context

import pytest

from monitor.breaker.guard import Breaker, BreakerEvent, EventKind
from monitor.breaker.machine import Forced, Policy, State
from monitor.errors import CircuitOpen, LocalError, ProbeError
from monitor.model import Category, Severity
from tests.breaker.fakes import KEY, Clock, Pause, probe_error


class Rig:
    """A breaker with its clocks and the events it told of."""

    def __init__(self, policy: Policy | None = None) -> None:
        self.clock = Clock()
        self.wall = Clock(1_700_000_000.0)
        self.events: list[BreakerEvent] = []
        self.breaker = Breaker(KEY, policy, self.clock, wall=self.wall, publish=self.events.append)

    def state(self) -> State:
        return self.breaker.snapshot().state

    @property
    def kinds(self) -> list[EventKind]:
        return [event.kind for event in self.events]

    def trip(self) -> None:
        for _ in range(self.breaker.policy.failures):
            self.breaker.acquire().failure(Severity.HIGH)
        assert self.state() is State.OPEN


@pytest.fixture
def rig() -> Rig:
    return Rig()


# ---------------------------------------------------------------------------------------------------------- permits
def test_permit__failure_that_trips__is_the_only_one_told_so(rig: Rig) -> None:
    assert [rig.breaker.acquire().failure(probe_error()) for _ in range(3)] == [False, False, True]


def test_permit__failed_trial__reopens_but_did_not_open_it(rig: Rig) -> None:
    rig.trip()
    rig.clock.advance(60)
    assert rig.breaker.acquire().failure(probe_error()) is False
    assert rig.kinds == [EventKind.OPENED, EventKind.HALF_OPENED, EventKind.REOPENED]
    assert rig.breaker.snapshot().trips == 1


def test_permit__settled_twice__second_is_ignored(rig: Rig) -> None:
    permit = rig.breaker.acquire()
    permit.success()
    permit.failure(Severity.HIGH)
    other = rig.breaker.acquire()
    for _ in range(5):
        other.failure(Severity.HIGH)
    other.release()
    assert rig.breaker.snapshot().failures[Severity.HIGH] == 1


def test_permit__trial_released_twice__takes_nothing_from_the_next(rig: Rig) -> None:
    rig.trip()
    rig.clock.advance(60)
    first = rig.breaker.acquire()
    first.release()
    second = rig.breaker.acquire()
    first.release()
    first.success()
    assert second.trial
    assert rig.state() is State.HALF_OPEN


def test_acquire__own_lease__holds_as_long_as_asked(rig: Rig) -> None:
    rig.trip()
    rig.clock.advance(60)
    rig.breaker.acquire(lease=5.0)
    with pytest.raises(CircuitOpen) as refusal:
        rig.breaker.acquire()
    assert refusal.value.retry_after == 5.0
    rig.clock.advance(5)
    assert rig.breaker.acquire().trial


class ForbiddenLock:
    """Fails whoever takes it."""

    def __enter__(self) -> None:
        raise AssertionError("took the lock")

    def __exit__(self, *exc: object) -> None:
        raise AssertionError("took the lock")


def test_closed__acquire_success_and_release__take_no_lock(rig: Rig) -> None:
    rig.breaker._lock = ForbiddenLock()  # type: ignore[assignment]  # any use of it must fail
    rig.breaker.acquire().success()
    rig.breaker.acquire().release()
    with pytest.raises(AssertionError, match="took the lock"):
        rig.breaker.acquire().failure(Severity.HIGH)


def test_guarded_call__while_it_runs__the_lock_is_free(rig: Rig) -> None:
    rig.trip()
    rig.clock.advance(60)
    with rig.breaker:
        assert rig.breaker._lock.acquire(blocking=False)
        rig.breaker._lock.release()
        assert rig.breaker.snapshot().trial_running


def test_finaliser_inside_the_lock__neither_deadlocks_nor_disturbs() -> None:
    """The collector can run an abandoned generator's end on the thread that is inside the lock; the clock stands in."""
    visits: list[str] = []

    class Visiting(Clock):
        def __call__(self) -> float:
            if trial is not None and not visits:
                visits.append("release")
                trial.release()
                with pytest.raises(CircuitOpen):
                    breaker.acquire()
            return super().__call__()

    clock = Visiting()
    trial = None
    breaker = Breaker(KEY, Policy(failures=1), clock)
    breaker.acquire().failure(Severity.HIGH)
    clock.advance(60)
    trial = breaker.acquire()
    with pytest.raises(CircuitOpen):
        breaker.acquire()
    assert visits == ["release"]
    clock.advance(60)
    assert breaker.acquire().trial  # the trial that could not be given back expired


def test_finaliser_inside_the_lock__asks__is_turned_away_and_the_caller_gets_its_trial() -> None:
    refused: list[float] = []

    class Visiting(Clock):
        def __call__(self) -> float:
            if self.now >= 1060.0 and not refused:
                with pytest.raises(CircuitOpen) as refusal:
                    breaker.acquire()
                refused.append(refusal.value.retry_after)
            return super().__call__()

    clock = Visiting()
    breaker = Breaker(KEY, Policy(failures=1), clock)
    breaker.acquire().failure(Severity.HIGH)
    clock.advance(60)
    assert breaker.acquire().trial
    assert refused == [0.0]


# --------------------------------------------------------------------------------------------------------- rejection
def test_rejection__each_is_a_fresh_exception_with_key_and_time(rig: Rig) -> None:
    rig.trip()
    refusals = []
    for _ in range(2):
        with pytest.raises(CircuitOpen) as refusal:
            rig.breaker.acquire()
        refusals.append(refusal.value)
        rig.clock.advance(18)
    assert refusals[0] is not refusals[1]
    assert [(one.key, one.retry_after) for one in refusals] == [(KEY, 60.0), (KEY, 42.0)]
    assert str(refusals[1]) == "ldplayer open, next trial in 42 s"


def test_rejection_and_failure__no_frame_is_kept(rig: Rig) -> None:
    class Payload:
        pass

    def fails(error: Callable[[], Exception]) -> weakref.ref[Payload]:
        payload = Payload()
        try:
            with rig.breaker:
                raise error()
        except (ProbeError, CircuitOpen):
            return weakref.ref(payload)

    gc.disable()
    try:
        assert [fails(probe_error)() for _ in range(5)] == [None] * 5
    finally:
        gc.enable()
    assert rig.breaker.snapshot().rejections == 2


# ------------------------------------------------------------------------------------------------------------ blocks
def test_block__three_probe_errors__raise_themselves_then_it_rejects(rig: Rig) -> None:
    for _ in range(3):
        error = probe_error()
        with pytest.raises(ProbeError) as raised, rig.breaker:
            raise error
        assert raised.value is error
    with pytest.raises(CircuitOpen), rig.breaker:
        pytest.fail("the body ran")


async def test_block__async_and_sync__share_one_state(rig: Rig) -> None:
    with pytest.raises(ProbeError), rig.breaker:
        raise probe_error()
    for _ in range(2):
        with pytest.raises(ProbeError):
            async with rig.breaker:
                raise probe_error()
    with pytest.raises(CircuitOpen):
        async with rig.breaker:
            pytest.fail("the body ran")
    rig.clock.advance(60)
    async with rig.breaker:
        pass
    assert rig.state() is State.CLOSED


@pytest.mark.parametrize(
    "error",
    [
        KeyboardInterrupt(),
        GeneratorExit(),
        LocalError("no descriptor left"),
        CircuitOpen(KEY, 1.0),
        probe_error(Category.NETWORK),
        ValueError("a defect of ours"),
        BaseExceptionGroup("", [KeyboardInterrupt(), probe_error()]),
    ],
    ids=lambda error: type(error).__name__,
)
def test_block__neutral_ending_of_a_trial__gives_it_to_the_next(rig: Rig, error: BaseException) -> None:
    rig.trip()
    rig.clock.advance(60)
    with pytest.raises(type(error)), rig.breaker:
        raise error
    assert rig.state() is State.OPEN
    assert rig.breaker.acquire().trial
    assert rig.breaker.snapshot().failures[Severity.HIGH] == 3


def test_block__exception_group__is_as_bad_as_its_worst_member(rig: Rig) -> None:
    members = [
        probe_error(severity=Severity.LOW),
        ExceptionGroup("", [probe_error(severity=Severity.CRITICAL), LocalError("x")]),
        probe_error(Category.NETWORK),
    ]
    with pytest.raises(ExceptionGroup), rig.breaker:
        raise ExceptionGroup("several", members)
    assert {severity.label: count for severity, count in rig.breaker.snapshot().failures.items() if count} == {
        "critical": 1
    }


def test_block__nested_on_the_same_key__shares_the_trial_and_counts_once(rig: Rig) -> None:
    rig.trip()
    rig.clock.advance(60)
    with pytest.raises(ProbeError), rig.breaker, rig.breaker:
        raise probe_error()
    assert rig.breaker.snapshot().failures[Severity.HIGH] == 4
    rig.clock.advance(60)
    with rig.breaker:
        with rig.breaker:
            pass
        assert rig.state() is State.HALF_OPEN  # the inner success says nothing yet
    assert rig.state() is State.CLOSED


def test_block__left_in_another_context__settles_nothing_and_the_trial_expires(rig: Rig) -> None:
    rig.trip()
    rig.clock.advance(60)
    rig.breaker.__exit__(None, None, None)
    assert rig.breaker.acquire().trial


def test_block__breaker_tripped_by_others_meanwhile__nested_call_is_refused(rig: Rig) -> None:
    with rig.breaker:
        rig.trip()
        with pytest.raises(CircuitOpen), rig.breaker:
            pytest.fail("the body ran")
    assert rig.breaker.snapshot().failures[Severity.HIGH] == 3


def test_block__ended_in_another_context__leaves_what_is_held_there(rig: Rig) -> None:
    other = Rig()

    async def holding() -> None:
        async with rig.breaker:
            await Pause()

    rig.trip()
    rig.clock.advance(60)
    running = holding()
    copy_context().run(running.send, None)
    with other.breaker:
        running.close()
        with pytest.raises(ProbeError), other.breaker:
            raise probe_error()
        assert other.breaker.snapshot().failures[Severity.HIGH] == 0  # nested: left to the block around
    rig.clock.advance(60)
    assert rig.breaker.acquire().trial  # left where it was not entered, so its lease had to end


# ------------------------------------------------------------------------------------------------- events, snapshot
def test_events__of_a_whole_outage__say_when_the_next_caller_is_admitted(rig: Rig) -> None:
    rig.trip()
    rig.clock.advance(60)
    rig.breaker.acquire().failure(Severity.HIGH)
    rig.clock.advance(60)
    rig.breaker.acquire().success()
    rig.breaker.force_open()
    rig.breaker.force_open()
    rig.breaker.reset()
    assert [(event.kind.value, event.retry_after, event.at) for event in rig.events] == [
        ("opened", 60.0, 1000.0),
        ("half_opened", 60.0, 1060.0),
        ("reopened", 60.0, 1060.0),
        ("half_opened", 60.0, 1120.0),
        ("closed", 0.0, 1120.0),
        ("forced", math.inf, 1120.0),
        ("reset", 0.0, 1120.0),
    ]
    assert {event.key for event in rig.events} == {KEY}


def test_events__told_outside_the_lock__a_listener_may_look() -> None:
    seen: list[State] = []
    breaker = Breaker(KEY, Policy(failures=1), publish=lambda _: seen.append(breaker.snapshot().state))
    breaker.acquire().failure(Severity.HIGH)
    assert seen == [State.OPEN]


def test_snapshot__fresh__is_closed_with_every_counter_at_zero(rig: Rig) -> None:
    state = rig.breaker.snapshot()
    assert (state.key, state.state, state.forced, state.trips, state.rejections) == (KEY, State.CLOSED, None, 0, 0)
    assert state.failures == dict.fromkeys(Severity, 0)
    assert (state.open_seconds, state.last_trip, state.retry_after, state.trial_running) == (0.0, None, None, False)


def test_snapshot__open_then_forced__says_until_when(rig: Rig) -> None:
    rig.trip()
    rig.clock.advance(18)
    state = rig.breaker.snapshot()
    assert (state.retry_after, state.open_seconds, state.last_trip) == (42.0, 18.0, 1_700_000_000.0)
    rig.clock.advance(100)
    assert rig.breaker.snapshot().retry_after == 0.0
    rig.breaker.force_open()
    assert (rig.breaker.snapshot().retry_after, rig.breaker.snapshot().forced) == (math.inf, Forced.OPEN)
    rig.breaker.force_closed()
    assert (rig.breaker.snapshot().retry_after, rig.breaker.snapshot().state) == (None, State.CLOSED)


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_wall_clock__jumps_an_hour__changes_nothing(rig: Rig, jump: float) -> None:
    rig.breaker.acquire().failure(Severity.HIGH)
    rig.wall.advance(jump)
    rig.breaker.acquire().failure(Severity.HIGH)
    rig.wall.advance(jump)
    rig.breaker.acquire().failure(Severity.HIGH)
    rig.wall.advance(jump)
    with pytest.raises(CircuitOpen) as refusal:
        rig.breaker.acquire()
    assert refusal.value.retry_after == 60.0
    rig.clock.advance(60)
    assert rig.breaker.acquire().trial
    assert rig.breaker.snapshot().open_seconds == 60.0


def test_repr__names_key_and_state(rig: Rig) -> None:
    assert repr(rig.breaker) == "<Breaker external/ws-01/ldplayer closed>"
