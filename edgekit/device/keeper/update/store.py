"""Blobs by their SHA-256: received in parts, visible only when whole and right, shared by releases as hard links.

Several connections may fill the store at the same time, each for an application of its own.

A blob becomes durable with the release that links to it: one sync for an installation, not one for each of its
thousands of files. A power cut before that may tear blobs, and take their modes back; a disk may rot. So one is
believed by its hash alone, when an offer counts it as there and when a release is laid out. Within one deployment it is
hashed once, unless it has changed: read again before it is synced, it comes from memory, whatever the disk has.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Set
from dataclasses import dataclass
from pathlib import Path

from edgekit.device.keeper.filesystem import Filesystem, disk_full
from edgekit.device.keeper.layout import Layout, blob_name
from edgekit.device.keeper.update.file_looks import bytes_in, file_links, file_size, file_stamp, stamp_of
from edgekit.errors import InputError, RolloutError, TrustError
from edgekit.schema.control import MissingBlob
from edgekit.schema.manifest import FileEntry
from edgekit.trust import sha256_bytes, sha256_file

RESERVE_BYTES = 16 << 20
"""Left free by every transfer: state, logs and the rest of the system need to write too."""
_PART_AGE_S = 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """The next piece of a blob, decoded."""

    application: str
    """For whom it comes."""
    sha256: str
    size_bytes: int
    """Of the whole blob, as the manifest has it."""
    offset: int
    data: bytes


class Store:
    """The blobs below one prefix."""

    def __init__(
        self,
        layout: Layout,
        disk: Filesystem,
        *,
        reserve_bytes: int = RESERVE_BYTES,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Look at nothing yet.

        Args:
            layout: where things lie.
            disk: the way there.
            reserve_bytes: see `RESERVE_BYTES`.
            clock: monotonic seconds: a board's wall clock may jump by years.
        """
        self._layout = layout
        self._disk = disk
        self._reserve_bytes = reserve_bytes
        self.clock = clock
        self._counting = threading.Lock()
        self._size_bytes: int | None = None
        self._changes = 0
        """How often what the store holds has changed: a count that was begun before is none of what it holds now."""
        self._parts: dict[str, tuple[int, float]] = {}
        """What lay in `incoming` at the last clearing out: its size, and since when it has that."""
        self._sealed: dict[str, tuple[int, ...]] = {}
        self._begun: set[str] = set()
        """Parts whose first byte came to this keeper."""
        self._deriving = threading.Lock()

    def missing(
        self, sizes: dict[str, int], application: str, alive: Callable[[], None] = lambda: None
    ) -> tuple[MissingBlob, ...]:
        """What has to be sent of the blobs `sha256 -> bytes`. An empty blob never has to.

        Args:
            sizes: the blobs.
            application: for whom they are.
            alive: called before each: those that are there are read whole, which takes long.

        Raises:
            RolloutError: the disk has no room for it.
        """
        names = {name for _, name in self._blob_names()}
        parts = frozenset(self._disk.names(self._layout.incoming_dir))
        found = []
        for sha256, size in sizes.items():
            alive()
            if size and not self._has(sha256, size, names):
                part = self._layout.part(sha256, application)
                found.append(
                    MissingBlob(sha256=sha256, have_bytes=_begun_bytes(part, size) if part.name in parts else 0)
                )
        needed = sum(sizes[blob.sha256] - blob.have_bytes for blob in found) + self._reserve_bytes
        free = self.free_bytes
        if needed > free:
            raise disk_full(needed, free)
        return tuple(found)

    def receive(self, chunk: Chunk) -> None:
        """Take the next piece of a blob; the last one makes the blob visible.

        Raises:
            InputError: the piece does not fit what has arrived so far.
            TrustError: the whole blob is not what its name says; it is thrown away.
            RolloutError: the disk is full, or the part was torn by a power cut; it is thrown away.
        """
        part = self._layout.part(chunk.sha256, chunk.application)
        have = file_size(part) if chunk.offset else 0
        end = chunk.offset + len(chunk.data)
        if not 0 <= chunk.offset <= have or end > chunk.size_bytes:
            raise InputError(
                f"blob {chunk.sha256[:12]}: {chunk.offset}..{end} does not go on from {have} of {chunk.size_bytes}",
                hint="offer the release again: the answer says where to go on",
            )
        with self._disk.explain_full(self._layout.state_dir, chunk.size_bytes - chunk.offset):
            try:
                self._disk.extend(part, chunk.offset, chunk.data)
                if not chunk.offset:
                    self._begun.add(part.name)
                if end == chunk.size_bytes:
                    self._seal(part, chunk.sha256, sha256_file(part) if chunk.offset else sha256_bytes(chunk.data))
            except OSError:
                self._disk.remove(part)
                raise

    def adopt(self, part: Path, sha256: str) -> bool:
        """Make a file that was put together in `incoming` a blob, if it is this one; the file is gone in any case."""
        if sha256_file(part) != sha256:
            self._disk.remove(part)
            return False
        self._seal(part, sha256, sha256)
        return True

    def materialise(self, entry: FileEntry) -> Path | None:
        """The blob's file with the mode that the entry asks for, checked by its hash unless that was just done.

        A blob that does not fit its name (bit rot, or put there by hand) is removed: the next offer asks for it.

        Returns:
            None where there is no such blob, or no longer.
        """
        path = self._layout.blob(entry.sha256, entry.executable)
        with self._deriving:
            found = self._believed(path, entry) or (_whole(path, entry) if self._derive(path, entry) else None)
            if found is None:
                for bad in self._variants(entry.sha256):
                    self._forget(bad)
                return None
            mode = 0o555 if entry.executable else 0o444
            if found.st_mode & 0o777 != mode:  # what a power cut took back
                self._disk.set_mode(path, mode)
        return path

    def find(self, begin: str) -> Path | None:
        """The file, perhaps damaged, of the one blob whose digest begins so; None where there is none, or several."""
        try:
            names = self._disk.names(self._layout.store_dir / begin[:2])
        except FileNotFoundError:
            return None
        found = sorted(name for name in names if name.startswith(begin))
        if len({name.partition(".")[0] for name in found}) != 1:
            return None
        return self._layout.store_dir / begin[:2] / found[0]

    def collect(self, wanted: Iterable[str] = ()) -> None:
        """Remove blobs that no release links to, and parts that have not grown for a day of this keeper's.

        Args:
            wanted: digests to leave alone all the same.
        """
        spared = set(wanted)
        for blob in self._blobs():
            if file_links(blob) == 1 and blob.name.split(".")[0] not in spared:
                self._disk.remove(blob)
        self._clear_parts()
        self._sealed.clear()
        self._begun.clear()
        self._changed()

    @property
    def folder(self) -> Path:
        """What lies on the same disk."""
        return self._layout.state_dir

    @property
    def size_bytes(self) -> int:
        """All blobs together; counted again after a change."""
        with self._counting:
            size, changes = self._size_bytes, self._changes
        if size is None:
            size = sum(bytes_in(self._layout.store_dir / name) for name in self._disk.names(self._layout.store_dir))
            with self._counting:
                if changes == self._changes:
                    self._size_bytes = size
        return size

    @property
    def free_bytes(self) -> int:
        """Free for this store."""
        return self._disk.free_bytes(self._layout.state_dir)

    def _changed(self) -> None:
        """What the store holds is another thing now."""
        with self._counting:
            self._changes += 1
            self._size_bytes = None

    def _clear_parts(self) -> None:
        now = self.clock()
        before, self._parts = self._parts, {}
        for name in self._disk.names(self._layout.incoming_dir):
            part = self._layout.incoming_dir / name
            size, since_s = file_size(part), now
            if name in before and before[name][0] == size:
                since_s = before[name][1]
            if now - since_s > _PART_AGE_S:
                self._disk.remove(part)
            else:
                self._parts[name] = size, since_s

    def _blob_names(self) -> Iterator[tuple[Path, str]]:
        """The blobs' files: their folder, and their name."""
        for name in self._disk.names(self._layout.store_dir):
            folder = self._layout.store_dir / name
            yield from ((folder, blob) for blob in self._disk.names(folder))

    def _blobs(self) -> Iterator[Path]:
        return (folder / name for folder, name in self._blob_names())

    def _variants(self, sha256: str) -> tuple[Path, Path]:
        return self._layout.blob(sha256), self._layout.blob(sha256, executable=True)

    def _has(self, sha256: str, size: int, names: Set[str]) -> bool:
        """Whether a blob is there and can be believed: one that has come or was hashed since the last clearing out.

        How many releases link to it says nothing: they rot together. `names` are those of the blobs' files.
        """
        for executable in (False, True):
            if blob_name(sha256, executable) in names:
                path, entry = self._layout.blob(sha256, executable), FileEntry(path="", sha256=sha256, bytes=size)
                if found := self._believed(path, entry):
                    self._sealed[path.name] = stamp_of(found)
                    return True
                self._forget(path)
        return False

    def _believed(self, path: Path, entry: FileEntry) -> os.stat_result | None:
        """As `_whole`; a blob that this keeper hashed since the last clearing out is not read again."""
        try:
            found = path.stat()
        except FileNotFoundError:
            return None
        known = self._sealed.get(path.name) == stamp_of(found) and found.st_size == entry.bytes
        return found if known else _whole(path, entry)

    def _forget(self, path: Path) -> None:
        self._disk.remove(path)
        self._sealed.pop(path.name, None)
        self._changed()

    def _seal(self, part: Path, sha256: str, found: str) -> None:
        """Make a part whose last byte has come, and whose digest was found so, a blob."""
        if found != sha256:
            self._disk.remove(part)
            raise _wrong(sha256) if part.name in self._begun else _torn(sha256)
        blob = self._layout.blob(sha256)
        known = self._sealed.get(blob.name)
        if known and known == file_stamp(blob):  # it came for another application meanwhile
            self._disk.remove(part)
            return
        self._disk.set_mode(part, 0o444)
        try:
            self._disk.rename(part, blob)
        except FileNotFoundError:
            self._disk.make_folder(blob.parent)
            self._disk.rename(part, blob)
        self._sealed[blob.name] = file_stamp(blob)
        self._changed()

    def _derive(self, path: Path, entry: FileEntry) -> bool:
        """Make a variant of a blob, missing or damaged, from the other one; an empty blob from nothing."""
        source = self._layout.blob(entry.sha256, not entry.executable)
        if entry.bytes and not source.exists():
            return False
        self._disk.make_folder(path.parent)
        aside = self._layout.incoming_dir / f"{path.name}.derived.part"
        try:
            if entry.bytes:
                self._disk.copy(source, aside)
            else:
                self._disk.write(aside, b"")
        except OSError:
            self._disk.remove(aside)
            raise
        self._disk.set_mode(aside, 0o555 if entry.executable else 0o444)
        self._disk.rename(aside, path)
        self._changed()
        return True


def _begun_bytes(part: Path, size: int) -> int:
    """What can be kept of an interrupted transfer: never all of it, so that the last piece seals it."""
    have = file_size(part)
    return have if have < size else 0


def _whole(path: Path, entry: FileEntry) -> os.stat_result | None:
    """What the kernel says of a file that is what its entry says; None where it is another, or not there."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found if found.st_size == entry.bytes and sha256_file(path) == entry.sha256 else None


def _wrong(sha256: str) -> TrustError:
    return TrustError(
        f"what arrived as blob {sha256[:12]} is something else", hint="deploy again; if it stays, build again"
    )


def _torn(sha256: str) -> RolloutError:
    return RolloutError(
        f"the part of blob {sha256[:12]} that had arrived was damaged by a power cut", hint="deploy again"
    )
