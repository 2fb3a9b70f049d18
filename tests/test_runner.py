from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor.breaker.machine import Policy, State
from monitor.breaker.registry import Breakers
from monitor.checks import Check
from monitor.dispatch import Dispatcher
from monitor.errors import LocalError, ProbeError
from monitor.model import Category, Fact, Key, Lane, Observation, Outcome, Reason, Severity, Target, Verdict
from monitor.runner import Runner
from tests.fakes import FakeClock, NoParams, a_console, a_target

Probe = Callable[[Any], Awaitable[Observation]]


class FakeReach:
    """A reach that only remembers its layer."""

    def __init__(self, target: Target) -> None:
        self.layer = target.path[0].category
        self.facts: dict[str, Fact] = {}

    def mark(self, layer: Category) -> None:
        self.layer = layer


class Bench:
    """A runner over real breakers, with one check whose behaviour each test gives."""

    def __init__(
        self, behave: Probe, *, kept_waiting: Callable[[Target, float], bool] = lambda *_: False, **options: Any
    ) -> None:
        self.clock = FakeClock()
        self.breakers = Breakers(clock=self.clock, policies={c: Policy(failures=3) for c in Category})

        async def probe(target: Target, params: NoParams, reach: Any) -> Observation:
            return await behave(reach)

        checks = {
            name: Check(name=name, category=Category.NETWORK, params=NoParams, probe=probe, scope=lambda _: "x")
            for name in ("tcp", "ldplayer", "ssh")
        }
        reach: Any = FakeReach
        places = dict.fromkeys(Lane, 4)
        dispatcher = Dispatcher(checks=checks, reach=reach, places=places, kept_waiting=kept_waiting, clock=self.clock)
        self.runner = Runner(breakers=self.breakers, dispatcher=dispatcher, wall=lambda: 5.0, **options)

    def state(self, key: Key) -> State:
        return self.breakers.get(key).snapshot().state

    def failures(self, key: Key) -> int:
        return sum(self.breakers.get(key).snapshot().failures.values())


def error(category: Category, reason: Reason = Reason.REFUSED) -> ProbeError:
    return ProbeError("refused", category=category, reason=reason)


def raising(exc: BaseException) -> Probe:
    async def behave(_: Any) -> Observation:
        raise exc

    return behave


async def answering(_: Any) -> Observation:
    return Observation(verdict=Verdict.DOWN, reason=Reason.UNEXPECTED, message="HTTP 500")


async def hanging(_: Any) -> Observation:
    await asyncio.Event().wait()
    raise AssertionError


async def test_run__an_answer_whatever_it_says__is_a_success() -> None:
    bench = Bench(answering)
    result = await bench.runner.run(target := a_target())
    assert (result.outcome, result.at) == (Outcome.SUCCESS, 5.0)
    assert result.observation is not None
    assert result.observation.verdict is Verdict.DOWN
    assert bench.failures(target.path[0]) == 0


@pytest.mark.parametrize("layer", range(3))
async def test_run__error__counts_once_at_the_layer_it_names(layer: int) -> None:
    target = a_console()
    bench = Bench(raising(error(target.path[layer].category)))
    result = await bench.runner.run(target)
    assert result.outcome is Outcome.FAILURE
    assert [bench.failures(key) for key in target.path] == [int(at == layer) for at in range(3)]


async def test_run__third_failure__trips_and_says_so() -> None:
    bench = Bench(raising(error(Category.NETWORK)))
    target = a_target()
    tripped = [(await bench.runner.run(target)).tripped for _ in range(3)]
    assert tripped == [None, None, target.path[0]]
    assert bench.state(target.path[0]) is State.OPEN


async def test_run__open_breaker_on_the_path__sends_nothing_and_names_it() -> None:
    asked: list[int] = []

    async def behave(_: Any) -> Observation:
        asked.append(1)
        raise error(Category.WORKSTATION)

    bench = Bench(behave)
    target = a_console()
    for _ in range(3):
        await bench.runner.run(target)
    result = await bench.runner.run(target)
    assert result.outcome is Outcome.SUPPRESSED
    assert result.blocked is not None
    assert (result.blocked.key, result.blocked.retry_after) == (target.path[1], 60.0)
    assert len(asked) == 3


async def test_run__refused_by_an_inner_layer__releases_the_trial_of_the_outer_one() -> None:
    bench = Bench(raising(error(Category.NETWORK)))
    target = a_console()
    outer, inner = bench.breakers.get(target.path[0]), bench.breakers.get(target.path[1])
    for _ in range(3):
        outer.acquire().failure(Severity.HIGH)
    inner.force_open()
    bench.clock.pass_(61.0)
    assert (await bench.runner.run(target)).outcome is Outcome.SUPPRESSED
    assert outer.acquire().trial, "the trial went back to the next caller"


async def test_run__trial_that_succeeds__closes_the_breaker() -> None:
    bench = Bench(answering)
    target = a_target()
    for _ in range(3):
        bench.breakers.get(target.path[0]).acquire().failure(Severity.HIGH)
    bench.clock.pass_(61.0)
    assert (await bench.runner.run(target)).outcome is Outcome.SUCCESS
    assert bench.state(target.path[0]) is State.CLOSED


async def test_run__deadline_strikes__is_blamed_on_the_layer_the_probe_was_at() -> None:
    async def behave(reach: Any) -> Observation:
        reach.mark(Category.EXTERNAL)
        return await hanging(reach)

    bench = Bench(behave)
    target = a_target("console", *a_console().path, kind="ldplayer", timeout=0.01)
    result = await bench.runner.run(target)
    assert result.outcome is Outcome.TIMEOUT
    assert result.failure is not None
    assert (result.failure.category, result.failure.reason) == (Category.EXTERNAL, Reason.TIMEOUT)
    assert result.failure.message == "ldplayer: started, and no answer within 0.01 s"


async def test_run__way_there_told_something__it_is_part_of_the_answer_which_comes_first() -> None:
    async def behave(reach: Any) -> Observation:
        reach.facts.update({"certificate_end_timestamp_seconds": 5.0, "exit_code": 1})
        return Observation(facts={"exit_code": 0})

    result = await Bench(behave).runner.run(a_target())
    assert result.observation is not None
    assert result.observation.facts == {"certificate_end_timestamp_seconds": 5.0, "exit_code": 0}


async def test_run__deadline_missed_while_our_loop_stood_still__counts_against_nobody() -> None:
    bench = Bench(hanging, stalled=lambda _: True)
    target = a_target(timeout=0.01)
    result = await bench.runner.run(target)
    assert (result.outcome, result.failure) == (Outcome.ERROR, None)
    assert bench.failures(target.path[0]) == 0


CUT_OFF = "we are cut off: gateway 10.0.0.1 does not answer"


@pytest.mark.parametrize(
    ("category", "reason"),
    [
        (Category.NETWORK, Reason.REFUSED),
        (Category.NETWORK, Reason.UNREACHABLE),
        (Category.NETWORK, Reason.DNS),
        (Category.WORKSTATION, Reason.SHELL_LOST),
        (Category.WORKSTATION, Reason.TIMEOUT),
        (Category.EXTERNAL, Reason.TIMEOUT),
    ],
)
async def test_run__nobody_reached_while_we_were_cut_off__counts_against_nobody(
    category: Category, reason: Reason
) -> None:
    asked: list[float] = []

    def cut_off(since: float) -> str:
        asked.append(since)
        return CUT_OFF

    bench = Bench(raising(error(category, reason)), cut_off=cut_off, clock=lambda: 7.0)
    target = a_console()
    for _ in range(5):
        result = await bench.runner.run(target)
        assert (result.outcome, result.failure, result.local) == (Outcome.ERROR, None, CUT_OFF)
    assert asked == [7.0] * 5, "since when the run was under way"
    assert [bench.failures(key) for key in target.path] == [0, 0, 0]
    assert [bench.state(key) for key in target.path] == [State.CLOSED] * 3


async def test_run__refused_login_while_we_were_cut_off__is_an_answer_and_counts() -> None:
    bench = Bench(raising(error(Category.WORKSTATION, Reason.AUTH)), cut_off=lambda _: CUT_OFF)
    result = await bench.runner.run(target := a_console())
    assert result.outcome is Outcome.FAILURE
    assert [bench.failures(key) for key in target.path] == [0, 1, 0]


async def test_run__answer_while_we_were_cut_off__counts_and_closes_a_breaker() -> None:
    bench = Bench(answering, cut_off=lambda _: CUT_OFF)
    breaker = bench.breakers.get((target := a_target()).path[0])
    for _ in range(3):
        breaker.acquire().failure(Severity.HIGH)
    bench.clock.pass_(61.0)
    assert (await bench.runner.run(target)).outcome is Outcome.SUCCESS
    assert bench.state(target.path[0]) is State.CLOSED


async def test_run__trial_while_we_were_cut_off__decides_nothing_and_the_next_run_is_the_trial() -> None:
    bench = Bench(raising(error(Category.NETWORK)), cut_off=lambda _: CUT_OFF)
    breaker = bench.breakers.get((target := a_target()).path[0])
    for _ in range(3):
        breaker.acquire().failure(Severity.HIGH)
    bench.clock.pass_(61.0)
    assert (await bench.runner.run(target)).outcome is Outcome.ERROR
    assert (bench.state(target.path[0]), bench.failures(target.path[0])) == (State.OPEN, 3)
    assert breaker.acquire().trial


async def test_run__console_of_our_own_machine_hangs_while_we_were_cut_off__is_its_own_fault() -> None:
    bench = Bench(raising(error(Category.EXTERNAL, Reason.TIMEOUT)), cut_off=lambda _: CUT_OFF)
    path = (Key(Category.WORKSTATION, "ws-01", "local"), Key(Category.EXTERNAL, "ws-01", "ldplayer"))
    result = await bench.runner.run(target := a_target("console", *path, kind="ldplayer", through=1))
    assert result.outcome is Outcome.TIMEOUT
    assert bench.failures(target.path[-1]) == 1


async def test_run__failure_while_nothing_was_wrong_with_us__counts() -> None:
    bench = Bench(raising(error(Category.NETWORK)), cut_off=lambda _: "")
    result = await bench.runner.run(target := a_target())
    assert (result.outcome, bench.failures(target.path[0])) == (Outcome.FAILURE, 1)


async def test_deadline__of_a_run_that_waited_for_a_thread_of_ours__blames_nobody() -> None:
    waits: list[tuple[str, float]] = []

    def kept_waiting(target: Target, since: float) -> bool:
        waits.append((target.name, since))
        return True

    bench = Bench(hanging, kept_waiting=kept_waiting)
    result = await bench.runner.run(target := a_target(timeout=0.01))
    assert (result.outcome, result.failure, waits) == (Outcome.ERROR, None, [("rdp", 1000.0)])
    assert "the threads in which 127.0.0.1 would be looked up" in (result.local or "")
    assert bench.failures(target.path[0]) == 0


async def test_run__trouble_of_our_own__counts_against_nobody() -> None:
    bench = Bench(raising(LocalError("no permission")))
    result = await bench.runner.run(target := a_target())
    assert (result.outcome, result.local) == (Outcome.ERROR, "no permission")
    assert bench.failures(target.path[0]) == 0


async def test_run__defect_of_a_check__is_a_result_and_counts_against_nobody() -> None:
    bench = Bench(raising(ZeroDivisionError("secret")))
    with capture_logs() as lines:
        result = await bench.runner.run(target := a_target())
    assert [(line["event"], line["target"], line["exc_info"]) for line in lines] == [
        ("check raised", "ws-01/rdp", True)
    ]
    assert (result.outcome, result.local) == (Outcome.ERROR, "defect of the check: ZeroDivisionError")
    assert bench.failures(target.path[0]) == 0


async def test_run__cancelled__releases_its_permits() -> None:
    asked = asyncio.Event()

    async def behave(reach: Any) -> Observation:
        asked.set()
        return await hanging(reach)

    bench = Bench(behave)
    target = a_target()
    breaker = bench.breakers.get(target.path[0])
    for _ in range(3):
        breaker.acquire().failure(Severity.HIGH)
    bench.clock.pass_(61.0)
    task = asyncio.create_task(bench.runner.run(target))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert breaker.acquire().trial


async def test_run__begun__is_called_when_the_place_is_taken() -> None:
    bench = Bench(answering)
    begun: list[int] = []
    await bench.runner.run(a_target(), begun=lambda: begun.append(1))
    assert begun == [1]


async def test_run__no_longer_wanted_when_its_place_is_taken__sends_nothing_and_makes_no_breaker() -> None:
    bench = Bench(answering)
    result = await bench.runner.run(target := a_target(), wanted=lambda _: False)
    assert result.outcome is Outcome.SKIPPED
    assert bench.breakers.find(target.path[0]) is None
