"""What is recorded: the bytes of the host, without its names, without any secret, and with nothing else changed."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from monitor.errors import LocalError
from monitor.model import Workstation
from monitor.recording import Recorder, keep, redactor
from monitor.transports import Completed, Credential

PC = Workstation(id="pc-7", host="10.1.2.3")
SECRET = Credential(
    user="Operator", password=SecretStr("hunter2"), key_file=Path("/home/x/id"), passphrase=SecretStr("open sesame")
)
LIST = b"0,first,0,0,0,-1,-1\r\n1,second,1,1,1,7312,1011\r\n"


def printed(*argv: str, stdout: bytes = b"x", stderr: bytes = b"") -> Completed:
    return Completed(argv=argv, exit_code=0, stdout=stdout, stderr=stderr)


async def test_command__recorded__is_a_redacted_sample_only_its_owner_may_read(tmp_path: Path) -> None:
    folder = tmp_path / "samples"
    recorder = Recorder(folder)
    stdout = b"0,pc-7 of operator,0,0,0,-1,-1\r\n10.1.2.3 hunter2 open sesame /home/x/id \xff"
    completed = printed(r"C:\Users\OPERATOR\ldconsole.exe", "list2", stdout=stdout)
    await recorder.command(PC, "console", SECRET, completed, None)
    sample, meta = folder / "ldconsole-list2.txt", folder / "ldconsole-list2.txt.meta"
    assert recorder.samples == {"console": [sample]}
    assert sample.read_bytes() == (
        b"0,<workstation> of <user>,0,0,0,-1,-1\r\n<host> <password> <passphrase> <key-file> \xff"
    )
    about = dict(line.split(": ", 1) for line in meta.read_text().splitlines() if ": " in line)
    assert about["command"] == r"C:\Users\<user>\ldconsole.exe list2"
    assert (about["exit-code"], about["encoding"], about["line-endings"], about["provenance"]) == (
        "0",
        "unknown",
        "CRLF",
        "captured",
    )
    assert "expected-json:" in meta.read_text()
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


async def test_answer__recorded__says_what_was_asked_and_hides_what_it_is_told_to(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    token = [SecretStr("tok3n")]
    await recorder.said(PC, "panel", None, "http:80 GET /pc-7", b"HTTP 200\r\n\r\npc-7 xtok3nx", secrets=token)
    (sample,) = recorder.samples["panel"]
    assert sample.name == "http-80-get-workstation.txt"
    assert sample.read_bytes() == b"HTTP 200\r\n\r\n<workstation> x<secret>x"


@pytest.mark.parametrize("identity", ["1", "7", "0", "-", "ws", "first1", "sec"])
def test_redactor__short_id_that_stands_in_other_words__spoils_no_sample(identity: str) -> None:
    assert redactor(Workstation(id=identity, host="10.0.0.1"), Credential(user="3"))(LIST) == LIST


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        (b"pc-7", b"<workstation>"),
        (b"PC-7,pc-7;", b"<workstation>,<workstation>;"),
        (b"pc-70 xpc-7 pc-7_", b"pc-70 xpc-7 pc-7_"),
        (b"110.1.2.3 10.1.2.30", b"110.1.2.3 10.1.2.30"),
        (b"[10.1.2.3]:22", b"[<host>]:22"),
        (b"xhunter2x HUNTER2", b"x<password>x <password>"),
        (b"operators Operator", b"operators <user>"),
    ],
)
def test_redactor__names__only_where_they_stand_alone__secrets_anywhere(text: bytes, redacted: bytes) -> None:
    assert redactor(PC, SECRET)(text) == redacted


def test_redactor__secret_that_is_also_a_name__is_a_secret() -> None:
    same = Credential(user="admin", password=SecretStr("admin"))
    assert redactor(Workstation(id="admin", host="h.example"), same)(b"xadminx") == b"x<password>x"


def test_redactor__name_of_another_script__is_found_in_the_hosts_code_page() -> None:
    workstation = Workstation(id="万龙", host="h.example", code_page="gbk")
    assert redactor(workstation, None)("a 万龙 b".encode("gbk")) == b"a <workstation> b"


NAMES = st.text("abc01-. ", max_size=6)


@given(NAMES, NAMES, st.text("abc01", max_size=4), st.binary(max_size=40))
def test_redactor__any_names__no_secret_is_ever_left(identity: str, user: str, password: str, noise: bytes) -> None:
    credential = Credential(user=user, password=SecretStr(password))
    redacted = redactor(Workstation(id=identity, host="h.example"), credential)(noise + password.encode() + noise)
    cleaned = redacted.replace(b"<password>", b"\0").replace(b"<workstation>", b"\0").replace(b"<user>", b"\0")
    assert not password or password.encode() not in cleaned


def test_sample__of_the_same_question__is_never_overwritten(tmp_path: Path) -> None:
    names = [keep(tmp_path, "ldconsole list2", b"x", {}).name for _ in range(3)]
    assert names == ["ldconsole-list2.txt", "ldconsole-list2-2.txt", "ldconsole-list2-3.txt"]


def test_sample__into_a_folder_that_can_not_be__is_our_own_trouble(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocalError, match="cannot record"):
        keep(tmp_path / "file", "x", b"x", {})
