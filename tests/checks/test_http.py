"""The http check against real servers: answers of every kind, broken ones, and TLS with certificates made here."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import aiohttp
import pytest
from aiohttp import web
from aiohttp.client_reqrep import ConnectionKey
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hypothesis import given
from hypothesis import strategies as st
from multidict import CIMultiDict, CIMultiDictProxy
from pydantic import ValidationError

from monitor.checks import Reach, http
from monitor.errors import LocalError, ProbeError, blame
from monitor.model import Category, Observation, Reason, Target, Verdict
from tests.checks.conftest import SocketReach

MakeTarget = Callable[..., Target]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
SECRET = "squeamish-ossifrage"
NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
DAY = dt.timedelta(days=1)


@contextlib.asynccontextmanager
async def serving(
    handler: Handler, *, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, host, 0, ssl_context=tls)
    await site.start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def saying(answer: bytes) -> AsyncIterator[int]:
    """Serve exactly these bytes after the request, then close."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def replying(status: int = 200, body: str = "", headers: dict[str, str] | None = None) -> Handler:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, headers=headers)

    return handle


def params(port: int, scheme: str = "http", **options: object) -> http.Params:
    return http.Params.model_validate({"url": f"{scheme}://{{host}}:{port}/", **options})


async def ask(target: MakeTarget, reach: Reach, given: http.Params, host: str = "127.0.0.1") -> Observation:
    async with asyncio.timeout(5):
        return await http.probe(target("http", given, host=host), given, reach)


async def failure(target: MakeTarget, reach: Reach, given: http.Params, host: str = "127.0.0.1") -> ProbeError:
    with pytest.raises(ProbeError) as caught:
        await ask(target, reach, given, host)
    assert caught.value.category is Category.NETWORK
    return caught.value


# ------------------------------------------------------------------------------------------------ answers


@pytest.mark.parametrize(
    ("status", "good", "verdict"),
    [
        (200, ["2xx"], Verdict.UP),
        (204, [204], Verdict.UP),
        (500, ["2xx"], Verdict.DOWN),
        (404, [200, "4xx"], Verdict.UP),
        (401, 401, Verdict.UP),
        (302, ["2XX"], Verdict.DOWN),
    ],
)
async def test_status__is_held_against_the_good_ones(
    target: MakeTarget, reach: Reach, status: int, good: object, verdict: Verdict
) -> None:
    async with serving(replying(status)) as port:
        seen = await ask(target, reach, params(port, status=good, redirects=0))
    assert (seen.verdict, seen.facts["http_status"]) == (verdict, status)


async def test_http_500__is_an_answer_in_words(target: MakeTarget, reach: Reach) -> None:
    async with serving(replying(500)) as port:
        seen = await ask(target, reach, params(port))
    assert (seen.reason, seen.message) == (Reason.UNEXPECTED, "HTTP 500 instead of 2xx")


async def test_answer__is_recorded_with_its_headers_and_without_what_opens_a_session(
    target: MakeTarget, reach: SocketReach
) -> None:
    headers = {"X-Panel": "1.2", "Set-Cookie": "session=s3cret"}
    async with serving(replying(418, "teapot", headers)) as port:
        url = f"http://{{host}}:{port}/health?token=t0ken-t0ken&n=1"
        wanted = http.Params.model_validate({"url": url, "headers": {"Authorization": "Bearer b34rer"}})
        await http.probe(target("http", wanted), wanted, cast("Reach", reach))
    ((asked, said),) = reach.said.items()
    assert asked == f"http:{port} GET /health"
    head, _, body = said.partition(b"\r\n\r\n")
    assert (head.splitlines()[0], body) == (b"HTTP 418", b"teapot")
    assert b"X-Panel: 1.2" in head
    assert b"Set-Cookie: <hidden>" in head
    assert {secret.get_secret_value() for secret in reach.secrets} == {"Bearer b34rer", "t0ken-t0ken"}


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_method__is_the_one_of_the_config(target: MakeTarget, reach: Reach, method: str) -> None:
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(request.method)
        return web.Response()

    async with serving(handle) as port:
        await ask(target, reach, params(port, method=method))
    assert seen == [method]


@pytest.mark.parametrize(("body", "verdict"), [('{"ok": true}', Verdict.UP), ('{"ok": false}', Verdict.DOWN)])
async def test_body__is_searched(target: MakeTarget, reach: Reach, body: str, verdict: Verdict) -> None:
    async with serving(replying(200, body)) as port:
        seen = await ask(target, reach, params(port, body=r'"ok":\s*true'))
    assert (seen.verdict, seen.facts["body_bytes"]) == (verdict, len(body))


async def test_body__made_to_keep_a_pattern_busy__holds_nobody_up(target: MakeTarget, reach: Reach) -> None:
    async with serving(replying(200, "a" * 500_000)) as port:
        seen = await ask(target, reach, params(port, body="(a+)+$x"))
    assert (seen.verdict, seen.reason) == (Verdict.DOWN, Reason.UNEXPECTED)


async def test_body_in_another_charset__is_decoded_by_the_one_named(target: MakeTarget, reach: Reach) -> None:
    async def handle(_: web.Request) -> web.Response:
        return web.Response(body="готов".encode("cp1251"), headers={"Content-Type": "text/plain; charset=cp1251"})

    async with serving(handle) as port:
        assert (await ask(target, reach, params(port, body="^готов$"))).verdict is Verdict.UP


@pytest.mark.parametrize(("size", "verdict"), [(10, Verdict.UP), (11, Verdict.DOWN), (3_000_000, Verdict.DOWN)])
async def test_body__may_not_exceed_its_limit(target: MakeTarget, reach: Reach, size: int, verdict: Verdict) -> None:
    async with serving(replying(200, "x" * size)) as port:
        seen = await ask(target, reach, params(port, max_body=10))
    assert (seen.verdict, seen.facts["body_bytes"]) == (verdict, 10)
    assert seen.reason is (None if verdict is Verdict.UP else Reason.OUTPUT_TOO_LARGE)


async def test_endless_body__is_left_at_the_limit(target: MakeTarget, reach: Reach) -> None:
    async def handle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        with contextlib.suppress(ConnectionError):
            while True:
                await response.write(b"x" * 65536)
        return response

    async with serving(handle) as port:
        assert (await ask(target, reach, params(port))).reason is Reason.OUTPUT_TOO_LARGE


@pytest.mark.parametrize(
    ("expected", "verdict"),
    [
        ({"x-role": "^primary$"}, Verdict.UP),
        ({"X-Role": "secondary"}, Verdict.DOWN),
        ({"X-Missing": ""}, Verdict.DOWN),
    ],
)
async def test_header__is_expected_by_pattern(
    target: MakeTarget, reach: Reach, expected: dict[str, str], verdict: Verdict
) -> None:
    async with serving(replying(headers={"X-Role": "primary"})) as port:
        seen = await ask(target, reach, params(port, expect_headers=expected))
    assert seen.verdict is verdict


async def test_ipv6_host__is_put_in_brackets(target: MakeTarget, reach: Reach) -> None:
    async with serving(replying(), host="::1") as port:
        assert (await ask(target, reach, params(port), host="::1")).verdict is Verdict.UP


# ------------------------------------------------------------------------------------ redirects and secrets


async def redirecting(request: web.Request) -> web.Response:
    """``/N`` leads to ``/N-1``, ``/0`` is the end."""
    left = int(request.path.strip("/") or 3)
    return web.Response() if left == 0 else web.Response(status=302, headers={"Location": f"/{left - 1}"})


@pytest.mark.parametrize(("allowed", "verdict"), [(3, Verdict.UP), (2, Verdict.DOWN), (0, Verdict.DOWN)])
async def test_redirects__are_followed_as_often_as_allowed(
    target: MakeTarget, reach: Reach, allowed: int, verdict: Verdict
) -> None:
    async with serving(redirecting) as port:
        seen = await ask(target, reach, params(port, redirects=allowed))
    assert (seen.verdict, seen.reason) == (verdict, None if verdict is Verdict.UP else Reason.UNEXPECTED)


@pytest.mark.parametrize("location", ["ftp://127.0.0.1/", "http://", "http://[", "http://127.0.0.1:99999/"])
async def test_redirect_to_no_web_address__is_a_protocol_failure(
    target: MakeTarget, reach: Reach, location: str
) -> None:
    async with serving(replying(302, headers={"Location": location})) as port:
        assert (await failure(target, reach, params(port))).reason is Reason.PROTOCOL


async def test_header_with_a_secret__goes_to_the_configured_origin_only(target: MakeTarget, reach: Reach) -> None:
    seen: list[tuple[str, str | None]] = []

    def remember(name: str, answer: Handler) -> Handler:
        async def handle(request: web.Request) -> web.StreamResponse:
            seen.append((name, request.headers.get("X-Api-Key")))
            return await answer(request)

        return handle

    async with serving(remember("other", replying())) as other:
        there = replying(302, headers={"Location": f"http://127.0.0.1:{other}/"})
        async with serving(remember("own", there)) as port:
            await ask(target, reach, params(port, headers={"X-Api-Key": SECRET}))
    assert seen == [("own", SECRET), ("other", None)]


def test_header_with_a_secret__has_no_repr() -> None:
    given = params(80, headers={"Authorization": SECRET})
    assert SECRET not in repr(given) + str(given) + str(given.model_dump())


def test_error_in_params__shows_no_input() -> None:
    with pytest.raises(ValidationError) as caught:
        params(80, headers={"Authorization": f"{SECRET}\r\nX: y"})
    assert SECRET not in str(caught.value)


# ----------------------------------------------------------------------------------------------- failures


async def test_closed_port__is_refused(target: MakeTarget, reach: Reach, closed_port: int) -> None:
    error = await failure(target, reach, params(closed_port))
    assert (error.reason, str(error)) == (Reason.REFUSED, f"ws-01 http:{closed_port}: connection refused")


async def test_name_nobody_knows__is_dns(target: MakeTarget, reach: Reach) -> None:
    assert (await failure(target, reach, params(80), host="no-such-host.invalid")).reason is Reason.DNS


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", Reason.RESET),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n", Reason.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", Reason.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Reason.PROTOCOL),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope", Reason.PROTOCOL),
    ],
)
async def test_broken_answer__is_a_failure(target: MakeTarget, reach: Reach, answer: bytes, reason: Reason) -> None:
    async with saying(answer) as port:
        assert (await failure(target, reach, params(port))).reason is reason


async def test_silent_host__waits_for_the_deadline(target: MakeTarget, reach: Reach, silent_port: int) -> None:
    given = params(silent_port)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await http.probe(target("http", given), given, reach)


async def test_host_that_makes_no_address__blames_nobody(target: MakeTarget, reach: Reach) -> None:
    with pytest.raises(LocalError, match="makes no web address"):
        await ask(target, reach, params(80), host="[::1")


def subclasses(kind: type[BaseException]) -> Iterator[type[BaseException]]:
    for sub in kind.__subclasses__():
        yield sub
        yield from subclasses(sub)


@pytest.mark.parametrize("kind", sorted({aiohttp.ClientError, *subclasses(aiohttp.ClientError)}, key=str))
def test_every_error_of_aiohttp__is_mapped_to_the_network(kind: type[BaseException]) -> None:
    meaning = blame(kind.__new__(kind), http.ERRORS)
    assert meaning is not None
    assert meaning.category is Category.NETWORK


KEY = ConnectionKey("ws-01", 80, False, True, None, None, None)  # noqa: FBT003 - aiohttp's own order


@pytest.mark.parametrize(
    ("inner", "reason"),
    [
        (OSError(113, "x"), Reason.UNREACHABLE),
        (OSError(110, "x"), Reason.TIMEOUT),
        (OSError("Multiple exceptions"), Reason.UNREACHABLE),
        (ConnectionRefusedError(111, "x"), Reason.REFUSED),
        (ConnectionResetError(104, "x"), Reason.RESET),
    ],
)
def test_error_in_aiohttps_wrapper__is_told_by_its_errno(inner: OSError, reason: Reason) -> None:
    error = http.explain(aiohttp.ClientConnectorError(KEY, inner), "ws-01 http:80")
    assert isinstance(error, ProbeError)
    assert error.reason is reason


def test_monitor_without_descriptors__blames_nobody() -> None:
    error = http.explain(aiohttp.ClientConnectorError(KEY, OSError(24, "Too many open files")), "ws-01 http:80")
    assert isinstance(error, LocalError)


# ---------------------------------------------------------------------------------------------------- TLS


@dataclass(frozen=True)
class Authority:
    """A certificate authority of the test, and what it signs."""

    folder: Path

    def make(
        self, name: str, *, issuer: str | None = None, days: float = 30, since: float = -10, ca: bool = False
    ) -> ssl.SSLContext:
        """Write ``name.pem`` with key and certificate; `issuer` None: self-signed."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signer, signed_by = (key, subject) if issuer is None else self.load(issuer)
        names: list[x509.GeneralName] = [x509.DNSName(name)]
        if name[0].isdigit():
            names = [x509.IPAddress(ipaddress.ip_address(name))]
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(signed_by)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(NOW + since * DAY)
            .not_valid_after(NOW + days * DAY)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .sign(signer, hashes.SHA256())
        )
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        path = self.folder / f"{name}.pem"
        path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + pem)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(path)
        return context

    def load(self, name: str) -> tuple[ec.EllipticCurvePrivateKey, x509.Name]:
        pem = (self.folder / f"{name}.pem").read_bytes()
        key = serialization.load_pem_private_key(pem, None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        return key, x509.load_pem_x509_certificate(pem).subject

    @property
    def file(self) -> Path:
        return self.folder / "authority.pem"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path)
    made.make("authority", ca=True)
    return made


async def test_certificate_of_a_known_authority__is_up_and_its_end_a_fact(
    target: MakeTarget, reach: Reach, authority: Authority
) -> None:
    tls = authority.make("127.0.0.1", issuer="authority")
    async with serving(replying(200, "ok"), tls=tls) as port:
        seen = await ask(target, reach, params(port, "https", verify=authority.file))
    end = (NOW + 30 * DAY).timestamp()
    assert (seen.verdict, seen.facts["certificate_end_timestamp_seconds"]) == (Verdict.UP, end)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_certificate_not_verified__still_has_an_end(
    target: MakeTarget, reach: Reach, authority: Authority, method: str
) -> None:
    async with serving(replying(), tls=authority.make("elsewhere.example", days=-1)) as port:
        seen = await ask(target, reach, params(port, "https", verify=False, method=method))
    assert (seen.verdict, seen.facts["certificate_end_timestamp_seconds"]) == (
        Verdict.UP,
        (NOW - DAY).timestamp(),
    )


@pytest.mark.parametrize(
    ("days", "verdict", "words"),
    [
        (15, Verdict.UP, "HTTP 200, certificate ends in 15 days"),
        (13, Verdict.DEGRADED, "HTTP 200, certificate ends in 13 days"),
        (-2, Verdict.DEGRADED, "HTTP 200, certificate ended 2 days ago"),
    ],
)
def test_certificate_near_its_end__is_degraded(authority: Authority, days: int, verdict: Verdict, words: str) -> None:
    authority.make("soon.example", days=days)
    der = ssl.PEM_cert_to_DER_cert(
        (authority.folder / "soon.example.pem").read_text().partition("-----BEGIN PRIVATE")[0]
    )
    answer = http.Answer(
        status=200, headers=CIMultiDictProxy(CIMultiDict()), body=b"", whole=True,
        charset="utf-8", certificate=der,
    )  # fmt: skip
    seen = http.judge(answer, params(443, "https", certificate_days=14), NOW.timestamp())
    assert (seen.verdict, seen.message) == (verdict, words)
    assert seen.reason is (None if verdict is Verdict.UP else Reason.THRESHOLD)


async def test_host_by_address__is_verified_by_the_servers_name(
    target: MakeTarget, reach: Reach, authority: Authority
) -> None:
    async with serving(replying(), tls=authority.make("ws.example", issuer="authority")) as port:
        seen = await ask(target, reach, params(port, "https", verify=authority.file, server_name="ws.example"))
    assert seen.verdict is Verdict.UP


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"name": "127.0.0.1", "issuer": "authority", "days": -1}, "the certificate has expired"),
        ({"name": "127.0.0.1", "issuer": "authority", "since": 1}, "the certificate is not valid yet"),
        ({"name": "127.0.0.1"}, "the certificate is self-signed"),
        ({"name": "127.0.0.1", "issuer": "stranger"}, "signed by an authority nobody told us to trust"),
        ({"name": "127.0.0.2", "issuer": "authority"}, "the certificate is for another address"),
        ({"name": "ws.example", "issuer": "authority", "ask": "other.example"}, "the certificate is for another name"),
    ],
)
async def test_certificate_that_is_not_valid__says_what_is_wrong(
    target: MakeTarget, reach: Reach, authority: Authority, made: dict[str, object], words: str
) -> None:
    authority.make("stranger", ca=True)
    name = made.pop("ask", None)
    tls = authority.make(**made)  # type: ignore[arg-type]  # a table of keyword arguments
    async with serving(replying(), tls=tls) as port:
        error = await failure(target, reach, params(port, "https", verify=authority.file, server_name=name))
    assert error.reason is Reason.TLS
    assert str(error).startswith(f"ws-01 https:{port}: ")
    assert words in str(error)


async def test_system_authorities__do_not_know_a_certificate_of_ours(
    target: MakeTarget, reach: Reach, authority: Authority
) -> None:
    async with serving(replying(), tls=authority.make("127.0.0.1")) as port:
        assert (await failure(target, reach, params(port, "https"))).reason is Reason.TLS


async def test_tls_asked_of_a_plain_server__is_tls(target: MakeTarget, reach: Reach) -> None:
    async with serving(replying()) as port:
        assert (await failure(target, reach, params(port, "https", verify=False))).reason is Reason.TLS


async def test_authority_file_that_changes__is_read_again(
    target: MakeTarget, reach: Reach, authority: Authority
) -> None:
    async with serving(replying(), tls=authority.make("127.0.0.1", issuer="authority")) as port:
        given = params(port, "https", verify=authority.file)
        assert (await ask(target, reach, given)).verdict is Verdict.UP
        authority.make("authority", ca=True)
        assert (await failure(target, reach, given)).reason is Reason.TLS


@pytest.mark.parametrize("content", ["no PEM in here", None])
async def test_authority_file_that_cannot_be_read__blames_nobody(
    target: MakeTarget, reach: Reach, tmp_path: Path, content: str | None
) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("")
    given = params(443, "https", verify=path)
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(LocalError, match=r"no certificate authorities can be read from .*ca\.pem"):
        await ask(target, reach, given)


async def test_authority_file__on_a_disk_that_hangs__blames_nobody(
    target: MakeTarget, reach: Reach, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ca.pem"
    path.write_text("")
    let_go = threading.Event()
    monkeypatch.setattr(http, "READING", 0.05)
    monkeypatch.setattr(http, "_load", lambda *_: let_go.wait(20))
    with pytest.raises(LocalError, match=r"no certificate authorities can be read from .*ca\.pem"):
        await ask(target, reach, params(443, "https", verify=path))
    let_go.set()


# ------------------------------------------------------------------------------------------------- params


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"url": "ftp://{host}/"},
        {"url": "{host}/health"},
        {"url": "http://{host}:99999/"},
        {"url": f"http://user:{SECRET}@{{host}}/"},
        {"url": "http://{name}/"},
        {"url": "http://{host}/{id}"},
        {"url": "http://{host}/", "status": ["2x"]},
        {"url": "http://{host}/", "status": []},
        {"url": "http://{host}/", "body": "("},
        {"url": "http://{host}/", "method": "HEAD", "body": "x"},
        {"url": "http://{host}/", "method": "POST"},
        {"url": "http://{host}/", "headers": {"Bad Name": "x"}},
        {"url": "http://{host}/", "verify": "/no/such/file.pem"},
        {"url": "http://{host}/", "unknown": 1},
    ],
)
def test_params_that_make_no_sense__are_refused_without_showing_a_secret(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        http.Params.model_validate(wrong)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "scope"),
    [
        ("http://{host}:8080/x", "http:8080"),
        ("https://{host}/", "https:443"),
        ("http://{host}", "http:80"),
        ("https://farm.example:9000/{host}", "https:9000"),
    ],
)
def test_scope__names_scheme_and_port(url: str, scope: str) -> None:
    assert http.scope(http.Params(url=url)) == scope


def test_params__have_a_schema() -> None:
    assert http.Params.model_json_schema()["properties"]["body"]["anyOf"][0]["format"] == "regex"


@given(
    st.binary(max_size=200), st.one_of(st.text(max_size=20), st.sampled_from(["idna", "zip", "undefined", "utf-16"]))
)
def test_decoding__never_fails(body: bytes, charset: str) -> None:
    assert isinstance(http.text(body, charset), str)


@given(st.binary(max_size=200))
def test_certificate_of_any_bytes__has_an_end_or_none(der: bytes) -> None:
    assert http.certificate_end(der) is None or isinstance(http.certificate_end(der), float)
