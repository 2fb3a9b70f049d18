from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import pytest

from monitor.checks import AnyCheck
from monitor.config import Config, load_text
from monitor.config.environment import expand
from monitor.config.problems import Place, Report
from monitor.errors import ConfigError
from monitor.transports import AnyTransportKind

ONE = "workstations: [{host: a, template: t}]\n"
CHECKED = "templates: {t: {checks: [{kind: icmp}]}}\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secrets").mkdir()
    secret = tmp_path / "secrets" / "admin"
    secret.touch(mode=0o600)
    secret.write_bytes(b" hunter2 \r\n")
    key = tmp_path / "id_ed25519"
    key.touch(mode=0o600)
    return tmp_path


def loaded(text: str, base: Path, checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]) -> Config:
    environ = {"PASSWORD": "hunter2", "PHRASE": "hunter3", "HOME": str(base)}
    return load_text(
        text + ("" if "templates" in text else CHECKED) + ONE,
        base=base,
        environ=environ,
        checks=checks,
        transports=transports,
    )


def test_password_file__read_relative_to_the_config_without_its_line_end(
    folder: Path, checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]
) -> None:
    config = loaded("credentials: {a: {user: admin, password_file: secrets/admin}}\n", folder, checks, transports)
    password = config.credentials["a"].password
    assert password is not None
    assert password.get_secret_value() == " hunter2 "
    assert config.files == (folder / "secrets" / "admin",)
    assert config.warnings == ()


def test_environment__gives_password_and_passphrase(
    folder: Path, checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]
) -> None:
    text = 'credentials: {a: {password: "${PASSWORD}", key_file: ~/id_ed25519, passphrase: "${PHRASE}"}}\n'
    credential = loaded(text, folder, checks, transports).credentials["a"]
    assert credential.password is not None
    assert credential.passphrase is not None
    assert credential.password.get_secret_value() == "hunter2"
    assert credential.passphrase.get_secret_value() == "hunter3"
    assert type(credential.passphrase.get_secret_value()) is str
    assert credential.key_file == folder / "id_ed25519"


def test_repr__of_config_and_credentials__shows_no_secret(
    folder: Path, checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]
) -> None:
    text = """
credentials: {a: {password: "${PASSWORD}"}, b: {password_file: secrets/admin}}
templates:
  t: {checks: [{kind: http, url: "http://a", headers: {Authorization: "Bearer ${PASSWORD}"}}]}
"""
    config = loaded(text, folder, checks, transports)
    assert "hunter" not in repr(config) + str(config) + repr(config.credentials) + repr(config.targets)


def test_secret_readable_by_everybody__is_a_warning(
    folder: Path, checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]
) -> None:
    path = folder / "secrets" / "admin"
    path.chmod(0o644)
    config = loaded("credentials: {a: {password_file: secrets/admin}}\n", folder, checks, transports)
    assert [str(warning) for warning in config.warnings] == [
        f"<text>:1: credentials.a.password_file: {path} can be read by everybody on this machine; run chmod 600"
    ]


def test_secret_no_permission__says_so(
    folder: Path,
    checks: Mapping[str, AnyCheck],
    transports: Mapping[str, AnyTransportKind],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may read everything
    with pytest.raises(ConfigError, match=r"secrets/admin cannot be read: no permission to read it$"):
        loaded("credentials: {a: {password_file: secrets/admin}}\n", folder, checks, transports)


def test_secret_that_is_a_pipe__is_not_waited_for(
    folder: Path, checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]
) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(ConfigError, match="cannot be read: it is no regular file"):
        loaded("credentials: {a: {password_file: pipe}}\n", folder, checks, transports)


@pytest.mark.parametrize("name", ["a\\0b", "x" * 300, "secrets/admin/x"])
def test_secret_with_an_impossible_name__is_an_error_like_others(
    name: str, folder: Path, checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]
) -> None:
    with pytest.raises(ConfigError, match=r"^<text>:1: credentials\.a\.key_file: "):
        loaded(f'credentials: {{a: {{key_file: "{name}"}}}}\n', folder, checks, transports)


def test_validator_that_quotes_its_input__shows_the_variable_instead(
    folder: Path, checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]
) -> None:
    text = 'templates: {t: {checks: [{kind: http, url: "ftp://me:${PASSWORD}@a"}]}}\n'
    with pytest.raises(ConfigError) as caught:
        loaded(text, folder, checks, transports)
    assert str(caught.value) == ("<text>:1: templates.t.checks[0].url: ftp://me:${PASSWORD}@a is no web address")


@pytest.mark.parametrize(
    "entry",
    [
        '{host: "${PASSWORD}!", template: t}',
        '{host: a, template: "${PASSWORD}"}',
        '{host: a, template: t, transport: {kind: "${PASSWORD}"}}',
        '{host: a, template: t, transport: {kind: ssh, credential: "${PASSWORD}"}}',
        '{host: a, checks: [{kind: "${PASSWORD}"}]}',
        '{host: a, checks: [{kind: icmp, name: "${PASSWORD}/"}]}',
        '{host: a, checks: [{kind: icmp, interval: "${PASSWORD}"}]}',
        '{host: a, template: t, code_page: "${PASSWORD}"}',
    ],
)
def test_variable_in_the_wrong_place__its_value_is_not_shown(
    entry: str, folder: Path, checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]
) -> None:
    text = f"templates: {{t: {{checks: [{{kind: icmp}}]}}}}\nworkstations: [{entry}]\n"
    with pytest.raises(ConfigError) as caught:
        load_text(text, base=folder, environ={"PASSWORD": "hunter2"}, checks=checks, transports=transports)
    assert "hunter2" not in str(caught.value)
    assert "${PASSWORD}" in str(caught.value)


def test_variable_longer_than_a_message_quotes__its_beginning_is_not_shown(
    folder: Path, checks: Mapping[str, AnyCheck], transports: Mapping[str, AnyTransportKind]
) -> None:
    secret = "hunter2'" * 40
    with pytest.raises(ConfigError) as caught:
        load_text(
            'workstations: [{host: "${PASSWORD}/", template: "${PASSWORD}", checks: [{kind: "${PASSWORD}"}]}]',
            base=folder,
            environ={"PASSWORD": secret},
            checks=checks,
            transports=transports,
        )
    assert "hunter2" not in str(caught.value)


def test_expanded__repr__is_what_was_written() -> None:
    assert repr(expand("a ${X}", {"X": "hunter2"}, Report(), Place("f", 1, "k"))) == "'a ${X}'"
