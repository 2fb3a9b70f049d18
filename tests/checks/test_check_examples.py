"""The sample config on top of each check's module is one: it must pass the check's own parameters."""

from __future__ import annotations

import importlib
import re

import pytest
import yaml

EXAMPLES = [
    (name, example)
    for name in ("tcp", "icmp", "http")
    for example in re.findall(
        r"(?ms)^ {4}(\{kind:.*?\})(?: +#.*)?$", importlib.import_module(f"monitor.checks.{name}").__doc__ or ""
    )
]


def test_every_check__shows_an_example() -> None:
    assert {name for name, _ in EXAMPLES} == {"tcp", "icmp", "http"}


@pytest.mark.parametrize(("name", "example"), EXAMPLES)
def test_example__is_valid(name: str, example: str) -> None:
    section = yaml.safe_load(example)
    section.pop("verify", None)  # a file on the reader's machine
    assert section.pop("kind") == name
    importlib.import_module(f"monitor.checks.{name}").Params.model_validate(section)
