from __future__ import annotations

from pathlib import Path

import pytest

from monitor.errors import ConfigError
from monitor.token import NAME, operator_token, read_token


def test_operator_token__first_start__writes_one_only_its_owner_can_read(tmp_path: Path) -> None:
    token = operator_token(tmp_path / "data")
    path = tmp_path / "data" / NAME
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.read_text().strip() == token
    assert len(token) >= 40


def test_operator_token__later_start__keeps_it(tmp_path: Path) -> None:
    assert operator_token(tmp_path) == operator_token(tmp_path)


def test_read_token__others_can_read_it__is_refused_with_the_remedy(tmp_path: Path) -> None:
    operator_token(tmp_path)
    path = tmp_path / NAME
    path.chmod(0o644)
    with pytest.raises(ConfigError, match=f"^{path}: others can read it; run: chmod 600 {path}$"):
        read_token(path)


@pytest.mark.parametrize(("content", "message"), [(b"\n", "is empty"), (b"\xff", "is not an operator token")])
def test_read_token__no_token_in_it__is_refused(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / NAME
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(ConfigError, match=message):
        read_token(path)


def test_operator_token__folder_is_a_file__is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigError, match="can't be made a folder: File exists"):
        operator_token(tmp_path / "data")
