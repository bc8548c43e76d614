"""Heads that say something of the whole picture, by their shapes."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.schema.heads.facts import HeadFacts, OutputFacts
from edgekit.schema.heads.layout import HeadLayout
from edgekit.schema.stages.detect import Activation

_COARSEST = 32
"""Pixels of the input to a cell of a map of classes."""
_LEAST_STEPS = 4
_LEAST_SIGNS = 11
"""Of a model that reads: ten digits, and the sign for none."""
_RAW = frozenset({"Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Resize", "BatchNormalization"})
"""Operators behind which one number is no score yet."""


def picture_layouts(facts: HeadFacts) -> Iterator[HeadLayout]:
    """Classifiers, maps of classes, and models that read."""
    if len(facts.outputs) != 1:
        return
    (one,) = facts.outputs
    if len(one.inner) == 1 or (len(one.inner) == 3 and one.inner[1:] == (1, 1)):
        yield from _classifier(one, facts)
    elif len(one.inner) == 3 and all(one.inner):
        yield from _segmentation(one, facts)
    elif len(one.shape) == 3:
        yield from _reader(one, facts)


def _classifier(one: OutputFacts, facts: HeadFacts) -> Iterator[HeadLayout]:
    count = one.shape[1]
    if count == 1 and facts.classes in (None, 1):
        for activation in _activations(one):
            yield HeadLayout(
                kind="classify",
                outputs=(one.name,),
                classes=1,
                words=f"one score, of a class that is there or not: {one}",
                activation=activation,
            )
    elif count > 1 and facts.classes in (None, count):
        yield HeadLayout(
            kind="classify",
            outputs=(one.name,),
            classes=count,
            words=f"a classifier: {one}",
            activation="none" if one.made_by == "Softmax" else "softmax",
        )


def _segmentation(one: OutputFacts, facts: HeadFacts) -> Iterator[HeadLayout]:
    count, rows, columns = one.inner
    covers = rows * _COARSEST >= facts.height_px and columns * _COARSEST >= facts.width_px
    if covers and count == 1 and facts.classes in (None, 1):
        words = f"one map, of a class that is there or not: {one}"
        for activation in _activations(one):
            yield HeadLayout(kind="segment", outputs=(one.name,), classes=1, words=words, activation=activation)
    elif covers and count > 1 and facts.classes in (None, count):
        yield HeadLayout(kind="segment", outputs=(one.name,), classes=count, words=f"a map for each class: {one}")


def _activations(one: OutputFacts) -> tuple[Activation, ...]:
    """What may be left to do to a score that stands alone; several where its operator does not tell."""
    if one.made_by == "Sigmoid":
        return ("none",)
    return ("sigmoid",) if one.made_by in _RAW else ("none", "sigmoid")


def _reader(one: OutputFacts, facts: HeadFacts) -> Iterator[HeadLayout]:
    """A line of text: steps along the picture's width, a score for each sign and for none."""
    steps, signs = one.inner
    if steps == 1:  # [steps, 1, signs], as PyTorch's own CTC has it
        steps = one.shape[0]
    wide = facts.width_px >= 2 * facts.height_px and steps <= facts.width_px
    if wide and steps >= _LEAST_STEPS and signs >= _LEAST_SIGNS and facts.classes in (None, signs - 1, signs - 2):
        yield HeadLayout(
            kind="read",
            outputs=(one.name,),
            classes=signs - 1,
            words=f"a reader of one line (CTC): {one}",
            activation="none" if one.made_by == "Softmax" else "softmax",
        )
