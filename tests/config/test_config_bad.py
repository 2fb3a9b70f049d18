"""One bad file per rule, beside it the exact messages. They quote what libyaml says of broken YAML."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from monitor.checks import AnyCheck
from monitor.config import load
from monitor.errors import ConfigError
from monitor.transports import AnyTransportKind

FOLDER = Path(__file__).parents[1] / "data" / "config"
BAD = sorted(FOLDER.glob("bad-*.yaml"))
ENVIRON = {"FARM_PASSWORD": "hunter2", "FARM_USER": "admin", "EMPTY": "", "FARM_PORT": "hunter2"}


def test_bad_files__many__each_with_its_messages() -> None:
    assert yaml.__with_libyaml__
    assert len(BAD) >= 40
    assert {path.stem for path in BAD} == {path.stem for path in FOLDER.glob("bad-*.txt")}


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_load__bad_file__says_exactly(
    path: Path, checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, environ=ENVIRON, checks=checks, transports=transports)
    said = str(caught.value).replace(f"{FOLDER}/", "")
    assert said.splitlines() == path.with_suffix(".txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("path", BAD, ids=lambda path: path.stem)
def test_load__bad_file__shows_no_secret(
    path: Path, checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]
) -> None:
    with pytest.raises(ConfigError) as caught:
        load(path, environ=ENVIRON, checks=checks, transports=transports)
    error: BaseException | None = caught.value
    while error is not None:
        assert "hunter" not in str(error) + repr(error)
        error = error.__cause__ or error.__context__
