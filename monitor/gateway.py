"""Asks the gateways again and again whether we reach the network at all, and tells when that changes.

One task for each gateway, through the checks of workstations but past their lanes and breakers: a farm that is dead
must not keep us from asking, and nobody is spared by not asking a gateway. What the answers add up to is decided in
`monitor.isolation`.
"""

from __future__ import annotations

import asyncio
import errno
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any, Final

import structlog

from monitor.errors import LocalError, ProbeError
from monitor.isolation import Isolation
from monitor.model import Observation, Reason, Target

AGAIN: Final = 1.0
"""Seconds until a gateway that failed is asked again, as long as it is not called silent: the sooner, the less is
believed of the farm in the meantime."""
NO_WAY: Final = frozenset({errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.ENODEV, errno.EPERM, 10049, 10050})
"""What the kernel says when it lets nothing out: the interface is down, has no address, is gone, or our own firewall
forbids it; 100xx are Winsock's own numbers. That there is no route is in the table of network errors."""

_log = structlog.get_logger("monitor.gateway")


class Gateways:
    """See the module. All on one event loop."""

    def __init__(
        self,
        *,
        probe: Callable[[Target], Coroutine[Any, Any, Observation]],
        stalled: Callable[[float], bool] = lambda _: False,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Ask nobody yet.

        Args:
            probe: Asks a target once, under its deadline (`monitor.dispatch.Dispatcher.probe`).
            stalled: Whether our own event loop stood still since a moment of `clock`; a failure then is no failure.
            clock: Monotonic seconds.
            wall: Unix time.
            sleep: Waits between two runs.

        """
        self.isolation = Isolation()
        self.turned: Callable[[], None] = lambda: None
        """Called when we are cut off, and when that is over."""
        self._probe = probe
        self._stalled = stalled
        self._clock = clock
        self._wall = wall
        self._sleep = sleep
        self._targets: dict[str, Target] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        self._ended = -float("inf")
        self._was = ""
        self._started = False

    def replace(self, gateways: Iterable[Target]) -> None:
        """Take the gateways of a config: what is unchanged goes on as it is."""
        old, self._targets = self._targets, {target.name: target for target in gateways}
        anew = {name for name, target in self._targets.items() if name in old and old[name] != target}
        for name in (old.keys() - self._targets.keys()) | anew:
            if name in self._tasks:
                task = self._tasks.pop(name)
                task.cancel()
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
        before = self.isolation.cut_off_since
        wanted = {name: target.down_after for name, target in self._targets.items()}
        self.isolation.replace(wanted, self._wall(), anew=anew)
        self._tell(before)
        if self._started:
            self.start()

    def start(self) -> None:
        """Begin to ask; needs a running loop."""
        self._started = True
        for name, target in self._targets.items():
            if name not in self._tasks:
                self._tasks[name] = asyncio.create_task(self._watch(target), name=f"gateway:{name}")

    async def aclose(self) -> None:
        """End it."""
        self._started = False
        tasks = [*self._tasks.values(), *self._ending]
        self._tasks = {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def excuse(self, since: float) -> str:
        """Say why a run that began at a moment of `clock` may have failed by our own fault; empty: it did not."""
        if self.isolation.cut_off:
            return f"we are cut off: {self.isolation.words()}"
        return f"we were cut off while it was asked: {self._was}" if self._ended > since else ""

    async def ask(self, target: Target) -> None:
        """Ask one gateway once, and judge."""
        began = self._clock()
        try:
            await self._probe(target)
        except ProbeError as error:
            if error.reason is Reason.TIMEOUT and self._stalled(began):
                return
            self._heard(target, silent=str(error))
        except LocalError as error:
            if no_way(error):
                self._heard(target, silent=str(error))
            else:
                self._heard(target, unasked=str(error))
        except Exception as error:  # noqa: BLE001 - a check is a stranger's code; its defect says nothing of the network
            self._heard(target, unasked=f"defect of the check: {type(error).__name__}")
        else:
            self._heard(target)

    async def _watch(self, target: Target) -> None:
        while True:
            began = self._clock()
            await self.ask(target)
            interval = min(target.interval, AGAIN) if self.isolation.doubted(target.name) else target.interval
            await self._sleep(max(0.0, began + interval - self._clock()))

    def _heard(self, target: Target, *, silent: str = "", unasked: str = "") -> None:
        """Take note of what came of a run: an answer, silence, or that it could not be asked."""
        name, at = target.name, self._wall()
        before, could_not = self.isolation.cut_off_since, self.isolation.unasked(name)
        if unasked:
            self.isolation.not_asked(name, unasked, at)
        elif silent:
            self.isolation.failed(name, silent, at)
        else:
            self.isolation.answered(name, at)
        if unasked and not could_not:
            _log.error("gateway can't be asked, so it tells nothing of the network", gateway=name, why=unasked)
        elif could_not and not unasked:
            _log.info("gateway can be asked again", gateway=name)
        self._tell(before)

    def _tell(self, before: float | None) -> None:
        """Log and tell an edge.

        Args:
            before: Since when we were cut off before whatever happened; None: we were not.

        """
        now = self.isolation
        if before is None and now.cut_off:
            self._was = now.words()
            _log.error("cut off from the network, what fails counts against nobody", why=self._was)
        elif before is not None and not now.cut_off:
            self._ended = self._clock()
            words = "cut off no more" if now.watched else "no gateway is configured any more"
            _log.warning(words, away_seconds=round(self._wall() - before), was=self._was)
        else:
            return
        self.turned()


def no_way(error: LocalError) -> bool:
    """Whether we could not ask because nothing gets out of this machine."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None:
            return cause.errno in NO_WAY
        cause = cause.__cause__ or cause.__context__
    return False
