"""What a reach offers beside commands: streams to a workstation's own ports, and the memory of a target."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace

import pytest

from monitor.errors import LocalError, ProbeError
from monitor.logins import Logins
from monitor.model import Category, Reason, TransportSpec, Workstation
from monitor.reach import Transports
from monitor.stream import open_tcp
from monitor.transports import Completed, Credential, TransportKind, TransportParams, Tunnels, discover, local
from tests.fakes import a_target


class Blind:
    """A transport that runs commands and reaches no port."""

    async def run(self, *_: object, **__: object) -> Completed:
        return Completed(argv=(), exit_code=0, stdout=b"", stderr=b"")

    async def aclose(self) -> None:
        pass


def blind(_: Workstation, __: TransportParams, ___: Credential | None, ____: Logins) -> Blind:
    return Blind()


def a_workstation(kind: str) -> Workstation:
    return Workstation(id="ws-01", host="127.0.0.1", transport=TransportSpec(kind, local.Params()))


async def test_stream__over_the_local_transport__carries_bytes_and_marks_its_layer() -> None:
    ended = asyncio.Event()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read(100))
        writer.close()
        await writer.wait_closed()
        ended.set()

    transports = Transports(kinds={"local": local.TRANSPORT}, credentials={})
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        reach = transports.reach(a_target(workstation=a_workstation("local")))
        stream = await reach.open_stream("127.0.0.1", port, layer=Category.EXTERNAL)
        stream.write(b"hello")
        assert (await stream.exactly(2), await stream.read(100), await stream.read(100)) == (b"he", b"llo", b"")
        assert reach.layer is Category.EXTERNAL
        stream.close()
        stream.close()
        await ended.wait()
    await transports.aclose()


async def test_stream__to_a_closed_port__is_refused_at_the_layer_that_should_listen() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        reach = Transports(kinds={"local": local.TRANSPORT}, credentials={}).reach(
            a_target(workstation=a_workstation("local"))
        )
        with pytest.raises(ProbeError) as caught:
            await reach.open_stream("127.0.0.1", taken.getsockname()[1], layer=Category.EMULATOR)
    assert (caught.value.category, caught.value.reason) == (Category.EMULATOR, Reason.REFUSED)


async def test_stream__over_a_transport_without_tunnels__is_our_own_trouble() -> None:
    kind = TransportKind(name="blind", params=local.Params, open=blind, endpoint=lambda _: None)
    reach = Transports(kinds={"blind": kind}, credentials={}).reach(a_target(workstation=a_workstation("blind")))
    with pytest.raises(LocalError, match="ssh and local can"):
        await reach.open_stream("127.0.0.1", 1, layer=Category.EXTERNAL)


@pytest.mark.parametrize("name", ["local", "ssh", "winrm"])
async def test_tunnels__of_every_transport__is_known_without_opening_it(name: str) -> None:
    kind = (await asyncio.to_thread(discover))[name]
    where = Workstation(id="ws-01", host="127.0.0.1", transport=TransportSpec(name, kind.params()))
    assert Transports(kinds={name: kind}, credentials={}).reach(a_target(workstation=where)).tunnels is kind.tunnels
    assert isinstance(kind.open(where, kind.params(), None, Logins()), Tunnels) is kind.tunnels


async def test_stream__to_a_name_that_can_t_be_asked_for__raises() -> None:
    with pytest.raises(UnicodeError):
        await open_tcp("x" * 64, 80)


async def test_memory__of_a_target__is_its_own_and_goes_with_the_workstation() -> None:
    transports = Transports(kinds={"local": local.TRANSPORT}, credentials={})
    first, second = a_target("a"), a_target("b")
    transports.reach(first).memory["seen"] = 1
    assert transports.reach(first).memory == {"seen": 1}
    assert transports.reach(replace(first, interval=60.0)).memory == {"seen": 1}
    assert transports.reach(second).memory == {}
    await transports.retain([first.workstation])
    assert transports.reach(first).memory == {"seen": 1}
    await transports.retain([])
    assert transports.reach(first).memory == {}
