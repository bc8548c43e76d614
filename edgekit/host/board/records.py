"""What is remembered of virtual boards between commands: one folder for each in the state folder."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from edgekit.errors import InputError, LockHeld, NothingSelected
from edgekit.host.disk import write_whole
from edgekit.host.locking import locked_at_once
from edgekit.host.settings import Settings
from edgekit.schema.reader import from_json, to_json

State = Literal["running", "paused", "hung", "dead", "damaged"]
_RECORD = "board.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardRecord:
    """One board: `board.json` in its folder."""

    shape: str
    port: int
    pid: int
    template: str
    """Its template's folder."""
    image: str
    """Its image's folder."""
    image_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardStatus:
    """One board, for people and scripts."""

    name: str
    like: str
    state: State
    address: str
    pid: int
    how: str = ""
    """How `up` brought it there: `resumed`, `booted`, `already up`, or empty."""


class BoardRecords:
    """The records of one user's boards."""

    def __init__(self, settings: Settings) -> None:
        self._folder = settings.state_dir.absolute() / "boards"

    def folder(self, name: str) -> Path:
        """Where a board's files are."""
        return self._folder / name

    def names(self) -> list[str]:
        """All boards that have been brought up and not taken down."""
        return sorted(file.parent.name for file in self._folder.glob(f"*/{_RECORD}"))

    def read(self, name: str) -> BoardRecord:
        """A board's record.

        Raises:
            NothingSelected: there is no such board.
            InputError: the record is damaged.
        """
        file = self.folder(name) / _RECORD
        if not file.is_file():
            known = ", ".join(self.names()) or "none"
            raise NothingSelected(
                f"there is no board {name!r}", hint=f"edgekit board up --name {name} (known: {known})"
            )
        return from_json(BoardRecord, file.read_bytes(), str(file))

    def write(self, name: str, record: BoardRecord) -> None:
        """Write a board's record."""
        write_whole(self.folder(name) / _RECORD, to_json(record))

    def needed(self) -> frozenset[Path]:
        """Folders of templates and images that boards hang on; a board whose record is damaged is made anew."""
        found: set[Path] = set()
        for name in self.names():
            with contextlib.suppress(InputError):
                record = self.read(name)
                found |= {Path(record.template), Path(record.image)}
        return frozenset(found)

    @contextlib.contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Let one command at a time bring a board up. Raises LockHeld for the others."""
        file = self.folder(name).with_suffix(".lock")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()  # it stays: removing it would let two hold it
        with contextlib.ExitStack() as held:
            try:
                held.enter_context(locked_at_once(file))
            except BlockingIOError:
                raise LockHeld(
                    f"another edgekit command is bringing {name} up", hint="try again when it has ended"
                ) from None
            yield
