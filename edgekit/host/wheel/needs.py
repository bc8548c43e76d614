"""What has to be in `site/`: the worker's own packages and the recipe's, for one kind of system."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from edgekit.errors import InputError
from edgekit.schema.reader import from_toml
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Requirements, and the system that they are wanted for."""

    requirements: tuple[str, ...]
    """Sorted, none twice."""
    python: str
    arch: str
    libc_version: str

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
        """Names what a lock answers: the same requirements on the same kind of system."""
        asked = json.dumps([self.requirements, self.python, self.platform])
        return hashlib.sha256(asked.encode()).hexdigest()

    def with_more(self, requirements: Iterable[str]) -> Wanted:
        """The same with further requirements."""
        return dataclasses.replace(self, requirements=(*self.requirements, *requirements))

    def only(self, *requirements: str) -> Wanted:
        """The same system, other requirements."""
        return dataclasses.replace(self, requirements=requirements)

    def for_python(self, minor: str) -> Wanted:
        """The same for another Python."""
        return dataclasses.replace(self, python=minor)

    def __str__(self) -> str:
        """For messages: `Python 3.11 with glibc 2.36 on aarch64`."""
        return f"Python {self.python} with glibc {self.libc_version} on {self.arch}"


def wanted_for(target: Target, runners: Iterable[AcceleratorKind], requirements: Iterable[str]) -> Wanted:
    """What a release for `target` needs: for the worker, for its runners, and for the recipe's own code."""
    needs = _worker_needs()
    return _wanted(target, [*needs.requirements, *requirements, *_of_runners(needs, runners)])


def wanted_for_builder(target: Target, runner: AcceleratorKind) -> Wanted:
    """What a device of `target` needs to compile engines for `runner`, and to try them."""
    needs = _worker_needs()
    return _wanted(target, [*needs.builder, *_of_runners(needs, [runner])])


def _worker_needs() -> WorkerNeeds:
    text = resources.files("edgekit.host.wheel").joinpath("worker.toml").read_text(encoding="utf-8")
    return from_toml(WorkerNeeds, text, "worker.toml")


def _of_runners(needs: WorkerNeeds, runners: Iterable[AcceleratorKind]) -> list[str]:
    return [requirement for runner in runners for requirement in needs.runners.get(runner, ())]


def _wanted(target: Target, wanted: Iterable[str]) -> Wanted:
    return Wanted(
        requirements=tuple(sorted(set(wanted))),
        python=target.os.python,
        arch=target.os.arch,
        libc_version=target.os.libc_version,
    )
