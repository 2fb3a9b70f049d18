"""The store full, locked, and stopped, under the whole service: does anything crash, wait, or not come back?

Run it as ``python -m tests.bench.bench_store``; it takes some four minutes, needs root for the small disk and
PostgreSQL for the last row, and leaves out what it can't have. 100 healthy workstations on loopback with 3 checks each
at an interval of 5 s, and 10 that come and go, one every two seconds, so that there is always something to remember and
to tell. Printed is, before, during and after each trouble, the lateness of the healthy ones' checks, what the store
says of itself, and how many messages arrived; then how long after the trouble was over the store was written to again,
and whether what it holds is what is believed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
import uvloop

from monitor import log
from monitor.app import Service
from monitor.store.rows import load
from tests.bench.loopback import Crowd, Hook, Lateness, notifications, receiver, watching
from tests.postgres import a_postgres

INTERVAL: Final = 5.0
TIMEOUT: Final = 2.0
PASSWORD: Final = "EMUWATCH_BENCH_PASSWORD"
CALM: Final = 15.0
"""Seconds before and after a trouble."""


@dataclass
class Trouble:
    """Something that happens to the store, and ends."""

    name: str
    url: str
    begin: Callable[[], Awaitable[None]]
    end: Callable[[], Awaitable[None]]
    seconds: float


async def measure(trouble: Trouble) -> None:
    """Run the service through a trouble, and print how it fared."""
    crowd = Crowd(healthy=100, moody=10)
    await crowd.start()
    lateness = Lateness(crowd)
    with tempfile.TemporaryDirectory() as folder:
        async with receiver(0.0) as hook:
            more = {"store": {"url": trouble.url}, "data_dir": folder, "notifications": notifications(hook)}
            config = crowd.config(interval=INTERVAL, timeout=TIMEOUT, **more)
            async with watching(config, lateness) as service:
                moods = asyncio.create_task(crowd.moods(2.0))
                await asyncio.sleep(CALM)
                lateness.words()
                print(f"{trouble.name} for {trouble.seconds:g} s")
                await stretch("before", CALM, lateness, service, hook)
                await trouble.begin()
                await stretch("during", trouble.seconds, lateness, service, hook)
                await trouble.end()
                ended = time.monotonic()
                away = asyncio.create_task(until_back(service, ended))
                await stretch("after", CALM, lateness, service, hook)
                moods.cancel()
                await asyncio.gather(moods, return_exceptions=True)
                await service.scheduler.stop(TIMEOUT)  # from now on nothing new is learnt
                print(f"  written again {await away:.1f} s after the end; {await differences(service)}")
    crowd.close()


async def stretch(words: str, seconds: float, lateness: Lateness, service: Service, hook: Hook) -> None:
    """Let some time pass and print what it was like."""
    before = hook.taken
    await asyncio.sleep(seconds)
    store = service.memory.status()
    state = "up" if store.up else f"away ({store.problem}), {store.pending} events wait"
    dropped = f", {store.dropped} dropped" if store.dropped else ""
    print(f"  {words:6} {lateness.words()}; {hook.taken - before:3} messages; store {state}{dropped}")


async def until_back(service: Service, ended: float) -> float:
    """Wait until the store is up and holds all there is; how long that took since the trouble was over."""
    async with asyncio.timeout(120):
        while not (service.memory.status().up and not service.memory.status().pending):  # noqa: ASYNC110 - no event
            await asyncio.sleep(0.05)
    return time.monotonic() - ended


async def differences(service: Service) -> str:
    """Compare what the store holds with what is believed."""
    async with asyncio.timeout(30):
        await service.memory._idle.wait()
    past = await service.memory._database.read(load)
    kept = {(b.workstation, b.name): b.status for b in past.beliefs if b.kind == "check"}
    checks = [check for state in service.fleet.snapshot() for check in state.checks if check.since is not None]
    true = {(check.target.workstation.id, check.target.name): check.status for check in checks}
    wrong = sum(kept.get(name) is not status for name, status in true.items())
    return f"{wrong} of {len(true)} beliefs differ from what the store holds"


@asynccontextmanager
async def disk_full(seconds: float) -> AsyncIterator[Trouble]:
    """Fill a disk of 16 MiB."""
    with small_disk() as place:
        ballast = place / "ballast"

        def fill() -> None:
            with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
                while file.write(b"x" * 4096):
                    pass

        async def begin() -> None:
            await asyncio.to_thread(fill)

        async def end() -> None:
            ballast.unlink()

        yield Trouble("disk full", f"sqlite:///{place}/emuwatch.db", begin, end, seconds)


@contextlib.contextmanager
def small_disk() -> Iterator[Path]:
    """Mount one; only root may."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", folder], check=True)
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


@asynccontextmanager
async def locked(seconds: float) -> AsyncIterator[Trouble]:
    """Have another program hold SQLite's lock."""
    with tempfile.TemporaryDirectory() as folder:
        held: list[sqlite3.Connection] = []

        def lock() -> None:
            connection = sqlite3.connect(
                f"{folder}/emuwatch.db", isolation_level=None, check_same_thread=False, timeout=10
            )
            connection.execute("BEGIN EXCLUSIVE")
            held.append(connection)

        def unlock() -> None:
            held[0].execute("ROLLBACK")
            held[0].close()

        async def begin() -> None:
            await asyncio.to_thread(lock)

        async def end() -> None:
            await asyncio.to_thread(unlock)

        yield Trouble("database locked", f"sqlite:///{folder}/emuwatch.db", begin, end, seconds)


@asynccontextmanager
async def postgres_stopped(seconds: float) -> AsyncIterator[Trouble]:
    """Stop a PostgreSQL as a crash of its machine would, and start it again."""
    cluster = a_postgres()
    server = await asyncio.to_thread(cluster.__enter__)
    try:
        url = await asyncio.to_thread(server.new_database)

        async def begin() -> None:
            await asyncio.to_thread(server.stop)

        async def end() -> None:
            await asyncio.to_thread(server.start)

        os.environ[PASSWORD] = server.password  # the config takes it from nowhere else
        url = url.replace("+asyncpg", "").replace(server.password, f"${{{PASSWORD}}}")
        yield Trouble("PostgreSQL stopped", url, begin, end, seconds)
    finally:
        await asyncio.to_thread(cluster.__exit__, None, None, None)


async def run(seconds: float, lock: float) -> None:
    """Go through all of them."""
    if os.geteuid() == 0:
        async with disk_full(seconds) as trouble:
            await measure(trouble)
    else:
        print("disk full: left out, only root may mount a small disk")
    async with locked(lock) as trouble:
        await measure(trouble)
    try:
        async with postgres_stopped(seconds) as trouble:
            await measure(trouble)
    except pytest.skip.Exception as missing:
        print(f"PostgreSQL stopped: left out, {missing}")


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="each trouble lasts")
    parser.add_argument("--lock", type=float, default=60.0, help="seconds the database is locked")
    options = parser.parse_args()
    log.configure(style="console", level="critical")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run(options.seconds, options.lock))


if __name__ == "__main__":
    main()
