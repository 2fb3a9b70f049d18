from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from monitor.breaker.guard import Breaker, BreakerEvent
from monitor.breaker.machine import EventKind, Policy, State
from monitor.breaker.registry import OPERATION, Breakers
from monitor.errors import CircuitOpen
from monitor.model import Category, Key, Severity
from tests.breaker.fakes import Clock, target

NET = Key(Category.NETWORK, "ws-01", "winrm:5985")
LOGIN = Key(Category.WORKSTATION, "ws-01", "winrm")
CONSOLE = Key(Category.EXTERNAL, "ws-01", "ldplayer")
LIFECYCLE = Key(Category.EMULATOR, "ws-01", OPERATION)


def trip(breakers: Breakers, key: Key) -> None:
    for _ in range(breakers.get(key).policy.failures):
        breakers.get(key).acquire().failure(Severity.HIGH)


def test_get__same_key__is_the_same_breaker() -> None:
    breakers = Breakers()
    assert breakers.get(NET) is breakers.get(Key(Category.NETWORK, "ws-01", "winrm:5985"))
    assert breakers.get(NET) is not breakers.get(LOGIN)


def test_get__two_threads_make_one_at_the_same_moment__both_get_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    both = threading.Barrier(2)

    class Slow(Breaker):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            both.wait(5)

    monkeypatch.setattr("monitor.breaker.registry.Breaker", Slow)
    breakers = Breakers()
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(breakers.get, [NET, NET])
    assert first is second is breakers.get(NET)


def test_get__key_of_a_category_with_a_policy__has_it() -> None:
    breakers = Breakers(policies={Category.NETWORK: Policy(failures=7)})
    assert breakers.get(NET).policy.failures == 7
    assert breakers.get(LOGIN).policy == Policy()


def test_plan__every_key_on_a_path__is_born_with_counters_at_zero() -> None:
    breakers = Breakers()
    breakers.plan([target("host", NET, LOGIN), target("console", NET, LOGIN, CONSOLE)])
    assert [(state.key, state.state, state.trips) for state in breakers.items()] == [
        (CONSOLE, State.CLOSED, 0),
        (NET, State.CLOSED, 0),
        (LOGIN, State.CLOSED, 0),
    ]


def test_plan__several_checks_pass__window_fits_the_fastest_and_lease_the_slowest() -> None:
    breakers = Breakers()
    breakers.plan([target("a", NET, interval=30, timeout=5), target("b", NET, LOGIN, interval=600, timeout=120)])
    assert (breakers.get(NET).policy.window, breakers.get(NET).policy.lease) == (105.0, 120.0)
    assert breakers.get(LOGIN).policy.window == 2160.0


def test_plan__again_with_other_checks__keeps_the_state_and_follows_the_policy() -> None:
    clock = Clock()
    breakers = Breakers(clock=clock)
    breakers.plan([target("a", NET)])
    trip(breakers, NET)
    breaker = breakers.get(NET)
    breakers.plan([target("a", NET, interval=300)])
    assert breakers.get(NET) is breaker
    assert breaker.policy.window == 915.0
    with pytest.raises(CircuitOpen):
        breaker.acquire()


def test_plan__with_new_policies__reaches_breakers_no_check_passes() -> None:
    breakers = Breakers()
    breakers.get(LIFECYCLE)
    breakers.plan([target("a", NET)], policies={Category.EMULATOR: Policy(open_time=5.0)})
    assert breakers.get(LIFECYCLE).policy.open_time == 5.0


@pytest.mark.parametrize("interval", [1, 2, 5, 7, 10, 15, 20, 25, 30, 45, 60, 90, 120, 300, 599, 600])
@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_plan__check_of_a_dead_host_at_any_interval__trips_within_three_runs(interval: int, share: float) -> None:
    """In both directions: refused at once, or black-holed up to the deadline."""
    timeout = max(0.1, interval * share)
    for delays in ([0.0] * 3, [timeout] * 3, [0.0, timeout, timeout], [timeout, 0.0, timeout]):
        clock = Clock()
        breakers = Breakers(clock=clock)
        breakers.plan([target("tcp", NET, interval=interval, timeout=timeout)])
        opened = []
        for run, delay in enumerate(delays):
            clock.now = 1000.0 + run * interval
            permit = breakers.get(NET).acquire()
            clock.advance(delay)
            opened.append(permit.failure(Severity.HIGH))
        assert opened == [False, False, True]


def test_plan__every_whole_interval_to_ten_minutes__trips_within_three_runs() -> None:
    for interval in range(1, 601):
        clock = Clock()
        breakers = Breakers(clock=clock)
        breakers.plan([target("tcp", NET, interval=interval, timeout=0.1)])
        for run in range(3):
            clock.now = 1000.0 + run * interval
            breakers.get(NET).acquire().failure(Severity.HIGH)
        assert next(breakers.items()).trips == 1, interval


def test_retain__target_gone__drops_its_breaker_but_keeps_lifecycle_ones_of_kept_workstations() -> None:
    breakers = Breakers()
    gone = Key(Category.EMULATOR, "ws-02", OPERATION)
    for key in (NET, LOGIN, CONSOLE, LIFECYCLE, gone):
        breakers.get(key)
    trip(breakers, NET)
    breakers.retain([NET, LOGIN])
    assert [state.key for state in breakers.items()] == [LIFECYCLE, NET, LOGIN]
    assert breakers.get(NET).snapshot().trips == 1


def test_listener__told_of_every_event_of_every_breaker() -> None:
    breakers = Breakers()
    events: list[BreakerEvent] = []
    breakers.subscribe(events.append)
    trip(breakers, NET)
    breakers.get(LOGIN).force_open()
    assert [(event.key, event.kind.value) for event in events] == [(NET, "opened"), (LOGIN, "forced")]


def test_listener__raises__is_logged_with_traceback_and_counted_and_changes_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    breakers = Breakers()
    events: list[BreakerEvent] = []

    def broken(event: BreakerEvent) -> None:
        raise RuntimeError("listener broke")

    breakers.subscribe(broken)
    breakers.subscribe(events.append)
    with caplog.at_level(logging.ERROR):
        trip(breakers, NET)
    assert breakers.listener_errors == 1
    assert [event.kind.value for event in events] == ["opened"]
    assert "listener broke" in caplog.text
    assert "Traceback" in caplog.text
    assert breakers.get(NET).snapshot().state is State.OPEN


def test_forgive__closes_what_tripped_since_then__but_neither_what_did_before_nor_what_is_forced() -> None:
    clock = Clock()
    breakers = Breakers(clock=clock, wall=clock)
    heard: list[BreakerEvent] = []
    trip(breakers, NET)
    clock.advance(10)
    trip(breakers, LOGIN)
    trip(breakers, CONSOLE)
    breakers.get(CONSOLE).force_open()
    breakers.get(LIFECYCLE)
    breakers.subscribe(heard.append)
    breakers.forgive(1005.0, why="we were cut off")
    assert {state.key: state.state for state in breakers.items()} == {
        NET: State.OPEN,
        LOGIN: State.CLOSED,
        CONSOLE: State.OPEN,
        LIFECYCLE: State.CLOSED,
    }
    assert [(event.key, event.kind, event.order and event.order.why) for event in heard] == [
        (LOGIN, EventKind.RESET, "we were cut off")
    ]
