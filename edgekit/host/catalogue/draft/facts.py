"""What is known of a model's file, before there is a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFacts:
    """An input or output."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    """0 where the size is open."""

    def __str__(self) -> str:
        """`images float32[1, 3, ?, ?]`."""
        return f"{self.name} {self.dtype}[{', '.join(str(size or '?') for size in self.shape)}]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """A model's file."""

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]
    opset: int
    metadata: Mapping[str, str]
    """What its exporter wrote into it."""
