"""What verbs say: results on stdout, words and progress on stderr."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgekit.errors import EdgekitError
from edgekit.schema.reader import to_raw
from edgekit.schema.units import format_bytes

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

_PLAIN_EVERY_S = 5.0


class Output:
    """One command's voice. With `as_json` exactly one JSON object goes to stdout; everything else goes to stderr."""

    def __init__(self, *, as_json: bool) -> None:
        from rich.console import Console

        self.as_json = as_json
        self.words: Console = Console(stderr=True, highlight=False, soft_wrap=True)
        self._results: Console = Console(highlight=False, soft_wrap=True)

    def result(self, value: Any, text: RenderableType | None = None) -> None:
        """The command's answer: `value` (a dataclass or plain data) as JSON, or `text` for people."""
        if self.as_json:
            print(json.dumps(to_raw(value), ensure_ascii=False))
        elif text is not None:
            self._results.print(text, markup=False) if isinstance(text, str) else self._results.print(text)

    def note(self, text: str) -> None:
        """One line for people."""
        self.words.print(text, markup=False)

    @contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Show that something goes on, then how long it took."""
        began = time.monotonic()
        if self.words.is_terminal:
            with self.words.status(text):
                yield
        else:
            self.note(f"{text} ...")
            yield
        self.note(f"{text}: {time.monotonic() - began:.1f} s")

    @contextmanager
    def amount(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a transfer: a bar on a terminal, a line every few seconds elsewhere."""
        began = time.monotonic()
        if self.words.is_terminal:
            from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn

            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            with Progress(*columns, console=self.words, transient=True) as bar:
                task = bar.add_task(text, total=total)
                yield lambda count: bar.advance(task, count)
        else:
            yield self._plain_amount(text, total)
        self.note(f"{text}: {format_bytes(total)} in {time.monotonic() - began:.1f} s")

    def error(self, error: EdgekitError) -> None:
        """One sentence, what the other program said, and the hint."""
        if self.as_json:
            told = {"message": error.message, "hint": error.hint, "details": error.details}
            print(json.dumps({"error": {**told, "exit_code": error.exit_code}}, ensure_ascii=False))
        self.words.print(f"error: {error.message}", style="bold red", markup=False)
        if error.details:
            self.words.print(error.details, style="dim", markup=False)
        self.words.print(f"hint: {error.hint}", markup=False)

    def _plain_amount(self, text: str, total: int) -> Callable[[int], None]:
        done, shown = 0, time.monotonic()

        def advance(count: int) -> None:
            nonlocal done, shown
            done += count
            if time.monotonic() - shown > _PLAIN_EVERY_S:
                shown = time.monotonic()
                self.note(f"{text}: {format_bytes(done)} of {format_bytes(total)}")

        return advance
