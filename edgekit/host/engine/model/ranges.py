"""Finds outputs that one int8 range cannot hold: boxes of hundreds beside scores below one. Pure.

The cosine does not see it, boxes outweigh scores, and the scores are all zero on the board.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx

from edgekit.errors import EngineError
from edgekit.host.engine.model.answers import Answers, channel_axis

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
    made_by: str
    """What that Concat makes: the output itself, or what is only laid out anew behind it."""

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


def check_ranges(path: Path, model: onnx.ModelProto, answers: Answers) -> None:
    """Refuse an output that one int8 range cannot hold, before anything is compiled.

    Args:
        path: the model's file, for messages.
        model: what it holds.
        answers: of the float model, on calibration pictures.

    Raises:
        EngineError: names what helps.
    """
    mixed = find_mixed(model, answers)
    if mixed:
        raise EngineError(f"{path}: {mixed[0]}", hint=split_hint(mixed[0]), details="\n".join(map(str, mixed)))


def split_hint(mixed: Mixed) -> str:
    """For the user: what keeps such an output correct."""
    alternative = (
        f', or keep what joins them float: quantisation.keep_float = ["{mixed.made_by}"]' if mixed.joined else ""
    )
    return (
        f'write split = "auto" for this model: what joins the ranges is then computed in float on the CPU{alternative}'
    )


def _mixed(model: onnx.ModelProto, answers: Answers) -> Iterator[Mixed]:
    for name, values in answers.items():
        axis = channel_axis(values.shape)
        if axis is None or not values.size:
            continue
        others = tuple(index for index in range(values.ndim) if index != axis)
        reach = np.abs(values).max(axis=others).astype(float)
        step = (max(float(values.max()), 0.0) - min(float(values.min()), 0.0)) / _LEVELS
        seen = reach[reach > 0]
        if len(seen) and reach.max() > _LARGE and seen.min() < _MIN_LEVELS * step:
            joined, made_by = _joined(model, name)
            yield Mixed(output=name, step=step, smallest=float(seen.min()), joined=joined, made_by=made_by)


def _joined(model: onnx.ModelProto, output: str) -> tuple[tuple[str, ...], str]:
    """Inputs and output of the Concat that makes an output, looked for through nodes that only rearrange."""
    made_by = {name: node for node in model.graph.node for name in node.output}
    node = made_by.get(output)
    while node is not None and node.op_type in _THROUGH:
        node = made_by.get(node.input[0])
    if node is None or node.op_type != "Concat":
        return (), output
    return tuple(node.input), node.output[0]
