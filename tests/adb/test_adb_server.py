"""Our client of the adb server: against Debian's server, simulated guests behind it, and servers that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from monitor.adb import Shell
from monitor.adb.server import AdbServer
from monitor.emulators.adb import parse_connect, parse_devices
from monitor.errors import ProbeError
from monitor.model import Category, Reason
from monitor.simulator.android import Android
from monitor.stream import open_tcp
from tests.adbs import SOON, a_client, a_guest, a_host, a_real_server
from tests.servers import free_port


@contextlib.asynccontextmanager
async def saying(*answers: bytes, hold: bool = False) -> AsyncIterator[int]:
    """A server that answers whatever is asked with given bytes and hangs up, or does not."""
    ended = asyncio.Event()
    serving = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        serving.add(asyncio.current_task())
        for answer in answers:
            await reader.read(65536)
            writer.write(answer)
        if hold:
            await ended.wait()
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield int(server.sockets[0].getsockname()[1])
        ended.set()
        await asyncio.gather(*filter(None, serving))


async def failing(asking: Awaitable[object]) -> ProbeError:
    with pytest.raises(ProbeError) as caught:
        async with asyncio.timeout(SOON):
            await asking
    return caught.value


async def test_debian_server__without_devices__answers_each_question(tmp_path: Path) -> None:
    async with a_real_server(tmp_path) as port:
        client = a_client(port)
        assert await client.version() == 41
        assert parse_devices(await client.devices()).devices == ()
        words = await client.connect(f"127.0.0.1:{free_port()}")
        assert parse_connect(words).reason is Reason.REFUSED
        for asking in (client.state("nobody"), client.features("nobody"), client.exec_out("nobody", "true")):
            error = await failing(asking)
            assert (error.category, error.reason) == (Category.EMULATOR, Reason.OFFLINE)


async def test_debian_server__tracked__tells_each_change(tmp_path: Path) -> None:
    async with a_real_server(tmp_path) as port, a_guest(Android()) as daemon:
        client = a_client(port)
        serial = f"127.0.0.1:{daemon.port}"
        seen: list[list[tuple[str, str]]] = []
        tracking = await client.track()
        async with asyncio.timeout(SOON):
            while not seen or seen[-1] != [(serial, "device")]:
                devices = parse_devices(await tracking.listed()).devices
                seen.append([(device.serial, device.state) for device in devices])
                if seen == [[]]:
                    await client.connect(serial)
        tracking.close()
    assert (seen[0], seen[-1]) == ([], [(serial, "device")])


@pytest.mark.parametrize("old", [False, True])
async def test_debian_server__with_a_guest_behind_it__carries_commands_both_ways(tmp_path: Path, *, old: bool) -> None:
    guest, marks = Android(), list[Category]()
    guest.old, guest.still = old, True
    async with a_real_server(tmp_path) as port, a_guest(guest) as daemon:
        client = a_client(port, marks)
        serial = f"127.0.0.1:{daemon.port}"
        assert parse_connect(await client.connect(serial)).connected
        assert await client.state(serial) == b"device"
        assert ("shell_v2" in await client.features(serial)) is not old
        ran = await client.shell(serial, "echo out; nosuch; exit 5")
        complaint = b"/system/bin/sh: nosuch: not found\n"
        if old:
            assert ran == Shell(exit_code=5, stdout=b"out\n" + complaint)
        else:
            assert ran == Shell(exit_code=5, stdout=b"out\n", stderr=complaint)
        assert await client.exec_out(serial, "screencap") == guest.run("screencap").stdout
        assert [*marks[-2:]] == [Category.EXTERNAL, Category.EMULATOR]
        marks.clear()
        assert parse_devices(await client.devices()).devices[0].state == "device"
        assert set(marks) == {Category.EXTERNAL}


async def test_debian_server__with_a_large_answer__stops_at_the_limit(tmp_path: Path) -> None:
    async with a_real_server(tmp_path) as port, a_guest(Android()) as daemon:
        client = a_client(port)
        serial = f"127.0.0.1:{daemon.port}"
        await client.connect(serial)
        big = f"echo {'x' * 300}"
        assert len((await client.shell(serial, big, limit=400)).stdout) == 301
        for asking in (client.shell(serial, big, limit=200), client.exec_out(serial, big, limit=200)):
            error = await failing(asking)
            assert (error.category, error.reason) == (Category.EMULATOR, Reason.OUTPUT_TOO_LARGE)


@pytest.mark.parametrize("layer", [Category.NETWORK, Category.EXTERNAL])
async def test_server__not_there__is_refused_at_its_own_layer(layer: Category) -> None:
    error = await failing(a_client(free_port(), layer=layer).version())
    assert (error.category, error.reason) == (layer, Reason.REFUSED)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", Reason.RESET),
        (b"OK", Reason.RESET),
        (b"OKAY", Reason.RESET),
        (b"OKAY000400", Reason.RESET),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Reason.PROTOCOL),
        (b"OKAYzzzz", Reason.PROTOCOL),
        (b"OKAY-001", Reason.PROTOCOL),
        (b"OKAY0004zzzz", Reason.PROTOCOL),
        (b"FAIL0014unknown host service", Reason.PROTOCOL),
        (b"FAIL", Reason.RESET),
    ],
)
async def test_server__answering_something_else__is_no_adb(answer: bytes, reason: Reason) -> None:
    async with saying(answer) as port:
        error = await failing(a_client(port).version())
    assert (error.category, error.reason) == (Category.EXTERNAL, reason)


async def test_guest__closing_in_the_middle_of_a_packet__is_reset() -> None:
    guest = Android()

    async def half(service: str) -> bytes:
        return b"\x01\xff\x00\x00\x00abc"

    guest.answer = half  # type: ignore[method-assign]  # a guest that dies while it answers
    async with a_host({5555: guest}) as (_, wire):
        error = await failing(a_client(wire.port).shell("emulator-5554", "echo x"))
    assert (error.category, error.reason) == (Category.EMULATOR, Reason.RESET)


async def test_guest__without_exit_code__is_told_as_unknown() -> None:
    guest = Android()
    guest.old = True

    async def bare(service: str) -> bytes:
        return b"killed\r\n"

    guest.answer = bare  # type: ignore[method-assign]  # a shell that was killed
    async with a_host({5555: guest}) as (_, wire):
        assert await a_client(wire.port).shell("emulator-5554", "x") == Shell(exit_code=None, stdout=b"killed\n")


ASKING: dict[str, Callable[[AdbServer], Awaitable[object]]] = {
    "version": lambda client: client.version(),
    "devices": lambda client: client.devices(),
    "shell": lambda client: client.shell("emulator-5554", "echo x"),
    "exec": lambda client: client.exec_out("emulator-5554", "screencap"),
    "track": lambda client: twice(client),  # noqa: PLW0108 - it stands below
}


async def twice(client: AdbServer) -> bytes:
    """Wait for the second list of a tracker, which never comes."""
    tracking = await client.track()
    try:
        await tracking.listed()
        return await tracking.listed()
    finally:
        tracking.close()


@pytest.mark.parametrize("name", ASKING)
@pytest.mark.parametrize("turns", range(0, 40, 3))
async def test_question__cancelled_anywhere__leaves_nothing_behind(name: str, turns: int) -> None:
    guest = Android()
    guest.freeze(frozen=name in {"shell", "exec"})
    opened = []

    async def counted() -> object:
        opened.append(stream := await open_tcp("127.0.0.1", wire.port))
        return stream

    before = asyncio.all_tasks()
    async with a_host({5555: guest}) as (_, wire):
        client = AdbServer(
            counted,  # type: ignore[arg-type]  # it opens a real stream; only its annotation is wider
            where="x",
            layer=Category.EXTERNAL,
            mark=lambda _: None,
        )
        task = asyncio.ensure_future(ASKING[name](client))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        assert all(stream._writer.transport.is_closing() for stream in opened)
        async with asyncio.timeout(SOON):
            while wire.connections:  # noqa: ASYNC110 - the simulator tells nobody
                await asyncio.sleep(0.001)
    assert asyncio.all_tasks() == before


async def test_connect__that_takes_for_ever__is_the_guests_time() -> None:
    marks: list[Category] = []
    async with saying(b"", hold=True) as port:
        asking = asyncio.ensure_future(a_client(port, marks).connect("127.0.0.1:5555"))
        async with asyncio.timeout(SOON):
            while len(marks) < 2:  # noqa: ASYNC110 - a mark is a plain call
                await asyncio.sleep(0.005)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
    assert marks == [Category.EXTERNAL, Category.EMULATOR]


async def test_devices__refused_by_a_wire_fault__is_each_its_own_reason() -> None:
    async with a_host({}) as (_, wire):
        client = a_client(wire.port)
        wire.reset()
        assert (await failing(client.devices())).reason is Reason.RESET
        wire.garbage()
        assert (await failing(client.devices())).reason is Reason.PROTOCOL
        wire.refuse()
        assert (await failing(client.devices())).reason is Reason.REFUSED
        wire.restore()
        assert await client.devices() == b""
