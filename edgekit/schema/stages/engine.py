"""Options of the stages around an engine: the picture becomes its input, and it runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from edgekit.schema.names import TableName
from edgekit.schema.stages.product import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """This kind has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessStage:
    """The frame becomes the model's input."""

    takes: ClassVar[tuple[Product, ...]] = ()
    gives: ClassVar[tuple[Product, ...]] = ("picture", "tensor")

    kind: Literal["preprocess"]
    lane: TableName
    model: TableName | None = None
    """For which model; may be left out where there is one."""
    options: NoOptions = NoOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class InferStage:
    """The engine runs."""

    takes: ClassVar[tuple[Product, ...]] = ("tensor",)
    gives: ClassVar[tuple[Product, ...]] = ("outputs",)

    kind: Literal["infer"]
    lane: TableName
    model: TableName | None = None
    """Which model runs; may be left out where there is one."""
    options: NoOptions = NoOptions()
