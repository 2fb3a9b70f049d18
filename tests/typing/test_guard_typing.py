"""What the type checker must refuse. What it must accept is in `guarded_operations`, read with the whole tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from mypy import api

ROOT = Path(__file__).parents[2]

SNIPPET = """
from monitor.breaker.guard import with_circuit_breaker
from monitor.breaker.registry import Breakers
from monitor.model import Category

class Good:
    breakers: Breakers
    workstation: str

    @with_circuit_breaker(Category.EXTERNAL)
    def operation(self, index: int) -> str:
        return str(index)

class NoBreakers:
    workstation: str

    @with_circuit_breaker(Category.EXTERNAL)
    def operation(self) -> None: ...

class WrongWorkstation:
    breakers: Breakers
    workstation: int

    @with_circuit_breaker(Category.EXTERNAL)
    async def operation(self) -> None: ...

@with_circuit_breaker(Category.EXTERNAL)
def no_method(index: int) -> None: ...

@with_circuit_breaker("external")
def no_category(self: Good) -> None: ...

Good().operation("three")
"""


def test_mypy__class_that_is_not_guarded__is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    config = tmp_path / "mypy.ini"
    config.write_text("[mypy]\n")
    report, errors, status = api.run(
        ["--strict", f"--config-file={config}", f"--cache-dir={tmp_path}", "--no-error-summary", "-c", SNIPPET]
    )
    assert (errors, status) == ("", 1)
    refused = [line.split(": error: ") for line in report.splitlines() if ": error: " in line]
    assert [(place, message.split('"')[1]) for place, message in refused] == [
        ("<string>:17", "G"),
        ("<string>:24", "G"),
        ("<string>:27", "G"),
        ("<string>:30", "with_circuit_breaker"),
        ("<string>:33", "operation"),
    ], report
