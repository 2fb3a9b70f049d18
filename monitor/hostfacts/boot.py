"""When a workstation was started: whether that is another start than the one known, and in words. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

REBOOT: Final = 60.0
"""Seconds a boot time must move to be another boot: clocks are set, and some hosts compute it anew each time."""


def rebooted(before: float, now: float) -> bool:
    """Whether a boot time that is told now is of a later boot than the one told before."""
    return now - before > REBOOT


def written(at: float) -> str:
    """Write a moment for people; a host may tell any."""
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"Unix time {at:.0f}"
