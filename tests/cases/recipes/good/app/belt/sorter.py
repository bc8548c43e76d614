"""A stage of the recipe's own, which is read here and never run."""

from dataclasses import dataclass
from typing import Annotated, Literal

from edgekit.stage import Between, Stage


@dataclass(frozen=True, kw_only=True)
class SorterOptions:
    part: str
    pulse_ms: Annotated[int, Between(1, 1000)] = 10
    side: Literal["left", "right"] = "left"


class Sorter(Stage):
    Options = SorterOptions
