"""What a workstation says of itself: one script per platform, and total parsers of what the script prints.

Pure: nothing here runs anything. `monitor.hostfacts.windows` and `monitor.hostfacts.linux` hold the scripts as data;
both come to the same `monitor.model.HostFacts`. Whatever a host leaves out or garbles is None, never an exception.
"""

from __future__ import annotations

from typing import Final

PORTS: Final = ((5037, 5037), (5554, 7600), (16384, 20479), (21503, 25000), (62001, 62999))
"""Ranges of TCP ports emulators and adb listen on: adb, LDPlayer and its like, MuMu, MEmu, Nox."""


def of_emulators(port: int) -> bool:
    """Whether a port is in one of the `PORTS` ranges."""
    return any(low <= port <= high for low, high in PORTS)
