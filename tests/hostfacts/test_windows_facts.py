"""The PowerShell script and the parser of what it prints; the script itself was never run on a Windows host here."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.hostfacts import PORTS, windows
from monitor.hostfacts.powershell import LIMIT, decoded, encoded
from monitor.model import HostFacts, Listening, Process, ProcessKind, Volume

TOLD: dict[str, Any] = {
    "emuwatch": 1,
    "boot": 1795390000,
    "os": {
        "TotalVisibleMemorySize": 16629244,
        "FreePhysicalMemory": 8327084,
        "TotalVirtualMemorySize": 20823548,
        "FreeVirtualMemory": 10000000,
    },
    "cpu": 12,
    "disks": [
        {"DeviceID": "C:", "Size": 255_000_000_000, "FreeSpace": 3_400_000_000},
        {"DeviceID": "E:", "Size": None, "FreeSpace": None},
    ],
    "gpus": ["NVIDIA GeForce RTX 3060"],
    "gpu3d": 131,
    "procs": [
        {"Name": "dnplayer.exe", "ProcessId": 5120, "CommandLine": r'"C:\LD\dnplayer.exe" index=0|'},
        {"Name": "Ld9BoxSVC.exe", "ProcessId": 900, "CommandLine": None},
    ],
    "listen": [{"LocalPort": 5555, "OwningProcess": 7324}, {"LocalPort": 445, "OwningProcess": 4}],
    "acp": "936",
}


def parsed(**changes: object) -> HostFacts:
    facts = windows.parse(json.dumps({**TOLD, **changes}).encode())
    assert facts is not None
    return facts


def test_script__encoded__fits_into_a_line_of_cmd_with_room_to_spare() -> None:
    assert len(" ".join(windows.COMMAND)) < LIMIT // 2
    assert decoded(windows.COMMAND[-1]) == windows.SCRIPT
    assert set(windows.COMMAND[-1]) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=")


def test_script__written__holds_no_placeholder_and_closes_what_it_opens() -> None:
    assert "PORTS" not in windows.SCRIPT
    assert "(NAMES" not in windows.SCRIPT
    assert f"({PORTS[1][0]},{PORTS[1][1]})" in windows.SCRIPT
    assert [windows.SCRIPT.count(sign) for sign in "({["] == [windows.SCRIPT.count(sign) for sign in ")}]"]
    assert windows.SCRIPT.count('"') % 2 == windows.SCRIPT.count("'") % 2 == 0
    assert windows.SCRIPT.isascii()


def test_encoded__any_script__is_what_powershell_decodes() -> None:
    assert base64.b64decode(encoded("echo 'ä'")[-1]).decode("utf-16-le") == "echo 'ä'"
    assert decoded("not base64!") is None


def test_answer__as_the_script_prints_it__is_read_in_full() -> None:
    assert parsed() == HostFacts(
        cpu_ratio=0.12,
        memory_total_bytes=16629244 * 1024,
        memory_available_bytes=8327084 * 1024,
        commit_limit_bytes=20823548 * 1024,
        commit_available_bytes=10000000 * 1024,
        boot_time_seconds=1795390000.0,
        gpu_ratio=1.0,
        gpus=("NVIDIA GeForce RTX 3060",),
        volumes=(Volume("C:", 255_000_000_000, 3_400_000_000),),
        processes=(
            Process(driver="ldplayer", kind=ProcessKind.SERVICE, pid=900),
            Process(driver="ldplayer", kind=ProcessKind.WINDOW, pid=5120, index=0),
        ),
        listening=(Listening(5555, 7324),),
        code_page="gbk",
    )


def test_answer__with_byte_order_mark_and_noise_around__is_found() -> None:
    line = json.dumps(TOLD).encode()
    for data in (
        b"\xef\xbb\xbf" + line,
        b"Policy notice {not json}\r\n" + line + b"\r\n\r\n",
        b"\xff\xfe\xb2\r\n" + line + b"\r\n{broken",
    ):
        assert windows.parse(data) == parsed()


@pytest.mark.parametrize(
    "data",
    [b"", b"{}", b"[]", b'{"emuwatch":2}', b"\xff" * 100, b"#< CLIXML\r\n<Objs></Objs>", b'{"a":' * 50_000, b"\x00"],
)
def test_garbage__parsed__is_no_answer(data: bytes) -> None:
    assert windows.parse(data) is None


def test_arrays__of_one__may_arrive_as_their_element() -> None:
    one = parsed(disks=TOLD["disks"][0], procs=TOLD["procs"][0], listen=TOLD["listen"][0], gpus="Intel(R) UHD Graphics")
    assert (len(one.volumes), len(one.processes or ()), len(one.listening or ())) == (1, 1, 1)
    assert one.gpus == ("Intel(R) UHD Graphics",)


def test_nulls__everywhere__are_facts_not_known() -> None:
    assert parsed(**dict.fromkeys(set(TOLD) - {"emuwatch"})) == HostFacts()


def test_processes__none_and_not_listed__are_two_things() -> None:
    assert parsed(procs=[], listen=[]).processes == ()
    assert parsed(procs=None, listen=None).listening is None


@pytest.mark.parametrize(
    ("boot", "seconds"),
    [
        (1795390000, 1795390000.0),
        ("1795390001", 1795390001.0),
        (r"/Date(1699999999999)/", 1699999999.999),
        ("/Date(1699999999999+0200)/", 1699999999.999),
        ("2026-11-23T10:00:00+00:00", 1795428000.0),
        ("2026-11-23T10:00:00.1234567Z", 1795428000.123456),
        ("yesterday", None),
        ({"value": 5}, None),
        (True, None),
        (1e400, None),
    ],
)
def test_boot_time__in_any_form_of_date__is_unix_time(boot: object, seconds: float | None) -> None:
    assert parsed(boot=boot).boot_time_seconds == seconds


@pytest.mark.parametrize(
    ("acp", "codec"), [(936, "gbk"), ("65001", "utf-8"), ("1258", "cp1258"), ("77", None), ("x", None)]
)
def test_code_page__by_number__is_a_codec_or_nothing(acp: object, codec: str | None) -> None:
    assert parsed(acp=acp).code_page == codec


JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(["5", "/Date(9)/"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(set(TOLD) - {"emuwatch"})), JSON))
def test_any_values__parsed__never_raise_and_stay_in_their_bounds(told: dict[str, Any]) -> None:
    facts = windows.parse(json.dumps({"emuwatch": 1, **told}).encode())
    assert facts is not None
    assert 0 <= (facts.cpu_ratio or 0) <= 1
    assert all(0 <= volume.free_bytes <= volume.size_bytes for volume in facts.volumes)


@given(
    st.sampled_from(["os", "disks", "procs", "listen"]),
    st.lists(
        st.dictionaries(
            st.sampled_from(
                [*TOLD["os"], "DeviceID", "Size", "FreeSpace", "Name", "ProcessId", "CommandLine", "LocalPort"]
            ),
            JSON,
        )
    ),
)
def test_any_rows__parsed__never_raise(key: str, rows: list[dict[str, Any]]) -> None:
    windows.parse(json.dumps({"emuwatch": 1, key: rows[0] if key == "os" and rows else rows}).encode())


@given(st.binary())
def test_any_bytes__parsed__never_raise(data: bytes) -> None:
    windows.parse(data)
    windows.parse(json.dumps(TOLD).encode() + b"\n" + data)
