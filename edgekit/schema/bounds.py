"""What a value has to be beyond its type, written on the field: `Annotated[int, Between(1, 64)]`.

The reader refuses by these, and the JSON Schema is written from them: the two cannot differ. Patterns keep to what
Python's and ECMAScript's expressions have in common, with ASCII classes alone, and are matched whole.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Annotated, Any, Protocol


class Bound(Protocol):
    """One condition on a value."""

    @property
    def words(self) -> str:
        """What is expected: `1 to 64`."""

    def admits(self, value: Any) -> bool:
        """Whether a value of the field's type is within."""


@dataclass(frozen=True, slots=True)
class Between:
    """A number's range, both ends included; `above` leaves its own out."""

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None

    @property
    def words(self) -> str:
        """See `Bound.words`."""
        if self.above is not None:
            most = "" if self.maximum is None else f", at most {_plain(self.maximum)}"
            return f"more than {_plain(self.above)}{most}"
        if self.minimum is not None:
            return f"{_plain(self.minimum)} " + ("or more" if self.maximum is None else f"to {_plain(self.maximum)}")
        return f"at most {_plain(self.maximum or 0.0)}"

    def admits(self, value: float) -> bool:
        """See `Bound.admits`."""
        low = self.minimum is None or value >= self.minimum
        return low and (self.maximum is None or value <= self.maximum) and (self.above is None or value > self.above)


@dataclass(frozen=True, slots=True)
class Matches:
    """A text's pattern, matched whole."""

    pattern: str
    words: str
    """What such a text is: `a version such as "1.4.0"`."""

    def admits(self, value: str) -> bool:
        """See `Bound.admits`."""
        return re.fullmatch(self.pattern, value) is not None


@dataclass(frozen=True, slots=True)
class Length:
    """How many items a list or table has."""

    minimum: int = 0
    maximum: int | None = None
    why: str = ""
    """Why no more and no fewer, where that is not plain."""

    @property
    def words(self) -> str:
        """See `Bound.words`."""
        if self.maximum == self.minimum:
            count = f"{self.minimum} " + ("entry" if self.minimum == 1 else "entries")
        elif self.maximum is None:
            count = f"{self.minimum} or more entries"
        else:
            count = f"{self.minimum} to {self.maximum} entries"
        return count + (f" ({self.why})" if self.why else "")

    def admits(self, value: Any) -> bool:
        """See `Bound.admits`."""
        return self.minimum <= len(value) and (self.maximum is None or len(value) <= self.maximum)


def _plain(number: float) -> str:
    return f"{number:g}" if abs(number) < 1e6 else f"{int(number)}"


def text(pattern: str, words: str) -> Any:
    """A type of text that matches a pattern."""
    return Annotated[str, Matches(pattern, words)]
