"""CONTRIBUTING.md shows a check that exists: what it quotes must stand in the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
QUOTES = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text("utf-8"), re.DOTALL)


def test_contributing__quotes_the_tcp_check() -> None:
    assert len(QUOTES) == 4


@pytest.mark.parametrize("quote", QUOTES)
def test_quoted_code__stands_in_the_tcp_check(quote: str) -> None:
    assert quote in (ROOT / "monitor/checks/tcp.py").read_text("utf-8")
