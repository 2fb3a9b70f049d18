"""The drivers of every console beside LDPlayer's, and their parsers against any bytes at all."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.emulators import Listing, NoListing, decode, discover, signed_exit
from monitor.errors import LocalError
from monitor.hostfacts.powershell import LIMIT, decoded
from monitor.model import EmulatorRun, Platform, Reason
from tests.samples import sample

HOSTILE = "C:\\it's \u2019 $(calc) %PATH% `x`\\a\"b"


def test_drivers__discovered__are_named_after_their_modules() -> None:
    assert set(discover()) == {"ldplayer", "mumu", "memu", "nox", "bluestacks", "avd"}


def listed(driver: str, data: bytes, exit_code: int = 0, code_page: str = "gbk") -> Listing:
    listing = discover()[driver].parse(data, exit_code, code_page)
    assert isinstance(listing, Listing), listing
    return listing


def refused(driver: str, data: bytes, exit_code: int = 0) -> NoListing:
    listing = discover()[driver].parse(data, exit_code, "gbk")
    assert isinstance(listing, NoListing), listing
    return listing


def shown(listing: Listing) -> list[tuple[object, ...]]:
    return [(e.id, e.title, e.run.value, e.adb_port, e.pids) for e in listing.entities]


# ------------------------------------------------------------------------------------------------------------ MuMu


def test_mumu__all__tells_ids_titles_in_utf8_and_the_port_it_read() -> None:
    assert shown(listed("mumu", sample("mumu-info-all.json").data)) == [
        ("mumu:0", "已登录", "running", 16384, (22488,)),
        ("mumu:1", "基础游戏包", "stopped", None, ()),
        ("mumu:2", "基础游戏包-1", "stopped", None, ()),
    ]


def test_mumu__bare_object_for_one__is_one_instance_with_both_processes() -> None:
    listing = listed("mumu", sample("mumu-info-one-starting.json").data)
    assert shown(listing) == [("mumu:0", "MuMu模拟器12", "starting", 16384, (15112, 20868))]


@pytest.mark.parametrize(
    ("told", "run"),
    [
        ({"is_process_started": False, "is_android_started": True}, EmulatorRun.STOPPED),
        ({"is_process_started": False, "launch_err_code": 7}, EmulatorRun.STOPPED),
        ({"is_process_started": True}, EmulatorRun.STARTING),
        ({"is_process_started": True, "launch_err_code": 7}, EmulatorRun.DEGRADED),
        (
            {"is_process_started": True, "is_android_started": True, "player_state": "starting_rom"},
            EmulatorRun.STARTING,
        ),
        ({"is_process_started": True, "is_android_started": True}, EmulatorRun.RUNNING),
        (
            {
                "is_process_started": True,
                "is_android_started": True,
                "launch_err_code": 7,
                "player_state": "start_finished",
            },
            EmulatorRun.RUNNING,
        ),
    ],
)
def test_mumu__state__is_derived_from_what_has_started(told: dict[str, object], run: EmulatorRun) -> None:
    data = json.dumps({"3": {"index": "3", "name": "x", **told}}).encode()
    assert [entity.run for entity in listed("mumu", data).entities] == [run]


def test_mumu__values_that_are_no_instances__are_rejected_in_sight() -> None:
    data = b'{"0": {"is_process_started": true}, "x": {"is_process_started": true}, "1": 5, "2": {"index": "2"}}'
    listing = listed("mumu", data)
    assert [entity.id for entity in listing.entities] == ["mumu:0"]
    assert listing.rejected == ('x: {"is_process_started": true}', "1: 5", '2: {"index": "2"}')


@pytest.mark.parametrize(
    ("data", "exit_code", "reason", "words"),
    [
        (b'{"errcode": 4294967275, "errmsg": "Missing param"}', -21, Reason.COMMAND_FAILED, "error -21: 'Missing pa"),
        (b"OVERVIEW: A utility for control mumu player.\r\nUSAGE: ...", -1, Reason.PROTOCOL, "usage text"),
        (b"", 0, Reason.PROTOCOL, "no list"),
        (b"[]", 0, Reason.PROTOCOL, "no list"),
        (b"[" * 100_000, 0, Reason.PROTOCOL, "no list"),
        (b"{}", 5, Reason.COMMAND_FAILED, "exit code 5"),
    ],
)
def test_mumu__no_listing__says_why(data: bytes, exit_code: int, reason: Reason, words: str) -> None:
    answer = refused("mumu", data, exit_code)
    assert answer.reason is reason
    assert words in answer.words


# ------------------------------------------------------------------------------------------------------- MEmu, Nox


def test_memu__rows__become_entities_with_the_usual_ports() -> None:
    assert shown(listed("memu", sample("memu-listvms.txt").data)) == [
        ("memu:0", "MEmu", "running", 21503, (2092,)),
        ("memu:1", "MEmu1", "stopped", 21513, ()),
    ]


@pytest.mark.parametrize(
    ("line", "title", "run"),
    [
        (b"3,a,b,0,0,0", "a,b", EmulatorRun.STOPPED),
        (b"3,,5,1,8", "", EmulatorRun.RUNNING),
        (b"3,a,39,39,1,8", "a,39", EmulatorRun.RUNNING),
        (b"3,x,5,1,0", "x", EmulatorRun.DEGRADED),
        (b"3,x,0,0,8", "x", EmulatorRun.STARTING),
        ("3,逍遥,0,0,0".encode("gbk"), "逍遥", EmulatorRun.STOPPED),
    ],
)
def test_memu__title_and_state__are_read_from_both_ends(line: bytes, title: str, run: EmulatorRun) -> None:
    assert [(e.title, e.run) for e in listed("memu", line + b"\r\n").entities] == [(title, run)]


def test_memu__without_machines__is_an_empty_list_and_an_error_is_none() -> None:
    assert listed("memu", b"read failed\r\n", 1) == Listing(())
    assert refused("memu", b"ERROR: not ready\r\n").words == "MEmu refused: 'ERROR: not ready'"
    assert refused("memu", b"0,MEmu,0,0,0\r\n", 3).reason is Reason.COMMAND_FAILED
    assert listed("memu", b"gibberish\r\n").rejected == ("gibberish",)


def test_nox__rows_with_and_without_index__become_entities() -> None:
    data = (
        b"nox,NoxPlayer,1,2,3,7456\r\nNox_2,a,b,0,0,0,-1\r\n7,Nox_9,c,0,0,0,0\r\n"
        b"other,d,0,0,0,0\r\n8,other,d,0,0,0,4\r\n"
    )
    listing = listed("nox", data)
    assert shown(listing) == [
        ("nox:0", "NoxPlayer", "running", 62001, (7456,)),
        ("nox:2", "a,b", "stopped", 62026, ()),
        ("nox:7", "c", "stopped", 62031, ()),
        ("nox:8", "d", "running", 62032, (4,)),
    ]
    assert listing.rejected == ("other,d,0,0,0,0",)


# -------------------------------------------------------------------------------------------------------- BlueStacks

CONF = sample("bluestacks-conf-nougat32.txt").data
SECOND = (
    b'bst.enable_adb_access="1"\nbst.instance.Pie64_1.display_name="\xd0\xa4"\n'
    b'bst.instance.Pie64_1.status.adb_port="5565"\n'
)


def played(*players: bytes, conf: bytes = CONF) -> bytes:
    return conf + b"\r\n@@players\r\n" + b"".join(line + b"\r\n" for line in players) + b"@@end\r\n"


def test_bluestacks__instance__runs_when_its_player_does() -> None:
    player = rb'7316 HD-Player.exe "C:\Program Files\BlueStacks_nxt\HD-Player.exe" --instance Nougat32'
    assert shown(listed("bluestacks", played(player))) == [
        ("bluestacks:Nougat32", "BlueStacks App Player", "running", None, (7316,))
    ]
    assert [e.run for e in listed("bluestacks", played()).entities] == [EmulatorRun.STOPPED]


def test_bluestacks__port__is_told_where_adb_is_let_in() -> None:
    listing = listed("bluestacks", played(conf=CONF + SECOND))
    assert [(e.id, e.title, e.adb_port) for e in listing.entities] == [
        ("bluestacks:Nougat32", "BlueStacks App Player", 5555),
        ("bluestacks:Pie64_1", "Ф", 5565),
    ]


def test_bluestacks__player_whose_command_line_is_hidden__says_nothing_of_any_instance() -> None:
    answer = refused("bluestacks", played(b"7316 HD-Player.exe ", conf=CONF + SECOND))
    assert answer.reason is Reason.PERMISSION


@pytest.mark.parametrize(
    ("data", "exit_code", "reason"),
    [
        (CONF, 0, Reason.COMMAND_FAILED),
        (CONF + b"@@players\r\n", 1, Reason.COMMAND_FAILED),
        (played(conf=b"nothing"), 0, Reason.PROTOCOL),
        (b"", 0, Reason.PROTOCOL),
    ],
)
def test_bluestacks__half_an_answer__is_none(data: bytes, exit_code: int, reason: Reason) -> None:
    assert refused("bluestacks", data, exit_code).reason is reason


def test_bluestacks__on_linux__is_not_looked_for() -> None:
    with pytest.raises(LocalError):
        discover()["bluestacks"].argv("x", Platform.LINUX)


# --------------------------------------------------------------------------------------------------------------- AVD

DEVICES = b"""INFO    | Storing crashdata in: /tmp/x
Pixel_7
Tablet
Old
@@adb
* daemon not running; starting now at tcp:5037
List of devices attached
emulator-5554\tdevice
emulator-5556   offline
emulator-5558\tdevice
192.168.1.5:5555\tdevice
@@avd emulator-5554
Pixel_7
OK
@@avd emulator-5556
Gone
OK
@@avd emulator-5558
KO: unknown command
@@end
"""


def test_avd__names_and_devices__are_joined_by_what_each_device_calls_itself() -> None:
    listing = listed("avd", DEVICES)
    assert shown(listing) == [
        ("avd:Gone", "Gone", "starting", 5557, ()),
        ("avd:Old", "Old", "stopped", None, ()),
        ("avd:Pixel_7", "Pixel_7", "running", 5555, ()),
        ("avd:Tablet", "Tablet", "stopped", None, ()),
    ]
    assert listing.rejected == ("emulator-5558: it does not tell which AVD it is",)


@pytest.mark.parametrize(
    ("data", "exit_code", "reason"),
    [
        (b"Pixel_7\n@@adb\n@@end\n", 0, Reason.NOT_INSTALLED),
        (b"Pixel_7\n@@adb\nList of devices attached\n", 0, Reason.COMMAND_FAILED),
        (b"Pixel_7\n", 1, Reason.COMMAND_FAILED),
        (b"", 0, Reason.COMMAND_FAILED),
    ],
)
def test_avd__half_an_answer__is_none(data: bytes, exit_code: int, reason: Reason) -> None:
    assert refused("avd", data, exit_code).reason is reason


# ---------------------------------------------------------------------------------------------------------- all of them


@pytest.mark.parametrize("name", ["avd", "bluestacks"])
def test_script_for_windows__holds_its_program_as_a_literal_and_fits_into_a_line(name: str) -> None:
    command = discover()[name].argv(HOSTILE, Platform.WINDOWS)
    script = decoded(command[-1])
    assert script is not None
    assert "'C:\\it''s \u2019\u2019 $(calc) %PATH% `x`\\a\"b'" in script
    assert len(" ".join(command)) < LIMIT


@pytest.mark.parametrize("name", ["mumu", "memu", "nox", "bluestacks", "avd", "ldplayer"])
@given(
    data=st.one_of(
        st.binary(),
        st.lists(st.sampled_from([CONF, SECOND, DEVICES, b"{", b"}", b"@@players", b"@@end", b"@@adb", b"\x00"])).map(
            b"\n".join
        ),
        st.lists(st.from_regex(rb"[0-9]{0,3},?[nN]ox(_[0-9])?,.{0,3}(,-?[0-9]{1,12}){3,5}", fullmatch=True)).map(
            b"\r\n".join
        ),
        st.dictionaries(st.text(max_size=3), st.dictionaries(st.text(), st.integers() | st.text() | st.booleans())).map(
            lambda told: json.dumps(told).encode()
        ),
    ),
    exit_code=st.integers(-(2**31), 2**32),
    code_page=st.sampled_from(["ascii", "gbk", "utf-16", "no-such-codec"]),
)
def test_any_bytes__parsed__are_a_listing_or_none(name: str, data: bytes, exit_code: int, code_page: str) -> None:
    listing = discover()[name].parse(data, signed_exit(exit_code), code_page)
    assert isinstance(listing, (Listing, NoListing))


def test_decode__with_a_useless_code_page__shows_the_bytes() -> None:
    assert decode(b"a\xff", "no-such-codec") == r"a\xff"
