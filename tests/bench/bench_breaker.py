"""What a breaker costs, as ratios within one run: ``python tests/bench/bench_breaker.py``.

Absolute times are the machine's; the ratios to a function that does nothing and to a lock that is tried are ours.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import timeit
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from monitor.breaker.guard import Breaker, with_circuit_breaker
from monitor.breaker.registry import Breakers
from monitor.errors import CircuitOpen
from monitor.model import Category, Key, Severity

ROUNDS = 50_000
KEY = Key(Category.NETWORK, "ws-01", "ssh:22")


class Console:
    """Guarded and bare calls of the same method."""

    def __init__(self) -> None:
        self.breakers = Breakers()
        self.workstation = "ws-01"

    def bare(self) -> None:
        """Do nothing."""

    guarded = with_circuit_breaker(Category.EXTERNAL)(bare)


def references() -> dict[str, Callable[[], object]]:
    """What the rest is compared with; the first two are the columns."""
    lock = threading.Lock()

    def nothing() -> None:
        pass

    def try_lock() -> None:
        if lock.acquire(blocking=False):
            lock.release()

    def raising() -> None:
        with contextlib.suppress(CircuitOpen):
            raise CircuitOpen(KEY, 1.0)

    return {
        "a function that does nothing": nothing,
        "a lock, tried and released": try_lock,
        "an exception, raised, suppressed": raising,
    }


def cases() -> dict[str, Callable[[], object]]:
    """What a breaker is asked to do."""
    breakers = Breakers()
    closed, refusing, failing = breakers.get(KEY), Breaker(KEY), Breaker(KEY)
    refusing.force_open()
    failing.force_closed()

    def refuse() -> None:
        with contextlib.suppress(CircuitOpen):
            refusing.acquire()

    def block() -> None:
        with closed:
            pass

    return {
        "look a breaker up": lambda: breakers.get(KEY),
        "closed: acquire, success": lambda: closed.acquire().success(),
        "closed: acquire, failure": lambda: failing.acquire().failure(Severity.HIGH),
        "open: rejection, suppressed": refuse,
        "closed: with block": block,
        "closed: decorated method": Console().guarded,
    }


def main() -> None:
    """Time all and print a table."""
    timed = {**references(), **cases()}
    times = {name: min(timeit.repeat(case, number=ROUNDS, repeat=5)) / ROUNDS * 1e9 for name, case in timed.items()}
    nothing, lock, *_ = times.values()
    print(f"{'':34}{'ns':>8}{'x nothing':>12}{'x try-lock':>12}")
    for name, took in times.items():
        print(f"{name:34}{took:8.0f}{took / nothing:12.1f}{took / lock:12.1f}")


if __name__ == "__main__":
    main()
