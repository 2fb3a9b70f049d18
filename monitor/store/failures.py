"""What a database's exceptions mean, told by type and code, never by their text; no message holds the URL.

    StoreError
    └── SchemaError      the store is there, but its schema is not ours to use

SQLite says what is wrong by a result code (https://sqlite.org/rescode.html), PostgreSQL by SQLSTATE (its class, the
first two characters).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from monitor.errors import EmuwatchError


class StoreError(EmuwatchError):
    """The store could not be asked, or refused; nothing was written."""


class SchemaError(StoreError):
    """The schema was written by a newer version, or can't be brought up to date."""


_SQLITE: Final[Mapping[int, str]] = {
    5: "the database is locked by another program",
    6: "the database is locked",
    8: "the database is read-only",
    10: "the disk failed",
    11: "the database file is damaged",
    13: "the disk is full",
    14: "the database file can't be opened",
    26: "the file is no SQLite database",
}
"""By primary result code: the low byte."""

_POSTGRES: Final[Mapping[str, str]] = {
    "08": "the connection was lost",
    "25": "the server takes no writes",
    "28": "the server refused the login",
    "3D": "the server has no such database",
    "42": "the schema is not the expected one, or rights are missing",
    "53": "the server has no resources left (disk, memory or connections)",
    "55": "something there is locked",
    "57": "the server is shutting down or starting up",
    "58": "the server's system failed",
}
"""By class of SQLSTATE."""

FOREIGN: Final = (SQLAlchemyError, OSError, TimeoutError)
"""What a database may raise."""


def store_error(error: BaseException) -> StoreError:
    """Say in words what an exception of `FOREIGN` means; raise what comes back ``from error``."""
    if isinstance(error, StoreError):
        return error
    if isinstance(error, TimeoutError):
        return StoreError("no answer in time")
    if isinstance(error, OSError):
        return StoreError(f"can't be reached: {error.strerror or type(error).__name__}")
    cause = error.orig if isinstance(error, DBAPIError) else None
    return StoreError(_words(cause) or f"failed: {type(cause or error).__name__}")


def _words(cause: BaseException | None) -> str | None:
    """Look for a code along the causes: adapters wrap the driver's own exception."""
    seen = 0
    while cause is not None and seen < 5:  # noqa: PLR2004 - nobody wraps deeper
        code, state = getattr(cause, "sqlite_errorcode", None), getattr(cause, "sqlstate", None)
        if isinstance(code, int) and code & 0xFF in _SQLITE:
            return _SQLITE[code & 0xFF]
        if isinstance(state, str) and state[:2] in _POSTGRES:
            return _POSTGRES[state[:2]]
        cause, seen = cause.__cause__, seen + 1
    return None
