r"""Where emulator consoles usually are, and the one command that looks there; by product.

On Windows a PowerShell script goes through the PATH, the usual folders of every fixed drive and what the installers
wrote into the registry; it starts nothing. It prints a line for each program, and that it came to its end::

    ldplayer	C:\LDPlayer\LDPlayer9\ldconsole.exe
    @@end
"""

from __future__ import annotations

import ntpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from monitor.hostfacts.powershell import PREAMBLE, encoded, quoted
from monitor.model import Platform

END: Final = "@@end"
_TAB: Final = "\t"
_MOST: Final = 50
"""Programs that are taken for possible on one host."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Places:
    """Where a product's program may be on Windows."""

    programs: tuple[str, ...]
    """Names of the program, the best first; the others are the same under older names."""
    folders: tuple[str, ...] = ()
    """Below the root of a drive, with ``*``."""
    keys: tuple[str, ...] = ()
    """Registry keys whose ``InstallDir`` or ``InstallLocation`` is the folder of the product, with ``*``."""
    inside: tuple[str, ...] = ("",)
    """Where the program is inside that folder."""


_UNINSTALL: Final = (
    r"HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Uninstall",
    r"HKLM:\SOFTWARE\WOW6432Node\Microsoft\Windows\CurrentVersion\Uninstall",
)
WINDOWS: Final[Mapping[str, Places]] = MappingProxyType(
    {
        "ldplayer": Places(
            programs=("ldconsole.exe", "dnconsole.exe"),
            folders=tuple(
                rf"{below}{vendor}\*"
                for below in ("", "Program Files\\")
                for vendor in ("LDPlayer", "leidian", "XuanZhi", "ChangZhi")
            ),
            keys=(r"HKCU:\SOFTWARE\leidian\*", r"HKCU:\SOFTWARE\XuanZhi\*", r"HKLM:\SOFTWARE\leidian\*"),
        ),
        "mumu": Places(
            programs=("MuMuManager.exe",),
            folders=(r"Program Files\Netease\MuMu*\nx_main", r"Program Files\Netease\MuMu*\shell"),
            keys=tuple(rf"{key}\MuMu*" for key in _UNINSTALL),
            inside=("nx_main\\", "shell\\", ""),
        ),
        "memu": Places(
            programs=("memuc.exe",),
            folders=(r"Program Files\Microvirt\MEmu", r"Microvirt\MEmu"),
            keys=tuple(rf"{key}\MEmu*" for key in _UNINSTALL),
            inside=("MEmu\\", ""),
        ),
        "nox": Places(
            programs=("NoxConsole.exe",),
            folders=(r"Program Files\Nox\bin", r"Program Files (x86)\Nox\bin", r"Nox\bin"),
            keys=tuple(rf"{key}\Nox*" for key in _UNINSTALL),
            inside=("bin\\", ""),
        ),
        "bluestacks": Places(
            programs=("bluestacks.conf",), folders=(r"ProgramData\BlueStacks_nxt", r"ProgramData\BlueStacks_msi*")
        ),
        "avd": Places(
            programs=("emulator.exe",),
            folders=(r"Users\*\AppData\Local\Android\Sdk\emulator", r"Android\Sdk\emulator"),
        ),
    }
)

_SCRIPT: Final = r"""function o($n,$p){Get-Item -Path $p|?{!$_.PSIsContainer}|%{"$n`t$($_.FullName)"}}
$d=@(Get-CimInstance Win32_LogicalDisk -Filter DriveType=3|%{$_.DeviceID})
foreach($l in @(PLACES)){
$n,$g,$f,$k,$i=$l
foreach($x in $g){
Get-Command $x -CommandType Application|%{"$n`t$($_.Source)"}
foreach($r in $d){foreach($y in $f){o $n "$r\$y\$x"}}
foreach($y in $k){Get-ItemProperty $y|%{foreach($z in $_.InstallDir,$_.InstallLocation){
if($z){foreach($s in $i){o $n ($z.Trim('"').TrimEnd('\')+"\$s$x")}}}}}
}}
if($env:ANDROID_HOME){o 'avd' "$env:ANDROID_HOME\emulator\emulator.exe"}
'@@end'
"""


def _list(words: Sequence[str]) -> str:
    return f"@({','.join(map(quoted, words))})"


def _line(name: str, places: Places) -> str:
    parts = (places.programs, places.folders, places.keys, places.inside)
    return f",@({quoted(name)},{','.join(map(_list, parts))})"


SCRIPT: Final = PREAMBLE + _SCRIPT.replace("PLACES", "\n".join(_line(*each) for each in WINDOWS.items()))
"""What Windows is asked. The ``,`` before each row keeps PowerShell from making one long list of all."""

_LINUX: Final = r"""for e in "$(command -v emulator)" "$ANDROID_HOME/emulator/emulator" \
 "$ANDROID_SDK_ROOT/emulator/emulator" "$HOME/Android/Sdk/emulator/emulator" /opt/android-sdk/emulator/emulator; do
[ -f "$e" ] && [ -x "$e" ] && printf 'avd\t%s\n' "$e"
done
echo @@end
"""

_PATH: Final = {
    Platform.WINDOWS: re.compile(r"[A-Za-z]:\\[^\"<>|*?/:$%]{1,250}"),
    Platform.LINUX: re.compile(r"/[^\"'<>|*?\\$%]{1,250}"),
}
"""What a path may look like that goes into a config; ``$`` would mean a variable of the environment there."""


def argv(platform: Platform) -> Sequence[str]:
    """The command that looks for consoles."""
    return encoded(SCRIPT) if platform is Platform.WINDOWS else ("sh", "-c", _LINUX)


def parse(text: str, platform: Platform) -> tuple[tuple[str, str], ...] | None:
    """Read driver and program of each console that was found, each folder once; None: it did not come to its end."""
    lines = text.lstrip("\ufeff").splitlines()
    if END not in (line.strip() for line in lines):
        return None
    found: dict[tuple[str, str], str] = {}
    for name, path in _rows(lines, platform):
        place = (name, _folder(path, platform))
        if place not in found or _rank(name, path) < _rank(name, found[place]):
            found[place] = path
    return tuple((name, path) for (name, _), path in found.items())[:_MOST]


def _rows(lines: Sequence[str], platform: Platform) -> Iterator[tuple[str, str]]:
    for line in lines:
        name, tab, path = line.strip("\r\n ").partition(_TAB)
        if tab and name in WINDOWS and path.isprintable() and _PATH[platform].fullmatch(path):
            yield name, path


def _folder(path: str, platform: Platform) -> str:
    return ntpath.dirname(path).lower() if platform is Platform.WINDOWS else path


def _rank(name: str, path: str) -> int:
    """The place of a program among the names of its product."""
    names = [program.lower() for program in WINDOWS[name].programs]
    program = ntpath.basename(path).lower()
    return names.index(program) if program in names else len(names)
