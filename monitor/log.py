"""Logs by structlog: one line on an edge, none per probe; JSON for machines, words for people.

Text from a host (a title, a banner) may hold line breaks and terminal codes: control characters are escaped in every
value, so one event is always one line.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Final, Literal

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from monitor.breaker.machine import EventKind
from monitor.breaker.permit import BreakerEvent
from monitor.model import Result, Status, Transition

_log = structlog.get_logger("monitor")

_CONTROLS: Final = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}

_EDGES: Final = {
    EventKind.OPENED: "breaker tripped",
    EventKind.CLOSED: "breaker recovered",
    EventKind.FORCED: "breaker forced",
    EventKind.RESET: "breaker reset",
}


def configure(*, style: Literal["console", "json"], level: str) -> None:
    """Send our own and all libraries' log lines to stderr in one style.

    Args:
        style: Words for people, or one JSON object a line.
        level: A level name of `logging`, any case.

    """
    shared: list[Processor] = [
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info if style == "json" else structlog.dev.set_exc_info,
        one_line,
    ]
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if style == "json"
        else structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # the default prints locals, and they may hold secrets
        )
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    for chatty in ("apscheduler", "asyncssh", "aiohttp.access", "aiosqlite", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)


def one_line(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Escape control characters in every text value but a traceback's."""
    for key, value in event.items():
        if isinstance(value, str) and key not in {"exception", "exc_info"}:
            event[key] = value.translate(_CONTROLS)
    return event


def transitions(result: Result, changed: Sequence[Transition]) -> None:
    """Log what a result changed: an observer of results. A first "up" is no news."""
    for transition in changed:
        if transition.first and transition.new is Status.UP:
            continue
        say = _log.info if transition.new is Status.UP else _log.warning
        say(
            f"{transition.kind} {transition.new}",
            workstation=transition.workstation,
            name=transition.name,
            was=transition.old.value,
            why=transition.message,
        )


def breaker(event: BreakerEvent) -> None:
    """Log the trips and recoveries of breakers: a listener of theirs. Trials that fail are no edge."""
    words = _EDGES.get(event.kind)
    if words is None:
        return
    say = _log.warning if event.kind is EventKind.OPENED else _log.info
    key = event.key
    say(words, category=key.category.value, workstation=key.workstation, scope=key.scope, next_trial=event.retry_after)
