"""Lock files: the exact packages for one set of requirements on one kind of system. No index is named in them.

Each line is a requirement as pip and uv read it, with the one hash that may be installed, and the file's name: a wheel,
or a source package that is built. What the latter are built with is locked in a second file beside it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.wheel.needs import Wanted

_HEADER = "# edgekit lock 1, answers {digest}\n# {wanted}; `edgekit wheel lock` writes it anew\n"
_ANSWERS = re.compile(r"# edgekit lock 1, answers ([0-9a-f]{64})")
_LINE = re.compile(
    r"(?P<name>[a-z0-9][a-z0-9-]*)==(?P<version>[\w.+!-]+) --hash=sha256:(?P<sha256>[0-9a-f]{64})"
    r"  # (?P<filename>[\w.+!-]+(?:\.(?:whl|tar\.\w+|tgz|zip)|/))"
)
_BUILD_HEADER = "# Build requirements of the source packages in {lock}; `edgekit wheel lock` writes it anew\n"
_SECTION = re.compile(r"^## (\S+) ([0-9a-f]{64})\n", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedFile:
    """One file: a wheel, a source package, or, with a slash at its end, a folder of sources."""

    name: str
    version: str
    sha256: str
    filename: str

    @property
    def is_wheel(self) -> bool:
        """Whether it is installed as it is."""
        return self.filename.endswith(".whl")


def format_lock(wanted: Wanted, files: Iterable[LockedFile]) -> str:
    """The lock's text."""
    ordered = sorted(files, key=lambda file: file.name)
    lines = (f"{file.name}=={file.version} --hash=sha256:{file.sha256}  # {file.filename}\n" for file in ordered)
    return _HEADER.format(digest=wanted.digest, wanted=wanted) + "".join(lines)


def answers(text: str, wanted: Wanted) -> bool:
    """Whether a lock is for these requirements on this kind of system."""
    found = _ANSWERS.match(text)
    return found is not None and found[1] == wanted.digest


def parse_lock(text: str, file: str) -> tuple[LockedFile, ...]:
    """The files that a lock names.

    Raises:
        InputError: a line that names none.
    """
    locked = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        found = _LINE.fullmatch(line.rstrip())
        if not found:
            raise InputError(f"{file}: line {number} is no locked package", hint="edgekit wheel lock writes it anew")
        locked.append(LockedFile(**found.groupdict()))
    return tuple(locked)


def build_lock(lock: Path) -> Path:
    """The second file of a lock: `virt-arm64.build.txt` beside `virt-arm64.txt`."""
    return lock.with_suffix(".build.txt")


def format_build_lock(lock: str, pins: Mapping[tuple[str, str], str]) -> str:
    """The second file's text.

    Args:
        lock: name of the first file.
        pins: what each source package, by name and SHA-256, is built with, as uv writes it.
    """
    sections = (f"## {name} {sha256}\n{text.strip()}\n" for (name, sha256), text in sorted(pins.items()))
    return _BUILD_HEADER.format(lock=lock) + "".join(sections)


def parse_build_lock(text: str) -> dict[tuple[str, str], str]:
    """The pins by name and SHA-256 of the source package."""
    parts = _SECTION.split(text)[1:]
    return {(name, sha256): pins for name, sha256, pins in zip(parts[::3], parts[1::3], parts[2::3], strict=True)}
