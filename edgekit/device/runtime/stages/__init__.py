"""Stages: the steps of a pipeline, and the table of their kinds.

A stage's class is made once, before the first frame, and called by one thread only: the one of its lane.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from edgekit.device.runner import Runner
from edgekit.device.runtime.frames.item import Item
from edgekit.errors import InputError
from edgekit.imaging.image import FrameSpec, RgbSpec
from edgekit.schema.recipe import ColourContract


@dataclass(frozen=True, slots=True, kw_only=True)
class StageContext:
    """What a stage is made with."""

    name: str
    """The stage's own name in the recipe."""
    options: Any
    """Of the type that the class names in `Options`; as they stand in recipe.toml where it names none."""
    frames: FrameSpec | RgbSpec
    """What the source's frames are."""
    fps: float
    """Frames per second of the source, by its own timestamps."""
    release: Path
    """The release's folder, for files that a stage reads."""
    runner: Runner | None
    """The stage's engine, loaded; only for a stage that names a model and is not `preprocess`."""
    contract: ColourContract | None
    """Input of the stage's model; where the stage names none, of the only model that there is."""


class Stage:
    """One step: takes an item, changes it, hands it on. Stages of a recipe need not derive from this class."""

    stateless: ClassVar[bool] = True
    """Whether an item's result depends on that item alone. Golden frames pass the stages before the first one with
    state; a class in `app/` that does not have this attribute counts as one with state."""

    board_only: ClassVar[bool] = False
    """Whether only a board can make it, for its hardware: `edgekit build` then imports its class and no more."""

    Options: ClassVar[type | None] = None
    """The dataclass of its options. `context.options` is one, read as strictly as the rest of recipe.toml; the build
    reads the dataclass too, and refuses what does not fit it."""

    def __init__(self, context: StageContext) -> None:
        self.context = context

    def __call__(self, item: Item) -> Item | None:
        """Work on one item. None ends its way here, and counts as dropped with cause `stage`."""
        raise NotImplementedError

    def reset(self) -> None:
        """Forget earlier frames: called between the last frame of one loop of the clip and the first of the next."""

    def close(self) -> None:
        """Free what it holds: called once, when no frame follows. A stage may be made again afterwards."""


def close_stage(stage: object) -> None:
    """Close a stage; one of a recipe's own need not have a `close`."""
    close = getattr(stage, "close", None)
    if close is not None:
        close()


KINDS: Mapping[str, str] = MappingProxyType(
    {
        "preprocess": "edgekit.device.runtime.stages.preprocess:Preprocess",
        "infer": "edgekit.device.runtime.stages.infer:Infer",
        "centres": "edgekit.device.runtime.stages.centres:Centres",
        "yolo": "edgekit.device.runtime.stages.yolo:Yolo",
        "colour": "edgekit.device.runtime.stages.colour:Colour",
        "track": "edgekit.device.runtime.stages.track:Track",
        "count": "edgekit.device.runtime.stages.count:Count",
    }
)
"""`module:Class` of each kind; `python` stages name theirs in `entry`."""


def find_class(kind: str, entry: str) -> Any:
    """The class of a stage: `entry` for kind `python`, else from `KINDS`. Imports it.

    Raises:
        InputError: unknown kind, or the entry cannot be imported.
    """
    where = entry if kind == "python" else KINDS.get(kind, "")
    module, _, name = where.partition(":")
    if not module or not name:
        known = ", ".join([*KINDS, "python"])
        raise InputError(
            f"no stage of kind {kind!r} with entry {entry!r}", hint=f'kinds: {known}; entry "module:Class"'
        )
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        hint = "add its module to app/" if error.name == module else f"correct the imports of {module}"
        raise InputError(f"stage {where} cannot be imported: {error}", hint=hint) from error
    if not hasattr(found, name):
        raise InputError(
            f"stage {where}: {module} has no {name}", hint="correct the stage's entry, or name the class so"
        )
    return getattr(found, name)
