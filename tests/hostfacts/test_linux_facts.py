"""What the sh script prints, read; and the script itself run by a real sh on this very machine."""

from __future__ import annotations

import socket
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.hostfacts import PORTS, linux
from monitor.model import HostFacts, Listening, Process, ProcessKind, Volume
from tests.servers import require_program

TOLD = b"""some profile says hello
@@emuwatch 1
@@charmap
UTF-8
@@stat
cpu  1000 0 500 8000 500 0 0 0 900 0
btime 1795390000
@@meminfo
MemTotal:       16000000 kB
MemFree:         1000000 kB
MemAvailable:    9000000 kB
CommitLimit:     8000000 kB
Committed_AS:    9000000 kB
@@df
Filesystem     1024-blocks     Used Available Capacity Mounted on
/dev/nvme0n1p2   100000000 90000000   5000000      95% /
tmpfs              8000000        0   8000000       0% /dev/shm
/dev/loop3          100000   100000         0     100% /snap/core/1
tank/emulators  2000000000        5 900000000       1% /srv/my emulators
/dev/nvme0n1p2   100000000 90000000   5000000      95% /var/lib/again
broken - - - - -
@@ps
  811 /sdk/emulator/qemu/linux-x86_64/qemu-system-x86_64 -avd Pixel_7 -port 5554
  900 adb -L tcp:5037 fork-server server
  901 grep -E [q]emu-system-
nonsense
@@ss
LISTEN 0      128        127.0.0.1:5555       0.0.0.0:*    users:(("qemu-system-x86",pid=811,fd=30))
LISTEN 0      4096   [::ffff:127.0.0.1]:5037       *:*
LISTEN 0      4096            [::]:22         [::]:*
@@gpu
37, NVIDIA T4
81, NVIDIA T4
@@later
cpu  1020 0 510 8060 510 0 0 0 910 0
@@end
"""


def parsed(data: bytes) -> HostFacts:
    facts = linux.parse(data)
    assert facts is not None
    return facts


def test_answer__as_the_script_prints_it__is_read_in_full() -> None:
    assert parsed(TOLD) == HostFacts(
        cpu_ratio=0.3,
        memory_total_bytes=16000000 * 1024,
        memory_available_bytes=9000000 * 1024,
        commit_limit_bytes=8000000 * 1024,
        commit_available_bytes=-1000000 * 1024,
        boot_time_seconds=1795390000.0,
        gpu_ratio=0.81,
        gpus=("NVIDIA T4", "NVIDIA T4"),
        volumes=(
            Volume("/", 100000000 * 1024, 5000000 * 1024),
            Volume("/srv/my emulators", 2000000000 * 1024, 900000000 * 1024),
        ),
        processes=(
            Process(driver="adb", kind=ProcessKind.SERVICE, pid=900),
            Process(driver="avd", kind=ProcessKind.WHOLE, pid=811, key="Pixel_7"),
        ),
        listening=(Listening(5037), Listening(5555, 811)),
        code_page="utf-8",
    )


def test_ports__without_ss__are_read_from_proc() -> None:
    table = (
        b"@@tcp\n  sl  local_address rem_address   st\n"
        b"   0: 0100007F:15B3 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 19 1 0\n"
        b"   1: 0100007F:15B5 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 20 1 0\n"
        b"   0: 00000000000000000000000001000000:13AD 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0\n"
    )
    facts = parsed(TOLD[: TOLD.index(b"@@ss")] + table + b"@@end\n")
    assert facts.listening == (Listening(5037), Listening(5555))


def test_sections__left_out__are_facts_not_known() -> None:
    assert parsed(b"@@emuwatch 1\n@@end\n") == HostFacts()


@pytest.mark.parametrize("data", [b"", b"@@end\n", b"@@emuwatch 1\n@@stat\ncpu 1", b"sh: syntax error", b"\xff\x00"])
def test_garbage_and_what_was_cut_off__is_no_answer(data: bytes) -> None:
    assert linux.parse(data) is None


@given(st.binary(), st.lists(st.sampled_from(TOLD.splitlines())))
def test_any_bytes_and_any_order_of_lines__never_raise(data: bytes, lines: list[bytes]) -> None:
    linux.parse(data)
    linux.parse(b"@@emuwatch 1\n" + b"\n".join(lines) + data + b"\n@@end")


@given(st.sampled_from(["stat", "meminfo", "df", "ps", "ss", "tcp", "gpu", "charmap", "later"]), st.text())
def test_any_text_in_a_section__never_raises(section: str, text: str) -> None:
    linux.parse(f"@@emuwatch 1\n@@{section}\n{text}\n@@end\n".encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_script__run_by_a_real_shell__tells_what_this_machine_knows(shell: str) -> None:
    program = require_program(shell, shell if shell != "sh" else "dash")
    with _a_listener() as listener:
        port = int(listener.getsockname()[1])
        before = Path("/proc/meminfo").read_text()
        printed = subprocess.run([program, *linux.COMMAND[1:]], capture_output=True, check=True, timeout=20)
        assert printed.stderr == b""
        facts = parsed(printed.stdout)
        assert f"MemTotal: {(facts.memory_total_bytes or 0) // 1024:>14} kB" in before
        assert 0 < (facts.memory_available_bytes or 0) <= (facts.memory_total_bytes or 0)
        assert facts.boot_time_seconds is not None
        assert 0 < facts.boot_time_seconds < time.time()
        assert "/" in [volume.name for volume in facts.volumes]
        assert facts.processes is not None
        assert port in [each.port for each in facts.listening or ()]
        assert facts.cpu_ratio is not None


def _a_listener() -> socket.socket:
    """Listen on a port emulators use, whichever is free."""
    for port in range(PORTS[-1][0], PORTS[-1][1]):
        listener = socket.socket()
        try:
            listener.bind(("127.0.0.1", port))
        except OSError:
            listener.close()
            continue
        listener.listen()
        return listener
    pytest.fail("every port is taken")
