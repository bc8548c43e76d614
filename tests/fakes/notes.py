"""Progress that a test can look at afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Notes:
    """Remembers what its user would have seen. See `edgekit.host.progress.Progress`."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.steps: list[str] = []

    @contextmanager
    def step(self, text: str, *, usually: str = "") -> Iterator[None]:
        """See `Progress.step`."""
        self.steps.append(text)
        yield

    @contextmanager
    def amount(self, text: str, total: int) -> Iterator[Callable[[int], None]]:
        """See `Progress.amount`."""
        self.steps.append(text)
        yield lambda _: None

    def note(self, text: str) -> None:
        """See `Progress.note`."""
        self.notes.append(text)
