"""The simulated WinRM service, asked by two clients that are not ours: it does not merely agree with our own code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pypsrp.exceptions
import pytest
import winrm.exceptions
import winrm.protocol
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan

from monitor.simulator.wsman.ills import Ill
from tests.winrm import ACCOUNTS, Service, a_certificate, a_service, eventually

USER, PASSWORD = ACCOUNTS
Ran = tuple[bytes, bytes, int]
Client = Callable[[int, Path | None, str], Ran]
LISTED = b"farm-0\r\nfarm-1\r\n"


def by_pypsrp(port: int, pem: Path | None, command: str) -> Ran:
    """Run a command as pypsrp's own documentation does."""
    client = WSMan(
        "127.0.0.1",
        port=port,
        username=USER,
        password=PASSWORD,
        ssl=pem is not None,
        auth="basic" if pem else "ntlm",
        cert_validation=str(pem) if pem else True,  # type: ignore[arg-type]  # a path as well, says its documentation
        no_proxy=True,
    )
    with client, WinRS(client) as shell:
        process = Process(shell, command)
        process.invoke()
        process.signal(SignalCode.CTRL_C)
        return process.stdout, process.stderr, process.rc or 0


def by_pywinrm(port: int, pem: Path | None, command: str) -> Ran:
    """Run a command as pywinrm's own documentation does."""
    client = winrm.protocol.Protocol(
        f"{'https' if pem else 'http'}://127.0.0.1:{port}/wsman",
        transport="basic" if pem else "ntlm",
        username=USER,
        password=PASSWORD,
        ca_trust_path=str(pem) if pem else None,  # type: ignore[arg-type]  # None: nothing to trust over HTTP
        message_encryption="auto" if pem else "always",
        proxy=None,
    )
    shell = client.open_shell()
    command_id = client.run_command(shell, command)
    try:
        return client.get_command_output(shell, command_id)
    finally:
        client.cleanup_command(shell, command_id)
        client.close_shell(shell)
        client.transport.close_session()


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with a_service() as service:
        yield service


@pytest.mark.parametrize("client", [by_pypsrp, by_pywinrm])
async def test_client__by_ntlm_over_http__is_served_encrypted(service: Service, client: Client) -> None:
    assert await asyncio.to_thread(client, service.port, None, "ldconsole list") == (LISTED, b"", 0)
    assert not service.endpoint.shells
    assert service.endpoint.requests["login"] == 3


@pytest.mark.parametrize("client", [by_pypsrp, by_pywinrm])
async def test_client__by_basic_over_tls__is_served(tmp_path: Path, client: Client) -> None:
    pem = tmp_path / "service.pem"
    a_certificate(pem)
    async with a_service(tls=pem) as service:
        assert await asyncio.to_thread(client, service.port, pem, "ldconsole list") == (LISTED, b"", 0)
        assert not service.endpoint.shells


@pytest.mark.parametrize("client", [by_pypsrp, by_pywinrm])
async def test_client__of_a_command_that_fails__gets_its_code_and_stderr(service: Service, client: Client) -> None:
    stdout, stderr, code = await asyncio.to_thread(client, service.port, None, "nosuch")
    assert (stdout, code) == (b"", 1)
    assert stderr.startswith(b"'nosuch' is not recognized")


@pytest.mark.parametrize(
    ("client", "error"),
    [(by_pypsrp, pypsrp.exceptions.AuthenticationError), (by_pywinrm, winrm.exceptions.InvalidCredentialsError)],
)
async def test_client__whose_login_is_refused__is_told_so(
    service: Service, client: Client, error: type[Exception]
) -> None:
    service.endpoint.refuses_logins = True
    with pytest.raises(error):
        await asyncio.to_thread(client, service.port, None, "ldconsole list")
    assert not service.endpoint.shells


async def test_client__beyond_the_shells_allowed__gets_the_quota_fault(service: Service) -> None:
    service.endpoint.ills["Create"] = Ill.QUOTA_SHELLS
    with pytest.raises(winrm.exceptions.WSManFaultError) as caught:
        await asyncio.to_thread(by_pywinrm, service.port, None, "ldconsole list")
    assert caught.value.wmierror_code == 2150859173


async def test_client__whose_shell_is_lost__gets_the_fault_by_number(service: Service) -> None:
    service.endpoint.ills["Receive"] = Ill.SHELL_LOST
    with pytest.raises(pypsrp.exceptions.WSManFaultError) as caught:
        await asyncio.to_thread(by_pypsrp, service.port, None, "ldconsole list")
    assert caught.value.code == 2150858843
    assert not service.endpoint.shells


@pytest.mark.parametrize(("ill", "number"), [(Ill.PROGRAM_NOT_FOUND, 2147942402), (Ill.LINE_TOO_LONG, 2147942606)])
async def test_client__whose_command_can_t_be_started__gets_the_fault_by_number(
    service: Service, ill: Ill, number: int
) -> None:
    service.endpoint.ills["Command"] = ill
    with pytest.raises(pypsrp.exceptions.WSManFaultError) as caught:
        await asyncio.to_thread(by_pypsrp, service.port, None, "ldconsole list")
    assert caught.value.code == number


async def test_client__of_a_slow_action__is_obeyed_at_once_and_answered_late() -> None:
    late = asyncio.Event()

    async def sleep(seconds: float) -> None:
        await late.wait()

    async with a_service(sleep=sleep) as service:
        service.endpoint.ills["Create"] = Ill.SLOW
        running = asyncio.ensure_future(asyncio.to_thread(by_pypsrp, service.port, None, "ldconsole list"))
        await eventually(lambda: len(service.endpoint.shells) == 1)
        assert service.endpoint.requests["Command"] == 0
        late.set()
        assert await running == (LISTED, b"", 0)


@pytest.mark.parametrize("client", [by_pypsrp, by_pywinrm])
async def test_client__of_a_console_that_wakes_late__waits_by_polling(service: Service, client: Client) -> None:
    service.endpoint.hang(hanging=True)
    running = asyncio.ensure_future(asyncio.to_thread(client, service.port, None, "ldconsole list"))
    await eventually(lambda: service.endpoint.requests["Receive"] > 0)
    service.endpoint.hang(hanging=False)
    assert await running == (LISTED, b"", 0)
