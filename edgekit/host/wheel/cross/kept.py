"""Folders of the cache that are made once, aside, and renamed: two processes may make the same one at once."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

_DONE = ".edgekit-whole"


def kept_folder(folder: Path, fill: Callable[[Path], None]) -> Path:
    """The folder, filled by `fill` if it is not there; a half one is never seen.

    What `fill` writes must not name the folder that it is given: it is renamed afterwards.
    """
    if (folder / _DONE).exists():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".aside-", ignore_cleanup_errors=True) as aside:
        made = Path(aside, "made")
        made.mkdir()
        fill(made)
        (made / _DONE).touch()
        try:
            made.rename(folder)
        except OSError:
            if not (folder / _DONE).exists():  # somebody emptied it
                shutil.rmtree(folder, ignore_errors=True)
                made.rename(folder)
    return folder
