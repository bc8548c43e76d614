"""Sockets on which applications are reached: made by the keeper, as a worker may give nothing to a group."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.sink import PreviewSink

_BACKLOG = 16


def shows_pictures(plan: WorkerPlan) -> bool:
    """Whether it has a preview."""
    return any(isinstance(sink, PreviewSink) for sink in plan.sinks.values())


def serves_models(plan: WorkerPlan) -> bool:
    """Whether clients may have models of it run."""
    return bool(plan.served)


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSockets:
    """Makes one for each worker that starts; with the worker it goes deaf, and the next one's takes its place."""

    disk: Filesystem
    folder: Path
    """The keeper's own: only who may use the sockets may enter."""
    group: int | None
    """Who may use them beside their owner; None: nobody."""
    wanted: Callable[[WorkerPlan], bool]
    """Which plans get one."""

    def listen(self, plan: WorkerPlan) -> socket.socket | None:
        """A socket that listens, for a worker to accept on; None where the plan wants none.

        Raises:
            OSError: it cannot be made.
        """
        if not self.wanted(plan):
            return None
        self._make_folder()
        path = self.folder / f"{plan.application}.sock"
        self.disk.remove(path)
        listener = socket.socket(socket.AF_UNIX)
        try:
            self._bind(listener, path)
            if self.group is not None:
                self.disk.set_owner(path, 0, self.group)
            self.disk.set_mode(path, 0o660 if self.group is not None else 0o600)
            listener.listen(_BACKLOG)
        except OSError:
            listener.close()
            raise
        return listener

    def forget(self, application: str) -> None:
        """The application is gone for good."""
        with suppress(OSError):  # nobody listens there any more
            self.disk.remove(self.folder / f"{application}.sock")

    def _make_folder(self) -> None:
        """Its mode comes before anything lies in it."""
        self.disk.make_folder(self.folder, 0o700)
        if self.group is not None:
            self.disk.set_owner(self.folder, 0, self.group)
            self.disk.set_mode(self.folder, 0o750)

    def _bind(self, listener: socket.socket, path: Path) -> None:
        """By way of the folder's descriptor: a socket's path is short, 107 bytes. Source: Linux, unix(7)."""
        folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
        try:
            listener.bind(f"/proc/self/fd/{folder}/{path.name}")
        finally:
            os.close(folder)
