"""One breaker per key: made on first use, planned from the targets, dropped when its target is gone.

Listeners are told here. They are strangers' code: one that raises is logged and counted, and changes nothing.
"""

from __future__ import annotations

import logging
import random as chance
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from monitor.breaker.machine import Policy, State
from monitor.breaker.permit import Breaker, BreakerEvent, BreakerState, Listener
from monitor.breaker.saved import Saved
from monitor.breaker.states import Figures
from monitor.model import Category, Key, Target

__all__ = ["OPERATION", "BreakerState", "Breakers"]

OPERATION: Final = "operation"
"""The scope of lifecycle commands: no check passes it, so it lives as long as its workstation."""

_log = logging.getLogger(__name__)


class Breakers:
    """Every breaker of this process.

    Args:
        policies: By category; a category left out has the default policy.
        clock: Monotonic seconds.
        wall: Unix time, noted for people only.
        random: From 0 to 1, for jitter.

    """

    def __init__(
        self,
        *,
        policies: Mapping[Category, Policy] | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
        random: Callable[[], float] = chance.random,
    ) -> None:
        self.listener_errors = 0
        self._policies = dict(policies or {})
        self._clock = clock
        self._wall = wall
        self._random = random
        self._listeners: tuple[Listener, ...] = ()
        self._breakers: dict[Key, Breaker] = {}
        self._lock = threading.Lock()

    def get(self, key: Key) -> Breaker:
        """Return the breaker of `key`, the same one every time; made if there is none yet."""
        breaker = self._breakers.get(key)
        if breaker is not None:
            return breaker
        fresh = Breaker(
            key,
            self._policy(key.category),
            self._clock,
            wall=self._wall,
            random=self._random,
            publish=self._publish,
        )
        with self._lock:
            return self._breakers.setdefault(key, fresh)

    def find(self, key: Key) -> Breaker | None:
        """Return the breaker of `key` if there is one; makes none."""
        return self._breakers.get(key)

    def plan(self, targets: Iterable[Target], *, policies: Mapping[Category, Policy] | None = None) -> None:
        """Make the breakers of all targets, each with a policy that fits the checks passing it.

        The window fits the fastest of them, a trial's lease the slowest. A breaker that exists keeps its state.

        Args:
            targets: All of them, not only new ones.
            policies: From now on these, by category; None: as before.

        """
        if policies is not None:
            self._policies = dict(policies)
        passing: dict[Key, list[Target]] = {}
        for target in targets:
            for key in target.path:
                passing.setdefault(key, []).append(target)
        fits: dict[tuple[Category, frozenset[tuple[float, float]]], Policy] = {}  # few, shared by many breakers
        for key in {**dict.fromkeys(self._known()), **passing}:
            if key in passing or policies is not None:
                mine = passing.get(key, ())
                kind = (key.category, frozenset((target.interval, target.timeout) for target in mine))
                if kind not in fits:
                    fits[kind] = self._policy(key.category, mine)
                self.get(key).adopt(fits[kind])

    def retain(self, keys: Iterable[Key]) -> None:
        """Drop every breaker but these and the operation breakers of their workstations."""
        kept = frozenset(keys)
        workstations = frozenset(key.workstation for key in kept)
        with self._lock:
            self._breakers = {
                key: breaker
                for key, breaker in self._breakers.items()
                if key in kept or (key.scope == OPERATION and key.workstation in workstations)
            }

    def items(self) -> Iterator[BreakerState]:
        """The state of every breaker, by key."""
        for key in sorted(self._known()):
            breaker = self._breakers.get(key)
            if breaker is not None:
                yield breaker.snapshot()

    def saved(self, keys: Iterable[Key]) -> Iterator[Saved]:
        """What is worth keeping of these breakers; of one that is gone, nothing."""
        for key in keys:
            breaker = self._breakers.get(key)
            if breaker is not None:
                yield breaker.saved()

    def restore(self, past: Iterable[Saved]) -> None:
        """Go on from what was saved before a restart; do it before `plan` and `retain`, which drop what is not needed.

        Nobody is told: nothing happened.
        """
        for saved in past:
            self.get(saved.key).restore(saved)

    def forgive(self, since: float, *, why: str) -> None:
        """Close what tripped after a Unix time and nobody forces: what made it trip turned out to be no evidence."""
        for breaker in list(self.items()):
            if breaker.state is not State.CLOSED and breaker.forced is None and (breaker.last_trip or 0.0) > since:
                self.get(breaker.key).reset(who="emuwatch", why=why)

    def figures(self) -> Iterator[tuple[Key, Figures]]:
        """What is measured of one breaker after the other, in no order, for who does other work in between."""
        with self._lock:
            breakers = list(self._breakers.values())
        for breaker in breakers:
            yield breaker.key, breaker.figures()

    def subscribe(self, listener: Listener) -> None:
        """Tell `listener` of every event from now on, on the thread that caused it; it must be quick."""
        with self._lock:
            self._listeners = (*self._listeners, listener)

    def _known(self) -> Sequence[Key]:
        with self._lock:
            return list(self._breakers)

    def _policy(self, category: Category, passing: Sequence[Target] = ()) -> Policy:
        policy = self._policies.get(category) or Policy()
        if not passing:
            return policy
        fastest = min(passing, key=lambda target: target.interval + target.timeout)
        lease = max(policy.lease, *(target.timeout for target in passing))
        return replace(policy.widened(fastest.interval, fastest.timeout), lease=lease)

    def _publish(self, event: BreakerEvent) -> None:
        for listener in self._listeners:
            try:
                listener(event)
            except Exception:  # noqa: BLE001 - strangers' code: its defect must not reach the guarded call
                with self._lock:
                    self.listener_errors += 1
                _log.exception("breaker listener %r raised for %s of %s", listener, event.kind, event.key)
