"""What a refused operation costs: ``python tests/bench/bench_operations.py``.

A refusal asks each layer of the way in turn and starts nothing: no thread, no connection.
"""

from __future__ import annotations

import contextlib
import sys
import timeit
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from monitor.errors import CircuitOpen
from monitor.model import Category
from tests.operations.host import KEYS, Host

ROUNDS = 2_000


def refused(layer: Category) -> Callable[[], None]:
    """Make a start that is refused by one layer."""
    host = Host()
    ws = host.workstation()
    host.breakers.get(KEYS[layer]).force_open()

    def attempt() -> None:
        with contextlib.suppress(CircuitOpen):
            ws.start_emulator(1)

    return attempt


def refused_async() -> Callable[[], None]:
    """Make an async start that is refused by its own breaker, without the cost of the loop."""
    host = Host()
    manager = host.manager()
    host.breakers.get(KEYS[Category.EMULATOR]).force_open()

    def attempt() -> None:
        with contextlib.suppress(CircuitOpen):
            manager.start_emulator(1).send(None)

    return attempt


def main() -> None:
    """Time all and print a table."""
    cases = {f"refused by {layer}": refused(layer) for layer in Category}
    cases["async, refused by emulator"] = refused_async()
    for name, case in cases.items():
        took = min(timeit.repeat(case, number=ROUNDS, repeat=5)) / ROUNDS
        print(f"{name:34}{took * 1e6:8.1f} us")
    host = Host()
    with host.workstation() as ws:
        ws.connect()
        took = min(timeit.repeat(ws.get_emulators_list, number=200, repeat=5)) / 200
        print(f"{'admitted, to the loop and back':34}{took * 1e6:8.1f} us")


if __name__ == "__main__":
    main()
