"""What a disk may hold after the power went: every call of a recording, and all the ways in which a disk loses.

Two models of a file system. In the first, changes of names become durable in their order, all of them with any sync:
ext4's journal. In the second, each folder loses a suffix of its own changes, whatever happened in others, and a folder
is durable only by a sync of its own: all that POSIX promises. In both, what was written to a file and not synced is
lost in one of five ways, and so is its mode.

Source: Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014), section 3, for the two models.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from tests.fakes.recording import Call

Loss = Literal["nothing", "everything", "zeros", "half", "every second"]
LOSSES: tuple[Loss, ...] = ("nothing", "everything", "zeros", "half", "every second")
_FILE_MODE, _PART_MODE = 0o644, 0o600
_LINK_MODE = 0o120777
"""Of a symbolic link. Its content is where it leads, which the disk has with its name: ext4 keeps it in the inode."""


@dataclass(slots=True, eq=False)
class _File:
    content: bytes
    mode: int
    durable: bytes = b""
    durable_mode: int = 0

    def keep(self) -> None:
        self.durable, self.durable_mode = self.content, self.mode

    def left(self, loss: Loss, number: int) -> tuple[bytes, int]:
        """Content and mode that a power cut leaves; `number` is the file's among those with something to lose."""
        if loss == "every second":
            loss = "everything" if number % 2 else "nothing"
        match loss:
            case "nothing":
                return self.content, self.mode
            case "zeros":
                return bytes(len(self.content)), self.mode
            case "half":
                return self.content[: len(self.content) // 2], self.durable_mode
        return self.durable, self.durable_mode


@dataclass(slots=True, eq=False)
class _Folder:
    now: dict[str, _Entry] = field(default_factory=dict)
    ordered: dict[str, _Entry] = field(default_factory=dict)
    """Durable in the first model."""
    alone: dict[str, _Entry] = field(default_factory=dict)
    """Durable in the second model."""
    pending: list[tuple[tuple[str, _Entry | None], ...]] = field(default_factory=list)
    """Changes since, one after the other; a rename inside the folder is one."""


_Entry = _File | _Folder
_Change = tuple[_Folder, str, "_Entry | None"]

_Entries = Callable[[_Folder], dict[str, _Entry]]
_Tree = dict[str, "_File | _Tree"]
Image = tuple[tuple[str, int, bytes, int], ...]
"""A disk: path, number of the file (-1: a folder; equal ones are one file), content and mode, sorted by path."""


class CrashModel:
    """The disk after some calls, in memory, and what may be left of it."""

    def __init__(self, root: Path) -> None:
        """Begin with what is in a folder, all of it durable."""
        self._root = self._read(root, {})
        self._pending: list[tuple[_Change, ...]] = []

    def carry_out(self, call: Call) -> None:
        """Follow a call of the keeper."""
        match call.kind:
            case "write" | "extend":
                self._write(call)
            case "mode":
                entry = self._find(call.path)
                if isinstance(entry, _File):
                    entry.mode = call.number
            case "mkdir":
                self._change((call.path, _Folder()))
            case "link":
                self._change((call.to, self._find(call.path)))
            case "symlink":
                link = _File(call.data, _LINK_MODE)
                link.keep()
                self._change((call.path, link))
            case "rename":
                entry = self._find(call.path)
                self._change((call.path, None), (call.to, entry))
            case "unlink" | "rmdir":
                self._change((call.path, None))
            case "sync" | "sync folder" | "sync all":
                self._sync(call)

    def images(self, chance: random.Random) -> Iterator[Image]:
        """Disks that a power cut now may leave: by model, by how much is lost of names, and of data."""
        for root in self._trees(chance):
            for loss in LOSSES:
                yield _image(root, loss)

    def _trees(self, chance: random.Random) -> Iterator[_Tree]:
        count = len(self._pending)
        for kept in sorted({0, count // 2, count}):
            yield _tree(self._root, self._in_order(kept))
        yield _tree(self._root, lambda folder: folder.alone)
        for _ in range(2):
            yield _tree(self._root, lambda folder: _alone(folder, chance))

    def _in_order(self, kept: int) -> _Entries:
        """Folders of the first model, with so many of the changes that were not synced."""
        changed: dict[int, dict[str, _Entry]] = {}
        for folder, name, entry in itertools.chain.from_iterable(self._pending[:kept]):
            _put(changed.setdefault(id(folder), dict(folder.ordered)), name, entry)
        return lambda folder: changed.get(id(folder), folder.ordered)

    def _read(self, path: Path, known: dict[int, _File]) -> _Folder:
        folder = _Folder()
        for entry in sorted(path.iterdir()):
            status = entry.lstat()
            if entry.is_symlink():
                folder.now[entry.name] = link = _File(str(entry.readlink()).encode(), _LINK_MODE)
                link.keep()
            elif entry.is_dir():
                folder.now[entry.name] = self._read(entry, known)
            elif entry.is_file():
                if status.st_ino not in known:
                    known[status.st_ino] = _File(entry.read_bytes(), status.st_mode & 0o777)
                    known[status.st_ino].keep()
                folder.now[entry.name] = known[status.st_ino]
        folder.ordered, folder.alone = dict(folder.now), dict(folder.now)
        return folder

    def _write(self, call: Call) -> None:
        entry = self._find(call.path)
        if not isinstance(entry, _File):
            mode = _FILE_MODE if call.kind == "write" else _PART_MODE
            entry = _File(b"", mode, durable_mode=mode)
            self._change((call.path, entry))
        entry.content = call.data if call.kind == "write" else entry.content[: call.number] + call.data

    def _find(self, path: str) -> _Entry | None:
        found: _Entry | None = self._root
        for name in Path(path).parts:
            found = found.now.get(name) if isinstance(found, _Folder) else None
        return found

    def _change(self, *changes: tuple[str, _Entry | None]) -> None:
        found: list[_Change] = []
        for path, entry in changes:
            folder = self._find(str(Path(path).parent))
            assert isinstance(folder, _Folder), path
            _put(folder.now, Path(path).name, entry)
            found.append((folder, Path(path).name, entry))
        self._pending.append(tuple(found))
        for folder in dict.fromkeys(folder for folder, _, _ in found):
            folder.pending.append(tuple((name, entry) for where, name, entry in found if where is folder))

    def _sync(self, call: Call) -> None:
        for folder, name, entry in itertools.chain.from_iterable(self._pending):
            _put(folder.ordered, name, entry)
        self._pending.clear()
        entry = self._find(call.path) if call.kind != "sync all" else None
        if isinstance(entry, _File):
            entry.keep()
        for folder in [entry] if isinstance(entry, _Folder) else []:
            folder.alone, folder.pending = dict(folder.now), []
        if call.kind == "sync all":
            _keep_all(self._root)


def _put(entries: dict[str, _Entry], name: str, entry: _Entry | None) -> None:
    if entry is None:
        entries.pop(name, None)
    else:
        entries[name] = entry


def _keep_all(folder: _Folder) -> None:
    folder.alone, folder.pending = dict(folder.now), []
    for entry in folder.now.values():
        if isinstance(entry, _File):
            entry.keep()
        else:
            _keep_all(entry)


def _alone(folder: _Folder, chance: random.Random) -> dict[str, _Entry]:
    """A folder of the second model, with a part of its own of what was not synced."""
    entries = dict(folder.alone)
    for change in folder.pending[: chance.randint(0, len(folder.pending))]:
        for name, entry in change:
            _put(entries, name, entry)
    return entries


def _tree(folder: _Folder, entries_of: _Entries) -> _Tree:
    found = sorted(entries_of(folder).items())
    return {name: _tree(entry, entries_of) if isinstance(entry, _Folder) else entry for name, entry in found}


def _image(root: _Tree, loss: Loss) -> Image:
    numbers: dict[int, tuple[int, bytes, int]] = {}
    losing = itertools.count()
    found: list[tuple[str, int, bytes, int]] = []

    def walk(folder: _Tree, path: str) -> None:
        for name, entry in folder.items():
            if isinstance(entry, _File):
                if id(entry) not in numbers:
                    unsafe = (entry.content, entry.mode) != (entry.durable, entry.durable_mode)
                    left = entry.left(loss, next(losing)) if unsafe else (entry.content, entry.mode)
                    numbers[id(entry)] = len(numbers), *left
                found.append((path + name, *numbers[id(entry)]))
            else:
                found.append((path + name, -1, b"", 0o755))
                walk(entry, f"{path}{name}/")

    walk(root, "")
    return tuple(found)


def put_down(image: Image, root: Path) -> None:
    """Make a disk real."""
    root.mkdir()
    files: dict[int, Path] = {}
    for name, number, content, mode in image:
        path = root / name
        if number < 0:
            path.mkdir()
        elif mode == _LINK_MODE:
            path.symlink_to(content.decode())
        elif number in files:
            path.hardlink_to(files[number])
        else:
            files[number] = path
            path.write_bytes(content)
            path.chmod(mode)


def after(calls: Sequence[Call], start: CrashModel, chance: random.Random, every: int) -> Iterator[tuple[int, Image]]:
    """Every disk that a power cut before the first call, or behind any one of them, may leave; with their number.

    Args:
        calls: what was done.
        start: the disk before; it follows.
        chance: what is lost of folders that lose on their own.
        every: cut only behind each so many calls.
    """
    yield from ((0, image) for image in start.images(chance))
    for count, call in enumerate(calls, 1):
        start.carry_out(call)
        if count % every == 0:
            yield from ((count, image) for image in start.images(chance))
