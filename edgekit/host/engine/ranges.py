"""Finds outputs that one int8 range cannot hold: boxes of hundreds beside scores below one. Pure.

The cosine does not see it, boxes outweigh scores, and the scores are all zero on the board.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from edgekit.errors import EngineError
from edgekit.host.engine.agreement import Answers

_LEVELS = 255
_MIN_LEVELS = 2.5
"""A channel of fewer levels is lost: two values are all that a score takes then."""
_LARGE = 2.0
"""Scores and probabilities stay below; a channel that is small among those is one that had nothing to see."""
_THROUGH = frozenset({"Reshape", "Transpose", "Squeeze", "Unsqueeze", "Identity", "Flatten", "Cast"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Mixed:
    """An output whose channels differ too much for one range."""

    output: str
    step: float
    """Distance of two int8 values, in the output's unit."""
    smallest: float
    """Largest magnitude of the smallest channel."""
    joined: tuple[str, ...]
    """Tensors that are joined into it, where a Concat does it."""

    def __str__(self) -> str:
        """For messages."""
        return (
            f"output {self.output} mixes ranges: one int8 step is {self.step:.3g}, and its smallest channel reaches "
            f"{self.smallest:.3g} only, so all of it becomes zero or one step"
        )


def find_mixed(model: onnx.ModelProto, answers: Answers) -> tuple[Mixed, ...]:
    """Look at what the float model answers on pictures.

    Args:
        model: for where its outputs come from.
        answers: by output, [frames, 1, channels, ...].
    """
    return tuple(_mixed(model, answers))


def check_ranges(path: Path, model: onnx.ModelProto, answers: Answers, kept_float: Collection[str]) -> None:
    """Refuse an output that one int8 range cannot hold, unless it stays float.

    Args:
        path: the model's file, for messages.
        model: what it holds.
        answers: of the float model, on calibration pictures.
        kept_float: tensors that are not quantised.

    Raises:
        EngineError: names what to split.
    """
    mixed = [one for one in find_mixed(model, answers) if one.output not in kept_float]
    if mixed:
        first = mixed[0]
        split = f"end the model at {' and '.join(first.joined)} instead" if first.joined else "give them apart"
        raise EngineError(
            f"{path}: {first}",
            hint=f'{split}, or keep it float: quantisation.keep_float = ["{first.output}"]',
            details="\n".join(map(str, mixed)),
        )


def _mixed(model: onnx.ModelProto, answers: Answers) -> Iterator[Mixed]:
    for name, values in answers.items():
        axis = _channels(values.shape)
        if axis is None or not values.size:
            continue
        others = tuple(index for index in range(values.ndim) if index != axis)
        reach = np.abs(values).max(axis=others).astype(float)
        step = (max(float(values.max()), 0.0) - min(float(values.min()), 0.0)) / _LEVELS
        seen = reach[reach > 0]
        if len(seen) and reach.max() > _LARGE and seen.min() < _MIN_LEVELS * step:
            yield Mixed(output=name, step=step, smallest=float(seen.min()), joined=_joined(model, name))


def _channels(shape: tuple[int, ...]) -> int | None:
    """The axis of channels: the second of an image's, the shorter of a list's; a plain vector has none."""
    match len(shape) - 2:
        case 2:
            return 2 if shape[2] <= shape[3] else 3
        case 3 | 4:
            return 2
    return None


def _joined(model: onnx.ModelProto, output: str) -> tuple[str, ...]:
    """Inputs of the Concat that makes an output, looked for through nodes that only rearrange."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    node = made_by.get(output)
    while node is not None and node.op_type in _THROUGH:
        node = made_by.get(node.input[0])
    return tuple(node.input) if node is not None and node.op_type == "Concat" else ()
