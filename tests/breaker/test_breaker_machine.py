from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.breaker.machine import EventKind, Forced, Grant, Machine, Policy, State
from monitor.model import Severity

HIGH = Severity.HIGH


def no_chance() -> float:
    return 0.0


def machine(random: Callable[[], float] = no_chance, **options: Any) -> Machine:
    return Machine(Policy(**options), random)


def grant(subject: Machine, now: float, lease: float | None = None) -> Grant:
    answer = subject.acquire(now, lease)
    assert isinstance(answer, Grant)
    return answer


def fail(subject: Machine, now: float, severity: Severity = HIGH) -> EventKind | None:
    return subject.record(now, grant(subject, now).generation, severity)


def succeed(subject: Machine, now: float) -> EventKind | None:
    return subject.record(now, grant(subject, now).generation)


def tripped(at: float = 0.0, random: Callable[[], float] = no_chance, **options: Any) -> Machine:
    subject = machine(random, **options)
    for _ in range(subject.policy.failures):
        fail(subject, at)
    assert subject.state is State.OPEN
    return subject


# ------------------------------------------------------------------------------------------------------------ opening
def test_closed__third_failure_within_window__opens() -> None:
    subject = machine()
    assert [fail(subject, at) for at in (0.0, 20.0, 40.0)] == [None, None, EventKind.OPENED]
    assert subject.state is State.OPEN
    assert subject.trips == 1


def test_closed__successes_between_failures__opens_on_the_third_failure() -> None:
    subject = machine()
    outcomes = [fail(subject, 0), succeed(subject, 1), fail(subject, 2), succeed(subject, 3), fail(subject, 4)]
    assert outcomes == [None, None, None, None, EventKind.OPENED]


def test_closed__failures_wider_apart_than_the_window__stays_closed() -> None:
    subject = machine()
    assert [fail(subject, at * 31.0) for at in range(20)] == [None] * 20


@pytest.mark.parametrize("severity", [Severity.LOW, Severity.MEDIUM])
def test_closed__failures_below_minimum_severity__are_counted_but_never_open(severity: Severity) -> None:
    subject = machine()
    for _ in range(10):
        fail(subject, 0.0, severity)
    assert subject.state is State.CLOSED
    assert subject.failures == {**dict.fromkeys(Severity, 0), severity: 10}


def test_closed__minimum_severity_lowered__opens_on_it() -> None:
    subject = machine(failures=1, min_severity=Severity.LOW)
    assert fail(subject, 0.0, Severity.LOW) is EventKind.OPENED


def test_closed__critical__counts_no_more_than_high() -> None:
    subject = machine()
    assert fail(subject, 0.0, Severity.CRITICAL) is None


# --------------------------------------------------------------------------------------------------- open and the trial
def test_open__before_open_time__refuses_with_the_rest_of_it() -> None:
    subject = tripped()
    assert subject.acquire(0.0) == 60.0
    assert subject.acquire(59.0) == 1.0
    assert subject.rejections == 2


def test_open__caller_waits_exactly_as_told__gets_the_trial() -> None:
    """0.1 + (60.1 - 0.1) need not be 60.1 in floating point."""
    for start in (0.1, 1234.5678, 86_400.7, 9_999_999.3):
        subject = tripped(at=start)
        told = subject.acquire(start + 17.3)
        assert isinstance(told, float)
        assert isinstance(subject.acquire(start + 17.3 + told), Grant)


def test_open__after_open_time__admits_exactly_one_trial() -> None:
    subject = tripped()
    assert grant(subject, 60.0).trial
    assert subject.state is State.HALF_OPEN
    assert subject.acquire(60.0) == 60.0  # until the lease ends
    assert subject.trial_running(61.0)


def test_trial__success__closes_and_forgets_failures() -> None:
    subject = tripped()
    assert succeed(subject, 60.0) is EventKind.CLOSED
    assert subject.openings == 0
    assert [fail(subject, 61.0), fail(subject, 61.0), fail(subject, 61.0)] == [None, None, EventKind.OPENED]


def test_trial__failure__reopens_at_once_and_is_no_further_trip() -> None:
    subject = tripped()
    assert fail(subject, 60.0) is EventKind.REOPENED
    assert subject.acquire(61.0) == 59.0
    assert (subject.trips, subject.openings) == (1, 2)


def test_trial__failure_below_minimum_severity__closes() -> None:
    subject = tripped()
    assert fail(subject, 60.0, Severity.MEDIUM) is EventKind.CLOSED
    assert subject.failures[Severity.MEDIUM] == 1


def test_trial__released__next_caller_is_the_trial_at_once() -> None:
    subject = tripped()
    first = grant(subject, 60.0)
    subject.release(61.0, first.generation)
    assert subject.state is State.OPEN
    second = grant(subject, 61.0)
    assert second.trial
    assert subject.record(62.0, first.generation) is None
    assert subject.record(62.0, second.generation) is EventKind.CLOSED


def test_trial__lease_expires__next_caller_gets_it_and_the_first_comes_late() -> None:
    subject = tripped()
    hanging = grant(subject, 60.0, lease=10.0)
    assert subject.acquire(69.0) == 1.0
    assert not subject.trial_running(70.0)
    second = grant(subject, 70.0)
    assert second.trial
    assert subject.record(71.0, hanging.generation, HIGH) is None
    assert subject.record(71.0, hanging.generation) is None
    subject.release(71.0, hanging.generation)
    assert subject.state is State.HALF_OPEN
    assert subject.record(72.0, second.generation) is EventKind.CLOSED


def test_trial__outcome_after_its_lease_but_before_anybody_else_asked__still_tells() -> None:
    subject = tripped()
    trial = grant(subject, 60.0, lease=10.0)
    assert subject.record(600.0, trial.generation) is EventKind.CLOSED


def test_late_outcome__of_before_the_trip__changes_nothing_not_even_a_counter() -> None:
    subject = machine()
    late = [grant(subject, 0.0) for _ in range(6)]
    for _ in range(3):
        fail(subject, 0.0)
    due = subject.wait(0.0)
    for severity in (None, *Severity):
        assert subject.record(5.0, late[0].generation, severity) is None
    subject.release(5.0, late[1].generation)
    assert (subject.state, subject.wait(0.0)) == (State.OPEN, due)
    assert subject.failures[HIGH] == 3
    trial = grant(subject, 60.0)
    assert subject.record(61.0, late[2].generation) is None
    assert subject.record(61.0, late[3].generation, HIGH) is None
    assert subject.record(62.0, trial.generation) is EventKind.CLOSED
    assert [subject.record(63.0, permit.generation, HIGH) for permit in late] == [None] * 6
    assert subject.state is State.CLOSED


# ------------------------------------------------------------------------------------------------- back-off and jitter
def test_backoff__trials_fail__open_time_grows_to_the_cap_and_starts_anew_after_closing() -> None:
    subject = machine(failures=1, open_time=10.0, backoff_factor=2.0, backoff_cap=50.0)
    now, waits = 0.0, []
    for _ in range(5):
        fail(subject, now)
        waits.append(subject.wait(now))
        now += waits[-1]
    assert waits == [10.0, 20.0, 40.0, 50.0, 50.0]
    succeed(subject, now)
    fail(subject, now)
    assert subject.wait(now) == 10.0


def test_backoff__thousands_of_reopenings__never_overflow() -> None:
    subject = tripped(backoff_factor=1e6, backoff_cap=600.0)
    now = 60.0
    for _ in range(3000):
        fail(subject, now)
        now += subject.wait(now)
    assert subject.wait(now) == 0.0


def test_backoff__factor_of_one__open_time_may_exceed_the_unused_cap() -> None:
    subject = tripped(open_time=900.0)
    assert subject.wait(0.0) == 900.0
    fail(subject, 900.0)
    assert subject.wait(900.0) == 900.0


@pytest.mark.parametrize(("chance", "expected"), [(0.0, 60.0), (0.5, 66.0), (0.999, 71.988)])
def test_jitter__lengthens_each_opening_by_its_share(chance: float, expected: float) -> None:
    subject = tripped(random=lambda: chance, jitter=0.2)
    assert subject.wait(0.0) == pytest.approx(expected)
    fail(subject, 100.0)
    assert subject.wait(100.0) == pytest.approx(expected)


# --------------------------------------------------------------------------------------------------------- by hand
def test_forced_open__refuses_for_ever() -> None:
    subject = machine()
    assert subject.force(0.0, Forced.OPEN) is EventKind.FORCED
    assert subject.acquire(1e9) == math.inf
    assert (subject.state, subject.trips) == (State.OPEN, 0)
    assert subject.force(5.0, Forced.OPEN) is None


def test_forced_closed__admits_whatever_fails() -> None:
    subject = tripped()
    subject.force(1.0, Forced.CLOSED)
    for _ in range(20):
        assert fail(subject, 2.0) is None
    assert subject.state is State.CLOSED
    assert subject.failures[HIGH] == 23


def test_forced_open__while_a_trial_runs__the_trial_comes_late() -> None:
    subject = tripped()
    trial = grant(subject, 60.0)
    subject.force(61.0, Forced.OPEN)
    assert subject.record(62.0, trial.generation) is None
    subject.release(62.0, trial.generation)
    assert subject.acquire(1e6) == math.inf


@pytest.mark.parametrize("forced", Forced)
def test_reset__of_a_forced_breaker__is_closed_and_counts_again(forced: Forced) -> None:
    subject = machine()
    subject.force(0.0, forced)
    assert subject.reset(10.0) is EventKind.RESET
    assert (subject.state, subject.forced) == (State.CLOSED, None)
    assert [fail(subject, 11.0) for _ in range(3)] == [None, None, EventKind.OPENED]


def test_reset__while_failures_are_counted__forgets_them() -> None:
    subject = machine()
    fail(subject, 0.0)
    fail(subject, 0.0)
    subject.reset(1.0)
    assert [fail(subject, 2.0), fail(subject, 2.0)] == [None, None]


# -------------------------------------------------------------------------------------------------------- counters
def test_open_seconds__count_everything_not_closed_with_the_running_opening() -> None:
    subject = tripped()
    assert subject.open_seconds(25.0) == 25.0
    trial = grant(subject, 60.0)
    assert subject.open_seconds(65.0) == 65.0
    subject.record(70.0, trial.generation, HIGH)
    assert subject.open_seconds(100.0) == 100.0
    succeed(subject, 130.0)
    assert subject.open_seconds(500.0) == 130.0
    subject.force(500.0, Forced.OPEN)
    assert subject.open_seconds(520.0) == 150.0
    subject.force(530.0, Forced.CLOSED)
    assert subject.open_seconds(900.0) == 160.0


# ---------------------------------------------------------------------------------------------------------- policy
@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("failures", 0),
        ("failures", 2.5),
        ("window", 0.0),
        ("window", math.nan),
        ("window", math.inf),
        ("open_time", -1.0),
        ("backoff_factor", 0.5),
        ("backoff_factor", math.inf),
        ("backoff_cap", 0.0),
        ("jitter", 1.5),
        ("jitter", math.nan),
        ("lease", 0.0),
    ],
)
def test_policy__impossible_value__is_refused_by_name(field: str, value: float) -> None:
    options: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=f"^{field} must .*is {value!r}$"):
        Policy(**options)


def test_policy__cap_below_open_time_with_backoff__is_refused() -> None:
    with pytest.raises(ValueError, match=r"^backoff_cap must be at least open_time \(700\), is 600.0$"):
        Policy(open_time=700.0, backoff_factor=2.0)


def test_policy__widened__is_the_longer_of_both_windows() -> None:
    assert Policy().widened(30.0, 5.0).window == 105.0
    assert Policy().widened(1.0, 1.0).window == 60.0
    assert Policy(window=20.0, fixed_window=True).widened(30.0, 5.0).window == 20.0


def test_policy__adopted_while_open__keeps_the_opening() -> None:
    subject = tripped()
    subject.adopt(Policy(failures=1, open_time=5.0))
    assert subject.acquire(30.0) == 30.0
    fail(subject, 60.0)
    assert subject.wait(60.0) == 5.0


@given(
    interval=st.floats(1, 600),
    share=st.floats(0.001, 1),
    failures=st.integers(1, 8),
    slow=st.lists(st.booleans(), min_size=8, max_size=8),
    late=st.lists(st.floats(0, 1), min_size=8, max_size=8),
)
def test_policy__can_trip__means_a_dead_host_trips_in_so_many_runs(
    interval: float, share: float, failures: int, slow: list[bool], late: list[float]
) -> None:
    """Each run begins late by chance and fails at once or at its deadline: the widened window holds them all."""
    timeout = interval * share
    jitter = (interval - timeout) * 0.999
    policy = Policy(failures=failures).widened(interval, timeout)
    assert policy.can_trip(interval, timeout, jitter)
    subject = Machine(policy, no_chance)
    begun = [run * interval + late[run] * jitter for run in range(failures)]
    events = [fail(subject, at + (timeout if slow[run] else 0.0)) for run, at in enumerate(begun)]
    assert events == [None] * (failures - 1) + [EventKind.OPENED]


def test_policy__cannot_trip__means_it_does_not_when_the_last_run_is_slow() -> None:
    policy = Policy(window=60.0, fixed_window=True)
    assert not policy.can_trip(30.0, 5.0)
    subject = Machine(policy, no_chance)
    assert [fail(subject, at) for at in (0.0, 30.0, 65.0)] == [None, None, None]


def test_policy__cannot_trip__means_it_does_not_when_the_last_run_is_late_by_its_jitter() -> None:
    policy = Policy(window=65.0, fixed_window=True)
    assert policy.can_trip(30.0, 5.0)
    assert not policy.can_trip(30.0, 5.0, 25.0)
    subject = Machine(policy, no_chance)
    assert [fail(subject, at) for at in (0.0, 30.0, 90.0)] == [None, None, None]


def test_policy__one_failure_is_enough__any_window_can_trip() -> None:
    assert Policy(failures=1, window=1.0, fixed_window=True).can_trip(600.0, 600.0)


def test_state__numbers__are_those_of_the_metric() -> None:
    assert [(state.value, state.number) for state in State] == [("closed", 0), ("half_open", 1), ("open", 2)]
