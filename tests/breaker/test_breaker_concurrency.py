from __future__ import annotations

import asyncio
import itertools
import random
import threading
from collections.abc import AsyncGenerator, Callable
from types import CoroutineType
from typing import Any

import pytest

from monitor.breaker.guard import Breaker, BreakerEvent, EventKind, with_circuit_breaker
from monitor.breaker.machine import Policy, State
from monitor.breaker.registry import OPERATION, Breakers
from monitor.errors import CircuitOpen
from monitor.model import Category, Key, Severity
from tests.breaker.fakes import KEY, Clock, Pause, probe_error

MANY_TASKS = 50
THREADS = 8


def half_open_next(breaker: Breaker, clock: Clock) -> None:
    for _ in range(breaker.policy.failures):
        breaker.acquire().failure(Severity.HIGH)
    clock.advance(breaker.policy.open_time)


async def test_trial__fifty_concurrent_tasks__only_one_runs_and_the_rest_is_refused_at_once() -> None:
    clock = Clock()
    breaker = Breaker(KEY, None, clock)
    for round_ in range(20):
        half_open_next(breaker, clock)
        running = peak = refused = 0
        gate = asyncio.Event()

        async def call(gate: asyncio.Event = gate) -> None:
            nonlocal running, peak, refused
            try:
                async with breaker:
                    running += 1
                    peak = max(peak, running)
                    await gate.wait()
                    running -= 1
            except CircuitOpen:
                refused += 1
                if refused == MANY_TASKS - 1:
                    gate.set()

        async with asyncio.timeout(5), asyncio.TaskGroup() as group:
            for _ in range(MANY_TASKS):
                group.create_task(call())
        assert (peak, refused) == (1, MANY_TASKS - 1), round_
        assert breaker.snapshot().state is State.CLOSED


def in_threads(work: Callable[[int], None]) -> None:
    """Run `work` in all threads, begun at once; the first error of any is raised."""
    start = threading.Barrier(THREADS)
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            start.wait()
            work(number)
        except BaseException as exc:  # noqa: BLE001 - handed to the test's own thread
            errors.append(exc)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        raise errors[0]


def test_trial__eight_threads__never_two_at_once() -> None:
    """Every thread asks, holds for a moment, settles by chance; the open time is over at once."""
    clock = Clock()
    breaker = Breaker(KEY, Policy(failures=1, open_time=1e-9), clock)
    gauge, peak, trials = [0], [0], [0] * THREADS
    inside = threading.Lock()

    def work(number: int) -> None:
        dice = random.Random(number)
        for _ in range(1500):
            try:
                permit = breaker.acquire()
            except CircuitOpen:
                continue
            if permit.trial:
                trials[number] += 1
                with inside:
                    gauge[0] += 1
                    peak[0] = max(peak[0], gauge[0])
                for _ in range(dice.randrange(30)):
                    pass
                with inside:
                    gauge[0] -= 1
            ending = dice.randrange(3)
            if ending == 0:
                permit.success()
            elif ending == 1:
                permit.release()
            else:
                permit.failure(Severity.HIGH)

    in_threads(work)
    assert peak[0] == 1
    assert sum(trials) > 0


@pytest.mark.parametrize("attempt", range(30))
def test_trip__eight_threads_fail_at_once__one_opened_event_and_one_told_so(attempt: int) -> None:
    events: list[BreakerEvent] = []
    breaker = Breaker(KEY, None, Clock(), publish=events.append)
    permits = [breaker.acquire() for _ in range(THREADS)]
    told: list[bool] = []
    in_threads(lambda number: told.append(permits[number].failure(Severity.HIGH)))
    assert sum(told) == 1
    assert [event.kind for event in events] == [EventKind.OPENED]
    assert breaker.snapshot().failures[Severity.HIGH] == 3  # the other five came late


def test_counters__eight_threads__lose_no_rejection() -> None:
    breaker = Breaker(KEY, None, Clock())
    breaker.force_open()

    def work(_: int) -> None:
        for _ in range(500):
            with pytest.raises(CircuitOpen):
                breaker.acquire()

    in_threads(work)
    assert breaker.snapshot().rejections == THREADS * 500


# ------------------------------------------------------------------------------------------------------ cancellation
class Subject:
    """Guarded coroutines with several points of suspension, clean-up included."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.breakers = Breakers(clock=self.clock)
        self.workstation = "ws-01"
        self.breaker = self.breakers.get(Key(Category.EXTERNAL, "ws-01", OPERATION))

    @with_circuit_breaker(Category.EXTERNAL)
    async def operation(self) -> None:
        await Pause()
        await self.inner()
        async with self.breaker:
            await Pause()
        async for _ in self.stream():
            await Pause()
        try:
            await Pause()
        finally:
            await Pause()

    @with_circuit_breaker(Category.EXTERNAL)
    async def inner(self) -> None:
        await Pause()

    @with_circuit_breaker(Category.EXTERNAL)
    async def stream(self) -> AsyncGenerator[int]:
        for number in range(3):
            await Pause()
            yield number

    async def block(self) -> None:
        async with self.breaker:
            await Pause()
            await self.inner()


def throw_to_the_end(running: CoroutineType[Any, Any, None], ending: BaseException) -> None:
    """Throw, and let it go on waiting in its clean-up."""
    running.throw(ending)
    while True:
        running.send(None)


def drive(running: CoroutineType[Any, Any, None], steps: int, ending: BaseException) -> bool:
    """Take so many steps, then end it there; True when it ended by itself before."""
    try:
        for _ in range(steps):
            running.send(None)
    except StopIteration:
        return True
    if isinstance(ending, GeneratorExit):
        running.close()
        return False
    with pytest.raises(type(ending)):
        throw_to_the_end(running, ending)
    return False


@pytest.mark.parametrize(
    ("name", "ending"),
    [
        ("operation", asyncio.CancelledError),
        ("operation", KeyboardInterrupt),
        ("block", asyncio.CancelledError),
        ("block", GeneratorExit),
    ],
)
def test_cancelled__at_every_point_of_suspension__the_trial_goes_to_the_next_caller(
    name: str, ending: type[BaseException]
) -> None:
    points = 0
    for steps in itertools.count(1):
        subject = Subject()
        half_open_next(subject.breaker, subject.clock)
        if drive(getattr(subject, name)(), steps, ending()):
            assert subject.breaker.snapshot().state is State.CLOSED
            break
        assert subject.breaker.snapshot().state is State.OPEN, steps
        assert subject.breaker.acquire().trial, steps
        assert subject.breaker.snapshot().failures[Severity.HIGH] == 3
        points = steps
    assert points == {"operation": 11, "block": 2}[name]


async def test_cancelled__tasks_of_a_loop_after_every_number_of_turns__lose_no_permit() -> None:
    for turns in range(25):
        subject = Subject()
        half_open_next(subject.breaker, subject.clock)
        task = asyncio.create_task(subject.operation())
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        state = subject.breaker.snapshot()
        assert not state.trial_running
        subject.breaker.acquire().success()
        assert subject.breaker.snapshot().state is State.CLOSED


async def test_cancelled__timeout_inside_the_guard__is_no_cancellation_and_counts() -> None:
    class Slow(Subject):
        @with_circuit_breaker(Category.EXTERNAL)
        async def slow(self) -> None:
            try:
                async with asyncio.timeout(0):
                    await asyncio.Event().wait()
            except TimeoutError as exc:
                raise probe_error() from exc

    subject = Slow()
    for _ in range(3):
        with pytest.raises(Exception, match="no answer in time"):
            await subject.slow()
    assert subject.breaker.snapshot().trips == 1
