"""A WinRM service: real HTTP, real NTLM with message encryption, shells that answer as the workstation's console.

`WsManEndpoint.serve` is the service behind a `Wire`. It counts what clients do, so that a test can see that none of
them leaves anything behind, and fails at one action or another on command.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import uuid
import weakref
from collections import Counter
from collections.abc import Callable, Coroutine
from typing import Any, Final

from aiohttp import web

from monitor.simulator import Sleep
from monitor.simulator.console import Answer, Console
from monitor.simulator.wsman import envelopes
from monitor.simulator.wsman.envelopes import Request, Trouble
from monitor.simulator.wsman.ills import STATUSES, TROUBLES, Ill
from monitor.simulator.wsman.login import ENCRYPTED, Accounts, Session

SOAP: Final = "application/soap+xml;charset=UTF-8"
METHODS: Final = ("Negotiate", 'Basic realm="WSMAN"')
MUTUAL: Final = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"
"""What stands in place of a login by certificate: TLS has judged it."""
_CHUNK: Final = 65536
_LARGEST: Final = 4 * 1024 * 1024


class _Command:
    """A command that was started; what it prints is known once it is `over`."""

    def __init__(self) -> None:
        self.over = asyncio.Event()
        self.aborted = False
        self.stdout = self.stderr = b""
        self.exit_code = 0
        self.work: asyncio.Task[None] | None = None

    def abort(self) -> None:
        """End it before its time."""
        self.aborted = self.aborted or not self.over.is_set()
        self.over.set()
        if self.work is not None:
            self.work.cancel()


class WsManEndpoint:
    """A WinRM service with one user, whose shells are a `Console`."""

    def __init__(
        self,
        console: Console,
        accounts: Accounts,
        *,
        tls: ssl.SSLContext | None = None,
        max_shells: int = 30,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self.refuses_logins = False
        self.tls = tls
        """Speak TLS with what comes from now on."""
        self.requests = Counter[str]()
        """HTTP requests answered, by action; those of a login are ``login``."""
        self.connections = 0
        """How many connections are open."""
        self.accepted = 0
        """How many connections there have been."""
        self.stricken = 0
        """How many requests came to grief."""
        self.refused = 0
        """How many logins it turned down."""
        self.shells: dict[str, dict[str, _Command]] = {}
        """The open shells, and the commands in each."""
        self.ills: dict[str, Ill] = {}
        """What goes wrong, by action."""
        self.lag = 1.0
        """Seconds by which a slow answer is late."""
        self.prints: Callable[[str], Answer | None] = lambda _: None
        """What a command prints instead of what the console would."""
        self._console = console
        self._accounts = accounts
        self._max_shells = max_shells
        self._sleep = sleep
        self._awake = asyncio.Event()
        self._awake.set()
        self._sessions: weakref.WeakKeyDictionary[asyncio.BaseTransport, Session] = weakref.WeakKeyDictionary()
        app = web.Application(client_max_size=_LARGEST)
        app.router.add_post("/wsman", self._post)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        self._answers: dict[str, Callable[[Request], Coroutine[Any, Any, bytes | Trouble]]] = {
            "Create": self._create,
            "Command": self._command,
            "Receive": self._receive,
            "Signal": self._signal,
            "Delete": self._delete,
        }

    async def start(self) -> None:
        """Get ready to serve."""
        await self._runner.setup()

    async def aclose(self) -> None:
        """Serve no more."""
        self.lose_shells()
        await self._runner.cleanup()

    def hang(self, *, hanging: bool) -> None:
        """Let commands of `Console.hung` hang, those that run included; other commands go on."""
        if hanging:
            self._awake.clear()
        else:
            self._awake.set()

    def lose_shells(self) -> None:
        """Forget every shell, as a host does that reboots."""
        for commands in self.shells.values():
            for command in commands.values():
                command.abort()
        self.shells.clear()

    async def serve(self, sock: socket.socket) -> None:
        """Hold one HTTP connection."""
        server = self._runner.server
        if server is None:
            sock.close()
            return
        loop = asyncio.get_running_loop()
        try:
            transport, _ = await loop.connect_accepted_socket(server, sock, ssl=self.tls)
        except (OSError, ssl.SSLError):  # no handshake; the client knows why
            sock.close()
            return
        self.connections += 1
        self.accepted += 1
        try:
            await asyncio.Event().wait()  # the wire cancels us when the connection is over
        finally:
            self.connections -= 1
            transport.abort()

    async def _post(self, http: web.Request) -> web.StreamResponse:
        transport = http.transport
        if transport is None:
            raise web.HTTPServiceUnavailable
        session = self._sessions.setdefault(transport, Session())
        body = await http.read()
        ill = None if session.complete else await self._suffer("login", transport)
        refusal = await self._admit(http, session, transport)
        if ill is Ill.SLOW:
            await self._sleep(self.lag)
        if refusal is not None:
            return refusal
        proof, session.proof = session.proof, {}
        sealed = http.content_type == "multipart/encrypted"
        request = envelopes.read(session.unwrap(body) if sealed else body) if body else None
        if request is None:
            return web.Response(status=400 if body else 200, headers=proof)
        self.requests[request.action] += 1
        status, answer = await self._obey(request, transport)
        if answer is None:
            return web.Response(status=status, text="<html>no such thing</html>", content_type="text/html")
        kind = {"Content-Type": ENCRYPTED if sealed else SOAP, **proof}
        return web.Response(status=status, body=session.wrap(answer) if sealed else answer, headers=kind)

    async def _admit(self, http: web.Request, session: Session, transport: asyncio.Transport) -> web.Response | None:
        """Let a request in (None), or say what the next step of the login is."""
        scheme, _, token = http.headers.get("Authorization", "").partition(" ")
        answer: str | None = None
        with contextlib.suppress(PermissionError):
            if scheme == MUTUAL:
                if transport.get_extra_info("peercert") and not self.refuses_logins:
                    return None
                self.refused += 1
            elif scheme == "Basic":
                if http.secure and self._accounts.knows(token) and not self.refuses_logins:
                    return None
                self.refused += 1
            elif scheme in {"Negotiate", "NTLM"}:
                answer = await self._step(session, token)
                if session.complete:
                    session.proof = {} if answer is None else {"WWW-Authenticate": f"{scheme} {answer}"}
                    return None
            elif session.complete and not self.refuses_logins:
                return None
        self.requests["login"] += 1
        refusal = web.Response(status=401)
        for method in METHODS if answer is None else (f"{scheme} {answer}",):
            refusal.headers.add("WWW-Authenticate", method)
        return refusal

    async def _step(self, session: Session, token: str) -> str | None:
        try:
            answer = await asyncio.to_thread(session.step, token)
        except PermissionError:
            self.refused += 1
            raise
        if session.complete and self.refuses_logins:
            session.forget()
            self.refused += 1
            raise PermissionError
        if session.complete:
            self.requests["login"] += 1
        return answer

    async def _suffer(self, action: str, transport: asyncio.Transport) -> Ill | None:
        """Come to grief at an action, if that is what was asked for."""
        ill = self.ills.get(action)
        self.stricken += ill is not None
        if ill is Ill.SILENT:
            await asyncio.Event().wait()  # aiohttp cancels us when the client is gone
        if ill is Ill.RESET:
            transport.abort()
        return ill

    async def _obey(self, request: Request, transport: asyncio.Transport) -> tuple[int, bytes | None]:
        ill = await self._suffer(request.action, transport)
        if ill is Ill.GARBAGE:
            return 200, b"\x00<<< no such thing"
        if ill in STATUSES:
            return STATUSES[ill], None
        obey = self._answers.get(request.action)
        answer: bytes | Trouble = envelopes.MALFORMED
        if ill in TROUBLES:
            answer = TROUBLES[ill]
        elif obey is not None:
            answer = await obey(request)
        if ill is Ill.SLOW:
            await self._sleep(self.lag)
        return (500, envelopes.fault(request, answer)) if isinstance(answer, Trouble) else (200, answer)

    async def _create(self, request: Request) -> bytes | Trouble:
        if len(self.shells) >= self._max_shells:
            return envelopes.TOO_MANY_SHELLS
        shell_id = str(uuid.uuid4()).upper()
        self.shells[shell_id] = {}
        return envelopes.created(request, shell_id, self._accounts.user)

    async def _command(self, request: Request) -> bytes | Trouble:
        commands = self.shells.get(request.shell_id)
        if commands is None:
            return envelopes.NO_SHELL
        command_id = str(uuid.uuid4()).upper()
        command = commands[command_id] = _Command()
        command.work = asyncio.get_running_loop().create_task(self._execute(request.command, command))
        return envelopes.started(request, command_id)

    async def _execute(self, line: str, command: _Command) -> None:
        if self._console.hangs(line):
            await self._awake.wait()
        answer = self.prints(line) or self._console.answer(line)
        command.stdout, command.stderr = self._console.encode(answer.stdout), self._console.encode(answer.stderr)
        command.exit_code = answer.exit_code
        command.over.set()

    async def _receive(self, request: Request) -> bytes | Trouble:
        command = self.shells.get(request.shell_id, {}).get(request.command_id)
        if command is None:
            return envelopes.NO_SHELL
        try:
            async with asyncio.timeout(request.patience):
                await command.over.wait()
        except TimeoutError:
            return envelopes.TIMED_OUT
        if command.aborted:
            return envelopes.ABORTED
        stdout, command.stdout = command.stdout[:_CHUNK], command.stdout[_CHUNK:]
        stderr, command.stderr = command.stderr[:_CHUNK], command.stderr[_CHUNK:]
        more = command.stdout or command.stderr
        return envelopes.printed(request, stdout, stderr, None if more else command.exit_code)

    async def _signal(self, request: Request) -> bytes | Trouble:
        command = self.shells.get(request.shell_id, {}).pop(request.command_id, None)
        if command is None:
            return envelopes.NO_SHELL
        command.abort()
        return envelopes.obeyed(request)

    async def _delete(self, request: Request) -> bytes | Trouble:
        commands = self.shells.pop(request.shell_id, None)
        if commands is None:
            return envelopes.NO_SHELL
        for command in commands.values():
            command.abort()
        return envelopes.obeyed(request)
