"""The parsers of what adb prints against what it may print, and against any bytes at all."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.adb import wire
from monitor.adb.fails import refusal, trouble
from monitor.emulators import adb
from monitor.model import Category, Reason


def test_devices__after_the_noise_of_a_starting_server__are_read_and_the_war_is_told() -> None:
    listed = adb.parse_devices(
        b"adb server version (31) doesn't match this client (41); killing...\r\n"
        b"* daemon not running; starting now at tcp:5037\r\n* daemon started successfully\r\n"
        b"List of devices attached\r\nemulator-5554\tdevice\r\n"
    )
    assert [device.serial for device in listed.devices] == ["emulator-5554"]
    assert (listed.war, listed.started, listed.rejected) == ((31, 41), True, ())


@pytest.mark.parametrize(
    ("line", "state"),
    [
        (b"X\tdevice", "device"),
        (b"X  unauthorized usb:1-1 transport_id:3", "unauthorized"),
        (b"X  authorizing transport_id:3", "authorizing"),
        (b"X\tconnecting", "connecting"),
        (b"X\trecovery", "recovery"),
        (b"X\tno permissions (user in plugdev group); see [http://x.y/z]", "no permissions"),
        (b"X  no permissions; see [http://x.y/z] usb:1-1 transport_id:7", "no permissions"),
        (b"????????????\tno permissions", "no permissions"),
    ],
)
def test_device__in_each_state__is_told_apart(line: bytes, state: str) -> None:
    [device] = adb.parse_devices(b"List of devices attached\n" + line).devices
    assert device.state == state


def test_no_permissions__with_properties__keeps_them() -> None:
    [device] = adb.parse_devices(b"X  no permissions; see [http://x.y/z] usb:1-1 transport_id:7").devices
    assert dict(device.properties) == {"usb": "1-1", "transport_id": "7"}


def test_serials_of_one_port__usable_first__are_one_guest() -> None:
    listed = adb.parse_devices(
        b"127.0.0.1:5561\toffline\nemulator-5560\tdevice\nlocalhost:5561\tdevice\nemulator-5554\tdevice"
    )
    assert [device.serial for device in listed.of_port(5561)] == ["localhost:5561", "emulator-5560", "127.0.0.1:5561"]


@pytest.mark.parametrize(
    ("words", "connected", "reason"),
    [
        (b"connected to 127.0.0.1:5555", True, None),
        (b"already connected to 127.0.0.1:5555\r\n", True, None),
        (b"* daemon started successfully\nconnected to 127.0.0.1:5555", True, None),
        (b"cannot connect to 127.0.0.1:5555: \xce\xde\xb7\xa8 (10061)", False, Reason.REFUSED),
        (b"cannot connect to 127.0.0.1:5555: x (10060)", False, Reason.TIMEOUT),
        (b"failed to connect to '10.0.0.9:5555': No route to host", False, Reason.UNREACHABLE),
        (b"failed to authenticate to 127.0.0.1:5555", False, Reason.UNAUTHORIZED),
        (b"", False, None),
        (b"bad port number 'x' in 'x'", False, None),
    ],
)
def test_connect__by_its_words__is_told(words: bytes, *, connected: bool, reason: Reason | None) -> None:
    assert adb.parse_connect(words) == adb.Connected(connected, reason)


def test_focus__on_several_displays__is_that_of_an_app() -> None:
    seen = adb.parse_focus(b"  mCurrentFocus=null\r\n  mCurrentFocus=Window{1a u0 a.b/a.b.Main}\r\n")
    assert seen == adb.Focus(package="a.b", activity="a.b.Main")


def test_focus__of_an_app_that_hangs__is_told() -> None:
    seen = adb.parse_focus(b"  mCurrentFocus=Window{1a u0 Application Not Responding: a.b}")
    assert seen == adb.Focus(package="a.b", anr=True)


def test_focus__of_a_window_without_package__is_nobody() -> None:
    assert adb.parse_focus(b"mCurrentFocus=Window{1a u0 StatusBar 2}") == adb.Focus()


@pytest.mark.parametrize(
    ("table", "sizes"),
    [
        (b"Filesystem 1K-blocks Used Available Use% Mounted on\n/dev/x 100 60 40 60% /data\n", (102400, 40960)),
        (b"Filesystem               Size     Used     Free   Blksize\r\n/data 2.0K 1K 512 4096\r\n", (2048, 512)),
        (b"df: /data: No such file or directory\n", None),
        (b"", None),
    ],
)
def test_df__old_and_new__gives_size_and_free(table: bytes, sizes: tuple[int, int] | None) -> None:
    assert adb.parse_df(table) == sizes


def test_hash_of_no_picture__is_none() -> None:
    assert adb.parse_hash(b"d41d8cd98f00b204e9800998ecf8427e  -\n") is None
    assert adb.parse_hash(b"0cc175b9c0f1b6a831c399e269772661  -\r\n") == "0cc175b9c0f1b6a831c399e269772661"


@pytest.mark.parametrize(
    ("text", "category", "reason"),
    [
        (b"device offline", Category.EMULATOR, Reason.OFFLINE),
        (b"device 'x' not found", Category.EMULATOR, Reason.OFFLINE),
        (
            b"error: device unauthorized.\nThis adb server's $ADB_VENDOR_KEYS is not set",
            Category.EMULATOR,
            Reason.UNAUTHORIZED,
        ),
        (b"adb.exe: device unauthorized.", Category.EMULATOR, Reason.UNAUTHORIZED),
        (b"device still authorizing", Category.EMULATOR, Reason.UNAUTHORIZED),
        (b"error: insufficient permissions for device: user in plugdev", Category.EMULATOR, Reason.PERMISSION),
        (b"error: closed\r\n", Category.EMULATOR, Reason.RESET),
        (b"error: more than one device/emulator", Category.EXTERNAL, Reason.PROTOCOL),
        (b"error: cannot connect to daemon", Category.EXTERNAL, Reason.REFUSED),
        (b"adb: failed to connect to daemon", Category.EXTERNAL, Reason.REFUSED),
        (b"something new", Category.EXTERNAL, Reason.PROTOCOL),
    ],
)
def test_refusal__by_its_words__blames_guest_or_server(text: bytes, category: Category, reason: Reason) -> None:
    error = refusal(text, server=Category.EXTERNAL, where="ws-01 adb")
    assert (error.category, error.reason) == (category, reason)
    assert "\n" not in str(error)


LINES = st.lists(
    st.one_of(st.sampled_from([b"List of devices attached", b"X\tdevice", b"mCurrentFocus="]), st.binary())
)


@given(st.one_of(st.binary(), LINES.map(b"\r\n".join)))
def test_any_bytes__parsed__never_raise(data: bytes) -> None:
    for parse in (
        adb.parse_devices,
        adb.parse_connect,
        adb.parse_focus,
        adb.parse_battery,
        adb.parse_meminfo,
        adb.parse_df,
        adb.parse_uptime,
        adb.parse_boot_id,
        adb.parse_hash,
        trouble,
        wire.split_exit,
        wire.length,
    ):
        parse(data)


@given(st.binary(), st.integers(0, 255))
def test_exit_code__printed_behind_any_output__is_found_again(output: bytes, code: int) -> None:
    assert wire.split_exit(output + b"::%d\n" % code) == (output, code)
