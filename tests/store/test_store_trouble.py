"""The store slow, locked, full, gone or stopped: nothing waits for it, and it comes back by itself."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from monitor.events import Asked, Kind
from monitor.model import Status
from monitor.store import Database, StoreError
from tests.fakes import a_target, answered, failed
from tests.postgres import Postgres, a_postgres
from tests.servers import require_program, unavailable
from tests.store.test_store_memory import NOW, Process, _past

RDP, OTHER = a_target(), a_target("other")


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Process]:
    one = Process(f"sqlite+aiosqlite:///{tmp_path}/emuwatch.db", [RDP, OTHER], room=10_000)
    await one.start()
    one.apply(answered(RDP, NOW))
    one.apply(answered(OTHER, NOW))
    await one.written()
    yield one
    await one.memory.aclose()


def go_down(one: Process) -> None:
    for at in (NOW + 1, NOW + 2):
        one.apply(failed(RDP, at))


async def comes_back(one: Process) -> None:
    """Let it try again, and see that what was believed meanwhile is in the store."""
    one.retry.set()
    await one.until(lambda: one.memory.status().up and one.memory.status().pending == 0)
    await one.written()
    kept = {belief.name: belief.status for belief in (await _past(one)).beliefs if belief.kind == "check"}
    assert kept["rdp"] is Status.DOWN
    found = await one.memory.find(Asked(kinds=(Kind.CHECK,)))
    assert [event.new for event in found.events if event.subject == "rdp"] == ["down", "up"]
    assert found.complete


async def test_locked__says_so_and_goes_on(one: Process, tmp_path: Path) -> None:
    def lock() -> sqlite3.Connection:
        connection = sqlite3.connect(tmp_path / "emuwatch.db", isolation_level=None, check_same_thread=False)
        connection.execute("BEGIN EXCLUSIVE")
        return connection

    other = await asyncio.to_thread(lock)
    go_down(one)
    await one.until(lambda: len(one.waits) == 1)
    assert one.memory.status().problem == "the database is locked by another program"
    for attempt in range(2, 5):
        one.retry.set()
        await one.until(lambda attempt=attempt: len(one.waits) == attempt)  # type: ignore[misc]  # a default binds it
    assert not one.memory.status().up
    await asyncio.to_thread(other.execute, "ROLLBACK")
    await asyncio.to_thread(other.close)
    await comes_back(one)


async def test_file_deleted__is_noticed_and_made_anew_with_all_that_is_true(one: Process, tmp_path: Path) -> None:
    for path in [path for path in tmp_path.iterdir() if path.name.startswith("emuwatch.db")]:  # noqa: ASYNC240 - a test's own folder
        path.unlink()
    go_down(one)
    await one.until(lambda: len(one.waits) == 1)
    assert one.memory.status().problem == "the database file is gone"
    one.retry.set()
    await one.until(lambda: one.memory.status().up)
    await one.written()
    kept = {belief.name: belief.status for belief in (await _past(one)).beliefs if belief.kind == "check"}
    assert kept == {"rdp": Status.DOWN, "other": Status.UP}


async def test_start__no_store_to_be_had__goes_on_and_recalls_when_it_is_there(tmp_path: Path) -> None:
    before = Process(f"sqlite+aiosqlite:///{tmp_path}/kept/emuwatch.db", [RDP])
    (tmp_path / "kept").mkdir()
    await before.start()
    before.apply(answered(RDP, NOW - 500))
    await before.memory.aclose()
    os.rename(tmp_path / "kept", tmp_path / "away")  # noqa: PTH104 - the same
    after = Process(f"sqlite+aiosqlite:///{tmp_path}/kept/emuwatch.db", [RDP])
    async with asyncio.timeout(3):
        await after.start()
    assert "No such file or directory" in after.memory.status().problem
    assert after.fleet.snapshot()[0].status is Status.UNKNOWN
    os.rename(tmp_path / "away", tmp_path / "kept")  # noqa: PTH104 - the same
    after.retry.set()
    await after.written()
    assert after.fleet.snapshot()[0].checks[0].since == NOW - 500
    await after.memory.aclose()


async def test_slow__loop_goes_on_and_readers_are_not_kept(one: Process, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs: the thread inside SQLite can't be called back, so nothing is tried until it is."""
    monkeypatch.setattr(one.database, "_answer", 0.05)
    hang, began = asyncio.Event(), asyncio.Event()

    async def stuck(_: object) -> None:
        began.set()
        await hang.wait()

    with pytest.raises(StoreError, match=r"no answer within 0.05 s"):
        await one.database.write(stuck)
    assert began.is_set()
    with pytest.raises(StoreError, match="still no answer"):
        await one.database.read(stuck)
    go_down(one)
    await one.until(lambda: len(one.waits) == 1)
    assert not (await one.memory.find(Asked())).complete
    hang.set()
    monkeypatch.setattr(one.database, "_answer", 3.0)
    await one.until(lambda: not one.database._late)
    await comes_back(one)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MiB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = [require_program("mount", "mount"), "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        unavailable("only root may mount a small disk (Debian package mount)")
    yield place
    subprocess.run(["umount", "-l", place], check=True)


async def test_disk_full__says_so_and_goes_on(small_disk: Path) -> None:
    one = Process(f"sqlite+aiosqlite:///{small_disk}/emuwatch.db", [RDP], room=10_000)
    await one.start()
    one.apply(answered(RDP, NOW))
    await one.written()
    await asyncio.to_thread(_fill, small_disk / "ballast")
    go_down(one)
    for _ in range(200):
        one.memory.note(Kind.RELOAD, new="refused", message="x" * 2000)
    await one.until(lambda: len(one.waits) == 1)
    assert one.memory.status().problem == "the disk is full"
    assert one.memory.status().pending > 0
    (small_disk / "ballast").unlink(missing_ok=True)
    await comes_back(one)
    await one.memory.aclose()


def _fill(path: Path) -> None:
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while file.write(b"x" * 4096):
            pass


async def test_damaged_file__says_so_and_the_service_goes_on(tmp_path: Path) -> None:
    (tmp_path / "emuwatch.db").write_bytes(b"no database at all\n" * 500)
    one = Process(f"sqlite+aiosqlite:///{tmp_path}/emuwatch.db", [RDP])
    await one.start()
    assert one.memory.status().problem == "the file is no SQLite database"
    go_down(one)
    assert one.fleet.snapshot()[0].status is Status.DOWN
    await one.memory.aclose()


@pytest.fixture
def own_postgres(may_look_for_keys: None) -> Iterator[Postgres]:
    with a_postgres() as server:
        yield server


async def test_postgres__stopped_and_started__comes_back(own_postgres: Postgres) -> None:
    one = Process(await asyncio.to_thread(own_postgres.new_database), [RDP], room=10_000)
    await one.start()
    one.apply(answered(RDP, NOW))
    await one.written()
    await asyncio.to_thread(own_postgres.stop)
    go_down(one)
    await one.until(lambda: len(one.waits) == 1)
    problem = one.memory.status().problem
    assert problem
    assert own_postgres.password not in problem
    await asyncio.to_thread(own_postgres.start)
    await comes_back(one)
    await one.memory.aclose()


async def test_postgres__wrong_password__says_so_without_it(own_postgres: Postgres) -> None:
    url = await asyncio.to_thread(own_postgres.new_database)
    with pytest.raises(StoreError) as caught:
        await Database(url.replace(own_postgres.password, "hunter2")).open()
    assert str(caught.value) == "the server refused the login"
    assert "hunter2" not in repr(Database(url.replace(own_postgres.password, "hunter2")))
