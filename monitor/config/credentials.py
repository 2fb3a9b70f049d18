"""``credentials:``: who logs in. A secret comes from a file or the environment, never from the config itself.

No message here shows a value, right or wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from monitor.config.context import Context
from monitor.config.environment import Expanded
from monitor.config.files import check_regular, locate, open_to_all, read_secret
from monitor.config.shapes import CredentialKeys
from monitor.config.source import Section
from monitor.config.words import mapping, validated
from monitor.transports import Credential

_VARIABLE: Final = re.compile(r"[^A-Za-z0-9]+")


def read_credentials(named: Section, context: Context) -> Mapping[str, Credential]:
    """Build every credential; those that are wrong are left out and reported."""
    found: dict[str, Credential] = {}
    for name in named:
        section = mapping(named[name], named.place(name), context.report)
        credential = _credential(name, section, context) if section is not None else None
        if credential is not None:
            found[name] = credential
    return found


def _credential(name: str, section: Section, context: Context) -> Credential | None:
    written = [key for key in ("password", "passphrase") if not _from_environment(section, key, name, context)]
    keys = validated(CredentialKeys, section, context.report)
    if keys is None or written:
        return None
    for key in ("password", "passphrase"):
        if key in section and f"{key}_file" in section:
            context.report.add(section.place(f"{key}_file"), f"stands beside {key}; keep one of the two")
    if "passphrase" in section or "passphrase_file" in section:
        _needs_key(section, context)
    return Credential(
        user=keys.user,
        password=_secret(section, "password", context),
        passphrase=_secret(section, "passphrase", context),
        key_file=_key_file(section, context),
    )


def _from_environment(section: Section, key: str, name: str, context: Context) -> bool:
    """Refuse a secret that is written down in the config."""
    value = section.get(key)
    if key not in section:
        return True
    if isinstance(value, Expanded) and value.whole:
        if not value and value.values[0][0][2:-1] in context.environ:
            context.report.add(section.place(key), f"the environment variable {value.raw[2:-1]} is empty")
        return True
    variable = f"{_VARIABLE.sub('_', name).strip('_').upper() or 'FARM'}_{key.upper()}"
    words = f'a {key} is not written into a config; write "${{{variable}}}" or use {key}_file'
    context.report.add(section.place(key), words)
    return False


def _needs_key(section: Section, context: Context) -> None:
    if "key_file" not in section:
        key = "passphrase" if "passphrase" in section else "passphrase_file"
        context.report.add(section.place(key), "belongs to a key; add key_file")


def _secret(section: Section, key: str, context: Context) -> SecretStr | None:
    """The secret named `key`, from the environment or from ``<key>_file``."""
    if key in section:
        return SecretStr(str(section[key]))
    text = section.get(f"{key}_file")
    if text is None:
        return None
    place = section.place(f"{key}_file")
    path = locate(text, context.base, context.environ)
    context.files.append(path)
    try:
        secret = read_secret(path)
    except ValueError as exc:
        context.report.add(place, f"{path} {exc}")
        return None
    if open_to_all(path):
        context.report.warn(place, f"{path} can be read by everybody on this machine; run chmod 600")
    return SecretStr(secret)


def _key_file(section: Section, context: Context) -> Path | None:
    text = section.get("key_file")
    if text is None:
        return None
    path = locate(text, context.base, context.environ)
    try:
        check_regular(path)
    except ValueError as exc:
        context.report.add(section.place("key_file"), f"{path} {exc}")
        return None
    if open_to_all(path):
        context.report.warn(
            section.place("key_file"), f"{path} can be read by everybody on this machine; run chmod 600"
        )
    return path
