"""The Dockerfile and the compose file, as far as they can be checked where no container runs."""

from __future__ import annotations

import ast
import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import zipfile
from fnmatch import fnmatch
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

from monitor.config import load
from monitor.transports.ssh import Params

ROOT: Final = Path(__file__).parents[2]
DEPLOY: Final = ROOT / "deploy"

Instruction = tuple[str, str]


def dockerfile() -> list[list[Instruction]]:
    """The instructions of each stage."""
    lines = [line for line in (DEPLOY / "Dockerfile").read_text().splitlines() if not line.lstrip().startswith("#")]
    stages: list[list[Instruction]] = []
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if line.strip():
            word, _, rest = line.partition(" ")
            if word == "FROM":
                stages.append([])
            stages[-1].append((word, rest.strip()))
    return stages


STAGES: Final = dockerfile()
BUILD: Final = STAGES[0]
FINAL: Final = STAGES[-1]
EVERYTHING: Final = [instruction for stage in STAGES for instruction in stage]


def only(stage: list[Instruction], word: str) -> str:
    (found,) = [rest for name, rest in stage if name == word]
    return found


def test_image__is_built_in_stages__from_official_images_with_pinned_tags() -> None:
    assert len(STAGES) > 1
    for image in (rest.split()[0] for word, rest in EVERYTHING if word == "FROM"):
        assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", image), image


def test_image__runs_as_a_user_that_is_not_root() -> None:
    user, _, group = only(FINAL, "USER").partition(":")
    assert int(user) > 0
    assert int(group) > 0, "numbers, so that a cluster can see that it is not root"
    words = [word for word, _ in FINAL]
    assert "RUN" not in words[words.index("USER") :]


def test_image__adds_nothing_from_elsewhere_and_holds_no_secret() -> None:
    assert {word for word, _ in EVERYTHING} <= {
        *("FROM", "ENV", "WORKDIR", "COPY", "RUN", "LABEL", "USER", "VOLUME", "EXPOSE"),
        *("HEALTHCHECK", "STOPSIGNAL", "ENTRYPOINT", "CMD"),
    }, "ADD and ARG are not wanted"
    text = (DEPLOY / "Dockerfile").read_text()
    for word in ("latest", "curl", "wget", "sudo", "--index", "PASSWORD", "TOKEN", "chmod 777"):
        assert word not in text, word


def test_image__starts_without_a_shell__so_that_signals_arrive() -> None:
    command = [*json.loads(only(FINAL, "ENTRYPOINT")), *json.loads(only(FINAL, "CMD"))]
    assert command[:2] == ["emuwatch", "run"]
    assert only(FINAL, "STOPSIGNAL") == "SIGTERM"


def test_image__installs_what_the_lock_names__by_hash() -> None:
    installs = [rest for word, rest in BUILD if word == "RUN" and "pip install" in rest]
    assert "--require-hashes" in installs[0]
    assert "--no-deps" in installs[1]
    assert "--no-index" in installs[1]


def copied() -> list[str]:
    return [name for word, rest in BUILD if word == "COPY" for name in rest.split()[:-1]]


def test_image__what_it_copies__is_there_and_not_ignored() -> None:
    lines = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    admitted = [line[1:] for line in lines if line.startswith("!")]
    assert "*" in lines, "what is not named stays out"
    for name in copied():
        assert (ROOT / name).exists(), name
        assert any(fnmatch(name, pattern) for pattern in admitted), name


def test_image__what_it_copies__is_enough_to_build_the_package(tmp_path: Path) -> None:
    for name in copied():
        (tmp_path / "src" / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / "src" / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / "src" / name)
    build = "import sys; from hatchling.build import build_wheel; build_wheel(sys.argv[1])"
    command = [sys.executable, "-c", build, str(tmp_path)]
    ended = subprocess.run(command, cwd=tmp_path / "src", capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert "monitor/cli.py" in names
    assert "monitor/_exports/alerts/rules/workstations.yml" in names
    assert any(name.startswith("monitor/_exports/dashboards/") and name.endswith(".json") for name in names)
    assert not any("__pycache__" in name for name in names)


class Healthy(http.server.BaseHTTPRequestHandler):
    """Answers as a service that is well, or not."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/-/healthy" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.mark.parametrize(("status", "code"), [(200, 0), (503, 1)])
def test_image__its_healthcheck__tells_a_healthy_service_from_another(
    status: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Healthy, "status", status)
    words = only(FINAL, "HEALTHCHECK")
    python, *arguments = ast.literal_eval(words[words.index("[") :])
    assert python == "python"
    with http.server.HTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        command = [sys.executable, *(word.replace(":9877", f":{server.server_port}") for word in arguments)]
        environment = {name: value for name, value in os.environ.items() if "proxy" not in name.lower()}
        ended = subprocess.run(command, capture_output=True, check=False, env=environment)
        server.shutdown()
        thread.join()
    assert min(ended.returncode, 1) == code


# ------------------------------------------------------------------------------------------------------------- compose


def compose() -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return document


SERVICES: Final[dict[str, dict[str, Any]]] = compose()["services"]


@cache
def specification() -> Draft202012Validator:
    """The schema of the Compose specification, as check-jsonschema ships it."""
    folder = resources.files("check_jsonschema.builtin_schemas.vendor")
    schema = json.loads(folder.joinpath("compose-spec.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


def test_compose__by_the_schema_of_the_specification__is_valid() -> None:
    error = best_match(specification().iter_errors(compose()))
    assert error is None, f"{error.json_path}: {error.message}"


@pytest.mark.parametrize(
    ("service", "key", "value"),
    [
        ("emuwatch", "image", 5),
        ("emuwatch", "imgae", "emuwatch:local"),
        ("emuwatch", "read_only", ["yes"]),
        ("emuwatch", "build", {"contxt": ".."}),
        ("emuwatch", "cap_drop", "ALL"),
        ("emuwatch", "environment", ["A=1", "A=1"]),
        ("emuwatch", "sysctls", "net.ipv4.ping_group_range=0 1"),
        ("prometheus", "ports", "127.0.0.1:9090:9090"),
        ("prometheus", "volumes", {"a": "b"}),
        ("prometheus", "depends_on", {"emuwatch": {"condition": "service_happy"}}),
        ("prometheus", "command", {"config.file": "a"}),
        ("grafana", "depends_on", "prometheus"),
    ],
)
def test_compose__with_one_thing_wrong__is_refused(service: str, key: str, value: object) -> None:
    document = compose()
    document["services"][service][key] = value
    assert not specification().is_valid(document)


def test_compose__restarts_and_environment_are_words() -> None:
    """The specification lets a number, a truth and any policy pass; then Docker reads them in its own way."""
    for name, service in SERVICES.items():
        assert service["restart"] in {"no", "always", "on-failure", "unless-stopped"}
        for variable, value in service.get("environment", {}).items():
            assert re.fullmatch(r"[A-Z_]+", variable)
            assert isinstance(value, str), f"{name}: {variable} would not be a string"


def test_compose__images_are_pinned() -> None:
    for name, service in SERVICES.items():
        if "build" not in service:
            assert re.fullmatch(r"[a-z]+/[a-z]+:v?\d+\.\d+\.\d+", service["image"]), name


def test_compose__publishes_on_this_machine_only() -> None:
    for service in SERVICES.values():
        assert service["ports"]
        assert all(re.fullmatch(r"127\.0\.0\.1:\d+:\d+", port) for port in service["ports"])


def test_compose__what_is_mounted__is_there_or_declared() -> None:
    declared = set(compose()["volumes"])
    used = set()
    for service in SERVICES.values():
        for mount in service["volumes"]:
            source, target, *mode = mount.split(":")
            assert target.startswith("/")
            if source.startswith("."):
                assert (DEPLOY / source).exists(), mount
                assert mode == ["ro"], f"{mount}: what is ours is mounted for reading only"
            else:
                used.add(source)
    assert used == declared


def test_compose__depends_only_on_services_there_are__and_waits_for_health_only_where_it_is_checked() -> None:
    for service in SERVICES.values():
        for other, how in dict.fromkeys(service.get("depends_on", [])).items():
            assert other in SERVICES
            assert how is None
        conditions = service.get("depends_on", {})
        if isinstance(conditions, dict):
            assert all(each == {"condition": "service_healthy"} for each in conditions.values())
            assert set(conditions) <= {"emuwatch"}, "the only image here known to have a healthcheck"


def test_compose__the_addresses_the_parts_know_each_other_by__are_its_services() -> None:
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    known = [
        target
        for job in (*prometheus["scrape_configs"], *prometheus["alerting"]["alertmanagers"])
        for group in job["static_configs"]
        for target in group["targets"]
    ]
    sources = (ROOT / "dashboards" / "provisioning" / "datasources").glob("*.y*ml")
    for source in sources:
        known += [each["url"].removeprefix("http://") for each in yaml.safe_load(source.read_text())["datasources"]]
    assert {address.partition(":")[0] for address in known} - {"localhost"} == {
        "emuwatch",
        "alertmanager",
        "prometheus",
    }
    for address in known:
        name, _, port = address.partition(":")
        if name in SERVICES:
            assert any(published.endswith(f":{port}") for published in SERVICES[name]["ports"]), address


def test_compose__its_emuwatch_is_as_confined_as_its_image_allows() -> None:
    service = SERVICES["emuwatch"]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert (ROOT / "deploy" / service["build"]["context"]).resolve() == ROOT.resolve()
    assert (ROOT / service["build"]["dockerfile"]).is_file()


def test_compose__a_password_that_is_not_given__stops_it_with_words() -> None:
    given = [(name, value) for each in SERVICES.values() for name, value in each.get("environment", {}).items()]
    asked = [value for name, value in given if "PASSWORD" in name]
    assert len(asked) == 2
    head = (DEPLOY / "compose.yaml").read_text().partition("name:")[0]
    for value in asked:
        variable = value.partition(":")[0].removeprefix("${")
        assert value == f"${{{variable}:?set {variable}, or write it into deploy/.env}}"
        assert f"{variable}=..." in head


def test_compose__keeps_samples_for_as_long_as_the_uptime_looks_back() -> None:
    (days,) = [re.findall(r"\d+", word)[0] for word in SERVICES["prometheus"]["command"] if "retention.time" in word]
    assert int(days) >= 30


def test_compose__grafanas_home__is_a_dashboard_it_mounts() -> None:
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (ROOT / "dashboards" / "provisioning" / home.removeprefix("/etc/grafana/provisioning/")).is_file()


def test_example_config__is_accepted__and_listens_where_the_container_publishes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FARM_PASSWORD", "a password")
    config = load(DEPLOY / "emuwatch" / "config.example.yaml")
    assert (config.listen_host, config.listen_port) == ("0.0.0.0", 9877)
    assert str(config.data_dir) == json.loads(only(FINAL, "VOLUME"))[0]
    (transport,) = [workstation.transport for workstation in config.workstations]
    assert transport is not None
    assert isinstance(transport.params, Params)
    assert transport.params.known_hosts == DEPLOY / "emuwatch" / "known_hosts", "beside the config, mounted with it"
