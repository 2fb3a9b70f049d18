"""Being told to end, and to reload, on loops that know signals and on those that don't."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest

from monitor.signals import listen

ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ALL}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


async def heard(number: signal.Signals, event: asyncio.Event) -> bool:
    os.kill(os.getpid(), number)
    async with asyncio.timeout(5):
        return await event.wait()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal__that_ends__is_heard(number: signal.Signals) -> None:
    ended = asyncio.Event()
    listen(ended.set)
    assert await heard(number, ended)


async def test_hangup__reloads() -> None:
    ended, reloaded = asyncio.Event(), asyncio.Event()
    listen(ended.set, reloaded.set)
    assert await heard(signal.SIGHUP, reloaded)
    assert not ended.is_set()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_loop_that_knows_no_signals__as_on_windows__is_told_all_the_same(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object) -> None:
        raise NotImplementedError

    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", unknown)
    ended = asyncio.Event()
    listen(ended.set, ended.clear)
    assert await heard(number, ended)
