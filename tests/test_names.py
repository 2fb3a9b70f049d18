"""Names are looked up in bounded threads, and those that hang leave the others their share."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
import uvloop

from monitor.checks import http
from monitor.errors import LocalError
from monitor.model import Category, Key, Observation, Workstation
from monitor.names import KEPT, NOTICED, QUICK, BusyError, Names
from monitor.reach import Transports
from tests.fakes import FakeClock, a_target
from tests.hanging import HangingNames, hanging_names


@pytest.fixture
def system() -> Iterator[HangingNames]:
    with hanging_names() as system:
        yield system


@asynccontextmanager
async def serving(**options: Any) -> AsyncIterator[Names]:
    names = Names(**options)
    names.serve(asyncio.get_running_loop())
    try:
        yield names
    finally:
        names.leave()


async def look_up(host: str) -> str:
    infos = await asyncio.get_running_loop().getaddrinfo(host, 80, type=socket.SOCK_STREAM)
    return str(infos[0][4][0])


async def eventually(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110 - threads, not tasks
            await asyncio.sleep(0.005)


async def test_loop__served__looks_names_up_in_threads_that_do_not_outlive_us(system: HangingNames) -> None:
    async with serving():
        assert await look_up("ws-01.example") == "127.0.0.1"
        asking = asyncio.create_task(look_up("hangs.example"))
        await eventually(lambda: bool(system.hanging))
        (thread,) = (thread for thread in threading.enumerate() if thread.name == "look up hangs.example")
        assert thread.daemon
        system.let_go()
        assert await asking == "127.0.0.1"
    assert "getaddrinfo" not in vars(asyncio.get_running_loop())


async def test_address__needs_no_look_up(system: HangingNames) -> None:
    async with serving():
        loop = asyncio.get_running_loop()
        assert await loop.getaddrinfo("::1", 80, type=socket.SOCK_STREAM) == socket.getaddrinfo(
            "::1", 80, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
        assert (await look_up("10.1.2.3"), system.asked) == ("10.1.2.3", [])


async def test_answer__is_that_of_the_system_with_the_port_asked_for() -> None:
    async with serving():
        loop = asyncio.get_running_loop()
        for port in (None, 80, "80", b"80"):
            found = await loop.getaddrinfo("localhost", port, type=socket.SOCK_STREAM)
            assert found == await asyncio.to_thread(socket.getaddrinfo, "localhost", port, 0, socket.SOCK_STREAM)
        found = await loop.getaddrinfo(b"localhost", 80, type=socket.SOCK_STREAM)
        assert found[0][4][1] == 80


async def test_name_nobody_knows__raises_what_the_system_says(system: HangingNames) -> None:
    async with serving():
        with pytest.raises(socket.gaierror, match="no such name"):
            await look_up("nobody.example")
        with pytest.raises(UnicodeError):
            await look_up("x" * 64)


async def test_name__asked_for_by_many_at_once__is_looked_up_once(system: HangingNames) -> None:
    async with serving():
        asking = [asyncio.create_task(look_up("hangs.example")) for _ in range(5)]
        await eventually(lambda: bool(system.hanging))
        system.let_go()
        assert (await asyncio.gather(*asking), system.asked) == (["127.0.0.1"] * 5, ["hangs.example"])


async def test_name__asked_for_in_two_ways__takes_one_thread_at_a_time(system: HangingNames) -> None:
    async with serving():
        loop = asyncio.get_running_loop()
        kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        asking = [asyncio.create_task(loop.getaddrinfo("hangs.example", 80, type=kind)) for kind in kinds]
        await eventually(lambda: bool(system.hanging))
        await asyncio.sleep(0)
        assert system.hanging == ["hangs.example"]
        system.let_go()
        found = await asyncio.gather(*asking)
        assert [infos[0][1] for infos in found] == list(kinds)


async def test_names_that_hang__hold_half_of_the_threads__and_a_name_that_did_not_finds_another(
    system: HangingNames,
) -> None:
    async with serving(threads=4, patience=0.05) as names:
        await look_up("good.example")
        hung = [asyncio.create_task(look_up(f"hangs-{n}.example")) for n in range(9)]
        await eventually(lambda: len(system.hanging) == 2)
        assert await look_up("good.example") == "127.0.0.1"
        with pytest.raises(BusyError, match=r"cannot look hangs-8\.example up: every thread for it is taken"):
            await hung[8]
        assert len(system.hanging) == 2
        assert names.kept_waiting("good.example", 0.0) is False
        system.let_go()
        ends = await asyncio.gather(*hung, return_exceptions=True)
        assert ends == ["127.0.0.1"] * 2 + [*ends[2:]]


async def test_name__that_hung_after_it_was_quick__is_trusted_no_more(system: HangingNames) -> None:
    clock = FakeClock()
    async with serving(threads=2, clock=clock):
        asking = asyncio.create_task(look_up("hangs.example"))
        await eventually(lambda: bool(system.hanging))
        clock.pass_(QUICK + 0.1)
        other = asyncio.create_task(look_up("new.example"))
        await asyncio.sleep(0.01)
        assert "new.example" not in system.asked, "half of two threads is one, and it hangs"
        system.let_go()
        await asyncio.gather(asking, other)


async def test_wait_for_a_thread__is_known_of_the_name_that_waited__while_it_waits_and_after(
    system: HangingNames,
) -> None:
    clock = FakeClock()
    async with serving(threads=2, clock=clock) as names:
        began = clock()
        hung = asyncio.create_task(look_up("hangs.example"))
        waiting = asyncio.create_task(look_up("new.example"))
        await eventually(lambda: bool(system.hanging))
        assert not names.kept_waiting("new.example", began)
        clock.pass_(NOTICED + 0.1)
        assert names.kept_waiting("new.example", began)
        assert not names.kept_waiting("hangs.example", began), "it has its thread; that it hangs is its own fault"
        system.let_go()
        await asyncio.gather(hung, waiting)
        assert names.kept_waiting("new.example", began)
        clock.pass_(1.0)
        assert not names.kept_waiting("new.example", clock())


@pytest.mark.parametrize(("later", "asked"), [(KEPT - 1, 1), (KEPT + 1, 2)])
async def test_answer__too_late_for_whoever_asked__is_kept_a_while_for_the_next(
    system: HangingNames, later: float, asked: int
) -> None:
    clock = FakeClock()
    async with serving(clock=clock) as names:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.05):
                await look_up("hangs.example")
        system.let_go()
        await eventually(lambda: not names._asked)
        clock.pass_(later)
        assert await look_up("hangs.example") == "127.0.0.1"
        assert system.asked.count("hangs.example") == asked
        await look_up("hangs.example")
        assert system.asked.count("hangs.example") == asked + 1, "it is kept for one only"


async def test_thread__that_can_not_be_started__is_our_own_trouble(monkeypatch: pytest.MonkeyPatch) -> None:
    def none_left(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    async with serving():
        monkeypatch.setattr(threading.Thread, "start", none_left)
        with pytest.raises(BusyError, match="can't start new thread"):
            await look_up("ws-01.example")


async def test_records__of_more_names_than_are_remembered__are_dropped(
    system: HangingNames, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitor.names.REMEMBERED", 3)
    async with serving() as names:
        for number in range(5):
            await look_up(f"ws-{number}.example")
        assert list(names._records) == ["ws-2.example", "ws-3.example", "ws-4.example"]


def test_loop__ended_while_a_name_hangs__does_not_wait_for_it(system: HangingNames) -> None:
    async def give_up() -> None:
        async with serving():
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await look_up("hangs.example")

    began = time.monotonic()
    asyncio.run(give_up())
    assert (time.monotonic() - began < 5, system.hanging) == (True, ["hangs.example"])
    system.let_go()


@pytest.mark.parametrize("factory", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def test_http_check__by_a_name__finds_it_on_either_loop_and_waits_for_no_thread_at_the_hosts_expense(
    system: HangingNames, factory: Callable[[], asyncio.AbstractEventLoop]
) -> None:
    async def ask(transports: Transports, host: str, port: int) -> Observation:
        params = http.Params(url=f"http://{{host}}:{port}/")
        path = (Key(Category.NETWORK, "ws-01", f"http:{port}"),)
        target = replace(a_target("http", *path), workstation=Workstation(id="ws-01", host=host), params=params)
        return await http.probe(target, params, transports.reach(target))

    async def body() -> None:
        transports = Transports(kinds={}, credentials={})
        async with serving(threads=2, patience=0.05), asyncio.timeout(10):
            server = await asyncio.start_server(_greet, "127.0.0.1", 0)
            port = server.sockets[0].getsockname()[1]
            assert (await ask(transports, "fine.example", port)).message == "HTTP 204"
            hung = asyncio.create_task(look_up("hangs.example"))
            await eventually(lambda: bool(system.hanging))
            assert (await ask(transports, "fine.example", port)).message == "HTTP 204"
            with pytest.raises(LocalError, match=r"cannot look new\.example up"):
                await ask(transports, "new.example", port)
            system.let_go()
            await hung
            server.close()
        await transports.aclose()

    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(body())
    assert system.asked.count("fine.example") == 2


async def _greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
    writer.close()
