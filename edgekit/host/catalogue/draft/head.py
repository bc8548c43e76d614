"""What a model's output holds: recognised by its shape, its labels and its exporter's words, or refused by name. Pure.

Known is the layout of YOLOv8, YOLO11 and their kin (YOLOv5u, v9, v12): one output [1, 4 + classes, anchors], boxes in
pixels of the input, then a score a class. Source: ultralytics 8.4.190, nn/modules/head.py, Detect.
"""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.errors import InputError
from edgekit.host.catalogue.draft.exporter import ExporterSays
from edgekit.host.catalogue.draft.facts import ModelFacts, TensorFacts
from edgekit.host.catalogue.draft.question import LABELS, Answers

BOX = 4
OWN_STAGE = "decode it in a stage of your own: README, Formats; edgekit init NAME writes a recipe with one in app/"
_END_TO_END = 6
"""Columns of an output that is suppressed already: left, top, right, bottom, score, class."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftHead:
    """The stage that makes detections of a model's output."""

    output: str
    labels: tuple[str, ...]


def recognise_head(
    facts: ModelFacts, says: ExporterSays, answers: Answers, labels: tuple[str, ...]
) -> DraftHead | None:
    """Find the stage for a model's output; None while its labels are not known.

    Args:
        facts: the model.
        says: what its exporter tells.
        answers: takes the question for labels.
        labels: those that the user gives; none: the exporter's.

    Raises:
        InputError: no stage takes such an output; the message says what it is taken for.
    """
    if says.task not in ("", "detect"):
        raise _refused(f"it is exported for {says.task!r}, not for detection", facts)
    if len(facts.outputs) != 1 or len(facts.outputs[0].shape) != 3:
        raise _refused("it has not the one output [1, 4 + classes, anchors]", facts)
    (output,) = facts.outputs
    names = labels or says.labels
    if output.shape[2] == _END_TO_END:
        raise _refused("its boxes are suppressed already: an end-to-end head, as YOLOv10's", facts)
    if names:
        _check_count(output, len(names), facts)
        return DraftHead(output=output.name, labels=names)
    if 0 < output.shape[2] < output.shape[1]:
        raise _refused("its anchors come first, as YOLOv5's and YOLOX's do", facts)
    answers.of(LABELS)
    return None


def _check_count(output: TensorFacts, count: int, facts: ModelFacts) -> None:
    """See that so many classes fit an output, in either order of its axes."""
    sizes = [size for size in output.shape[1:] if size]
    if BOX + count in sizes or not sizes:
        return
    if BOX + 1 + count in sizes:
        raise _refused("it tells beside each class's score whether there is anything: YOLOv5's head, or YOLOX's", facts)
    classes = min(sizes) - BOX
    raise InputError(
        f"{count} labels do not fit {output}: boxes of 4 numbers leave room for {classes} classes",
        hint=f"give a file with {classes} names, one a line: --labels FILE",
    )


def _refused(why: str, facts: ModelFacts) -> InputError:
    named = ", ".join(map(str, facts.outputs))
    return InputError(f"no stage of edgekit takes this model's output, {named}: {why}", hint=OWN_STAGE)
