"""The part of edgekit itself that travels with every release: the worker, its runners, and the schema."""

from __future__ import annotations

from pathlib import Path

_MODULES = (
    "__init__.py",
    "errors.py",
    "schema/**/*.py",
    "device/__init__.py",
    "device/image/**/*.py",
    "device/runner/**/*.py",
    "device/worker/**/*.py",
    "executor/__init__.py",
    "executor/local.py",
)
"""Nothing else of edgekit may be imported there: `tests/unit/host/wheel/test_own.py` reads the imports."""
_BUILDER = "device/builder/**/*.py"
"""Goes to builder devices, with the rest."""


def own_files(package: Path, *, builder: bool = False) -> tuple[str, ...]:
    """Paths below edgekit's package folder, sorted.

    Args:
        package: the folder that holds edgekit's `__init__.py`.
        builder: also what compiles engines on a device.
    """
    globs = (*_MODULES, _BUILDER) if builder else _MODULES
    found = {path for glob in globs for path in package.glob(glob) if path.is_file()}
    return tuple(sorted(path.relative_to(package).as_posix() for path in found))
