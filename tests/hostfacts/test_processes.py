"""Which emulator a process belongs to, by command lines as hosts show them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.hostfacts.processes import WINDOWS_NAMES, Row, processes_of
from monitor.model import ProcessKind

WINDOW, VM, WHOLE, SERVICE = ProcessKind.WINDOW, ProcessKind.VM, ProcessKind.WHOLE, ProcessKind.SERVICE
UUID = "20160302-bbbb-bbbb-0e0b-000000000003"
SEEN = [
    ("dnplayer.exe", r"C:\LDPlayer\LDPlayer9\dnplayer.exe index=3|", "ldplayer:3", WINDOW),
    ("dnplayer.exe", r'"D:\leidian\LDPlayer14\dnplayer.exe" index=0|package=com.x|', "ldplayer:0", WINDOW),
    ("dnplayer.exe", r'"D:\leidian\LDPlayer14\dnplayer.exe"', None, WINDOW),
    ("DNPLAYER.EXE", r"dnplayer.exe index=1000|", "ldplayer:1000", WINDOW),
    ("Ld9BoxHeadless.exe", f'"C:\\x y\\Ld9BoxHeadless.exe" --comment leidian3 --startvm {UUID}', "ldplayer:3", VM),
    ("Ld9BoxHeadless.exe", f"Ld9BoxHeadless.exe --comment leidian --startvm {UUID}", "ldplayer:0", VM),
    ("LdVBoxHeadless.exe", f'LdVBoxHeadless.exe --comment "leidian12" --startvm {UUID}', "ldplayer:12", VM),
    ("Ld9BoxSVC.exe", "Ld9BoxSVC.exe -Embedding", None, SERVICE),
    ("LdVBoxSVC.exe", None, None, SERVICE),
    ("MuMuNxDevice.exe", r'"C:\Program Files\Netease\MuMu\nx_device\MuMuNxDevice.exe" -v 2', "mumu:2", WINDOW),
    ("MuMuPlayer.exe", r'"C:\Program Files\Netease\MuMu\shell\MuMuPlayer.exe"', "mumu:0", WINDOW),
    ("MuMuVMMHeadless.exe", f"MuMuVMMHeadless.exe --comment MuMuPlayer-12.0-1 --startvm {UUID}", "mumu:1", VM),
    ("MuMuVMMHeadless.exe", "MuMuVMMHeadless.exe --comment MuMuPlayer-12.0-base --startvm x", None, VM),
    ("MEmu.exe", r'"C:\Program Files\Microvirt\MEmu\MEmu.exe" MEmu_2', "memu:2", WINDOW),
    ("MEmu.exe", r'"C:\Program Files\Microvirt\MEmu\MEmu.exe"', "memu:0", WINDOW),
    ("MEmuHeadless.exe", f"MEmuHeadless.exe --comment MEmu_1 --startvm {UUID}", "memu:1", VM),
    ("MEmuHeadless.exe", f"MEmuHeadless.exe --comment MEmu --startvm {UUID}", "memu:0", VM),
    ("Nox.exe", r'"D:\Nox\bin\Nox.exe" -clone:Nox_1', "nox:1", WINDOW),
    ("Nox.exe", r'"D:\Nox\bin\Nox.exe"', "nox:0", WINDOW),
    ("NoxVMHandle.exe", f"NoxVMHandle.exe --comment nox --startvm {UUID}", "nox:0", VM),
    ("NoxVMHandle.exe", f"NoxVMHandle.exe --comment Nox_3 --startvm {UUID}", "nox:3", VM),
    (
        "HD-Player.exe",
        r'"C:\Program Files\BlueStacks_nxt\HD-Player.exe" --instance Rvc64_2',
        "bluestacks:Rvc64_2",
        WHOLE,
    ),
    ("HD-Player.exe", None, None, WHOLE),
    ("qemu-system-x86_64", "/sdk/emulator/qemu/linux-x86_64/qemu-system-x86_64 -avd Pixel_7", "avd:Pixel_7", WHOLE),
    ("qemu-system-x86_64-headless.exe", "qemu-system-x86_64-headless.exe @Tablet -no-window", "avd:Tablet", WHOLE),
    ("adb.exe", r"adb.exe -L tcp:5037 fork-server server --reply-fd 636", None, SERVICE),
]


@pytest.mark.parametrize(("name", "line", "emulator", "kind"), SEEN)
def test_process__seen_on_a_host__is_told_apart(
    name: str, line: str | None, emulator: str | None, kind: ProcessKind
) -> None:
    [process] = processes_of([Row(name, 4711, line)])
    assert (process.emulator, process.kind, process.pid) == (emulator, kind, 4711)


@pytest.mark.parametrize(
    ("name", "line", "pid"),
    [
        ("qemu-system-x86_64", "/usr/bin/qemu-system-x86_64 -name guest=db01 -machine pc", 8),
        ("HD-Player.exe", "HD-Player.exe --hidden", 8),
        ("explorer.exe", "explorer.exe index=3|", 8),
        ("grep", "grep qemu-system- -avd x", 8),
        ("dnplayer.exe", "dnplayer.exe index=3|", 0),
        ("dnplayer.exe.bak", "dnplayer.exe index=3|", 8),
    ],
)
def test_process__of_something_else__is_left_out(name: str, line: str, pid: int) -> None:
    assert processes_of([Row(name, pid, line)]) == ()


def test_process__whose_command_line_is_hidden__belongs_to_nobody_in_particular() -> None:
    [process] = processes_of([Row("MuMuPlayer.exe", 8, None)])
    assert (process.driver, process.index, process.emulator) == ("mumu", None, None)


def test_processes__of_a_host__come_in_order_each_once() -> None:
    rows = [Row("dnplayer.exe", pid, f"x index={index}|") for pid, index in ((12, 2), (8, 0), (12, 2), (4, 1))]
    assert [(process.index, process.pid) for process in processes_of(rows)] == [(0, 8), (1, 4), (2, 12)]


def test_names__asked_of_windows__cover_every_program_that_is_told_apart() -> None:
    begins = [name.replace("%", "").lower() for name in WINDOWS_NAMES]
    for name, *_ in SEEN:
        assert any(name.lower().replace("9", "").replace("ldv", "ld").startswith(begin) for begin in [*begins, "adb"])


@given(
    st.lists(
        st.builds(Row, st.sampled_from([row[0] for row in SEEN]) | st.text(), st.integers(), st.none() | st.text())
    )
)
def test_any_rows__told_apart__never_raise(rows: list[Row]) -> None:
    assert len(processes_of(rows)) <= len(rows)
