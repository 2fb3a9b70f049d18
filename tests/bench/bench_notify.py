"""A webhook that takes 5 s per message, while a farm's workstations fail and return: are probes later than without?

Run: python -m tests.bench.bench_notify [SECONDS]
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
from typing import Final

from aiohttp import web

from monitor import log
from monitor.app import Service
from monitor.config import load_text
from monitor.simulator.farm import Farm

WORKSTATIONS: Final = 10
INTERVAL: Final = 1.0
SLOW: Final = 5.0
ROUTE: Final = {
    "channels": ["hook"],
    "after": "0s",
    "wait": "0s",
    "resolve_after": "0s",
    "update": "0s",
    "steady": "0s",
}


async def lateness(seconds: float, pause: float | None) -> tuple[list[float], int]:
    """Watch a farm of which one workstation after the other fails and returns; None: nobody is told."""
    taken = 0

    async def hook(request: web.Request) -> web.Response:
        nonlocal taken
        await asyncio.sleep(pause or 0)
        taken += 1
        return web.Response()

    server = web.Application()
    server.router.add_post("/", hook)
    runner = web.AppRunner(server, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found: list[float] = []
    async with Farm(workstations=WORKSTATIONS, emulators=6) as farm:
        config = farm.config(interval=INTERVAL, open_time=2.0)
        if pause is not None:
            url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
            channels = {"hook": {"kind": "webhook", "url": url}}
            config["notifications"] = {"channels": channels, "routes": [ROUTE]}
        service = await asyncio.to_thread(lambda: Service(load_text(json.dumps(config), name="bench")))
        setattr(service.metrics, "lateness", found.append)  # noqa: B010 - every figure, not a histogram
        await service.start()
        await asyncio.sleep(5)
        found.clear()
        for number in range(int(seconds)):
            each = farm.workstations[number % WORKSTATIONS]
            each.http_status(500 if number // WORKSTATIONS % 2 == 0 else 200)
            await asyncio.sleep(1)
        await service.stop()
    await runner.cleanup()
    return found, taken


def main() -> None:
    """Print the lateness of runs without notifications, with a quick webhook, with a slow one."""
    log.configure(style="console", level="critical")
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 30.0
    for words, pause in (("nobody is told", None), ("webhook at once", 0.0), (f"webhook {SLOW:g} s", SLOW)):
        found, taken = asyncio.run(lateness(seconds, pause))
        cuts = statistics.quantiles(found, n=100)
        print(
            f"{words:16} {len(found):5} runs, {taken:3} messages taken, lateness "
            f"p50 {cuts[49] * 1000:.1f} ms, p99 {cuts[98] * 1000:.1f} ms, max {max(found) * 1000:.1f} ms"
        )


if __name__ == "__main__":
    main()
