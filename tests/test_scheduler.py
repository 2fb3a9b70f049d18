from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.breaker.machine import Policy, State
from monitor.breaker.registry import Breakers
from monitor.model import Category, Outcome, Result, Severity, Target
from monitor.phase import phase, shard_of
from monitor.recovery import Recovery
from monitor.scheduler import Scheduler, _slot
from tests.fakes import a_console, a_login, a_target, a_workstation, answered, refused_by


class FakeRunner:
    """Answers every target at once, or as a test tells it to."""

    def __init__(self) -> None:
        self.runs: list[str] = []
        self.gate: asyncio.Event | None = None
        self.answer: Callable[[Target], Result] = lambda target: answered(target, 1.0)

    async def run(
        self, target: Target, *, begun: Callable[[], None] | None = None, wanted: Callable[[Target], bool]
    ) -> Result:
        assert wanted(target)
        self.runs.append(target.name)
        if begun is not None:
            begun()
        if self.gate is not None:
            await self.gate.wait()
        return self.answer(target)

    def skipped(self, target: Target) -> Result:
        return Result(target=target, outcome=Outcome.SKIPPED, at=1.0)


class Bench:
    """A scheduler over a fake runner and real breakers whose open time is as short as a test needs."""

    def __init__(self, *, open_time: float = 60.0) -> None:
        self.runner = FakeRunner()
        self.breakers = Breakers(policies={c: Policy(open_time=open_time) for c in Category})
        self.recovery = Recovery(self.breakers)
        self.results: list[Result] = []
        self.heard = asyncio.Event()
        self.late: list[float] = []
        runner: Any = self.runner
        self.scheduler = Scheduler(
            runner=runner,
            recovery=self.recovery,
            deliver=self._deliver,
            late=lambda _, seconds: self.late.append(seconds),
        )

    def _deliver(self, result: Result) -> None:
        self.results.append(result)
        self.heard.set()

    async def until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not condition():
                self.heard.clear()
                await self.heard.wait()

    def trip(self, target: Target, layer: int = 0) -> None:
        for _ in range(3):
            self.breakers.get(target.path[layer]).acquire().failure(Severity.HIGH)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    bench = Bench(open_time=0.05)
    yield bench
    await bench.scheduler.stop(0.0)


async def test_start__every_target__runs_within_one_interval_and_again(bench: Bench) -> None:
    targets = [a_target(f"c{n}", interval=0.2) for n in range(5)]
    bench.scheduler.replace(targets)
    bench.scheduler.start()
    await bench.until(lambda: all(bench.runner.runs.count(t.name) >= 2 for t in targets))
    assert all(0.0 <= late < 5.0 for late in bench.late)


async def test_turn__target_with_jitter__begins_later_by_chance_and_is_not_late_for_it() -> None:
    bench = Bench()
    began = asyncio.get_running_loop().time()
    bench.scheduler._random = lambda: 0.5
    bench.scheduler.replace([target := a_target(interval=60.0, jitter=0.1)])
    slot = _slot(target)
    slot.targets.append(target)
    slot.due = bench.scheduler._wall()
    await bench.scheduler._turn(slot)
    assert bench.runner.runs == []
    await bench.until(lambda: bool(bench.results))
    assert asyncio.get_running_loop().time() - began >= 0.05
    assert bench.late[0] < 0.05


async def test_run_now__still_running__is_skipped_and_counted(bench: Bench) -> None:
    bench.runner.gate = asyncio.Event()
    bench.scheduler.replace([target := a_target()])
    bench.scheduler.start()
    bench.scheduler.run_now(target)
    bench.scheduler.run_now(target)
    assert [result.outcome for result in bench.results] == [Outcome.SKIPPED]
    bench.runner.gate.set()
    await bench.until(lambda: len(bench.results) == 2)
    assert (bench.runner.runs, bench.results[1].outcome) == (["rdp"], Outcome.SUCCESS)


async def test_soon__wanted_out_of_turn__runs_once_within_seconds(bench: Bench) -> None:
    targets = [a_target(f"c{n}", interval=3600.0) for n in range(5)]
    bench.scheduler.replace(targets)
    bench.scheduler.soon(targets)
    bench.scheduler.start()
    assert bench.runner.runs == []
    bench.scheduler.soon(targets[:3])
    await bench.until(lambda: len(bench.results) == 3)
    assert sorted(bench.runner.runs) == ["c0", "c1", "c2"]


async def test_soon__under_way__runs_again_after_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.runner.gate = asyncio.Event()
    target = a_target(interval=3600.0)
    bench.scheduler.replace([target])
    bench.scheduler.start()
    bench.scheduler.run_now(target)
    found = asyncio.Event()

    def busy(target: Target) -> bool:
        found.set()
        return target.id in bench.scheduler._running

    monkeypatch.setattr(bench.recovery, "_busy", busy)
    bench.scheduler.soon([target])
    await found.wait()
    assert bench.runner.runs == ["rdp"]
    bench.runner.gate.set()
    await bench.until(lambda: len(bench.results) == 2)
    assert {result.outcome for result in bench.results} == {Outcome.SUCCESS}


async def test_soon__gone_from_config_meanwhile__is_not_asked(bench: Bench) -> None:
    target, other = a_target("gone", interval=3600.0), a_target("other", interval=3600.0)
    bench.scheduler.replace([target, other])
    bench.scheduler.start()
    bench.scheduler.soon([target, other])
    bench.scheduler.replace([other])
    await bench.until(lambda: bench.runner.runs == ["other"])


async def test_replace__target_gone__runs_no_more(bench: Bench) -> None:
    bench.scheduler.replace([a_target("a", interval=0.05), a_target("b", interval=0.05)])
    bench.scheduler.start()
    await bench.until(lambda: {"a", "b"} <= set(bench.runner.runs))
    bench.scheduler.replace([a_target("b", interval=0.05)])
    bench.runner.runs.clear()
    await bench.until(lambda: bench.runner.runs.count("b") > 3)
    assert "a" not in bench.runner.runs


async def test_rebase__after_the_clock_jumped__turns_go_on(bench: Bench) -> None:
    bench.scheduler.replace([a_target(interval=0.05)])
    bench.scheduler.start()
    bench.scheduler.rebase()
    await bench.until(lambda: len(bench.runner.runs) >= 2)


async def test_stop__run_under_way__is_waited_for(bench: Bench) -> None:
    bench.runner.gate = asyncio.Event()
    bench.scheduler.replace([a_target()])
    bench.scheduler.start()
    bench.scheduler.run_now(a_target())
    await asyncio.sleep(0)
    asyncio.get_running_loop().call_later(0.02, bench.runner.gate.set)
    await bench.scheduler.stop(5.0)
    assert [result.outcome for result in bench.results] == [Outcome.SUCCESS]


async def test_stop__run_that_hangs__is_cancelled_when_the_drain_time_is_over(bench: Bench) -> None:
    bench.runner.gate = asyncio.Event()
    bench.scheduler.replace([a_target()])
    bench.scheduler.start()
    bench.scheduler.run_now(a_target())
    await asyncio.sleep(0)
    assert bench.scheduler.running == 1
    await bench.scheduler.stop(0.01)
    assert (bench.results, bench.scheduler.running) == ([], 0)


async def test_run_now__target_that_left_the_config__is_not_asked(bench: Bench) -> None:
    bench.scheduler.replace([gone := a_target("gone"), a_target("kept")])
    bench.scheduler.start()
    bench.scheduler.replace([a_target("kept")])
    bench.scheduler.run_now(gone)
    assert bench.scheduler.running == 0


async def test_start__long_after_the_targets_were_given__no_turn_counts_as_missed(bench: Bench) -> None:
    bench.scheduler.replace([a_target(interval=1.0)])
    (slot,) = bench.scheduler._slots.values()
    slot.due -= 100.0
    bench.scheduler.start()
    assert slot.due > bench.scheduler._wall() - 1.0


async def test_replace__after_the_stop__changes_nothing(bench: Bench) -> None:
    bench.scheduler.replace([a_target("a")])
    bench.scheduler.start()
    await bench.scheduler.stop(0.0)
    bench.scheduler.replace([a_target("b", interval=5.0)])
    assert bench.scheduler.running == 0


async def test_stop__afterwards__nothing_starts(bench: Bench) -> None:
    bench.scheduler.start()
    await bench.scheduler.stop(0.0)
    bench.scheduler.run_now(a_target())
    assert bench.scheduler.running == 0


async def test_recovery__breaker_opened__one_check_runs_when_its_time_is_over(bench: Bench) -> None:
    login, console = a_login(), a_console()
    bench.scheduler.replace([login, console])
    bench.scheduler.start()
    bench.trip(login)
    await asyncio.sleep(0)
    assert bench.recovery.trial_due(login.path[0])
    await bench.until(lambda: bool(bench.runner.runs))
    assert bench.runner.runs == ["ssh"]


async def test_recovery__trial_failed__is_scheduled_again(bench: Bench) -> None:
    login = a_login()
    bench.scheduler.replace([login])
    bench.scheduler.start()
    bench.trip(login)
    breaker = bench.breakers.get(login.path[0])

    def fail(target: Target) -> Result:
        breaker.acquire().failure(Severity.HIGH)
        return refused_by(target, 1.0, target.path[0])

    bench.runner.answer = fail
    await bench.until(lambda: len(bench.runner.runs) >= 3)
    assert breaker.snapshot().trips == 1


async def test_recovery__breaker_closed__suppressed_checks_come_back_soon() -> None:
    bench = Bench()
    login, console = a_login(), a_console()
    bench.scheduler.replace([login, console])
    bench.scheduler.start()
    bench.trip(login)
    bench.runner.answer = lambda target: refused_by(target, 1.0, target.path[0])
    bench.scheduler.run_now(console)
    await bench.until(lambda: len(bench.results) == 1)
    bench.runner.answer = lambda target: answered(target, 2.0)
    bench.breakers.get(login.path[0]).reset()
    await bench.until(lambda: len(bench.results) == 2)
    await bench.scheduler.stop(0.0)
    assert bench.runner.runs == ["ldplayer", "ldplayer"]


async def test_recovery__every_candidate_is_busy__tries_again() -> None:
    bench = Bench(open_time=0.01)
    login = a_login()
    bench.scheduler.replace([login])
    bench.scheduler.start()
    bench.runner.gate = asyncio.Event()
    bench.scheduler.run_now(login)
    bench.trip(login)
    async with asyncio.timeout(5):
        while bench.breakers.get(login.path[0]).snapshot().retry_after:  # noqa: ASYNC110 - a clock, not an event
            await asyncio.sleep(0.005)
    bench.runner.gate.set()
    await bench.until(lambda: len(bench.runner.runs) == 2)
    await bench.scheduler.stop(0.0)


async def test_recovery__event_from_another_thread__is_heard(bench: Bench) -> None:
    login = a_login()
    bench.scheduler.replace([login])
    bench.scheduler.start()
    await asyncio.to_thread(bench.trip, login)
    await bench.until(lambda: bench.runner.runs == ["ssh"])


async def test_recovery__breakers_open_before_the_start__get_their_trial(bench: Bench) -> None:
    login = a_login()
    bench.trip(login)
    bench.scheduler.replace([login])
    bench.scheduler.start()
    await bench.until(lambda: bench.runner.runs == ["ssh"])


async def test_recovery__forced_open__has_no_trial(bench: Bench) -> None:
    login = a_login()
    bench.scheduler.replace([login])
    bench.scheduler.start()
    bench.breakers.get(login.path[0]).force_open()
    await asyncio.sleep(0)
    assert not bench.recovery.trial_due(login.path[0])
    assert bench.breakers.get(login.path[0]).snapshot().state is State.OPEN


@given(st.text(max_size=20), st.floats(1.0, 600.0))
def test_slot__any_name_and_interval__lies_within_the_interval_and_stays(name: str, interval: float) -> None:
    slot = _slot(a_target(name, interval=interval))
    assert 0.0 <= slot.offset < interval
    assert slot == _slot(a_target(name, interval=interval))


def test_slot__a_thousand_checks__are_spread_evenly() -> None:
    targets = [a_target("c", workstation=a_workstation(f"ws-{n}"), interval=10.0) for n in range(1000)]
    tenths = [0] * 10
    for target in targets:
        tenths[int(_slot(target).offset)] += 1
    assert max(tenths) < 140
    assert min(tenths) > 60


@given(st.text(max_size=30), st.integers(1, 50))
def test_shard_of__any_workstation__is_in_exactly_one_shard(name: str, shards: int) -> None:
    assert 1 <= shard_of(name, shards) <= shards
    assert 0.0 <= phase(name) < 1.0
