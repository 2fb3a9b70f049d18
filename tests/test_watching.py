from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from monitor.watching import LOOK, Watch


class Steps:
    """A sleep that ends when a test says so; everything the watch does in between is done by then."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self._asleep = asyncio.Event()
        self._wake = asyncio.Event()

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self._asleep.set()
        await self._wake.wait()
        self._wake.clear()

    async def look_again(self) -> None:
        async with asyncio.timeout(5):
            await self._asleep.wait()
            self._asleep.clear()
            self._wake.set()
            await self._asleep.wait()


class Watched:
    def __init__(self, folder: Path) -> None:
        self.config = folder / "config.yaml"
        self.config.write_text("a: 1\n")
        self.told = 0
        self.steps = Steps()
        patterns = [str(folder / "inventory" / "*.yaml")]
        self.watch = Watch(lambda: ([self.config], patterns), self.tell, sleep=self.steps.sleep)
        self.task = asyncio.create_task(self.watch.run())

    async def tell(self) -> None:
        self.told += 1

    async def after(self, change: Callable[[], object], looks: int = 2) -> int:
        await self.steps.look_again()
        change()
        for _ in range(looks):
            await self.steps.look_again()
        self.task.cancel()
        return self.told


async def test_run__nothing_changes__tells_nothing(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    assert await watched.after(lambda: None, looks=4) == 0
    assert set(watched.steps.slept) == {LOOK}


async def test_run__file_changes__is_told_once(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    assert await watched.after(lambda: watched.config.write_text("a: 22\n"), looks=5) == 1


async def test_run__file_seen_changed_once__waits_for_a_second_look(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    assert await watched.after(lambda: watched.config.write_text("a: 22\n"), looks=1) == 0


async def test_run__file_replaced_by_one_of_the_same_size__is_told(tmp_path: Path) -> None:
    watched = Watched(tmp_path)

    def replace() -> None:
        (tmp_path / "new").write_text("a: 2\n")
        (tmp_path / "new").replace(watched.config)

    assert await watched.after(replace) == 1


async def test_run__file_vanishes__is_told(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    assert await watched.after(watched.config.unlink) == 1


@pytest.mark.parametrize("name", ["a.yaml", "b.yaml"])
async def test_run__new_file_matches_a_pattern__is_told(tmp_path: Path, name: str) -> None:
    (tmp_path / "inventory").mkdir()
    watched = Watched(tmp_path)
    assert await watched.after(lambda: (tmp_path / "inventory" / name).write_text("x")) == 1


async def test_note__somebody_reads_the_change_anyway__is_not_told_again(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    await watched.steps.look_again()
    await asyncio.to_thread(watched.config.write_text, "a: 22\n")
    await watched.watch.note()
    assert await watched.after(lambda: None, looks=4) == 0


async def test_note_new__files_a_config_begins_to_name__are_known_and_changes_of_the_others_are_not(
    tmp_path: Path,
) -> None:
    watched = Watched(tmp_path)
    await watched.steps.look_again()
    (tmp_path / "inventory").mkdir()
    await watched.watch.note()
    await asyncio.to_thread((tmp_path / "inventory" / "a.yaml").write_text, "x")
    await watched.watch.note_new()
    assert await watched.after(lambda: None, looks=4) == 0

    other = Watched(tmp_path)
    await other.steps.look_again()
    await other.watch.note()
    await asyncio.to_thread(other.config.write_text, "changed after it was read")
    await other.watch.note_new()
    assert await other.after(lambda: None, looks=4) == 1
