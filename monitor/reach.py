"""What probes reach: the pool of transports, one HTTP session, and the `Reach` of each run.

Nothing is opened before it is needed and everything is closed in one place. This module sets no deadline and blames
nobody: a run only remembers the layer it deals with, for the frame that times it.
"""

from __future__ import annotations

import asyncio
import codecs
import re
import time
from collections.abc import Callable, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from monitor.checks import S, Shared
from monitor.errors import LocalError
from monitor.logins import Logins
from monitor.model import Category, Fact, Platform, Target, TransportSpec, Workstation
from monitor.recording import Recorder
from monitor.stream import Stream
from monitor.transports import OUTPUT_LIMIT, AnyTransportKind, Completed, Credential, Mark, Transport, Tunnels

if TYPE_CHECKING:  # see `Transports.http`
    import aiohttp

_ACP: Final = re.compile(rb"\bACP\s+REG_SZ\s+([0-9]{1,5})\b")
_ASK_WINDOWS: Final = ("reg", "query", r"HKLM\SYSTEM\CurrentControlSet\Control\Nls\CodePage", "/v", "ACP")
_ASK_LINUX: Final = ("locale", "charmap")
_UNICODE: Final = {"65000": "utf-7", "65001": "utf-8", "54936": "gb18030"}
"""Code pages whose Python codec is not called after their number."""
UNKNOWN_CODE_PAGE: Final = "ascii"
"""What is used while the host's answer is not understood: bytes beyond it stay visible, none is guessed."""


@dataclass(frozen=True, slots=True)
class _Way:
    """All that a transport is made from; another value is another transport."""

    workstation: str
    host: str
    platform: Platform
    spec: TransportSpec
    credential: Credential | None


class _Live:
    """A transport in use, what was learnt over it, and what lives on it."""

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.code_page: str | None = None
        self.asking = asyncio.Lock()
        self.users = 0
        self.retired = False
        self.shared: dict[tuple[type[Shared], str], Shared] = {}

    async def aclose(self) -> None:
        """Close it, and before it whatever holds a connection of its."""
        shared, self.shared = list(self.shared.values()), {}
        await asyncio.gather(*(each.aclose() for each in shared))
        await self.transport.aclose()


class Transports:
    """The live transports, by workstation; makes the `Reach` of each run."""

    def __init__(
        self,
        *,
        kinds: Mapping[str, AnyTransportKind],
        credentials: Mapping[str, Credential],
        clock: Callable[[], float] = time.time,
        record: Recorder | None = None,
        logins: Logins | None = None,
    ) -> None:
        """Open nothing yet.

        Args:
            kinds: Every transport there is, by name.
            credentials: Who logs in, by name.
            clock: Unix time.
            record: Keeps what hosts answered; None: nowhere.
            logins: What hosts said of logins, shared with other pools; None: with none.

        """
        self._logins = logins or Logins()
        self._kinds = kinds
        self._credentials = dict(credentials)
        self._clock = clock
        self._record = record
        self._live: dict[_Way, _Live] = {}
        self._memories: dict[str, dict[str, dict[str, Fact]]] = {}
        self._session: aiohttp.ClientSession | None = None

    def reach(self, target: Target) -> RunReach:
        """Make what one run of `target` may touch."""
        memory = self._memories.setdefault(target.workstation.id, {}).setdefault(target.name, {})
        return RunReach(self, target, self._clock, memory)

    async def retain(
        self, workstations: Iterable[Workstation], credentials: Mapping[str, Credential] | None = None
    ) -> None:
        """Close every transport whose workstation is gone or is now reached another way, once its last run is over.

        Args:
            workstations: Those of the new config.
            credentials: Those of the new config; None: unchanged.

        """
        if credentials is not None:
            self._credentials = dict(credentials)
        stay = tuple(workstations)
        self._memories = {w.id: self._memories[w.id] for w in stay if w.id in self._memories}
        kept = {self._way(workstation) for workstation in stay if workstation.transport is not None}
        gone = {way: self._live.pop(way) for way in list(self._live) if way not in kept}
        for way, live in gone.items():
            live.retired = True
            self._logins.forget(way.workstation)
        await asyncio.gather(*(live.aclose() for live in gone.values() if not live.users))

    async def aclose(self) -> None:
        """Close everything, whoever uses it."""
        live, self._live = list(self._live.values()), {}
        session, self._session = self._session, None
        await asyncio.gather(*(each.aclose() for each in live))
        if session is not None:
            await session.close()

    async def run(
        self,
        workstation: Workstation,
        argv: Sequence[str],
        *,
        mark: Mark,
        layer: Category,
        limit: int,
        check: str = "",
    ) -> Completed:
        """Run a command on `workstation`, for a check; see `monitor.transports.Transport.run`."""
        live = self._of(workstation)
        live.users += 1
        try:
            completed = await live.transport.run(argv, mark=mark, layer=layer, limit=limit)
        finally:
            live.users -= 1
            if live.retired and not live.users:
                await live.aclose()
        if self._record is not None:
            code_page = workstation.code_page or live.code_page
            await self._record.command(workstation, check, self._way(workstation).credential, completed, code_page)
        return completed

    async def record(
        self, target: Target, what: str, said: Callable[[], bytes], *, secrets: Iterable[SecretStr] = ()
    ) -> None:
        """Keep what a host said, if anything is kept."""
        if self._record is not None:
            workstation = target.workstation
            credential = None if workstation.transport is None else self._way(workstation).credential
            await self._record.said(workstation, target.name, credential, what, said(), secrets=secrets)

    async def open_stream(
        self, workstation: Workstation, host: str, port: int, *, mark: Mark, layer: Category
    ) -> Stream:
        """Connect to a port as `workstation` sees it; closing its transport closes the stream too."""
        transport = self._of(workstation).transport
        if not isinstance(transport, Tunnels):
            raise LocalError(f"{workstation.id}: its transport can't reach ports of the workstation; ssh and local can")
        return await transport.open_stream(host, port, mark=mark, layer=layer)

    def shared(self, workstation: Workstation, kind: type[S], name: str) -> S:
        """Return the one of a kind and name that lives on the transport of `workstation`, made when there is none."""
        known = self._of(workstation).shared
        found = known.get((kind, name))
        if not isinstance(found, kind):
            found = known[kind, name] = kind()
        return found

    def tunnels(self, workstation: Workstation) -> bool:
        """Whether the transport of `workstation` can reach its ports."""
        spec = workstation.transport
        return spec is not None and spec.kind in self._kinds and self._kinds[spec.kind].tunnels

    async def code_page(self, workstation: Workstation, *, mark: Mark, check: str = "") -> str:
        """Return the workstation's ANSI code page; an answer that is not understood is asked for again next time."""
        if workstation.code_page is not None:
            return workstation.code_page
        live = self._of(workstation)
        async with live.asking:
            if live.code_page is None:
                ask = _ASK_WINDOWS if workstation.platform is Platform.WINDOWS else _ASK_LINUX
                answer = await self.run(
                    workstation, ask, mark=mark, layer=Category.WORKSTATION, limit=OUTPUT_LIMIT, check=check
                )
                live.code_page = parse_code_page(answer.stdout, workstation.platform)
            return live.code_page or UNKNOWN_CODE_PAGE

    def http(self) -> aiohttp.ClientSession:
        """Return the one session; it keeps no connection and no cookie, and its only deadline is the run's."""
        import aiohttp  # noqa: PLC0415 - a probe of something else starts faster without

        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, force_close=True, use_dns_cache=False),
                cookie_jar=aiohttp.DummyCookieJar(),
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=None),
            )
        return self._session

    def _of(self, workstation: Workstation) -> _Live:
        way = self._way(workstation)
        live = self._live.get(way)
        if live is None:
            kind = self._kinds[way.spec.kind]
            live = self._live[way] = _Live(kind.open(workstation, way.spec.params, way.credential, self._logins))
        return live

    def _way(self, workstation: Workstation) -> _Way:
        spec = workstation.transport
        if spec is None or spec.kind not in self._kinds:
            raise LocalError(f"{workstation.id} has no transport to run a command over")
        name = getattr(spec.params, "credential", None)
        credential = None if name is None else self._credentials.get(name)
        if name is not None and credential is None:
            raise LocalError(f"{workstation.id}: there is no credential {name!r}")
        return _Way(workstation.id, workstation.host, workstation.platform, spec, credential)


class RunReach:
    """What one run may touch; the production `monitor.checks.Reach`."""

    def __init__(
        self, transports: Transports, target: Target, clock: Callable[[], float], memory: MutableMapping[str, Fact]
    ) -> None:
        self.memory = memory
        self.layer = target.path[0].category
        """Where the run is now; a deadline that strikes is blamed on it."""
        self.facts: dict[str, Fact] = {}
        self._transports = transports
        self._target = target
        self._clock = clock

    def mark(self, layer: Category) -> None:
        """Remember the layer the run deals with from here on."""
        self.layer = layer

    async def run(
        self, argv: Sequence[str], *, layer: Category = Category.WORKSTATION, limit: int = OUTPUT_LIMIT
    ) -> Completed:
        """Run a command on the workstation over its transport, and keep what that tells of itself."""
        target = self._target
        completed = await self._transports.run(
            target.workstation, argv, mark=self.mark, layer=layer, limit=limit, check=target.name
        )
        self.facts.update(completed.facts)
        return completed

    @property
    def tunnels(self) -> bool:
        """Whether the workstation's transport can reach its ports."""
        return self._transports.tunnels(self._target.workstation)

    async def open_stream(self, host: str, port: int, *, layer: Category) -> Stream:
        """Connect to a port as the workstation sees it."""
        return await self._transports.open_stream(self._target.workstation, host, port, mark=self.mark, layer=layer)

    def shared(self, kind: type[S], name: str) -> S:
        """Return the one of a kind and name that the runs on this workstation share."""
        return self._transports.shared(self._target.workstation, kind, name)

    async def code_page(self) -> str:
        """Return the workstation's code page, asking it when nobody did yet."""
        return await self._transports.code_page(self._target.workstation, mark=self.mark, check=self._target.name)

    async def record(self, what: str, said: Callable[[], bytes], *, secrets: Iterable[SecretStr] = ()) -> None:
        """Keep what the host said (see `monitor.checks.Reach.record`)."""
        await self._transports.record(self._target, what, said, secrets=secrets)

    @property
    def http(self) -> aiohttp.ClientSession:
        """The session all runs share."""
        return self._transports.http()

    def now(self) -> float:
        """Return the Unix time."""
        return self._clock()


def parse_code_page(answer: bytes, platform: Platform) -> str | None:
    """Read a host's answer to the question for its code page; None: it names no code page known here."""
    if platform is Platform.WINDOWS:
        found = _ACP.search(answer)
        number = "" if found is None else found[1].decode("ascii")
        name = _UNICODE.get(number, f"cp{number}")
    else:
        name = answer.strip().decode("ascii", "replace")
    try:
        return codecs.lookup(name).name
    except (LookupError, ValueError):
        return None
