"""Loads the config anew while the service runs: one at a time, whole or not at all, and how it ended is told.

Knows neither what a config is taken by, nor who is told; both are passed in.
"""

from __future__ import annotations

import asyncio
import enum
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from monitor.config import Config
from monitor.errors import ConfigError
from monitor.watching import Watch

_log = structlog.get_logger("monitor")


class Cause(enum.StrEnum):
    """Why it is loaded."""

    SIGNAL = "signal"
    REQUEST = "request"
    """An operator asked for it, by the API."""
    FILES = "files"
    """One of its files has changed."""


class Outcome(enum.StrEnum):
    """How it ended."""

    OK = "ok"
    REFUSED = "refused"
    """Something is wrong with it; the config before it goes on."""
    FAILED = "failed"
    """A defect of ours; nobody knows how much of it was taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reload:
    """One that has ended."""

    cause: Cause
    who: str
    """The operator, if one asked for it."""
    outcome: Outcome
    at: float
    """Unix time."""
    problems: tuple[str, ...] = ()
    message: str = ""


class Reloading:
    """See the module."""

    def __init__(
        self,
        *,
        load: Callable[[], Config],
        take: Callable[[Config], Awaitable[None]],
        files: Callable[[], tuple[Sequence[Path], Sequence[str]]],
        told: Callable[[Reload], None],
        waits: Callable[[], Sequence[str]] = tuple,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Load nothing yet.

        Args:
            load: Reads the files, in a thread; raises `ConfigError`.
            take: Makes the service run by a config.
            files: Tells which files and patterns to watch now.
            told: Told how each ended.
            waits: Tells which keys of the running config wait for a restart.
            wall: Unix time.

        """
        self._load = load
        self._take = take
        self._told = told
        self._waits = waits
        self._wall = wall
        self._watch = Watch(files, lambda: self.quietly(Cause.FILES))
        self._one = asyncio.Lock()
        self.last: Reload | None = None

    async def watch(self) -> None:
        """Load it whenever its files change, until cancelled."""
        await self._watch.run()

    async def now(self, cause: Cause, who: str = "") -> None:
        """Load it.

        Raises:
            ConfigError: What is wrong with it; the running config goes on.

        """
        async with self._one:
            try:
                await self._watch.note()
                config = await asyncio.to_thread(self._load)
                await self._take(config)
                await self._watch.note_new()
            except ConfigError as error:
                problems = tuple(map(str, error.problems))
                self._end(cause, who, Outcome.REFUSED, problems, "; ".join(problems))
                _log.error("config not reloaded, the running one goes on", cause=cause.value, problems=problems)
                raise
            except Exception as error:
                defect = f"defect: {type(error).__name__}"
                self._end(cause, who, Outcome.FAILED, (defect,), defect)
                raise
            waiting = ", ".join(self._waits())
            words = f"{len(config.workstations)} workstations{f'; needs a restart: {waiting}' if waiting else ''}"
            self._end(cause, who, Outcome.OK, (), words)
            counts = {"workstations": len(config.workstations), "checks": len(config.targets)}
            _log.info("config reloaded", cause=cause.value, **counts)
            if waiting:
                _log.warning("what changed in the config needs a restart", keys=waiting)

    async def quietly(self, cause: Cause) -> None:
        """Load it when nobody waits for the outcome: it is in log, page and metrics."""
        try:
            await self.now(cause)
        except ConfigError:  # said already
            pass
        except Exception:  # noqa: BLE001 - whatever it is, the next change must still be noticed
            _log.exception("reload failed")

    def _end(self, cause: Cause, who: str, outcome: Outcome, problems: tuple[str, ...], message: str) -> None:
        self.last = Reload(cause=cause, who=who, outcome=outcome, at=self._wall(), problems=problems, message=message)
        self._told(self.last)
