"""What verbs write: results on stdout, notes and progress on stderr. Nothing else in edgekit writes to either.

Whatever is written here may have come from elsewhere, so all of it goes through `clean`; and into the run's log.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from edgekit.cli.clean import clean, fit_to_show
from edgekit.errors import EdgekitError
from edgekit.schema.reader import to_raw
from edgekit.schema.units import format_bytes

_PLAIN_EVERY_S = 5.0
_FILE_WIDTH = 1000
"""Columns where nobody looks: a pipe or a file gets whole rows, whatever the terminal's width is."""
_DETAIL_LINES = 100
"""Of another program's output on the terminal; the log has all of it."""
_log = logging.getLogger("edgekit.cli")


class CleanConsole(Console):
    """A console that shows text as text: no markup in it counts, and no control character gets through."""

    def __init__(self, *, stderr: bool = False) -> None:
        super().__init__(stderr=stderr, markup=False, emoji=False, highlight=False, soft_wrap=True)
        if not self.is_terminal:
            self.width = _FILE_WIDTH

    def render_str(self, text: str, **options: Any) -> Text:
        """Called by rich for every string, also for the cells of tables: sequences are taken out whole."""
        return super().render_str(fit_to_show(text), **options)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Called by rich for everything that it writes: what came by another way is clean as well."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=clean(segment.text))


class Output:
    """One command's output. With `as_json` exactly one JSON object goes to stdout; everything else goes to stderr."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.console = CleanConsole(stderr=True)
        self._results = CleanConsole()
        self._moves = self.console.is_terminal and not self.console.is_dumb_terminal

    def result(self, value: Any, text: RenderableType | None = None) -> None:
        """The command's answer: `value` (a dataclass or plain data) as JSON, or `text` for people."""
        if isinstance(text, str):
            _log.info("%s", text)
        if self.as_json:
            self.line(value, "")
        elif text is not None:
            self._results.print(text)

    def line(self, value: Any, text: str) -> None:
        """One line at once: the whole answer of `result`, or one of a stream (`logs --follow`)."""
        if self.as_json:
            print(json.dumps(to_raw(value)), flush=True)  # all but ASCII is escaped: no control character gets through
        else:
            print(fit_to_show(text), flush=True)

    def note(self, text: str) -> None:
        """One line for people."""
        _log.info("%s", text)
        self.console.print(text)

    @contextmanager
    def step(self, text: str, *, usually: str = "") -> Iterator[None]:
        """Show that something goes on and for how long, beside what it usually takes; then how long it took."""
        began = time.monotonic()
        expected = f" (usually {usually})" if usually else ""
        _log.info("%s%s ...", text, expected)
        if self._moves:
            with self._spinner(f"{text}{expected}"):
                yield
        else:
            self.console.print(f"{text}{expected} ...")
            yield
        self.note(f"{text}: {time.monotonic() - began:.1f} s")

    @contextmanager
    def amount(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
        """Show a transfer: a bar on a terminal, a line every few seconds elsewhere."""
        began = time.monotonic()
        if self._moves:
            with _transfer_bar(self.console) as bar:
                task = bar.add_task(text, total=total)
                yield lambda count: bar.advance(task, count)
        else:
            yield self._plain_amount(text, total)
        self.note(f"{text}: {format_bytes(total)} in {time.monotonic() - began:.1f} s")

    def error(self, error: EdgekitError, log: Path | None = None) -> None:
        """One sentence, the other program's output, the hint, and the log where it has more than that."""
        _log.error("error: %s\n%s\nhint: %s", error.message, error.details, error.hint)
        place = {"log": str(log)} if log else {}
        self.console.print(f"error: {error.message}", style="bold red")
        if error.details:
            self.console.print(_shortened(clean(error.details), log), style="dim")
        self.console.print(f"hint: {error.hint}")
        if log:
            self.console.print(f"log: {log}")
        if self.as_json:
            what = {"message": error.message, "hint": error.hint, "details": error.details}
            self.line({"error": {**what, "exit_code": error.exit_code, **place}}, "")

    def _spinner(self, text: str) -> Any:
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TimeElapsedColumn(), TextColumn("{task.description}", markup=False))
        bar = Progress(*columns, console=self.console, transient=True)
        bar.add_task(text, total=None)
        return bar

    def _plain_amount(self, text: str, total: int) -> Callable[[int], None]:
        done, shown = 0, time.monotonic()
        began = shown

        def advance(count: int) -> None:
            nonlocal done, shown
            done += count
            now_s = time.monotonic()
            if now_s - shown > _PLAIN_EVERY_S:
                shown = now_s
                self.note(f"{text}: {transfer_line(done, total, now_s - began)}")

        return advance


def transfer_line(done: int, total: int, seconds: float) -> str:
    """How far a transfer is: bytes, rate, and what is left at that rate."""
    rate = done / max(seconds, 1e-3)
    left = f", {(total - done) / rate:.0f} s left" if rate else ""
    return f"{format_bytes(done)} of {format_bytes(total)}, {format_bytes(int(rate))}/s{left}"


def _transfer_bar(console: Console) -> Any:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True)


def table(headers: Iterable[str], rows: Iterable[Iterable[str]]) -> Table:
    """A table for people. Long cells are folded where the terminal is narrow; nothing is cut."""
    made = Table(box=None, padding=(0, 2, 0, 0))
    for header in headers:
        made.add_column(header, overflow="fold")
    for row in rows:
        made.add_row(*row)
    return made


def _shortened(details: str, log: Path | None) -> str:
    """The beginning and the end of long details, where the log has the rest."""
    lines = details.splitlines()
    if log is None or len(lines) <= _DETAIL_LINES:
        return details
    half = _DETAIL_LINES // 2
    left_out = f"... {len(lines) - 2 * half} lines left out, all are in the log ..."
    return "\n".join([*lines[:half], left_out, *lines[-half:]])
