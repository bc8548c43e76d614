"""Messages on their way out of a worker: they wait in memory for a moment, then on disk, within a bound, until sent."""

from __future__ import annotations

import sqlite3
import threading
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_OVERHEAD_BYTES = 100
"""What a message takes beyond its topic and payload."""
_MEMORY_BYTES = 1 << 20
_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
PRAGMA wal_autocheckpoint = 64;
PRAGMA journal_size_limit = 262144;
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, payload BLOB NOT NULL, bytes INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
"""NORMAL: what was written outlives the process, however it ends; a power cut may cost the last moment.
Source: SQLite, "Write-Ahead Logging", section 3.2, and PRAGMA synchronous."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutMessage:
    """One message that has to arrive."""

    number: int
    """Its row on disk; below 0 for one that is in memory alone."""
    topic: str
    payload: bytes

    @property
    def size(self) -> int:
        """In bytes, as bounds count it."""
        return len(self.topic) + len(self.payload) + _OVERHEAD_BYTES


class Outbox:
    """A line of messages, oldest first. `put` is any thread's and never waits for the disk; all else is one thread's.

    Past its bound the oldest messages are dropped and counted. While the disk is full or broken they wait in memory,
    within a bound of its own. What was taken and not removed when the process ends is there again in the next one.
    """

    def __init__(self, file: Path, max_bytes: int, memory_bytes: int = _MEMORY_BYTES) -> None:
        """Nothing is opened yet: `store` does that.

        Args:
            file: the database; SQLite lays two more beside it.
            max_bytes: what the messages on disk may take.
            memory_bytes: what those may take that are not there.
        """
        self._file, self._max_bytes = file, max_bytes
        self._memory_bytes = min(memory_bytes, max_bytes)
        self._lock = threading.Lock()
        self._fresh: deque[OutMessage] = deque()
        """In memory alone."""
        self._fresh_bytes = 0
        self._count = 0
        self._taken: dict[int, int] = {}
        """Bytes of what was taken and is not removed, by number."""
        self._arrived: dict[int, int] = {}
        """Bytes of rows that are removed, and still on disk."""
        self._database: sqlite3.Connection | None = None
        self._rows = self._row_bytes = self._read_to = 0
        self._highest = 0
        """Number of a row that was given to anybody: a file that is begun anew goes on behind it."""
        self.dropped = 0
        self.fault = ""
        """Why messages wait in memory alone; empty where they do not."""

    @property
    def waiting(self) -> int:
        """Messages that were put in and not removed."""
        in_memory = sum(number < 0 for number in list(self._taken))
        return len(self._fresh) + in_memory + self._rows - len(self._arrived)

    @property
    def waiting_bytes(self) -> int:
        """What lies in memory and on disk."""
        return self._fresh_bytes + self._row_bytes

    @property
    def bound_bytes(self) -> int:
        """What may wait, where it waits now."""
        return self._memory_bytes if self.fault else self._max_bytes

    def put(self, topic: str, payload: bytes) -> None:
        """Add a message."""
        with self._lock:
            self._count += 1
            message = OutMessage(number=-self._count, topic=topic, payload=payload)
            self._fresh.append(message)
            self._fresh_bytes += message.size
            self._bound_memory()

    def store(self) -> None:
        """Bring to disk what is not there, and take off what has arrived, if it can be written now."""
        try:
            self._write(self._opened())
            self.fault = ""
        except (sqlite3.Error, OSError) as error:
            self._fail(error)

    def take(self, most: int) -> list[OutMessage]:
        """The next messages, oldest first; each is given once, until the process ends."""
        found: list[OutMessage] = []
        if self._database is not None:
            query = "SELECT id, topic, payload FROM messages WHERE id > ? ORDER BY id LIMIT ?"
            try:
                rows = self._database.execute(query, (self._read_to, most)).fetchall()
            except sqlite3.Error as error:
                self._fail(error)
                rows = []
            found += [OutMessage(number=number, topic=topic, payload=payload) for number, topic, payload in rows]
            self._read_to = max([self._read_to, *(message.number for message in found)])
            self._highest = max(self._highest, self._read_to)
        with self._lock:
            while self.fault and self._fresh and len(found) < most:
                found.append(self._fresh.popleft())
                self._fresh_bytes -= found[-1].size
        self._taken.update((message.number, message.size) for message in found)
        return found

    def remove(self, numbers: Collection[int]) -> None:
        """These have arrived."""
        for number in numbers:
            size = self._taken.pop(number, None)
            if size is not None and number > 0:
                self._arrived[number] = size

    def note(self, name: str, value: str) -> str:
        """A word that is kept beside the messages: the one that is there, else this one from now on."""
        if self._database is not None:
            with suppress(sqlite3.Error), self._database:
                self._database.execute("INSERT OR IGNORE INTO notes VALUES (?, ?)", (name, value))
                (value,) = self._database.execute("SELECT value FROM notes WHERE name = ?", (name,)).fetchone()
        return value

    def close(self) -> None:
        """Store what can be stored, and let go of the file."""
        self.store()
        if self._database is not None:
            self._database.close()
            self._database = None

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            database = sqlite3.connect(self._file, timeout=1.0, check_same_thread=False)
            try:
                database.executescript(_SCHEMA)
                totals = database.execute("SELECT count(*), coalesce(sum(bytes), 0) FROM messages").fetchone()
                _number_from(database, self._highest)
            except BaseException:
                database.close()
                raise
            self._rows, self._row_bytes = totals
            self._database = database
        return self._database

    def _write(self, database: sqlite3.Connection) -> None:
        with self._lock:
            fresh, fresh_bytes = list(self._fresh), self._fresh_bytes
            self._fresh.clear()
            self._fresh_bytes = 0
        if not fresh and not self._arrived:
            return
        try:
            with database:
                arrived = list(self._arrived)
                oldest = self._oldest(database, fresh_bytes)
                gone = [(number,) for number in (*arrived, *oldest)]
                database.executemany("DELETE FROM messages WHERE id = ?", gone)
                rows = [(message.topic, message.payload, message.size) for message in fresh]
                database.executemany("INSERT INTO messages (topic, payload, bytes) VALUES (?, ?, ?)", rows)
        except BaseException:
            with self._lock:
                self._fresh.extendleft(reversed(fresh))
                self._fresh_bytes += fresh_bytes
                self._bound_memory()
            raise
        self._rows += len(fresh) - len(gone)
        self._row_bytes += fresh_bytes - sum(self._arrived.values()) - sum(oldest.values())
        self._arrived.clear()
        self.dropped += len(oldest)

    def _oldest(self, database: sqlite3.Connection, more_bytes: int) -> dict[int, int]:
        """Bytes of the oldest rows that have to go before `more_bytes` fit, by number; none that was taken."""
        excess = self._row_bytes - sum(self._arrived.values()) + more_bytes - self._max_bytes
        found: dict[int, int] = {}
        if excess > 0:
            query = "SELECT id, bytes FROM messages WHERE id > ? ORDER BY id"
            for number, size in database.execute(query, (self._read_to,)):
                found[number] = size
                excess -= size
                if excess <= 0:
                    break
        return found

    def _bound_memory(self) -> None:
        """With the lock held."""
        while self._fresh_bytes > self._memory_bytes:
            self._fresh_bytes -= self._fresh.popleft().size
            self.dropped += 1

    def _fail(self, error: Exception) -> None:
        """A disk that is full or broken is asked again; a file that is damaged is begun anew, what it held is lost."""
        self.fault = str(error)
        if isinstance(error, OSError | sqlite3.OperationalError):
            return
        if self._database is not None:
            self._database.close()
        self._database = None
        self.dropped += self._rows - len(self._arrived)
        self._rows = self._row_bytes = self._read_to = 0
        self._arrived.clear()
        self._taken = {number: size for number, size in self._taken.items() if number < 0}
        for end in ("", "-wal", "-shm"):
            with suppress(OSError):
                self._file.with_name(self._file.name + end).unlink(missing_ok=True)
        self._arrived.clear()
        self._taken = {number: size for number, size in self._taken.items() if number < 0}


def _number_from(database: sqlite3.Connection, highest: int) -> None:
    """Give no row a number again that a message on its way has: its arrival would take the other one off.

    Source: SQLite, "SQLite Autoincrement".
    """
    with database:
        if highest and not database.execute("SELECT 1 FROM sqlite_sequence WHERE seq >= ?", (highest,)).fetchone():
            database.execute("DELETE FROM sqlite_sequence WHERE name = 'messages'")
            database.execute("INSERT INTO sqlite_sequence VALUES ('messages', ?)", (highest,))
