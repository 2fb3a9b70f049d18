"""``store:``: which database, given as a URL. A password in it comes from the environment, and no message shows it."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from monitor.config.context import Context
from monitor.config.environment import Expanded
from monitor.config.files import locate
from monitor.config.settings import StoreSettings
from monitor.config.shapes import StoreKeys
from monitor.config.source import Section

FILE: Final = "emuwatch.db"
_SQLITE: Final = frozenset({"sqlite", "sqlite+aiosqlite"})
_POSTGRES: Final = frozenset({"postgres", "postgresql", "postgresql+asyncpg"})
_WORDS: Final = "is no database; write sqlite:///emuwatch.db or postgresql://USER:${PASSWORD}@HOST/DATABASE"
_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def read_store(section: Section, keys: StoreKeys, data_dir: Path, context: Context) -> StoreSettings:
    """Build the settings; what is wrong is reported, and the default stands for it."""
    url = default_url(data_dir)
    if keys.url is not None:
        try:
            url = _url(section.get("url"), context)
        except ValueError as error:
            context.report.add(section.place("url"), str(error))
    return StoreSettings(url=url, retention=keys.retention)


def default_url(data_dir: Path) -> str:
    """Where the store is when nobody says."""
    return _sqlite(data_dir / FILE)


def _url(text: object, context: Context) -> str:
    """Turn what is written into what SQLAlchemy takes.

    Raises:
        ValueError: It is no such URL; the message holds nothing of it.

    """
    written = text.raw if isinstance(text, Expanded) and not text.whole else str(text)
    scheme, _, rest = written.partition(":")
    if scheme in _SQLITE and rest.startswith("///") and len(rest) > 3:  # noqa: PLR2004 - the slashes
        return _sqlite(locate(_filled(rest[3:], context), context.base, context.environ))
    if scheme in _POSTGRES:
        return _postgres(written, context, secret=not (isinstance(text, Expanded) and text.whole))
    raise ValueError(_WORDS)


def _sqlite(path: Path) -> str:
    return f"sqlite+aiosqlite:///{quote(str(path.absolute()))}"


def _postgres(written: str, context: Context, *, secret: bool) -> str:
    """Fill in the variables part by part: a password may hold what would end it in a URL.

    Args:
        written: As it stands in the config, or the whole value of the one variable that stands there.
        context: Holds the environment.
        secret: Whether a password in it must be a variable.

    """
    try:
        parts = urlsplit(written)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        raise ValueError(_WORDS) from None
    name = parts.path.lstrip("/")
    if not parts.hostname or not name or parts.fragment:
        raise ValueError(_WORDS)
    if secret and parts.password and not _VARIABLE.fullmatch(parts.password):
        raise ValueError(
            "a password is not written into a config; write postgresql://USER:${EMUWATCH_DB_PASSWORD}@HOST/..."
        )
    query = [(key, _filled(value, context)) for key, value in parse_qsl(parts.query, keep_blank_values=True)]
    if any(key == "password" for key, _ in query):
        raise ValueError("a password stands before the host: postgresql://USER:${EMUWATCH_DB_PASSWORD}@HOST/...")
    if importlib.util.find_spec("asyncpg") is None:
        raise ValueError('PostgreSQL needs another package; run: pip install "emuwatch[postgres]"')
    user = _quoted(parts.username or "", context, secret=secret)
    password = _quoted(parts.password or "", context, secret=secret)
    who = f"{user}:{password}@" if password else f"{user}@" if user else ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else _host(parts.netloc, parts.hostname, context)
    more = f"?{urlencode(query)}" if query else ""
    return f"postgresql+asyncpg://{who}{host}{port}/{_quoted(name, context, secret=secret)}{more}"


def _host(netloc: str, lowered: str, context: Context) -> str:
    """The host as written: `urlsplit` lowers it, and variables have capitals."""
    at = netloc.lower().rfind(lowered)
    return _filled(netloc[at : at + len(lowered)], context)


def _quoted(part: str, context: Context, *, secret: bool) -> str:
    filled = _filled(part, context)
    return quote(filled, safe="") if secret and filled != part else filled


def _filled(part: str, context: Context) -> str:
    """Put in variables; one that is missing was reported when the file was read."""
    return _VARIABLE.sub(lambda match: context.environ.get(match[1], ""), part)
