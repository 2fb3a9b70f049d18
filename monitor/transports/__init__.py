"""The contract of a transport: how commands get to a workstation. One file per transport, found by `discover`.

A transport module holds one constant, `TRANSPORT`. Opening a transport does no I/O: the connection is made by the
first command, kept, reused, and made anew after it was lost. A transport maps every foreign exception at its border to
`ProbeError` (category NETWORK while it reaches the endpoint, WORKSTATION from the login on) or `LocalError`.
It sets no deadline: the frame that runs a probe does, and cancels; a transport then cleans up behind the command.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel, ConfigDict, SecretStr

from monitor.kinds import Kinds
from monitor.logins import Logins
from monitor.model import Category, Fact, Lane, Workstation
from monitor.stream import Stream

OUTPUT_LIMIT: Final = 1024 * 1024
"""Bytes of output a command may print before it is stopped, stdout and stderr together."""

Mark = Callable[[Category], None]
"""Told by a transport which layer it is dealing with now, so that a deadline that strikes is blamed on that layer."""


class TransportParams(BaseModel):
    """Base of every transport's parameters: frozen, unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    credential: str | None = None
    """Name of an entry of ``credentials:`` in the config."""


class Credential(BaseModel):
    """Who logs in. Secrets are `SecretStr`: they have no repr."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    user: str = ""
    password: SecretStr | None = None
    key_file: Path | None = None
    passphrase: SecretStr | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """What a command left behind: its exit code and the exact bytes it printed."""

    argv: tuple[str, ...]
    exit_code: int
    """As the host told it: Windows tells unsigned 32-bit numbers. -N: ended by signal N (POSIX)."""
    stdout: bytes = field(repr=False)
    stderr: bytes = field(repr=False)
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """What the transport learnt of the way (``certificate_end_timestamp_seconds``); the frame adds it to the answer."""


class Transport(Protocol):
    """One workstation's way in; safe to be used by several probes at once."""

    async def run(
        self,
        argv: Sequence[str],
        *,
        mark: Mark,
        layer: Category = Category.WORKSTATION,
        limit: int = OUTPUT_LIMIT,
    ) -> Completed:
        """Run a command to its end and collect what it prints, connecting first when needed.

        Args:
            argv: Program and arguments; the transport quotes them as the workstation's shell needs.
            mark: Called with the layer each step deals with, as soon as the step begins.
            layer: The layer the command itself is part of: marked once the command runs, and blamed when the
                command is missing or prints too much (EXTERNAL for an emulator console).
            limit: Bytes of output above which the command is stopped.

        Returns:
            What it left behind; a non-zero exit code is an answer, not an error.

        Raises:
            ProbeError: NETWORK, WORKSTATION or `layer`, with the reason.
            LocalError: We could not even try.
            asyncio.CancelledError: The frame's deadline struck; the command was told to stop.

        """

    async def aclose(self) -> None:
        """Close the connection, if one is open; the transport can't be used afterwards."""


@runtime_checkable
class Tunnels(Protocol):
    """What a transport has besides that can reach the workstation's own ports; others simply lack it."""

    async def open_stream(self, host: str, port: int, *, mark: Mark, layer: Category) -> Stream:
        """Connect to a port as the workstation sees it.

        Args:
            host: An address of the workstation's, usually 127.0.0.1.
            port: The port there.
            mark: Called with the layer each step deals with, as soon as the step begins.
            layer: The layer that listens there: marked once the connection stands, and blamed when it is refused.

        Raises:
            ProbeError: NETWORK, WORKSTATION or `layer`, with the reason.
            LocalError: We could not even try.
            asyncio.CancelledError: The frame's deadline struck; nothing stays open.

        """


P = TypeVar("P", bound=TransportParams)


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportKind(Generic[P]):
    """The whole of a transport module, as a constant: ``TRANSPORT = TransportKind(name="ssh", ...)``."""

    name: str
    params: type[P]
    open: Callable[[Workstation, P, Credential | None, Logins], Transport]
    """Make a transport for a workstation; no I/O. What hosts said of logins is shared by all transports of a pool."""
    endpoint: Callable[[P], str | None]
    """The scope of the NETWORK breaker it travels through (``ssh:22``); None: no network in between."""
    lane: Lane = Lane.SOCKET
    tunnels: bool = False
    """Whether what it opens is also `Tunnels`: known without opening it, so that a config can be held against it."""


AnyTransportKind = TransportKind[Any]


@functools.cache
def discover() -> Mapping[str, AnyTransportKind]:
    """The transports there are, by name; each is imported when it is asked for (`monitor.kinds`)."""
    return Kinds(__name__, __path__, "TRANSPORT", TransportKind)
