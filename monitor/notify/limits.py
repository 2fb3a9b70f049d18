"""When a route keeps silent although something is due: quiet hours, and a limit of messages in a time. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from datetime import datetime, timedelta

from monitor.notices import Quiet


def is_quiet(hours: Iterable[Quiet], now: float) -> bool:
    """Whether a moment lies in one of them, by the clock on the wall of their time zone."""
    return any(_within(quiet, now) for quiet in hours)


def _within(quiet: Quiet, now: float) -> bool:
    local = datetime.fromtimestamp(now, quiet.zone)
    minute = local.hour * 60 + local.minute
    yesterday = (local - timedelta(days=1)).weekday()
    if quiet.begins < quiet.ends:
        return quiet.begins <= minute < quiet.ends and local.weekday() in quiet.days
    if minute >= quiet.begins:
        return local.weekday() in quiet.days
    return minute < quiet.ends and yesterday in quiet.days


class Rate:
    """Counts the messages of the last while."""

    def __init__(self) -> None:
        self._sent: deque[float] = deque()

    def room(self, limit: tuple[int, float] | None, now: float) -> int | None:
        """How many more may be sent now; None: any number."""
        if limit is None:
            self._sent.clear()
            return None
        most, seconds = limit
        while self._sent and not now - seconds < self._sent[0] <= now:
            self._sent.popleft()
        return max(0, most - len(self._sent))

    def used(self, count: int, now: float) -> None:
        """Take note that so many were sent."""
        self._sent.extend([now] * count)
