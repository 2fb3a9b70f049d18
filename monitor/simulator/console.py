"""What a simulated workstation's command line answers: ldconsole as measured on real ones, and a little of cmd.exe.

Pure answers: a command line in, bytes and an exit code out; nothing here waits or knows SSH. All errors of
ldconsole go to stdout, exit codes are the unsigned 32-bit numbers Windows tells, bytes are in the ANSI code page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from monitor.simulator.guest import Guest
from monitor.simulator.hostfacts import Hardware, powershell

CONSOLES: Final = frozenset({"ldconsole", "dnconsole"})
"""What the program is called."""
MISSPELT: Final = 2**32 - 1000
NO_PLAYER: Final = 2**32 - 1001

_WORD: Final = re.compile(r'((?:\\"|"(?:\\"|[^"])*"|[^\s"])+)')
_CARET: Final = re.compile(r'("[^"]*")|\^(.)')
_NLS_KEY: Final = r"HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Nls\CodePage"
_WINDOWS: Final = "\r\nMicrosoft Windows [Version 10.0.19045.4291]"
_USAGE: Final = (
    "dnplayer Command Line Management Interface\r\n"
    "Usage:\r\n"
    "  quit   <--name mnq_name | --index mnq_idx>\r\n"
    "  quitall\r\n"
    "  launch <--name mnq_name | --index mnq_idx>\r\n"
    "  isrunning <--name mnq_name | --index mnq_idx>\r\n"
    "  list\r\n"
    "  list2\r\n"
    "  runninglist\r\n"
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a command printed, and how it ended."""

    stdout: str = ""
    exit_code: int = 0
    stderr: str = ""


class Console:
    """The command line of one workstation."""

    def __init__(
        self, guests: Sequence[Guest], *, name: str, code_page: int = 936, hardware: Hardware | None = None
    ) -> None:
        self.name = name
        self.code_page = code_page
        self.hardware = hardware or Hardware()
        self.programs: dict[str, Callable[[Sequence[str]], Answer]] = {}
        """Further programs, by name in lower case."""
        self.commands: dict[str, Callable[[Sequence[str]], Answer | None]] = {}
        """Further commands of ldconsole; None leaves the answer to this class."""
        self.hung: Collection[str] = CONSOLES
        """Programs that hang while the workstation is told to."""
        self._guests = guests

    def hangs(self, command: str) -> bool:
        """Whether a command line is of those that give no answer while the workstation hangs."""
        return _program(_split(command)) in self.hung

    def encode(self, text: str) -> bytes:
        """The bytes this workstation prints."""
        return text.encode(f"cp{self.code_page}", errors="replace")

    def answer(self, command: str) -> Answer:
        """Run a command line."""
        argv = _split(command)
        if _program(argv) in CONSOLES:
            return self._ldconsole(argv[1:])
        program, words = _program(argv), argv[1:]
        if program == "reg":
            return self._reg(words)
        if program == "powershell":
            return Answer(*powershell(words, self._guests, self.hardware, self.code_page))
        if program in self.programs:
            return self.programs[program](words)
        plain = {"echo": " ".join(words), "hostname": self.name, "ver": _WINDOWS, "exit": ""}
        if program in plain:
            return Answer(f"{plain[program]}\r\n")
        message = f"'{argv[0] if argv else ''}' is not recognized as an internal or external command,\r\n"
        return Answer(exit_code=1, stderr=message + "operable program or batch file.\r\n")

    def _ldconsole(self, words: Sequence[str]) -> Answer:
        command, *options = words or ("",)
        if command in self.commands and (answer := self.commands[command](options)) is not None:
            return answer
        match command:
            case "list":
                return Answer(_lines(guest.title for guest in self._guests))
            case "list2":
                return Answer(_lines(guest.row() for guest in self._guests))
            case "runninglist":
                return Answer(_lines(guest.title for guest in self._guests if guest.claims()))
            case "quitall":
                for guest in self._guests:
                    guest.quit()
                return Answer()
        action = _ACTIONS.get(command)
        return Answer(_USAGE, MISSPELT) if action is None else action(self._find(options))

    def find(self, name: str) -> Guest | None:
        """Find an instance by index, else by title."""
        return self._find(["--index", name]) or self._find(["--name", name])

    def _find(self, options: Sequence[str]) -> Guest | None:
        match options:
            case ["--index", index]:
                return next((guest for guest in self._guests if str(guest.index) == index), None)
            case ["--name", title]:
                return next((guest for guest in self._guests if guest.title == title), None)
        return None

    def _reg(self, words: Sequence[str]) -> Answer:
        match [word.lower() for word in words]:
            case ["query", key, "/v", "acp"] if key.endswith(r"\control\nls\codepage"):
                return Answer(f"\r\n{_NLS_KEY}\r\n    ACP    REG_SZ    {self.code_page}\r\n\r\n")
        text = "ERROR: The system was unable to find the specified registry key or value.\r\n"
        return Answer(exit_code=1, stderr=text)


def _is_running(guest: Guest | None) -> Answer:
    return Answer("running" if guest is not None and guest.claims() else "stop")


def _launch(guest: Guest | None) -> Answer:
    if guest is None:
        return Answer(_USAGE, NO_PLAYER)
    guest.launch()
    return Answer()


def _quit(guest: Guest | None) -> Answer:
    if guest is None:
        return Answer("player don't exist!", NO_PLAYER)
    guest.quit()
    return Answer()


_ACTIONS: Final[Mapping[str, Callable[[Guest | None], Answer]]] = MappingProxyType(
    {"isrunning": _is_running, "launch": _launch, "quit": _quit}
)


def _split(command: str) -> list[str]:
    r"""Split as cmd.exe and the C runtime do for what we are sent: carets escape, quotes group, ``\"`` is a quote."""
    plain = _CARET.sub(lambda found: found[1] or found[2], command)
    words = ['"'.join(part.replace('"', "") for part in word.split('\\"')) for word in _WORD.findall(plain)]
    if _program(words) == "cmd":
        inner = next((at for at, word in enumerate(words) if word.lower() == "/c"), len(words) - 1)
        rest = words[inner + 1 :]
        return _split(rest[0]) if len(rest) == 1 else rest
    return words


def _program(argv: Sequence[str]) -> str:
    """The name of a program without folder and extension, in lower case."""
    return re.split(r"[\\/]", argv[0])[-1].lower().removesuffix(".exe") if argv else ""


def _lines(lines: Iterable[str]) -> str:
    return "".join(f"{line}\r\n" for line in lines)
