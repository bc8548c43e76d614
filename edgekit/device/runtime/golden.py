"""Golden frames: pictures whose right answers are known go through the production runner before anything counts.

They pass the stages up to the first one with state. A difference is a reason to refuse the release.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from itertools import takewhile
from pathlib import Path

from edgekit.device.runtime.golden_tensors import read_steps
from edgekit.device.runtime.stages import close_stage, find_class, is_stateless, reset_stage
from edgekit.device.runtime.stages.factory import StageFactory
from edgekit.errors import InputError
from edgekit.imaging.image import RgbImage, RgbSpec, no_picture
from edgekit.imaging.picture_file import read_picture_file
from edgekit.schema.detection import Detection, differences, read_expected
from edgekit.schema.plan import StagePlan
from edgekit.schema.recipe import TENSORS_SUFFIX, Golden
from edgekit.stage import Frame, ModelResult, Stage, StreamInfo

_MAX_SHOWN = 8
STREAM = "golden"
"""Name of the stream that golden frames are."""


def check_golden(golden: Golden, factory: StageFactory) -> tuple[str, ...]:
    """Run all golden frames.

    Returns:
        Every difference, with values; none means passed.

    Raises:
        InputError: a frame or the expected answers cannot be read.
    """
    expected = _expected(factory.release / golden.expected)
    wrong: list[str] = []
    with closing(factory), closing(Passage(leading(factory.plan.stages), factory.make)) as passage:
        for path in golden.frames:
            name = Path(path).name
            if name not in expected:
                raise InputError(f"{golden.expected} says nothing of {name}", hint="write what must be found in it")
            found = passage.find(factory.release / path)
            wrong += [f"{name}: {text}" for text in compare(expected[name], found, golden)]
    return tuple(wrong[:_MAX_SHOWN]) + ((f"and {len(wrong) - _MAX_SHOWN} more",) if len(wrong) > _MAX_SHOWN else ())


def compare(expected: Iterable[Detection], found: Iterable[Detection], golden: Golden) -> Iterator[str]:
    """Every difference, within the recipe's tolerances."""
    return differences(expected, found, position_px=golden.position_px, score=golden.score)


def leading(stages: Iterable[StagePlan]) -> tuple[StagePlan, ...]:
    """The stages before the first one with state: what they find in a frame depends on that frame alone."""
    return tuple(takewhile(lambda stage: is_stateless(find_class(stage.kind, stage.entry)), stages))


class Passage:
    """Stages that pictures pass, made once for each size of picture. Close it: that closes them."""

    def __init__(self, stages: Iterable[StagePlan], make: Callable[[StagePlan, StreamInfo], Stage]) -> None:
        self._plans = tuple(stages)
        self._models = tuple(dict.fromkeys(stage.engine for stage in self._plans if stage.engine))
        self._make = make
        self._made: dict[RgbSpec, list[Stage]] = {}

    def find(self, file: Path) -> tuple[Detection, ...]:
        """What the stages find in a picture, or at the last step of tensors.

        Raises:
            InputError: it is neither, or a stage cannot be made.
        """
        if file.suffix == TENSORS_SUFFIX:
            steps = read_steps(file, self._models)
            stages = self._stages(no_picture().spec)
            for stage in stages:
                reset_stage(stage)
            found: tuple[Detection, ...] = ()
            for number, inputs in enumerate(steps):
                results = {model: ModelResult(inputs=dict(given)) for model, given in inputs.items()}
                found = _through(stages, no_picture(), number, results)
            return found
        image = read_picture_file(file, f"frame {file.name}")
        return _through(self._stages(image.spec), image, 0, {})

    def close(self) -> None:
        """Free what the stages hold."""
        while self._made:
            for stage in self._made.popitem()[1]:
                close_stage(stage)

    def _stages(self, spec: RgbSpec) -> list[Stage]:
        if spec not in self._made:
            stages = self._made[spec] = []
            info = StreamInfo(name=STREAM, spec=spec, fps=1.0)
            stages.extend(self._make(plan, info) for plan in self._plans)
        return self._made[spec]


def _through(
    stages: Iterable[Stage], image: RgbImage, number: int, results: dict[str, ModelResult]
) -> tuple[Detection, ...]:
    frame: Frame | None = Frame(stream=STREAM, sequence=number, captured_s=0.0, image=image, results=results)
    for stage in stages:
        if frame is None:
            return ()
        frame = stage(frame)
    return frame.detections if frame is not None else ()


def _expected(file: Path) -> dict[str, tuple[Detection, ...]]:
    try:
        text = file.read_bytes()
    except OSError as error:
        raise InputError(f"{file.name} cannot be read: {error.strerror}", hint="build the release again") from None
    return dict(read_expected(text, file.name))
