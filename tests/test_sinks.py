from __future__ import annotations

import asyncio
from collections.abc import Sequence

from structlog.testing import capture_logs

from monitor.model import Result, Transition
from monitor.sinks import Fanout
from tests.fakes import a_target, answered

RESULT = answered(a_target(), 1.0)


class Recorder:
    """A sink that keeps what it gets, and does what a test tells it to before that."""

    def __init__(self, name: str, *, gate: asyncio.Event | None = None, broken: bool = False) -> None:
        self.name = name
        self.got: list[Result] = []
        self._gate = gate
        self._broken = broken

    async def deliver(self, result: Result, transitions: Sequence[Transition]) -> None:
        if self._gate is not None:
            await self._gate.wait()
        if self._broken:
            raise OSError("disk full")
        self.got.append(result)


def observing(seen: list[Result]) -> Fanout:
    return Fanout(observers={"seen": lambda result, _: seen.append(result)}, failed=lambda _: None)


async def test_deliver__observers__hear_at_once() -> None:
    seen: list[Result] = []
    observing(seen).deliver(RESULT, ())
    assert seen == [RESULT]


async def test_deliver__observer_that_raises__is_logged_and_counted_and_hurts_nobody() -> None:
    failures: list[str] = []
    seen: list[Result] = []

    def broken(result: Result, transitions: Sequence[Transition]) -> None:
        raise KeyError("x")

    fanout = Fanout(observers={"bad": broken, "good": lambda r, _: seen.append(r)}, failed=failures.append)
    with capture_logs() as lines:
        fanout.deliver(RESULT, ())
    assert (failures, seen, [line["event"] for line in lines]) == (["bad"], [RESULT], ["observer failed"])


async def test_deliver__sink_that_hangs__delays_no_other() -> None:
    gate = asyncio.Event()
    fanout = observing([])
    fanout.add(Recorder("slow", gate=gate))
    fanout.add(quick := Recorder("quick"))
    fanout.deliver(RESULT, ())
    await fanout.aclose(drain=0.01)
    assert quick.got == [RESULT]


async def test_deliver__sink_that_raises__goes_on_with_the_next_event() -> None:
    failures: list[str] = []
    fanout = Fanout(observers={}, failed=failures.append)
    fanout.add(Recorder("bad", broken=True))
    with capture_logs() as lines:
        fanout.deliver(RESULT, ())
        fanout.deliver(RESULT, ())
        await fanout.aclose()
    assert (failures, len(lines)) == (["bad", "bad"], 2)


async def test_deliver__sink_that_lags_behind_its_queue__drops_the_oldest_and_counts() -> None:
    failures: list[str] = []
    fanout = Fanout(observers={}, failed=failures.append)
    fanout.add(slow := Recorder("slow"), queue=2)
    results = [answered(a_target(), float(at)) for at in range(3)]
    for result in results:
        fanout.deliver(result, ())
    await fanout.aclose()
    assert (failures, slow.got) == (["slow"], results[1:])


async def test_aclose__queued_events__are_delivered_first() -> None:
    fanout = observing([])
    fanout.add(sink := Recorder("sink"))
    for _ in range(5):
        fanout.deliver(RESULT, ())
    await fanout.aclose(drain=1.0)
    assert sink.got == [RESULT] * 5
