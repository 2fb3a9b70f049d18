from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
from collections.abc import AsyncIterator

import pytest

from monitor.simulator.wire import GARBAGE, HOST, Fault, Wire

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SOON = 5.0
HANGS = 0.3


async def echo(sock: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    try:
        while data := await loop.sock_recv(sock, 1000):
            await loop.sock_sendall(sock, b"echo " + data)
    finally:
        sock.close()


@pytest.fixture
async def wire() -> AsyncIterator[Wire]:
    wire = Wire(echo)
    wire.start()
    yield wire
    await wire.aclose()


@contextlib.asynccontextmanager
async def talking(wire: Wire) -> AsyncIterator[Streams]:
    async with asyncio.timeout(SOON):
        reader, writer = await asyncio.open_connection(HOST, wire.port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def says(streams: Streams, words: bytes = b"hello") -> bytes:
    reader, writer = streams
    writer.write(words)
    async with asyncio.timeout(SOON):
        return await reader.read(1000)


async def connect_hangs(wire: Wire) -> bool:
    try:
        async with asyncio.timeout(HANGS), talking(wire):
            return False
    except TimeoutError:
        return True


async def test_wire__without_fault__carries_both_ways(wire: Wire) -> None:
    async with talking(wire) as streams:
        assert await says(streams) == b"echo hello"
        assert await says(streams, b"again") == b"echo again"


async def test_wire__client_says_all_and_half_closes__still_gets_the_answer(wire: Wire) -> None:
    async with talking(wire) as (reader, writer):
        writer.write(b"x" * 10)
        writer.write_eof()
        async with asyncio.timeout(SOON):
            assert await reader.read() == b"echo " + b"x" * 10


async def test_wire__client_gone__forgets_the_connection(wire: Wire) -> None:
    async with talking(wire) as streams:
        await says(streams)
        assert wire.connections == 1
    async with asyncio.timeout(SOON):
        while wire.connections:  # noqa: ASYNC110 - a wire tells nobody; this is the only way to see it
            await asyncio.sleep(0.01)


async def test_silent__new_connections__hang(wire: Wire) -> None:
    wire.silent()

    assert await connect_hangs(wire)
    assert await connect_hangs(wire)


async def test_silent__open_connection__stalls_and_goes_on_when_restored(wire: Wire) -> None:
    async with talking(wire) as streams:
        await says(streams)
        wire.silent()
        streams[1].write(b"anybody?")
        answer = asyncio.ensure_future(streams[0].read(1000))
        done, _ = await asyncio.wait((answer,), timeout=HANGS)
        assert not done
        wire.restore()
        async with asyncio.timeout(SOON):
            assert await answer == b"echo anybody?"


async def test_silent__several_times__hangs_each_time(wire: Wire) -> None:
    for _ in range(3):
        wire.silent()
        assert await connect_hangs(wire)
        wire.restore()
        async with talking(wire) as streams:
            assert await says(streams) == b"echo hello"


async def test_silent__restored__service_never_meets_what_filled_the_backlog() -> None:
    met: list[socket.socket] = []

    async def meets(sock: socket.socket) -> None:
        met.append(sock)
        await echo(sock)

    wire = Wire(meets)
    wire.start()
    wire.silent()
    wire.restore()
    async with talking(wire) as streams:
        await says(streams)
    await wire.aclose()

    assert len(met) == 1


async def test_silent__after_refuse__hangs(wire: Wire) -> None:
    wire.refuse()
    wire.silent()

    assert await connect_hangs(wire)


async def test_silent__hung_client_with_patience__gets_through_after_restore(wire: Wire) -> None:
    wire.silent()
    connecting = asyncio.ensure_future(asyncio.open_connection(HOST, wire.port))
    done, _ = await asyncio.wait((connecting,), timeout=HANGS)
    assert not done
    wire.restore()
    async with asyncio.timeout(SOON):
        _, writer = await connecting
    writer.close()
    await writer.wait_closed()


async def test_refuse__new_connection__is_refused_at_once(wire: Wire) -> None:
    wire.refuse()

    with pytest.raises(ConnectionRefusedError):
        async with talking(wire):
            pass


async def test_refuse__open_connection__is_reset(wire: Wire) -> None:
    async with talking(wire) as streams:
        await says(streams)
        wire.refuse()
        with pytest.raises(ConnectionResetError):
            await says(streams)


async def test_refuse__port__can_not_be_taken_by_another(wire: Wire) -> None:
    wire.refuse()

    with socket.socket() as thief, pytest.raises(OSError, match="in use") as caught:
        thief.bind((HOST, wire.port))
    assert caught.value.errno == errno.EADDRINUSE


async def test_reset__new_connection__is_accepted_and_reset(wire: Wire) -> None:
    wire.reset()

    with pytest.raises(ConnectionResetError):
        async with talking(wire) as streams:
            await says(streams)


async def test_reset__open_connection__is_reset(wire: Wire) -> None:
    async with talking(wire) as streams:
        await says(streams)
        wire.reset()
        with pytest.raises(ConnectionResetError):
            await says(streams)


async def test_garbage__new_connection__answers_garbage_and_hangs_up(wire: Wire) -> None:
    wire.garbage()

    async with talking(wire) as streams:
        streams[1].write(b"hello")
        async with asyncio.timeout(SOON):
            assert await streams[0].read() == GARBAGE


async def test_garbage__open_connection__gets_it_unasked(wire: Wire) -> None:
    async with talking(wire) as streams:
        await says(streams)
        wire.garbage()
        async with asyncio.timeout(SOON):
            assert await streams[0].read() == GARBAGE


async def test_slow__each_answer__waits() -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    wire = Wire(echo, sleep=sleep)
    wire.start()
    async with talking(wire) as streams:
        await says(streams)
        wire.slow(0.7)
        await says(streams)
        await says(streams)
        wire.restore()
        await says(streams)
    await wire.aclose()

    assert waits == [0.7, 0.7]


@pytest.mark.parametrize("fault", [Wire.silent, Wire.refuse, Wire.reset, Wire.garbage])
async def test_restore__after_any_fault__works_on_the_same_port(wire: Wire, fault: object) -> None:
    assert callable(fault)
    port = wire.port
    async with talking(wire) as streams:
        await says(streams)
        fault(wire)
        wire.restore()
    async with talking(wire) as streams:
        assert await says(streams) == b"echo hello"
    assert wire.port == port
    assert wire.fault is Fault.NONE


async def test_drop__stalled_connection__is_reset(wire: Wire) -> None:
    async with talking(wire) as streams:
        await says(streams)
        wire.silent()
        wire.drop()
        wire.restore()
        with pytest.raises(ConnectionResetError):
            await says(streams)


async def test_aclose__with_stalled_and_full_peers__is_quick_and_leaves_nothing() -> None:
    before = asyncio.all_tasks()
    wire = Wire(echo)
    wire.start()
    async with contextlib.AsyncExitStack() as stack:
        peers = [await stack.enter_async_context(talking(wire)) for _ in range(5)]
        await asyncio.gather(*(says(peer) for peer in peers))
        wire.silent()
        for _, writer in peers:
            writer.write(b"x" * 4_000_000)
        async with asyncio.timeout(10):
            await wire.aclose()
        assert wire.connections == 0
        assert asyncio.all_tasks() == before
        with pytest.raises(ConnectionRefusedError):
            async with talking(wire):
                pass


async def test_aclose__twice_and_mended_later__stays_closed(wire: Wire) -> None:
    await wire.aclose()
    await wire.aclose()
    wire.restore()

    with pytest.raises(ConnectionRefusedError):
        async with talking(wire):
            pass


async def test_service__that_fails__is_told_to_the_loop() -> None:
    told: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.set_result(context["exception"]))

    async def defective(sock: socket.socket) -> None:
        sock.close()
        message = "defect"
        raise ValueError(message)

    wire = Wire(defective)
    wire.start()
    async with talking(wire), asyncio.timeout(SOON):
        assert isinstance(await told, ValueError)
    await wire.aclose()
    asyncio.get_running_loop().set_exception_handler(None)
