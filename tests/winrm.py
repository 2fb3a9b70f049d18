"""A simulated WinRM service, and a transport that speaks to it, for whoever tests either."""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import ssl
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr

from monitor.logins import Logins
from monitor.model import Category, Workstation
from monitor.simulator import Sleep
from monitor.simulator.console import Console
from monitor.simulator.guest import Guest
from monitor.simulator.services import hold
from monitor.simulator.wire import Wire
from monitor.simulator.wsman import WsManEndpoint
from monitor.simulator.wsman.login import Accounts
from monitor.transports import Credential
from monitor.transports.winrm import Params, WinRmTransport

OPERATOR = Credential(user="operator", password=SecretStr("Opensesame-1"))
ACCOUNTS = ("operator", "Opensesame-1")


@dataclass
class Service:
    """A WinRM service behind a wire."""

    endpoint: WsManEndpoint
    wire: Wire

    @property
    def port(self) -> int:
        return self.wire.port


@contextlib.asynccontextmanager
async def a_service(*, tls: Path | None = None, sleep: Sleep = asyncio.sleep) -> AsyncIterator[Service]:
    """Serve WinRM on a free port of loopback, with a console that lists two emulators."""
    guests = [Guest(index, f"farm-{index}", wire=Wire(hold)) for index in range(2)]
    console = Console(guests, name="ws-01", code_page=936)
    accounts = Accounts(*ACCOUNTS)
    await asyncio.to_thread(accounts.open)
    context = await asyncio.to_thread(server_context, tls) if tls else None
    endpoint = WsManEndpoint(console, accounts, tls=context, sleep=sleep)
    await endpoint.start()
    wire = Wire(endpoint.serve)
    wire.start()
    try:
        yield Service(endpoint, wire)
    finally:
        await wire.aclose()
        await endpoint.aclose()
        await asyncio.to_thread(accounts.close)


@contextlib.asynccontextmanager
async def opened(
    port: int,
    credential: Credential | None = OPERATOR,
    *,
    logins: Logins | None = None,
    name: str = "ws-01",
    **params: object,
) -> AsyncIterator[WinRmTransport]:
    """A transport, closed in the end, of which no thread and no task is left."""
    where = Workstation(id=name, host="127.0.0.1", code_page="cp936")
    transport = WinRmTransport(where, Params.model_validate({"port": port, **params}), credential, logins=logins)
    try:
        yield transport
    finally:
        await transport.aclose()
        await eventually(lambda: not threads() and not tasks())


def threads() -> list[str]:
    """Name the threads of our transport."""
    return [thread.name for thread in threading.enumerate() if "winrm:" in thread.name]


def tasks() -> list[str]:
    """Name the tasks that run our transport's code."""
    codes = [getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks()]
    return [code.co_qualname for code in codes if code and "/transports/winrm/" in code.co_filename]


async def eventually(true: Callable[[], bool], *, within: float = 5.0) -> None:
    """Poll a condition until it holds; fail when it does not in time."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "the condition never held"
        await asyncio.sleep(0.01)


def ignore(layer: Category) -> None:
    """Take a mark and forget it."""


def server_context(pem: Path) -> ssl.SSLContext:
    """Serve TLS with the certificate and key of a file; the same certificate logs a client in."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    context.verify_mode = ssl.CERT_OPTIONAL  # who shows the same certificate logs in by it
    context.load_verify_locations(pem)
    return context


def a_certificate(path: Path, *, ends: timedelta = timedelta(days=30), address: str = "127.0.0.1") -> datetime:
    """Write a self-signed certificate and its key into one file; return when it ends."""
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC).replace(microsecond=0)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "ws-01")])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=60))
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate.public_bytes(serialization.Encoding.PEM) + secret)
    return now + ends
