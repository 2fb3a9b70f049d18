"""The contract of a check: ask one question of one target. One file per check, found by `discover`.

A check module holds one constant, `CHECK`, and one coroutine function, `probe`. A probe returns an `Observation`
(something answered, whatever it said) or raises `ProbeError` (nobody answered properly) or `LocalError` (we could not
ask). It sets no deadline, takes no time, touches no breaker and writes no log: the frame around it does (`dispatch`,
`runner`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine, Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict, SecretStr

from monitor.kinds import Kinds
from monitor.model import Category, Fact, Key, Lane, Observation, Target, Workstation
from monitor.stream import Stream
from monitor.transports import OUTPUT_LIMIT, AnyTransportKind, Completed

if TYPE_CHECKING:  # most checks are made without it
    import aiohttp


class Shared(Protocol):
    """What outlives a run."""

    async def aclose(self) -> None:
        """End it; nothing of it is left afterwards."""


S = TypeVar("S", bound=Shared)


class CheckParams(BaseModel):
    """Base of every check's parameters: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Reach(Protocol):
    """What a probe may touch, made anew for each run."""

    def mark(self, layer: Category) -> None:
        """Say which layer the probe deals with from here on; a deadline that strikes is blamed on it.

        A run starts at the outermost layer of its path; transports mark their own steps.
        """

    async def run(
        self, argv: Sequence[str], *, layer: Category = Category.WORKSTATION, limit: int = OUTPUT_LIMIT
    ) -> Completed:
        """Run a command on the target's workstation through its transport (see `monitor.transports.Transport.run`)."""

    async def code_page(self) -> str:
        """Return the Python codec name of the workstation's ANSI code page: from config, else asked once and kept."""

    @property
    def http(self) -> aiohttp.ClientSession:
        """A session that keeps no connection, follows nothing and keeps no cookies on its own."""

    @property
    def tunnels(self) -> bool:
        """Whether the workstation's transport can reach its ports; where not, `open_stream` is of no use."""

    async def open_stream(self, host: str, port: int, *, layer: Category) -> Stream:
        """Connect to a port as the target's workstation sees it, through its transport (see `Tunnels.open_stream`)."""

    async def record(self, what: str, said: Callable[[], bytes], *, secrets: Iterable[SecretStr] = ()) -> None:
        """Keep what a host said on a connection of the probe's own, when samples are recorded.

        Args:
            what: What it was asked: ``tcp:22 greeting``.
            said: Gives the answer; not called when nothing is recorded.
            secrets: What must not be in a sample.

        """

    @property
    def memory(self) -> MutableMapping[str, Fact]:
        """What earlier runs of the same target left for later ones; empty at first, and again after a restart."""

    def shared(self, kind: type[S], name: str) -> S:
        """Return the one of a kind and name that runs on the workstation share; it is closed with its transport."""

    def now(self) -> float:
        """Return the Unix time."""


P = TypeVar("P", bound=CheckParams)


@dataclass(frozen=True, slots=True, kw_only=True)
class Check(Generic[P]):
    """The whole of a check module, as a constant: ``CHECK = Check(name="tcp", ...)``."""

    name: str
    category: Category
    """The layer it asks about: the last one of its path."""
    params: type[P]
    probe: Callable[[Target, P, Reach], Coroutine[Any, Any, Observation]]
    scope: Callable[[P], str] | None = None
    """The scope of its own layer (``tcp:3389``); None: the check asks about the transport itself."""
    transport: bool | str | Callable[[P], bool] = False
    """Whether it needs the workstation's transport; a name: only that one will do; a function: by its parameters."""
    served: Callable[[P, AnyTransportKind], tuple[str, str] | None] = lambda *_: None
    """Which parameter a transport can't serve, and what would be right, in words for the config; None: it can all."""
    between: Callable[[P], Sequence[tuple[Category, str]]] | None = None
    """Category and scope of layers it passes after the transport and before its own, outermost first."""
    each: bool = False
    """Whether it asks about one emulator: configured once, it runs for every emulator the workstation lists."""
    fits: Callable[[P, float], str | None] = lambda *_: None
    """Why its parameters can't work within a timeout of so many seconds, in words for the config; None: they can."""
    timeout: float | None = None
    """Seconds a run may need though all is well, where those are more than the usual deadline; None: they are not."""
    lane: Lane = Lane.SOCKET
    """Where it waits for its place when it uses no transport; otherwise the transport's lane counts."""


AnyCheck = Check[Any]


def needs(check: AnyCheck, params: CheckParams) -> bool | str:
    """Tell whether a check needs the workstation's transport, and which one when only one will do."""
    return check.transport(params) if callable(check.transport) else check.transport


def path_of(
    check: AnyCheck, params: CheckParams, workstation: Workstation, kind: AnyTransportKind | None
) -> tuple[Key, ...]:
    """Lay the path of breakers a check passes, outermost first: endpoint, transport, layers between, own layer.

    Args:
        check: The check.
        params: Its validated parameters.
        workstation: Where it asks.
        kind: The workstation's transport; needed when the check needs one.

    """
    keys: list[Key] = []
    if needs(check, params) and kind is not None and workstation.transport is not None:
        endpoint = kind.endpoint(workstation.transport.params)
        if endpoint is not None:
            keys.append(Key(Category.NETWORK, workstation.id, endpoint))
        keys.append(Key(Category.WORKSTATION, workstation.id, kind.name))
    if check.between is not None:
        keys += (Key(category, workstation.id, scope) for category, scope in check.between(params))
    if check.scope is not None:
        keys.append(Key(check.category, workstation.id, check.scope(params)))
    return tuple(keys)


def travelled(check: AnyCheck, path: tuple[Key, ...]) -> int:
    """Count the leading keys the check merely travels through: all but its own; none when it asks about the way."""
    return len(path) - 1 if check.scope is not None else 0


@functools.cache
def discover() -> Mapping[str, AnyCheck]:
    """The checks there are, by name; each is imported when it is asked for (`monitor.kinds`)."""
    return Kinds(__name__, __path__, "CHECK", Check)
