from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from monitor.events import Kind
from monitor.silences import Purpose, Silence, StandingError
from monitor.silencing import Silencing
from monitor.store import StoreError
from tests.fakes import a_workstation
from tests.test_silences import a_silence, an_item

TICK = 0.002


class Shelf:
    """A journal in memory that can be away."""

    def __init__(self) -> None:
        self.kept: dict[str, Silence] = {}
        self.away = False
        self.asked = asyncio.Event()

    async def load(self) -> tuple[Silence, ...]:
        self._ask()
        return tuple(self.kept.values())

    async def put(self, silences: Sequence[Silence], /) -> None:
        self._ask()
        self.kept |= {silence.id: silence for silence in silences}

    async def forget(self, before: float, /) -> None:
        self._ask()

    def _ask(self) -> None:
        self.asked.set()
        if self.away:
            raise StoreError("gone")


class Scene:
    """Silencing with a clock that is set by hand."""

    def __init__(self, shelf: Shelf | None = None, *, announces: bool = True, now: float = 0.0) -> None:
        self.now = now
        self.shelf = shelf or Shelf()
        self.told: list[tuple[str, str, str]] = []
        self.heard = asyncio.Event()
        self.silencing = Silencing(
            self.shelf, note=self._note, retention=1000.0, announces=announces, wall=lambda: self.now, tick=TICK
        )

    def _note(self, kind: Kind, /, *, subject: str, new: str, message: str, who: str) -> None:
        assert kind is Kind.SILENCE
        assert message
        self.told.append((subject, new, who))
        self.heard.set()

    async def until(self, words: tuple[str, str, str]) -> None:
        async with asyncio.timeout(5):
            while words not in self.told:
                self.heard.clear()
                await self.heard.wait()


async def test_add__covers_at_once_and_is_kept() -> None:
    scene = Scene(now=150.0)
    assert await scene.silencing.add(a_silence())
    assert scene.silencing.muted(an_item())
    assert set(scene.shelf.kept) == {"one"}
    assert scene.told == [("one", "added", "kim")]


async def test_add__store_away__covers_at_once_and_is_kept_when_it_is_back() -> None:
    scene = Scene(now=150.0)
    scene.shelf.away = True
    await scene.silencing.start()
    assert not await scene.silencing.add(a_silence())
    assert scene.silencing.muted(an_item())
    scene.shelf.away = False
    async with asyncio.timeout(5):
        while "one" not in scene.shelf.kept:
            scene.shelf.asked.clear()
            await scene.shelf.asked.wait()
    await scene.silencing.aclose()


async def test_start__what_was_kept__covers_again_and_nothing_is_told() -> None:
    shelf = Shelf()
    await Scene(shelf, now=150.0).silencing.add(a_silence())
    scene = Scene(shelf, now=160.0)
    await scene.silencing.start()
    assert scene.silencing.muted(an_item())
    await scene.silencing.aclose()
    assert scene.told == []


async def test_work__begins_and_is_over_by_itself__and_both_are_events() -> None:
    scene = Scene(now=50.0)
    await scene.silencing.start()
    await scene.silencing.add(a_silence(name="disk"))
    assert not scene.silencing.muted(an_item())
    scene.now = 100.0
    await scene.until(("disk", "began", ""))
    assert scene.silencing.muted(an_item())
    scene.now = 200.0
    await scene.until(("disk", "over", ""))
    assert not scene.silencing.muted(an_item())
    await scene.silencing.aclose()


async def test_work__second_shard__says_nothing_of_what_begins_by_itself() -> None:
    scene = Scene(announces=False, now=50.0)
    await scene.silencing.add(a_silence())
    scene.now = 150.0
    scene.silencing._turn()
    assert scene.silencing.muted(an_item())
    assert scene.told == [("one", "added", "kim")]


async def test_end__stops_covering_and_says_who__also_after_a_restart() -> None:
    scene = Scene(now=150.0)
    await scene.silencing.add(a_silence())
    over = await scene.silencing.end("one", who="lee", why="done")
    assert over is not None
    assert (over.ended_at, over.ended_by) == (150.0, "lee")
    assert not scene.silencing.muted(an_item())
    assert scene.told[-1] == ("one", "ended", "lee")
    again = Scene(scene.shelf, now=160.0)
    await again.silencing.start()
    assert not again.silencing.muted(an_item())
    await again.silencing.aclose()


async def test_end__unknown_or_over_already__changes_nothing() -> None:
    scene = Scene(now=150.0)
    assert await scene.silencing.end("none", who="lee", why="done") is None
    await scene.silencing.add(a_silence())
    first = await scene.silencing.end("one", who="lee", why="done")
    assert await scene.silencing.end("one", who="max", why="done") == first


async def test_end__one_of_the_config__is_refused() -> None:
    scene = Scene(now=150.0)
    scene.silencing.configure([a_silence("config-a", configured=True, who="config")], retention=1000.0)
    with pytest.raises(StandingError):
        await scene.silencing.end("config-a", who="lee", why="done")
    assert scene.silencing.muted(an_item())


async def test_configure__while_running__what_is_gone_covers_no_more_and_both_are_events() -> None:
    scene = Scene(now=150.0)
    await scene.silencing.start()
    work = a_silence("config-a", purpose=Purpose.MAINTENANCE, configured=True, who="config")
    scene.silencing.configure([work], retention=1000.0)
    assert scene.silencing.over(a_workstation(), Purpose.MAINTENANCE) == work
    assert (scene.silencing.active(Purpose.MAINTENANCE), scene.silencing.active(Purpose.SILENCE)) == (1, 0)
    scene.silencing.configure([], retention=1000.0)
    assert scene.silencing.over(a_workstation(), Purpose.MAINTENANCE) is None
    assert scene.told == [("config-a", "began", ""), ("config-a", "over", "")]
    await scene.silencing.aclose()


async def test_aclose__what_is_not_kept_yet__is_written() -> None:
    scene = Scene(now=150.0)
    scene.shelf.away = True
    await scene.silencing.add(a_silence())
    scene.shelf.away = False
    await scene.silencing.aclose()
    assert set(scene.shelf.kept) == {"one"}
