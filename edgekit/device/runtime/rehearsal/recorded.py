"""Answers of an engine that cannot run on this machine, recorded where it can: a simulator, a board."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekit.device.runtime.rehearsal.watch import CannotTry
from edgekit.errors import InputError


class Recorded:
    """A runner that gives back what was recorded for the current picture. See `edgekit.device.runner.Runner`."""

    def __init__(self, file: Path) -> None:
        """Read an `.npz` with an array `output:NAME` for each output, [pictures, ...]."""
        with np.load(file, allow_pickle=False) as arrays:
            self._answers = {name.removeprefix("output:"): arrays[name] for name in arrays.files}
        self._picture: int | None = None

    def turn_to(self, picture: int) -> None:
        """Answer for this picture, once."""
        if any(picture >= len(array) for array in self._answers.values()):
            raise InputError("there are fewer recorded answers than pictures", hint="build the release again")
        self._picture = picture

    def infer(self, tensor: npt.NDArray[np.generic]) -> dict[str, npt.NDArray[np.generic]]:  # noqa: ARG002
        """See `Runner.infer`."""
        if self._picture is None:
            raise CannotTry("it asks its engine other than once for each frame, and one answer for each is recorded")
        picture, self._picture = self._picture, None
        return {name: array[picture].copy() for name, array in self._answers.items()}

    def close(self) -> None:
        """See `Runner.close`."""
