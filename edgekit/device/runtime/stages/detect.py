"""`detect` and `yolo`: a detector's outputs become detections, with masks or points where it has them."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from edgekit.device.runtime.heads.candidates import Candidates, Floats, pick
from edgekit.device.runtime.heads.keypoints import keypoints_of
from edgekit.device.runtime.heads.masks import Outline, masks_of
from edgekit.device.runtime.heads.setup import HeadSetup, named_arrays
from edgekit.device.runtime.heads.suppress import suppress
from edgekit.device.runtime.heads.table import FINISHED, HEADS
from edgekit.device.runtime.stages.fitting import fit_of
from edgekit.errors import InputError
from edgekit.imaging.fit import Fit
from edgekit.schema.stages.detect import DetectOptions
from edgekit.schema.stages.labels import BoxOptions
from edgekit.schema.stages.yolo import YoloOptions
from edgekit.stage import Array, Detection, Frame, Keypoint, Stage, StageContext

_UNSETTLED = "edgekit build finds it out and writes it into the plan: build the release with this edgekit"


class Detect(Stage):
    """Takes each candidate's strongest class, drops weak ones, and of boxes that overlap keeps the strongest.

    Boxes are cut off at the picture's edge, and stand in the source's pixels.
    """

    Options: ClassVar[type] = DetectOptions

    def __init__(self, context: StageContext) -> None:
        super().__init__(context)
        self._fit = fit_of(context)
        self._decoder = Decoder(context, _settled(context.options))

    def __call__(self, frame: Frame) -> Frame:
        """Add what the model finds, in the source's pixels, strongest first."""
        frame.detections += self._decoder.find(frame.result(self.context.model).outputs, self._fit)
        return frame


class Yolo(Detect):
    """`detect` with the head of YOLOv8."""

    Options: ClassVar[type] = YoloOptions


class Decoder:
    """Detections of a detector's outputs."""

    def __init__(self, context: StageContext, options: DetectOptions) -> None:
        """Prepare what all pictures share.

        Raises:
            InputError: the options leave open what the build settles, or its priors cannot be read.
        """
        if options.head == "auto" or options.labels is None:
            what = "head" if options.head == "auto" else "labels"
            raise InputError(f"stage {context.name}: its {what} are not known", hint=_UNSETTLED)
        assert context.contract is not None, "a fit was planned for it"
        self._options, self._labels = options, options.labels
        self._head, self._suppresses = HEADS[options.head], options.head not in FINISHED
        self._limits = np.array([options.thresholds.get(one, options.threshold) for one in self._labels], np.float32)
        self._setup = HeadSetup(
            stage=context.name,
            options=options,
            classes=len(self._labels),
            width_px=context.contract.width_px,
            height_px=context.contract.height_px,
            priors=_priors(context, options),
        )

    def find(self, outputs: dict[str, Array], fit: Fit, picture: int = 0) -> tuple[Detection, ...]:
        """Detections of one picture of a batch, strongest first.

        Args:
            outputs: the model's, by name.
            fit: how the picture lies in the model's input.
            picture: its place in the batch.

        Raises:
            InputError: an output is missing, or laid out in another way.
        """
        arrays, setup = named_arrays(self._setup, outputs, picture), self._setup
        prototypes = arrays.pop() if self._options.masks else None
        found = pick(self._head(setup, arrays), self._limits, setup.activation)
        if self._suppresses:
            size = (setup.width_px, setup.height_px)
            found = found.take(suppress(found, self._options.iou, size, agnostic=self._options.agnostic))
        seen = fit.boxes_to_source(found.boxes)
        there = np.flatnonzero((seen[:, 2:] > seen[:, :2]).all(axis=1))[: self._options.most]
        return self._detections(found.take(there), seen[there], fit, prototypes)

    def _detections(
        self, found: Candidates, seen: Floats, fit: Fit, prototypes: Floats | None
    ) -> tuple[Detection, ...]:
        none: tuple[Keypoint, ...] = ()
        points = keypoints_of(found.extra, self._options.keypoints, fit) if self._options.keypoints else ()
        masks: tuple[Outline, ...] = ()
        if prototypes is not None:
            masks = masks_of(found.extra, prototypes, found.boxes, fit, (self._setup.width_px, self._setup.height_px))
        middles, sizes = (seen[:, :2] + seen[:, 2:]) / 2, seen[:, 2:] - seen[:, :2]
        rows = zip(middles.tolist(), sizes.tolist(), found.scores.tolist(), found.classes.tolist(), strict=True)
        return tuple(
            Detection(
                label=self._labels[label],
                x_px=x,
                y_px=y,
                width_px=width,
                height_px=height,
                score=score,
                keypoints=points[index] if points else none,
                outline=masks[index].outline if masks else (),
                area_px=masks[index].area_px if masks else 0.0,
            )
            for index, ((x, y), (width, height), score, label) in enumerate(rows)
        )


def _settled(options: BoxOptions) -> DetectOptions:
    """The options of either kind as those of `detect`."""
    if isinstance(options, DetectOptions):
        return options
    assert isinstance(options, YoloOptions)
    return DetectOptions(
        head="yolov8",
        outputs=(options.output,),
        labels=options.labels,
        threshold=options.threshold,
        thresholds=options.thresholds,
        iou=options.iou,
        agnostic=options.agnostic,
        most=options.most,
    )


def _priors(context: StageContext, options: DetectOptions) -> Floats | None:
    if options.priors is None:
        return None
    file = Path(context.release, options.priors)
    try:
        priors = np.asarray(np.load(file, allow_pickle=False), np.float32)
    except (OSError, ValueError) as error:
        raise InputError(f"stage {context.name}: {options.priors}: {error}", hint="save it with numpy.save") from None
    return priors.reshape(-1, 4)
