"""The exception tree, and the one way a foreign exception becomes one of ours.

    EmuwatchError
    ├── ConfigError        the operator's input is wrong: every problem with file, line and key
    ├── CircuitOpen        a breaker refused: nothing was asked, so it is evidence of nothing
    ├── LocalError         the monitor itself could not ask: says nothing about the host either
    └── ProbeError         nobody answered properly: category (the layer), severity, reason

Each adapter holds one `Table` from exception type to `Blame`; `classify` looks the type up along the MRO (for
`OSError` by errno first, because the kernel tells refused from unreachable only there). Texts never decide.
"""

from __future__ import annotations

import errno
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from monitor.model import Category, Failure, Key, Reason, Severity


class EmuwatchError(Exception):
    """Whatever this service raises on purpose."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with a config: where, and what would be right."""

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.key}: {self.message}" if self.key else f"{place}: {self.message}"


class ConfigError(EmuwatchError):
    """All that is wrong with a config, at once."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class CircuitOpen(EmuwatchError):  # noqa: N818 - the field's name for it (pybreaker, gobreaker)
    """A breaker refused the call.

    Attributes:
        key: The breaker that refused.
        retry_after: Seconds until it admits a trial; `math.inf` while an operator forces it open.

    """

    def __init__(self, key: Key, retry_after: float) -> None:
        super().__init__(key, retry_after)
        self.key = key
        self.retry_after = retry_after

    def __str__(self) -> str:
        if math.isinf(self.retry_after):
            return f"{self.key.scope} forced open by an operator"
        return f"{self.key.scope} open, next trial in {self.retry_after:.0f} s"


class LocalError(EmuwatchError):
    """We could not ask: no permission, no descriptor, a tool missing on the monitor's own machine."""


class ProbeError(EmuwatchError):
    """Nobody answered properly; `category` names the layer that failed."""

    def __init__(
        self,
        message: str,
        *,
        category: Category,
        severity: Severity = Severity.HIGH,
        reason: Reason,
        recoverable: bool = True,
    ) -> None:
        super().__init__(message)
        self.category = category
        self.severity = severity
        self.reason = reason
        self.recoverable = recoverable

    def failure(self) -> Failure:
        """This error as a value for results and pages."""
        return Failure(
            category=self.category,
            severity=self.severity,
            reason=self.reason,
            message=str(self),
            recoverable=self.recoverable,
        )


@dataclass(frozen=True, slots=True)
class Blame:
    """What a foreign exception means: the layer that failed, how bad, why; and words for `str(exc)` is often empty."""

    category: Category
    severity: Severity
    reason: Reason
    words: str
    recoverable: bool = True


Table = Mapping[type[BaseException], Blame]

_NET = Category.NETWORK
ERRNOS: Final[Mapping[int, Blame]] = {
    errno.ECONNREFUSED: Blame(_NET, Severity.HIGH, Reason.REFUSED, "connection refused"),
    errno.ECONNRESET: Blame(_NET, Severity.HIGH, Reason.RESET, "connection reset"),
    errno.ECONNABORTED: Blame(_NET, Severity.HIGH, Reason.RESET, "connection aborted"),
    errno.EPIPE: Blame(_NET, Severity.HIGH, Reason.RESET, "connection closed by the host"),
    errno.ETIMEDOUT: Blame(_NET, Severity.HIGH, Reason.TIMEOUT, "connection timed out"),
    errno.EHOSTUNREACH: Blame(_NET, Severity.HIGH, Reason.UNREACHABLE, "host unreachable"),
    errno.EHOSTDOWN: Blame(_NET, Severity.HIGH, Reason.UNREACHABLE, "host is down"),
    errno.ENETUNREACH: Blame(_NET, Severity.HIGH, Reason.UNREACHABLE, "network unreachable"),
    10051: Blame(_NET, Severity.HIGH, Reason.UNREACHABLE, "network unreachable"),
    10060: Blame(_NET, Severity.HIGH, Reason.TIMEOUT, "connection timed out"),
    10065: Blame(_NET, Severity.HIGH, Reason.UNREACHABLE, "host unreachable"),
}
"""What the kernel says when a connection fails: errno(3), connect(2); 100xx are Winsock's own numbers."""

NETWORK_ERRORS: Final[Table] = {
    ConnectionRefusedError: ERRNOS[errno.ECONNREFUSED],
    ConnectionResetError: ERRNOS[errno.ECONNRESET],
    ConnectionAbortedError: ERRNOS[errno.ECONNABORTED],
    BrokenPipeError: ERRNOS[errno.EPIPE],
    TimeoutError: Blame(_NET, Severity.HIGH, Reason.TIMEOUT, "no answer in time"),
    EOFError: Blame(_NET, Severity.HIGH, Reason.RESET, "connection closed by the host"),
}
"""The built-in exceptions of a connection that fails; adapters extend it with those of their library."""


def blame(exc: BaseException, table: Table) -> Blame | None:
    """Look up what `exc` means: by errno for an `OSError`, else the nearest class of its MRO in `table`."""
    if isinstance(exc, OSError) and type(exc) not in table and exc.errno is not None and exc.errno in ERRNOS:
        return ERRNOS[exc.errno]
    return next((table[cls] for cls in type(exc).__mro__ if cls in table), None)


def classify(exc: BaseException, table: Table, *, where: str) -> ProbeError | LocalError:
    """Turn a foreign exception into one of ours; raise what comes back ``from exc``.

    Args:
        exc: What the library raised.
        table: The adapter's table.
        where: The endpoint or command, for the message: ``ws-01 ssh:22``.

    Returns:
        A `ProbeError` when the table (or the kernel's errno) knows it, else a `LocalError` naming the type.

    """
    if isinstance(exc, (ProbeError, LocalError)):
        return exc
    known = blame(exc, table)
    if known is None:
        return LocalError(f"{where}: {type(exc).__name__}: {exc}" if str(exc) else f"{where}: {type(exc).__name__}")
    return ProbeError(
        f"{where}: {known.words}",
        category=known.category,
        severity=known.severity,
        reason=known.reason,
        recoverable=known.recoverable,
    )
