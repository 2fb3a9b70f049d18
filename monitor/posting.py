"""One HTTP request that delivers something, and what its failure means: whether another attempt can help.

The address may hold a token, so no message of it shows more than the host.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr

from monitor.errors import NETWORK_ERRORS, EmuwatchError, LocalError, ProbeError, classify

SENT: Final = 299
"""The highest HTTP status that means yes."""
SERVER: Final = 500
"""From here on the server blames itself."""
AGAIN: Final = frozenset({408, 409, 423, 425, 429})
"""Answers that blame the moment."""
REFUSED: Final = frozenset({401, 402, 403, 407})
"""Answers that blame the sender: who it is, or says it is."""
CLIENT: Final = 400
ASTRAY: Final = frozenset({404, 405, 410})
"""With what leads elsewhere (below `CLIENT`), answers that blame the address. All others blame the message."""
LONGEST_WAIT: Final = 3600.0
_ERRORS: Final = {
    **NETWORK_ERRORS,
    aiohttp.ServerTimeoutError: NETWORK_ERRORS[TimeoutError],
    aiohttp.ServerDisconnectedError: NETWORK_ERRORS[ConnectionResetError],
}


class Hope(enum.StrEnum):
    """Whether another attempt may help."""

    AGAIN = "again"
    """It may, soon."""
    PERHAPS = "perhaps"
    """It may: a proxy whose server is being restarted answers just like an address that is gone."""
    CONFIG = "config"
    """Not before somebody changes a token or an address, here or there."""
    NEVER = "never"
    """Not with this message."""


class NotSentError(EmuwatchError):
    """The message did not get there."""

    def __init__(self, message: str, *, hope: Hope = Hope.AGAIN, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.hope = hope
        self.retry_after = retry_after
        """Seconds the receiver wants to be left alone."""


def check_address(secret: SecretStr) -> SecretStr:
    """Accept an address of HTTP, for a parameter."""
    try:
        parts = urlsplit(secret.get_secret_value())
        right = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        right = False
    if not right:
        raise ValueError("must be an address that begins with http:// or https://")
    return secret


def judge(status: int, *, retry_after: str | None = None) -> None:
    """Judge an HTTP status.

    Raises:
        NotSentError: It does not mean yes.

    """
    if status <= SENT:
        return
    seconds = None
    if retry_after is not None and retry_after.isascii() and retry_after.isdecimal():
        seconds = min(float(retry_after), LONGEST_WAIT)
    raise NotSentError(f"answered HTTP {status}", hope=_hope(status), retry_after=seconds)


def _hope(status: int) -> Hope:
    if status >= SERVER or status in AGAIN:
        return Hope.AGAIN
    if status in ASTRAY or status < CLIENT:
        return Hope.PERHAPS
    return Hope.CONFIG if status in REFUSED else Hope.NEVER


async def post(
    session: aiohttp.ClientSession,
    address: SecretStr,
    body: bytes,
    headers: Mapping[str, str],
    *,
    method: str = "POST",
) -> None:
    """Send one request. No redirect is followed, so what is signed goes to nobody else.

    Raises:
        NotSentError: It was not answered with yes.

    """
    url = address.get_secret_value()
    try:
        async with session.request(method, url, data=body, headers=headers, allow_redirects=False) as answer:
            status, retry_after = answer.status, answer.headers.get("Retry-After")
    except (aiohttp.ClientError, OSError, LocalError) as error:
        found = classify(error, _ERRORS, where=str(urlsplit(url).hostname))
        words = str(found) if isinstance(found, ProbeError) else f"failed: {type(error).__name__}"
        raise NotSentError(words) from None
    judge(status, retry_after=retry_after)
