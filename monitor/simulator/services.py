"""What stands behind the wires of a simulated workstation: an SSH endpoint, an HTTP panel, a port that just accepts.

Each service holds one conversation on a connected socket (`wire.Service`). They answer; whether the answer gets
through is the wire's business.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Mapping

import asyncssh
from aiohttp import web

from monitor.simulator.console import Console
from monitor.simulator.wire import HOST

_CHUNK = 65536


async def hold(sock: socket.socket) -> None:
    """Accept and listen, like a port of which only the connect matters."""
    loop = asyncio.get_running_loop()
    try:
        with contextlib.suppress(OSError):
            while await loop.sock_recv(sock, _CHUNK):
                pass
    finally:
        sock.close()


class SshEndpoint:
    """An SSH server with one user and one key, whose shell is a `Console`."""

    def __init__(self, console: Console, *, user: str, key: asyncssh.SSHKey) -> None:
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.refuses_logins = False
        self.logins = 0
        """How many logins it has seen succeed."""
        self.commands = 0
        """How many commands it was asked to run."""
        self.tunnels: Callable[[int], bool] = lambda _: False
        """Whether something listens at a port of the workstation's loopback."""
        self._console = console
        self._user = user
        self._key = key.convert_to_public()
        self._awake = asyncio.Event()
        self._awake.set()
        self._options = asyncssh.SSHServerConnectionOptions(
            server_factory=lambda: _Doorkeeper(self),
            process_factory=self._run,
            server_host_keys=[self.host_key],
            encoding=None,
            config=[],
            gss_host=None,
            line_editor=False,
        )

    @property
    def hanging(self) -> bool:
        """Whether the emulator console hangs."""
        return not self._awake.is_set()

    def hang(self, *, hanging: bool) -> None:
        """Let commands of `Console.hung` hang, those that run included; other commands go on."""
        if hanging:
            self._awake.clear()
        else:
            self._awake.set()

    def admits(self, user: str, key: asyncssh.SSHKey) -> bool:
        """Whether a user may log in with a key; counts those that may."""
        known = user == self._user and key == self._key and not self.refuses_logins
        self.logins += known
        return known

    async def serve(self, sock: socket.socket) -> None:
        """Hold one SSH connection."""
        try:
            connection = await asyncssh.run_server(sock, options=self._options)
        except (OSError, asyncssh.Error):  # no login; the client knows why
            return
        try:
            await connection.wait_closed()
        finally:
            connection.abort()

    async def _run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        command = process.command or ""
        self.commands += 1
        if self._console.hangs(command) and not await self._wakes(process):
            return
        answer = self._console.answer(command)
        with contextlib.suppress(OSError):
            process.stdout.write(self._console.encode(answer.stdout))
            process.stderr.write(self._console.encode(answer.stderr))
            _exit(process, answer.exit_code)

    async def _wakes(self, process: asyncssh.SSHServerProcess[bytes]) -> bool:
        """Wait until the console hangs no more; False: the client was not that patient."""
        if self._awake.is_set():
            return True
        awake = asyncio.ensure_future(self._awake.wait())
        closed = asyncio.ensure_future(process.wait_closed())
        try:
            await asyncio.wait((awake, closed), return_when=asyncio.FIRST_COMPLETED)
            return awake.done() and not closed.done()
        finally:
            awake.cancel()
            closed.cancel()


def _exit(process: asyncssh.SSHServerProcess[bytes], code: int) -> None:
    """End a command with all 32 bits of its exit code, as OpenSSH on Windows does; asyncssh would send eight."""
    process.channel._send_request(b"exit-status", asyncssh.packet.UInt32(code))  # noqa: SLF001 - there is no other way
    process.close()


class _Doorkeeper(asyncssh.SSHServer):
    """Decides on one login."""

    def __init__(self, endpoint: SshEndpoint) -> None:
        self._endpoint = endpoint

    def connection_requested(self, dest_host: str, dest_port: int, orig_host: str, orig_port: int) -> bool:
        if dest_host == HOST and self._endpoint.tunnels(dest_port):
            return True
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_CONNECT_FAILED, "Connection refused")

    def begin_auth(self, username: str) -> bool:
        return True

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._endpoint.admits(username, key)


class Panel:
    """An HTTP endpoint with ``/health``; `status` is what it answers."""

    def __init__(self, facts: Callable[[], Mapping[str, object]]) -> None:
        self.status = 200
        self.requests = 0
        self._facts = facts
        app = web.Application()
        app.router.add_get("/", self._health)
        app.router.add_get("/health", self._health)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)

    async def start(self) -> None:
        """Get ready to serve."""
        await self._runner.setup()

    async def aclose(self) -> None:
        """Serve no more."""
        await self._runner.cleanup()

    async def serve(self, sock: socket.socket) -> None:
        """Hold one HTTP connection."""
        server = self._runner.server
        if server is None:
            sock.close()
            return
        transport, _ = await asyncio.get_running_loop().connect_accepted_socket(server, sock)
        try:
            await asyncio.Event().wait()  # the wire cancels us when the connection is over
        finally:
            transport.abort()

    async def _health(self, _request: web.Request) -> web.Response:
        self.requests += 1
        healthy = self.status < 400  # noqa: PLR2004 - where the errors of HTTP begin
        body = {"status": "ok" if healthy else "error", **self._facts()}
        return web.json_response(body, status=self.status)
