"""What every test lives under: nothing of ours may block the event loop, and hypothesis has named profiles."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from hypothesis import settings

settings.register_profile("quick", deadline=None, max_examples=50)
settings.register_profile("ci", deadline=None, max_examples=100, derandomize=True, print_blob=True)
settings.register_profile("thorough", deadline=None, max_examples=2000)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") else "quick"))


@pytest.fixture(autouse=True)
def blockbuster() -> Iterator[BlockBuster]:
    """Fail a test in which code of ours, or what it calls, blocks a running event loop.

    Ask for the fixture to allow one place: ``blockbuster.functions["os.stat"].can_block_in("ssl.py", "load_cert")``.
    """
    with blockbuster_ctx("monitor") as guard:
        yield guard
