"""The sections of a config as pydantic models: which keys there are, of which type, with which defaults.

Parts whose shape depends on other parts (`checks`, `transport`, `credentials`, templates by name) are `Any` here and
read by the module named after them.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema
from pydantic.config import JsonDict

from monitor.config.source import shown
from monitor.durations import Duration, between
from monitor.model import Platform

_LABEL: Final = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:%-]{0,99}")
_HOST: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]{0,252}[A-Za-z0-9_.])?")
_OCTETS: Final = re.compile(r"[0-9.]+")
_EMULATOR: Final = re.compile(r"[a-z][a-z0-9_]*:[\w.-]{1,80}")
_NUMBER: Final = re.compile(r"[0-9]{1,5}")
_CODEC: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,39}")
_WRITTEN: Final[JsonDict] = {"pattern": r"^\$\{[A-Za-z_][A-Za-z0-9_]*\}$"}
_LISTEN: Final = re.compile(r"(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_HIGHEST_PORT: Final = 65535

RESERVED: Final = frozenset(
    {
        "category",
        "check",
        "driver",
        "emulator",
        "host",
        "kind",
        "le",
        "platform",
        "quantile",
        "reason",
        "scope",
        "severity",
        "site",
        "state",
        "status",
        "title",
        "transport",
        "workstation",
    }
)
"""Labels the metrics set themselves."""

_CODE_PAGES: Final = {
    65001: "utf-8",
    54936: "gb18030",
    20127: "ascii",
    20866: "koi8-r",
    21866: "koi8-u",
    51932: "euc-jp",
    51949: "euc-kr",
    **{28590 + part: f"iso8859-{part}" for part in range(1, 17) if part != 12},  # noqa: PLR2004 - never published
}
"""Windows' numbers of code pages that Python does not call ``cp<number>``."""


def check_label_name(name: str) -> str:
    """Accept what Prometheus takes as a label and the metrics don't set themselves."""
    if not _LABEL.fullmatch(name) or name.startswith("__"):
        raise ValueError("a label is letters, digits and _, begins with no digit and not with __")
    if name in RESERVED:
        raise ValueError("this label is set by the metrics themselves; choose another name")
    return name


def check_name(text: str) -> str:
    """Accept a name that can stand in a URL, a label and a log line."""
    if not _NAME.fullmatch(text):
        raise ValueError(f"{text[:100]!r} must be letters, digits and . _ : % -, beginning with a letter or digit")
    return text


def check_host(text: str) -> str:
    """Accept a host name or an address."""
    if _OCTETS.fullmatch(text) or ":" in text:
        try:
            ipaddress.ip_address(text)
        except ValueError:
            raise ValueError(f"{text[:100]!r} is no IP address") from None
    elif not _HOST.fullmatch(text):
        raise ValueError(f"{text[:100]!r} is neither a host name nor an address")
    return text


def check_printable(text: str) -> str:
    """Accept what fits on one line."""
    if not text.isprintable():
        raise ValueError(f"{text[:40]!r} holds a control character")
    return text


def check_code_page(value: object) -> str:
    """Accept a Windows code page by number, or a Python codec by name; give the codec's name."""
    text = str(value) if isinstance(value, (int, str)) and not isinstance(value, bool) else ""
    codec = _CODE_PAGES.get(int(text), f"cp{int(text)}") if _NUMBER.fullmatch(text) else text
    try:
        b"a".decode(codec if _CODEC.fullmatch(codec) else "none", "replace")
    except (LookupError, ValueError):
        raise ValueError(f"{shown(value)} is no code page known here; write 936, 1251, 65001 or utf-8") from None
    return codec


def check_emulator(text: str) -> str:
    """Accept ``<driver>:<index>``."""
    if not _EMULATOR.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is no emulator; write <driver>:<index>, such as ldplayer:3 or avd:Pixel_7")
    return text


def check_listen(text: str) -> str:
    """Accept ``host:port``."""
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[2]) > _HIGHEST_PORT:
        raise ValueError(f"{text[:100]!r} is no address to listen on; write 127.0.0.1:9877, 0.0.0.0:9877 or [::1]:9877")
    return text


def check_external_url(text: str) -> str:
    """Accept the address of the page as people reach it."""
    parts = urlsplit(text)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.username or parts.query or parts.fragment:
        raise ValueError("must be an address such as https://monitor.example/emuwatch, without user, ? and #")
    return text.rstrip("/")


Interval = Annotated[Duration, between(0.1, 7 * 86_400)]
Timeout = Annotated[Duration, between(0.01, 3600)]
Jitter = Annotated[Duration, between(0.0, 3600)]
Wait = Annotated[Duration, between(0.01, 7 * 86_400)]
Times = Annotated[int, Field(ge=1, le=1000)]
Name = Annotated[str, AfterValidator(check_name)]
Labels = dict[Annotated[str, AfterValidator(check_label_name)], str]
CodePage = Annotated[str, BeforeValidator(check_code_page), WithJsonSchema({"type": ["integer", "string"]})]
Emulator = Annotated[str, AfterValidator(check_emulator)]
Word = Annotated[str, Field(min_length=1, max_length=1000), AfterValidator(check_printable)]


class Shape(BaseModel):
    """Base of all sections: frozen, unknown keys are errors, errors hold no input."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class LogKeys(Shape):
    """``log:``."""

    format: Literal["console", "json"] = Field("console", description="console: for people; json: one object a line")
    level: Literal["debug", "info", "warning", "error"] = "info"


class StoreKeys(Shape):
    """``store:``."""

    url: Word | None = Field(
        None,
        description="sqlite:///FILE or postgresql://USER:${PASSWORD}@HOST/DATABASE; default: emuwatch.db in data_dir",
    )
    retention: Annotated[Duration, between(86_400, 366 * 86_400)] = Field(
        90 * 86_400.0, description="how long events are kept; default 90d"
    )


class LaneKeys(Shape):
    """``lanes:``."""

    process: Times | None = Field(None, description="subprocesses at once; default: twice the CPUs, at least 4")


class DefaultKeys(Shape):
    """``defaults:`` of every check."""

    interval: Interval = Field(30.0, description="from one run to the next; default 30s")
    timeout: Timeout = Field(
        5.0, description="after which a run has failed; default 5s, never over the interval, not less than a kind needs"
    )
    down_after: Times = Field(2, description="failures in a row that make a check DOWN")
    up_after: Times = Field(1, description="answers in a row that make it UP again")
    jitter: Jitter = Field(0.0, description="a run is up to so much later than its turn, by chance; default 0s")


class PolicyKeys(Shape):
    """When a breaker opens, for how long, and how it comes back."""

    failures: Times | None = Field(None, description="failures within the window that open it")
    min_severity: Literal["low", "medium", "high", "critical"] | None = Field(None, description="what counts as one")
    window: Wait | None = Field(None, description="leave it out: as long as the fastest check needs, at least 60s")
    open_time: Wait | None = Field(None, description="until one trial is let through")
    backoff_factor: Annotated[float, Field(ge=1, le=10)] | None = Field(
        None, description="of open_time, per failed trial"
    )
    backoff_cap: Wait | None = Field(None, description="the longest open time back-off leads to")
    jitter: Annotated[float, Field(ge=0, le=1)] | None = Field(None, description="share of open_time it varies by")
    lease: Wait | None = Field(None, description="after which a trial nobody reported on is given up")


class BreakerKeys(PolicyKeys):
    """``breakers:``: defaults for all, then per category."""

    network: PolicyKeys | None = Field(None, description="reaching one endpoint")
    workstation: PolicyKeys | None = Field(None, description="logging in and running a command")
    external: PolicyKeys | None = Field(None, description="the emulator console")
    emulator: PolicyKeys | None = Field(None, description="one guest")


class CredentialKeys(Shape):
    """One of ``credentials:``. Without a key and a password the ssh agent is asked."""

    user: str = ""
    password: str | None = Field(
        None, description="only as ${NAME}: a variable of the environment", json_schema_extra=_WRITTEN
    )
    password_file: Word | None = Field(None, description="a file that holds the password, and nothing else")
    key_file: Word | None = Field(None, description="a private key")
    passphrase: str | None = Field(None, description="of the key; only as ${NAME}", json_schema_extra=_WRITTEN)
    passphrase_file: Word | None = Field(None, description="a file that holds the passphrase")


class TemplateKeys(Shape):
    """What workstations have in common."""

    platform: Platform | None = None
    site: str | None = None
    labels: Labels = Field(default_factory=dict)
    code_page: CodePage | None = Field(
        None, description="ANSI code page, such as 936; left out: the host is asked once"
    )
    transport: Any = None
    checks: list[Any] = Field(default_factory=list)


class EntryKeys(TemplateKeys):
    """One of ``workstations:``; ranges in `id` and `host` make it several."""

    id: Word | None = Field(None, description="name everywhere, such as ws-[01-40]; default: the host")
    host: Word | None = Field(None, description="name or address, such as 192.168.0.[50-57]; default: the id")
    template: Word | None = None
    templates: list[Word] = Field(default_factory=list, description="several, merged in this order")


class CheckKeys(Shape):
    """The keys all checks have; the others belong to the kind."""

    kind: Word
    name: Name | None = Field(None, description="default: the kind")
    interval: Interval | None = None
    timeout: Timeout | None = None
    down_after: Times | None = None
    up_after: Times | None = None
    jitter: Jitter | None = None
    labels: Labels = Field(default_factory=dict)
    critical: bool = Field(default=False, description="its failure makes the workstation DOWN instead of DEGRADED")
    emulator: Emulator | None = Field(None, description="the emulator it bears witness of, such as ldplayer:3")
    enabled: bool = Field(default=True, description="false: not run; takes a check of a template away")


class InventoryKeys(Shape):
    """A file of ``inventory_files:``."""

    workstations: list[Any] = Field(default_factory=list)


class RootKeys(InventoryKeys):
    """The whole config."""

    listen: Annotated[str, AfterValidator(check_listen)] = "127.0.0.1:9877"
    data_dir: Word | None = Field(None, description="default: emuwatch in $XDG_STATE_HOME or ~/.local/state")
    external_url: Annotated[str, AfterValidator(check_external_url)] | None = None
    log: LogKeys = LogKeys()
    lanes: LaneKeys = LaneKeys()
    store: StoreKeys = StoreKeys()
    drain: Annotated[Duration, between(0, 3600)] = Field(5.0, description="how long running probes may end in peace")
    defaults: DefaultKeys = DefaultKeys()
    breakers: BreakerKeys = BreakerKeys()
    credentials: dict[str, Any] = Field(default_factory=dict)
    templates: dict[str, Any] = Field(default_factory=dict)
    gateways: list[Any] = Field(default_factory=list, description="whom to ask whether we are cut off ourselves")
    notifications: dict[str, Any] = Field(default_factory=dict, description="who is told what")
    silences: list[Any] = Field(default_factory=list, description="when nobody is told of what")
    maintenance: list[Any] = Field(default_factory=list, description="the same, and pages and metrics show it")
    inventory_files: list[Word] = Field(default_factory=list, description="files or globs that hold `workstations:`")
