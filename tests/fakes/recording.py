"""The keeper's calls to its disk, noted as they happen."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.sent.board_disk import BoardDisk

Kind = Literal[
    "write",
    "extend",
    "mode",
    "rename",
    "link",
    "symlink",
    "mkdir",
    "unlink",
    "rmdir",
    "sync",
    "sync folder",
    "sync all",
    "nothing",
]
"""`nothing` stands where a test took a call out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call of the keeper: what it did, to which paths below the prefix."""

    kind: Kind
    path: str = ""
    to: str = ""
    data: bytes = b""
    number: int = 0
    """An offset, or a mode."""


class QuickFilesystem(Filesystem):
    """The real one without waiting for a disk; folders are listed by name, or `backwards`."""

    def __init__(self, *, backwards: bool = False) -> None:
        self._backwards = backwards

    def names(self, folder: Path | int) -> list[str]:
        return sorted(super().names(folder), reverse=self._backwards)

    def sync_file(self, path: Path) -> None:
        path.stat()

    def sync_folder(self, path: Path) -> None:
        path.stat()

    def sync_disk(self, path: Path) -> None:
        path.stat()


class RecordingFilesystem(QuickFilesystem):
    """Notes every call that the kernel has carried out below a prefix."""

    def __init__(self, root: Path, *, backwards: bool = False) -> None:
        super().__init__(backwards=backwards)
        self._root = root
        self.calls: list[Call] = []

    def write(self, path: Path, data: bytes) -> None:
        super().write(path, data)
        self.note(Call(kind="write", path=self.below(path), data=data))

    def extend(self, path: Path, offset: int, data: bytes) -> None:
        super().extend(path, offset, data)
        self.note(Call(kind="extend", path=self.below(path), data=data, number=offset))

    def overwrite(self, path: Path, data: bytes) -> None:
        super().overwrite(path, data)
        self.note(Call(kind="write", path=self.below(path), data=data))

    def set_mode(self, path: Path, mode: int) -> None:
        super().set_mode(path, mode)
        self.note(Call(kind="mode", path=self.below(path), number=mode))

    def rename(self, source: Path, target: Path) -> None:
        super().rename(source, target)
        self.note(Call(kind="rename", path=self.below(source), to=self.below(target)))

    def link(self, source: Path, target: Path) -> None:
        super().link(source, target)
        self.note(Call(kind="link", path=self.below(source), to=self.below(target)))

    def make_folder(self, path: Path, mode: int = 0o777) -> None:
        there = path.is_dir()
        super().make_folder(path, mode)
        if not there:
            self.note(Call(kind="mkdir", path=self.below(path)))

    def remove(self, path: Path) -> None:
        there = path.exists() or path.is_symlink()
        super().remove(path)
        if there:
            self.note(Call(kind="unlink", path=self.below(path)))

    def remove_folder(self, path: Path) -> None:
        super().remove_folder(path)
        self.note(Call(kind="rmdir", path=self.below(path)))

    def rename_within(self, source: Path, target: Path, source_folder: int, target_folder: int) -> None:
        super().rename_within(source, target, source_folder, target_folder)
        self.note(Call(kind="rename", path=self.below(source), to=self.below(target)))

    def remove_within(self, path: Path, folder: int) -> None:
        super().remove_within(path, folder)
        self.note(Call(kind="unlink", path=self.below(path)))

    def remove_folder_within(self, path: Path, folder: int) -> None:
        super().remove_folder_within(path, folder)
        self.note(Call(kind="rmdir", path=self.below(path)))

    def sync_file(self, path: Path) -> None:
        super().sync_file(path)
        self.note(Call(kind="sync", path=self.below(path)))

    def sync_folder(self, path: Path) -> None:
        super().sync_folder(path)
        self.note(Call(kind="sync folder", path=self.below(path)))

    def sync_disk(self, path: Path) -> None:
        super().sync_disk(path)
        self.note(Call(kind="sync all"))

    def below(self, path: Path) -> str:
        """A path below the prefix."""
        return path.relative_to(self._root).as_posix()

    def note(self, call: Call) -> None:
        """The kernel has carried this out."""
        self.calls.append(call)


class QuickBoardDisk(BoardDisk):
    """What provisioning and the keeper's guard change files by, without waiting for a disk."""

    def sync_file(self, path: str) -> None:
        Path(path).stat()

    def sync_folder(self, path: str) -> None:
        Path(path).stat()


class RecordingBoardDisk(QuickBoardDisk):
    """Notes their calls among those of the keeper."""

    def __init__(self, keeper: RecordingFilesystem) -> None:
        self._keeper = keeper

    def write(self, path: str, content: bytes, mode: int) -> None:
        super().write(path, content, mode)
        self._note("write", path, data=content)
        self._note("mode", path, number=mode)

    def symlink(self, path: str, to: str) -> None:
        super().symlink(path, to)
        self._note("symlink", path, data=to.encode())

    def rename(self, source: str, target: str) -> None:
        super().rename(source, target)
        self._note("rename", source, to=self._keeper.below(Path(target)))

    def remove(self, path: str) -> None:
        there = Path(path).is_symlink() or Path(path).exists()
        super().remove(path)
        if there:
            self._note("unlink", path)

    def sync_file(self, path: str) -> None:
        super().sync_file(path)
        self._note("sync", path)

    def sync_folder(self, path: str) -> None:
        super().sync_folder(path)
        self._note("sync folder", path)

    def _note(self, kind: Kind, path: str, *, to: str = "", data: bytes = b"", number: int = 0) -> None:
        below = self._keeper.below(Path(path))
        self._keeper.note(Call(kind=kind, path=below, to=to, data=data, number=number))
