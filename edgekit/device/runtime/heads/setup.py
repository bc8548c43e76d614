"""What a head knows before its first picture, and what it says where an output is laid out in another way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from edgekit.device.runtime.heads.candidates import Activation, Floats, Level
from edgekit.errors import InputError
from edgekit.schema.stages.detect import DetectOptions

_BACKGROUND = {"first": 0, "last": -1}


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadSetup:
    """A stage's options beside what its model takes."""

    stage: str
    """Its name, for messages."""
    options: DetectOptions
    """Settled by the build: nothing in them is `auto`."""
    classes: int
    width_px: int
    """Of the model's input."""
    height_px: int
    priors: Floats | None = None
    """[boxes, 4], of `ssd`."""

    @property
    def size(self) -> Floats:
        """Width and height of the input."""
        return np.array([self.width_px, self.height_px], np.float32)

    @property
    def background(self) -> int | None:
        """The row of scores that means nothing."""
        return _BACKGROUND.get(self.options.background)

    @property
    def rows(self) -> int:
        """Scores of a candidate, the background's among them."""
        return self.classes + (self.background is not None)

    @property
    def activation(self) -> Activation:
        """What makes scores of the model's numbers."""
        return "none" if self.options.activation == "auto" else self.options.activation

    @property
    def extra_sizes(self) -> tuple[int, ...]:
        """How many further values a candidate may have: for its mask, and two or three for each point."""
        points = len(self.options.keypoints)
        return tuple(self.options.masks + points * values for values in ((2, 3) if points else (0,)))

    def wrong(self, index: int, array: Floats, wanted: str) -> InputError:
        """The error of an output, by its number, that is laid out in another way."""
        name = self.options.outputs[index]
        return InputError(
            f"stage {self.stage}: output {name} is {[1, *array.shape]}, and {self.options.head} with {self.classes} "
            f"labels wants {wanted}",
            hint="write one label for each class, in the model's order, or another head",
        )

    def features_first(self, array: Floats, sizes: Iterable[int], *, usual: bool = False) -> Floats:
        """The first output, a list of candidates, as [values, candidates], whichever way round it is; a view.

        Args:
            array: the list.
            sizes: how many values a candidate may have.
            usual: whether values are the first axis where both axes are as long.

        Raises:
            InputError: neither axis is as long as one of `sizes`.
        """
        sizes = tuple(sizes)
        if array.ndim == 2:
            by_axis = [size in sizes for size in array.shape]
            if any(by_axis):
                return array if by_axis[0] and (usual or not by_axis[1]) else array.T
        raise self.wrong(0, array, f"[1, {' or '.join(map(str, sizes))}, candidates]")


Head: TypeAlias = Callable[[HeadSetup, Sequence[Floats]], list[Level]]
"""Says where scores and boxes lie in one picture's outputs, which have no batch axis and are in the head's order."""


def named_arrays(
    setup: HeadSetup, outputs: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.generic]]], picture: int
) -> list[Floats]:
    """The outputs that a head reads, of one picture of the batch, in its order.

    Raises:
        InputError: the model has no such output, or it has no such picture.
    """
    found = []
    for name in setup.options.outputs:
        if name not in outputs:
            raise InputError(
                f"stage {setup.stage}: the model has no output {name}",
                hint=f"name its output in the stage's options: it has {', '.join(outputs)}",
            )
        array = np.asarray(outputs[name], np.float32)
        if array.ndim < 1 or picture >= len(array):
            raise InputError(
                f"stage {setup.stage}: output {name} is {list(array.shape)}, without picture {picture} of a batch",
                hint="export the model with its batch as the first axis of every output",
            )
        found.append(array[picture])
    return found
