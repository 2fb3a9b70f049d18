"""How a process in the foreground is told to end, and to load its config anew, by the means its platform has."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable


def listen(end: Callable[[], None], reload: Callable[[], None] | None = None) -> None:
    """Have the running loop call `end` on SIGINT or SIGTERM, and `reload` on SIGHUP.

    The loops of Windows know no signal handlers: there Ctrl-C and Ctrl-Break are heard by the interpreter and handed to
    the loop, and there is no SIGHUP.
    """
    loop = asyncio.get_running_loop()
    ends = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGBREAK")]
    try:
        for number in filter(None, ends):
            loop.add_signal_handler(number, end)
        if reload is not None:
            loop.add_signal_handler(signal.SIGHUP, reload)
    except NotImplementedError:
        for number in filter(None, ends):
            signal.signal(number, lambda *_: loop.call_soon_threadsafe(end))
