"""How well an engine's answers agree with the float model's. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Answers = Mapping[str, npt.NDArray[np.generic]]
"""One array a model's output: [frames, ...]."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One output, compared over all frames."""

    output: str
    frames: int
    cosine_min: float
    """Of the worst frame; 1 is the same direction."""
    cosine_mean: float
    max_abs: float
    """The largest difference of one element."""

    def __str__(self) -> str:
        """`heat: cosine 0.9991 at least, 0.9996 on average, off by 0.031 at most`."""
        return (
            f"{self.output}: cosine {self.cosine_min:.6f} at least, {self.cosine_mean:.6f} on average, "
            f"off by {self.max_abs:.3g} at most, on {self.frames} frames"
        )


def compare(expected: Answers, found: Answers) -> tuple[Agreement, ...]:
    """Compare every output of the float model with the engine's of the same name.

    Raises:
        ValueError: an output is missing, or has another size.
    """
    made = []
    for name, want in expected.items():
        if name not in found or found[name].size != want.size:
            raise ValueError(f"output {name} is missing or has another size")
        made.append(_compare(name, _rows(want), _rows(found[name])))
    return tuple(made)


def _compare(name: str, want: npt.NDArray[np.float64], got: npt.NDArray[np.float64]) -> Agreement:
    norms = np.linalg.norm(want, axis=1) * np.linalg.norm(got, axis=1)
    same = np.all(want == got, axis=1)
    cosines = np.where(same, 1.0, (want * got).sum(axis=1) / np.where(norms > 0, norms, 1.0))
    cosines = np.where(np.isfinite(cosines), cosines, 0.0)
    off = np.abs(want - got)
    return Agreement(
        output=name,
        frames=len(want),
        cosine_min=float(cosines.min()),
        cosine_mean=float(cosines.mean()),
        max_abs=float(off.max()) if np.isfinite(off).all() else float("inf"),
    )


def _rows(array: npt.NDArray[np.generic]) -> npt.NDArray[np.float64]:
    return array.reshape(len(array), -1).astype(np.float64)
