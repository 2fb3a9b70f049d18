"""Whatever stands in a config, and wherever: a config or a `ConfigError`, never anything else."""

from __future__ import annotations

import json
import string
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import Config
from monitor.config import source as source_module
from monitor.errors import ConfigError

Attempt = Callable[[str], Config | ConfigError]

GOOD: dict[str, Any] = {
    "listen": "127.0.0.1:9877",
    "external_url": "https://monitor.example",
    "log": {"format": "json"},
    "defaults": {"interval": "30s"},
    "breakers": {"failures": 3, "network": {"window": "5m"}},
    "credentials": {"farm": {"user": "a", "password": "${PASSWORD}"}},
    "templates": {"pc": {"transport": {"kind": "ssh"}, "labels": {"rack": "a"}, "checks": [{"kind": "icmp"}]}},
    "workstations": [
        {"id": "ws-[1-3]", "host": "10.0.0.[1-3]", "template": "pc", "checks": [{"kind": "tcp", "port": 1}]}
    ],
    "gateways": [{"kind": "icmp", "host": "10.0.0.254"}, {"kind": "http", "url": "http://router/", "interval": "1s"}],
    "inventory_files": [],
}
KEYS = sorted({*GOOD, "kind", "name", "host", "id", "checks", "transport", "labels", "password_file", "<<", "network"})
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.text(alphabet="[]-,0123456789${}ab~./\0", max_size=12),
    st.sampled_from(["tcp", "ssh", "pc", "farm", "30s", "${PASSWORD}", "ws-[1-3]"]),
)
values = st.recursive(
    scalars,
    lambda part: (
        st.lists(part, max_size=4) | st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=8), part, max_size=4)
    ),
    max_leaves=12,
)


def is_fair(outcome: Config | ConfigError) -> bool:
    """Check that an error has words for every problem, each on one line and without the secret."""
    if isinstance(outcome, Config):
        return True
    lines = [str(problem) for problem in outcome.problems]
    return bool(lines) and not any("\n" in line or "hunter2" in line or not line for line in lines)


def test_load_text__good_document__loads(attempt: Attempt) -> None:
    assert isinstance(attempt(json.dumps(GOOD)), Config)


@given(st.text(max_size=200))
def test_load_text__any_text__only_a_config_error(attempt: Attempt, text: str) -> None:
    assert is_fair(attempt(text))


@given(st.text(alphabet=string.ascii_letters[:3] + "0:-?[]{},&*!|>'\"%@`#<$~ \n\t", max_size=60))
def test_load_text__any_punctuation__only_a_config_error(attempt: Attempt, text: str) -> None:
    assert is_fair(attempt(text))


@given(values)
def test_load_text__any_document__only_a_config_error(attempt: Attempt, document: object) -> None:
    assert is_fair(attempt(yaml.safe_dump(document, allow_unicode=True)))


@given(st.data())
def test_load_text__good_document_with_one_part_replaced__only_a_config_error(
    attempt: Attempt, data: st.DataObject
) -> None:
    document = json.loads(json.dumps(GOOD))
    part: Any = document
    while True:
        steps = list(part) if isinstance(part, dict) else list(range(len(part)))
        step = data.draw(st.sampled_from(steps)) if steps else None
        if step is None or not isinstance(part[step], (dict, list)) or data.draw(st.booleans()):
            break
        part = part[step]
    if step is not None:
        part[step] = data.draw(values)
    assert is_fair(attempt(yaml.safe_dump(document, allow_unicode=True)))


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "{a: " * 100_000, "- " * 100_000, "? " * 10_000, "a: &a *a", "\ufeff", "\0"]
)
def test_load_text__hostile_text__only_a_config_error(attempt: Attempt, text: str) -> None:
    assert is_fair(attempt(text))


def test_parse__reader_in_python__reads_the_same(attempt: Attempt, monkeypatch: pytest.MonkeyPatch) -> None:
    fast = attempt(yaml.safe_dump(GOOD))
    monkeypatch.setattr(source_module, "_LOADER", yaml.SafeLoader)
    slow = attempt(yaml.safe_dump(GOOD))
    assert isinstance(fast, Config)
    assert isinstance(slow, Config)
    assert fast.targets == slow.targets
