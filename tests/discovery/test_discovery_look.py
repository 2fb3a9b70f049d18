"""What a host says of itself: a real Linux with OpenSSH, and hosts that answer oddly; whose host keys are known."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncssh
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.config import load_text
from monitor.discovery import Console, Door, Look, Open, Protocol, places
from monitor.discovery.look import Looker
from monitor.discovery.pace import Pace
from monitor.discovery.scan import Scanner, Survey
from monitor.discovery.trust import Standing, Trust
from monitor.discovery.write import Host, Login, config
from monitor.emulators import discover
from monitor.hostfacts.powershell import LIMIT
from monitor.model import EmulatorRun, Entity, Platform
from monitor.simulator.console import Answer
from monitor.simulator.farm import Farm
from monitor.transports import Credential
from tests.adbs import a_real_server
from tests.sshd import Sshd, a_server

HERE = "127.0.0.1"
_EMULATOR = "#!/bin/sh\necho 'INFO    | noise'\necho Pixel_7\necho Tablet\n"
_ADB = """#!/bin/sh
[ "$1" = devices ] && { echo 'List of devices attached'; echo 'emulator-5554	device'; exit; }
echo Pixel_7; echo OK
"""


@pytest.fixture
async def sshd(tmp_path: Path) -> AsyncIterator[Sshd]:
    async with a_server(tmp_path) as sshd:
        yield sshd


def equip(sshd: Sshd) -> None:
    for name, script in (("emulator", _EMULATOR), ("adb", _ADB)):
        (sshd.folder / "bin" / name).write_text(script, encoding="utf-8")
        (sshd.folder / "bin" / name).chmod(0o755)


def the_door(port: int, words: str = "OpenSSH_9.6p1 Debian-3") -> Open:
    return Open(host=HERE, door=Door(Protocol.SSH, port), confirmed=True, words=words)


async def test_look__linux_with_android_studio__lists_its_virtual_devices_by_one_login(sshd: Sshd) -> None:
    await asyncio.to_thread(equip, sshd)
    looker = Looker(sshd.credential, Trust(sshd.folder / "known_hosts"))

    look = await looker.look(HERE, [the_door(sshd.port)])

    assert (look.trouble, look.platform) == ("", Platform.LINUX)
    assert look.version.startswith("Linux ")
    (console,) = look.consoles
    assert (console.driver, console.program) == ("avd", str(sshd.folder / "bin" / "emulator"))
    assert {each.key: each.run.value for each in console.instances} == {"Pixel_7": "running", "Tablet": "stopped"}
    assert await asyncio.to_thread(lambda: sshd.logins) == 1
    text = config([Host(name=HERE, doors=(the_door(sshd.port),), look=look)], Login(user="me"), when="now")
    assert "# expect_running: [Pixel_7]" in text
    loaded = await asyncio.to_thread(load_text, text)
    assert [target.name for target in loaded.targets] == ["ssh", "host", "avd"]
    assert loaded.workstations[0].platform is Platform.LINUX


async def test_look__banner_that_tells_no_platform__finds_out(sshd: Sshd) -> None:
    looker = Looker(sshd.credential, Trust(sshd.folder / "known_hosts"))

    look = await looker.look(HERE, [the_door(sshd.port, "mystery")])

    assert (look.trouble, look.platform, look.consoles) == ("", Platform.LINUX, ())


async def test_look__host_that_hangs_after_the_login__is_given_up_in_time(
    sshd: Sshd,
) -> None:
    (sshd.folder / "bin" / "uname").write_text("#!/bin/sh\nsleep 20\n", encoding="utf-8")
    (sshd.folder / "bin" / "uname").chmod(0o755)
    looker = Looker(sshd.credential, Trust(sshd.folder / "known_hosts"), patience=1.5)

    look = await looker.look(HERE, [the_door(sshd.port)])

    assert (look.trouble, look.platform) == ("no answer in time", None)


async def test_look__silent_host__is_given_up_in_time(tmp_path: Path) -> None:
    async with Farm(1, 1) as farm:
        ws = farm["ws-01"]
        ws.ssh.silent()
        looker = Looker(None, Trust(tmp_path / "nobody"), patience=0.3)
        look = await looker.look(HERE, [the_door(ws.ssh.port)])
    assert look.trouble == "the host did not tell its key"


async def test_look__host_key_and_login__wait_for_a_turn_each(sshd: Sshd) -> None:
    waited: list[float] = []

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    pace = Pace(0.01, clock=lambda: 0.0, sleep=sleep)
    looker = Looker(sshd.credential, Trust(sshd.folder / "known_hosts"), pace=pace)
    look = await looker.look(HERE, [the_door(sshd.port)])

    assert look.trouble == ""
    assert waited == [100.0]


async def test_look__console_that_hangs__is_said_and_the_rest_kept() -> None:
    async with Farm(1, 2) as farm:
        ws = farm["ws-01"]
        ws.hang_console()
        looker = Looker(by_key(farm), Trust(farm.known_hosts), patience=1.0)
        look = await looker.look(HERE, [the_door(ws.ssh.port, "x")])
        ws.hang_console(hanging=False)
    assert [(each.driver, each.trouble) for each in look.consoles] == [("ldplayer", "no answer in time")]
    assert look.version == "Windows 10.0.19045.4291"


async def test_look__windows_whose_powershell_says_nothing__says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Farm(1, 2) as farm:
        ws = farm["ws-01"]
        answer = ws.console.answer
        denied = Answer(exit_code=1, stderr="This program is blocked by group policy.\r\n")
        monkeypatch.setattr(ws.console, "answer", lambda line: denied if "powershell" in line else answer(line))
        looker = Looker(by_key(farm), Trust(farm.known_hosts))
        look = await looker.look(HERE, [the_door(ws.ssh.port, "x")])
    assert look.platform is Platform.WINDOWS
    assert "blocked by group policy" in look.trouble


def by_key(farm: Farm) -> Credential:
    return Credential(user="operator", key_file=farm.key_file)


async def test_scan__real_adb_server_and_real_sshd__are_known(sshd: Sshd, tmp_path: Path) -> None:
    async with a_real_server(tmp_path) as port:
        survey = Survey()
        doors = [Door(Protocol.ADB, port), Door(Protocol.SSH, sshd.port)]
        await Scanner(pace=Pace(100), timeout=5).scan([HERE], doors, survey)
    assert {found.door.protocol: found.confirmed for found in survey.open} == {Protocol.ADB: True, Protocol.SSH: True}
    assert any(found.words.startswith("OpenSSH") for found in survey.open)


async def test_trust__key_of_another_kind_is_known__asks_for_that_kind(sshd: Sshd, tmp_path: Path) -> None:
    known = tmp_path / "other"
    rsa = asyncssh.generate_private_key("ssh-rsa").export_public_key().decode()
    known.write_text(f"[{HERE}]:{sshd.port} {rsa}", encoding="utf-8")

    assert (await Trust(known).key_of(HERE, sshd.port)).standing is Standing.DIFFERENT
    assert (await Trust(sshd.folder / "known_hosts").key_of(HERE, sshd.port)).standing is Standing.KNOWN


async def test_trust__new_key__is_added_once_and_known_from_then_on(sshd: Sshd, tmp_path: Path) -> None:
    file = tmp_path / "accepted"
    assert (await Trust(file).key_of(HERE, sshd.port)).standing is Standing.NEW
    assert not file.exists()
    trust = Trust(file, accepting=file)
    for _ in range(2):
        assert (await trust.key_of(HERE, sshd.port)).standing is Standing.KNOWN
    assert file.read_text(encoding="utf-8").count("\n") == 1
    assert (await Trust(file).key_of(HERE, sshd.port)).standing is Standing.KNOWN


def test_places__every_product_is_a_driver_and_the_command_fits_a_line() -> None:
    assert set(places.WINDOWS) == set(discover())
    assert len(" ".join(places.argv(Platform.WINDOWS))) < LIMIT


def test_places__same_folder_twice__is_one_console_under_its_best_name() -> None:
    told = (
        "ldplayer\tC:\\LDPlayer\\LDPlayer9\\dnconsole.exe\r\nldplayer\tc:\\ldplayer\\ldplayer9\\ldconsole.exe\r\n"
        "ldplayer\tD:\\leidian\\LDPlayer14\\ldconsole.exe\r\n"
        "mumu\tC:\\Program Files (x86)\\M\\MuMuManager.exe\r\n@@end\r\n"
    )
    assert places.parse(told, Platform.WINDOWS) == (
        ("ldplayer", "c:\\ldplayer\\ldplayer9\\ldconsole.exe"),
        ("ldplayer", "D:\\leidian\\LDPlayer14\\ldconsole.exe"),
        ("mumu", "C:\\Program Files (x86)\\M\\MuMuManager.exe"),
    )


@pytest.mark.parametrize(
    "path",
    [
        "C:\\${PASSWORD}\\ldconsole.exe",
        "\\\\server\\share\\x.exe",
        "C:\\a%b.exe",
        'C:\\a" & calc.exe',
        "x.exe",
        "C:\\\x1b.exe",
    ],
)
def test_places__path_that_means_more_than_a_path__is_left_out(path: str) -> None:
    assert places.parse(f"ldplayer\t{path}\n@@end\n", Platform.WINDOWS) == ()


def test_places__cut_short__is_no_answer() -> None:
    assert places.parse("ldplayer\tC:\\LDPlayer\\LDPlayer9\\ldconsole.exe\r\n", Platform.WINDOWS) is None


TEXT = st.text(max_size=40)
ENTITIES = st.builds(
    Entity,
    driver=st.just("ldplayer"),
    index=st.integers(0, 30),
    title=TEXT,
    run=st.sampled_from(EmulatorRun),
    key=st.one_of(st.just(""), st.just("Pie64"), st.just("0x1")),
)
CONSOLES = st.builds(
    Console,
    driver=st.sampled_from(sorted(places.WINDOWS)),
    program=st.sampled_from(["C:\\Program Files\\a, [b] {c}\\#x: y.exe", "C:\\é'\\x.exe", "/opt/a b/emulator"]),
    instances=st.lists(ENTITIES, max_size=3).map(tuple),
    trouble=st.one_of(st.just(""), TEXT),
)
LOOKS = st.builds(
    Look,
    door=st.one_of(
        st.none(),
        st.builds(Door, st.sampled_from(["ssh", "winrm", "winrm-https"]).map(Protocol), st.integers(1, 65535)),
    ),
    platform=st.one_of(st.none(), st.sampled_from(Platform)),
    version=st.just("Windows 10"),
    consoles=st.lists(CONSOLES, max_size=4).map(tuple),
    trouble=TEXT,
    known_hosts=st.sampled_from(["", "/tmp/${HOME}/known: hosts"]),
)
NAMES = st.sampled_from(["10.0.0.1", "10.0.0.2", "10.0.0.3", "pc-08", "pc-09", "pc-10", "no", "::1", "fd00::9", "1e5x"])


@given(looks=st.dictionaries(NAMES, LOOKS, min_size=1, max_size=4), logged_in=st.booleans(), data=st.data())
def test_config__whatever_was_found__loads_and_watches_every_host(
    *, looks: dict[str, Look], logged_in: bool, data: st.DataObject
) -> None:
    hosts = []
    for name, look in looks.items():
        ports = data.draw(st.sets(st.integers(1, 65535), max_size=3))
        known = {
            Door(Protocol.SSH, 22),
            *(Door(Protocol.ADB, port) for port in ports),
            *([look.door] if look.door else []),
        }
        doors = [Open(host=name, door=door, confirmed=True, words="x") for door in sorted(known)]
        stray = Open(host=name, door=Door(Protocol.GUEST, 9), confirmed=False, words="said '?'")
        hosts.append(Host(name=name, doors=(*doors, stray), look=look if logged_in else Look()))
    login = (
        Login(user=data.draw(st.sampled_from(["me", "${USER}", "DOMAIN\\me", "true", "# x"]))) if logged_in else None
    )

    loaded = load_text(config(hosts, login, when="now"), environ={})

    assert sorted(workstation.host for workstation in loaded.workstations) == sorted(looks)
    assert {target.workstation.host for target in loaded.targets} == set(looks)
    if login is not None:
        assert loaded.credentials["farm"].user == login.user


def test_config__two_consoles_of_one_product__watches_the_one_that_runs_more_and_says_so() -> None:
    ran = Entity(driver="ldplayer", index=0, title="a", run=EmulatorRun.RUNNING)
    old, new = (rf"C:\LDPlayer\LDPlayer{version}\ldconsole.exe" for version in (9, 14))
    consoles = (
        Console(driver="ldplayer", program=old),
        Console(driver="ldplayer", program=new, instances=(ran,)),
    )
    look = Look(door=Door(Protocol.WINRM, 5985), platform=Platform.WINDOWS, consoles=consoles)
    door = Open(host="pc-1", door=Door(Protocol.WINRM, 5985), confirmed=True, words="Negotiate")

    text = config([Host(name="pc-1", doors=(door,), look=look)], Login(user="me"), when="now")

    assert f"console: {new}" in text
    assert f"ldplayer {old}: no instances; not watched" in text
    assert [target.kind for target in load_text(text).targets] == ["winrm", "host", "ldplayer"]


def test_config__hosts_of_two_kinds__are_two_templates_and_two_ranges() -> None:
    def host(number: int, protocol: Protocol) -> Host:
        name = f"10.0.0.{number}"
        return Host(name=name, doors=(Open(host=name, door=Door(protocol, 22), confirmed=True, words=""),))

    hosts = [host(number, Protocol.ADB if number == 3 else Protocol.SSH) for number in range(1, 6)]
    text = config(hosts, None, when="now")

    assert "host: 10.0.0.[1-2,4-5]" in text
    assert "host: 10.0.0.3\n" in text
    assert "loopback only" in text
    assert len(load_text(text).workstations) == 5
