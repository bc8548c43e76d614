"""A disk whose power goes at a chosen step, and which then has lost all that was not made durable."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem


class PowerCut(BaseException):
    """Nothing catches this: the machine is off."""


class CuttableDisk(Filesystem):
    """Counts durable steps; before step number `cut_at` the power goes. It only notes what is synced, which is fast.

    After the cut, `lose` leaves what a real disk may leave: content that was never synced is zeros, and, if `undo`,
    renames whose folder was never synced did not happen.
    """

    def __init__(self, cut_at: int | None = None) -> None:
        self.cut_at = cut_at
        self.steps = 0
        self._dirty: set[Path] = set()
        self._undo: list[tuple[Path, Callable[[], None]]] = []

    def write(self, path: Path, data: bytes) -> None:
        self._step()
        super().write(path, data)
        self._dirty.add(path)

    def extend(self, path: Path, offset: int, data: bytes) -> None:
        self._step()
        super().extend(path, offset, data)
        self._dirty.add(path)

    def sync_file(self, path: Path) -> None:
        self._step()
        self._dirty.discard(path)

    def sync_folder(self, path: Path) -> None:
        self._step()
        self._undo = [(parent, undo) for parent, undo in self._undo if parent != path]

    def sync_disk(self, path: Path) -> None:
        self._step()
        self._dirty.clear()
        self._undo.clear()

    def rename(self, source: Path, target: Path) -> None:
        self._step()
        old = target.read_bytes() if target.is_file() else None
        super().rename(source, target)
        if source in self._dirty:
            self._dirty.remove(source)
            self._dirty.add(target)

        def undo() -> None:
            target.rename(source)
            if old is not None:
                target.write_bytes(old)

        self._undo.append((target.parent, undo))

    def make_folder(self, path: Path, mode: int = 0o777) -> None:
        self._step()
        if path.is_dir():
            return
        super().make_folder(path, mode)

        def undo() -> None:
            if not any(path.iterdir()):
                path.rmdir()

        self._undo.append((path.parent, undo))

    def link(self, source: Path, target: Path) -> None:
        self._step()
        super().link(source, target)

    def remove(self, path: Path) -> None:
        self._step()
        super().remove(path)

    def remove_folder(self, path: Path) -> None:
        self._step()
        super().remove_folder(path)

    def rename_within(self, source: Path, target: Path, source_folder: int, target_folder: int) -> None:
        self._step()
        super().rename_within(source, target, source_folder, target_folder)

    def remove_within(self, path: Path, folder: int) -> None:
        self._step()
        super().remove_within(path, folder)

    def remove_folder_within(self, path: Path, folder: int) -> None:
        self._step()
        super().remove_folder_within(path, folder)

    def lose(self, *, undo: bool) -> None:
        """What the next boot finds."""
        for path in self._dirty:
            if path.exists():
                path.chmod(0o644)
                path.write_bytes(bytes(path.stat().st_size))
        for _, back in reversed(self._undo) if undo else ():
            back()

    def _step(self) -> None:
        if self.cut_at is not None and self.steps >= self.cut_at:
            raise PowerCut(f"before step {self.steps}")
        self.steps += 1
