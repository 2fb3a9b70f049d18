"""The guard of conftest.py itself: without it a blocking call would only show as a late probe."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from types import CodeType

import pytest
from blockbuster import BlockingError

import monitor

OURS: CodeType = compile("time.sleep(0.001)", str(Path(monitor.__file__).with_name("blocks.py")), "exec")
"""Code that blocks and says it stands in a file of ours, because no file of ours does it."""


def block() -> None:
    exec(OURS, {"time": time})


async def test_call_that_blocks__on_the_event_loop__fails_the_test() -> None:
    with pytest.raises(BlockingError, match=r"time\.sleep"):
        block()


async def test_call_that_blocks__in_a_thread__is_allowed() -> None:
    await asyncio.to_thread(block)


def test_call_that_blocks__without_a_loop__is_allowed() -> None:
    block()
