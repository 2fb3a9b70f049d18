"""Real programs that some tests need."""

from __future__ import annotations

import glob
import os
import random
import shutil
import socket
from collections.abc import Iterable
from typing import Final, NoReturn

import pytest

PORTS: Final = range(20_000, 32_000)
"""Below those the system hands out by itself, so that no connection of another test takes one meanwhile."""


def require_program(program: str, package: str, *, folders: Iterable[str] = ()) -> str:
    """Return the path of a program; without it skip the test, or fail it where EMUWATCH_REQUIRE_SERVERS=1.

    Args:
        program: Its name.
        package: The Debian package that has it.
        folders: Where to look beside PATH; patterns, the last match first (``/usr/lib/postgresql/*/bin``).

    """
    more = [match for pattern in folders for match in sorted(glob.glob(pattern), reverse=True)]  # noqa: PTH207 - absolute patterns
    path = shutil.which(program) or shutil.which(program, path=os.pathsep.join(more))
    return path or unavailable(f"{program} is not installed (Debian package {package})")


def unavailable(reason: str) -> NoReturn:
    """Skip a test this machine can't run; fail it where EMUWATCH_REQUIRE_SERVERS=1 says that it must."""
    if os.environ.get("EMUWATCH_REQUIRE_SERVERS") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def free_port() -> int:
    """Find a port of loopback for another process to listen on."""
    while True:
        port = random.choice(PORTS)
        with socket.socket() as sock:
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
