"""Who may talk to a simulated WinRM service: Basic over TLS, NTLM with message encryption anywhere.

NTLM is judged by pyspnego, which takes its accounts from a file that an environment variable names; `Accounts` keeps
both for as long as it is open. An NTLM login is one of the connection: it holds until the connection is closed.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hmac
import os
import struct
import tempfile
from pathlib import Path
from typing import Final

import spnego
import spnego.exceptions

BOUNDARY: Final = "Encrypted Boundary"
ENCRYPTED: Final = f'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="{BOUNDARY}"'
_VARIABLE: Final = "NTLM_USER_FILE"
_MARK: Final = f"--{BOUNDARY}\r\n".encode()
_END: Final = f"--{BOUNDARY}--\r\n".encode()
_OCTETS: Final = b"\tContent-Type: application/octet-stream\r\n"


class Accounts:
    """One user and a password, where pyspnego looks for them while they are open."""

    def __init__(self, user: str, password: str) -> None:
        self.user = user
        self.password = password
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._before: str | None = None

    def open(self) -> None:
        """Write the file and name it; blocks for a moment."""
        self._folder = tempfile.TemporaryDirectory(prefix="emuwatch-accounts-")
        path = Path(self._folder.name) / "accounts"
        path.touch(mode=0o600)
        path.write_text(f":{self.user}:{self.password}\n", encoding="utf-8")
        self._before, os.environ[_VARIABLE] = os.environ.get(_VARIABLE), str(path)

    def close(self) -> None:
        """Remove the file, and name what was named before."""
        if self._folder is None:
            return
        if self._before is None:
            os.environ.pop(_VARIABLE, None)
        else:
            os.environ[_VARIABLE] = self._before
        self._folder.cleanup()
        self._folder = None

    def knows(self, token: str) -> bool:
        """Whether a token of HTTP Basic is right."""
        with contextlib.suppress(binascii.Error):
            return hmac.compare_digest(base64.b64decode(token), f"{self.user}:{self.password}".encode())
        return False


class Session:
    """The login of one connection."""

    def __init__(self) -> None:
        self.proof: dict[str, str] = {}
        """The header that ends a login, for the answer to come."""
        self._context: spnego.ContextProxy | None = None

    @property
    def complete(self) -> bool:
        """Whether NTLM has let the client in."""
        return self._context is not None and self._context.complete

    def step(self, token: str) -> str | None:
        """Take the client's token, return the answer to it; reads the accounts' file.

        Raises:
            PermissionError: The client does not know the password, or it was no token.

        """
        if self._context is None or self._context.complete:
            self._context = spnego.server(protocol="negotiate", options=spnego.NegotiateOptions.wrapping_winrm)
        try:
            answer = self._context.step(base64.b64decode(token))
        except (spnego.exceptions.SpnegoError, ValueError, struct.error) as exc:
            self._context = None
            raise PermissionError from exc
        return None if answer is None else base64.b64encode(answer).decode()

    def forget(self) -> None:
        """Take the login back."""
        self._context = None

    def unwrap(self, body: bytes) -> bytes:
        """Decrypt a request."""
        sealed = body.split(_MARK, 2)[-1].removeprefix(_OCTETS).removesuffix(_END)
        (length,) = struct.unpack_from("<i", sealed)
        return self._proven.unwrap_winrm(sealed[4 : 4 + length], sealed[4 + length :])

    def wrap(self, answer: bytes) -> bytes:
        """Encrypt an answer."""
        header, data, padding = self._proven.wrap_winrm(answer)
        about = (
            "\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
            f"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length={len(answer) + padding}\r\n"
        ).encode()
        return b"".join([_MARK, about, _MARK, _OCTETS, struct.pack("<i", len(header)), header, data, _END])

    @property
    def _proven(self) -> spnego.ContextProxy:
        if self._context is None:
            raise PermissionError
        return self._context
