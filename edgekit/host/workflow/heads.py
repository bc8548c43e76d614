"""Settles what a recipe's stages make of their models' outputs: which head it is, and what its classes are called.

Engines for accelerators lose what an ONNX file says of itself, and nobody on a board can be asked. So all of it is
found out here, said, and written into the plan.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass

from edgekit.errors import InputError
from edgekit.host.catalogue.labels import read_labels
from edgekit.host.catalogue.recipes import RecipeFolder
from edgekit.host.engine.model.onnx_model import OnnxModel
from edgekit.schema.heads.facts import HeadFacts, OutputFacts, keypoint_shape_in, names_in
from edgekit.schema.heads.layout import HeadLayout
from edgekit.schema.heads.recognise import choose_layout, layouts_of
from edgekit.schema.problem import closest_of
from edgekit.schema.recipe import Model
from edgekit.schema.stages import RecipeStage, model_of
from edgekit.schema.stages.detect import DetectOptions, DetectStage
from edgekit.schema.stages.labels import BoxOptions, LabelOptions
from edgekit.schema.stages.pictures import (
    ClassifyStage,
    CropsOptions,
    CropsStage,
    PictureOptions,
    ReadStage,
    SegmentStage,
)
from edgekit.schema.stages.yolo import YoloStage

SettledStage = YoloStage | DetectStage | ClassifyStage | SegmentStage | ReadStage | CropsStage
"""Stages that make something of a model's outputs and need its names for that."""
_SETTLED = frozenset(
    {
        "labels",
        "labels_file",
        "head",
        "output",
        "outputs",
        "activation",
        "unit",
        "corners",
        "background",
        "priors",
        "reads",
        "blank",
    }
)
"""Options that the build settles: no board can have its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SettledRecipe:
    """A recipe whose stages know their models' outputs."""

    folder: RecipeFolder
    notes: tuple[str, ...]
    """What each was taken for."""


def settle_heads(folder: RecipeFolder, models: Mapping[str, OnnxModel]) -> SettledRecipe:
    """Fill in what stages leave to the model.

    Args:
        folder: the recipe.
        models: its models by name, whole; stages of others are left as they are.

    Raises:
        InputError: a model's outputs are not those of its stage's head, may be several heads', or have no labels.
    """
    recipe, stages, notes = folder.recipe, {}, []
    for name, stage in recipe.pipeline.stages.items():
        model = model_of(stage, recipe.models)
        stages[name] = stage
        if model in models and isinstance(stage, SettledStage):
            _refuse_settings(name, folder)
            settling = _Settling(folder=folder, name=name, model=models[model], recipe=recipe.models[model])
            stages[name], note = settling.settle(stage)
            notes.append(f"stage {name}: {note}")
    pipeline = dataclasses.replace(recipe.pipeline, stages=stages)
    settled = dataclasses.replace(folder, recipe=dataclasses.replace(recipe, pipeline=pipeline))
    return SettledRecipe(folder=settled, notes=tuple(notes))


def _refuse_settings(stage: str, folder: RecipeFolder) -> None:
    for place in folder.places:
        match place.keys:
            case ("stages", name, "options", option, *_) if name == stage and option in _SETTLED:
                raise InputError(
                    f"{folder.folder}/recipe.toml: pipeline.stages.{stage}.options.{option}: cannot be a setting: "
                    "it is the model's, on every board",
                    hint="write its value, or leave it out",
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settling:
    """One stage of one model."""

    folder: RecipeFolder
    name: str
    model: OnnxModel
    recipe: Model
    """What the recipe says of it."""

    def settle(self, stage: SettledStage) -> tuple[RecipeStage, str]:
        """The stage with its options filled in, and what it was taken for."""
        labels, origin = self._labels(stage.options)
        layout = self._layout(stage, labels)
        if labels is None:
            raise InputError(
                f"{self._key('options.labels')}: missing, and the model names no classes itself",
                hint=f"write labels = [...], {layout.classes} of them, or labels_file: it is like {layout.words}",
            )
        match stage:
            case YoloStage(options=yolo):
                self._check_thresholds(yolo, labels)
                options: LabelOptions = dataclasses.replace(yolo, labels=labels, output=layout.outputs[0])
            case DetectStage(options=detect):
                self._check_thresholds(detect, labels)
                options = _detector(detect, layout, labels)
            case _:
                options = _picture(stage.options, layout, labels)
        return dataclasses.replace(stage, options=options), f"{layout.words}; {origin}"  # type: ignore[arg-type]

    def _layout(self, stage: SettledStage, labels: tuple[str, ...] | None) -> HeadLayout:
        """What the model's outputs are."""
        count, key, outputs = len(labels) if labels else None, self._key(), outputs_named(stage)
        match stage:
            case YoloStage():
                return choose_layout(
                    facts_of(self.model, self.recipe, outputs, count), "detect", {"head": "yolov8"}, key
                )
            case DetectStage(options=options):
                facts = facts_of(self.model, self.recipe, outputs, count, len(options.keypoints))
                return choose_layout(facts, "detect", _given(options), key)
            case CropsStage(options=crops) if crops.reads == "auto":
                facts = facts_of(self.model, self.recipe, outputs, count)
                reads = any(layout.kind == "read" for layout in layouts_of(facts))
                return choose_layout(facts, "read" if reads else "classify", {}, key)
        facts = facts_of(self.model, self.recipe, outputs, count)
        activation = stage.options.activation
        return choose_layout(facts, _kind(stage), {} if activation == "auto" else {"activation": activation}, key)

    def _check_thresholds(self, options: BoxOptions, labels: tuple[str, ...]) -> None:
        for label in options.thresholds:
            if label not in labels:
                near = closest_of(label, labels)
                hint = f"did you mean {near!r}?" if near else f"write one of {', '.join(labels[:8])}"
                raise InputError(f"{self._key('options.thresholds')}: no class {label!r}", hint=hint)

    def _labels(self, options: LabelOptions) -> tuple[tuple[str, ...] | None, str]:
        """Names of the classes, and where they are from."""
        if options.labels is not None:
            return options.labels, f"{len(options.labels)} labels"
        if options.labels_file is not None:
            labels = read_labels(self.folder.file(options.labels_file))
            return labels, f"{len(labels)} labels from {options.labels_file}"
        named = names_in(self.model.metadata)
        return (named, f"{len(named)} labels from the model's metadata") if named else (None, "")

    def _key(self, option: str = "") -> str:
        return f"{self.folder.folder}/recipe.toml: pipeline.stages.{self.name}" + (option and f".{option}")


def facts_of(
    model: OnnxModel,
    recipe: Model,
    outputs: tuple[str, ...] = (),
    classes: int | None = None,
    keypoints: int = 0,
) -> HeadFacts:
    """What a model's head can be told by.

    Args:
        model: whole.
        recipe: what the recipe says of it.
        outputs: the only ones that count, in their order; where the model has none of them, all that it does not feed
            back to itself.
        classes: how many labels it has, where that is known.
        keypoints: how many points it finds of each thing, where the recipe names them.
    """
    there = {
        one.name: OutputFacts(name=one.name, shape=one.shape, made_by=model.made_by.get(one.name, ""))
        for one in model.outputs
    }
    named = keypoint_shape_in(model.metadata)
    wanted = tuple(there[name] for name in outputs if name in there)
    fed_back = set(recipe.feeds.values())
    return HeadFacts(
        outputs=wanted or tuple(one for name, one in there.items() if name not in fed_back),
        width_px=recipe.input.width_px if recipe.input else 0,
        height_px=recipe.input.height_px if recipe.input else 0,
        metadata=model.metadata,
        classes=classes,
        keypoints=keypoints or (named[0] if named else 0),
        keypoint_values=(named[1],) if named else (2, 3),
    )


def _given(options: DetectOptions) -> dict[str, object]:
    """What a recipe says of its model's head."""
    said = {name: getattr(options, name) for name in ("head", "unit", "activation", "background")}
    found: dict[str, object] = {name: value for name, value in said.items() if value != "auto"}
    return {"head": "ssd", **found} if options.priors is not None else found


def _kind(stage: RecipeStage) -> str:
    if isinstance(stage, CropsStage):
        return "read" if stage.options.reads == "text" else "classify"
    return stage.kind


def outputs_named(stage: SettledStage) -> tuple[str, ...]:
    """Outputs that a recipe names."""
    if isinstance(stage, DetectStage):
        return stage.options.outputs
    return (stage.options.output,) if stage.options.output is not None else ()


def _picture(options: PictureOptions, layout: HeadLayout, labels: tuple[str, ...]) -> PictureOptions:
    activation = layout.activation if options.activation == "auto" else options.activation
    filled = dataclasses.replace(options, labels=labels, output=layout.outputs[0], activation=activation)
    if isinstance(filled, CropsOptions):
        return dataclasses.replace(filled, reads="text" if layout.kind == "read" else "class")
    return filled


def _detector(options: DetectOptions, layout: HeadLayout, labels: tuple[str, ...]) -> DetectOptions:
    assert layout.head is not None, "it is a detector's"
    auto = {
        name: getattr(layout, name)
        for name in ("activation", "unit", "corners", "background")
        if getattr(options, name) == "auto"
    }
    return dataclasses.replace(
        options,
        head=layout.head,
        outputs=layout.outputs,
        labels=labels,
        masks=layout.masks,
        keypoints=options.keypoints or tuple(f"point{number}" for number in range(layout.keypoints)),
        **auto,
    )
