"""Real programs that some tests need."""

from __future__ import annotations

import glob
import os
import shutil
from collections.abc import Iterable
from typing import NoReturn

import pytest


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
