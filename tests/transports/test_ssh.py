"""The SSH transport against a real OpenSSH server, and against servers that misbehave in one way each."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import asyncssh
import pytest
from pydantic import SecretStr

from monitor.errors import LocalError, ProbeError
from monitor.model import Category, Lane, Platform, Reason, Severity, Workstation
from monitor.transports import Completed, Credential, discover
from monitor.transports.ssh import TRANSPORT, Params, SshTransport
from tests.sshd import Sshd, a_server

FARM = Credential(user="farm", password=SecretStr("opensesame"))
NETWORK, WORKSTATION, EXTERNAL = Category.NETWORK, Category.WORKSTATION, Category.EXTERNAL


async def eventually(true: Callable[[], bool], *, within: float = 5.0) -> None:
    """Poll a condition until it holds; fail when it does not in time."""
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "the condition never held"
        await asyncio.sleep(0.01)


def ignore(layer: Category) -> None:
    """Take a mark and forget it."""


@contextlib.asynccontextmanager
async def opened(
    port: int, credential: Credential | None = None, *, host: str = "127.0.0.1", **params: object
) -> AsyncIterator[SshTransport]:
    where = Workstation(id="ws-01", host=host, platform=Platform.LINUX)
    transport = SshTransport(where, Params(port=port, **params), credential)
    yield transport
    await transport.aclose()
    await eventually(lambda: not unfinished())


def unfinished() -> list[str]:
    """Name the tasks that run our transport's or asyncssh's code."""
    codes = [getattr(task.get_coro(), "cr_code", None) for task in asyncio.all_tasks()]
    return [
        code.co_qualname for code in codes if code and ("/asyncssh/" in code.co_filename or "/ssh/" in code.co_filename)
    ]


@pytest.fixture
async def sshd(tmp_path: Path) -> AsyncIterator[Sshd]:
    async with a_server(tmp_path) as server:
        yield server


@pytest.fixture
async def transport(sshd: Sshd) -> AsyncIterator[SshTransport]:
    async with opened(sshd.port, sshd.credential, known_hosts=sshd.params.known_hosts) as transport:
        yield transport


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A listener whose backlog is full: further connections get no answer at all."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener, contextlib.ExitStack() as stack:
        for _ in range(2):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0)
            filler.connect_ex(listener.getsockname())
        yield int(listener.getsockname()[1])


@contextlib.asynccontextmanager
async def a_speaker(says: bytes, *, then_closes: bool) -> AsyncIterator[int]:
    """Listen as no SSH server does: say something, then hang or close."""
    writers: list[asyncio.StreamWriter] = []

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        writer.write(says)
        if then_closes:
            await reader.read(1)
            writer.close()

    server = await asyncio.start_server(speak, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for writer in writers:
            writer.close()


class Guard(asyncssh.SSHServer):
    """Lets a user in by password, and tells its commands of signals."""

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == ("farm", "opensesame")

    def session_requested(self) -> asyncssh.SSHServerSession[str]:
        return self.session()

    session: type[asyncssh.SSHServerSession[str]]


class Obedient(asyncssh.SSHServerSession[str]):
    """A command that ends at once, and notes the signals it gets."""

    signals: list[str]
    ends = True

    def connection_made(self, chan: asyncssh.SSHServerChannel[str]) -> None:
        self.channel = chan

    def exec_requested(self, command: str) -> bool:
        return True

    def session_started(self) -> None:
        if self.ends:
            self.channel.exit(0)

    def eof_received(self) -> bool:
        return True

    def signal_received(self, signal: str) -> None:
        self.signals.append(signal)


@contextlib.asynccontextmanager
async def a_password_server(*, ends: bool = True) -> AsyncIterator[tuple[int, list[str]]]:
    """Serve on a free port; a command ends at once or never, the signals it gets are listed."""
    signals: list[str] = []
    session = type("Session", (Obedient,), {"signals": signals, "ends": ends})
    factory = type("Server", (Guard,), {"session": session})
    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.listen("127.0.0.1", 0, server_factory=factory, server_host_keys=[key])
    yield server.get_port(), signals
    server.close()
    await server.wait_closed()


async def refused(transport: SshTransport, argv: Sequence[str] = ("true",), **how: object) -> ProbeError:
    with pytest.raises(ProbeError) as caught:
        await transport.run(argv, mark=ignore, **how)  # type: ignore[arg-type]  # by name
    return caught.value


def test_kind__discovered__names_its_endpoint_and_needs_only_a_descriptor() -> None:
    kind = discover()["ssh"]
    assert kind is TRANSPORT
    assert (kind.endpoint(Params(port=2222)), kind.lane) == ("ssh:2222", Lane.SOCKET)


async def test_command__over_openssh__leaves_its_exact_bytes_and_exit_code(transport: SshTransport) -> None:
    argv = ["sh", "-c", r"printf 'a\0\377\r\n'; printf err >&2; exit 3"]
    completed = await transport.run(argv, mark=ignore)
    assert completed == Completed(argv=tuple(argv), exit_code=3, stdout=b"a\0\xff\r\n", stderr=b"err")


async def test_command__that_reads_its_input__finds_none(transport: SshTransport) -> None:
    assert (await transport.run(["cat"], mark=ignore)).stdout == b""


async def test_command__ended_by_a_signal__tells_it_as_a_negative_exit_code(transport: SshTransport) -> None:
    assert (await transport.run(["sh", "-c", "kill -9 $$"], mark=ignore)).exit_code == -9


async def test_arguments__with_blanks_and_signs__arrive_as_they_are(transport: SshTransport) -> None:
    words = ["a b", "$HOME", "'", '"', "*", "", "\\", "a\nb"]
    completed = await transport.run(["printf", "%s|", *words], mark=ignore)
    assert completed.stdout.decode().split("|")[:-1] == words


async def test_commands__one_after_another_and_at_once__share_one_connection(
    sshd: Sshd, transport: SshTransport
) -> None:
    ends = await asyncio.gather(*(transport.run(["echo", str(i)], mark=ignore) for i in range(8)))
    ends.append(await transport.run(["echo", "8"], mark=ignore))
    assert [int(end.stdout) for end in ends] == list(range(9))
    assert sshd.connections == 1


async def test_marks__on_a_new_and_on_a_kept_connection__name_the_layer_of_each_step(transport: SshTransport) -> None:
    first: list[Category] = []
    await transport.run(["true"], mark=first.append, layer=EXTERNAL)
    assert first == [NETWORK, WORKSTATION, WORKSTATION, WORKSTATION, EXTERNAL]
    again: list[Category] = []
    await transport.run(["true"], mark=again.append, layer=EXTERNAL)
    assert again == [NETWORK, WORKSTATION, EXTERNAL]


async def test_known_hosts__without_the_server__is_a_clear_error_that_names_the_workstation(
    sshd: Sshd, tmp_path: Path
) -> None:
    async with opened(sshd.port, sshd.credential, known_hosts=tmp_path / "none") as transport:
        error = await refused(transport)
    assert str(error).startswith(f"ws-01 ssh:{sshd.port}: unknown host key")
    assert (error.category, error.reason, error.severity) == (WORKSTATION, Reason.HOST_KEY, Severity.CRITICAL)
    assert not error.recoverable
    assert sshd.logins == 0


async def test_known_hosts__with_another_key__refuses_until_corrected(sshd: Sshd, transport: SshTransport) -> None:
    right = sshd.params.known_hosts.read_text()
    wrong = (sshd.folder / "user_key.pub").read_text()
    sshd.params.known_hosts.write_text(f"[127.0.0.1]:{sshd.port} {wrong}")
    assert (await refused(transport)).reason is Reason.HOST_KEY
    sshd.params.known_hosts.write_text(right)
    assert (await transport.run(["echo", "ok"], mark=ignore)).stdout == b"ok\n"


async def test_host_key__told_to_ignore__is_not_verified(sshd: Sshd, tmp_path: Path) -> None:
    async with opened(sshd.port, sshd.credential, known_hosts=tmp_path / "none", host_key="ignore") as transport:
        assert (await transport.run(["true"], mark=ignore)).exit_code == 0


async def test_key__that_may_not_log_in__is_refused(sshd: Sshd, tmp_path: Path) -> None:
    key = tmp_path / "other_key"
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(key)
    stranger = sshd.credential.model_copy(update={"key_file": key})
    async with opened(sshd.port, stranger, known_hosts=sshd.params.known_hosts) as transport:
        error = await refused(transport)
    assert (error.category, error.reason, error.recoverable) == (WORKSTATION, Reason.AUTH, False)


async def test_known_hosts__on_a_disk_that_hangs__is_our_own_trouble(
    sshd: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go = threading.Event()
    monkeypatch.setattr("monitor.transports.ssh.READING", 0.05)
    monkeypatch.setattr(asyncssh, "read_known_hosts", lambda _: let_go.wait(20))
    async with opened(sshd.port, sshd.credential, known_hosts=sshd.params.known_hosts) as transport:
        with pytest.raises(LocalError, match="cannot prepare the login: TimeoutError"):
            await transport.run(["true"], mark=ignore)
        let_go.set()


async def test_key__encrypted__needs_its_passphrase(sshd: Sshd, tmp_path: Path) -> None:
    key = tmp_path / "locked_key"
    asyncssh.read_private_key(sshd.folder / "user_key").write_private_key(key, "pkcs8-pem", "opensesame")
    locked = sshd.credential.model_copy(update={"key_file": key, "passphrase": SecretStr("opensesame")})
    async with opened(sshd.port, locked, known_hosts=sshd.params.known_hosts) as transport:
        assert (await transport.run(["true"], mark=ignore)).exit_code == 0
    wrong = locked.model_copy(update={"passphrase": SecretStr("hunter2")})
    async with opened(sshd.port, wrong, known_hosts=sshd.params.known_hosts) as transport:
        with pytest.raises(LocalError, match="cannot prepare the login") as caught:
            await transport.run(["true"], mark=ignore)
    assert "hunter2" not in str(caught.value)


async def test_key__that_is_not_there__is_our_own_trouble(sshd: Sshd, tmp_path: Path) -> None:
    lost = sshd.credential.model_copy(update={"key_file": tmp_path / "nowhere"})
    async with opened(sshd.port, lost, known_hosts=sshd.params.known_hosts) as transport:
        with pytest.raises(LocalError, match="nowhere"):
            await transport.run(["true"], mark=ignore)


async def test_server__stopped__refuses_in_no_time_and_is_found_again(sshd: Sshd, transport: SshTransport) -> None:
    await transport.run(["true"], mark=ignore)
    await sshd.stop()
    start = time.monotonic()
    error = await refused(transport)
    assert time.monotonic() - start < 10
    assert (error.category, error.reason) == (NETWORK, Reason.REFUSED)
    await sshd.start()
    assert (await transport.run(["echo", "back"], mark=ignore)).stdout == b"back\n"


async def test_kept_connection__closed_while_idle__is_replaced_within_the_run(
    sshd: Sshd, transport: SshTransport
) -> None:
    await transport.run(["true"], mark=ignore)
    sshd.kill_sessions()
    assert (await transport.run(["echo", "again"], mark=ignore)).stdout == b"again\n"
    assert sshd.logins == 2


async def test_connection__lost_while_a_command_runs__is_shell_lost_and_nothing_is_repeated(
    sshd: Sshd, transport: SshTransport
) -> None:
    started = sshd.folder / "started"
    run = asyncio.create_task(refused(transport, ["sh", "-c", f"echo x >> {started}; sleep 20"]))
    await eventually(started.exists)
    sshd.kill_sessions()
    error = await run
    assert (error.category, error.reason) == (WORKSTATION, Reason.SHELL_LOST)
    assert (await transport.run(["cat", str(started)], mark=ignore)).stdout == b"x\n"


async def test_deadline__while_a_command_runs__gives_it_up_and_keeps_the_connection(
    sshd: Sshd, transport: SshTransport
) -> None:
    started = sshd.folder / "started"
    marks: list[Category] = []
    run = asyncio.create_task(
        transport.run(["sh", "-c", f"touch {started}; exec sleep 20"], mark=marks.append, layer=EXTERNAL)
    )
    await eventually(started.exists)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert marks[-1] is EXTERNAL
    await transport.run(["true"], mark=ignore)
    assert sshd.connections == 1


async def test_deadline__while_a_command_runs__tells_the_server_to_kill_it() -> None:
    running = asyncio.Event()
    async with a_password_server(ends=False) as (port, signals), opened(port, FARM, host_key="ignore") as transport:
        mark = lambda layer: running.set() if layer is EXTERNAL else None  # noqa: E731 - shorter than a function
        run = asyncio.create_task(transport.run(["true"], mark=mark, layer=EXTERNAL))
        await running.wait()
        run.cancel()
        await eventually(lambda: signals == ["KILL"])


async def test_sessions__all_taken_by_commands_given_up__are_left_behind_with_their_connection(tmp_path: Path) -> None:
    async with (
        a_server(tmp_path, "MaxSessions 1") as sshd,
        opened(sshd.port, sshd.credential, known_hosts=sshd.params.known_hosts) as transport,
    ):
        started = tmp_path / "started"
        run = asyncio.create_task(transport.run(["sh", "-c", f"touch {started}; exec sleep 20"], mark=ignore))
        await eventually(started.exists)
        run.cancel()
        assert (await transport.run(["echo", "ok"], mark=ignore)).stdout == b"ok\n"
        assert sshd.connections == 2


async def test_deadline__at_any_moment__leaves_nothing_and_the_next_run_works(
    sshd: Sshd, transport: SshTransport
) -> None:
    for turns in [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89]:
        run = asyncio.create_task(transport.run(["sleep", "20"], mark=ignore))
        for _ in range(turns):
            await asyncio.sleep(0.001)
        run.cancel()
        with pytest.raises(asyncio.CancelledError):
            await run
    assert (await transport.run(["echo", "ok"], mark=ignore)).stdout == b"ok\n"
    await eventually(lambda: len(sshd.sessions) <= 1)


async def test_waiter__cancelled_while_others_wait__does_not_take_their_connection_away(
    sshd: Sshd, transport: SshTransport
) -> None:
    runs = [asyncio.create_task(transport.run(["echo", "ok"], mark=ignore)) for _ in range(3)]
    await asyncio.sleep(0)
    runs[0].cancel()
    ends = await asyncio.gather(*runs, return_exceptions=True)
    assert isinstance(ends[0], asyncio.CancelledError)
    assert [end.stdout for end in ends[1:] if isinstance(end, Completed)] == [b"ok\n", b"ok\n"]
    assert sshd.connections == 1


@pytest.mark.parametrize("command", ["head -c 2000 /dev/zero", "yes", "yes >&2"])
async def test_output__above_the_limit__ends_the_command_at_once(transport: SshTransport, command: str) -> None:
    async with asyncio.timeout(5):
        error = await refused(transport, ["sh", "-c", command], limit=1000, layer=EXTERNAL)
    assert (error.category, error.reason) == (EXTERNAL, Reason.OUTPUT_TOO_LARGE)
    assert (await transport.run(["true"], mark=ignore)).exit_code == 0


async def test_output__of_just_the_limit__is_complete(transport: SshTransport) -> None:
    end = await transport.run(["head", "-c", "1000000", "/dev/zero"], mark=ignore, limit=1_000_000)
    assert len(end.stdout) == 1_000_000


async def test_sessions__all_taken__is_a_quota_and_keeps_the_connection_in_use(tmp_path: Path) -> None:
    async with (
        a_server(tmp_path, "MaxSessions 1") as sshd,
        opened(sshd.port, sshd.credential, known_hosts=sshd.params.known_hosts) as transport,
    ):
        started = tmp_path / "started"
        first = asyncio.create_task(
            transport.run(
                ["sh", "-c", f"touch {started}; while [ -e {started} ]; do sleep 0.02; done; echo ok"], mark=ignore
            )
        )
        await eventually(started.exists)
        error = await refused(transport)
        assert (error.category, error.reason) == (WORKSTATION, Reason.QUOTA)
        started.unlink()
        assert (await first).stdout == b"ok\n"


async def test_keys__more_than_the_server_tries__is_a_refused_login(tmp_path: Path) -> None:
    async with a_server(tmp_path, "MaxAuthTries 1") as sshd:
        key = tmp_path / "other_key"
        asyncssh.generate_private_key("ssh-ed25519").write_private_key(key)
        stranger = sshd.credential.model_copy(update={"key_file": key})
        async with opened(sshd.port, stranger, known_hosts=sshd.params.known_hosts) as transport:
            error = await refused(transport)
    assert (error.category, error.reason) == (WORKSTATION, Reason.AUTH)


async def test_host__that_is_silent__is_blamed_on_the_network_and_left_without_a_trace(silent_port: int) -> None:
    marks: list[Category] = []
    async with opened(silent_port, host_key="ignore") as transport:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await transport.run(["true"], mark=marks.append)
    assert marks == [NETWORK]


async def test_server__that_never_greets__is_blamed_on_the_network() -> None:
    marks: list[Category] = []
    async with a_speaker(b"", then_closes=False) as port, opened(port, host_key="ignore") as transport:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await transport.run(["true"], mark=marks.append)
    assert marks == [NETWORK]


async def test_server__that_greets_and_hangs__is_blamed_on_the_workstation() -> None:
    marks: list[Category] = []
    async with (
        a_speaker(b"hello\r\nSSH-2.0-x\r\n", then_closes=False) as port,
        opened(port, host_key="ignore") as transport,
    ):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await transport.run(["true"], mark=marks.append)
    assert marks == [NETWORK, WORKSTATION]


@pytest.mark.parametrize(
    ("says", "reason"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", Reason.PROTOCOL),
        (b"SSH-1.5-ancient\r\n", Reason.PROTOCOL),
        (b"SSH-2.0-x\r\n" + b"\xff" * 64, Reason.PROTOCOL),
        (b"SSH-2.0-x\r\n", Reason.RESET),
        (b"", Reason.RESET),
    ],
)
async def test_server__that_is_none__is_blamed_on_the_network(says: bytes, reason: Reason) -> None:
    async with a_speaker(says, then_closes=True) as port, opened(port, host_key="ignore") as transport:
        error = await refused(transport)
    assert (error.category, error.reason) == (NETWORK, reason)


@pytest.mark.parametrize("host", ["no-such-host.invalid", f"{'a' * 64}.invalid"])
async def test_name__that_can_not_be_resolved__is_dns(host: str) -> None:
    async with opened(22, host=host) as transport:
        error = await refused(transport)
    assert (error.category, error.reason) == (NETWORK, Reason.DNS)


async def test_port__nobody_listens_on__is_refused_by_every_address_of_the_name() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    async with opened(port, host="localhost") as transport:
        error = await refused(transport)
    assert (error.category, error.reason) == (NETWORK, Reason.REFUSED)


async def test_password__right_and_wrong__lets_in_and_is_refused(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with a_password_server() as (port, _):
        async with opened(port, FARM, host_key="ignore") as transport:
            assert (await transport.run(["true"], mark=ignore)).exit_code == 0
            assert "opensesame" not in repr((transport, vars(transport)))
        wrong = Credential(user="farm", password=SecretStr("hunter2"))
        async with opened(port, wrong, host_key="ignore") as transport:
            error = await refused(transport)
    assert (error.category, error.reason) == (WORKSTATION, Reason.AUTH)
    assert "hunter2" not in str(error)
    assert not [record for record in caplog.records if record.name.startswith("asyncssh")]


async def test_transport__closed__runs_nothing_any_more(transport: SshTransport) -> None:
    await transport.run(["true"], mark=ignore)
    await transport.aclose()
    with pytest.raises(LocalError, match="closed"):
        await transport.run(["true"], mark=ignore)


async def test_transport__closed_while_somebody_waits__tells_them(silent_port: int) -> None:
    async with opened(silent_port, host_key="ignore") as transport:
        run = asyncio.create_task(transport.run(["true"], mark=ignore))
        await asyncio.sleep(0.05)
        await transport.aclose()
        with pytest.raises(LocalError, match="closed"):
            await run
