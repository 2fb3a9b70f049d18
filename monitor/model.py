"""The words every other module shares: what is probed, what was seen, what we believe.

Pure values: frozen, without I/O, without a clock. Nothing here decides anything; `monitor.fleet` turns
results into beliefs, `monitor.breaker` decides who may ask.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

NOTHING: Final[Mapping[str, str]] = MappingProxyType({})
"""An immutable empty mapping, for defaults."""


class Category(enum.StrEnum):
    """Which layer a breaker guards, and so which layer an error is blamed on, from outside in."""

    NETWORK = "network"
    """Reaching one endpoint: a port, or ICMP."""
    WORKSTATION = "workstation"
    """Logging in over a transport and running a command."""
    EXTERNAL = "external"
    """A program there that others can do without: an emulator console, the adb server, the script of ``host``."""
    EMULATOR = "emulator"
    """One guest, or the lifecycle commands of a workstation (scope ``operation``)."""


class Severity(enum.IntEnum):
    """How much an error says against the layer it names; a breaker counts from HIGH by default."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """The lower-case name, as in metric labels and config."""
        return self.name.lower()


class Reason(enum.StrEnum):
    """Why something is not well: a closed list, because it is a metric label."""

    REFUSED = "refused"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    RESET = "reset"
    DNS = "dns"
    TLS = "tls"
    HOST_KEY = "host_key"
    AUTH = "auth"
    PERMISSION = "permission"
    QUOTA = "quota"
    SHELL_LOST = "shell_lost"
    NOT_INSTALLED = "not_installed"
    COMMAND_FAILED = "command_failed"
    OUTPUT_TOO_LARGE = "output_too_large"
    PROTOCOL = "protocol"
    """An answer that is not the protocol spoken of: garbage, usage text, a wrong banner."""
    OFFLINE = "offline"
    BOOTING = "booting"
    """A guest that answers and has not finished booting."""
    UNAUTHORIZED = "unauthorized"
    UNEXPECTED = "unexpected"
    """A proper answer that is not the configured one: another HTTP status, an emulator not running."""
    THRESHOLD = "threshold"
    """A proper answer beyond a configured limit: loss, days left, disk free."""
    WITNESSES_DISAGREE = "witnesses_disagree"
    SUPPRESSED = "suppressed"
    """Not asked, because a breaker on the way is open."""
    LOCAL = "local"
    """The monitor itself could not ask (no permission, no descriptor, a defect of ours)."""


class Status(enum.StrEnum):
    """What we believe of a check, an emulator or a workstation. Stale is a flag beside it, not a status."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"
    UNKNOWN = "unknown"


_BADNESS: Final = {Status.UP: 0, Status.UNKNOWN: 1, Status.DEGRADED: 2, Status.DOWN: 3}


def worst(*statuses: Status) -> Status:
    """The worst of several: DOWN > DEGRADED > UNKNOWN > UP; UNKNOWN when there are none."""
    return max(statuses, key=_BADNESS.__getitem__, default=Status.UNKNOWN)


class Verdict(enum.StrEnum):
    """What an answer says. Not to be mixed up with `Status`: a verdict needs an answer."""

    UP = "up"
    DEGRADED = "degraded"
    DOWN = "down"


class Outcome(enum.StrEnum):
    """How a run ended, as counted in ``emuwatch_check_runs_total``."""

    SUCCESS = "success"
    """Something answered, whatever it said."""
    FAILURE = "failure"
    TIMEOUT = "timeout"
    SUPPRESSED = "suppressed"
    """A breaker of the path refused; nothing was sent."""
    SKIPPED = "skipped"
    """The previous run of the same check was still going; nothing was sent."""
    ERROR = "error"
    """We could not ask for a reason of our own (`monitor.errors.LocalError`)."""


class Platform(enum.StrEnum):
    """What a workstation runs; decides how a command line is quoted and its code page asked."""

    WINDOWS = "windows"
    LINUX = "linux"


class Lane(enum.StrEnum):
    """Where a probe waits for its place."""

    SOCKET = "socket"
    """Costs a file descriptor and nothing else."""
    PROCESS = "process"
    """Starts a subprocess on the monitor's own machine."""
    THREAD = "thread"
    """Holds a thread of a pool."""


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """What one breaker guards: a layer of one workstation, e.g. ``(network, ws-01, ssh:22)``."""

    category: Category
    workstation: str
    scope: str

    def __str__(self) -> str:
        return f"{self.category}/{self.workstation}/{self.scope}"


@dataclass(frozen=True, slots=True)
class TransportSpec:
    """How commands get to a workstation: the transport's name and its own validated parameters."""

    kind: str
    params: object
    """An instance of the transport's own `Params`; holds a *reference* to a credential, never a secret."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workstation:
    """A machine that runs emulators. `id` is its label everywhere; `host` is where it is reached."""

    id: str
    host: str
    site: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING, hash=False)
    transport: TransportSpec | None = None
    platform: Platform = Platform.WINDOWS
    code_page: str | None = None
    """Python codec name of the ANSI code page; None: ask the host once."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One check of one workstation, ready to run."""

    workstation: Workstation
    name: str
    kind: str
    params: object = field(hash=False)
    """An instance of the check's own `Params`."""
    path: tuple[Key, ...]
    """The breakers to pass, outermost first; the last guards the check's own layer."""
    through: int = 0
    """How many leading keys of the path are merely travelled through; the rest are what the check asks about."""
    interval: float
    timeout: float
    jitter: float = 0.0
    """Seconds a run may be later than its turn, by chance."""
    down_after: int = 2
    up_after: int = 1
    critical: bool = False
    """Whether its failure makes the workstation DOWN instead of DEGRADED."""
    labels: Mapping[str, str] = field(default_factory=lambda: NOTHING, hash=False)
    emulator: str | None = None
    """The emulator (``<driver>:<index>``) this check bears witness of, if one."""
    lane: Lane = Lane.SOCKET
    each: bool = False
    """Whether it is a pattern: it never runs itself, but one target made from it for every emulator known."""
    adb_port: int | None = None
    """The guest's ADB port on the workstation, when the target was made for an emulator."""

    @property
    def id(self) -> str:
        """``<workstation>/<check>``, unique in a config."""
        return f"{self.workstation.id}/{self.name}"

    def owns(self, key: Key) -> bool:
        """Whether `key` is a layer this check asks about, not one it merely travels through."""
        return key in self.path[self.through :]

    def layer(self, category: Category) -> Key:
        """The key of the path an error of `category` is blamed on; the own layer when none matches."""
        return next((key for key in self.path if key.category is category), self.path[-1])


class EmulatorRun(enum.StrEnum):
    """What a console says of an instance, before any other witness is heard."""

    RUNNING = "running"
    STARTING = "starting"
    STOPPED = "stopped"
    DEGRADED = "degraded"
    """Window without VM, or VM without window."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entity:
    """One instance a console lists. Identity is driver and index; the title repeats, changes, may be damaged."""

    driver: str
    index: int
    """Its number; where the product has none (`key`), its place in this listing."""
    title: str
    run: EmulatorRun
    key: str = ""
    """The name a product without numbers knows it by: a BlueStacks engine, an AVD."""
    expected: bool | None = None
    """Whether it is expected to run; None: nobody said."""
    boot_limit: float = 240.0
    """Seconds after which a start is stuck."""
    adb_port: int | None = None
    pids: tuple[int, ...] = ()

    @property
    def id(self) -> str:
        """``<driver>:<index>``; ``<driver>:<key>`` where the product has no numbers."""
        return f"{self.driver}:{self.key or self.index}"


@dataclass(frozen=True, slots=True)
class Volume:
    """A disk as its workstation names it: ``C:`` or ``/home``."""

    name: str
    size_bytes: int
    free_bytes: int


class ProcessKind(enum.StrEnum):
    """What a process is to its emulator."""

    WINDOW = "window"
    """What the user sees; it ends first."""
    VM = "vm"
    """The virtual machine; it may outlive the window, or the window it."""
    WHOLE = "whole"
    """Window and machine in one (BlueStacks, the Android emulator)."""
    SERVICE = "service"
    """Shared by all emulators of the product."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """A process that belongs to an emulator, or to a product."""

    driver: str
    kind: ProcessKind
    pid: int
    index: int | None = None
    """None: its command line does not say, or the product has keys."""
    key: str = ""

    @property
    def emulator(self) -> str | None:
        """The id of the emulator it belongs to (`Entity.id`); None: not known, or all of them."""
        if self.kind is ProcessKind.SERVICE or (self.index is None and not self.key):
            return None
        return f"{self.driver}:{self.key or self.index}"


@dataclass(frozen=True, slots=True)
class Listening:
    """A TCP port that is listened on, in the ranges emulators use."""

    port: int
    pid: int | None = None
    """Whose; None: the host did not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What a workstation says of itself. None and empty: it did not tell."""

    cpu_ratio: float | None = None
    memory_total_bytes: int | None = None
    memory_available_bytes: int | None = None
    commit_limit_bytes: int | None = None
    """All that may be promised to programs: memory and page file."""
    commit_available_bytes: int | None = None
    """What may still be promised; below 0 where the host promises more than it has."""
    boot_time_seconds: float | None = None
    """Unix time."""
    gpu_ratio: float | None = None
    gpus: tuple[str, ...] = ()
    """Names of the graphics cards."""
    volumes: tuple[Volume, ...] = ()
    processes: tuple[Process, ...] | None = None
    """Those of emulators; None: they could not be listed. Empty: there are none."""
    listening: tuple[Listening, ...] | None = None
    """None: the ports could not be listed."""
    code_page: str | None = None
    """Python codec name of the ANSI code page."""


Fact = float | int | str | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Something answered, whatever it said: HTTP 500, a title not running, a disk too full."""

    verdict: Verdict = Verdict.UP
    reason: Reason | None = None
    """Set exactly when the verdict is not UP."""
    message: str = ""
    """For people: what was seen, in words. May hold text from the host."""
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """Figures read on the way, by name with unit (``certificate_end_timestamp_seconds``)."""
    entities: tuple[Entity, ...] | None = None
    """The instances a console lists; None: this check does not list any. Empty: it lists none."""
    host: HostFacts | None = None
    """What the workstation says of itself; None: this check does not ask that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Nobody answered properly: which layer, how bad, why."""

    category: Category
    severity: Severity
    reason: Reason
    message: str
    recoverable: bool = True


@dataclass(frozen=True, slots=True)
class Blocked:
    """The breaker that refused a run, and when it will admit a trial (seconds from the refusal)."""

    key: Key
    retry_after: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """How one run of one target ended. Exactly one of the four follows the outcome."""

    target: Target
    outcome: Outcome
    at: float
    """Unix time at which the outcome was known."""
    duration: float = 0.0
    """Seconds from the first permit to the outcome; 0 when nothing was sent."""
    observation: Observation | None = None
    failure: Failure | None = None
    blocked: Blocked | None = None
    local: str | None = None
    """Why the monitor itself could not ask."""
    tripped: Key | None = None
    """The breaker this run opened."""


class SubjectKind(enum.StrEnum):
    """What a transition or a notice is about."""

    WORKSTATION = "workstation"
    CHECK = "check"
    EMULATOR = "emulator"
    MONITOR = "monitor"
    """The monitor itself: told of, never the subject of a transition."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """A belief that changed; `old` is the `new` of the transition before it for the same subject."""

    kind: SubjectKind
    workstation: str
    name: str
    """The check's name or the emulator's id; empty for the workstation itself."""
    old: Status
    new: Status
    at: float
    """Unix time."""
    message: str
    first: bool = False
    """Whether `old` was never more than "not asked yet"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckState:
    """What we believe of one check."""

    target: Target
    status: Status = Status.UNKNOWN
    since: float | None = None
    """Unix time of the last change of `status`; None: never known."""
    reason: Reason | None = None
    message: str = "not asked yet"
    pending: str = ""
    """What the last runs say, while there are too few of them to believe it; empty when they agree with `status`."""
    stale_since: float | None = None
    """Unix time since which its own breaker keeps it from being asked; None: fresh."""
    flapping: bool = False
    last_outcome: Outcome | None = None
    last_run: float | None = None
    """Unix time of the last run that sent something."""
    last_duration: float | None = None
    """Seconds; None while the check is not run (suppressed)."""
    last_success: float | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    host: HostFacts | None = None
    """What the workstation said of itself when it was last asked."""
    blocked: Blocked | None = None
    """The breaker that refused the last run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorState:
    """What we believe of one emulator."""

    id: str
    driver: str
    index: int
    title: str
    state: str
    """running, starting, stuck_boot, stopped, zombie, frozen, adb_off, unknown."""
    status: Status
    since: float
    """Unix time of the last change of `status`."""
    reason: Reason | None
    message: str
    expected: bool | None
    first_seen: float
    last_seen: float
    flapping: bool = False
    boot_seconds: float | None = None
    """How long its last boot took that was seen from beginning to end."""
    boot_limit: float = 240.0
    """Seconds after which a start is stuck."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkstationState:
    """What we believe of one workstation and all that hangs on it."""

    workstation: Workstation
    status: Status
    since: float | None
    message: str
    flapping: bool
    checks: tuple[CheckState, ...]
    emulators: tuple[EmulatorState, ...]
    """Known emulators, by driver and index."""
