"""The applications' folders: which there are, and how one goes."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.update.activation import set_aside
from edgekit.device.keeper.update.removal import take_apart
from edgekit.schema.names import is_application_name

_GONE = ".gone"
"""Ends the name of a folder that is being removed; no application's name has a dot."""


class ApplicationFolders:
    """The folders below one prefix."""

    def __init__(self, layout: Layout, disk: Filesystem) -> None:
        self._layout = layout
        self._disk = disk
        self._clearing = threading.Lock()

    def names(self) -> tuple[str, ...]:
        """The applications that have a state, sorted. A cut first activation leaves a folder without one."""
        found = []
        for folder in sorted(self._layout.applications_dir.iterdir()):
            file = self._layout.state_file(folder.name)
            if is_application_name(folder.name) and (file.exists() or set_aside(file).exists()):
                found.append(folder.name)
        return tuple(found)

    def work(self, application: str) -> Path:
        """Where an application's worker may write."""
        return self._layout.work(application)

    def forget(self, application: str) -> None:
        """Take an application away, whole and at once; `clear` frees its space.

        Raises:
            OSError: the disk does not let it go; it is still there, whole.
        """
        folder = self._layout.application(application)
        self._disk.rename(folder, self._aside(application))
        self._disk.sync_folder(folder.parent)

    def forget_golden(self, application: str) -> None:
        """Take away what golden frames beside its worker left; what does not go now goes before the next ones."""
        folder = self._layout.golden_work(application)
        if folder.is_dir():
            with contextlib.suppress(OSError):
                self._disk.rename(folder, self._aside(application))

    def clear(self) -> None:
        """Delete what was taken away. A worker may have left much: not for the keeper's loop."""
        with self._clearing, contextlib.suppress(OSError):
            for name in self._disk.names(self._layout.applications_dir):
                if name.endswith(_GONE):
                    take_apart(self._disk, self._layout.application(name))

    def _aside(self, application: str) -> Path:
        """A name that is free: one of the same name may be waiting to be deleted."""
        for number in range(1000):
            aside = self._layout.application(f"{application}.{number}{_GONE}")
            if not aside.exists():
                return aside
        raise FileExistsError(f"{application}: too many folders wait to be deleted")
