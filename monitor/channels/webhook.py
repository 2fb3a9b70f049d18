"""A POST to an address of one's own: JSON, or a body by template, signed if there is a secret.

The signature is ``X-Emuwatch-Signature: t=<unix time>,v1=<hex>``: HMAC-SHA256 of ``<unix time>.<body>``, so that a
receiver can refuse what is forged or old. ``X-Emuwatch-Key`` is the same for every attempt to deliver a message.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Callable
from typing import Annotated, Final, Literal

import aiohttp
from pydantic import AfterValidator, Field, SecretStr

from monitor.channels import ChannelKind, ChannelParams
from monitor.durations import Duration, between
from monitor.notices import Message
from monitor.posting import Hope, NotSentError, check_address, post
from monitor.wording import as_json, check_template, environment, message_words

SIGNATURE: Final = "X-Emuwatch-Signature"
KEY: Final = "X-Emuwatch-Key"
_OURS: Final = frozenset({SIGNATURE.lower(), KEY.lower(), "content-length", "host", "transfer-encoding"})
_HEADER: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_|~-]+")


def check_headers(headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
    """Accept headers that can be sent and are not ours."""
    for name, value in headers.items():
        if not _HEADER.fullmatch(name) or name.lower() in _OURS:
            raise ValueError("holds a name that can't be set as a header")
        if not value.get_secret_value().isprintable():
            raise ValueError("holds a control character")
    return headers


class Params(ChannelParams):
    """Parameters of a webhook."""

    url: Annotated[SecretStr, AfterValidator(check_address)]
    method: Literal["POST", "PUT"] = "POST"
    secret: SecretStr | None = Field(None, description='signs every message; write "${NAME}" or use secret_file')
    headers: Annotated[dict[str, SecretStr], AfterValidator(check_headers)] = Field(default_factory=dict)
    body: Annotated[str, AfterValidator(check_template)] | None = Field(
        None, description="a Jinja template of the body; default: JSON with everything"
    )
    content_type: str = Field("application/json", pattern=r"^[\w.+-]+/[\w.+-]+(; ?charset=[\w-]+)?$")
    timeout: Annotated[Duration, between(0.1, 120)] = 10.0


class Webhook:
    """An open webhook."""

    def __init__(self, params: Params, *, wall: Callable[[], float] = time.time) -> None:
        self._params = params
        self._wall = wall
        self._session: aiohttp.ClientSession | None = None
        self._body = None if params.body is None else environment().from_string(params.body)

    async def send(self, message: Message) -> None:
        """See `monitor.channels.Sender`."""
        if self._session is None:
            self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=self._params.timeout))
        body = self._render(message)
        await post(self._session, self._params.url, body, self._headers(message, body), method=self._params.method)

    async def aclose(self) -> None:
        """Close the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _render(self, message: Message) -> bytes:
        if self._body is None:
            return json.dumps(as_json(message), ensure_ascii=False).encode("utf-8", "replace")
        try:
            return self._body.render(message_words(message)).encode("utf-8", "replace")
        except Exception as error:
            raise NotSentError(f"its body template fails: {type(error).__name__}", hope=Hope.CONFIG) from error

    def _headers(self, message: Message, body: bytes) -> dict[str, str]:
        own = {name: value.get_secret_value() for name, value in self._params.headers.items()}
        headers = {"Content-Type": self._params.content_type, "User-Agent": "emuwatch", **own, KEY: message.key}
        if self._params.secret is not None:
            secret, at = self._params.secret.get_secret_value().encode(), str(int(self._wall()))
            signature = hmac.new(secret, f"{at}.".encode() + body, hashlib.sha256).hexdigest()
            headers[SIGNATURE] = f"t={at},v1={signature}"
        return headers


CHANNEL = ChannelKind(name="webhook", params=Params, open=Webhook, secrets=frozenset({"secret"}))
