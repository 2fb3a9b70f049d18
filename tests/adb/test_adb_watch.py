"""One connection on which a server tells its devices by itself: shared, renewed, and closed whatever happens."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import pytest

from monitor.adb import Told
from monitor.adb.watch import DeviceWatch, WatchedServer
from monitor.errors import ProbeError
from monitor.model import Category, Reason
from monitor.simulator.adb import AdbHost
from monitor.simulator.android import Android
from monitor.simulator.wire import Wire
from monitor.stream import Stream, open_tcp
from tests.adbs import SOON, a_host

TRACK = "host:track-devices-l"


class Bench:
    """A simulated server, and whoever is told of its devices."""

    def __init__(self, host: AdbHost, guests: dict[int, Android], wire: Wire) -> None:
        self.host = host
        self.guests = guests
        self.wire = wire
        self.watch = DeviceWatch()
        self.opened: list[Stream] = []

    def server(self) -> WatchedServer:
        """The way of one run."""

        async def open_() -> Stream:
            self.opened.append(stream := await open_tcp("127.0.0.1", self.wire.port))
            return stream

        return WatchedServer(open_, where="x", layer=Category.EXTERNAL, mark=lambda _: None, watch=self.watch)

    async def told(self) -> Told:
        async with asyncio.timeout(SOON):
            return await self.server().told()

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(SOON):
            while not true():  # noqa: ASYNC110 - what is waited for has no event of its own
                await asyncio.sleep(0.001)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    guests = {5555: Android(), 5557: Android()}
    async with a_host(guests) as (host, wire):
        bench = Bench(host, guests, wire)
        yield bench
        await bench.watch.aclose()
        await bench.until(lambda: not wire.connections)
    assert "adb devices" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_told__a_second_time__asks_nothing(bench: Bench) -> None:
    first = await bench.told()
    assert first.version == 41
    assert first.devices.count(b"\n") == 2
    assert await bench.told() == first
    assert bench.host.requests == ["host:version", TRACK]


async def test_told__after_a_change__is_the_new_list(bench: Bench) -> None:
    await bench.told()
    del bench.guests[5557]
    bench.host.changed()
    await bench.until(lambda: bench.watch._told is not None and bench.watch._told.devices.count(b"\n") == 1)
    assert (await bench.told()).devices.startswith(b"emulator-5554")
    assert bench.host.requests == ["host:version", TRACK]


async def test_told__after_the_connection_broke__asks_anew(bench: Bench) -> None:
    await bench.told()
    bench.wire.drop()
    await bench.until(lambda: bench.watch._told is None)
    await bench.told()
    assert bench.host.requests.count(TRACK) == 2


async def test_told__after_a_while__asks_anew_over_another_connection(bench: Bench) -> None:
    bench.watch = DeviceWatch(renew=0.001)
    await bench.told()
    await bench.until(lambda: bench.watch._told is None and not bench.wire.connections)
    await bench.told()
    assert bench.host.requests.count(TRACK) == 2


async def test_told__by_many_at_once__keeps_one_connection(bench: Bench) -> None:
    lists = await asyncio.gather(*(bench.told() for _ in range(5)))
    assert len(set(lists)) == 1
    await bench.until(lambda: bench.wire.connections == 1)


async def test_told__by_a_server_too_old_for_it__is_asked_for_each_time(bench: Bench) -> None:
    plain = bench.host.serve

    async def old(sock: object) -> None:
        bench.host._track = nobody  # type: ignore[method-assign]  # as if it had never heard of it
        await plain(sock)  # type: ignore[arg-type]  # a socket

    async def nobody(service: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"FAIL0014unknown host service")

    bench.wire._service = old
    first = await bench.told()
    assert await bench.told() == first
    assert (first.version, first.devices.count(b"\n")) == (41, 2)
    asked = ["host:version", TRACK, "host:devices-l", "host:version", "host:devices-l"]
    assert bench.host.requests == asked
    assert not bench.watch._following


@pytest.mark.parametrize("fault", ["refuse", "reset", "garbage"])
async def test_told__by_a_server_that_fails__is_its_failure_and_keeps_nothing(bench: Bench, fault: str) -> None:
    getattr(bench.wire, fault)()
    with pytest.raises(ProbeError) as caught:
        await bench.told()
    assert caught.value.category is Category.EXTERNAL
    bench.wire.restore()
    assert (await bench.told()).version == 41
    assert bench.host.requests.count(TRACK) == 1


async def test_shell__of_a_guest_that_is_not_there__proves_the_list_wrong(bench: Bench) -> None:
    await bench.told()
    with pytest.raises(ProbeError) as caught:
        await bench.server().shell("emulator-5584", "echo x")
    assert caught.value.reason is Reason.OFFLINE
    await bench.told()
    assert bench.host.requests.count(TRACK) == 2


async def test_shell__of_a_guest_that_fails__leaves_the_list_alone(bench: Bench) -> None:
    await bench.told()
    bench.guests[5555].state = "unauthorized"
    with pytest.raises(ProbeError):
        await bench.server().shell("emulator-5554", "echo x")
    await bench.told()
    assert bench.host.requests.count(TRACK) == 1


async def test_forget__at_once__closes_what_was_never_followed(bench: Bench) -> None:
    await bench.told()
    bench.watch.forget()
    await bench.until(lambda: not bench.wire.connections)


async def test_aclose__and_after_it__holds_no_connection(bench: Bench) -> None:
    await bench.told()
    await bench.watch.aclose()
    assert (await bench.told()).version == 41
    await bench.until(lambda: not bench.wire.connections)


@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_told__cancelled_anywhere__holds_one_connection_at_most(bench: Bench, turns: int) -> None:
    asking = asyncio.ensure_future(bench.told())
    for _ in range(turns):
        await asyncio.sleep(0)
    asking.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await asking
    await bench.until(lambda: bench.wire.connections <= (bench.watch._told is not None))
    await bench.watch.aclose()
    assert all(stream._writer.transport.is_closing() for stream in bench.opened)  # type: ignore[attr-defined]  # TCP
