"""The exact command lines of scheduled tasks, and who is logged on."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.cmdline import command_line
from monitor.model import Platform, TransportSpec, Workstation
from monitor.operations import OperationError
from monitor.operations.session import Desktop, action, choose, create, is_direct, parse_desktops
from monitor.simulator.console import _split
from monitor.transports.local import Params as LocalParams
from monitor.transports.ssh import Params as SshParams

CONNECTED = b'"explorer.exe","4660","Console","1","132,456 K","Running","WS-01\\farm","0:00:12","N/A"\r\n'
GERMAN = b'"explorer.exe","4660","RDP-Tcp#3","2","132.456 K","Wird ausgef\x81hrt","WS-01\\J\x94rg","0:00:12",""\r\n'
LEFT = b'"explorer.exe","5120","","3","98,456 K","Unknown","WS-01\\other","0:00:12","N/A"\r\n'


def test_desktops__of_tasklist__are_read_in_any_language() -> None:
    assert parse_desktops(b"\r\n" + CONNECTED + GERMAN + LEFT) == (
        Desktop(1, "Console", r"WS-01\farm"),
        Desktop(2, "RDP-Tcp#3", ""),
        Desktop(3, "", r"WS-01\other"),
    )


@pytest.mark.parametrize(
    "printed",
    [
        b"INFO: No tasks are running which match the specified criteria.\r\n",
        b"",
        b"'tasklist' is not recognized as an internal or external command,\r\n",
        b'"explorer.exe","1","Services","0","1 K","Running","NT AUTHORITY\\SYSTEM","0","N/A"\r\n',
        b'"explorer.exe"\r\n"broken',
        b'"notepad.exe","4660","Console","1","1 K","Running","WS-01\\farm","0:00:12","N/A"\r\n',
    ],
)
def test_desktops__of_anything_else__are_none(printed: bytes) -> None:
    assert parse_desktops(printed) == ()


@given(st.binary() | st.text().map(str.encode) | st.binary(max_size=40).map(lambda cut: CONNECTED[:-20] + cut))
def test_desktops__any_bytes__never_raise(printed: bytes) -> None:
    assert all(desktop.number > 0 and desktop.user.isascii() for desktop in parse_desktops(printed))


def test_desktops__endless_field__is_none() -> None:
    assert parse_desktops(CONNECTED + b'"explorer.exe","' + b"x" * 200_000) == parse_desktops(CONNECTED)


def test_desktops__several__the_connected_one_is_used() -> None:
    assert choose(parse_desktops(LEFT + GERMAN)) == Desktop(2, "RDP-Tcp#3", "")
    assert choose(parse_desktops(LEFT)) == Desktop(3, "", r"WS-01\other")
    assert choose(()) is None


def test_create__command__is_exactly_this() -> None:
    assert " ".join(create("emuwatch-1", r"C:\LDPlayer\ldconsole.exe launch --index 3", "")) == (
        r"schtasks /Create /F /TN emuwatch-1 /TR C:\LDPlayer\ldconsole.exe launch --index 3"
        " /SC ONCE /ST 00:00 /RL HIGHEST /IT"
    )
    assert create("emuwatch-1", "x", r"WS-01\farm")[-3:] == ["/IT", "/RU", r"WS-01\farm"]


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("ldconsole", "cmd /d /c ldconsole launch --index 3"),
        (r"C:\LDPlayer\LDPlayer9\ldconsole.exe", r"C:\LDPlayer\LDPlayer9\ldconsole.exe launch --index 3"),
        (r"D:\LD Player\ldconsole.exe", r'"D:\LD Player\ldconsole.exe" launch --index 3'),
        (r"%ProgramFiles%\LD\ldconsole.exe", r"%ProgramFiles%\LD\ldconsole.exe launch --index 3"),
    ],
)
def test_action__wherever_the_console_is__arrives_whole(program: str, line: str) -> None:
    written = action(program, ("launch", "--index", "3"))

    assert written == line
    arrived = _split(command_line(Platform.WINDOWS, create("emuwatch-1", written, "")))
    assert arrived[arrived.index("/TR") + 1] == line


def test_action__too_long_for_the_scheduler__is_refused() -> None:
    with pytest.raises(OperationError, match="of 261 characters"):
        action("C:\\" + "x" * 250 + ".exe", ("launch", "--index", "3"))


def test_direct__only_where_a_command_has_a_desktop() -> None:
    remote = Workstation(id="ws-01", host="192.0.2.1", transport=TransportSpec("ssh", SshParams()))
    local = dataclasses.replace(remote, transport=TransportSpec("local", LocalParams()))
    linux = dataclasses.replace(remote, platform=Platform.LINUX)

    assert [is_direct(machine) for machine in (remote, local, linux)] == [False, True, True]
