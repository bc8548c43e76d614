"""An input of a model, before there is a recipe."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class InputFacts:
    """What a model's file says of an input."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    """0 where the size is open."""

    def __str__(self) -> str:
        """`images float32[1, 3, ?, ?]`."""
        return f"{self.name} {self.dtype}[{', '.join(str(size or '?') for size in self.shape)}]"
