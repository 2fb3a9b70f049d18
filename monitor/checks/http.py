"""A web server answers as expected: status, headers, body, and a certificate that does not end soon.

    {kind: http, url: "https://{host}:8443/health", status: [200, 3xx], body: '"ok": *true', certificate_days: 14,
     headers: {Authorization: "Bearer ${TOKEN}"}, verify: /etc/ssl/farm.pem}

Any answer is an answer: HTTP 500 makes this check DOWN and counts against no breaker.
"""

from __future__ import annotations

import asyncio
import functools
import re
import socket
import ssl
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Final, Literal, Self

import aiohttp
from aiohttp.client_middlewares import ClientHandlerType, ClientMiddlewareType
from aiohttp.connector import Connection
from cryptography import x509
from multidict import CIMultiDictProxy
from pydantic import AfterValidator, BeforeValidator, ConfigDict, Field, FilePath, SecretStr, model_validator
from yarl import URL

from monitor.checks import Check, CheckParams, Reach
from monitor.errors import NETWORK_ERRORS, Blame, LocalError, ProbeError, Table, classify
from monitor.model import Category, Fact, Observation, Reason, Severity, Target, Verdict
from monitor.pattern import Pattern, aside, found

_NET: Final = Category.NETWORK
PRIVATE: Final = frozenset({"set-cookie", "authorization", "proxy-authorization", "www-authenticate"})
"""Headers whose values are not recorded."""
SECRET_FROM: Final = 8
"""Characters from which on a value in an address may be a token."""
READING: Final = 1.0
"""Seconds a file of the monitor's own may take to be read; no host is to blame for a disk that hangs."""


def _bad(reason: Reason, words: str) -> Blame:
    return Blame(_NET, Severity.HIGH, reason, words)


_NAME: Final = _bad(Reason.DNS, "the name cannot be resolved")
_TLS: Final = _bad(Reason.TLS, "the TLS handshake failed")
ERRORS: Final[Table] = {
    **NETWORK_ERRORS,
    socket.gaierror: _NAME,
    UnicodeError: _NAME,
    ssl.SSLError: _TLS,
    aiohttp.ClientError: _bad(Reason.PROTOCOL, "no proper HTTP exchange"),
    aiohttp.ClientConnectionError: _bad(Reason.UNREACHABLE, "cannot connect to any of its addresses"),
    aiohttp.ClientConnectionResetError: NETWORK_ERRORS[EOFError],
    aiohttp.ClientConnectorDNSError: _NAME,
    aiohttp.ClientSSLError: _TLS,
    aiohttp.ServerDisconnectedError: NETWORK_ERRORS[EOFError],
    aiohttp.ServerTimeoutError: NETWORK_ERRORS[TimeoutError],
    aiohttp.ClientResponseError: _bad(Reason.PROTOCOL, "answers, but not in HTTP"),
    aiohttp.ClientPayloadError: _bad(Reason.PROTOCOL, "the body broke off or is malformed"),
    aiohttp.RedirectClientError: _bad(Reason.PROTOCOL, "redirects to something that is no web address"),
}
CERTIFICATE_WORDS: Final = {
    9: "the certificate is not valid yet",
    10: "the certificate has expired",
    18: "the certificate is self-signed",
    19: "the certificate is signed by an authority nobody told us to trust",
    20: "the certificate is signed by an authority nobody told us to trust",
    21: "the certificate cannot be verified: an intermediate one is missing",
    62: "the certificate is for another name",
    64: "the certificate is for another address",
}
"""By OpenSSL's X509_V_ERR numbers (x509_vfy.h); the texts differ between its versions."""


def _web_address(template: str) -> str:
    url = URL(template.replace("{host}", "host"))
    if url.scheme not in {"http", "https"} or not url.host:
        raise ValueError("must be a web address: http://{host}:8080/path")
    if url.user is not None or url.password is not None:
        raise ValueError("must hold no user or password: write headers: {Authorization: ...}")
    if "{" in str(url.host) or "{" in url.path:
        raise ValueError("knows no placeholder but {host}")
    return template


def _status_list(value: object) -> object:
    return [str(one).lower() for one in (value if isinstance(value, (list, tuple)) else [value])]


def _header_value(value: SecretStr) -> SecretStr:
    if not re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", value.get_secret_value()):
        raise ValueError("must be one line of Latin-1 text")
    return value


StatusCode = Annotated[str, Field(pattern=r"^[1-5](\d\d|xx)$")]
HeaderName = Annotated[str, Field(pattern=r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$")]


class Params(CheckParams):
    """What to ask for, and what is a good answer."""

    model_config = ConfigDict(hide_input_in_errors=True)  # header values may be secrets

    url: Annotated[str, AfterValidator(_web_address)]
    """Where to ask; ``{host}`` stands for the workstation's host."""
    method: Literal["GET", "HEAD"] = "GET"
    headers: Mapping[HeaderName, Annotated[SecretStr, AfterValidator(_header_value)]] = Field(default_factory=dict)
    """Sent with the request, but never to another origin it redirects to."""
    status: Annotated[tuple[StatusCode, ...], BeforeValidator(_status_list), Field(min_length=1)] = ("2xx",)
    """Good codes (``204``) and classes (``2xx``)."""
    body: Pattern | None = None
    """Regular expression searched in the body."""
    expect_headers: Mapping[HeaderName, Pattern] = Field(default_factory=dict)
    """Regular expressions searched in the answer's headers."""
    max_body: int = Field(default=1024 * 1024, ge=0)
    """Bytes of body read at most; more than that is wrong."""
    redirects: int = Field(default=5, ge=0, le=20)
    """How many redirects are followed; 0: none, a redirect is judged by its status."""
    verify: bool | FilePath = True
    """Whether to verify the certificate: by the system's authorities, by those of a PEM file, or not at all."""
    server_name: str | None = None
    """The name the certificate is for, where the host is an address."""
    certificate_days: float | None = Field(default=None, ge=0)
    """Days a certificate must still be valid, else the check is degraded."""

    @model_validator(mode="after")
    def _has_body(self) -> Self:
        if self.method == "HEAD" and self.body is not None:
            raise ValueError("body: an answer to HEAD has none")
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back, read to its end or to the limit."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes
    whole: bool
    """Whether the body ended within the limit."""
    charset: str
    certificate: bytes | None
    """The server's certificate, DER; None: without TLS."""


async def probe(target: Target, params: Params, reach: Reach) -> Observation:
    """Ask once, follow redirects as allowed, judge the answer."""
    where = f"{target.workstation.id} {scope(params)}"
    trust = await _trust(params.verify, where)
    try:
        answer = await _ask(params, target.workstation.host, reach.http, trust=trust)
    except aiohttp.TooManyRedirects:
        return _down(Reason.UNEXPECTED, f"redirects more than {params.redirects} times", {})
    except (OSError, UnicodeError, aiohttp.ClientError) as exc:
        raise explain(exc, where) from exc
    except ValueError as exc:
        raise LocalError(f"{where}: host {target.workstation.host!r} makes no web address") from exc
    await reach.record(
        f"{scope(params)} {params.method} {URL(params.url.replace('{host}', 'host')).path}",
        lambda: sample(answer),
        secrets=_secrets(params),
    )
    now = reach.now()
    return await aside(lambda: judge(answer, params, now), len(answer.body))


def sample(answer: Answer) -> bytes:
    """Write an answer down: its status, its headers without what opens a session, its body."""
    headers = (f"{name}: {'<hidden>' if name.lower() in PRIVATE else value}" for name, value in answer.headers.items())
    return "\r\n".join((f"HTTP {answer.status}", *headers, "", "")).encode("utf-8", "replace") + answer.body


def _secrets(params: Params) -> Iterable[SecretStr]:
    """What an answer must not echo into a sample: the headers of the config, and what its address asks with."""
    yield from params.headers.values()
    yield from (SecretStr(value) for value in URL(params.url).query.values() if len(value) >= SECRET_FROM)


def judge(answer: Answer, params: Params, now: float) -> Observation:
    """Hold the answer against what is expected: what makes it DOWN first, then the certificate's end."""
    facts: dict[str, Fact] = {"http_status": answer.status, "body_bytes": len(answer.body)}
    end = certificate_end(answer.certificate) if answer.certificate is not None else None
    if end is not None:
        facts["certificate_end_timestamp_seconds"] = end
    complaint = _complaint(answer, params)
    if complaint is not None:
        return _down(*complaint, facts)
    if end is None:
        return Observation(message=f"HTTP {answer.status}", facts=facts)
    left = (end - now) / 86400
    words = f"ends in {left:.0f} days" if left >= 0 else f"ended {-left:.0f} days ago"
    message = f"HTTP {answer.status}, certificate {words}"
    if params.certificate_days is not None and left < params.certificate_days:
        return Observation(verdict=Verdict.DEGRADED, reason=Reason.THRESHOLD, message=message, facts=facts)
    return Observation(message=message, facts=facts)


def _complaint(answer: Answer, params: Params) -> tuple[Reason, str] | None:
    """Return the first thing that is not as expected."""
    if not any(str(answer.status) == good or f"{answer.status // 100}xx" == good for good in params.status):
        return Reason.UNEXPECTED, f"HTTP {answer.status} instead of {', '.join(params.status)}"
    for name, pattern in params.expect_headers.items():
        if not any(found(pattern, value) for value in answer.headers.getall(name, ())):
            return Reason.UNEXPECTED, f"HTTP {answer.status}, but no header {name} that matches {pattern!r}"
    if not answer.whole:
        return Reason.OUTPUT_TOO_LARGE, f"HTTP {answer.status}, but a body of over {params.max_body} bytes"
    if params.body is not None and not found(params.body, text(answer.body, answer.charset)):
        return Reason.UNEXPECTED, f"HTTP {answer.status}, but a body that does not match {params.body!r}"
    return None


def _down(reason: Reason, message: str, facts: Mapping[str, Fact]) -> Observation:
    return Observation(verdict=Verdict.DOWN, reason=reason, message=message, facts=facts)


def text(body: bytes, charset: str) -> str:
    """Decode by the charset the server names, by UTF-8 if there is no such text encoding; never fails."""
    try:
        return body.decode(charset, "replace")
    except (LookupError, ValueError):
        return body.decode("utf-8", "replace")


def certificate_end(der: bytes) -> float | None:
    """Unix time at which a certificate ends; None for one that can't be read (only unverified ones can be so odd)."""
    try:
        return x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp()
    except ValueError:
        return None


def explain(exc: Exception, where: str) -> ProbeError | LocalError:
    """Classify what aiohttp raised, by what it wraps: the kernel's errno, OpenSSL's number."""
    if isinstance(exc, aiohttp.ClientConnectorCertificateError):
        number = getattr(exc.certificate_error, "verify_code", 0)
        words = CERTIFICATE_WORDS.get(number, f"the certificate is not valid (OpenSSL error {number})")
        return classify(exc, {type(exc): replace(_TLS, words=words)}, where=where)
    if type(exc) is aiohttp.ClientConnectorError and exc.os_error.errno is not None:  # None: several, merged
        return classify(exc.os_error, ERRORS, where=where)
    return classify(exc, ERRORS, where=where)


async def _ask(params: Params, host: str, http: aiohttp.ClientSession, *, trust: ssl.SSLContext | bool) -> Answer:
    """Send the request, read the body up to its limit."""
    url = URL(params.url.replace("{host}", f"[{host}]" if ":" in host else host))
    headers = {name: value.get_secret_value() for name, value in params.headers.items()}
    async with http.request(
        params.method,
        url,
        headers={"Accept-Encoding": "identity", **headers},
        allow_redirects=params.redirects > 0,
        max_redirects=params.redirects + 1,  # aiohttp counts the one it does not follow
        timeout=aiohttp.ClientTimeout(),  # none: the frame has the deadline
        ssl=trust,
        server_hostname=params.server_name,
        middlewares=(_keeping_to(url.origin(), headers),),
    ) as response:
        body = bytearray()
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > params.max_body:
                break
        return Answer(
            status=response.status,
            headers=response.headers,
            body=bytes(body[: params.max_body]),
            whole=len(body) <= params.max_body,
            charset=response.charset or "utf-8",
            certificate=response.certificate if isinstance(response, _Response) else None,
        )


class _Response(aiohttp.ClientResponse):
    """A response that remembers the server's certificate: the connection is gone with the body's last byte."""

    certificate: bytes | None = None

    async def start(self, connection: Connection) -> aiohttp.ClientResponse:
        tls = connection.transport.get_extra_info("ssl_object") if connection.transport is not None else None
        self.certificate = tls.getpeercert(binary_form=True) if tls is not None else None
        return await super().start(connection)


def _keeping_to(origin: URL, headers: Mapping[str, str]) -> ClientMiddlewareType:
    """Make every request remember its certificate, and none but those to `origin` carry the configured headers."""

    async def keep(request: aiohttp.ClientRequest, handler: ClientHandlerType) -> aiohttp.ClientResponse:
        request.response_class = _Response
        if request.url.origin() != origin:
            for name in headers:
                request.headers.popall(name, None)
        return await handler(request)

    return keep


async def _trust(verify: bool | Path, where: str) -> ssl.SSLContext | bool:  # noqa: FBT001 - as in the config
    """Return whom to trust, in aiohttp's terms; a file is read in a thread, and again only after it changed."""
    if isinstance(verify, bool):
        return verify
    try:
        async with asyncio.timeout(READING):
            return await asyncio.to_thread(lambda: _load(verify, verify.stat().st_mtime_ns))
    except OSError as exc:  # an ssl.SSLError is one: no PEM in it; a TimeoutError too
        raise LocalError(f"{where}: no certificate authorities can be read from {verify}") from exc


@functools.lru_cache(maxsize=16)
def _load(path: Path, _changed: int) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=path)
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # from Python 3.13 on; home-made authorities lack key identifiers
    return context


def scope(params: Params) -> str:
    """``http:8080``."""
    url = URL(params.url.replace("{host}", "host"))
    return f"{url.scheme}:{url.port}"


CHECK: Final = Check(name="http", category=_NET, params=Params, probe=probe, scope=scope)
