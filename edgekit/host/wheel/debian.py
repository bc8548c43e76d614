"""Debian's arm64 packages, locked by digest and unpacked into the cache: this machine's dpkg is not touched.

Archives are those of this machine's apt. Debian takes old versions off its archives; then the version that is there now
is taken instead, its digest from the archive's signed index, and that is said.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError, WheelError
from edgekit.executor import Executor
from edgekit.host.cache import Cache
from edgekit.host.notes import Notes
from edgekit.host.progress import Progress
from edgekit.host.wheel.cross.downloads import Downloads, NotThere
from edgekit.host.wheel.deb_archive import unpack_deb
from edgekit.schema.reader import from_toml

_APT_TIMEOUT_S = 300.0
_LINE = re.compile(
    r"(?P<name>[a-z0-9][\w.+-]+) (?P<version>\S+) (?P<sha256>[0-9a-f]{64}) (?P<size>\d+) (?P<path>\S+\.deb)"
)
_SUITE = "bookworm"
"""Where packages are from that belong to no set."""
_NO_ARCHIVE = "none"
"""Address that stands for no archive: what can do without Debian's packages does."""


class NoArchive(WheelError):
    """No Debian archive is configured on this machine; callers that can do without one go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DebianPackage:
    """One line of a lock."""

    name: str
    version: str
    sha256: str
    size: int
    path: str
    """Below the archive's address."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Root:
    """Unpacked packages. Nobody writes into it."""

    folder: Path
    digest: str
    packages: tuple[DebianPackage, ...]

    def described(self) -> tuple[str, ...]:
        """Names and versions, for an SBOM."""
        return tuple(f"{package.name} {package.version}" for package in self.packages)


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageSet:
    """Packages that are needed together."""

    suite: str
    packages: tuple[str, ...]
    reason: str
    only: tuple[str, ...] = ()
    """Patterns of the files that are unpacked; empty: all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sets:
    sets: dict[str, PackageSet]


@dataclass(frozen=True, slots=True, kw_only=True)
class Debian:
    """Fetches and unpacks."""

    data: Path
    """`cross/debian`."""
    roots: Path
    """Folder of the cache for unpacked packages."""
    answers: Path
    """Folder of the cache for what the archive answered about packages that no lock has."""
    downloads: Path
    """Folder of the cache for packages as they were fetched."""
    archive: str
    """Address of an archive; empty: those of this machine's apt; `none`: do without."""
    executor: Executor
    progress: Progress
    debootstrap: Path = Path("/usr/sbin/debootstrap")
    """Names Debian's archive where apt knows none, as on Ubuntu."""

    def fetch_sets(self, names: Sequence[str]) -> Root:
        """The packages of sets in `sets.toml`, all of one suite, unpacked. See `fetch_root`.

        A name that is no set is a package itself, with the libraries that it needs, as the archive has them now.

        Raises:
            WheelError: the archive has no such package; else as `fetch_root`.
        """
        sets = self._sets()
        chosen = [sets[name] for name in names if name in sets]
        suites = {one.suite for one in chosen} or {_SUITE}
        if len(suites) > 1:
            raise InputError(f"{', '.join(names)} are of different suites", hint=f"see {self.data / 'sets.toml'}")
        locked = {package for one in chosen for package in one.packages}
        return self.fetch_root(
            locked,
            suites.pop(),
            more=[name for name in names if name not in sets],
            only=tuple(pattern for one in chosen for pattern in one.only),
        )

    def has_set(self, name: str) -> bool:
        """Whether `sets.toml` has a set."""
        return name in self._sets()

    def _sets(self) -> dict[str, PackageSet]:
        file = self.data / "sets.toml"
        return from_toml(_Sets, file.read_text(encoding="utf-8"), str(file)).sets

    def fetch_root(
        self, names: Iterable[str], suite: str, *, more: Sequence[str] = (), only: tuple[str, ...] = ()
    ) -> Root:
        """Packages, unpacked into one folder.

        Args:
            names: of packages; what these depend on is not taken.
            suite: `bookworm`, or `bookworm-amd64` for this machine.
            more: further packages, which no lock has, with the libraries that they need.
            only: patterns of the files that are unpacked; empty: all.

        Raises:
            NoArchive: this machine knows no archive, and they are not in the cache.
            WheelError: they cannot be fetched.
            InputError: the lock does not have them.
        """
        chosen = [self._locked(suite)[name] for name in self._known(names, suite)] if names else []
        chosen = list({package.name: package for package in [*chosen, *self._unlocked(more, suite)]}.values())
        newer = f"newer-{_digest(chosen)[:16]}"
        chosen = self._answered(newer) or chosen
        cache = Cache(self.roots, self.progress)
        cached = cache.take(_digest(chosen, only)[:16])
        if cached is None:
            chosen, files = self._fetch_or_newer(chosen, suite, newer)
            title = f"{len(chosen)} Debian packages of {suite}"
            cached = cache.get(_digest(chosen, only)[:16], lambda folder: self._unpack(files, folder, only), title)
        return Root(folder=cached.folder, digest=_digest(chosen), packages=tuple(chosen))

    def _fetch_or_newer(
        self, chosen: list[DebianPackage], suite: str, newer: str
    ) -> tuple[list[DebianPackage], list[Path]]:
        """The packages' files; of what the archive no longer has, those that it has now."""
        try:
            return chosen, self._fetch(chosen)
        except NotThere as error:
            self.progress.note(f"{error.message}: Debian has moved on; taking what its signed index has now")
            chosen = self._lock_anew([package.name for package in chosen], suite, newer)
            return chosen, self._fetch(chosen)

    def _answered(self, key: str) -> list[DebianPackage]:
        """What the archive answered earlier; empty where it was not asked."""
        text = Notes(self.answers).read(key)
        return list(_parse(text.decode(), self.answers / key).values()) if text else []

    def _unlocked(self, names: Sequence[str], suite: str) -> list[DebianPackage]:
        """Packages that no lock has; the first answer of the archive is remembered."""
        if not names:
            return []
        asked = hashlib.sha256(json.dumps([suite, sorted(names)]).encode()).hexdigest()
        memory = f"unlocked-{asked[:16]}"
        if known := self._answered(memory):
            return known
        self._archives()
        self.progress.note(f"no lock has {', '.join(sorted(names))}: taking what Debian's signed index has now")
        return self._lock_anew(["--needs", *names], suite, memory)

    def _known(self, names: Iterable[str], suite: str) -> list[str]:
        wanted = sorted(set(names))
        missing = [name for name in wanted if name not in self._locked(suite)]
        if missing:
            file = self.data / f"{suite}.lock"
            raise InputError(f"{file} has no {', '.join(missing)}", hint="name it in sets.toml, then make lock-debian")
        return wanted

    def _locked(self, suite: str) -> dict[str, DebianPackage]:
        file = self.data / f"{suite}.lock"
        return _parse(file.read_text(encoding="utf-8"), file)

    def _archives(self) -> tuple[str, ...]:
        """Addresses of Debian archives, without a slash at the end."""
        if self.archive and self.archive != _NO_ARCHIVE:
            return (self.archive.rstrip("/"),)
        found = set() if self.archive else self._configured()
        if not found:
            raise NoArchive(
                "this machine knows no Debian archive",
                hint="install debootstrap and debian-archive-keyring, or set EDGEKIT_DEBIAN_ARCHIVE to a mirror",
            )
        return tuple(sorted(found))

    def _configured(self) -> set[str]:
        """Archives of this machine's apt; elsewhere the one that debootstrap uses."""
        argv = ["/bin/sh", "-c", "apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages'"]
        done = self.executor.run(argv, timeout_s=_APT_TIMEOUT_S)
        found = {line.rstrip("/") for line in done.text.splitlines() if re.search(r"/debian(-security)?/?$", line)}
        if not found:
            script = self.debootstrap
            text = script.read_text(encoding="utf-8", errors="replace") if script.is_file() else ""
            found = set(re.findall(r'^DEF_MIRROR="(\S+?)/?"', text, re.MULTILINE)[:1])
        return found

    def _fetch(self, chosen: list[DebianPackage]) -> list[Path]:
        archives, files = self._archives(), []
        downloads = Downloads(folder=self.downloads, progress=self.progress)
        for package in chosen:
            for archive in archives:
                try:
                    files.append(downloads.fetch(f"{archive}/{package.path}", package.sha256, package.size))
                    break
                except NotThere:
                    if archive == archives[-1]:
                        raise
        return files

    def _unpack(self, files: list[Path], folder: Path, only: tuple[str, ...]) -> None:
        with self.progress.step(f"unpacking {len(files)} Debian packages for the board"):
            for file in files:
                unpack_deb(file, folder, only)
            if not (folder / "lib").exists() and (folder / "usr/lib").is_dir():
                (folder / "lib").symlink_to("usr/lib")  # a merged /usr keeps its loader there alone

    def _lock_anew(self, names: list[str], suite: str, key: str) -> list[DebianPackage]:
        """What the archive has now, remembered under a key."""
        done = self.executor.run(
            [str(self.data / "lock.sh"), suite, *names],
            timeout_s=_APT_TIMEOUT_S,
            env={"EDGEKIT_DEBIAN_ARCHIVE": self.archive} if self.archive else None,
        )
        if unknown := re.search(r"^no package (\S+)", done.output, re.MULTILINE):
            hint = f"correct the name in sysroot of the package's rule; sets: {', '.join(sorted(self._sets()))}"
            raise WheelError(f"Debian's {suite} has no package {unknown[1]}", hint=hint)
        if done.returncode:
            hint = "check the network and that apt works here, or set EDGEKIT_DEBIAN_ARCHIVE to an archive that has it"
            raise WheelError(f"Debian's {suite} cannot be read", hint=hint, details=done.output)
        chosen = _parse(done.stdout.decode(errors="replace"), self.data / "lock.sh")
        Notes(self.answers).write(key, done.stdout)
        return list(chosen.values())


def _parse(text: str, file: Path) -> dict[str, DebianPackage]:
    packages = {}
    for number, line in enumerate(text.splitlines(), 1):
        found = _LINE.fullmatch(line)
        if not found or ".." in found["path"]:
            raise InputError(f"{file}: line {number} is no locked package", hint="make lock-debian")
        name, version, sha256, size, path = found.groups()
        packages[name] = DebianPackage(name=name, version=version, sha256=sha256, size=int(size), path=path)
    return packages


def _digest(chosen: list[DebianPackage], only: tuple[str, ...] = ()) -> str:
    named = sorted([package.name, package.sha256] for package in chosen)
    return hashlib.sha256(json.dumps([named, only] if only else named).encode()).hexdigest()
