"""The parsers of LDPlayer's console against what it may print, and against any bytes at all."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.emulators import ldplayer, signed_exit
from monitor.model import EmulatorRun
from tests.samples import sample

CODE_PAGES = [
    "ascii",
    "utf-8",
    "gbk",
    "cp936",
    "cp949",
    "cp950",
    "cp932",
    "cp1251",
    "cp1258",
    "utf-16",
    "no-such-codec",
]


def test_title_in_another_code_page__decoded_as_ascii__keeps_the_row_and_shows_the_bytes() -> None:
    listing = ldplayer.parse_list2(sample("ld-list2-ld14-three-gbk.txt").data, "ascii")
    assert [instance.index for instance in listing.instances] == [0, 1, 2]
    assert listing.instances[1].title == r"\xcd\xf2\xc1\xfa1\xba\xc5"


@pytest.mark.parametrize(
    ("android", "pid", "vbox", "run"),
    [
        (0, -1, -1, EmulatorRun.STOPPED),
        (0, 0, 0, EmulatorRun.STOPPED),
        (0, 8, -1, EmulatorRun.STARTING),
        (0, 8, 12, EmulatorRun.STARTING),
        (2, 8, -1, EmulatorRun.STARTING),
        (2, 8, 12, EmulatorRun.STARTING),
        (1, 8, 12, EmulatorRun.RUNNING),
        (1, 8, -1, EmulatorRun.DEGRADED),
        (1, -1, 12, EmulatorRun.DEGRADED),
        (1, -1, -1, EmulatorRun.DEGRADED),
        (0, -1, 12, EmulatorRun.DEGRADED),
        (2, -1, -1, EmulatorRun.DEGRADED),
        (7, 8, 12, EmulatorRun.DEGRADED),
    ],
)
def test_state__every_combination_of_witnesses__is_derived(android: int, pid: int, vbox: int, run: EmulatorRun) -> None:
    line = f"3,t,1,1,{android},{pid},{vbox},1280,720,240".encode()
    assert run is ldplayer.parse_list2(line, "ascii").instances[0].run


@pytest.mark.parametrize(
    ("title", "line"),
    [
        ("", b"0,,0,0,0,-1,-1,1280,720,240"),
        ("7", b"0,7,0,0,0,-1,-1,1280,720,240"),
        ("a,b,,c", b"0,a,b,,c,0,0,0,-1,-1,1280,720,240"),
        ("a,b", b"0,a,b,0,0,0,-1,-1"),
        ("=x<b>", b"0,=x<b>,0,0,0,-1,-1,1280,720,240\r"),
    ],
)
def test_title__of_any_kind__is_what_stands_between_index_and_numbers(title: str, line: bytes) -> None:
    assert [title] == [instance.title for instance in ldplayer.parse_list2(line, "ascii").instances]


@pytest.mark.parametrize(
    "line",
    [
        b"0,LDPlayer,0",
        b"0,0,0,0,-1,-1",
        b"-1,t,0,0,0,-1,-1",
        b"x,t,0,0,0,-1,-1,1,1,1",
        b"0,t,0,0,0,-1,",
        b"9" * 5000 + b",t,0,0,0,-1,-1",
        b"Usage:",
    ],
)
def test_line__that_is_no_row__is_rejected_in_sight(line: bytes) -> None:
    listing = ldplayer.parse_list2(b"1,ok,0,0,0,-1,-1\r\n" + line + b"\r\n", "ascii")
    assert [instance.title for instance in listing.instances] == ["ok"]
    assert (line.decode(),) == listing.rejected


def test_index_beyond_all_ports__has_no_adb_port() -> None:
    [instance] = ldplayer.parse_list2(b"30000,t,0,0,0,-1,-1", "ascii").instances
    assert (instance.adb_port, instance.adb_serials) == (None, ())


@pytest.mark.parametrize(
    ("told", "meant"), [(0, 0), (3, 3), (4294966295, -1001), (4294967291, -5), (-1001, -1001), (2**31 - 1, 2**31 - 1)]
)
def test_exit_code__as_windows_tells_it__is_turned_into_what_ldplayer_means(told: int, meant: int) -> None:
    assert meant == signed_exit(told)


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff\xfe", b"[" * 100_000])
def test_config__that_is_none__is_none(data: bytes) -> None:
    assert ldplayer.parse_config(data) is None


def test_config__of_a_fresh_instance__leaves_what_is_absent_open() -> None:
    assert {None} == set(dataclasses.asdict(ldplayer.parse_config(b"{}") or pytest.fail("no config")).values())


ROWS = st.tuples(st.integers(0, 2000), st.binary(max_size=12), st.lists(st.integers(-2, 2**33), max_size=9)).map(
    lambda row: b"%d,%b,%b" % (row[0], row[1], b",".join(b"%d" % number for number in row[2]))
)


@given(
    st.one_of(st.binary(), st.lists(st.one_of(ROWS, st.binary(max_size=20))).map(b"\r\n".join)),
    st.sampled_from(CODE_PAGES),
)
def test_any_bytes_and_any_code_page__parsed__lose_no_line(data: bytes, code_page: str) -> None:
    listing = ldplayer.parse_list2(data, code_page)
    lines = [line for line in data.splitlines() if line.strip()]
    assert len(lines) == len(listing.instances) + len(listing.rejected)
    ldplayer.parse_banner(data)
    ldplayer.parse_isrunning(data)
    ldplayer.parse_list3(data, code_page)
    ldplayer.parse_config(data)
