"""The operator token: whoever changes state must show it. Written once, readable by its owner only."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Final

from monitor.errors import ConfigError, Problem

NAME: Final = "operator-token"


def operator_token(data_dir: Path) -> str:
    """Read the token of this installation, or write a new one.

    Args:
        data_dir: Where the service keeps its own files; made when missing.

    Raises:
        ConfigError: The folder or the file can't be written or read, or others can read it.

    """
    path = data_dir / NAME
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _problem(data_dir, f"can't be made a folder: {error.strerror}") from error
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
    except FileExistsError:
        pass
    except OSError as error:
        raise _problem(path, f"can't be written: {error.strerror}") from error
    return read_token(path)


def read_token(path: Path) -> str:
    """Read a token file.

    Raises:
        ConfigError: It can't be read, is empty, or others can read it.

    """
    try:
        if os.name == "posix" and path.stat().st_mode & 0o077:
            raise _problem(path, f"others can read it; run: chmod 600 {path}")
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise _problem(path, f"can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise _problem(path, "is not an operator token; remove it and a new one is written") from error
    if not token:
        raise _problem(path, "is empty; remove it and a new one is written")
    return token


def _problem(path: Path, message: str) -> ConfigError:
    return ConfigError([Problem(file=str(path), line=None, key="", message=message)])
