"""The WinRM transport against the simulated service: real HTTP, NTLM with message encryption, Basic over TLS."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

import monitor.transports.winrm
from monitor.errors import LocalError, ProbeError
from monitor.logins import HOLD, Logins
from monitor.model import Category, Lane, Reason, Severity
from monitor.simulator.console import Answer
from monitor.simulator.wsman.ills import Ill
from monitor.transports import Completed, Credential, discover
from monitor.transports.winrm import LONGEST_LINE, TRANSPORT, Params, WinRmTransport
from tests.fakes import FakeClock
from tests.winrm import OPERATOR, Service, a_certificate, a_service, eventually, ignore, opened, tasks, threads

NETWORK, WORKSTATION, EXTERNAL = Category.NETWORK, Category.WORKSTATION, Category.EXTERNAL
LIST = ["ldconsole", "list"]
LISTED = b"farm-0\r\nfarm-1\r\n"
ECHO = ["echo", "hi"]


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    async with a_service() as service:
        yield service


@pytest.fixture
async def transport(service: Service) -> AsyncIterator[WinRmTransport]:
    async with opened(service.port) as transport:
        yield transport


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "good.pem"
    a_certificate(path)
    return path


async def run(transport: WinRmTransport, argv: list[str] | None = None, **options: object) -> Completed:
    return await transport.run(argv or LIST, mark=ignore, **options)  # type: ignore[arg-type]  # options by name


async def failing(transport: WinRmTransport, argv: list[str] | None = None, **options: object) -> ProbeError:
    with pytest.raises(ProbeError) as caught:
        await run(transport, argv, **options)
    return caught.value


def test_discover__finds_it__in_the_lane_of_threads() -> None:
    assert discover()["winrm"] is TRANSPORT
    assert TRANSPORT.lane is Lane.THREAD
    assert TRANSPORT.endpoint(Params()) == "winrm:5985"
    assert TRANSPORT.endpoint(Params(https=True)) == "winrm:5986"
    assert TRANSPORT.endpoint(Params(port=15985)) == "winrm:15985"


@pytest.mark.parametrize("auth", ["basic", "certificate"])
def test_params__that_would_show_the_login_to_everybody__are_refused(auth: str) -> None:
    with pytest.raises(ValidationError, match="needs https"):
        Params.model_validate({"auth": auth})


def test_params__with_half_a_certificate_login__are_refused() -> None:
    with pytest.raises(ValidationError, match="belong together"):
        Params.model_validate({"auth": "certificate", "https": True})


# ------------------------------------------------------------------------------------------------- commands that work
@pytest.mark.parametrize("auth", ["ntlm", "negotiate"])
async def test_run__over_http__is_encrypted_and_returns_what_was_printed(service: Service, auth: str) -> None:
    async with opened(service.port, auth=auth) as transport:
        done = await run(transport)
    assert (done.argv, done.exit_code, done.stdout, done.stderr) == (tuple(LIST), 0, LISTED, b"")
    assert done.facts == {}


@pytest.mark.parametrize("auth", ["basic", "ntlm"])
async def test_run__over_https__tells_when_the_certificate_ends(tmp_path: Path, auth: str) -> None:
    path = tmp_path / "service.pem"
    end = a_certificate(path)
    async with a_service(tls=path) as service, opened(service.port, auth=auth, https=True, ca_file=path) as transport:
        done = await run(transport)
    assert (done.exit_code, done.stdout) == (0, LISTED)
    assert done.facts == {"certificate_end_timestamp_seconds": end.timestamp()}


async def test_run__by_a_certificate_of_ours__needs_no_password(pem: Path) -> None:
    key = Credential(key_file=pem)
    async with a_service(tls=pem) as service:
        async with opened(service.port, key, auth="certificate", https=True, ca_file=pem, certificate=pem) as transport:
            assert (await run(transport)).stdout == LISTED
        assert service.endpoint.requests["login"] == 0


async def test_run__of_a_command_that_fails__returns_its_exit_code_and_both_streams(transport: WinRmTransport) -> None:
    done = await run(transport, ["nosuch"])
    assert (done.exit_code, done.stdout) == (1, b"")
    assert done.stderr.startswith(b"'nosuch' is not recognized")


async def test_run__tells_all_32_bits_of_an_exit_code(transport: WinRmTransport) -> None:
    assert (await run(transport, ["ldconsole", "launch", "--index", "7"])).exit_code == 2**32 - 1001


async def test_run__returns_the_exact_bytes_of_another_code_page(service: Service, transport: WinRmTransport) -> None:
    service.endpoint.prints = lambda _: Answer("雷电模拟器\r\n")
    assert (await run(transport)).stdout == "雷电模拟器\r\n".encode("gbk")


async def test_run__once_the_connection_is_up__takes_three_requests(
    service: Service, transport: WinRmTransport
) -> None:
    await run(transport)
    before = service.endpoint.requests.copy()
    for _ in range(5):
        await run(transport)
    assert service.endpoint.requests - before == {"Command": 5, "Receive": 5, "Signal": 5}
    assert service.endpoint.accepted == 1


async def test_run__marks_each_layer_as_it_is_reached(transport: WinRmTransport) -> None:
    for _ in range(2):
        marks: list[Category] = []
        await transport.run(LIST, mark=marks.append, layer=EXTERNAL)
        assert marks == [NETWORK, WORKSTATION, EXTERNAL]


async def test_run__of_several_at_once__holds_nobody_up(service: Service, transport: WinRmTransport) -> None:
    service.endpoint.hang(hanging=True)
    hanging = asyncio.create_task(run(transport))
    await eventually(lambda: service.endpoint.requests["Receive"] == 1)
    assert (await run(transport, ECHO)).stdout == b"hi\r\n"
    assert not hanging.done()
    service.endpoint.hang(hanging=False)
    assert (await hanging).stdout == LISTED
    assert len(service.endpoint.shells) == 2


async def test_run__beyond_the_sessions_allowed__waits_for_its_turn(service: Service) -> None:
    async with opened(service.port, sessions=1) as transport:
        done = await asyncio.gather(*(run(transport) for _ in range(4)))
    assert [each.stdout for each in done] == [LISTED] * 4
    assert service.endpoint.requests["Create"] == 1


# ------------------------------------------------------------------------------------------------------------- shells
async def test_aclose__deletes_the_shell_and_closes_the_connection(service: Service) -> None:
    async with opened(service.port) as transport:
        await run(transport)
        assert len(service.endpoint.shells) == 1
    assert not service.endpoint.shells
    await eventually(lambda: not service.endpoint.connections)
    with pytest.raises(LocalError, match="closed"):
        await run(transport)


async def test_shell__after_so_many_commands__is_replaced(service: Service) -> None:
    async with opened(service.port, recycle=2) as transport:
        for _ in range(5):
            await run(transport)
        await eventually(lambda: len(service.endpoint.shells) == 1)
    assert service.endpoint.requests["Create"] == 3
    assert service.endpoint.requests["Delete"] == 3
    assert not service.endpoint.shells


async def test_shell__that_idles__is_deleted(service: Service) -> None:
    async with opened(service.port, idle="1s") as transport:
        await run(transport)
        await eventually(lambda: not service.endpoint.shells and not service.endpoint.connections)
        assert (await run(transport)).stdout == LISTED
    assert service.endpoint.requests["Create"] == 2


async def test_shell__that_the_host_lost__is_replaced_within_the_run(
    service: Service, transport: WinRmTransport
) -> None:
    await run(transport)
    service.endpoint.lose_shells()
    assert (await run(transport)).stdout == LISTED
    assert service.endpoint.requests["Create"] == 2


async def test_connection__that_was_dropped__is_replaced_within_the_run(
    service: Service, transport: WinRmTransport
) -> None:
    await run(transport)
    service.wire.drop()
    await eventually(lambda: not service.endpoint.connections)
    assert (await run(transport)).stdout == LISTED
    assert service.endpoint.requests["Command"] == 2
    await eventually(lambda: len(service.endpoint.shells) == 1)


# ---------------------------------------------------------------------------------------------------------- deadlines
async def test_deadline__while_a_command_hangs__ends_the_thread_and_deletes_the_shell(
    service: Service, transport: WinRmTransport
) -> None:
    service.endpoint.hang(hanging=True)
    marks: list[Category] = []
    began = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await transport.run(LIST, mark=marks.append, layer=EXTERNAL)
    await eventually(lambda: not threads(), within=10)
    assert time.monotonic() - began < 11
    assert marks == [NETWORK, WORKSTATION, EXTERNAL]
    await eventually(lambda: not service.endpoint.shells and not service.endpoint.connections and not tasks())
    assert service.endpoint.requests["Signal"] == service.endpoint.requests["Delete"] == 1


async def test_deadline__while_the_host_is_silent__holds_no_thread(service: Service, transport: WinRmTransport) -> None:
    service.wire.silent()
    marks: list[Category] = []
    running = asyncio.ensure_future(transport.run(LIST, mark=marks.append))
    await asyncio.wait({running}, timeout=0.2)
    assert not threads()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert marks == [NETWORK]
    await eventually(lambda: not tasks())


async def test_deadline__on_a_kept_line_to_a_host_without_power__blames_the_network(
    service: Service, transport: WinRmTransport
) -> None:
    await run(transport)
    service.wire.silent()
    marks: list[Category] = []
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3):
            await transport.run(LIST, mark=marks.append)
    assert marks == [NETWORK]
    service.wire.restore()
    await eventually(lambda: not tasks(), within=10)
    assert (await run(transport)).stdout == LISTED


class Late:
    """A service whose slow answers come when the test says so."""

    def __init__(self, service: Service, release: asyncio.Event) -> None:
        self.service = service
        self.endpoint = service.endpoint
        self.release = release


@pytest.fixture
async def late() -> AsyncIterator[Late]:
    release = asyncio.Event()

    async def wait(seconds: float) -> None:
        await release.wait()

    async with a_service(sleep=wait) as service:
        service.endpoint.ills["Create"] = Ill.SLOW
        yield Late(service, release)


async def give_up(transport: WinRmTransport, late: Late) -> None:
    """Run a command whose deadline strikes while its shell is being made."""
    running = asyncio.create_task(run(transport))
    asked = late.endpoint.requests["Create"]
    await eventually(lambda: late.endpoint.requests["Create"] > asked)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running


async def test_deadline__while_a_shell_is_being_made__still_learns_its_name_and_deletes_it(late: Late) -> None:
    async with opened(late.service.port) as transport:
        await give_up(transport, late)
        assert len(late.endpoint.shells) == 1
        late.release.set()
        await eventually(lambda: not late.endpoint.shells and not tasks() and not threads())
        assert (late.endpoint.requests["Delete"], late.endpoint.accepted, transport.orphans) == (1, 1, 0)


async def test_deadline__while_shells_are_being_made__takes_no_more_places_than_there_are(late: Late) -> None:
    async with opened(late.service.port, sessions=2) as transport:
        for _ in range(2):
            await give_up(transport, late)
        third = asyncio.create_task(run(transport))
        await asyncio.wait({third}, timeout=0.1)
        assert late.endpoint.requests["Create"] == 2
        late.release.set()
        assert (await third).stdout == LISTED
        await eventually(lambda: len(late.endpoint.shells) == transport.shells == 1)


async def test_deadline__while_a_shell_is_being_made_for_ever__is_given_up_and_counted(
    late: Late, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(monitor.transports.winrm, "CLEANING", 0.2)
    async with opened(late.service.port) as transport:
        await give_up(transport, late)
        await eventually(lambda: not threads() and not tasks())
        assert (transport.orphans, transport.shells) == (1, 0)
        await eventually(lambda: not late.endpoint.connections)


async def test_deadline__during_the_login__is_over_at_once_for_no_shell_was_asked_for(service: Service) -> None:
    service.endpoint.ills["login"] = Ill.SILENT
    async with opened(service.port) as transport:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.2):
                await run(transport)
        await eventually(lambda: not threads() and not tasks(), within=1)
        assert transport.orphans == 0
    assert service.endpoint.requests["Create"] == 0


async def test_aclose__while_a_shell_is_being_made__deletes_that_too(late: Late) -> None:
    async with opened(late.service.port) as transport:
        running = asyncio.create_task(run(transport))
        await eventually(lambda: late.endpoint.requests["Create"] == 1)
        closing = asyncio.create_task(transport.aclose())
        with pytest.raises(LocalError, match="closed"):
            await running
        late.release.set()
        await closing
        assert not late.endpoint.shells


async def test_aclose__over_a_connection_the_network_has_dropped__deletes_the_shell_over_another(
    service: Service,
) -> None:
    async with opened(service.port) as transport:
        await run(transport)
        service.wire.drop()
        await eventually(lambda: not service.endpoint.connections)
    assert (service.endpoint.accepted, len(service.endpoint.shells), transport.orphans) == (2, 0, 0)


# -------------------------------------------------------------------------------------------------------------- logins
async def test_login__that_is_refused__is_critical_and_names_what_the_host_offers(service: Service) -> None:
    async with opened(service.port, WRONG) as transport:
        error = await failing(transport)
    assert (error.category, error.reason, error.severity) == (WORKSTATION, Reason.AUTH, Severity.CRITICAL)
    assert not error.recoverable
    assert "the host offers Negotiate, Basic" in str(error)
    assert "wrong-password" not in repr(error) + str(error)
    assert service.endpoint.refused == 1


WRONG = Credential(user="operator", password=SecretStr("wrong-password"))


async def test_login__that_was_refused__is_not_tried_again_for_half_an_hour(service: Service) -> None:
    clock = FakeClock()
    service.endpoint.refuses_logins = True
    async with opened(service.port, logins=Logins(clock=clock)) as transport:
        await failing(transport)
        for _ in range(3):
            error = await failing(transport)
            assert (error.reason, error.severity, error.recoverable) == (Reason.AUTH, Severity.CRITICAL, False)
            assert "not tried again for another 30 min" in str(error)
        assert service.endpoint.refused == 1
        clock.pass_(HOLD - 1)
        await failing(transport)
        assert service.endpoint.refused == 1
        clock.pass_(2)
        for _ in range(3):
            await failing(transport)
        assert service.endpoint.refused == 2
        clock.pass_(HOLD + 1)
        service.endpoint.refuses_logins = False
        assert (await run(transport)).stdout == LISTED


@pytest.mark.parametrize("ill", [None, Ill.SLOW], ids=["quick", "slow"])
async def test_logins__of_many_runs_at_once__that_are_refused_are_one(ill: Ill | None) -> None:
    async def soon(seconds: float) -> None:
        await asyncio.sleep(0.1)

    async with a_service(sleep=soon) as service, opened(service.port, WRONG) as transport:
        if ill is not None:
            service.endpoint.ills["login"] = ill
        errors = await asyncio.gather(*(failing(transport) for _ in range(4)))
        assert {error.reason for error in errors} == {Reason.AUTH}
        assert service.endpoint.refused == 1


async def test_login__once_admitted__holds_nobody_up_while_its_shell_is_made(late: Late) -> None:
    async with opened(late.service.port) as transport:
        runs = [asyncio.create_task(run(transport)) for _ in range(3)]
        await eventually(lambda: late.endpoint.requests["Create"] == 3)
        late.release.set()
        assert [done.stdout for done in await asyncio.gather(*runs)] == [LISTED] * 3


async def test_login__behind_one_that_hangs__is_blamed_on_the_same_layer(service: Service) -> None:
    service.endpoint.ills["login"] = Ill.SILENT
    async with opened(service.port) as transport:
        marks: list[list[Category]] = [[], [], []]
        runs = [asyncio.create_task(transport.run(LIST, mark=each.append)) for each in marks]
        await eventually(lambda: service.endpoint.stricken == 1 and service.endpoint.accepted == 3)
        for each in runs:
            each.cancel()
        await asyncio.gather(*runs, return_exceptions=True)
        assert [each[-1] for each in marks] == [NETWORK] * 3


async def test_account__that_is_wrong__is_refused_by_two_of_many_hosts_and_sent_to_no_other(service: Service) -> None:
    logins = Logins()
    async with contextlib.AsyncExitStack() as stack:
        names = [f"ws-{number:02}" for number in range(12)]
        many = [
            await stack.enter_async_context(opened(service.port, WRONG, logins=logins, name=name)) for name in names
        ]
        errors = await asyncio.gather(*(failing(each) for each in many for _ in range(2)))
        assert {error.reason for error in errors} == {Reason.AUTH}
        assert service.endpoint.refused == 2
        assert sum("not tried anywhere" in str(error) for error in errors) == 20


async def test_host__that_refuses_what_others_admit__silences_none_of_them(service: Service) -> None:
    logins = Logins()
    async with a_service() as other, contextlib.AsyncExitStack() as stack:
        service.endpoint.refuses_logins = True
        odd = await stack.enter_async_context(opened(service.port, logins=logins, name="odd"))
        await failing(odd)
        for number in range(4):
            name = f"ws-{number}"
            well = await stack.enter_async_context(opened(other.port, logins=logins, name=name))
            assert (await run(well)).stdout == LISTED
            assert "not tried again" in str(await failing(odd))
    assert service.endpoint.refused == 1


async def test_account__held_everywhere__goes_on_where_it_is_logged_in(service: Service) -> None:
    logins = Logins()
    async with a_service() as other, contextlib.AsyncExitStack() as stack:
        well = await stack.enter_async_context(opened(service.port, logins=logins, name="well"))
        await run(well)
        other.endpoint.refuses_logins = True
        for number in range(5):
            await failing(await stack.enter_async_context(opened(other.port, logins=logins, name=f"ws-{number}")))
        assert other.endpoint.refused == 4
        assert (await run(well)).stdout == LISTED


async def test_login__that_is_refused_on_a_kept_line__sends_no_credentials_to_clean_up(
    service: Service, transport: WinRmTransport
) -> None:
    await run(transport)
    service.endpoint.refuses_logins = True
    assert (await failing(transport)).reason is Reason.AUTH
    told = service.endpoint.requests["login"]
    await eventually(lambda: not tasks())
    assert service.endpoint.requests["login"] == told


async def test_login__by_a_method_we_lack_the_library_for__is_our_own_trouble(service: Service) -> None:
    if importlib.util.find_spec("gssapi") is not None:
        error: type[Exception] = ProbeError  # there is a library, and no realm
    else:
        error = LocalError
    async with opened(service.port, auth="kerberos") as transport:
        with pytest.raises(error, match=r"library|login"):
            await run(transport)


# ---------------------------------------------------------------------------------------------------------- bad answers
@pytest.mark.parametrize(
    ("action", "ill", "reason", "category"),
    [
        ("Create", Ill.QUOTA_SHELLS, Reason.QUOTA, WORKSTATION),
        ("Create", Ill.DENIED, Reason.PERMISSION, WORKSTATION),
        ("Create", Ill.NOT_FOUND, Reason.PROTOCOL, NETWORK),
        ("Create", Ill.UNAVAILABLE, Reason.SHELL_LOST, WORKSTATION),
        ("Create", Ill.GARBAGE, Reason.PROTOCOL, WORKSTATION),
        ("Command", Ill.QUOTA_OPERATIONS, Reason.QUOTA, WORKSTATION),
        ("Command", Ill.GARBAGE, Reason.PROTOCOL, WORKSTATION),
        ("Command", Ill.PROGRAM_NOT_FOUND, Reason.NOT_INSTALLED, EXTERNAL),
        ("Command", Ill.LINE_TOO_LONG, Reason.PROTOCOL, EXTERNAL),
        ("Receive", Ill.SHELL_LOST, Reason.SHELL_LOST, WORKSTATION),
        ("Receive", Ill.GARBAGE, Reason.PROTOCOL, WORKSTATION),
        ("Receive", Ill.RESET, Reason.SHELL_LOST, WORKSTATION),
    ],
)
async def test_answer__that_is_ill__is_told_for_what_it_is(
    service: Service, transport: WinRmTransport, action: str, ill: Ill, reason: Reason, category: Category
) -> None:
    service.endpoint.ills[action] = ill
    error = await failing(transport, layer=EXTERNAL)
    assert (error.reason, error.category) == (reason, category)
    service.endpoint.ills.clear()
    assert (await run(transport)).stdout == LISTED
    await eventually(lambda: len(service.endpoint.shells) == 1)


@pytest.mark.parametrize("ill", [Ill.RESET, Ill.GARBAGE, Ill.SHELL_LOST])
async def test_answer__that_is_ill_when_all_is_said__spoils_the_line_and_not_the_result(
    service: Service, transport: WinRmTransport, ill: Ill
) -> None:
    service.endpoint.ills["Signal"] = ill
    assert (await run(transport)).stdout == LISTED
    service.endpoint.ills.clear()
    await eventually(lambda: not service.endpoint.shells)


@pytest.mark.parametrize(
    ("fault", "reason"),
    [("refuse", Reason.REFUSED), ("reset", Reason.RESET), ("garbage", Reason.PROTOCOL)],
)
async def test_host__that_does_not_speak_http__is_the_networks_fault(
    service: Service, transport: WinRmTransport, fault: str, reason: Reason
) -> None:
    getattr(service.wire, fault)()
    error = await failing(transport)
    assert (error.category, error.reason) == (NETWORK, reason)


async def test_output__that_is_too_large__is_stopped_and_blamed_on_the_layer(
    service: Service, transport: WinRmTransport
) -> None:
    service.endpoint.prints = lambda _: Answer("x" * 500_000)
    assert len((await run(transport)).stdout) == 500_000
    error = await failing(transport, limit=100_000, layer=EXTERNAL)
    assert (error.category, error.reason) == (EXTERNAL, Reason.OUTPUT_TOO_LARGE)
    await eventually(lambda: not service.endpoint.shells)


async def test_command_line__that_no_cmd_takes__is_not_sent(service: Service, transport: WinRmTransport) -> None:
    with pytest.raises(LocalError, match="8191"):
        await run(transport, ["echo", "x" * LONGEST_LINE])
    assert not service.endpoint.accepted


# ----------------------------------------------------------------------------------------------------------------- TLS
async def test_tls__by_a_certificate_nobody_told_us_to_trust__is_refused(pem: Path) -> None:
    async with a_service(tls=pem) as service, opened(service.port, https=True) as transport:
        error = await failing(transport)
        assert (error.category, error.reason, error.recoverable) == (NETWORK, Reason.TLS, False)
        assert "self-signed" in str(error)


async def test_tls__by_a_certificate_that_has_ended__says_so(tmp_path: Path) -> None:
    path = tmp_path / "old.pem"
    a_certificate(path, ends=timedelta(days=-1))
    async with a_service(tls=path) as service, opened(service.port, https=True, ca_file=path) as transport:
        assert "has expired" in str(await failing(transport))


async def test_tls__by_a_certificate_for_another_address__works_by_the_name_it_is_for(tmp_path: Path) -> None:
    path = tmp_path / "other.pem"
    a_certificate(path, address="192.0.2.7")
    async with a_service(tls=path) as service:
        async with opened(service.port, https=True, ca_file=path) as transport:
            assert "another address" in str(await failing(transport))
        async with opened(service.port, https=True, ca_file=path, server_name="192.0.2.7") as transport:
            assert (await run(transport)).stdout == LISTED


async def test_tls__that_is_not_verified__takes_any_certificate_and_tells_its_end(tmp_path: Path) -> None:
    path = tmp_path / "old.pem"
    end = a_certificate(path, ends=timedelta(days=-1))
    async with a_service(tls=path) as service, opened(service.port, https=True, verify=False) as transport:
        assert (await run(transport)).facts == {"certificate_end_timestamp_seconds": end.timestamp()}


async def test_tls__where_http_is_spoken__says_so(service: Service) -> None:
    async with opened(service.port, https=True) as transport:
        error = await failing(transport)
    assert (error.category, error.reason) == (NETWORK, Reason.TLS)


async def test_tls__with_a_file_that_cannot_be_read__is_our_own_trouble(service: Service, tmp_path: Path) -> None:
    async with opened(service.port, https=True, ca_file=tmp_path / "none.pem") as transport:
        with pytest.raises(LocalError, match="can't be read"):
            await run(transport)


# ------------------------------------------------------------------------------------------------- nothing is left over
KINDS = ["login", "Create", "Command", "Receive", "Signal"]


@pytest.mark.parametrize("action", KINDS)
@pytest.mark.parametrize("ill", [Ill.SILENT, Ill.RESET])
@pytest.mark.parametrize("kept", [False, True], ids=["fresh", "kept"])
async def test_host__that_fails_in_mid_call__leaves_nothing_of_ours_behind(
    service: Service, action: str, ill: Ill, monkeypatch: pytest.MonkeyPatch, *, kept: bool
) -> None:
    if action == "Create":
        monkeypatch.setattr(monitor.transports.winrm, "CLEANING", 0.5)
    async with opened(service.port) as transport:
        for _ in range(4):
            if kept:
                await run(transport)
            service.endpoint.ills[action] = ill
            with contextlib.suppress(ProbeError, TimeoutError):
                async with asyncio.timeout(0.15):
                    await run(transport)
            service.endpoint.ills.clear()
            await eventually(lambda: not threads() and not tasks())
        assert (await run(transport)).stdout == LISTED
        lost = service.endpoint.stricken if action == "Create" and not kept else 0  # nobody knows their names
        unnamed = lost if ill is Ill.RESET else 0  # these idle out
        assert len(service.endpoint.shells) == 1 + unnamed
        assert transport.orphans == lost
    await eventually(lambda: not service.endpoint.connections and len(service.endpoint.shells) == unnamed)


@pytest.mark.parametrize("action", KINDS)
async def test_host__that_reboots_in_mid_call__is_used_again(service: Service, action: str) -> None:
    async with opened(service.port) as transport:
        service.endpoint.ills[action] = Ill.SILENT
        running = asyncio.create_task(run(transport))
        await eventually(lambda: service.endpoint.stricken == 1)
        service.endpoint.ills.clear()
        service.endpoint.lose_shells()
        service.wire.drop()
        with contextlib.suppress(ProbeError):
            await running
        assert (await run(transport)).stdout == LISTED
        await eventually(lambda: not threads() and not tasks())
    await eventually(lambda: not service.endpoint.connections and not service.endpoint.shells)


async def test_aclose__while_commands_run__ends_them_and_leaves_nothing(service: Service) -> None:
    service.endpoint.hang(hanging=True)
    async with opened(service.port) as transport:
        running = [asyncio.create_task(run(transport)) for _ in range(3)]
        await eventually(lambda: service.endpoint.requests["Receive"] == 3)
    ended = await asyncio.gather(*running, return_exceptions=True)
    assert [type(each) for each in ended] == [LocalError] * 3
    await eventually(lambda: not service.endpoint.shells and not service.endpoint.connections)


async def test_aclose__while_it_connects__ends_that_too(service: Service) -> None:
    service.wire.silent()
    async with opened(service.port) as transport:
        running = asyncio.create_task(run(transport))
        await asyncio.sleep(0.05)
    with pytest.raises(LocalError, match="closed"):
        await running


def test_credential__is_nowhere_to_be_read() -> None:
    assert "Opensesame" not in repr(OPERATOR)
