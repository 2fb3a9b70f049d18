"""A webhook that takes 5 s per message, beside 300 healthy workstations and 30 that refuse: are probes later for it?

Run it as ``python -m tests.bench.bench_notify``; it takes a little over three minutes. On loopback, 3 checks each at an
interval of 10 s; beside those that refuse, 10 workstations come and go all the time, one every two seconds, so that
there is always something to tell. Printed is the lateness of the healthy ones' checks (how long after its due time a
run really began) where nobody is told, where the receiver answers at once, and where it takes its time.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from typing import Final

import uvloop

from monitor import log
from tests.bench.loopback import Crowd, Lateness, notifications, receiver, watching

INTERVAL: Final = 10.0
TIMEOUT: Final = 5.0
SLOW: Final = 5.0
SETTLE: Final = 15.0


async def measure(words: str, pause: float | None, seconds: float) -> None:
    """Watch for a while and print how that went; `pause` None: nobody is told."""
    crowd = Crowd(healthy=300, refusing=30, moody=10)
    await crowd.start()
    lateness = Lateness(crowd)
    with tempfile.TemporaryDirectory() as folder:
        async with receiver(pause or 0.0) as hook:
            told = {} if pause is None else {"notifications": notifications(hook)}
            config = crowd.config(interval=INTERVAL, timeout=TIMEOUT, data_dir=folder, **told)
            async with watching(config, lateness) as service:
                moods = asyncio.create_task(crowd.moods(2.0))
                await asyncio.sleep(SETTLE)
                lateness.words()
                before = hook.taken
                await asyncio.sleep(seconds)
                left = sum(channel.pending for channel in service.notifier.channels())
                print(f"{words:16} {lateness.words()}; {hook.taken - before:3} messages taken, {left:3} wait")
                moods.cancel()
                await asyncio.gather(moods, return_exceptions=True)
    crowd.close()


def main() -> None:
    """Read the options and measure the three."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=45.0, help="of each")
    options = parser.parse_args()
    log.configure(style="console", level="critical")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        for words, pause in (("nobody is told", None), ("webhook at once", 0.0), (f"webhook {SLOW:g} s", SLOW)):
            runner.run(measure(words, pause, options.seconds))


if __name__ == "__main__":
    main()
