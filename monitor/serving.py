"""Run a service in the foreground, with the signals of the platform."""

from __future__ import annotations

import asyncio

from monitor.app import Service
from monitor.reloading import Cause
from monitor.signals import listen


async def serve(service: Service) -> None:
    """Run a service until SIGINT or SIGTERM; SIGHUP reloads."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    reloads: set[asyncio.Task[None]] = set()

    def hup() -> None:
        task = loop.create_task(service.reload_quietly(Cause.SIGNAL))
        reloads.add(task)
        task.add_done_callback(reloads.discard)

    listen(ended.set, hup)
    try:
        await service.start()
        await ended.wait()
    finally:
        await service.stop()
