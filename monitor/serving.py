"""Run a service in the foreground, with the signals of the platform."""

from __future__ import annotations

import asyncio
import signal
import sys

from monitor.app import Service
from monitor.reloading import Cause


async def serve(service: Service) -> None:
    """Run a service until SIGINT or SIGTERM; SIGHUP reloads."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    reloads: set[asyncio.Task[None]] = set()

    def hup() -> None:
        task = loop.create_task(service.reload_quietly(Cause.SIGNAL))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    if sys.platform == "win32":  # its loops know no signal handlers
        signal.signal(signal.SIGINT, lambda *_: loop.call_soon_threadsafe(ended.set))
    else:
        loop.add_signal_handler(signal.SIGINT, ended.set)
        loop.add_signal_handler(signal.SIGTERM, ended.set)
        loop.add_signal_handler(signal.SIGHUP, hup)
    try:
        await service.start()
        await ended.wait()
    finally:
        await service.stop()
