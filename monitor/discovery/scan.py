"""Which doors of which hosts are open, and who answers there: at a bounded pace, so many at once and no more.

Every door is tried once. What was found is kept while it goes on, so that whoever is interrupted has it.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ipaddress
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from monitor.discovery import Door, Open, Protocol, printable
from monitor.discovery.pace import Pace
from monitor.discovery.speak import SPEAKERS, Answer
from monitor.errors import NETWORK_ERRORS, Blame, LocalError, ProbeError, Table, classify
from monitor.model import Category, Reason, Severity
from monitor.stream import Stream, TcpStream

RATE: Final = 100.0
"""Connections begun in a second."""
AT_ONCE: Final = 128
"""Connections that stand or are being made at the same time."""
TIMEOUT: Final = 1.0
"""Seconds until a connection that does not stand is given up, and again until a protocol that is not heard is."""

_NO_NAME: Final = Blame(Category.NETWORK, Severity.HIGH, Reason.DNS, "the name cannot be resolved")
_ERRORS: Final[Table] = {**NETWORK_ERRORS, socket.gaierror: _NO_NAME, UnicodeError: _NO_NAME}

Connect = Callable[[str, int], Awaitable[Stream]]
"""Connects to a port of an address."""
Resolve = Callable[[str], Awaitable[Sequence[str]]]
"""Finds the addresses of a host."""


class HandshakeError(Exception):
    """The port accepts, and speaks no TLS."""


@dataclass
class Survey:
    """What was found so far."""

    total: int = 0
    """Doors to try."""
    tried: int = 0
    open: list[Open] = field(default_factory=list)
    closed: Counter[str] = field(default_factory=Counter)
    """How many doors were not open, by reason."""
    untried: Counter[str] = field(default_factory=Counter)
    """How many doors we could not try, by why."""


class Scanner:
    """Tries doors.

    Args:
        pace: When a connection may begin.
        at_once: How many may be under way.
        timeout: Seconds for a connection, and again for an answer.
        connect: How a connection is made.
        resolve: How a name becomes addresses.
        told: Called after every door, with what was found there, if it was open.

    """

    def __init__(
        self,
        *,
        pace: Pace,
        at_once: int = AT_ONCE,
        timeout: float = TIMEOUT,
        connect: Connect | None = None,
        resolve: Resolve | None = None,
        told: Callable[[Open | None], None] = lambda _: None,
    ) -> None:
        self._pace = pace
        self._at_once = at_once
        self._timeout = timeout
        self._connect = connect
        self._resolve = resolve or addresses
        self._told = told
        self._names: dict[str, asyncio.Task[Sequence[str]]] = {}

    async def scan(self, hosts: Sequence[str], doors: Sequence[Door], survey: Survey) -> None:
        """Try every door of every host, one door of all hosts after the other, and put what is found into `survey`."""
        survey.total = len(hosts) * len(doors)
        jobs = ((host, door) for door in doors for host in hosts)
        async with asyncio.TaskGroup() as group:
            for _ in range(min(self._at_once, survey.total)):
                group.create_task(self._work(jobs, survey))

    async def _work(self, jobs: Iterator[tuple[str, Door]], survey: Survey) -> None:
        for host, door in jobs:
            found: Open | None = None
            try:
                found = await self._try(host, door)
            except ProbeError as exc:
                survey.closed[exc.reason.value] += 1
            except LocalError as exc:
                survey.untried[str(exc)] += 1
            survey.tried += 1
            if found is not None:
                survey.open.append(found)
            self._told(found)

    async def _try(self, host: str, door: Door) -> Open:
        try:
            async with self._opened(host, door) as stream:
                answer = await self._ask(stream, host, door)
        except HandshakeError:
            answer = Answer(False, "no TLS")  # noqa: FBT003 - reads well
        return Open(host=host, door=door, confirmed=answer.confirmed, words=answer.words)

    async def _ask(self, stream: Stream, host: str, door: Door) -> Answer:
        """Hear who answers; whatever goes wrong now, the port is open."""
        try:
            async with asyncio.timeout(self._timeout):
                return await SPEAKERS[door.protocol](stream, host)
        except TimeoutError:
            return Answer(False, "says nothing")  # noqa: FBT003 - reads well
        except (OSError, EOFError):
            return Answer(False, "closed without an answer")  # noqa: FBT003 - reads well
        except (ProbeError, LocalError) as exc:
            return Answer(False, printable(str(exc).removeprefix(f"{host}: ")))  # noqa: FBT003 - reads well

    @contextlib.asynccontextmanager
    async def _opened(self, host: str, door: Door) -> AsyncIterator[Stream]:
        """Connect to the first address that accepts; each waits for its turn."""
        tls = door.protocol is Protocol.WINRM_HTTPS
        connect = self._connect or (functools.partial(open_tls, handshake=self._timeout) if tls else open_plain)
        stream: Stream | None = None
        error: Exception = OSError("no address")
        try:
            for address in await self._addresses(host):
                await self._pace.turn()
                try:
                    async with asyncio.timeout(self._timeout * (2 if tls else 1)):
                        stream = await connect(address, door.port)
                    break
                except OSError as exc:
                    error = exc
        except (OSError, UnicodeError) as exc:
            error = exc
        if stream is None:
            raise classify(error, _ERRORS, where="connecting") from error
        try:
            yield stream
        finally:
            stream.close()

    async def _addresses(self, host: str) -> Sequence[str]:
        """Resolve a name once, for all its doors."""
        if host not in self._names:
            self._names[host] = asyncio.ensure_future(_awaited(self._resolve(host)))
        return await asyncio.shield(self._names[host])


async def _awaited(found: Awaitable[Sequence[str]]) -> Sequence[str]:
    return await found


async def addresses(host: str) -> Sequence[str]:
    """Resolve a name in a thread; an address is itself."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        found = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(info[4][0]) for info in found))
    return [host]


async def open_plain(address: str, port: int) -> Stream:
    """Connect."""
    return TcpStream(*await asyncio.open_connection(address, port))


async def open_tls(address: str, port: int, *, handshake: float) -> Stream:
    """Connect and begin TLS, with whoever it is: nothing secret is said here.

    Args:
        address: Where.
        port: The port there.
        handshake: Seconds TLS may take.

    Raises:
        HandshakeError: The port accepts, and speaks no TLS.

    """
    reader, writer = await asyncio.open_connection(address, port)
    try:
        async with asyncio.timeout(handshake):
            await writer.start_tls(_whoever())
    except (OSError, EOFError) as exc:  # a timeout is an OSError
        writer.transport.abort()
        raise HandshakeError from exc
    except BaseException:
        writer.transport.abort()
        raise
    return TcpStream(reader, writer)


def _whoever() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
