"""Every error asyncssh may raise is in the table, and commands are quoted for the shell they meet."""

from __future__ import annotations

import errno
import shlex
import socket

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cmdline import command_line
from monitor.errors import LocalError, ProbeError, blame, classify
from monitor.model import Category, Platform, Reason
from monitor.transports.ssh.errors import ERRORS, LOGGING_IN, USING


def family(root: type[BaseException]) -> list[type[BaseException]]:
    return [root, *(each for child in root.__subclasses__() for each in family(child))]


ASYNCSSH = sorted({*family(asyncssh.Error), *family(asyncssh.DisconnectError)}, key=lambda cls: cls.__name__)
SPECIFIC = [cls for cls in asyncssh.DisconnectError.__subclasses__() if cls.__module__.startswith("asyncssh")]


@pytest.mark.parametrize("cls", ASYNCSSH, ids=lambda cls: cls.__name__)
@pytest.mark.parametrize("table", [ERRORS, LOGGING_IN, USING], ids=["dialling", "logging_in", "using"])
def test_error__of_asyncssh__is_blamed_on_the_way_and_not_on_us(cls: type[BaseException], table: object) -> None:
    found = blame(cls.__new__(cls), table)  # type: ignore[arg-type]  # parametrize loses the type
    assert found is not None
    assert found.category in {Category.NETWORK, Category.WORKSTATION}


@pytest.mark.parametrize("cls", SPECIFIC, ids=lambda cls: cls.__name__)
def test_error__of_a_disconnect__has_a_line_of_its_own(cls: type[BaseException]) -> None:
    assert cls in ERRORS


@pytest.mark.parametrize(
    ("exc", "category", "reason"),
    [
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), Category.NETWORK, Reason.REFUSED),
        (OSError(errno.EHOSTUNREACH, ""), Category.NETWORK, Reason.UNREACHABLE),
        (socket.gaierror(socket.EAI_NONAME, ""), Category.NETWORK, Reason.DNS),
        (asyncssh.ConnectionLost(""), Category.NETWORK, Reason.RESET),
        (asyncssh.HostKeyNotVerifiable(""), Category.WORKSTATION, Reason.HOST_KEY),
        (asyncssh.PermissionDenied(""), Category.WORKSTATION, Reason.AUTH),
        (asyncssh.ProtocolError(""), Category.NETWORK, Reason.PROTOCOL),
        (asyncssh.KeyExchangeFailed(""), Category.NETWORK, Reason.PROTOCOL),
        (asyncssh.ChannelOpenError(4, ""), Category.WORKSTATION, Reason.QUOTA),
    ],
    ids=repr,
)
def test_error__while_connecting__has_its_reason(exc: BaseException, category: Category, reason: Reason) -> None:
    error = classify(exc, ERRORS, where="ws-01 ssh:22")
    assert isinstance(error, ProbeError)
    assert (error.category, error.reason) == (category, reason)


@pytest.mark.parametrize(
    "exc",
    [
        asyncssh.ConnectionLost(""),
        ConnectionResetError(errno.ECONNRESET, ""),
        OSError(errno.EHOSTUNREACH, ""),
        TimeoutError(errno.ETIMEDOUT, ""),
        TimeoutError(),
    ],
    ids=repr,
)
def test_error__while_a_command_runs__is_shell_lost(exc: BaseException) -> None:
    error = classify(exc, USING, where="ws-01 ssh:22")
    assert isinstance(error, ProbeError)
    assert (error.category, error.reason) == (Category.WORKSTATION, Reason.SHELL_LOST)


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])), min_size=1))
def test_command_line__for_sh__is_split_into_what_it_was(argv: list[str]) -> None:
    assert shlex.split(command_line(Platform.LINUX, argv)) == argv


@pytest.mark.parametrize(
    ("argv", "line"),
    [
        (["ldconsole", "list2"], "ldconsole list2"),
        ([r"C:\LDPlayer\LDPlayer9\ldconsole.exe", "list2"], r"C:\LDPlayer\LDPlayer9\ldconsole.exe list2"),
        ([r"C:\Program Files\ld\ldconsole.exe", "list2"], r'"C:\Program Files\ld\ldconsole.exe" list2'),
        ([r"%ProgramFiles%\ld\ldconsole.exe", "list2"], r"%ProgramFiles%\ld\ldconsole.exe list2"),
        ([r"C:\a&b\ld.exe"], r'"C:\a&b\ld.exe"'),
        (["echo", ""], 'echo ""'),
        (["echo", "a b"], 'echo "a b"'),
        (["echo", "a&whoami"], 'echo "a&whoami"'),
        (["echo", "a|b>c"], 'echo "a|b>c"'),
        (["echo", "a&b\\"], 'echo "a&b\\\\"'),
        (["echo", "%PATH%"], "echo ^%PATH^%"),
        (["echo", "100% a&b"], 'echo ^"100^% a^&b^"'),
        (["echo", 'say "hi" & go'], r'echo ^"say \^"hi\^" ^& go^"'),
    ],
)
def test_command_line__for_cmd__lets_nothing_in_an_argument_act(argv: list[str], line: str) -> None:
    assert command_line(Platform.WINDOWS, argv) == line


@pytest.mark.parametrize(
    ("platform", "word"),
    [(Platform.LINUX, "a\0"), (Platform.WINDOWS, "a\0"), (Platform.WINDOWS, "a\nb"), (Platform.WINDOWS, "a\rb")],
)
def test_command_line__with_what_none_can_hold__is_refused(platform: Platform, word: str) -> None:
    with pytest.raises(LocalError):
        command_line(platform, ["echo", word])
