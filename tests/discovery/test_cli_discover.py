"""``emuwatch discover`` as typed, against a street of simulated workstations."""

from __future__ import annotations

import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncssh
import pytest
from typer.testing import CliRunner, Result

from monitor.cli import app
from monitor.config import load, load_text
from monitor.simulator.console import Answer
from tests.discovery.conftest import FIRST, Street

Typed = Callable[..., Result]
THREE = f"127.0.0.[{FIRST}-{FIRST + 2}]"


@pytest.fixture
def typed(known_hosts: Path) -> Typed:
    def run(*words: str) -> Result:
        argv = ["discover", *words, "--known-hosts", str(known_hosts)]
        return CliRunner().invoke(app, argv, env={"COLUMNS": "200", "NO_COLOR": "1"})

    return run


def probed(config: Path, workstation: str) -> Result:
    argv = ["probe", workstation, "-c", str(config)]
    return CliRunner().invoke(app, argv, env={"COLUMNS": "200", "NO_COLOR": "1"})


def test_discover__by_key__writes_a_config_with_which_every_workstation_is_up(
    typed: Typed, street: Street, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"

    done = typed(*street.arguments("ssh"), *street.by_key(), "--accept-host-keys", "-o", str(config))

    assert (done.exit_code, done.stdout) == (0, ""), done.output
    loaded = load(config)
    assert [workstation.id for workstation in loaded.workstations] == street.hosts
    assert {target.kind for target in loaded.targets} == {"ssh", "host", "ldplayer"}
    assert stat.S_IMODE(config.stat().st_mode) == stat.S_IMODE((tmp_path / "known_hosts").stat().st_mode) == 0o600
    text = config.read_text(encoding="utf-8")
    assert f"host: {THREE}" in text
    assert text.count("template:") == 1
    assert "# expect_running: [0, 1, 2, 3]   # on every one of them" in text
    assert "雷电模拟器" in text
    assert "SHA256:" in done.stderr
    for host in street.hosts:
        seen = probed(config, host)
        assert seen.exit_code == 0, seen.output
        assert "4 of 4 running" in seen.stdout
    assert CliRunner().invoke(app, ["check-config", "-c", str(config)]).exit_code == 0


def test_discover__by_password__finds_them_by_winrm(typed: Typed, street: Street, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"

    done = typed(*street.arguments("winrm"), *street.by_password(), "-o", str(config))

    assert done.exit_code == 0, done.output
    loaded = load(config)
    assert {target.kind for target in loaded.targets} == {"winrm", "host", "ldplayer"}
    assert probed(config, street.hosts[1]).exit_code == 0
    assert street.farm.password_file.read_text(encoding="utf-8") not in config.read_text(encoding="utf-8") + done.output


def test_discover__expectation_taken_out_of_its_comment__is_what_runs(
    typed: Typed, street: Street, tmp_path: Path
) -> None:
    config = tmp_path / "config.yaml"
    typed(*street.arguments("winrm"), *street.by_password(), "-o", str(config))
    config.write_text(
        config.read_text(encoding="utf-8").replace("# expect_running", "expect_running"), encoding="utf-8"
    )

    assert probed(config, street.hosts[0]).exit_code == 0
    assert {getattr(target.params, "expect_running", None) for target in load(config).targets} == {None, (0, 1, 2, 3)}


def test_discover__nobody_logs_in__watches_the_ports(typed: Typed, street: Street) -> None:
    logins = [ws.endpoint.logins for ws in street.farm.workstations]

    done = typed(*street.arguments("ssh", "winrm"))

    assert done.exit_code == 0, done.output
    loaded = load_text(done.stdout)
    assert {target.name for target in loaded.targets} == {f"ssh-{street.ssh}", f"winrm-{street.winrm}"}
    assert "credentials:" not in done.stdout
    assert [ws.endpoint.logins for ws in street.farm.workstations] == logins


def test_discover__unknown_host_keys__are_shown_and_nobody_logs_in(
    typed: Typed, street: Street, known_hosts: Path
) -> None:
    logins = [ws.endpoint.logins for ws in street.farm.workstations]

    done = typed(*street.arguments("ssh"), *street.by_key())

    assert done.exit_code == 0, done.output
    for ws in street.farm.workstations:
        assert ws.endpoint.host_key.get_fingerprint() in done.stdout
    assert "unknown host key" in done.stdout
    assert "unknown host key" in done.stderr
    assert [ws.endpoint.logins for ws in street.farm.workstations] == logins
    assert not known_hosts.exists()
    load_text(done.stdout)


def test_discover__another_key_than_the_known_one__is_never_accepted(
    typed: Typed, street: Street, known_hosts: Path, tmp_path: Path
) -> None:
    stranger = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    known_hosts.write_text(f"[{street.hosts[0]}]:{street.ssh} {stranger}", encoding="utf-8")
    logins = street.farm.workstations[0].endpoint.logins

    done = typed(*street.arguments("ssh"), *street.by_key(), "--accept-host-keys", "-o", str(tmp_path / "config.yaml"))

    assert done.exit_code == 0
    assert "is not the one in" in done.stderr
    assert street.farm.workstations[0].endpoint.logins == logins
    assert [target.kind for target in load(tmp_path / "config.yaml").targets].count("ldplayer") == 2
    assert street.hosts[0] not in (tmp_path / "known_hosts").read_text(encoding="utf-8")


def test_discover__login_refused__is_tried_once_and_in_one_way(
    typed: Typed, street: Street, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def judged(name: str) -> Callable[[str, asyncssh.SSHKey], bool]:
        def admits(user: str, key: asyncssh.SSHKey) -> bool:
            tried.append(name)
            return False

        return admits

    for ws in street.farm.workstations:
        monkeypatch.setattr(ws.endpoint, "admits", judged(ws.id))
    refused = [ws.shells.refused for ws in street.farm.workstations]

    done = typed(
        *street.arguments("ssh", "winrm"),
        *(*street.by_key(), "--password-file", str(street.farm.password_file)),
        *("--accept-host-keys", "-o", str(tmp_path / "config.yaml")),
    )

    assert done.exit_code == 0
    assert "login refused" in done.stderr
    assert sorted(tried) == ["ws-01", "ws-02", "ws-03"]
    assert [ws.shells.refused for ws in street.farm.workstations] == refused


def test_discover__wrong_password_over_winrm__is_tried_once(typed: Typed, street: Street, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong"
    wrong.write_text("guess", encoding="utf-8")
    refused = [ws.shells.refused for ws in street.farm.workstations]

    done = typed(*street.arguments("winrm"), "--user", "operator", "--password-file", str(wrong))

    assert done.exit_code == 0
    assert "login refused" in done.stdout
    assert [ws.shells.refused - before for ws, before in zip(street.farm.workstations, refused, strict=True)] == [1] * 3


def test_discover__console_that_says_odd_things__spoils_only_itself(
    typed: Typed, street: Street, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = street.farm.workstations[1]
    monkeypatch.setitem(odd.console.commands, "list2", lambda _: Answer("no such\r\n\x1b[2J\r\n"))

    done = typed(*street.arguments("winrm"), *street.by_password())

    assert done.exit_code == 0, done.output
    assert "\x1b" not in done.output
    assert "no line of 2 is a row" in done.stdout
    assert len(load_text(done.stdout).workstations) == 3


def test_discover__title_that_would_end_its_comment__stays_in_it(typed: Typed, street: Street) -> None:
    guest = street.farm.workstations[0].guests[0]
    title, guest.title = guest.title, "a\u2028listen: 0.0.0.0:1 ${HOME}"
    try:
        done = typed(*street.arguments("winrm"), *street.by_password())
    finally:
        guest.title = title

    assert done.exit_code == 0
    assert load_text(done.stdout).workstations[0].host == street.hosts[0]


def test_discover__nothing_open__writes_nothing_and_ends_with_1(typed: Typed, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]

        done = typed("127.0.0.1", "--only", "ssh", "--port", f"ssh={port}", "-o", str(tmp_path / "config.yaml"))

    assert (done.exit_code, done.stdout) == (1, "")
    assert "1 of 1 ports tried: 0 open on 0 hosts, 1 refused" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("10.0.0.0/8",), "more than 4096 hosts"),
        (("10.0.0.5/24",), "write 10.0.0.0/24 or 10.0.0.5"),
        (("10.0.0.5", "--exclude", "10.0.0.0/24"), "excluded too"),
        (("10.0.0.5", "--port", "telnet=23"), "--port: 'telnet=23'"),
        (("10.0.0.5", "--port", "ssh=0"), "--port: 'ssh=0'"),
        (("10.0.0.5", "--key-file", "key"), "--key-file: needs --user"),
        (("10.0.0.5", "--user", "me", "--key-file", "no-such"), "there is no such file"),
        (("10.0.0.5", "--user", "me", "--password-file", "no-such"), "there is no such file"),
        (("10.0.0.5", "--user", "me", "--passphrase-file", "p"), "needs --key-file"),
        (("10.0.0.5", "--accept-host-keys"), "needs --output"),
        (("10.0.0.5", "-o", __file__), "is there already; --force"),
        (("10.0.0.5", "--only", "telnet"), "Invalid value"),
        ((), "Missing argument"),
    ],
)
def test_discover__wrong_words__end_with_2_before_anything_is_sent(
    typed: Typed, words: tuple[str, ...], told: str
) -> None:
    done = typed(*words)

    assert (done.exit_code, done.stdout) == (2, "")
    assert told in done.stderr


def test_discover__forced__replaces_the_config_and_its_mode(typed: Typed, street: Street, tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("old", encoding="utf-8")
    config.chmod(0o644)

    done = typed(*street.arguments("winrm"), *street.by_password(), "-o", str(config), "--force")

    assert done.exit_code == 0
    assert stat.S_IMODE(config.stat().st_mode) == 0o600
    assert "old" not in config.read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["config.yaml"]


def test_discover__interrupted__keeps_what_was_found(street: Street) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as hole, socket.socket() as filler:
        filler.settimeout(0)
        filler.connect_ex(hole.getsockname())
        port = hole.getsockname()[1]
        argv = [sys.executable, "-m", "monitor", "discover", street.hosts[0], "127.0.0.1", "--only", "ssh"]
        argv += ["--port", f"ssh={street.ssh}", "--port", f"ssh={port}", "--timeout", "60"]
        with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            assert street.hosts[0] in process.stderr.readline()
            process.send_signal(signal.SIGINT)
            stdout, stderr = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "interrupted: what was found by then is written" in stderr
    assert "The search was interrupted" in stdout
    assert [workstation.host for workstation in load_text(stdout).workstations] == [street.hosts[0]]
