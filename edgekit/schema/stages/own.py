"""The stage of a recipe's own code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from edgekit.schema.names import ClassEntry, TableName
from edgekit.schema.stages.product import Product


@dataclass(frozen=True, slots=True, kw_only=True)
class PythonStage:
    """The recipe's own step."""

    takes: ClassVar[tuple[Product, ...]] = ()
    gives: ClassVar[tuple[Product, ...]] = ("picture", "tensor", "outputs", "detections", "tracks", "counts", "events")

    kind: Literal["python"]
    lane: TableName
    entry: ClassEntry
    """`module:Class` in the recipe's `app/` folder."""
    model: TableName | None = None
    """A model that it runs itself."""
    options: dict[str, Any] = field(default_factory=dict)
    """For the dataclass that the class names in its attribute `Options`; as they are where it names none."""
