"""The command line as a user runs it: a process of its own, against a real OpenSSH server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import resource
import signal
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import asyncssh
import pytest

from monitor.version import __version__
from tests.sshd import Sshd, a_server

SAMPLES = Path(__file__).parents[1] / "data" / "samples"


@dataclass
class Ended:
    """A process that ended: its exit code and what it printed."""

    code: int
    out: str
    err: str
    seconds: float


async def emuwatch(*arguments: str | Path) -> Ended:
    began = time.monotonic()
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "monitor",
        *map(str, arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "COLUMNS": "200"},
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode(), time.monotonic() - began)


def a_config(folder: Path, port: int, known_hosts: Path, checks: Sequence[str], *, listen: str = "127.0.0.1:0") -> Path:
    path = folder / "config.yaml"
    path.write_text(
        "\n".join(
            [
                f"listen: {listen}",
                f"data_dir: {folder}/data",
                f"credentials: {{key: {{user: {os.environ.get('USER', 'root')}, key_file: {folder}/user_key}}}}",
                "workstations:",
                "  - id: ws-01",
                "    host: 127.0.0.1",
                "    platform: linux",
                "    code_page: 936",
                f"    transport: {{kind: ssh, port: {port}, credential: key, known_hosts: {known_hosts}}}",
                "    checks:",
                *(f"      - {check}" for check in checks),
            ]
        )
    )
    return path


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


BOTH = ("{kind: ssh}", "{kind: ldplayer, console: ldconsole, expect_running: [1]}")


@pytest.fixture
async def sshd(tmp_path: Path) -> AsyncIterator[Sshd]:
    async with a_server(tmp_path) as running:
        running.prints((SAMPLES / "ld-list2-ld14-three-gbk.txt").read_bytes())
        yield running


@pytest.fixture
def config(sshd: Sshd) -> Path:
    return a_config(sshd.folder, sshd.port, sshd.folder / "known_hosts", BOTH)


async def test_probe__everything_answers__prints_a_table_and_exits_0(config: Path) -> None:
    ended = await emuwatch("probe", "ws-01", "-c", config)
    assert ended.code == 0, ended.err
    assert "ws-01 (127.0.0.1): up" in ended.out
    assert "万龙1号, running" in ended.out


async def test_probe__one_check__runs_only_that(config: Path) -> None:
    ended = await emuwatch("probe", "ws-01", "ssh", "-c", config)
    assert (ended.code, "ldplayer" in ended.out) == (0, False)


async def test_probe__sshd_stopped__is_refused_at_once_and_exits_1(config: Path, sshd: Sshd) -> None:
    await sshd.stop()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = await emuwatch("probe", "ws-01", "-c", config)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert ended.code == 1
    assert "connection refused" in ended.out
    took = [int(found) for found in re.findall(r"│ +(\d+) ms +│", ended.out)]
    assert len(took) == 2
    assert max(took) < 500, "what the probe itself took; alone on a machine a few milliseconds"
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    assert worked < 2.0, "seconds of CPU, with the start of Python: 0.7 where it was measured"


async def test_probe__wrong_host_key__names_the_workstation_and_exits_1(config: Path, sshd: Sshd) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    (sshd.folder / "known_hosts").write_text(f"[127.0.0.1]:{sshd.port} {other}")
    ended = await emuwatch("probe", "ws-01", "-c", config)
    assert ended.code == 1
    assert f"ws-01 ssh:{sshd.port}: unknown host key" in " ".join(ended.out.split())


async def test_probe__expectation_not_met__exits_1_and_says_which(sshd: Sshd) -> None:
    checks = ("{kind: ldplayer, console: ldconsole, expect_running: [0]}",)
    config = a_config(sshd.folder, sshd.port, sshd.folder / "known_hosts", checks)
    ended = await emuwatch("probe", "ws-01", "-c", config)
    assert ended.code == 1
    assert "万龙游戏 stopped" in ended.out


async def test_probe__console_behind_a_dead_host__is_unknown_and_exits_3(config: Path, sshd: Sshd) -> None:
    await sshd.stop()
    ended = await emuwatch("probe", "ws-01", "ldplayer", "-c", config)
    assert ended.code == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["ws-02"], "no workstation 'ws-02'"), (["ws-01", "x"], "ws-01 has no check 'x'")],
)
async def test_probe__something_unknown__exits_2_and_names_it(config: Path, arguments: list[str], words: str) -> None:
    ended = await emuwatch("probe", *arguments, "-c", config)
    assert (ended.code, words in ended.err) == (2, True)


async def test_probe__record__writes_what_the_host_answered_without_secrets_and_says_of_what_there_is_nothing(
    sshd: Sshd, tmp_path: Path
) -> None:
    sockets = (f"{{kind: tcp, port: {sshd.port}}}", f"{{kind: tcp, name: banner, port: {sshd.port}, expect: ^SSH-}}")
    config = a_config(sshd.folder, sshd.port, sshd.folder / "known_hosts", (*BOTH, *sockets))
    ended = await emuwatch("probe", "ws-01", "-c", config, "--record", tmp_path / "proof")
    assert ended.code == 0, ended.err
    assert f"ldplayer: recorded in {tmp_path}/proof/ldconsole-list2.txt\n" in ended.out
    assert f"banner: recorded in {tmp_path}/proof/tcp-{sshd.port}-greeting.txt\n" in ended.out
    assert "tcp: nothing to record: what it exchanges is not kept\n" in ended.out
    files = await asyncio.to_thread(contents, tmp_path / "proof")
    assert (SAMPLES / "ld-list2-ld14-three-gbk.txt").read_bytes() in files.values()
    assert not any(b"user_key" in content or b"127.0.0.1" in content for content in files.values())


async def test_check_config__good_one__says_what_it_watches(config: Path) -> None:
    ended = await emuwatch("check-config", "-c", config)
    first, second = ended.out.splitlines()
    assert (ended.code, first) == (0, f"{config}: ok, 1 workstations, 2 checks")
    assert re.fullmatch(r"/metrics: about [0-9,]+ series with 6 emulators on each workstation", second)


async def test_check_config__bad_one__names_file_line_and_key_and_exits_2(tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text("workstations:\n  - id: ws-01\n    host: 127.0.0.1\n    chekcs: []\n")
    ended = await emuwatch("check-config", "-c", path)
    assert ended.code == 2
    assert f"{path}:4: workstations[0].chekcs: unknown key; did you mean 'checks'?\n" in ended.err


async def test_schema__is_json() -> None:
    ended = await emuwatch("schema")
    assert json.loads(ended.out)["$schema"] == "https://json-schema.org/draft/2020-12/schema"


async def test_version__is_printed() -> None:
    assert (await emuwatch("--version")).out == f"emuwatch {__version__}\n"


async def test_run__until_interrupted__ends_cleanly_with_0(config: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "monitor", "run", "-c", config, "--log-format", "json", stderr=asyncio.subprocess.PIPE
    )
    assert process.stderr is not None
    async with asyncio.timeout(20):
        started = json.loads(await process.stderr.readline())
        assert started["event"] == "started"
        process.send_signal(signal.SIGHUP)
        assert json.loads(await process.stderr.readline())["event"] == "config reloaded"
        await asyncio.to_thread(config.write_text, "nonsense: 1\n")
        process.send_signal(signal.SIGHUP)
        refused = json.loads(await process.stderr.readline())
        assert refused["event"] == "config not reloaded, the running one goes on"
        began = time.monotonic()
        process.send_signal(signal.SIGINT)
        rest = await process.stderr.read()
        assert (await process.wait(), rest) == (0, b"")
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("--log-level", "--log-level: 'x': write debug, info, warning or error\n"),
        ("--log-format", "--log-format: 'x': write console or json\n"),
    ],
)
async def test_run__log_option_there_is_not__exits_2_and_says_what_there_is(
    config: Path, option: str, words: str
) -> None:
    ended = await emuwatch("run", "-c", config, option, "x")
    assert (ended.code, ended.err) == (2, words)


async def test_run__address_taken__exits_2_and_says_so(sshd: Sshd) -> None:
    server = await asyncio.start_server(lambda _, __: None, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = a_config(sshd.folder, sshd.port, sshd.folder / "known_hosts", BOTH, listen=f"127.0.0.1:{port}")
    ended = await emuwatch("run", "-c", config)
    server.close()
    assert (ended.code, f"can't listen on 127.0.0.1:{port}" in ended.err) == (2, True)
