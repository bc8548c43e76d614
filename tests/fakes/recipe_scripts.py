"""A recipe's own scripts as modules: they import each other by bare names, and two recipes have the same ones."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType


@contextmanager
def recipe_scripts(folder: Path, *names: str) -> Iterator[list[ModuleType]]:
    """Import scripts of a recipe; afterwards nobody finds them by these names any more."""
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        yield [importlib.import_module(name) for name in names]
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if Path(getattr(sys.modules[name], "__file__", None) or "/").parent == folder:
                del sys.modules[name]
