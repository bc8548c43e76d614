"""What a failed build says in a sentence: the compiler's own last error, and what is probably missing. Pure, but for
the data file that it reads."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import WheelError
from edgekit.host.wheel.cross.sources import Source
from edgekit.schema.reader import from_toml

_LAST_LINES = 40
_ERROR = re.compile(r"^.*\b(?:fatal error|error|Error|ERROR)\b\s*:.*$", re.MULTILINE)
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?\w*(?:Error|Exception|Exit)\b: .+$", re.MULTILINE)
_NOISE = re.compile(
    r"subprocess.CalledProcessError|command .* failed with exit|[Cc]ommand '?\[|metadata-generation-failed"
    r"|Backend subprocess|CompileError: command|LinkError: command|DistutilsExecError|BuildBackendException"
)
_HEADER = re.compile(r"'([\w./+-]+\.(?:h|hh|hpp|hxx))' file not found|([\w./+-]+\.h(?:pp)?): No such file")
_LIBRARY = re.compile(
    r"unable to find (?:dynamic system )?library '([\w.+-]+)'|(?:library not found for|cannot find) -l([\w.+-]+)"
)
_PKG_CONFIG = re.compile(
    r"No package '([\w.+-]+)' found|Package ([\w.+-]+) was not found|Dependency \"([\w.+-]+)\" not found"
    r"|Dependency lookup for ([\w.+-]+) with method"
)
_CMAKE = re.compile(r"Could NOT find (\w+)|provided by \"(\w+)\"|configuration file\s+provided by \"(\w+)\"")
_PROGRAM = re.compile(
    r"No such file or directory: '([\w.+-]+)'|([\w.+-]+): (?:command )?not found|Program '([\w.+-]+)' not found"
)
_DOWNLOAD = re.compile(
    r"error: downloading|Failed to clone|Git command failed|Could not resolve host|FetchContent.*(?:failed|Error)"
    r"|<urlopen error|could not get https?://|wrapdb.*(?:failed|Error)",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """Who has a header or library."""

    package: str
    """Debian package of arm64, or another cure in words."""
    headers: tuple[str, ...] = ()
    libraries: tuple[str, ...] = ()
    """Names for the linker, pkg-config and CMake."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """`cross/headers.toml`."""

    providers: tuple[Provider, ...]


def explain_failure(source: Source, said: str, log: Path, hints: Path) -> WheelError:
    """The error for what a build said.

    Args:
        source: what was built.
        said: all that was said.
        log: file that holds all of it.
        hints: `cross/headers.toml`.
    """
    providers = _read(hints)
    first = _last_error(said)
    cure = next(_cures(source, said, providers), "")
    return WheelError(
        f"{source} does not build: {first}",
        hint=f"{cure}; the whole log: {log}" if cure else f"the whole log: {log}",
        details="\n".join(said.strip().splitlines()[-_LAST_LINES:]),
    )


def _last_error(said: str) -> str:
    """The compiler's last error, else the last exception, else the last line."""
    for pattern in (_ERROR, _EXCEPTION):
        found = [line for line in pattern.findall(said) if not _NOISE.search(line)]
        if found:
            return str(found[-1]).strip()
    lines = said.strip().splitlines()
    return lines[-1].strip() if lines else "it says nothing"


def _cures(source: Source, said: str, providers: Providers) -> Iterator[str]:
    """What is probably missing, likeliest first."""
    rule = f"cross/packages/{source.name}.toml"
    for name in _names(_HEADER, said):
        yield f"it misses the header {name}{_where(name, providers, rule)}"
    for pattern, kind in ((_LIBRARY, "library"), (_PKG_CONFIG, "library"), (_CMAKE, "library")):
        for name in _names(pattern, said):
            yield f"it misses the {kind} {name}{_where(name, providers, rule)}"
    if _DOWNLOAD.search(said):
        yield f"it downloads while it builds; give it the files through {rule}"
    for name in _names(_PROGRAM, said):
        yield f"it calls the program {name}, which is not there"


def _where(name: str, providers: Providers, rule: str) -> str:
    for provider in providers.providers:
        if name in provider.headers or any(name.endswith("/" + header) for header in provider.headers):
            return f", which {provider.package} has: name that in {rule}"
        if name in provider.libraries:
            return f", which {provider.package} has: name that in {rule}"
    return f": find its Debian package (arm64) and name it in {rule}"


def _names(pattern: re.Pattern[str], said: str) -> Iterator[str]:
    for found in pattern.finditer(said):
        yield next(group for group in found.groups() if group)


def _read(file: Path) -> Providers:
    if not file.is_file():
        return Providers(providers=())
    return from_toml(Providers, file.read_text(encoding="utf-8"), str(file))
