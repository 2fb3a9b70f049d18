"""What the tests of breakers share: a clock turned by hand, and errors and keys in few words."""

from __future__ import annotations

from collections.abc import Awaitable, Generator

from monitor.errors import ProbeError
from monitor.model import Category, Key, Reason, Severity, Target, Workstation


class Clock:
    """Stands still until told."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


class Pause(Awaitable[None]):
    """Suspends once."""

    def __await__(self) -> Generator[None, None, None]:
        yield


KEY = Key(Category.EXTERNAL, "ws-01", "ldplayer")


def probe_error(category: Category = Category.EXTERNAL, severity: Severity = Severity.HIGH) -> ProbeError:
    return ProbeError("no answer in time", category=category, severity=severity, reason=Reason.TIMEOUT)


def target(name: str, *path: Key, interval: float = 30.0, timeout: float = 5.0, workstation: str = "ws-01") -> Target:
    return Target(
        workstation=Workstation(id=workstation, host="127.0.0.1"),
        name=name,
        kind="tcp",
        params=None,
        path=path,
        interval=interval,
        timeout=timeout,
    )
