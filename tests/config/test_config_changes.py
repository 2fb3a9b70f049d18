"""Whatever a config says is taken by a reload, or named as waiting for a restart."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest

from monitor.config import Config, load_text, needs_restart

ONE = "workstations: [{host: 192.168.0.50, checks: [{kind: tcp, port: 3389}]}]\n"
AT_THE_START = {"listen_host", "listen_port", "data_dir", "external_url", "store", "process_places"}
"""`monitor.config.changes` compares them."""
BY_RELOAD = {
    "credentials",
    "drain",
    "files",
    "gateways",
    "globs",
    "log_format",
    "log_level",
    "notifications",
    "policies",
    "silences",
    "targets",
    "warnings",
    "workstations",
}
"""`monitor.app` gives them to whom they concern."""


def loaded(text: str = "") -> Config:
    return load_text(ONE + text, environ={}, base=Path("/etc/emuwatch"))


def test_every_field_of_a_config__is_taken_by_a_reload_or_compared() -> None:
    assert {field.name for field in fields(Config)} == AT_THE_START | BY_RELOAD


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", ()),
        ("listen: 127.0.0.1:9900\n", ("listen",)),
        ("listen: 0.0.0.0:9877\n", ("listen",)),
        ("data_dir: elsewhere\n", ("data_dir",)),
        ("external_url: https://farm.example/\n", ("external_url",)),
        ("store: {url: sqlite:///other.db}\n", ("store.url",)),
        ("store: {retention: 1d}\n", ()),
        ("lanes: {process: 99}\n", ("lanes.process",)),
        ("log: {level: debug}\n", ()),
        ("data_dir: elsewhere\nlisten: '[::1]:1'\n", ("listen", "data_dir")),
    ],
)
def test_needs_restart__names_what_is_read_at_the_start_only(text: str, keys: tuple[str, ...]) -> None:
    assert needs_restart(loaded(), loaded(text)) == keys
    assert needs_restart(loaded(text), loaded(text)) == ()
