"""Which of edgekit's own files go to a device: a room of the device side, and all that its modules import.

One rule for the keeper's zip, for the worker's part of `site/` and for the builder's: what a room may import is what
travels with it. The import contracts in `pyproject.toml` say what it may.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

KEEPER = ("device/keeper",)
"""The daemon, which travels alone."""
WORKER = ("device/runtime", "device/runner", "stage.py")
"""What travels with every release: the runtime, runners (found by name), and a recipe's face of it."""
BUILDER = (*WORKER, "device/builder")
"""What goes to builder devices."""


def travelling_files(package: Path, rooms: Iterable[str]) -> tuple[str, ...]:
    """The files of `rooms` and of all that they import, everywhere in a module: paths below `package`, sorted.

    Args:
        package: the folder that holds edgekit's `__init__.py`.
        rooms: folders and files below it, with slashes.
    """
    waiting = [file.relative_to(package).as_posix() for room in rooms for file in _sources(package / room)]
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        found.add(name)
        waiting += _packages_above(name)
        waiting += _imported(package, ast.parse((package / name).read_bytes()))
    return tuple(sorted(found))


def _sources(room: Path) -> Iterator[Path]:
    if room.suffix == ".py":
        yield from [room] if room.is_file() else []
    else:
        yield from room.rglob("*.py")


def _packages_above(name: str) -> Iterator[str]:
    for folder in Path(name).parents:
        yield (folder / "__init__.py").as_posix()


def _imported(package: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                modules = [alias.name for alias in names]
            case ast.ImportFrom(module=str(module), names=names, level=0):
                modules = [module, *(f"{module}.{alias.name}" for alias in names)]
            case _:
                continue
        for module in modules:
            if module == package.name or module.startswith(f"{package.name}."):
                path = "/".join(module.split(".")[1:])
                candidates = (f"{path}.py", f"{path}/__init__.py".lstrip("/"))
                yield from (candidate for candidate in candidates if (package / candidate).is_file())
