"""What a host says of itself to somebody who logs in: its platform, the consoles installed, their instances.

One host is logged in to in one way, and a login that was refused is never tried again, in no other way either: every
refusal brings the account nearer to being locked.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from monitor.discovery import Console, Door, Look, Open, Protocol, places, printable
from monitor.discovery.pace import Pace
from monitor.discovery.trust import HostKey, Standing, Trust
from monitor.emulators import decode, discover
from monitor.errors import LocalError, ProbeError
from monitor.listing import answered
from monitor.model import Category, Platform, TransportSpec, Workstation
from monitor.reach import Transports
from monitor.transports import OUTPUT_LIMIT, Completed, Credential
from monitor.transports import discover as discover_transports
from monitor.transports.ssh import Params as SshParams
from monitor.transports.winrm import Params as WinRmParams

CREDENTIAL: Final = "farm"
"""What the credential is called, here and in the config."""
PATIENCE: Final = 20.0
"""Seconds a login or a command may take; consoles can be slow."""
_WAYS: Final = (Protocol.SSH, Protocol.WINRM, Protocol.WINRM_HTTPS)
_VERSION: Final = re.compile(rb"Microsoft Windows \[[^\]\d]*([0-9.]{1,30})\]")
_DRIVERS: Final = discover()
_TRANSPORTS: Final = discover_transports()


@dataclass(frozen=True, slots=True)
class _Shell:
    """A host we are about to log in to, or are logged in to."""

    transports: Transports
    where: Workstation

    async def run(self, argv: Sequence[str], *, layer: Category = Category.WORKSTATION) -> Completed:
        return await self.transports.run(self.where, argv, mark=lambda _: None, layer=layer, limit=OUTPUT_LIMIT)

    async def code_page(self) -> str:
        return await self.transports.code_page(self.where, mark=lambda _: None)


class _TroubleError(Exception):
    """Why there is nothing more to learn, in words."""


class Looker:
    """Looks at hosts with one credential.

    Args:
        credential: Who logs in; None: nobody, only host keys are asked for.
        trust: Whose host keys are known.
        pace: When a connection may begin; None: at once.
        patience: Seconds each step may take.

    """

    def __init__(
        self, credential: Credential | None, trust: Trust, *, pace: Pace | None = None, patience: float = PATIENCE
    ) -> None:
        self._pace = pace
        self._credential = credential
        self._trust = trust
        self._patience = patience

    async def look(self, host: str, doors: Sequence[Open]) -> Look:
        """Log in to a host by the best of its doors, and ask what is there; never raises for what the host does."""
        known = Look()
        for found in sorted((door for door in doors if door.confirmed), key=_order):
            spec: TransportSpec | None = None
            if found.door.protocol is Protocol.SSH:
                known, spec = await self._by_ssh(host, found.door, known)
            elif found.door.protocol in _WAYS and self._password:
                https = found.door.protocol is Protocol.WINRM_HTTPS
                spec = TransportSpec("winrm", WinRmParams(https=https, port=found.door.port, credential=CREDENTIAL))
            if spec is not None and self._credential is not None:
                await self._turn()
                return await self._inside(host, found, spec, replace(known, door=found.door, trouble=""))
        return known

    @property
    def _password(self) -> bool:
        return self._credential is not None and self._credential.password is not None

    async def _turn(self) -> None:
        if self._pace is not None:
            await self._pace.turn()

    async def _by_ssh(self, host: str, door: Door, known: Look) -> tuple[Look, TransportSpec | None]:
        """See whose key the host has; without a key that is known nobody logs in."""
        if known.fingerprint:
            return known, None
        key = HostKey(standing=Standing.UNTOLD)
        await self._turn()
        try:
            async with asyncio.timeout(self._patience):
                key = await self._trust.key_of(host, door.port)
        except TimeoutError:
            pass
        known = replace(known, fingerprint=key.fingerprint)
        if key.standing is not Standing.KNOWN or key.file is None:
            return replace(known, trouble=_MISTRUST[key.standing].format(file=key.file)), None
        file = key.file.expanduser().absolute()
        params = SshParams(port=door.port, known_hosts=file, credential=CREDENTIAL)
        return replace(known, known_hosts=str(file)), TransportSpec("ssh", params)

    async def _inside(self, host: str, found: Open, spec: TransportSpec, known: Look) -> Look:
        """Log in, and keep what is learnt until something goes wrong."""
        assert self._credential is not None, "nobody logs in without one"  # noqa: S101 - for the type checker
        transports = Transports(kinds=_TRANSPORTS, credentials={CREDENTIAL: self._credential})
        guess = _guess(found)
        shell = _Shell(transports, Workstation(id=host, host=host, transport=spec, platform=guess))
        try:
            with _telling():
                known = await self._platform(shell, known)
            if known.platform is not None:
                shell = replace(shell, where=replace(shell.where, platform=known.platform))
                await transports.retain([shell.where])
                with _telling():
                    programs = await self._programs(shell, known.platform)
                consoles = [await self._console(shell, *program) for program in programs]
                known = replace(known, consoles=tuple(consoles))
        except _TroubleError as trouble:
            known = replace(known, trouble=str(trouble))
        finally:
            await transports.aclose()
        return known

    async def _platform(self, shell: _Shell, known: Look) -> Look:
        """Ask for the platform, first as the one that is guessed; both questions mean the same to both shells."""
        first = shell.where.platform
        for platform in (first, *(each for each in Platform if each is not first)):
            question = ("cmd", "/c", "ver") if platform is Platform.WINDOWS else ("uname", "-sr")
            async with asyncio.timeout(self._patience):
                told = await shell.run(question)
            version = _VERSION.search(told.stdout)
            if platform is Platform.WINDOWS and version is not None:
                return replace(known, platform=platform, version=f"Windows {version[1].decode()}")
            if platform is Platform.LINUX and told.exit_code == 0 and told.stdout.startswith(b"Linux"):
                return replace(known, platform=platform, version=printable(decode(told.stdout.strip(), "ascii"), 60))
        raise _TroubleError("logged in, but it is neither Windows nor Linux")

    async def _programs(self, shell: _Shell, platform: Platform) -> tuple[tuple[str, str], ...]:
        async with asyncio.timeout(self._patience):
            told = await shell.run(places.argv(platform))
        found = places.parse(decode(told.stdout, "utf-8"), platform)
        if found is None:
            said = printable(decode(told.stderr.strip(), "ascii"))
            raise _TroubleError(f"consoles could not be looked for (exit code {told.exit_code}): {said}")
        return found

    async def _console(self, shell: _Shell, name: str, program: str) -> Console:
        """List the instances of one console; its trouble is its own."""
        console, driver, platform = Console(driver=name, program=program), _DRIVERS[name], shell.where.platform
        try:
            with _telling():
                async with asyncio.timeout(self._patience):
                    told = await shell.run(driver.argv(program, platform), layer=Category.EXTERNAL)
                    page = "ascii" if told.stdout.isascii() else await shell.code_page()
                listing = answered(told, platform, driver, shell.where.id, page)
        except _TroubleError as trouble:
            return replace(console, trouble=str(trouble))
        return replace(console, instances=tuple(sorted(listing.entities, key=lambda each: each.index)))


_MISTRUST: Final = {
    Standing.NEW: "unknown host key; compare it on the host itself, then say --accept-host-keys",
    Standing.DIFFERENT: "the host key is not the one in {file}: set up anew, or another machine; nobody logged in",
    Standing.UNTOLD: "the host did not tell its key",
}


def _order(found: Open) -> tuple[int, int]:
    protocol = found.door.protocol
    return (_WAYS.index(protocol) if protocol in _WAYS else len(_WAYS)), found.door.port


def _guess(found: Open) -> Platform:
    """What a host probably is, so that one login will do: OpenSSH tells whether it is the one for Windows."""
    linux = found.door.protocol is Protocol.SSH and "OpenSSH" in found.words and "Windows" not in found.words
    return Platform.LINUX if linux else Platform.WINDOWS


@contextmanager
def _telling() -> Iterator[None]:
    """Put what goes wrong with a host into words."""
    try:
        yield
    except TimeoutError:
        raise _TroubleError("no answer in time") from None
    except (ProbeError, LocalError) as exc:
        raise _TroubleError(printable(str(exc), 200)) from exc
