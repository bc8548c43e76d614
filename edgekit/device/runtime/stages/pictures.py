"""What stages share that say something of a whole picture: their output, and a detection as large as the picture."""

from __future__ import annotations

import numpy as np

from edgekit.device.runtime.heads.candidates import Activation, Floats
from edgekit.errors import InputError
from edgekit.schema.stages.pictures import PictureOptions
from edgekit.stage import Array, Detection, StageContext

_UNSETTLED = "edgekit build finds it out and writes it into the plan: build the release with this edgekit"


class PictureOutput:
    """The one output of a model that a stage reads, with the names of what it says."""

    def __init__(self, context: StageContext) -> None:
        """Prepare it. Raises InputError where the options leave open what the build settles."""
        options: PictureOptions = context.options
        if options.labels is None or options.output is None or options.activation == "auto":
            open_ones = [name for name in ("labels", "output") if getattr(options, name) is None] or ["activation"]
            raise InputError(f"stage {context.name}: its {open_ones[0]} is not known", hint=_UNSETTLED)
        self.labels, self.activation = options.labels, _activation(options)
        self._stage, self._name = context.name, options.output

    def of(self, outputs: dict[str, Array], picture: int = 0) -> Floats:
        """The output of one picture of a batch, without the batch's axis.

        Raises:
            InputError: the model has no such output, or none of such a picture.
        """
        if self._name not in outputs:
            raise InputError(
                f"stage {self._stage}: the model has no output {self._name}",
                hint=f"name its output in the stage's options.output: it has {', '.join(outputs)}",
            )
        array = np.asarray(outputs[self._name], np.float32)
        if array.ndim < 2 or picture >= len(array):
            raise self.wrong(array, "a batch as its first axis")
        found: Floats = array[picture]
        return found

    def vector(self, outputs: dict[str, Array], picture: int = 0) -> Floats:
        """[classes], of an output [batch, classes], [batch, classes, 1, 1] and the like. Raises InputError."""
        found = self.of(outputs, picture)
        if found.size != len(self.labels):
            raise self.wrong(found, f"[1, {len(self.labels)}]")
        return found.reshape(-1)

    def steps(self, outputs: dict[str, Array], picture: int = 0) -> Floats:
        """[steps, signs and none]: of [batch, steps, signs], or of one picture [steps, 1, signs]. Raises InputError."""
        wanted = (len(self.labels) + 1, len(self.labels) + 2)
        array = outputs.get(self._name)
        if array is not None and array.ndim == 3 and array.shape[1] == 1 and array.shape[2] in wanted and not picture:
            return np.asarray(array[:, 0], np.float32)
        found = self.of(outputs, picture)
        if found.ndim != 2 or found.shape[1] not in wanted:
            raise self.wrong(found, f"[1, steps, {wanted[0]}]")
        return found

    def maps(self, outputs: dict[str, Array], picture: int = 0) -> Floats:
        """[classes, rows, columns]. Raises InputError."""
        found = self.of(outputs, picture)
        if found.ndim != 3 or len(found) != len(self.labels):
            raise self.wrong(found, f"[1, {len(self.labels)}, rows, columns]")
        return found

    def wrong(self, found: Floats, wanted: str) -> InputError:
        """The error of an output that is laid out in another way."""
        shape, count = [1, *found.shape], len(self.labels)
        return InputError(
            f"stage {self._stage}: output {self._name} is {shape}, and {count} labels want {wanted}",
            hint="write one label for each class, in the model's order",
        )


def _activation(options: PictureOptions) -> Activation:
    return "none" if options.activation == "auto" else options.activation


def whole_picture(context: StageContext, label: str, score: float, text: str = "") -> Detection:
    """A detection as large as the picture."""
    stream = context.stream
    width_px, height_px = (size * stream.scale for size in (stream.spec.width_px, stream.spec.height_px))
    return Detection(
        label=label,
        x_px=stream.left_px + width_px / 2,
        y_px=stream.top_px + height_px / 2,
        width_px=width_px,
        height_px=height_px,
        score=score,
        text=text,
    )
