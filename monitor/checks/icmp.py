"""Echo requests come back: how many, how fast. Needs a socket the kernel may refuse, and says what would allow it.

    {kind: icmp, count: 3, spacing: 200ms, degraded_loss: 0.3, max_rtt: 50ms}

Waits and round trips are measured by monotonic clocks: icmplib's own are differences of wall-clock time. The loop's
clock is too coarse for a round trip (uvloop: milliseconds).
"""

from __future__ import annotations

import asyncio
import math
import socket
import statistics
import time
from collections.abc import Sequence
from typing import Annotated, Final

import icmplib
from icmplib.utils import unique_identifier
from pydantic import Field

from monitor.checks import Check, CheckParams, Reach
from monitor.durations import Duration, between, show
from monitor.errors import NETWORK_ERRORS, Blame, LocalError, ProbeError, Table, classify
from monitor.model import Category, Observation, Reason, Severity, Target, Verdict

_NET: Final = Category.NETWORK
UNKNOWN_NAME: Final = Blame(_NET, Severity.HIGH, Reason.DNS, "the name cannot be resolved")
ERRORS: Final[Table] = {
    **NETWORK_ERRORS,
    socket.gaierror: UNKNOWN_NAME,
    UnicodeError: UNKNOWN_NAME,
    icmplib.DestinationUnreachable: Blame(_NET, Severity.HIGH, Reason.UNREACHABLE, "unreachable, says a router"),
    icmplib.TimeExceeded: Blame(_NET, Severity.HIGH, Reason.UNREACHABLE, "lost in a routing loop, says a router"),
    icmplib.ICMPError: Blame(_NET, Severity.HIGH, Reason.UNREACHABLE, "answered by an ICMP error"),
}
NOT_ALLOWED: Final = (
    "not allowed to send ICMP: let the sysctl net.ipv4.ping_group_range include a group of emuwatch "
    '(everybody: "0 2147483647"; it rules IPv6 too) or give emuwatch the capability CAP_NET_RAW'
)
SHARE: Final = 0.9
"""Part of the check's timeout spent on waiting for replies, so that loss is told before the deadline strikes."""
LEAST_WAIT: Final = 0.05
"""Seconds a reply is given at least."""
NEVER: Final = 1e9
"""Seconds for icmplib's own, wall-clock timeout: ours is the one that strikes."""


class Params(CheckParams):
    """How many requests, and what is still fine. `count` x `spacing` must fit into the check's timeout."""

    count: int = Field(default=3, ge=1, le=20)
    spacing: Annotated[Duration, between(0.0, 10.0)] = 0.2
    """Seconds between a reply (or its loss) and the next request."""
    degraded_loss: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Part of the requests that may be lost before the host counts as degraded."""
    max_rtt: Annotated[Duration, between(0.001, 60.0)] | None = None
    """Seconds the median round trip may take before the host counts as degraded."""


def fits(params: Params, timeout: float) -> str | None:
    """Say why the requests can't all be sent and waited for in time: that would be a loss no host is to blame for."""
    need = (_pauses(params) + params.count * LEAST_WAIT) / SHARE
    if timeout >= need:
        return None
    asked = f"{params.count} requests with a spacing of {show(params.spacing)}"
    least = show(math.ceil(need * 10) / 10)
    return f"{asked} need at least {least}, not {show(timeout)}; raise it, or lower count or spacing"


def _pauses(params: Params) -> float:
    return (params.count - 1) * params.spacing


async def probe(target: Target, params: Params, reach: Reach) -> Observation:
    """Send the requests one after the other and judge what came back."""
    where = f"{target.workstation.id} icmp"
    wait = max(LEAST_WAIT, (SHARE * target.timeout - _pauses(params)) / params.count)
    try:
        address = await _address(target.workstation.host)
        with _open(address) as sock:
            rtts, lost = await _exchange(sock, address, params, wait)
    except (OSError, UnicodeError, icmplib.ICMPLibError) as exc:
        raise _ours(exc, where) from exc
    if not rtts and lost is not None:
        raise _ours(lost, where) from lost
    return judge(rtts, params)


def judge(rtts: Sequence[float], params: Params) -> Observation:
    """Weigh loss and median round trip against what is allowed; `rtts` holds one figure for each reply."""
    loss = 1 - len(rtts) / params.count
    rtt = statistics.median(rtts)
    message = f"{len(rtts)} of {params.count} answered, median {rtt * 1000:.1f} ms"
    facts = {"loss_ratio": loss, "rtt_seconds": rtt}
    if loss > params.degraded_loss or (params.max_rtt is not None and rtt > params.max_rtt):
        return Observation(verdict=Verdict.DEGRADED, reason=Reason.THRESHOLD, message=message, facts=facts)
    return Observation(message=message, facts=facts)


async def _exchange(
    sock: icmplib.AsyncSocket, address: str, params: Params, wait: float
) -> tuple[list[float], Exception | None]:
    """Collect the round trips, and the last reason why there was none."""
    rtts: list[float] = []
    lost: Exception | None = None
    number = unique_identifier()
    for sequence in range(params.count):
        if sequence:
            await asyncio.sleep(params.spacing)
        try:
            rtts.append(await _echo(sock, icmplib.ICMPRequest(address, number, sequence), wait))
        except (TimeoutError, icmplib.ICMPLibError) as exc:
            lost = exc
    return rtts, lost


async def _echo(sock: icmplib.AsyncSocket, request: icmplib.ICMPRequest, wait: float) -> float:
    """Send one request and return the seconds until its reply; a late reply to an earlier one is no match."""
    sent = time.perf_counter()
    sock.send(request)
    async with asyncio.timeout(wait):
        reply = await sock.receive(request, NEVER)
    rtt = time.perf_counter() - sent
    reply.raise_for_status()
    return rtt


def _open(address: str) -> icmplib.AsyncSocket:
    """Open a datagram socket where the kernel lets the group, else a raw one, else say what to change."""
    kind = icmplib.ICMPv6Socket if ":" in address else icmplib.ICMPv4Socket
    for privileged in (False, True):
        try:
            return icmplib.AsyncSocket(kind(privileged=privileged))
        except icmplib.SocketPermissionError:
            continue
    raise LocalError(NOT_ALLOWED)


async def _address(host: str) -> str:
    """Resolve a name in a thread; an address needs none, so a hanging name server can't delay it."""
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_DGRAM)
        return str(infos[0][4][0])
    return host


def _ours(exc: Exception, where: str) -> ProbeError | LocalError:
    """Classify; icmplib hides the kernel's error, and its errno, behind a text of its own."""
    hidden = exc.__context__ if isinstance(exc, icmplib.ICMPSocketError) else None
    return classify(hidden if isinstance(hidden, OSError) else exc, ERRORS, where=where)


CHECK: Final = Check(name="icmp", category=_NET, params=Params, probe=probe, scope=lambda _: "icmp", fits=fits)
