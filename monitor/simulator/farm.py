"""Several simulated workstations, and a complete config with which the monitor watches them.

The farm owns a private directory (0700, gone with it) for what a real installation has on disk: the key that logs in,
the known host keys, the monitor's data. It does not start a monitor.
"""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Final, Literal, Self

import asyncssh
import yaml

from monitor.simulator import Sleep
from monitor.simulator.guest import Pace
from monitor.simulator.workstation import FIRST_ADB, USER, SimulatedWorkstation
from monitor.simulator.wsman.login import Accounts

INTERVAL: Final = 5.0
TIMEOUT: Final = 2.0
ADB_EVERY: Final = 3
"""Intervals between two looks into a guest."""
HOST_EVERY: Final = 3
"""Intervals between two looks at a host."""
DISK_LIMIT: Final = "10GiB"
OPEN_TIME: Final = 20.0
BOOT_LIMIT: Final = "20s"
RUNNING: Final = (0, 1, 2, 3)

_SITES: Final = ("berlin", "hanoi")
_CODE_PAGES: Final[Mapping[str, int]] = MappingProxyType({"berlin": 1252, "hanoi": 936})
_TITLES: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "berlin": ("LDPlayer", "Läufer-1", "Läufer-2", "Läufer, spare", "LDPlayer-4", "LDPlayer-5"),
        "hanoi": ("雷电模拟器", "雷电模拟器-1", "雷电模拟器-2", "主号, 备用", "LDPlayer-4", "LDPlayer-5"),
    }
)


class Farm:
    """Simulated workstations ``ws-01`` to ``ws-NN``; an async context manager.

    Args:
        workstations: How many.
        emulators: How many on each; the first `RUNNING` ones run.
        sleep: How they wait.
        pace: How long their emulators take to boot.
        transports: How the config reaches them, in turns.

    """

    def __init__(
        self,
        workstations: int = 8,
        emulators: int = 6,
        *,
        sleep: Sleep = asyncio.sleep,
        pace: Pace | None = None,
        transports: Sequence[Literal["ssh", "winrm"]] = ("ssh", "winrm"),
    ) -> None:
        self._key = asyncssh.generate_private_key("ssh-ed25519")
        self._accounts = Accounts(USER, secrets.token_urlsafe(16))
        self._transports = tuple(transports)
        self._directory: tempfile.TemporaryDirectory[str] | None = None
        self._sites = {f"ws-{number:02}": _SITES[number % len(_SITES)] for number in range(1, workstations + 1)}
        self.workstations = tuple(
            SimulatedWorkstation(
                name,
                key=self._key,
                accounts=self._accounts,
                titles=_titles(site, emulators),
                running=[index for index in RUNNING if index < emulators],
                code_page=_CODE_PAGES[site],
                sleep=sleep,
                pace=pace,
            )
            for name, site in self._sites.items()
        )
        self._by_id = {workstation.id: workstation for workstation in self.workstations}

    def __getitem__(self, name: str) -> SimulatedWorkstation:
        return self._by_id[name]

    @property
    def directory(self) -> Path:
        """The farm's own directory, while it is open."""
        if self._directory is None:
            message = "the farm is not open"
            raise RuntimeError(message)
        return Path(self._directory.name)

    @property
    def key_file(self) -> Path:
        """The private key that logs in everywhere."""
        return self.directory / "id_ed25519"

    @property
    def password_file(self) -> Path:
        """The password that logs in everywhere."""
        return self.directory / "password"

    @property
    def known_hosts(self) -> Path:
        """The host keys, as OpenSSH keeps them."""
        return self.directory / "known_hosts"

    async def start(self) -> None:
        """Open every workstation and write the files."""
        self._directory = await asyncio.to_thread(tempfile.TemporaryDirectory, prefix="emuwatch-farm-")
        try:
            await asyncio.to_thread(self._accounts.open)
            for workstation in self.workstations:
                await workstation.start()
            await asyncio.to_thread(self._write)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        """Close every workstation and remove the files."""
        await asyncio.gather(*(workstation.aclose() for workstation in self.workstations))
        await asyncio.to_thread(self._accounts.close)
        if self._directory is not None:
            await asyncio.to_thread(self._directory.cleanup)
            self._directory = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    def config(
        self, *, listen: str = "127.0.0.1:0", interval: float = INTERVAL, open_time: float = OPEN_TIME
    ) -> dict[str, object]:
        """Everything the monitor needs to watch this farm, with the short times of a demonstration.

        Args:
            listen: Where the monitor serves its page.
            interval: Seconds between two runs of a check.
            open_time: Seconds a breaker stays open.

        """
        return {
            "listen": listen,
            "data_dir": str(self.directory / "data"),
            "drain": "500ms",
            "defaults": {"interval": f"{interval:g}s", "timeout": f"{min(TIMEOUT, interval):g}s"},
            "breakers": {"open_time": f"{open_time:g}s"},
            "credentials": {
                "farm": {"user": USER, "key_file": str(self.key_file)},
                "windows": {"user": USER, "password_file": str(self.password_file)},
            },
            "workstations": [self._entry(workstation, interval) for workstation in self.workstations],
        }

    def config_yaml(
        self, *, listen: str = "127.0.0.1:0", interval: float = INTERVAL, open_time: float = OPEN_TIME
    ) -> str:
        """The same, as a config file."""
        document = self.config(listen=listen, interval=interval, open_time=open_time)
        return yaml.safe_dump(document, sort_keys=False, allow_unicode=True)

    def _entry(self, workstation: SimulatedWorkstation, interval: float) -> dict[str, object]:
        site, transport = self._sites[workstation.id], self._transport(workstation)
        return {
            "id": workstation.id,
            "host": workstation.host,
            "site": site,
            "labels": {"rack": f"{site}-{workstation.id[-1]}"},
            "transport": transport,
            "platform": "windows",
            "checks": [
                {"kind": transport["kind"], "name": transport["kind"]},
                {
                    "kind": "ldplayer",
                    "name": "console",
                    "expect_running": sorted(workstation.running),
                    "boot_limit": BOOT_LIMIT,
                },
                {
                    "kind": "host",
                    "name": "host",
                    "disk_free": DISK_LIMIT,
                    "interval": f"{HOST_EVERY * interval:g}s",
                    "timeout": f"{min(TIMEOUT, HOST_EVERY * interval):g}s",  # this PowerShell is quick
                },
                {"kind": "http", "name": "panel", "url": f"http://{{host}}:{workstation.http.port}/health"},
                {"kind": "tcp", "name": "rdp", "port": workstation.rdp.port},
                *(self._witness(workstation, index, interval) for index in sorted(workstation.running)),
            ],
        }

    def _transport(self, workstation: SimulatedWorkstation) -> Mapping[str, object]:
        """How one of them is reached: by default every other one over WinRM, the rest over SSH."""
        turn = self.workstations.index(workstation) % len(self._transports)
        if self._transports[turn] == "winrm":
            return {"kind": "winrm", "port": workstation.winrm.port, "auth": "ntlm", "credential": "windows"}
        known_hosts = str(self.known_hosts)
        return {"kind": "ssh", "port": workstation.ssh.port, "credential": "farm", "known_hosts": known_hosts}

    def _witness(self, workstation: SimulatedWorkstation, index: int, interval: float) -> dict[str, object]:
        """The check of an emulator over adb: what the console says of it can be contradicted."""
        return {
            "kind": "adb",
            "name": f"adb-{index}",
            "via": "tunnel" if self._transport(workstation)["kind"] == "ssh" else "direct",
            "server_port": workstation.adb.port,
            "port": FIRST_ADB + 2 * index,
            "emulator": f"ldplayer:{index}",
            "interval": f"{ADB_EVERY * interval:g}s",
        }

    def _write(self) -> None:
        directory = self.directory
        directory.chmod(0o700)
        for path in (self.key_file, self.password_file):
            path.touch(mode=0o600)
        self.key_file.write_bytes(self._key.export_private_key())
        self.password_file.write_text(self._accounts.password, encoding="utf-8")
        lines = (
            f"[{workstation.host}]:{workstation.ssh.port} {workstation.endpoint.host_key.export_public_key().decode()}"
            for workstation in self.workstations
        )
        self.known_hosts.write_text("".join(lines), encoding="utf-8")
        (directory / "data").mkdir(mode=0o700)


def _titles(site: str, count: int) -> Sequence[str]:
    known = _TITLES[site]
    return [known[index] if index < len(known) else f"LDPlayer-{index}" for index in range(count)]
