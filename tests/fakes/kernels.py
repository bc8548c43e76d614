"""edgekit's compiled part, built for this machine as for a board, and imported."""

from __future__ import annotations

import importlib
import sys
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType

from tests.fakes.wheel_user import ROOT, User

SOURCES = ROOT / "cross" / "kernels"


@contextmanager
def imported_kernels(folder: Path) -> Iterator[ModuleType]:
    """`edgekit_kernels.picture`, importable while this lasts.

    Args:
        folder: where it is built; empty.
    """
    [made] = User(folder).build(str(SOURCES), target="host")
    with zipfile.ZipFile(folder / made["path"]) as wheel:
        wheel.extractall(folder / "site")
    sys.path.insert(0, str(folder / "site"))
    try:
        yield importlib.import_module("edgekit_kernels.picture")
    finally:
        sys.path.remove(str(folder / "site"))
        for name in [name for name in sys.modules if name.partition(".")[0] == "edgekit_kernels"]:
            del sys.modules[name]
