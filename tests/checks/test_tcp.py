"""The tcp check against listeners that accept, greet, refuse, reset, keep silent."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import pytest
from pydantic import ValidationError

from monitor.checks import Reach, tcp
from monitor.errors import LocalError, ProbeError
from monitor.model import Category, Observation, Reason, Target, Verdict
from tests.checks.conftest import SocketReach

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
MakeTarget = Callable[..., Target]


@contextlib.asynccontextmanager
async def listening(handle: Handler, host: str = "127.0.0.1") -> AsyncIterator[int]:
    server = await asyncio.start_server(handle, host, 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def greeter(*chunks: bytes, seen: asyncio.Future[bytes] | None = None) -> Handler:
    """Send the chunks one by one, then wait for the other side's end."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for chunk in chunks:
            writer.write(chunk)
            await writer.drain()
            await asyncio.sleep(0)
        try:
            end = await reader.read()
        except OSError as exc:
            if seen is not None:
                seen.set_exception(exc)
        else:
            if seen is not None:
                seen.set_result(end)
        writer.close()

    return handle


async def reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def ask(target: MakeTarget, reach: Reach, params: tcp.Params, host: str = "127.0.0.1") -> Observation:
    async with asyncio.timeout(5):
        return await tcp.probe(target("tcp", params, host=host), params, reach)


async def test_port_that_accepts__is_up(target: MakeTarget, reach: Reach) -> None:
    async with listening(greeter()) as port:
        seen = await ask(target, reach, tcp.Params(port=port))
    assert seen == Observation(verdict=Verdict.UP, message=f"tcp:{port} accepts")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
async def test_name_or_address_of_either_family__is_reached(target: MakeTarget, reach: Reach, host: str) -> None:
    async with listening(greeter(), host="::1" if ":" in host else "127.0.0.1") as port:
        assert (await ask(target, reach, tcp.Params(port=port), host=host)).verdict is Verdict.UP


async def test_connection__is_closed_in_order(target: MakeTarget, reach: Reach) -> None:
    seen: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
    async with listening(greeter(b"hello\n", seen=seen)) as port:
        await ask(target, reach, tcp.Params(port=port, expect="hello\n"))
        assert await asyncio.wait_for(seen, 5) == b""


async def test_greeting_that_matches__is_up_and_shown(target: MakeTarget, reach: Reach) -> None:
    async with listening(greeter(b"SSH-", b"2.0-Open", b"SSH_9.2p1\r\n")) as port:
        seen = await ask(target, reach, tcp.Params(port=port, expect=r"^SSH-2\.0-.*\n"))
    assert (seen.verdict, seen.facts) == (Verdict.UP, {"greeting": "SSH-2.0-OpenSSH_9.2p1"})


async def test_greeting__is_recorded_as_it_came(target: MakeTarget, reach: SocketReach) -> None:
    async with listening(greeter(b"SSH-2.0-x\r\n")) as port:
        await tcp.probe(target("tcp", wanted := tcp.Params(port=port, expect="SSH")), wanted, cast("Reach", reach))
        await tcp.probe(target("tcp", silent := tcp.Params(port=port)), silent, cast("Reach", reach))
    assert reach.said == {f"tcp:{port} greeting": b"SSH-2.0-x\r\n"}


async def test_greeting__made_to_keep_a_pattern_busy__holds_nobody_up(target: MakeTarget, reach: Reach) -> None:
    async with listening(greeter(b"a" * 60000, b"!")) as port:
        seen = await ask(target, reach, tcp.Params(port=port, expect="(a+)+$x", max_greeting=50000))
    assert (seen.verdict, seen.reason) == (Verdict.DOWN, Reason.PROTOCOL)


async def test_other_greeting__is_down_by_an_answer(target: MakeTarget, reach: Reach) -> None:
    async with listening(greeter(b"220 \xff ftp\r\n")) as port:
        seen = await ask(target, reach, tcp.Params(port=port, expect="^SSH-", max_greeting=8))
    assert (seen.verdict, seen.reason) == (Verdict.DOWN, Reason.PROTOCOL)
    assert seen.message == r"greets '220 \\xff ft', which does not match '^SSH-'"


async def test_greeting_without_end__is_read_up_to_the_limit(target: MakeTarget, reach: Reach) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()

    async with listening(flood) as port:
        seen = await ask(target, reach, tcp.Params(port=port, expect="y"))
    assert (seen.verdict, seen.reason) == (Verdict.DOWN, Reason.PROTOCOL)


async def failure(target: MakeTarget, reach: Reach, params: tcp.Params, host: str = "127.0.0.1") -> ProbeError:
    with pytest.raises(ProbeError) as caught:
        await ask(target, reach, params, host)
    assert caught.value.category is Category.NETWORK
    return caught.value


async def test_closed_port__is_refused(target: MakeTarget, reach: Reach, closed_port: int) -> None:
    error = await failure(target, reach, tcp.Params(port=closed_port))
    assert (error.reason, str(error)) == (Reason.REFUSED, f"ws-01 tcp:{closed_port}: connection refused")


async def test_name_with_two_addresses_that_refuse__is_refused(
    target: MakeTarget, reach: Reach, closed_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def two(_: str) -> list[str]:
        return ["::1", "127.0.0.1"]

    monkeypatch.setattr(tcp, "_addresses", two)
    assert (await failure(target, reach, tcp.Params(port=closed_port))).reason is Reason.REFUSED


async def test_second_address_that_accepts__is_up(
    target: MakeTarget, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def two(_: str) -> list[str]:
        return ["::1", "127.0.0.1"]

    monkeypatch.setattr(tcp, "_addresses", two)
    async with listening(greeter()) as port:
        assert (await ask(target, reach, tcp.Params(port=port))).verdict is Verdict.UP


async def test_full_backlog__waits_for_the_deadline_and_leaves_no_socket(
    target: MakeTarget, reach: Reach, silent_port: int
) -> None:
    params = tcp.Params(port=silent_port)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await tcp.probe(target("tcp", params), params, reach)


async def test_reset_instead_of_greeting__is_reset(target: MakeTarget, reach: Reach) -> None:
    async with listening(reset) as port:
        assert (await failure(target, reach, tcp.Params(port=port, expect="SSH"))).reason is Reason.RESET


async def test_end_instead_of_greeting__is_reset(target: MakeTarget, reach: Reach) -> None:
    async with listening(hang_up) as port:
        error = await failure(target, reach, tcp.Params(port=port, expect="SSH"))
    assert (error.reason, str(error)) == (Reason.RESET, f"ws-01 tcp:{port}: connection closed by the host")


@pytest.mark.parametrize("host", ["no-such-host.invalid", f"{'x' * 64}.invalid", "a..b"])
async def test_name_nobody_knows__is_dns(target: MakeTarget, reach: Reach, host: str) -> None:
    assert (await failure(target, reach, tcp.Params(port=1), host)).reason is Reason.DNS


async def test_address_without_a_route__is_unreachable(
    target: MakeTarget, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def no_route(*_: object) -> tcp.Connection:
        raise OSError(113, "No route to host")

    monkeypatch.setattr(asyncio, "open_connection", no_route)
    assert (await failure(target, reach, tcp.Params(port=1))).reason is Reason.UNREACHABLE


async def test_monitor_without_descriptors__blames_nobody(
    target: MakeTarget, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def exhausted(*_: object) -> tcp.Connection:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(asyncio, "open_connection", exhausted)
    with pytest.raises(LocalError, match="Too many open files"):
        await ask(target, reach, tcp.Params(port=1))


@pytest.mark.parametrize("wrong", [{"port": 0}, {"port": 65536}, {}, {"port": 1, "expect": "("}, {"port": 1, "x": 1}])
def test_params_that_make_no_sense__are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        tcp.Params.model_validate(wrong)


def test_scope__names_the_port() -> None:
    assert tcp.CHECK.scope is not None
    assert tcp.CHECK.scope(tcp.Params(port=3389)) == "tcp:3389"
