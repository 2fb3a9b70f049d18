"""One HTTP request that delivers something, and what its failure means: whether another attempt can help.

The address may hold a token, so no message of it shows more than the host.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import aiohttp
from pydantic import SecretStr

from monitor.errors import NETWORK_ERRORS, EmuwatchError, ProbeError, classify

SENT: Final = 299
"""The highest HTTP status that means yes."""
SERVER: Final = 500
"""From here on the server blames itself."""
AGAIN: Final = frozenset({408, 409, 423, 425, 429})
"""Answers that blame the moment, not the message; all others below `SERVER` are permanent."""
LONGEST_WAIT: Final = 3600.0
_ERRORS: Final = {
    **NETWORK_ERRORS,
    aiohttp.ServerTimeoutError: NETWORK_ERRORS[TimeoutError],
    aiohttp.ServerDisconnectedError: NETWORK_ERRORS[ConnectionResetError],
}


class NotSentError(EmuwatchError):
    """The message did not get there."""

    def __init__(self, message: str, *, permanent: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.permanent = permanent
        """Whether another attempt can't help: a wrong token, an address that is gone."""
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
    permanent = status < SERVER and status not in AGAIN
    seconds = None
    if retry_after is not None and retry_after.isascii() and retry_after.isdecimal():
        seconds = min(float(retry_after), LONGEST_WAIT)
    raise NotSentError(f"answered HTTP {status}", permanent=permanent, retry_after=seconds)


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
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        found = classify(error, _ERRORS, where=str(urlsplit(url).hostname))
        words = str(found) if isinstance(found, ProbeError) else f"failed: {type(error).__name__}"
        raise NotSentError(words) from None
    judge(status, retry_after=retry_after)
