"""Reading what a config names: inventories, secrets, keys. Says why a file can't be read, never what is in it."""

from __future__ import annotations

import glob
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

LARGEST: Final = 16 * 1024 * 1024
LARGEST_SECRET: Final = 64 * 1024

_WHY: Final[Mapping[type[OSError], str]] = {
    FileNotFoundError: "there is no such file",
    NotADirectoryError: "there is no such file",
    PermissionError: "no permission to read it",
    IsADirectoryError: "it is a directory",
}


def locate(text: str, base: Path, environ: Mapping[str, str]) -> Path:
    """Make a path of a config absolute or relative to `base`; ``~`` is the user's home."""
    if text == "~" or text.startswith("~/"):
        return Path(environ.get("HOME") or Path.home(), text[2:])
    return base / text


def read(path: Path, *, limit: int = LARGEST) -> str:
    """Read a text file.

    Raises:
        ValueError: It can't be read, is too large or no UTF-8; the message says which.

    """
    try:
        with path.open("rb") as stream:
            data = stream.read(limit + 1)
    except OSError as exc:
        raise ValueError(f"cannot be read: {_WHY.get(type(exc)) or exc.strerror}") from None
    except ValueError:
        raise ValueError("is no file name") from None
    if len(data) > limit:
        raise ValueError(f"is larger than {limit // 1024} KiB")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        line = data.count(b"\n", 0, exc.start) + 1
        raise ValueError(f"is not UTF-8 text (line {line})") from None


def read_secret(path: Path) -> str:
    """Read a file that holds one secret; a line end after it does not belong to it.

    Raises:
        ValueError: It can't be read, is no regular file, is empty or more than one line.

    """
    check_regular(path)
    secret = read(path, limit=LARGEST_SECRET).removesuffix("\n").removesuffix("\r")
    if not secret:
        raise ValueError("is empty")
    if "\n" in secret:
        raise ValueError("has more than one line")
    return secret


def check_regular(path: Path) -> None:
    """Refuse what is no readable regular file.

    Raises:
        ValueError: The message says why not.

    """
    try:
        mode = path.stat().st_mode
    except OSError as exc:
        raise ValueError(f"cannot be read: {_WHY.get(type(exc)) or exc.strerror}") from None
    except ValueError:
        raise ValueError("is no file name") from None
    if not stat.S_ISREG(mode):
        raise ValueError(f"cannot be read: it is {'a directory' if stat.S_ISDIR(mode) else 'no regular file'}")
    if not os.access(path, os.R_OK):
        raise ValueError("cannot be read: no permission to read it")


def open_to_all(path: Path) -> bool:
    """Tell whether everybody on this machine may read the file."""
    return os.name == "posix" and bool(path.stat().st_mode & stat.S_IROTH)


def matches(pattern: str, base: Path) -> list[Path]:
    """List the files a glob matches, relative ones below `base`, in order."""
    found = glob.glob(pattern, root_dir=base, recursive=True)  # noqa: PTH207 - Path.glob refuses absolute patterns
    return sorted(path for path in (base / name for name in found) if path.is_file())
