"""What goes into `site/`: the worker's own packages and the recipe's, for one kind of system."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from edgekit.errors import InputError
from edgekit.schema.reader import from_toml
from edgekit.schema.recipe import Python
from edgekit.schema.target import AcceleratorKind, Target
from edgekit.schema.units import version_tuple

_UV_GLIBC_MINORS: tuple[int, ...] = (17, 28, *range(31, 41))
"""glibc 2.x of the platforms that uv knows. Source: `uv pip compile --help`, `--python-platform`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerNeeds:
    """`worker.toml`: packages that edgekit's worker imports."""

    requirements: tuple[str, ...]
    builder: tuple[str, ...]
    """What compiling engines on a device imports, besides the runner's."""
    runners: dict[str, tuple[str, ...]]
    parts: dict[str, tuple[str, ...]]
    """What kinds of sinks import, and `serve`."""
    alternatives: dict[str, tuple[str, ...]]
    """Packages that bring the same module as one of the worker's: a recipe may exclude that and ask for them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """A package index that a recipe declares."""

    name: str
    url: str
    packages: frozenset[str] = frozenset()
    """Normalised names of what is taken from there and from nowhere else; empty: it is asked first for everything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What a recipe says of packages beyond its requirements. Each means what uv's option of that name means."""

    constraints: tuple[str, ...] = ()
    override: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    indexes: tuple[Index, ...] = ()

    @property
    def digest(self) -> str:
        """Digest of everything that affects a resolution. Addresses of indexes are left out: locks have digests."""
        indexes = [(index.name, sorted(index.packages)) for index in self.indexes]
        return json.dumps([self.constraints, self.override, self.exclude, indexes])


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenFile:
    """A requirement that is a file."""

    url: str
    """http, https or file."""
    sha256: str
    """Of the file; of a folder see `cross.folders`."""
    filename: str
    """Empty: a folder of sources."""
    name: str = ""
    """The package's, and its version, as far as they are known without building."""
    version: str = ""
    extras: tuple[str, ...] = ()
    marker: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    """The properties of a target that decide which GPU builds it can use."""

    target: str = ""
    cuda: str = ""
    """Version of the CUDA that it brings, `12.6`; empty: it has none."""
    sm: str = ""
    """The GPU's compute capability, `8.7`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Requirements, and the system that they are wanted for."""

    requirements: tuple[str, ...]
    """Sorted, none twice."""
    python: str
    arch: str
    libc_version: str
    files: tuple[GivenFile, ...] = ()
    """Requirements that are files."""
    rules: Rules = Rules()
    board: Board | None = None
    """None: whatever has a wheel may go there."""
    own: frozenset[str] = frozenset()
    """Names of those packages that edgekit's worker itself imports."""

    @property
    def glibc_minor(self) -> int:
        """The newest glibc 2.x that uv knows and the system has. Raises InputError for one that is too old."""
        libc = version_tuple(self.libc_version)
        fitting = [minor for minor in _UV_GLIBC_MINORS if (2, minor) <= libc]
        if not fitting:
            raise InputError(
                f"glibc {self.libc_version} is older than any wheel supports", hint="correct libc_version in the target"
            )
        return fitting[-1]

    @property
    def platform(self) -> str:
        """uv's name for the system: `aarch64-manylinux_2_36`."""
        return f"{self.arch}-manylinux_2_{self.glibc_minor}"

    @property
    def digest(self) -> str:
        """Digest of what a lock is for: the requirements and the kind of system."""
        files = sorted([file.filename or file.name, file.sha256, file.extras, file.marker] for file in self.files)
        asked = json.dumps([self.requirements, files, self.python, self.platform, self.rules.digest])
        return hashlib.sha256(asked.encode()).hexdigest()

    def only(self, *requirements: str) -> Wanted:
        """The same system and indexes, other requirements."""
        rules = Rules(indexes=self.rules.indexes)
        return dataclasses.replace(self, requirements=requirements, files=(), rules=rules)

    def with_more(self, requirements: Iterable[str]) -> Wanted:
        """The same with further requirements."""
        return dataclasses.replace(self, requirements=(*self.requirements, *requirements))

    def with_files(self, files: Iterable[GivenFile]) -> Wanted:
        """The same with requirements that are files."""
        return dataclasses.replace(self, files=tuple(files))

    def constrained(self, constraints: Iterable[str]) -> Wanted:
        """The same with further constraints."""
        rules = dataclasses.replace(self.rules, constraints=(*self.rules.constraints, *constraints))
        return dataclasses.replace(self, rules=rules)

    def for_python(self, minor: str) -> Wanted:
        """The same for another Python."""
        return dataclasses.replace(self, python=minor)

    def __str__(self) -> str:
        """For messages: `Python 3.11 with glibc 2.36 on aarch64`."""
        return f"Python {self.python} with glibc {self.libc_version} on {self.arch}"


def wanted_for(
    target: Target,
    runners: Iterable[AcceleratorKind],
    requirements: Iterable[str],
    rules: Rules | None = None,
    parts: Iterable[str] = (),
) -> Wanted:
    """What a release for `target` needs: for the worker, for its runners and parts, and for the recipe's own code.

    Args:
        target: what the release is for.
        runners: of its engines.
        requirements: the recipe's.
        rules: what the recipe says of packages beyond them.
        parts: the kinds of its sinks, and `serve` where it serves models.

    Raises:
        InputError: the rules leave out what edgekit's worker imports.
    """
    needs, asked, rules = _worker_needs(), tuple(requirements), rules or Rules()
    of_parts = [requirement for kind in parts for requirement in needs.parts.get(kind, ())]
    own = [*needs.requirements, *_of_runners(needs, runners), *dict.fromkeys(of_parts)]
    _check_excluded(own, asked, rules, needs)
    return _wanted(target, [*own, *asked], rules, own)


def rules_of(python: Python) -> Rules:
    """What a recipe says of packages beyond its requirements."""
    return Rules(
        constraints=python.constraints,
        override=python.override,
        exclude=python.exclude,
        indexes=tuple(
            Index(name=name, url=index.url, packages=frozenset(map(canonicalize_name, index.packages)))
            for name, index in sorted(python.indexes.items())
        ),
    )


def wanted_for_builder(target: Target, runner: AcceleratorKind) -> Wanted:
    """What a device of `target` needs to compile engines for `runner`, and to try them."""
    needs = _worker_needs()
    own = [*needs.builder, *_of_runners(needs, [runner])]
    return _wanted(target, own, Rules(), own)


def _check_excluded(own: Iterable[str], asked: Iterable[str], rules: Rules, needs: WorkerNeeds) -> None:
    """Refuse to leave out what the worker imports, unless a package that brings the same module is asked for."""
    names, excluded = {name_of(text) for text in asked}, {name_of(text) for text in rules.exclude}
    for name in sorted({name_of(text) for text in own} & excluded):
        instead = needs.alternatives.get(name, ())
        if not names & set(instead):
            more = f", or ask for {' or '.join(instead)} in python.requirements" if instead else ""
            raise InputError(
                f"python.exclude leaves out {name}, which edgekit's worker imports",
                hint=f"take {name} out of python.exclude{more}",
            )


def name_of(requirement: str) -> str:
    """The normalised name in a requirement."""
    return str(canonicalize_name(Requirement(requirement).name))


def _worker_needs() -> WorkerNeeds:
    text = resources.files("edgekit.host.wheel").joinpath("worker.toml").read_text(encoding="utf-8")
    return from_toml(WorkerNeeds, text, "worker.toml")


def _of_runners(needs: WorkerNeeds, runners: Iterable[AcceleratorKind]) -> list[str]:
    return [requirement for runner in runners for requirement in needs.runners.get(runner, ())]


def _wanted(target: Target, wanted: Iterable[str], rules: Rules, own: Iterable[str]) -> Wanted:
    return Wanted(
        requirements=tuple(sorted(set(wanted))),
        python=target.os.python,
        arch=target.os.arch,
        libc_version=target.os.libc_version,
        rules=rules,
        board=_board(target),
        own=frozenset(map(name_of, own)),
    )


def _board(target: Target) -> Board | None:
    """None for a PC, whose GPU no target file describes."""
    if target.os.arch != "aarch64":
        return None
    gpu = next((one for one in target.accelerators if one.cuda), None)
    return Board(target=target.name, cuda=gpu.cuda if gpu else "", sm=gpu.sm if gpu else "")
