"""What asyncssh raises, and which layer it blames: one table, and how it changes once the host has proved itself."""

from __future__ import annotations

import socket
from typing import Final

import asyncssh

from monitor.errors import NETWORK_ERRORS, Blame, Table
from monitor.model import Category, Reason, Severity

_NET, _HOST = Category.NETWORK, Category.WORKSTATION
_NO_NAME = Blame(_NET, Severity.HIGH, Reason.DNS, "the name cannot be resolved")
_NO_SSH = Blame(_NET, Severity.HIGH, Reason.PROTOCOL, "no proper SSH server answers there")
_NO_LOGIN = Blame(_HOST, Severity.CRITICAL, Reason.AUTH, "login refused", recoverable=False)
GONE = Blame(_HOST, Severity.HIGH, Reason.SHELL_LOST, "connection lost while in use")
_STRANGER = "unknown host key: compare it on the machine itself, then correct known_hosts (or it is another machine!)"

ERRORS: Final[Table] = {
    **NETWORK_ERRORS,
    socket.gaierror: _NO_NAME,
    UnicodeError: _NO_NAME,  # a name that can't even be asked for: a label of over 63 characters
    asyncssh.Error: Blame(_HOST, Severity.HIGH, Reason.PROTOCOL, "refused by the SSH server"),
    asyncssh.DisconnectError: Blame(_HOST, Severity.HIGH, Reason.SHELL_LOST, "disconnected by the SSH server"),
    asyncssh.ConnectionLost: Blame(_NET, Severity.HIGH, Reason.RESET, "connection closed by the SSH server"),
    asyncssh.CompressionError: _NO_SSH,
    asyncssh.KeyExchangeFailed: Blame(_NET, Severity.HIGH, Reason.PROTOCOL, "no common algorithm", recoverable=False),
    asyncssh.MACError: _NO_SSH,
    asyncssh.ProtocolError: _NO_SSH,
    asyncssh.ProtocolNotSupported: _NO_SSH,
    asyncssh.ServiceNotAvailable: Blame(_HOST, Severity.HIGH, Reason.PROTOCOL, "service not available"),
    asyncssh.HostKeyNotVerifiable: Blame(_HOST, Severity.CRITICAL, Reason.HOST_KEY, _STRANGER, recoverable=False),
    asyncssh.IllegalUserName: _NO_LOGIN,
    asyncssh.PermissionDenied: _NO_LOGIN,
    asyncssh.ChannelOpenError: Blame(_HOST, Severity.HIGH, Reason.QUOTA, "the SSH server opens no further session"),
}
"""What a failing connection means until the host has proved who it is."""

_LOST = (asyncssh.ConnectionLost, OSError, ConnectionResetError, ConnectionAbortedError, BrokenPipeError, TimeoutError)
USING: Final[Table] = {**ERRORS, **dict.fromkeys((*_LOST, asyncssh.ProtocolError), GONE)}
"""The same errors while a command is run."""
LOGGING_IN: Final[Table] = {**USING, asyncssh.ProtocolError: _NO_LOGIN}
"""The same errors between the host key and the login: OpenSSH answers too many keys with a protocol error."""
