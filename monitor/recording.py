"""What hosts answered, kept in files for whoever writes a test or a parser; without names and secrets.

A sample is ``NAME.txt`` with the exact bytes and ``NAME.txt.meta`` about them. Only what is recorded is changed, never
what the checks see.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from monitor.errors import LocalError
from monitor.model import Workstation
from monitor.transports import Completed, Credential

Redact = Callable[[bytes], bytes]

_TOKEN: Final = re.compile(rb"[0-9A-Za-z_]")
"""What a name is made of: next to one of these it is part of a longer one."""


class Recorder:
    """Writes samples into a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.samples: defaultdict[str, list[Path]] = defaultdict(list)
        """What was written, by the name of the check."""

    async def command(
        self,
        workstation: Workstation,
        check: str,
        credential: Credential | None,
        completed: Completed,
        code_page: str | None,
    ) -> None:
        """Keep what a command printed that a check ran.

        Raises:
            LocalError: The folder can't be written.

        """
        redact = redactor(workstation, credential)
        command = redact(" ".join(completed.argv).encode()).decode()
        stderr = redact(completed.stderr).decode("ascii", "backslashreplace")
        about = {
            "tool": command.split()[0],
            "command": command,
            **_encoding(redact(completed.stdout), code_page),
            "exit-code": str(completed.exit_code),
            "stderr": json.dumps(stderr),
        }
        await self._write(check, command, redact(completed.stdout), about)

    async def said(
        self,
        workstation: Workstation,
        check: str,
        credential: Credential | None,
        what: str,
        data: bytes,
        *,
        secrets: Iterable[SecretStr],
    ) -> None:
        """Keep what a host said on a connection of a check's own.

        Args:
            workstation: Who said it.
            check: To whom.
            credential: Of the workstation's transport.
            what: What it was asked: ``tcp:22 greeting``.
            data: Its answer.
            secrets: What must not be in it besides.

        Raises:
            LocalError: The folder can't be written.

        """
        redact = redactor(workstation, credential, secrets)
        asked, answer = redact(what.encode()).decode(), redact(data)
        await self._write(check, asked, answer, {"tool": "none", "command": asked, **_encoding(answer, None)})

    async def _write(self, check: str, asked: str, data: bytes, about: Mapping[str, str]) -> None:
        self.samples[check].append(await asyncio.to_thread(keep, self._folder, asked, data, about))


def redactor(workstation: Workstation, credential: Credential | None, secrets: Iterable[SecretStr] = ()) -> Redact:
    """Make what takes the host's names and all secrets out of anything recorded, in whatever case.

    Secrets go wherever they stand. Names go where they stand alone: an id ``pc-1`` is not in ``pc-10``, and one that is
    no more than a number, or one sign, says nothing and would spoil every figure.
    """
    user, key_file = ("", None) if credential is None else (credential.user, credential.key_file)
    names = {workstation.id: "<workstation>", workstation.host: "<host>", user: "<user>"}
    hidden = {secret.get_secret_value(): "<secret>" for secret in secrets}
    if credential is not None:
        for name, secret in (("<passphrase>", credential.passphrase), ("<password>", credential.password)):
            hidden[secret.get_secret_value() if secret else ""] = name
    encodings = ("utf-8", *filter(None, [workstation.code_page]))
    plain = {word: name for word, name in names.items() if len(word) > 1 and not word.isdigit()}
    if key_file is not None:
        plain[str(key_file)] = "<key-file>"
    found: dict[bytes, bytes] = {}
    parts: list[bytes] = []
    for words, alone in ((hidden, False), (plain, True)):
        encoded = {word.encode(e, "replace").lower(): words[word].encode() for word in words if word for e in encodings}
        longest_first = sorted(encoded.keys() - found.keys(), key=len, reverse=True)
        parts += (_alone(word) if alone else re.escape(word) for word in longest_first)
        found = {**encoded, **found}
    if not parts:
        return lambda text: text
    pattern = re.compile(b"|".join(parts), re.IGNORECASE)
    return lambda text: pattern.sub(lambda match: found[match[0].lower()], text)


def _alone(word: bytes) -> bytes:
    before = rb"(?<![0-9A-Za-z_])" if _TOKEN.match(word[:1]) else b""
    after = rb"(?![0-9A-Za-z_])" if _TOKEN.match(word[-1:]) else b""
    return before + re.escape(word) + after


def _encoding(data: bytes, code_page: str | None) -> Mapping[str, str]:
    ends = "CRLF" if b"\r\n" in data else "LF" if b"\n" in data else "none"
    return {"encoding": "ascii" if data.isascii() else code_page or "unknown", "line-endings": ends}


def keep(folder: Path, asked: str, data: bytes, about: Mapping[str, str]) -> Path:
    """Write a sample.

    Returns:
        Where it is; an older one of the same question is never overwritten.

    Raises:
        LocalError: The folder can't be written.

    """
    told = {"provenance": "captured", **about, "notes": "recorded and redacted by emuwatch; the expected parse is open"}
    meta = "".join(f"{key}: {value}\n" for key, value in told.items()) + "expected-json:\nnull\n"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = _fresh(folder, _slug(asked))
        _write(path, data)
        _write(path.with_name(f"{path.name}.meta"), meta.encode())
    except OSError as exc:
        raise LocalError(f"cannot record the answer to {asked!r}: {exc}") from exc
    return path


def _slug(asked: str) -> str:
    """Name a sample after its program, without the folders, and its arguments."""
    program, _, arguments = asked.partition(" ")
    name = re.split(r"[/\\]", program)[-1].removesuffix(".exe")
    words = f"{name} {arguments}"
    return re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")[:60] or "sample"


def _fresh(folder: Path, slug: str) -> Path:
    """Create the first of ``slug.txt``, ``slug-2.txt``, ... that is not there yet."""
    number = 1
    while True:
        path = folder / (f"{slug}.txt" if number == 1 else f"{slug}-{number}.txt")
        try:
            path.touch(mode=0o600, exist_ok=False)
        except FileExistsError:
            number += 1
        else:
            return path


def _write(path: Path, data: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(data)
