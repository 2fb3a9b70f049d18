"""pypsrp on a socket of ours: one connection, cut from outside at any moment, and answers of bounded size.

pypsrp speaks through requests, which blocks. So the socket is connected elsewhere (by the event loop, which can give
up) and handed over, and shutting it down ends whatever blocks on it. A connection that is used up is never replaced
here: whoever holds it decides what may be repeated. Nothing here goes through a proxy or follows a redirect.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

import requests
import requests.adapters
from cryptography import x509
from pypsrp.exceptions import AuthenticationError, WinRMTransportError
from pypsrp.wsman import WSMan, _TransportHTTP
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from monitor.errors import LocalError
from monitor.transports.winrm.faults import FaultError, RefusedError, StatusError, offered, parse_fault

ANSWER_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of one HTTP answer; we ask for envelopes of 150 KiB, and a server has no reason to send more."""
_UNAUTHORIZED: Final = 401
_LET_IN: Final = {200, 500}
"""How a login that succeeds is answered: by itself, or with the answer, which may be a fault, to what came with it."""


class SpentError(Exception):
    """The connection was used up before a request was sent on it."""


class OversizeError(requests.RequestException):
    """An HTTP answer is larger than any envelope."""


class Wire(_TransportHTTP):
    """Where pypsrp sends its envelopes: over the socket it is given."""

    def __init__(
        self, server: str, *, server_name: str | None, answered: Callable[[bool], None], **options: Any
    ) -> None:
        super().__init__(server, no_proxy=True, **options)
        self.certificate_end: float | None = None
        """Unix time at which the server's certificate ends, once TLS stands."""
        self.sent = False
        """Whether the envelope at hand was handed to the connection; a login alone is none."""
        self.trusted = options.get("cert_validation")
        """A file of authorities, or whether to verify by the system's."""
        self._server_name = server_name
        self._answered = answered
        self._given: socket.socket | None = None
        self._plug: socket.socket | None = None
        self._connection: HTTPConnection | None = None
        self._offered: tuple[str, ...] = ()
        self._sending = threading.Lock()

    @property
    def standing(self) -> bool:
        """Whether a socket was handed over and not cut since."""
        return self._plug is not None

    def check_files(self) -> None:
        """See that the files TLS needs are there and hold what they should: when they don't, no host is to blame."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        try:
            if isinstance(self.trusted, str):
                context.load_verify_locations(self.trusted)
            if self.certificate_pem is not None:
                context.load_cert_chain(self.certificate_pem, self.certificate_key_pem, self.certificate_key_password)
        except OSError as exc:  # an ssl.SSLError is one: no PEM in it
            raise LocalError(f"a certificate or key can't be read: {type(exc).__name__}") from exc

    def plug(self, connected: socket.socket) -> None:
        """Hand over a connected socket."""
        self._given = connected
        self._plug = connected.dup()

    def cut(self) -> None:
        """End the connection, and with it whatever call blocks on it; from any thread."""
        plug, self._plug = self._plug, None
        if plug is not None:
            with contextlib.suppress(OSError):
                plug.shutdown(socket.SHUT_RDWR)
            plug.close()

    def cut_unless_sent(self) -> bool:
        """End the connection before the envelope at hand is sent; False: it is on its way, and nothing was cut."""
        with self._sending:
            if not self.sent:
                self.cut()
            return not self.sent

    def dispose(self) -> None:
        """Release everything; only when no call is under way."""
        self.cut()
        given, self._given = self._given, None
        for holder in (given, self._connection):  # an answer nobody read keeps its connection from the pool
            if holder is not None:
                holder.close()
        self.close()

    def take(self, connection: HTTPConnection) -> socket.socket:
        """Give the socket to a connection of the HTTP library, once."""
        given, self._given = self._given, None
        if given is None:
            raise SpentError
        self._connection = connection
        given.settimeout(connection.timeout if isinstance(connection.timeout, int | float) else None)
        return given

    def send(
        self, message: bytes, *, retries_on_read_timeout: int = 0, timeout: float | tuple[float, float] | None = None
    ) -> bytes:
        """Send an envelope once, and tell by numbers what went wrong."""
        self.sent = False
        try:
            return super().send(message, timeout=timeout)
        except AuthenticationError as exc:
            raise RefusedError(self._offered) from exc
        except WinRMTransportError as exc:
            fault = parse_fault(exc.response_text)
            raise (StatusError(exc.code) if fault is None else FaultError(fault)) from exc

    def _send_request(
        self, request: requests.PreparedRequest, timeout: float | tuple[float, float] | None = None
    ) -> bytes:
        if request.body:  # what logs in before message encryption has none
            with self._sending:
                if not self.standing:
                    raise SpentError
                self.sent = True
        return super()._send_request(request, timeout)

    def _build_session(self) -> requests.Session:
        session = super()._build_session()
        session.max_redirects = 0
        session.trust_env = False  # no netrc, no proxies of the environment; its authorities were taken by now
        session.hooks["response"].append(self._heard)
        for scheme in ("http://", "https://"):
            session.mount(scheme, _Adapter(self, self._server_name, self.certificate_key_password))
        return session

    def _heard(self, response: requests.Response, **_: object) -> None:
        if response.status_code == _UNAUTHORIZED:
            self._offered = offered(response.headers.get("www-authenticate", ""))
        # Who answers what carries no login has not let anybody in, whatever it says.
        self._answered("Authorization" in response.request.headers and response.status_code in _LET_IN)


class _Adapter(requests.adapters.HTTPAdapter):
    """HTTP over the one socket of a `Wire`."""

    def __init__(self, wire: Wire, server_name: str | None, key_password: str | None) -> None:
        self._wire = wire
        self._tls = {"assert_hostname": server_name, "server_hostname": server_name} if server_name else {}
        if key_password is not None:
            self._tls["key_password"] = key_password
        super().__init__(max_retries=0)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **options: Any) -> None:  # noqa: FBT001, FBT002 - theirs
        """Make the library use our socket instead of making one."""
        super().init_poolmanager(1, 1, block, **options, **self._tls)
        wire = self._wire

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                return wire.take(self)

        class Secure(HTTPSConnection):
            def _new_conn(self) -> socket.socket:
                return wire.take(self)

            def connect(self) -> None:
                super().connect()
                wire.certificate_end = _certificate_end(self.sock)

        class PlainPool(HTTPConnectionPool):
            ConnectionCls = Plain

        class SecurePool(HTTPSConnectionPool):
            ConnectionCls = Secure

        self.poolmanager.pool_classes_by_scheme = {"http": PlainPool, "https": SecurePool}

    def build_response(self, req: requests.PreparedRequest, resp: Any) -> requests.Response:
        """Keep an answer from filling the memory."""
        resp.stream = functools.partial(_bounded, resp.stream)
        return super().build_response(req, resp)


def client(wire: Wire, *, operation_timeout: int) -> WSMan:
    """Make a pypsrp client that speaks over `wire`."""
    wsman = WSMan(wire.server, operation_timeout=operation_timeout, auth="negotiate")
    wsman.transport = wire
    return wsman


def _bounded(stream: Callable[..., Iterator[bytes]], *args: Any, **options: Any) -> Iterator[bytes]:
    room = ANSWER_LIMIT
    for chunk in stream(*args, **options):
        room -= len(chunk)
        if room < 0:
            raise OversizeError
        yield chunk


def _certificate_end(sock: object) -> float | None:
    der = sock.getpeercert(binary_form=True) if isinstance(sock, ssl.SSLSocket) else None
    try:
        return None if der is None else x509.load_der_x509_certificate(der).not_valid_after_utc.timestamp()
    except ValueError:  # only unverified ones can be so odd
        return None
