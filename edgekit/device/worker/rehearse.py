"""Golden frames on a machine without the accelerator: its answers were recorded elsewhere, the stages are real.

    python -m edgekit.device.worker.rehearse FOLDER

FOLDER is laid out as a release is, `plan.json` and what the golden frames need, with `answers/ENGINE.npz` in place of
engines: an array `output:NAME` for each output, [frames, ...], in the order of the golden frames. The answer is one
JSON object on stdout: `{"wrong": [...]}`, or `{"error": {"message", "hint"}}`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edgekit.device.worker.golden import check_golden
from edgekit.device.worker.parts import Parts
from edgekit.errors import EdgekitError, InputError
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.reader import from_json


class Recorded:
    """A runner that gives back what was recorded, frame after frame. See `edgekit.device.runner.Runner`."""

    def __init__(self, file: Path) -> None:
        with np.load(file, allow_pickle=False) as arrays:
            self._answers = {name.removeprefix("output:"): arrays[name] for name in arrays.files}
        self._frame = 0

    def infer(self, tensor: npt.NDArray[np.generic]) -> dict[str, npt.NDArray[np.generic]]:  # noqa: ARG002
        """See `Runner.infer`."""
        frame, self._frame = self._frame, self._frame + 1
        if any(frame >= len(array) for array in self._answers.values()):
            raise InputError("there are fewer answers than golden frames", hint="build the release again")
        return {name: array[frame].copy() for name, array in self._answers.items()}

    def close(self) -> None:
        """See `Runner.close`."""


def rehearse(folder: Path) -> tuple[str, ...]:
    """Run the golden frames.

    Returns:
        Every difference, as `check_golden` tells it.

    Raises:
        InputError: the folder is not laid out as it must be.
    """
    plan = from_json(WorkerPlan, (folder / "plan.json").read_bytes(), "plan.json")
    runners = {name: Recorded(folder / "answers" / f"{name}.npz") for name in plan.engines}
    if plan.golden is None:
        return ()
    return check_golden(plan.golden, Parts(plan=plan, release=folder, runners=dict(runners)))


def main() -> None:
    """Rehearse, and say how it went."""
    try:
        print(json.dumps({"wrong": rehearse(Path(sys.argv[1]))}))
    except EdgekitError as error:
        print(json.dumps({"error": {"message": error.message, "hint": error.hint}}))


if __name__ == "__main__":
    main()
