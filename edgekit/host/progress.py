"""How library code tells that long work goes on, without printing: `cli/output.py` implements it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol


class Progress(Protocol):
    """Told about steps; decides itself what to show."""

    def step(self, text: str, *, usually: str = "") -> AbstractContextManager[None]:
        """A step of unknown length; shown while the block runs, with `usually`: how long it takes as a rule."""

    def amount(self, text: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
        """A transfer of `total` bytes; call the given function with each number of further bytes."""

    def note(self, text: str) -> None:
        """One line that the user should see."""


class Silent:
    """Progress for nobody."""

    @contextmanager
    def step(self, text: str, *, usually: str = "") -> Iterator[None]:  # noqa: ARG002
        """See `Progress.step`."""
        yield

    @contextmanager
    def amount(self, text: str, total: int) -> Iterator[Callable[[int], None]]:  # noqa: ARG002
        """See `Progress.amount`."""
        yield lambda _: None

    def note(self, text: str) -> None:
        """See `Progress.note`."""
