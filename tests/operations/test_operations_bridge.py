"""Blocking callers: one thread, ended when it is not needed, and no call that can't be interrupted."""

from __future__ import annotations

import asyncio
import gc
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from blockbuster import BlockBuster

from monitor.breaker.permit import Breaker
from monitor.errors import LocalError
from monitor.model import Category, Severity
from monitor.operations import Workstation
from monitor.operations.bridge import Bridge
from tests.operations.host import KEYS, Host

SOON = 5.0


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("emuwatch")]


def until(condition: Callable[[], object]) -> None:
    limit = time.monotonic() + SOON
    while not condition():
        assert time.monotonic() < limit
        time.sleep(0.005)


@pytest.fixture(autouse=True)
def _none_is_left() -> Iterator[None]:
    assert threads() == []
    yield
    gc.collect()
    until(lambda: threads() == [])


def test_operations__many__share_one_thread_that_ends_with_the_block(host: Host) -> None:
    with host.workstation() as ws:
        assert threads() == []
        ws.connect()
        ws.start_emulator(1)
        ws.get_emulators_list()
        assert threads() == ["emuwatch ws-01"]
    assert threads() == []


def test_disconnect__then_another_operation__begins_anew(host: Host) -> None:
    ws = host.workstation()
    for _ in range(3):
        ws.connect()
        ws.disconnect()
        assert threads() == []
    ws.disconnect()


def test_workstation__dropped_without_disconnect__takes_its_thread_along(host: Host) -> None:
    host.workstation().connect()
    gc.collect()

    until(lambda: threads() == [])


def test_threads__several__are_served_at_the_same_time(host: Host) -> None:
    with host.workstation() as ws, ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: ws.get_emulators_list(), range(40)))

        assert threads() == ["emuwatch ws-01"]
    assert len(done) == 40


async def test_inside_a_running_loop__operation__blocks_it_and_works(host: Host, blockbuster: BlockBuster) -> None:
    blockbuster.deactivate()  # blocking is the point

    with host.workstation() as ws:
        assert len(ws.get_emulators_list()) == 2


def test_own_thread__blocking_call__is_refused_instead_of_waiting_for_itself() -> None:
    bridge = Bridge("emuwatch test")

    async def nested() -> None:
        bridge.run(nested)

    with pytest.raises(RuntimeError, match="own thread"):
        bridge.run(nested)
    bridge.close()


def test_work__fails__its_own_exception_is_raised() -> None:
    bridge = Bridge("emuwatch test")

    async def fails() -> None:
        raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        bridge.run(fails)
    bridge.close()


def hang(host: Host) -> None:
    host.hanging = asyncio.Event()


def meanwhile(act: Callable[[], object], host: Host) -> threading.Thread:
    """Act on another thread as soon as the host was asked something."""

    def wait() -> None:
        until(lambda: host.asked)
        act()

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def interrupt() -> None:
    signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)


def interrupted_start(host: Host, ws: Workstation) -> None:
    hang(host)
    other = meanwhile(interrupt, host)
    with pytest.raises(KeyboardInterrupt):
        ws.start_emulator(1)
    other.join()
    host.hanging = None


def test_interrupt__operation_under_way__is_cancelled_and_counts_nothing(host: Host) -> None:
    with host.workstation() as ws:
        interrupted_start(host, ws)

        assert (host.given_up, host.failures()) == (1, {})
        assert ws.get_emulators_list()


def test_interrupt__of_a_trial__leaves_the_trial_to_the_next_caller(host: Host) -> None:
    half_open(host, Category.EMULATOR)

    with host.workstation() as ws:
        interrupted_start(host, ws)

        assert ws.start_emulator(1).changed


def test_disconnect__operation_under_way_on_another_thread__says_so(host: Host) -> None:
    hang(host)
    ws = host.workstation()
    other = meanwhile(ws.disconnect, host)

    with pytest.raises(LocalError, match="disconnected while"):
        ws.start_emulator(1)
    other.join()

    assert host.failures() == {}


def half_open(host: Host, category: Category) -> Breaker:
    """Let a breaker admit one trial."""
    breaker = host.breakers.get(KEYS[category])
    for _ in range(3):
        breaker.acquire().failure(Severity.HIGH)
    host.clock.pass_(60)
    return breaker


def test_trial_held_by_the_caller__operation__goes_along_on_it(host: Host) -> None:
    with host.workstation() as ws, half_open(host, Category.EXTERNAL):
        assert ws.get_emulators_list()
        assert ws.start_emulator(1).changed
