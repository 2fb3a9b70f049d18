from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.operations.host import Host
from tests.operations.world import World


@pytest.fixture
def host() -> Host:
    return Host()


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    try:
        yield world
    finally:
        world.close()
