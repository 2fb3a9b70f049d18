from __future__ import annotations

import pytest

from tests.operations.host import Host


@pytest.fixture
def host() -> Host:
    return Host()
