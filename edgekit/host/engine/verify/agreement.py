"""Measures how well an engine's answers agree with the float model's. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edgekit.host.engine.model.answers import Answers, finite
from edgekit.host.engine.verify.channels import Channel, compare_channels

_NEXT_TO_NOTHING = 0.02
"""An output that stays below this part of its largest value is one of a picture with nothing on it: the direction of
what is left there is noise, and its size counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """One output, compared over all frames."""

    output: str
    frames: int
    cosine_min: float
    """Of the worst frame that has something to compare; 1 is the same direction."""
    cosine_mean: float
    max_abs: float
    """The largest difference of one element."""
    picture: str = ""
    """Where the cosine is least."""
    farthest: str = ""
    """Where the largest difference is."""
    scale: float = 0.0
    """The float model's largest value."""
    empty_frames: int = 0
    """Frames on which the float model answers next to nothing; they have no part in the cosine."""
    empty_abs: float = 0.0
    """The largest difference on those."""
    empty_picture: str = ""
    not_finite: int = 0
    """How many of the engine's values are no numbers, or infinite; the other figures leave them out."""
    channels: tuple[Channel, ...] = ()

    def __str__(self) -> str:
        """`heat: cosine 0.9991 at least, 0.9996 on average, off by 0.031 at most`."""
        broken = f", {self.not_finite} values are no numbers" if self.not_finite else ""
        return (
            f"{self.output}: cosine {self.cosine_min:.6f} at least, {self.cosine_mean:.6f} on average, "
            f"off by {self.max_abs:.3g} at most, on {self.frames} frames{broken}"
        )


def compare(expected: Answers, found: Answers, names: Sequence[str] = ()) -> tuple[Agreement, ...]:
    """Compare every output of the float model with the engine's of the same name.

    Args:
        expected: the float model's.
        found: the engine's.
        names: of the frames, for messages; by default their numbers.

    Raises:
        ValueError: an output is missing, or has another size.
    """
    made = []
    for name, want in expected.items():
        if name not in found or found[name].size != want.size:
            raise ValueError(f"output {name} is missing or has another size")
        made.append(_compare(name, want, found[name], names or [str(index) for index in range(len(want))]))
    return tuple(made)


def _compare(name: str, want: npt.NDArray[np.generic], got: npt.NDArray[np.generic], names: Sequence[str]) -> Agreement:
    """Frame by frame: all at once would take twice the memory of the answers."""
    known = np.isfinite(want)
    got = got.reshape(want.shape)
    if not known.all():  # the model itself divides nothing by nothing there: nobody can want a number
        want, got = np.where(known, want, 0), np.where(known, got, 0)
    frames = [_frame(one, other) for one, other in zip(want, got, strict=True)]
    cosines, offs, sizes = (np.array(column) for column in zip(*frames, strict=True))
    scale = float(sizes.max())
    empty = sizes < _NEXT_TO_NOTHING * scale
    full = np.where(empty, np.inf, cosines)
    nothing = np.where(empty, offs, -1.0)
    return Agreement(
        output=name,
        frames=len(want),
        cosine_min=float(full.min()) if not empty.all() else 1.0,
        cosine_mean=float(cosines[~empty].mean()) if not empty.all() else 1.0,
        max_abs=float(offs.max()),
        picture=names[int(full.argmin())],
        farthest=names[int(offs.argmax())],
        scale=scale,
        empty_frames=int(empty.sum()),
        empty_abs=max(0.0, float(nothing.max())),
        empty_picture=names[int(nothing.argmax())] if empty.any() else "",
        not_finite=int((~np.isfinite(got)).sum()),
        channels=compare_channels(want, got),
    )


def _frame(want: npt.NDArray[np.generic], got: npt.NDArray[np.generic]) -> tuple[float, float, float]:
    """Cosine, largest difference, and the float model's largest value."""
    first, second = finite(want).ravel(), finite(got).ravel()
    size, off = float(np.abs(first).max(initial=0.0)), float(np.abs(first - second).max(initial=0.0))
    if np.array_equal(want.ravel(), got.ravel()):
        return 1.0, 0.0, size
    norm = float(np.linalg.norm(first) * np.linalg.norm(second))
    broken = not np.isfinite(got).all()
    return (float(first @ second) / norm if norm > 0 and not broken else 0.0), off, size
