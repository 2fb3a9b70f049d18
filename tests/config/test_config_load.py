from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from monitor.breaker.machine import Policy
from monitor.checks import AnyCheck
from monitor.config import Config, load, load_text
from monitor.errors import ConfigError
from monitor.model import Category, Key, Lane, Platform, Severity, Target
from monitor.transports import AnyTransportKind

Loading = Callable[..., Config]


@pytest.fixture
def loading(checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]) -> Loading:
    def from_text(text: str, environ: Mapping[str, str] | None = None, base: Path = Path()) -> Config:
        return load_text(text, environ=environ or {}, base=base, checks=checks, transports=transports)

    return from_text


@pytest.fixture
def loading_file(checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]) -> Loading:
    def from_file(path: Path, environ: Mapping[str, str] | None = None) -> Config:
        return load(path, environ=environ or {}, checks=checks, transports=transports)

    return from_file


ONE = "workstations: [{host: 192.168.0.50, checks: [{kind: tcp, port: 3389}]}]\n"
FARM = """
listen: "[::1]:8080"
data_dir: state
external_url: https://monitor.example/farm/
log: {format: json, level: debug}
lanes: {process: 3}
drain: 1m
defaults: {interval: 20s, timeout: 4s, down_after: 3, up_after: 2}
breakers:
  failures: 5
  min_severity: critical
  network: {open_time: 30s, window: 5m}
  external: {failures: 2}
credentials:
  farm: {user: monitor}
templates:
  ld-pc:
    platform: windows
    transport: {kind: ssh, credential: farm, known_hosts: hosts}
    labels: {rack: a, row: "1"}
    checks:
      - {kind: tcp, name: rdp, port: 3389}
      - {kind: icmp}
      - {kind: ldplayer, expect_running: [farm-*], critical: true}
  linux: {platform: linux, labels: {row: "2"}, checks: [{kind: icmp, count: 5}]}
workstations:
  - id: ws-[01-08]
    host: 192.168.0.[50-57]
    template: ld-pc
    site: garage
    labels: {rack: b}
    code_page: 936
    checks:
      - {kind: http, name: panel, url: "http://{host}:8080/", interval: 1m, emulator: "ldplayer:3", labels: {owner: me}}
      - {kind: icmp, enabled: false}
  - host: 10.0.0.1
    templates: [ld-pc, linux]
    transport: {port: 2222}
"""


def by_id(config: Config) -> dict[str, Target]:
    return {target.id: target for target in config.targets}


def test_load_text__everything_said__everything_taken(loading: Loading) -> None:
    config = loading(FARM, base=Path("/etc/emuwatch"))
    assert (config.listen_host, config.listen_port) == ("::1", 8080)
    assert config.data_dir == Path("/etc/emuwatch/state")
    assert config.external_url == "https://monitor.example/farm"
    assert (config.log_format, config.log_level) == ("json", "debug")
    assert (config.process_places, config.drain) == (3, 60.0)
    assert config.files == ()
    assert config.warnings == ()


def test_load_text__nothing_said__the_defaults(loading: Loading) -> None:
    config = loading(ONE, {"HOME": "/home/op"})
    assert (config.listen_host, config.listen_port) == ("127.0.0.1", 9877)
    assert config.data_dir == Path("/home/op/.local/state/emuwatch")
    assert (config.log_format, config.log_level) == ("console", "info")
    assert config.process_places >= 4
    assert config.drain == 5.0
    assert config.policies == dict.fromkeys(Category, Policy())
    (target,) = config.targets
    assert (target.interval, target.timeout, target.down_after, target.up_after) == (30.0, 5.0, 2, 1)
    assert target.workstation.id == target.workstation.host == "192.168.0.50"
    assert target.workstation.platform is Platform.WINDOWS


def test_load_text__gateways__are_none_unless_said_and_asked_no_longer_than_their_interval(loading: Loading) -> None:
    assert loading(ONE).gateways == ()
    quick_one, slow_one = (
        "{kind: icmp, host: a, interval: 1s}",
        "{kind: tcp, host: b, name: c, port: 53, down_after: 4}",
    )
    (quick, slow) = loading(f"{ONE}gateways: [{quick_one}, {slow_one}]").gateways
    assert (quick.interval, quick.timeout, quick.down_after) == (1.0, 1.0, 2)
    assert (slow.interval, slow.timeout, slow.down_after) == (5.0, 2.0, 4)
    assert (slow.name, slow.workstation.host, slow.path) == ("c", "b", (Key(Category.NETWORK, "c", "tcp:53"),))


@pytest.mark.parametrize(
    ("state", "expected"), [("/state", "/state/emuwatch"), ("relative", "/h/.local/state/emuwatch")]
)
def test_load_text__xdg_state_home__used_when_absolute(loading: Loading, state: str, expected: str) -> None:
    assert loading(ONE, {"XDG_STATE_HOME": state, "HOME": "/h"}).data_dir == Path(expected)


def test_load_text__breakers__shared_keys_under_those_of_the_category(loading: Loading) -> None:
    policies = loading(FARM).policies
    shared = Policy(failures=5, min_severity=Severity.CRITICAL)
    assert policies[Category.NETWORK] == Policy(
        failures=5, min_severity=Severity.CRITICAL, open_time=30.0, window=300.0, fixed_window=True
    )
    assert policies[Category.WORKSTATION] == policies[Category.EMULATOR] == shared
    assert policies[Category.EXTERNAL] == Policy(failures=2, min_severity=Severity.CRITICAL)


def test_load_text__ranges__pair_id_and_host(loading: Loading) -> None:
    workstations = loading(FARM).workstations
    assert [(w.id, w.host) for w in workstations[:8]] == [(f"ws-0{n}", f"192.168.0.{49 + n}") for n in range(1, 9)]


def test_load_text__host_range_alone__is_the_ids(loading: Loading) -> None:
    config = loading('workstations: [{host: "10.0.0.[1-2]", checks: [{kind: icmp}]}]')
    assert [workstation.id for workstation in config.workstations] == ["10.0.0.1", "10.0.0.2"]


def test_load_text__id_range_alone__is_the_hosts(loading: Loading) -> None:
    config = loading('workstations: [{id: "ws-[01-02]", checks: [{kind: icmp}]}]')
    assert [workstation.host for workstation in config.workstations] == ["ws-01", "ws-02"]


def test_load_text__template__entry_lies_over_it(loading: Loading) -> None:
    config = loading(FARM)
    first = config.workstations[0]
    assert (first.site, first.code_page) == ("garage", "cp936")
    assert dict(first.labels) == {"rack": "b", "row": "1"}
    assert [target.name for target in config.targets if target.workstation is first] == ["rdp", "ldplayer", "panel"]
    panel = by_id(config)["ws-01/panel"]
    assert (panel.interval, panel.timeout, panel.emulator) == (60.0, 4.0, "ldplayer:3")
    assert (panel.down_after, panel.up_after, dict(panel.labels)) == (3, 2, {"owner": "me"})
    assert by_id(config)["ws-01/ldplayer"].critical


def test_load_text__several_templates__merged_in_order(loading: Loading) -> None:
    config = loading(FARM)
    last = config.workstations[-1]
    assert last.platform is Platform.LINUX
    assert dict(last.labels) == {"rack": "a", "row": "2"}
    assert vars_of(by_id(config)["10.0.0.1/icmp"].params)["count"] == 5


def vars_of(params: object) -> Mapping[str, object]:
    return vars(params)


def test_load_text__transport_without_kind__adds_to_the_templates(loading: Loading) -> None:
    config = loading(FARM, base=Path("/etc/emuwatch"))
    transport = config.workstations[-1].transport
    assert transport is not None
    assert transport.kind == "ssh"
    params = vars_of(transport.params)
    assert (params["port"], params["credential"], params["known_hosts"]) == (2222, "farm", Path("/etc/emuwatch/hosts"))


def test_load_text__transport_with_kind__replaces_the_templates(loading: Loading) -> None:
    config = loading(FARM.replace("{port: 2222}", "{kind: local}"))
    transport = config.workstations[-1].transport
    assert transport is not None
    assert transport.kind == "local"
    assert by_id(config)["10.0.0.1/ldplayer"].lane is Lane.PROCESS


def test_load_text__path_and_lane__follow_check_and_transport(loading: Loading) -> None:
    targets = by_id(loading(FARM))
    console, rdp = targets["ws-01/ldplayer"], targets["ws-01/rdp"]
    assert console.path == (
        Key(Category.NETWORK, "ws-01", "ssh:22"),
        Key(Category.WORKSTATION, "ws-01", "ssh"),
        Key(Category.EXTERNAL, "ws-01", "ldplayer"),
    )
    assert (console.through, console.lane) == (2, Lane.SOCKET)
    assert (rdp.path, rdp.through) == ((Key(Category.NETWORK, "ws-01", "tcp:3389"),), 0)
    assert targets["10.0.0.1/icmp"].lane is Lane.PROCESS


def test_load_text__short_interval__default_timeout_is_no_longer(loading: Loading) -> None:
    config = loading("workstations: [{host: a, checks: [{kind: icmp, interval: 2s}]}]")
    assert config.targets[0].timeout == 2.0


@pytest.mark.parametrize(
    ("defaults", "keys", "timeout"),
    [
        ("{}", "", 15.0),
        ("{timeout: 2s}", "", 15.0),
        ("{timeout: 20s}", "", 20.0),
        ("{timeout: 20s}", "interval: 16s", 16.0),
        ("{timeout: 20s}", "timeout: 3s", 3.0),
        ("{}", "interval: 4s, timeout: 4s", 4.0),
    ],
)
def test_load_text__kind_that_needs_long__has_the_time_unless_its_own_timeout_says_otherwise(
    loading: Loading, defaults: str, keys: str, timeout: float
) -> None:
    check = f"{{kind: host, {keys}}}"
    where = f"{{host: a, transport: {{kind: ssh}}, checks: [{check}, {{kind: ldplayer, interval: 1m}}]}}"
    slow, usual = loading(f"{{defaults: {defaults}, workstations: [{where}]}}").targets
    assert (slow.timeout, usual.timeout) == (timeout, 20.0 if "20s" in defaults else 2.0 if "2s" in defaults else 5.0)


def test_load_text__anchors_and_merge_keys__work(loading: Loading) -> None:
    config = loading(
        """
templates:
  a: &a {site: x, checks: &checks [{kind: icmp}]}
  b: {<<: *a, site: y}
workstations:
  - {host: one, template: b}
  - {host: two, checks: *checks}
"""
    )
    assert [(target.workstation.site, target.kind) for target in config.targets] == [("y", "icmp"), ("", "icmp")]


def test_load_text__error_behind_a_merge_key__names_the_line_it_stands_on(loading: Loading) -> None:
    with pytest.raises(ConfigError, match=r"^<text>:1: x\.interval: 5 has no unit; write 5s|<text>:1: x: unknown key"):
        loading("x: &x {kind: icmp, interval: 5}\nworkstations:\n  - host: a\n    checks:\n      - {<<: *x}\n")


def test_load_text__yaml_1_2__no_and_times_are_text(loading: Loading) -> None:
    config = loading("workstations: [{host: a, site: no, labels: {on: 12:30, at: 2024-01-01}, checks: [{kind: icmp}]}]")
    assert config.workstations[0].site == "no"
    assert dict(config.workstations[0].labels) == {"on": "12:30", "at": "2024-01-01"}


def test_load_text__variables__filled_in_and_dollars_kept(loading: Loading) -> None:
    text = """
workstations:
  - host: ${HOST}
    site: "a$$b $ ^c$ $${HOST}"
    checks: [{kind: tcp, port: "${PORT}"}]
"""
    config = loading(text, {"HOST": "pc", "PORT": "80"})
    assert config.workstations[0].host == "pc"
    assert config.workstations[0].site == "a$b $ ^c$ ${HOST}"
    assert config.targets[0].path[0].scope == "tcp:80"


@pytest.mark.parametrize(
    ("written", "codec"),
    [
        ("936", "cp936"),
        ("65001", "utf-8"),
        ("'1251'", "cp1251"),
        ("gbk", "gbk"),
        ("28592", "iso8859-2"),
        ("cp949", "cp949"),
    ],
)
def test_load_text__code_page__becomes_a_codec(loading: Loading, written: str, codec: str) -> None:
    config = loading(f"workstations: [{{host: a, code_page: {written}, checks: [{{kind: icmp}}]}}]")
    assert config.workstations[0].code_page == codec


def test_load_text__window_that_fits_the_fastest_check__is_fine(loading: Loading) -> None:
    text = """
breakers: {window: 20s}
workstations:
  - host: a
    checks:
      - {kind: icmp, interval: 5s, timeout: 5s}
      - {kind: icmp, name: slow, interval: 1h}
"""
    assert loading(text).policies[Category.NETWORK].window == 20.0


def test_load_text__lists_spelled_the_same_twice__give_equal_targets(loading: Loading) -> None:
    assert loading(FARM).targets == loading(FARM).targets


def test_load__inventories__read_once_in_order_with_their_own_paths(loading_file: Loading, tmp_path: Path) -> None:
    (tmp_path / "inventory" / "deep").mkdir(parents=True)
    main = tmp_path / "emuwatch.yaml"
    main.write_text(
        "inventory_files: [inventory/*.yaml, 'inventory/**/*.yaml', '*.yaml']\n"
        "templates: {pc: {checks: [{kind: icmp}]}}\n"
    )
    first = tmp_path / "inventory" / "a.yaml"
    first.write_text("workstations: [{host: a, template: pc, transport: {kind: ssh, known_hosts: hosts}}]\n")
    second = tmp_path / "inventory" / "deep" / "b.yaml"
    second.write_text("workstations: [{host: b, template: pc}]\n")
    config = loading_file(main)
    assert [workstation.id for workstation in config.workstations] == ["a", "b"]
    assert config.files == (main, first, second)
    assert config.globs == tuple(
        f"{tmp_path}/{pattern}" for pattern in ("inventory/*.yaml", "inventory/**/*.yaml", "*.yaml")
    )
    transport = config.workstations[0].transport
    assert transport is not None
    assert vars_of(transport.params)["known_hosts"] == tmp_path / "inventory" / "hosts"


def test_load__no_such_file__says_so(loading_file: Loading, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=re.escape(f"{tmp_path}/x.yaml: cannot be read: there is no such file")):
        loading_file(tmp_path / "x.yaml")


def test_load__folder__says_so(loading_file: Loading, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: it is a directory"):
        loading_file(tmp_path)


def test_load__huge_file__is_refused_before_it_is_parsed(loading_file: Loading, tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    with path.open("wb") as stream:
        stream.truncate(17 * 1024 * 1024)
    with pytest.raises(ConfigError, match="is larger than 16384 KiB"):
        loading_file(path)


def test_load__byte_order_mark_and_crlf__as_windows_editors_write_them(loading_file: Loading, tmp_path: Path) -> None:
    path = tmp_path / "bom.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + ONE.replace(", checks", ",\n  checks").replace("\n", "\r\n").encode())
    assert len(loading_file(path).targets) == 1


def test_load_text__check_that_claims_a_common_key__is_a_defect_of_ours(
    checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]
) -> None:
    from monitor.checks import CheckParams  # noqa: PLC0415 - only this test makes a wrong check

    class Wrong(CheckParams):
        interval: float = 1.0

    tcp = checks["tcp"]
    wrong = type(tcp)(name="tcp", category=tcp.category, params=Wrong, probe=tcp.probe)
    with pytest.raises(TypeError, match="check tcp: interval means something for all checks"):
        load_text(ONE, checks={"tcp": wrong}, transports=transports)


def test_load_text__ten_thousand_workstations__are_all_there(loading: Loading) -> None:
    config = loading(
        FARM.replace("ws-[01-08]", "ws-[00001-10000]").replace("192.168.0.[50-57]", "10.1.[1-100].[1-100]")
    )
    assert len(config.workstations) == 10_001
    assert len(config.targets) == 3 * 10_000 + 3
