from __future__ import annotations

import asyncio
import contextlib
import io
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest
from rich.console import Console

from monitor.app import Service
from monitor.breaker.machine import State
from monitor.config import load_text
from monitor.demo import Lines, Screen
from monitor.model import Status
from monitor.simulator.farm import Farm
from monitor.simulator.story import ACTS, Caption, Story
from tests.servers import free_port

SPEED = 8.0
"""How much faster than the real demonstration the tests play it."""


@pytest.fixture
async def farm() -> AsyncIterator[Farm]:
    async with Farm() as farm:
        yield farm


@pytest.fixture
async def service(farm: Farm) -> AsyncIterator[Service]:
    text = farm.config_yaml(interval=5 / SPEED, open_time=20 / SPEED)
    service = await asyncio.to_thread(lambda: Service(load_text(text)))  # looks for the checks there are, in files
    await service.start()
    yield service
    await service.stop()


async def until(condition: Callable[[], bool], seconds: float) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - beliefs change without telling a test
            await asyncio.sleep(0.02)


def status(service: Service, workstation: str) -> Status:
    return next(state.status for state in service.fleet.snapshot() if state.workstation.id == workstation)


def well(service: Service) -> bool:
    states = service.fleet.snapshot()
    return all(state.status is Status.UP and len(state.emulators) == 6 for state in states)


def trips(service: Service) -> set[str]:
    return {breaker.key.workstation for breaker in service.breakers.items() if breaker.trips}


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


async def test_demo__farm_without_faults__is_all_up(service: Service) -> None:
    await until(lambda: well(service), 20)

    assert trips(service) == set()


async def test_demo__power_cut__trips_and_recovers_and_harms_nobody_else(farm: Farm, service: Service) -> None:
    console = Console(file=io.StringIO(), width=160)
    show = Lines(service, console)
    await until(lambda: well(service), 20)
    show.look()
    began = time.monotonic()
    story = Story(farm, acts=ACTS[:1], tell=show.tell, sleep=lambda seconds: asyncio.sleep(seconds / SPEED))
    playing = asyncio.ensure_future(story.run(times=1))

    await until(lambda: bool(trips(service)), 45 / SPEED)
    await until(lambda: status(service, "ws-03") is Status.DOWN, 10)
    show.look()
    await until(lambda: all(breaker.state is State.CLOSED for breaker in service.breakers.items()), 180 / SPEED)
    assert time.monotonic() - began < 180 / SPEED
    await until(lambda: status(service, "ws-03") is Status.UP, 20)
    show.look()
    playing.cancel()

    assert trips(service) == {"ws-03"}
    text = printed(console)
    assert "* ws-03 falls silent (power cut)" in text
    assert "ws-03 down: " in text
    assert re.search(r"ws-03 breaker ssh:\d+ tripped, next trial in \d+ s", text)
    assert re.search(r"ws-03 breaker ssh:\d+ recovered\n", text)
    assert "ws-03 up\n" in text
    assert "ws-01" not in text
    assert "ws-03 ldplayer" not in text  # what could not be asked is not told


async def test_demo__console_lies__emulator_is_degraded_not_down(farm: Farm, service: Service) -> None:
    console = Console(file=io.StringIO(), width=160)
    show = Lines(service, console)
    await until(lambda: well(service), 20)
    show.look()

    def lied_of() -> Status:
        state = next(state for state in service.fleet.snapshot() if state.workstation.id == "ws-02")
        return next(emulator.status for emulator in state.emulators if emulator.id == "ldplayer:1")

    farm["ws-02"].lie(1)
    await until(lambda: lied_of() is not Status.UP, 20)
    assert lied_of() is Status.DEGRADED
    show.look()
    farm["ws-02"].lie(1, lying=False)
    await until(lambda: lied_of() is Status.UP, 20)
    show.look()

    assert trips(service) == set()
    text = printed(console)
    assert "ws-02 ldplayer:1 running: witnesses disagree" in text
    assert text.splitlines()[-1].endswith("ws-02 ldplayer:1 running")


async def test_demo__disk_fills__workstation_says_so_until_there_is_room(farm: Farm, service: Service) -> None:
    await until(lambda: well(service), 20)
    act = next(act for act in ACTS if act.name == "full disk")
    with act.fault(farm):
        await until(lambda: status(service, "ws-01") is Status.DEGRADED, 20)
        state = next(state for state in service.fleet.snapshot() if state.workstation.id == "ws-01")
        assert state.message == "host: C: 3.0 GiB of 238 GiB free, limit 10GiB"
    await until(lambda: status(service, "ws-01") is Status.UP, 20)

    assert trips(service) == set()


async def test_screen__all_well__names_every_workstation_and_where_the_page_is(service: Service) -> None:
    console = Console(file=io.StringIO(), width=120)
    screen = Screen(service, console)
    await until(lambda: well(service), 20)
    console.print(screen.draw())

    text = printed(console)
    assert all(f"ws-{number:02}" in text for number in range(1, 9))
    assert service.url in text
    assert "4 of 6 run" in text
    assert "0 trips so far" in text


async def test_screen__much_going_on__fits_a_small_terminal(farm: Farm, service: Service) -> None:
    console = Console(file=io.StringIO(), width=80)
    screen = Screen(service, console)
    await until(lambda: well(service), 20)
    for name in ("ws-03", "ws-05"):
        farm[name].power_off()
    await until(lambda: sum(breaker.trips for breaker in service.breakers.items()) > 5, 20)
    for minute in range(1, 9):
        screen.tell(Caption(60 * minute, f"event {minute}"))
    console.print(screen.draw())

    text = printed(console)
    assert "network/ws-03/" in text
    assert "more" in text
    assert [line.strip() for line in text.splitlines()[-4:]] == [
        f"{minute:02}:00 event {minute}" for minute in (5, 6, 7, 8)
    ]
    assert len(text.splitlines()) < 24


@contextlib.asynccontextmanager
async def demo(port: int, folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    pipe = asyncio.subprocess.PIPE
    argv = (sys.executable, "-X", "dev", "-m", "monitor", "demo", "--port", str(port))
    environ = {**os.environ, "TMPDIR": str(folder), "PYTHONUNBUFFERED": "1"}
    process = await asyncio.create_subprocess_exec(
        *argv, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe, env=environ
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
            await process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_demo__ended_by_a_signal__leaves_nothing(number: signal.Signals, tmp_path: Path) -> None:
    port = free_port()
    async with demo(port, tmp_path) as process:
        assert process.stdout is not None
        async with asyncio.timeout(30):
            first = await process.stdout.readline()
            assert f"http://127.0.0.1:{port}/" in first.decode(), await process.communicate()
        async with aiohttp.ClientSession() as session, session.get(f"http://127.0.0.1:{port}/metrics") as answer:
            assert "emuwatch_breaker_state" in await answer.text()
        rest = asyncio.ensure_future(process.communicate())  # read meanwhile, so that no full pipe holds it up
        began = time.monotonic()
        process.send_signal(number)
        async with asyncio.timeout(30):
            await process.wait()
            took = time.monotonic() - began
            _, stderr = await rest
        assert took < 2.0

    assert process.returncode == 0
    assert stderr.decode() == ""
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_demo__port_taken__says_so_and_exits_2(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        async with demo(taken.getsockname()[1], tmp_path) as process, asyncio.timeout(30):
            _, stderr = await process.communicate()

    assert process.returncode == 2
    assert "--port" in stderr.decode()
    assert "Traceback" not in stderr.decode()
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []
