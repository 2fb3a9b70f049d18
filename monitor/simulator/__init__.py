"""A farm that does not exist: loopback servers that speak the real protocols, with faults on command.

`Wire` is a TCP endpoint that can fail like a real one, `workstation` puts the endpoints of one machine together, `farm`
makes several and the config that watches them, `story` breaks and mends them on a loop. Everything runs on the
caller's event loop; nothing here knows the monitor that watches it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

Sleep = Callable[[float], Awaitable[None]]
"""Waits some seconds; `asyncio.sleep`, or a test's own."""
