"""When a breaker opens and for how long: the figures an operator may choose, checked. Pure; decides nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from monitor.model import Severity


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When a breaker opens and for how long."""

    failures: int = 3
    """So many failures that count, within the window, open it."""
    min_severity: Severity = Severity.HIGH
    """Errors below it never open, and answer a trial with yes."""
    window: float = 60.0
    """Seconds within which the failures must fall."""
    fixed_window: bool = False
    """The operator chose the window himself: it is not widened to fit the checks (see `can_trip`)."""
    open_time: float = 60.0
    """Seconds from opening to the trial."""
    backoff_factor: float = 1.0
    """By how much each opening in a row lasts longer than the one before; 1: all last the same."""
    backoff_cap: float = 600.0
    """The longest open time back-off leads to, before jitter; unused while the factor is 1."""
    jitter: float = 0.0
    """Up to this share of the open time is added by chance. It only lengthens: nobody is asked too early."""
    lease: float = 60.0
    """Seconds a trial may take before another caller gets its place."""

    def __post_init__(self) -> None:
        if self.failures < 1 or self.failures != int(self.failures):
            raise ValueError(f"failures must be a whole number of at least 1, is {self.failures!r}")
        for name in ("window", "open_time", "backoff_cap", "lease"):
            seconds = getattr(self, name)
            if not 0 < seconds < math.inf:
                raise ValueError(f"{name} must be a positive number of seconds, is {seconds!r}")
        if not 1 <= self.backoff_factor < math.inf:
            raise ValueError(f"backoff_factor must be at least 1, is {self.backoff_factor!r}")
        if self.backoff_factor > 1 and self.backoff_cap < self.open_time:
            raise ValueError(f"backoff_cap must be at least open_time ({self.open_time:g}), is {self.backoff_cap!r}")
        if not 0 <= self.jitter <= 1:
            raise ValueError(f"jitter must lie between 0 and 1, is {self.jitter!r}")

    def widened(self, interval: float, timeout: float) -> Policy:
        """Return the policy with a window that fits a check: at least ``failures * (interval + timeout)``."""
        window = self.failures * (interval + timeout)
        return self if self.fixed_window or window <= self.window else replace(self, window=window)

    def can_trip(self, interval: float, timeout: float, jitter: float = 0.0) -> bool:
        """Tell whether a check of a dead host opens the breaker after `failures` runs.

        The turns are an interval apart. At worst the first run begins on time and fails at once, and the last one is
        late by all of the jitter and fails only when its deadline strikes, so from the first failure to the last it
        takes up to ``(failures - 1) * interval + jitter + timeout``; one alone takes 0.
        """
        return self.failures == 1 or (self.failures - 1) * interval + jitter + timeout <= self.window
