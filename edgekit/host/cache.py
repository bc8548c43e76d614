"""One kind of thing that takes long to make, kept in a folder of the cache: one folder for each, named by its key.

A key names everything that the content is made from. An entry is made aside, synced and renamed, so a half one is never
seen; its content is compared with its digest whenever it is taken, and one that is damaged is thrown away.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.content import FolderContent, Memo, boot_id, read_content
from edgekit.host.disk import read_small, remove, size_of, sync, sync_all, write_whole
from edgekit.host.locking import against_sharers, locked, locked_at_once, shared
from edgekit.host.progress import Progress, Silent
from edgekit.schema.reader import from_json, to_json

_ENTRY = "entry.json"
_FILES = "files"
_LISTING = "content.json"
_MEMO = "memo.json"
_LOCK = ".lock"
_ASIDE = ".aside-"
_MAKING = ".making"
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]*")
_MOST_SYNCED = 256
"""Files of an entry with more are not synced: that takes longer than making it again after a power cut, and the digest
tells whether that has to be."""
_FORSAKEN_S = 3600.0
"""An unfinished entry of this age without a lock: its maker was killed before it held one."""
_MOST_RECORD_BYTES = 1 << 20
_MOST_LISTING_BYTES = 1 << 28
"""Half a million files have less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cached:
    """The content of an entry, checked. Nobody writes into it."""

    key: str
    folder: Path
    content: FolderContent
    from_cache: bool
    """Whether it was there already."""
    made_s: float
    """Seconds since the epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry, as it is listed: not checked."""

    kind: str
    key: str
    title: str
    """What it is, for people; may be empty."""
    path: Path
    bytes: int
    made_s: float
    """Seconds since the epoch."""
    used_s: float
    """When it was last used; 0 for what is no whole entry."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _EntryRecord:
    digest: str
    bytes: int
    made_s: float
    title: str


class Cache:
    """The entries of one kind.

    Args:
        folder: holds them; its name is the kind's.
        progress: is told of waiting, and of entries that were damaged.
        clock: seconds since the epoch.
    """

    def __init__(self, folder: Path, progress: Progress | None = None, clock: Callable[[], float] = time.time) -> None:
        self.folder = folder
        self.kind = folder.name
        self._progress = progress or Silent()
        self._clock = clock

    def path(self, key: str) -> Path:
        """Where an entry's content lies, or will: content may name its own path, as compilers' scripts do."""
        return self._place(key) / _FILES

    def has(self, key: str) -> bool:
        """Whether there is such an entry. It is not checked."""
        return _read_record(self._place(key)) is not None

    def take(self, key: str) -> Cached | None:
        """An entry's content, or None. One that is damaged is thrown away, and that is said."""
        place = self._place(key)
        record = self._mark_used(place)
        content = self._check(place, record) if record else None
        if record is None or content is None:
            return None
        return Cached(key=key, folder=place / _FILES, content=content, from_cache=True, made_s=record.made_s)

    def get(self, key: str, make: Callable[[Path], None], title: str = "") -> Cached:
        """An entry's content, made where it is not there. One process makes it, others wait.

        Args:
            key: names everything that it is made from.
            make: fills the folder that it is given, which is renamed to `path(key)` afterwards.
            title: what the entry is, for people.
        """
        if cached := self.take(key):
            return cached
        with self.making(key, title):
            for left in self.folder.glob(f"{_ASIDE}{key[:16]}-*"):
                self._sweep(left)
            return self.take(key) or self.put(key, make, title)

    def put(self, key: str, make: Callable[[Path], None], title: str = "") -> Cached:
        """Make an entry. Where another process was faster, its content stays, and is what is given back."""
        place = self._place(key)
        with self._aside(key) as aside:
            made = aside / "made"
            (made / _FILES).mkdir(parents=True)
            make(made / _FILES)
            content, memo = read_content(made / _FILES, Memo())
            now_s = self._clock()
            size = size_of(made / _FILES)
            record = _EntryRecord(digest=content.digest, bytes=size, made_s=now_s, title=title)
            (made / _LISTING).write_bytes(content.dump())
            (made / _MEMO).write_bytes(self._dump(memo))
            (made / _ENTRY).write_bytes(to_json(record))
            os.utime(made / _ENTRY, times=(now_s, now_s))
            if len(content.items) <= _MOST_SYNCED:
                sync_all(made)
            sync(made / _ENTRY)
            there = self._publish(made, place)
        return there or Cached(key=key, folder=place / _FILES, content=content, from_cache=False, made_s=now_s)

    @contextlib.contextmanager
    def making(self, key: str, title: str = "") -> Iterator[None]:
        """Be the only process that makes an entry: others wait, and say so. Look again once inside."""
        what = title or f"{self._place(key).parent.name}/{key[:16]}"
        with locked(
            self.folder / _MAKING / key,
            lambda: self._progress.step(f"waiting for another edgekit that makes {what}"),
        ):
            yield

    def entries(self) -> tuple[Entry, ...]:
        """All entries, and what lies there and is none, with a last use of 0. Nothing is checked."""
        return tuple(self._entry(place) for place in sorted(self.folder.glob("[!.]*")))

    def drop(self, entry: Entry, unused_since_s: float) -> int:
        """Throw an entry away, unless somebody has used it since.

        Args:
            entry: one of `entries`.
            unused_since_s: seconds since the epoch.

        Returns:
            Bytes that were freed.
        """
        place = self.folder / entry.key
        with against_sharers(self.folder / _LOCK):
            if self._entry(place).used_s >= unused_since_s:
                return 0
            trash = self._out_of_the_way(place)
        return remove(trash)

    def sweep(self) -> int:
        """Remove what makers that were killed have left.

        Returns:
            Bytes that were freed.
        """
        for lock in (self.folder / _MAKING).glob("*"):
            with contextlib.suppress(OSError), locked_at_once(lock):
                lock.unlink()
        return sum(self._sweep(aside) for aside in self.folder.glob(f"{_ASIDE}*"))

    def check(self, key: str) -> str:
        """What is wrong with an entry, its every byte read; empty where it is whole, or gone."""
        place = self._place(key)
        record = _read_record(place)
        reason = self._why_damaged(place, record)
        changed = not os.path.lexists(place) or _made_s(_read_record(place)) != _made_s(record)
        return "" if changed else reason  # thrown away or made anew meanwhile: what was read is no entry any more

    def _why_damaged(self, place: Path, record: _EntryRecord | None) -> str:
        if record is None:
            return "it is no whole entry"
        try:
            content, _ = read_content(place / _FILES, Memo())
        except OSError as error:
            return f"{error.filename} cannot be read: {error.strerror}"
        return "" if content.digest == record.digest else _difference(place, content)

    def _place(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError(f"{key!r} is no key")
        return self.folder / key

    def _mark_used(self, place: Path) -> _EntryRecord | None:
        """Note the use of an entry, so that nobody throws it away meanwhile; give its record."""
        try:
            with shared(self.folder / _LOCK):
                record = _read_record(place)
                if record is not None:
                    os.utime(place / _ENTRY, times=(self._clock(), self._clock()))
                return record
        except OSError:  # no such folder, or one that cannot be written: then nobody throws anything away
            return _read_record(place)

    def _check(self, place: Path, record: _EntryRecord) -> FolderContent | None:
        memo = Memo.load(_read(place / _MEMO), boot_id())
        try:
            content, seen = read_content(place / _FILES, memo)
        except OSError as error:
            self._throw_away(place, record.made_s, f"{error.filename} cannot be read: {error.strerror}")
            return None
        if content.digest != record.digest:
            self._throw_away(place, record.made_s, _difference(place, content))
            return None
        if seen.files != memo.files:
            with contextlib.suppress(OSError):
                write_whole(place / _MEMO, self._dump(seen))
        return content

    def throw_away(self, cached: Cached, reason: str) -> None:
        """Throw an entry away that turned out not to be what it should be, and say so."""
        self._throw_away(self._place(cached.key), cached.made_s, reason)

    def _throw_away(self, place: Path, made_s: float, reason: str) -> None:
        """Throw an entry away, unless another process did so first: what it made anew since then may be in use."""
        self._progress.note(f"{self.kind}/{place.name[:16]} in the cache is damaged and is made again: {reason}")
        with against_sharers(self.folder / _LOCK):
            if _made_s(_read_record(place)) != made_s:
                return
            trash = self._out_of_the_way(place)
        remove(trash)

    def _dump(self, memo: Memo) -> bytes:
        return memo.dump(int(self._clock() * 1e9), boot_id())

    def _publish(self, made: Path, place: Path) -> Cached | None:
        """Give what was made its name; what is there already is given back where it is whole, and else replaced."""
        while True:
            try:
                made.rename(place)
            except OSError:
                if not os.path.lexists(place):
                    raise
            else:
                sync(self.folder)
                return None
            if there := self.take(place.name):
                return there
            if os.path.lexists(place):
                self._throw_away(place, _made_s(None), "it is no whole entry")

    @contextlib.contextmanager
    def _aside(self, key: str) -> Iterator[Path]:
        """A folder to make something in, locked for as long as its maker lives."""
        self.folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(dir=self.folder, prefix=f"{_ASIDE}{key[:16]}-"))
        try:
            with locked(aside / _LOCK):
                yield aside
        finally:
            remove(aside)

    def _sweep(self, aside: Path) -> int:
        lock = aside / _LOCK
        if lock.exists():
            with contextlib.suppress(OSError), locked_at_once(lock):
                return remove(aside)
        elif self._clock() - _mtime_s(aside) > _FORSAKEN_S:
            return remove(aside)
        return 0

    def _out_of_the_way(self, place: Path) -> Path:
        """Rename an entry, so that nobody finds it any more, whatever becomes of us."""
        trash = Path(tempfile.mkdtemp(dir=self.folder, prefix=_ASIDE))
        with contextlib.suppress(FileNotFoundError):
            place.rename(trash / "gone")
        return trash

    def _entry(self, place: Path) -> Entry:
        record = _read_record(place)
        return Entry(
            kind=self.kind,
            key=place.name,
            title=record.title if record else "",
            path=place / _FILES,
            bytes=record.bytes if record else size_of(place),
            made_s=_made_s(record),
            used_s=_used_s(place) if record else 0.0,
        )


def _read_record(place: Path) -> _EntryRecord | None:
    """The record of an entry; None where there is none, or half of one."""
    try:
        return from_json(_EntryRecord, read_small(place / _ENTRY, _MOST_RECORD_BYTES), str(place / _ENTRY))
    except (OSError, InputError):
        return None


def _made_s(record: _EntryRecord | None) -> float:
    """When an entry was made, which tells it from the next one of its key; 0 for what is no whole entry."""
    return record.made_s if record else 0.0


def _difference(place: Path, content: FolderContent) -> str:
    changed = content.first_change(_read(place / _LISTING))
    return f"{changed} is not what it was" if changed else "its content is not what it was"


def _read(file: Path) -> bytes:
    try:
        return read_small(file, _MOST_LISTING_BYTES)
    except OSError:
        return b""


def _mtime_s(path: Path) -> float:
    try:
        return path.lstat().st_mtime
    except OSError:
        return 0.0


def _used_s(place: Path) -> float:
    return _mtime_s(place / _ENTRY)
