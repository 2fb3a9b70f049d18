from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable

import pytest

from monitor.simulator.farm import Farm
from monitor.simulator.story import ACTS, LOOP, Act, Caption, Story
from monitor.simulator.wire import Fault

CHECKS: dict[str, Callable[[Farm], bool]] = {
    "power cut": lambda farm: farm["ws-03"].ssh.fault is Fault.SILENT,
    "stuck boot": lambda farm: not farm["ws-05"].guests[2].adb,
    "lying console": lambda farm: not farm["ws-02"].guests[1].claims(),
    "slow host": lambda farm: farm["ws-06"].http.delay > 0,
    "failing panel": lambda farm: farm["ws-07"].panel.status == 500,
    "another power cut": lambda farm: farm["ws-08"].ssh.fault is Fault.SILENT,
    "hung console": lambda farm: farm["ws-04"].endpoint.hanging,
    "full disk": lambda farm: farm["ws-01"].console.hardware.disk_free < 10 * 1024**3,
}


class Time:
    """A clock that moves on when everybody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._count = 0

    async def sleep(self, seconds: float) -> None:
        event = asyncio.Event()
        self._count += 1
        heapq.heappush(self._sleepers, (self.now + seconds, self._count, event))
        await event.wait()

    async def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            for _ in range(20):
                await asyncio.sleep(0)
            if not self._sleepers or self._sleepers[0][0] > end:
                break
            self.now, _, event = heapq.heappop(self._sleepers)
            event.set()
        self.now = end


def broken(farm: Farm) -> set[str]:
    return {name for name, check in CHECKS.items() if check(farm)}


async def test_story__one_loop__visits_every_act_and_mends_it() -> None:
    clock, captions = Time(), list[Caption]()
    async with Farm(sleep=clock.sleep) as farm:
        assert broken(farm) == set()
        playing = asyncio.ensure_future(Story(farm, tell=captions.append, sleep=clock.sleep).run(times=1))
        seen = set()
        while clock.now < LOOP:
            await clock.advance(1)
            now = broken(farm)
            seen |= now
            assert {act.name for act in ACTS if act.begin < clock.now < act.end} <= now
        await clock.advance(10)
        assert playing.done()
        assert seen == set(CHECKS) == {act.name for act in ACTS}
        assert broken(farm) == set()
        assert all(farm["ws-03"].guests[index].adb for index in farm["ws-03"].running)

    assert [caption.text for caption in captions if caption.text in {act.breaks for act in ACTS}] == [
        act.breaks for act in ACTS
    ]
    assert {caption.text for caption in captions} == {text for act in ACTS for text in (act.breaks, act.mends)}


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.name)
async def test_story__cancelled_in_an_act__mends_it(act: Act) -> None:
    clock, captions = Time(), list[Caption]()
    async with Farm(sleep=clock.sleep) as farm:
        story = Story(farm, acts=(act,), tell=captions.append, sleep=clock.sleep)
        playing = asyncio.ensure_future(story.run())
        await clock.advance(act.begin + 1)
        assert broken(farm) == {act.name}
        playing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await playing
        await clock.advance(15)  # what has to boot boots
        assert broken(farm) == set()


async def test_story__second_loop__tells_times_from_the_start() -> None:
    clock, captions = Time(), list[Caption]()
    async with Farm(sleep=clock.sleep) as farm:
        story = Story(farm, acts=ACTS[3:4], tell=captions.append, sleep=clock.sleep)
        playing = asyncio.ensure_future(story.run())
        await clock.advance(LOOP * 2)
        playing.cancel()
        await asyncio.wait((playing,))

    begin, end = ACTS[3].begin, ACTS[3].end
    assert [caption.at for caption in captions] == [begin, end, LOOP + begin, LOOP + end]


def test_caption__shows_minutes_and_seconds() -> None:
    assert str(Caption(70, "ws-03 falls silent")) == "01:10 ws-03 falls silent"


def test_acts__power_cut__leaves_time_to_trip_and_to_recover_within_the_promise() -> None:
    cut = ACTS[0]
    trips_by = cut.begin + 3 * 5 + 2
    recovers_by = cut.end + 20 + 2

    assert cut.name == "power cut"
    assert trips_by < cut.end < 45
    assert recovers_by < 60
