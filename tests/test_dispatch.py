from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.dispatch import Places


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


class Holder:
    """Takes a place in a task of its own and holds it until told to leave."""

    def __init__(self, places: Places, workstation: str, *, suspect: bool = False) -> None:
        self.inside = asyncio.Event()
        self._leave = asyncio.Event()
        self.task = asyncio.create_task(self._hold(places, workstation, suspect=suspect))

    async def _hold(self, places: Places, workstation: str, *, suspect: bool) -> None:
        async with places.take(workstation, suspect=suspect):
            self.inside.set()
            await self._leave.wait()

    async def leave(self) -> None:
        self._leave.set()
        await self.task
        await settle()


async def test_take__all_places_taken__waits_for_one_to_be_left() -> None:
    places = Places(1)
    first, second = Holder(places, "a"), Holder(places, "b")
    await settle()
    assert (first.inside.is_set(), second.inside.is_set()) == (True, False)
    await first.leave()
    assert second.inside.is_set()
    await second.leave()


async def test_take__suspects__get_at_most_half() -> None:
    places = Places(4)
    suspects = [Holder(places, f"s{n}", suspect=True) for n in range(4)]
    await settle()
    assert [holder.inside.is_set() for holder in suspects] == [True, True, False, False]
    trusted = [Holder(places, f"t{n}") for n in range(2)]
    await settle()
    assert all(holder.inside.is_set() for holder in trusted)
    for holder in (*suspects, *trusted):
        await holder.leave()


async def test_take__one_workstation_with_many__takes_turns_with_the_others() -> None:
    places = Places(1)
    running = Holder(places, "x")
    await settle()
    greedy = [Holder(places, "greedy") for _ in range(3)]
    modest = Holder(places, "modest")
    await settle()
    await running.leave()
    assert greedy[0].inside.is_set()
    await greedy[0].leave()
    assert (modest.inside.is_set(), greedy[1].inside.is_set()) == (True, False)
    for holder in (modest, *greedy[1:]):
        await holder.leave()


async def test_take__cancelled_while_waiting__is_forgotten() -> None:
    places = Places(1)
    first, second, third = Holder(places, "a"), Holder(places, "b"), Holder(places, "b")
    await settle()
    second.task.cancel()
    await settle()
    await first.leave()
    assert third.inside.is_set()
    await third.leave()


async def test_take__cancelled_in_the_moment_it_is_granted__gives_the_place_on() -> None:
    places = Places(1)
    first, second, third = Holder(places, "a"), Holder(places, "b"), Holder(places, "c")
    await settle()
    first._leave.set()
    await first.task
    second.task.cancel()
    await settle()
    assert third.inside.is_set()
    await third.leave()


async def test_take__cancelled_just_before_it_would_be_granted__gives_the_place_on() -> None:
    places = Places(1)
    first, second, third = Holder(places, "a"), Holder(places, "b"), Holder(places, "c")
    await settle()
    first._leave.set()
    second.task.cancel()
    await settle()
    assert third.inside.is_set()
    await third.leave()


async def test_take__lane_always_full_of_trusted__suspects_still_get_their_turn() -> None:
    places = Places(2)
    served = {False: 0, True: 0}

    async def work(workstation: str, *, suspect: bool) -> None:
        while served[False] + served[True] < 400:
            async with places.take(workstation, suspect=suspect):
                served[suspect] += 1
                await asyncio.sleep(0)

    trusted = [work(f"t{n}", suspect=False) for n in range(6)]
    await asyncio.gather(*trusted, work("s", suspect=True))
    assert served[True] > 40


def test_places__none__is_refused() -> None:
    with pytest.raises(ValueError, match="places: 0 must be at least 1"):
        Places(0)


@given(st.integers(1, 5), st.lists(st.tuples(st.sampled_from("abc"), st.booleans(), st.booleans()), max_size=25))
def test_take__any_mix_of_takers_and_cancellations__bounds_hold_and_nobody_is_left_out(
    size: int, takers: list[tuple[str, bool, bool]]
) -> None:
    async def scenario() -> None:
        places = Places(size)
        inside = {False: 0, True: 0}

        async def visit(workstation: str, *, suspect: bool) -> None:
            async with places.take(workstation, suspect=suspect):
                inside[suspect] += 1
                assert inside[False] + inside[True] <= size
                assert inside[True] <= max(1, size // 2)
                await asyncio.sleep(0)
                inside[suspect] -= 1

        tasks = [asyncio.create_task(visit(workstation, suspect=suspect)) for workstation, suspect, _ in takers]
        await asyncio.sleep(0)
        for task, (_, _, cancelled) in zip(tasks, takers, strict=True):
            if cancelled and not inside[True] and not inside[False]:
                task.cancel()
        async with asyncio.timeout(5):
            await asyncio.gather(*tasks, return_exceptions=True)
        assert not places._trusted
        assert not places._suspects
        assert (places._free, places._suspects_free) == (size, max(1, size // 2))

    asyncio.run(scenario())
