"""What a failed build says in a sentence: the first thing that went wrong, and what is probably missing. Pure, but for
the data files that it reads."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import WheelError
from edgekit.host.wheel.cross.sources import Source
from edgekit.schema.reader import from_toml

_LAST_LINES = 40
_LONG_LINE = re.compile(r"^(.{1000}).+", re.MULTILINE)
"""More of a line says nothing, and patterns take the square of its length: a build may print megabytes in one."""
_ERROR = re.compile(r"^.*\b(?:fatal error|error|Error|ERROR)\b\s*:.*$", re.MULTILINE)
_EXCEPTION = re.compile(r"^(?:[\w.]+\.)?\w*(?:Error|Exception|Exit)\b: .+$", re.MULTILINE)
_NOISE = re.compile(
    r"subprocess.CalledProcessError|[Cc]ommand .* failed with exit|[Cc]ommand '?\[|metadata-generation-failed"
    r"|Backend subprocess|CompileError: command|LinkError: command|DistutilsExecError|BuildBackendException"
)
_PROBE = re.compile(
    r"^(?:/tmp/(?!\S*/crossbuild/)|\S*(?:conftest|_configtest|CMakeScratch|CMakeTmp|meson-private|/tmp\w{6,})\S*:\d)"
    r"|^ld.lld: .*/tmp/(?!\S*/crossbuild/)"
)
"""Errors in files that a build writes to find out what the compiler can do: it goes on after them. edgekit's cache may
lie below /tmp, too."""
_HEADER = re.compile(r"'([\w./+-]+\.(?:h|hh|hpp|hxx))' file not found|([\w./+-]+\.h(?:pp)?): No such file")
_LIBRARY = re.compile(
    r"unable to find (?:dynamic |static )?(?:system )?(?:library|libraries) ['\"]([\w.+-]+)['\"]"
    r"|(?:library not found for|cannot find) -l([\w.+-]+)"
)
_PKG_CONFIG = re.compile(
    r"No package '([\w.+-]+)' found|Package ([\w.+-]+) was not found|Dependency \"([\w.+-]+)\" not found"
    r"|Dependency lookup for ([\w.+-]+) with method"
)
_CMAKE = re.compile(r"Could NOT find (\w+)|provided by \"(\w+)\"|configuration file\s+provided by \"(\w+)\"")
_PROGRAM = re.compile(
    r"No such file or directory: '([\w.+-]+)'|([\w.+-]+): (?:command )?not found|Program '([\w.+-]+)' not found"
)
_OWN_MODULE = re.compile(r"No module named '([\w.]+)'")
_RUN = re.compile(
    r"Exec format error(?:: '([^']+)')?|([^\s:]+): (?:cannot execute binary file|Exec format error)"
    r"|qemu-aarch64\S*: Could not open '/lib/ld-linux-aarch64"
)
"""The last where this machine runs other machines' programs by emulation, and has not the board's libraries."""


_UNREACHED = re.compile(
    r"(?i)(?:could ?n[o']t resolve host(?:name)?:?(?: name)?|unable to resolve host address|failed to resolve"
    r"|getaddrinfo (?:ENOTFOUND|EAI_AGAIN)|dial tcp: lookup) +[`'\"(]*(?P<host>[\w.-]+\w)"
    r"|https?connectionpool\(host='(?P<pool>[^']+)'"
    r"|temporary failure in name resolution|name or service not known|\[errno -[23]\]"
    r"|network is unreachable|but --offline was specified"
)
"""What curl, git, ssh, wget, urllib3, node, Go, libc and cargo say where there is no network."""

_WHEEL = "take a version that has a wheel for the board"


_WITHOUT_NETWORK = (
    "unpack its sources, put what it downloads into them, and name that folder in place of the package; or " + _WHEEL
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of failure with one message and one remedy for every package."""

    patterns: tuple[str, ...]
    """Regular expressions."""
    cure: str
    message: str = ""
    """What it means; it stands before the build's own words. Empty: these say it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinds:
    """`cross/failures.toml`."""

    failures: tuple[Kind, ...]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What is known of a build that failed."""

    source: Source
    output: str
    """All that the build printed."""
    log: Path
    """File that holds all of it."""
    modules: tuple[str, ...] = ()
    """Modules that it had compiled for the board by then."""
    alone: bool = False
    """Whether it had no network."""


def explain_failure(failure: Failure, cross: Path) -> WheelError:
    """Turn a failed build's output into an error.

    Args:
        failure: what is known.
        cross: the data folder `cross`: its `headers.toml` and `failures.toml`.
    """
    output, source = failure.output, failure.source
    first = first_error(output)
    meaning, cure = _explain(failure, (first, _short(output)), cross)
    message = f"{meaning}: {first}" if meaning else first
    return WheelError(
        f"{source} does not build: {message}",
        hint=f"{cure}; the whole log: {failure.log}" if cure else f"the whole log: {failure.log}",
        details="\n".join(output.strip().splitlines()[-_LAST_LINES:]),
    )


def first_error(output: str) -> str:
    """The compiler's first error, else the last exception, else the last line.

    An error may bring others; of exceptions, the last is the one that ended the build. What only tells that a program
    failed, and errors of probes, count where there is nothing else.
    """
    output = _short(output)
    errors = [line for line in _ERROR.findall(output) if not _NOISE.search(line) and not _EXCEPTION.match(line)]
    real = [line for line in errors if not _PROBE.match(line)]
    exceptions = [line for line in _EXCEPTION.findall(output) if not _NOISE.search(line)]
    lines = output.strip().splitlines()
    chosen: list[str] = [*real[:1], *exceptions[-1:], *errors[:1], *lines[-1:], "it says nothing"]
    return chosen[0].strip()


def not_of_probes(output: str) -> str:
    """A compiler's output without errors in files that a build only writes to find out what it can do."""
    errors = _ERROR.findall(_short(output))
    return output if any(not _PROBE.match(line) for line in errors) else ""


def _short(output: str) -> str:
    """An output whose lines are short enough for patterns."""
    return _LONG_LINE.sub(r"\1", output)


def _explain(failure: Failure, texts: Iterable[str], cross: Path) -> tuple[str, str]:
    """What the failure means, and its cure, by the first of some texts that tells; both empty where none does."""
    kinds, providers = _kinds(cross / "failures.toml"), _providers(cross / "headers.toml")
    rule = f"cross/packages/{failure.source.name}.toml"
    for text in texts:
        if failure.alone and (lack := _unreached(text)):
            return f"its build asks for the network, which builds do not have ({lack})", _WITHOUT_NETWORK
        if ran := _what_it_ran(failure, text):
            cure = f"make beforehand what that makes, and give it to the build by `files` in {rule}; or {_WHEEL}"
            return f"it runs {ran}, which it has just compiled for the board", cure
        for kind in kinds:
            if any(re.search(pattern, text) for pattern in kind.patterns):
                return kind.message, kind.cure.format(rule=rule, wheel=_WHEEL)
        if cure := next(_missing(text, providers, rule), ""):
            return "", cure
    return "", ""


def _what_it_ran(failure: Failure, text: str) -> str:
    """A program or module that the build made for the board and tried to run here."""
    ran = _RUN.search(text)
    if ran:
        return next((name for name in ran.groups() if name), "a program")
    named = _OWN_MODULE.search(text)
    return named[1] if named and named[1] in failure.modules else ""


def _unreached(text: str) -> str:
    """What the build itself says that it could not reach; empty where it says nothing of that kind."""
    found = _UNREACHED.search(text)
    if found is None:
        return ""
    host = found["host"] or found["pool"]
    return f"{host} could not be reached" if host else f'it says "{found[0]}"'


def _missing(output: str, providers: tuple[Provider, ...], rule: str) -> Iterator[str]:
    """What is probably missing, likeliest first."""
    for name in _names(_HEADER, output):
        yield f"it misses the header {name}{_where(name, providers, rule)}"
    for pattern, kind in ((_LIBRARY, "library"), (_PKG_CONFIG, "library"), (_CMAKE, "library")):
        for name in _names(pattern, output):
            yield f"it misses the {kind} {name}{_where(name, providers, rule)}"
    for name in _names(_PROGRAM, output):
        yield f"it calls the program {name}, which is not there"


def _where(name: str, providers: tuple[Provider, ...], rule: str) -> str:
    for provider in providers:
        if name in provider.headers or any(name.endswith("/" + header) for header in provider.headers):
            return f", which {provider.package} has: name that in {rule}"
        if name in provider.libraries:
            return f", which {provider.package} has: name that in {rule}"
    return f": find its Debian package (arm64) and name it in {rule}"


def _names(pattern: re.Pattern[str], output: str) -> Iterator[str]:
    for found in pattern.finditer(output):
        yield next(group for group in found.groups() if group)


def _kinds(file: Path) -> tuple[Kind, ...]:
    return from_toml(Kinds, file.read_text(encoding="utf-8"), str(file)).failures if file.is_file() else ()


def _providers(file: Path) -> tuple[Provider, ...]:
    return from_toml(Providers, file.read_text(encoding="utf-8"), str(file)).providers if file.is_file() else ()
