"""The contract of a channel: send one message. One file per kind, found by `discover`.

A channel module holds one constant, `CHANNEL`. What it opens is a `Sender`: it sends, or raises `NotSentError`, which
says whether another attempt can help. It retries nothing, waits for nothing and writes no log: the frame around it does
(`monitor.notify.worker`). Its parameters hold secrets, so no message of it may quote them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from monitor.kinds import Kinds
from monitor.notices import Message


class ChannelParams(BaseModel):
    """Base of every channel's parameters: frozen, unknown keys are errors, errors hold no input."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Sender(Protocol):
    """An open channel."""

    async def send(self, message: Message) -> None:
        """Send one message; the caller sets the deadline.

        Raises:
            NotSentError: It did not get there (`monitor.posting`).

        """

    async def aclose(self) -> None:
        """Let go of everything."""


P = TypeVar("P", bound=ChannelParams)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChannelKind(Generic[P]):
    """The whole of a channel module, as a constant: ``CHANNEL = ChannelKind(name="webhook", ...)``."""

    name: str
    params: type[P]
    open: Callable[[P], Sender]
    secrets: frozenset[str] = frozenset()
    """Parameters never written into a config: from the environment, or from the file that ``<name>_file`` names."""
    timeout: float = 150.0
    """Seconds one attempt may take, whatever the sender does."""
    refresh: Callable[[P], float | None] = lambda _: None
    """Seconds after which what is still wrong is sent again, or the receiver takes it for over; None: never."""


AnyChannelKind = ChannelKind[Any]


@functools.cache
def discover() -> Mapping[str, AnyChannelKind]:
    """The kinds of channels there are, by name; each is imported when it is asked for (`monitor.kinds`)."""
    return Kinds(__name__, __path__, "CHANNEL", ChannelKind)
