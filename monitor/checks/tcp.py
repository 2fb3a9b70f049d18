r"""A port accepts a connection and, if asked for, greets as expected. Sends nothing.

    {kind: tcp, port: 3389}
    {kind: tcp, port: 22, expect: '^SSH-2\.0-'}      # SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u6

Silence is no verdict of this module: the frame's deadline ends the wait.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
from collections.abc import AsyncIterator
from typing import Final

from pydantic import Field

from monitor.checks import Check, CheckParams, Reach
from monitor.errors import NETWORK_ERRORS, Blame, Table, classify
from monitor.model import Category, Observation, Reason, Severity, Target, Verdict
from monitor.pattern import Pattern, aside, found

SHOWN: Final = 80
"""Characters of a greeting worth showing."""

UNKNOWN_NAME: Final = Blame(Category.NETWORK, Severity.HIGH, Reason.DNS, "the name cannot be resolved")
ERRORS: Final[Table] = {**NETWORK_ERRORS, socket.gaierror: UNKNOWN_NAME, UnicodeError: UNKNOWN_NAME}
"""`UnicodeError`: a name that cannot even be asked for (a label over 63 characters)."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Params(CheckParams):
    """What to connect to, and what it should say."""

    port: int = Field(ge=1, le=65535)
    expect: Pattern | None = None
    """Regular expression searched in what the host says first."""
    max_greeting: int = Field(default=4096, ge=1, le=65536)
    """Bytes of greeting read at most."""


async def probe(target: Target, params: Params, reach: Reach) -> Observation:
    """Connect, read the greeting if one is expected, close."""
    where = f"{target.workstation.id} {scope(params)}"
    try:
        async with _connected(target.workstation.host, params.port) as reader:
            if params.expect is None:
                return Observation(message=f"{scope(params)} accepts")
            greeting = await _greeting(reader, params.expect, params.max_greeting)
    except (OSError, EOFError, UnicodeError) as exc:
        raise classify(exc, ERRORS, where=where) from exc
    await reach.record(f"{scope(params)} greeting", lambda: greeting)
    expect = params.expect
    return await aside(lambda: judge(greeting, expect), len(greeting))


def judge(greeting: bytes, expect: str) -> Observation:
    """Say whether a greeting is the expected one; another one is an answer all the same."""
    shown = greeting.decode("utf-8", "backslashreplace").partition("\n")[0].strip()[:SHOWN]
    if found(expect, greeting):
        return Observation(message=f"greets {shown!r}", facts={"greeting": shown})
    message = f"greets {shown!r}, which does not match {expect!r}"
    return Observation(verdict=Verdict.DOWN, reason=Reason.PROTOCOL, message=message, facts={"greeting": shown})


@contextlib.asynccontextmanager
async def _connected(host: str, port: int) -> AsyncIterator[asyncio.StreamReader]:
    """Connect to the first address that accepts; close without waiting for the host to agree."""
    reader, writer = await _connect(host, port)
    try:
        yield reader
    finally:
        writer.close()
    with contextlib.suppress(OSError):  # it accepted: how it takes the end is not the question
        await writer.wait_closed()


async def _connect(host: str, port: int) -> Connection:
    """Try the host's addresses in turn; each error keeps its errno, which asyncio's own loop over them would lose."""
    error = OSError("no address")
    for address in await _addresses(host):
        try:
            return await asyncio.open_connection(address, port)
        except OSError as exc:
            error = exc
    raise error


async def _addresses(host: str) -> list[str]:
    """Resolve a name in a thread; an address needs none, so a hanging name server can't delay it."""
    try:
        socket.getaddrinfo(host, None, flags=socket.AI_NUMERICHOST)
    except socket.gaierror:
        infos = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return [str(info[4][0]) for info in infos]
    return [host]


async def _greeting(reader: asyncio.StreamReader, expect: str, limit: int) -> bytes:
    """Read until the expected words are there, the limit is, or the host closes."""
    greeting = b""
    while len(greeting) < limit and not await aside(functools.partial(found, expect, greeting), len(greeting)):
        chunk = await reader.read(limit - len(greeting))
        if not chunk and not greeting:
            raise EOFError
        if not chunk:
            break
        greeting += chunk
    return greeting


def scope(params: Params) -> str:
    """``tcp:3389``."""
    return f"tcp:{params.port}"


CHECK: Final = Check(name="tcp", category=Category.NETWORK, params=Params, probe=probe, scope=scope)
