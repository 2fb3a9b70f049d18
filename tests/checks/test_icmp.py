"""The icmp check: against the real kernel on loopback, and over a wire that can lose, delay and bounce packets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator, Callable
from typing import cast

import icmplib
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.checks import Reach, icmp
from monitor.errors import LocalError, ProbeError, blame
from monitor.model import Observation, Reason, Target, Verdict
from tests.servers import unavailable

MakeTarget = Callable[..., Target]
QUICK = icmp.Params(count=3, spacing="0s")


class Bouncer(asyncio.DatagramProtocol):
    """The other end of the wire: answers the n-th request with `types[n]`; None answers nothing."""

    def __init__(self, types: list[int | None]) -> None:
        self.types = types
        self.seen = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        kind = self.types[self.seen % len(self.types)]
        self.seen += 1
        if kind is None:
            return
        sequence = struct.unpack("!H", data[6:8])[0]
        echo = struct.pack("!2B3H", 0 if kind == 0 else 8, 0, 0, addr[1], sequence)  # the kernel puts the port as id
        error = b"" if kind == 0 else struct.pack("!2B3H", kind, 1, 0, 0, 0) + b"\0" * 20
        self.transport.sendto(error + echo + data[8:], addr)


class Wire(socket.socket):
    """A datagram socket that is connected to the bouncer, whatever address a packet is meant for."""

    def sendto(self, data: bytes, *_: object) -> int:  # type: ignore[override]  # the address is what it ignores
        return self.send(data)


@pytest.fixture
async def wire(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[int | None]]:
    """Lead every echo request to a bouncer of ours; the test fills in what it answers."""
    types: list[int | None] = []
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Bouncer(types), local_addr=("127.0.0.1", 0))
    there = transport.get_extra_info("sockname")

    def connected(_: object, __: int) -> Wire:
        sock = Wire(socket.AF_INET, socket.SOCK_DGRAM)
        sock.settimeout(0)
        sock.connect(there)
        return sock

    monkeypatch.setattr(icmplib.ICMPv4Socket, "_create_socket", connected)
    yield types
    transport.close()


@pytest.fixture
def allowed() -> None:
    """Real echo requests need a kernel that lets us; where the servers are required, this is too."""
    try:
        icmp._open("127.0.0.1").close()
    except LocalError as exc:
        unavailable(str(exc))


async def ask(
    target: MakeTarget, reach: Reach, params: icmp.Params, *, host: str = "127.0.0.1", limit: float = 5.0
) -> Observation:
    return await icmp.probe(target("icmp", params, host=host, timeout=limit), params, reach)


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost"])
@pytest.mark.usefixtures("allowed")
async def test_host_that_answers__is_up_with_its_figures(target: MakeTarget, reach: Reach, host: str) -> None:
    seen = await ask(target, reach, QUICK, host=host)
    assert (seen.verdict, seen.facts["loss_ratio"]) == (Verdict.UP, 0)
    assert 0 < float(seen.facts["rtt_seconds"]) < 1


@pytest.mark.usefixtures("allowed")
async def test_many_at_once__do_not_take_each_others_replies(target: MakeTarget, reach: Reach) -> None:
    seen = await asyncio.gather(*(ask(target, reach, QUICK) for _ in range(50)))
    assert {one.facts["loss_ratio"] for one in seen} == {0}


async def test_some_requests_lost__is_degraded(target: MakeTarget, reach: Reach, wire: list[int | None]) -> None:
    wire += [0, None, 0]
    seen = await ask(target, reach, QUICK, limit=0.5)
    assert (seen.verdict, seen.reason) == (Verdict.DEGRADED, Reason.THRESHOLD)
    assert seen.facts["loss_ratio"] == pytest.approx(1 / 3)
    assert seen.message.startswith("2 of 3 answered, median ")


async def test_loss_within_what_is_allowed__is_up(target: MakeTarget, reach: Reach, wire: list[int | None]) -> None:
    wire += [0, None, 0]
    params = QUICK.model_copy(update={"degraded_loss": 0.4})
    assert (await ask(target, reach, params, limit=0.5)).verdict is Verdict.UP


async def test_slow_round_trip__is_degraded(target: MakeTarget, reach: Reach, wire: list[int | None]) -> None:
    wire += [0]
    params = QUICK.model_copy(update={"max_rtt": 1e-9})
    assert (await ask(target, reach, params)).reason is Reason.THRESHOLD


async def test_all_requests_lost__is_a_timeout_told_before_the_deadline(
    target: MakeTarget, reach: Reach, wire: list[int | None]
) -> None:
    wire += [None]
    async with asyncio.timeout(0.5):
        with pytest.raises(ProbeError, match="ws-01 icmp: no answer in time") as caught:
            await ask(target, reach, QUICK, limit=0.5)
    assert caught.value.reason is Reason.TIMEOUT


@pytest.mark.parametrize(("kind", "words"), [(3, "unreachable, says a router"), (11, "lost in a routing loop")])
async def test_error_from_a_router__is_unreachable(
    target: MakeTarget, reach: Reach, wire: list[int | None], kind: int, words: str
) -> None:
    wire += [kind]
    with pytest.raises(ProbeError, match=words) as caught:
        await ask(target, reach, QUICK)
    assert caught.value.reason is Reason.UNREACHABLE


async def test_deadline_of_the_frame__cancels_the_wait_at_once(
    target: MakeTarget, reach: Reach, wire: list[int | None]
) -> None:
    wire += [None]
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await ask(target, reach, QUICK, limit=60.0)


async def test_wall_clock_that_jumps__changes_nothing(
    target: MakeTarget, reach: Reach, wire: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    wire += [0]
    hours = iter(range(0, 36_000_000, 3600))
    monkeypatch.setattr("icmplib.sockets.time", lambda: float(next(hours)))
    seen = await ask(target, reach, QUICK)
    assert seen.facts["loss_ratio"] == 0
    assert float(seen.facts["rtt_seconds"]) < 1


async def test_no_route__is_unreachable_by_the_kernels_errno(
    target: MakeTarget, reach: Reach, wire: list[int | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_route(*_: object) -> int:
        raise OSError(101, "Network is unreachable")

    monkeypatch.setattr(Wire, "sendto", no_route)
    with pytest.raises(ProbeError) as caught:
        await ask(target, reach, QUICK)
    assert caught.value.reason is Reason.UNREACHABLE


async def test_kernel_that_allows_no_socket__names_the_sysctl(
    target: MakeTarget, reach: Reach, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object) -> socket.socket:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(icmplib.ICMPv4Socket, "_create_socket", forbidden)
    with pytest.raises(LocalError, match=r"net\.ipv4\.ping_group_range"):
        await ask(target, reach, QUICK)


async def test_kernel_that_allows_raw_sockets_only__gets_one(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def raw_only(_: object, kind: int) -> socket.socket:
        asked.append(kind)
        if kind == socket.SOCK_DGRAM:
            raise PermissionError(13, "Permission denied")
        return socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    monkeypatch.setattr(icmplib.ICMPv4Socket, "_create_socket", raw_only)
    icmp._open("127.0.0.1").close()
    assert asked == [socket.SOCK_DGRAM, socket.SOCK_RAW]


async def test_name_nobody_knows__is_dns(target: MakeTarget, reach: Reach) -> None:
    with pytest.raises(ProbeError) as caught:
        await ask(target, reach, QUICK, host="no-such-host.invalid")
    assert caught.value.reason is Reason.DNS


def test_every_icmp_error__is_mapped() -> None:
    kinds = [icmplib.ICMPError, *icmplib.ICMPError.__subclasses__(), *icmplib.DestinationUnreachable.__subclasses__()]
    kinds += icmplib.TimeExceeded.__subclasses__()
    assert [kind for kind in kinds if blame(kind.__new__(kind), icmp.ERRORS) is None] == []


@given(st.integers(1, 20), st.floats(0, 10), st.floats(0.1, 600))
def test_fits__whatever_is_lost__the_last_reply_is_awaited_before_the_deadline(
    count: int, spacing: float, timeout: float
) -> None:
    params = icmp.Params.model_construct(count=count, spacing=spacing)
    waits = max(icmp.LEAST_WAIT, (icmp.SHARE * timeout - (count - 1) * spacing) / count)
    if icmp.fits(params, timeout) is None:
        assert (count - 1) * spacing + count * waits <= timeout
    else:
        assert (count - 1) * spacing + count * icmp.LEAST_WAIT > icmp.SHARE * timeout


def test_fits__the_defaults__need_a_timeout_of_700_ms() -> None:
    assert icmp.fits(icmp.Params(), 0.7) is None
    assert icmp.fits(icmp.Params(), 0.6) == (
        "3 requests with a spacing of 200ms need at least 700ms, not 600ms; raise it, or lower count or spacing"
    )
