"""A real OpenSSH server for one test: its own config, keys and port, in the foreground, ended by its pid.

Its sessions have a home of their own: what a shell on this machine reads at its start is not what is tested.
"""

from __future__ import annotations

import asyncio
import contextlib
import getpass
import os
import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh

from monitor.model import Platform, TransportSpec, Workstation
from monitor.transports import Credential
from monitor.transports.ssh import Params
from tests.servers import free_port, require_program

_CONFIG = """\
Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host_key
AuthorizedKeysFile {folder}/authorized_keys
PidFile none
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
LogLevel VERBOSE
SetEnv PATH={folder}/bin:/usr/local/bin:/usr/bin:/bin HOME={folder}
{more}
"""
_CONSOLE = """\
#!/bin/sh
[ -f "{folder}/hang" ] && sleep 20
[ "$1" = list2 ] && exec cat "{folder}/list2"
cat "{folder}/usage"
exit 24
"""


class Sshd:
    """A running server, and all that is needed to log in."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = folder
        self.port = port
        self._process: asyncio.subprocess.Process | None = None
        self._log = folder / "log"

    @property
    def params(self) -> Params:
        """Parameters that trust this server."""
        return Params(port=self.port, known_hosts=self.folder / "known_hosts", credential="key")

    @property
    def credential(self) -> Credential:
        """Who may log in."""
        return Credential(user=getpass.getuser(), key_file=self.folder / "user_key")

    @property
    def workstation(self) -> Workstation:
        """This server as a workstation."""
        return Workstation(
            id="ws-01", host="127.0.0.1", platform=Platform.LINUX, transport=TransportSpec("ssh", self.params)
        )

    @property
    def logins(self) -> int:
        """How many times somebody logged in."""
        return self._log.read_text().count("Accepted publickey")

    @property
    def connections(self) -> int:
        """How many connections came in."""
        return self._log.read_text().count("Connection from ")

    @property
    def sessions(self) -> set[int]:
        """The processes that serve a connection now."""
        return set() if self._process is None else set(_children(self._process.pid))

    def prints(self, sample: bytes) -> None:
        """Let its ``ldconsole list2`` print these bytes."""
        (self.folder / "list2").write_bytes(sample)

    def hangs(self, *, hang: bool = True) -> None:
        """Let its ``ldconsole`` hang, or answer again."""
        (self.folder / "hang").touch() if hang else (self.folder / "hang").unlink()

    async def start(self) -> None:
        """Start it and wait until it listens."""
        program = await asyncio.to_thread(require_program, "sshd", "openssh-server")
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                program, "-D", "-e", "-f", str(self.folder / "config"), stdin=asyncio.subprocess.DEVNULL, stderr=log
            )
        async with asyncio.timeout(10):
            while not self._listens():
                assert self._process.returncode is None, self._log.read_text()
                await asyncio.sleep(0.01)

    async def stop(self) -> None:
        """End it and every session of it."""
        if self._process is None:
            return
        self.kill_sessions()
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        await self._process.wait()
        self._process = None

    def kill_sessions(self) -> None:
        """End what serves a connection and all it started, as a crash would."""
        for session in self.sessions:
            for pid in (session, *_descendants(session)):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def _listens(self) -> bool:
        listening = re.compile(rf"^ *\d+: 0100007F:{self.port:04X} 00000000:0000 0A ", re.MULTILINE)
        return bool(listening.search(Path("/proc/net/tcp").read_text()))


@contextlib.asynccontextmanager
async def a_server(folder: Path, more: str = "") -> AsyncIterator[Sshd]:
    """Set a server up in `folder`, run it, end it."""
    sshd = await asyncio.to_thread(_prepare, folder, more)
    await sshd.start()
    try:
        yield sshd
    finally:
        await sshd.stop()


def _prepare(folder: Path, more: str) -> Sshd:
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where root's sshd locks its unprivileged part up
    port = free_port()
    for name in ("host_key", "user_key"):
        key = asyncssh.generate_private_key("ssh-ed25519")
        key.write_private_key(folder / name)
        (folder / name).chmod(0o600)
        key.write_public_key(folder / f"{name}.pub")
    (folder / "authorized_keys").write_bytes((folder / "user_key.pub").read_bytes())
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {(folder / 'host_key.pub').read_text()}")
    (folder / "config").write_text(_CONFIG.format(port=port, folder=folder, more=more))
    (folder / "usage").write_bytes(b"dnplayer Command Line Management Interface\r\nUsage:\r\n")
    (folder / "bin").mkdir()
    (folder / "bin" / "ldconsole").write_text(_CONSOLE.format(folder=folder))
    (folder / "bin" / "ldconsole").chmod(0o755)
    return Sshd(folder, port)


def _children(pid: int) -> list[int]:
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def _descendants(pid: int) -> list[int]:
    return [each for child in _children(pid) for each in (child, *_descendants(child))]
