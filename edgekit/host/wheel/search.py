"""Finds a set of wheels for requirements: resolve with uv, build what has no wheel, and resolve again.

No code of a package runs for its metadata alone: where only that would tell what a package needs, it is taken to need
nothing until it has been built, in the closed environment that every build has; then its wheel tells.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.metadata import parse_email
from packaging.utils import canonicalize_name

from edgekit.errors import WheelError
from edgekit.executor import Completed
from edgekit.host.wheel.cross.crossbuild import Result
from edgekit.host.wheel.cross.sources import Source
from edgekit.host.wheel.fitting import check_gpu, check_requirements
from edgekit.host.wheel.given import Maker, Taken, take_all
from edgekit.host.wheel.gpu import Named
from edgekit.host.wheel.lock import LockedFile
from edgekit.host.wheel.missing import why
from edgekit.host.wheel.nearest import refuse
from edgekit.host.wheel.needs import Wanted, name_of
from edgekit.host.wheel.pylock import Found, parse_pylock
from edgekit.host.wheel.question import KnownPackage
from edgekit.host.wheel.refusal import is_offline, yanked_warnings
from edgekit.host.wheel.uv import Uv

_MAX_ROUNDS = 60
_NO_METADATA = re.compile(r"Failed to (?:build|download and build|prepare) `([\w.-]+)==([\w.+!-]+)`")
_PARENTS = re.compile(
    r"^(?P<name>[\w.-]+)(?:\[[^\]]*\])?==(?P<version>\S+)\s*(?:# via (?P<parents>.*))?$", re.MULTILINE
)


@dataclass(slots=True, kw_only=True)
class Search:
    """One search, in progress."""

    wanted: Wanted
    uv: Uv
    maker: Maker
    results: dict[tuple[str, str], Result] = field(default_factory=dict)
    """What was built, by name and version."""
    warnings: tuple[str, ...] = ()
    """What is doubtful about the set."""
    given: dict[str, Taken] = field(default_factory=dict)
    """Requirements that are files, by name."""
    _sources: dict[tuple[str, str], Source] = field(default_factory=dict)
    _known: dict[tuple[str, str], KnownPackage] = field(default_factory=dict)
    _binary: set[str] = field(default_factory=set)

    def run(self) -> tuple[tuple[LockedFile, ...], Mapping[str, Result]]:
        """The set, and what of it was built, by name.

        Raises:
            WheelError: there is none, or a package does not build.
        """
        check_requirements(self.wanted)
        self.given = take_all(self.wanted, self.maker)
        self.wanted = self.wanted.with_more(taken.requirement for taken in self.given.values())
        for _ in range(_MAX_ROUNDS):
            done = self._ask(self.wanted)
            if done.returncode:
                self._assume(done)
                continue
            packages = parse_pylock(done.text, self.wanted)
            named = [Named(name=found.name, version=found.version) for found in packages]
            doubt = check_gpu(named, self.wanted, self._ask)  # before anything of it is built
            self.warnings = (*filter(None, [doubt]), *yanked_warnings(done.stderr.decode(errors="replace")))
            known = {*self.results, *((taken.locked.name, taken.locked.version) for taken in self.given.values())}
            lacking = [found for found in packages if found.wheel is None and _key(found) not in known]
            if not lacking:
                return self._chosen(packages)
            for found in lacking:
                self._provide(found, packages)
        raise WheelError(
            f"no set of packages was found for {self.wanted} in {_MAX_ROUNDS} tries",
            hint="give exact versions in python.requirements, or python.constraints, of what is built from source",
        )

    def _ask(self, wanted: Wanted, more_binary: Iterable[str] = ()) -> Completed:
        binary = {*self._binary, *more_binary}
        return self.uv.resolve(wanted, self._folders(), binary=binary, known=self._known.values())

    def _folders(self) -> list[Path]:
        built = [result.cached.folder for result in self.results.values()]
        return [*built, *(taken.wheel.parent for taken in self.given.values())]

    def _assume(self, done: Completed) -> None:
        """Assume no dependencies for a package whose metadata takes running its code. Raises any other failure."""
        stderr = done.stderr.decode(errors="replace").strip()
        failed = _NO_METADATA.search(stderr)
        key = (str(canonicalize_name(failed[1])), failed[2]) if failed else ("", "")
        if not failed or key in self._known or is_offline(stderr):
            raise why(self.wanted, stderr, self.uv)
        self._known[key] = KnownPackage(name=key[0], version=key[1])

    def _provide(self, found: Found, packages: Iterable[Found]) -> None:
        """Get a wheel for a package that has none in this version: an older version's, or built."""
        if self._has_older_wheel(found, packages):
            self._binary.add(found.name)
        elif found.source is None:
            text = next((text for text in self.wanted.requirements if name_of(text) == found.name), found.name)
            raise refuse(text, self.wanted, "", self.uv)
        else:
            self.results[_key(found)] = self.maker.wheel(found.source)
            self._sources[_key(found)] = found.source
            self._known[_key(found)] = _needs_of(self.results[_key(found)].cached.wheel, found)

    def _has_older_wheel(self, found: Found, packages: Iterable[Found]) -> bool:
        """Whether a wheel of another version will do for all that need the package, as they were chosen."""
        chosen = {package.name: package.version for package in packages}
        above = _ancestors(found.name, self.uv.parents(self.wanted, self._folders(), self._known.values()).text)
        pinned = self.wanted.constrained(f"{name}=={chosen[name]}" for name in sorted(above & chosen.keys()))
        done = self._ask(pinned, {found.name})
        if done.returncode:
            return False
        return any(package.name == found.name and package.wheel for package in parse_pylock(done.text, self.wanted))

    def _chosen(self, packages: Iterable[Found]) -> tuple[tuple[LockedFile, ...], Mapping[str, Result]]:
        locked, built = [], {}
        for found in packages:
            if found.name in self.given:
                locked.append(self.given[found.name].locked)
                continue
            file: Source | None = self._sources.get(_key(found))
            if file is not None:
                built[found.name] = self.results[_key(found)]
            sha256, filename = (file.sha256, file.filename) if file else _wheel_of(found)
            locked.append(LockedFile(name=found.name, version=found.version, sha256=sha256, filename=filename))
        return tuple(locked), built


def _wheel_of(found: Found) -> tuple[str, str]:
    assert found.wheel is not None, f"uv chose {found.name} without a wheel that fits"
    return found.wheel.sha256, found.wheel.filename


def _needs_of(wheel: Path, found: Found) -> KnownPackage:
    """What a built wheel says that its package needs. Source: PyPA, Core metadata specifications."""
    with zipfile.ZipFile(wheel) as archive:
        file = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata, _ = parse_email(archive.read(file))
    needs, extras = metadata.get("requires_dist", ()), metadata.get("provides_extra", ())
    return KnownPackage(name=found.name, version=found.version, needs=tuple(needs), extras=tuple(extras))


def _key(found: Found) -> tuple[str, str]:
    return found.name, found.version


def _ancestors(name: str, text: str) -> frozenset[str]:
    """All that need a package, directly or through others. Source: uv pip compile, --annotation-style line."""
    needed_by = {
        str(canonicalize_name(line["name"])): {str(canonicalize_name(one)) for one in line["parents"].split(", ")}
        for line in _PARENTS.finditer(text)
        if line["parents"]
    }
    above: set[str] = set()
    ahead = {name}
    while ahead:
        ahead = set().union(*(needed_by.get(one, set()) for one in ahead)) - above
        above |= ahead
    return frozenset(above - {name})
