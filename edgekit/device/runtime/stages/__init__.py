"""Stages: the steps of a pipeline, and the table of their kinds. What a stage is stands in `edgekit.stage`."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from edgekit.errors import InputError
from edgekit.schema.plan import WorkerPlan


def close_stage(stage: object) -> None:
    """Close a stage; one of a recipe's own need not have a `close`."""
    close = getattr(stage, "close", None)
    if close is not None:
        close()


def is_stateless(cls: object) -> bool:
    """Whether a stage's class says that it has no state."""
    return bool(getattr(cls, "stateless", False))


def reset_stage(stage: object) -> None:
    """Have a stage forget earlier frames; one of a recipe's own need not have a `reset`."""
    reset = getattr(stage, "reset", None)
    if reset is not None:
        reset()


KINDS: Mapping[str, str] = MappingProxyType(
    {
        "preprocess": "edgekit.device.runtime.stages.preprocess:Preprocess",
        "infer": "edgekit.device.runtime.stages.infer:Infer",
        "centres": "edgekit.device.runtime.stages.centres:Centres",
        "yolo": "edgekit.device.runtime.stages.detect:Yolo",
        "detect": "edgekit.device.runtime.stages.detect:Detect",
        "classify": "edgekit.device.runtime.stages.classify:Classify",
        "segment": "edgekit.device.runtime.stages.segment:Segment",
        "read": "edgekit.device.runtime.stages.read:Read",
        "crops": "edgekit.device.runtime.stages.crops:Crops",
        "colour": "edgekit.device.runtime.stages.colour:Colour",
        "track": "edgekit.device.runtime.stages.track:Track",
        "bytetrack": "edgekit.device.runtime.stages.bytetrack:Bytetrack",
        "lines": "edgekit.device.runtime.stages.lines:Lines",
        "zones": "edgekit.device.runtime.stages.zones:Zones",
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
    return import_entry("stage", where)


def check_threads(plan: WorkerPlan) -> None:
    """Whether every lane of several threads has stages without state alone: each thread has stages of its own.

    Raises:
        InputError: one keeps something from frame to frame, or does not say that it does not.
    """
    for stage in plan.stages:
        lane = plan.lanes.get(stage.lane)  # a rehearsal's plan need not have any
        threads = lane.threads if lane is not None else 1
        engine = plan.engines.get(stage.engine)
        fed = stage.kind == "infer" and engine is not None and bool(engine.feeds)
        if threads > 1 and (fed or not is_stateless(find_class(stage.kind, stage.entry))):
            raise InputError(
                f"stage {stage.name} has state, and lane {stage.lane} has {threads} threads that each see other frames",
                hint="put it on a lane of one thread; or write stateless = True in its class, where that is so",
            )


def import_entry(what: str, entry: str) -> Any:
    """The class that `module:Class` names, imported.

    Args:
        what: whose it is, for messages: `stage`, `sink`.
        entry: the module and the class.

    Raises:
        InputError: it cannot be imported, or is not there.
    """
    module, _, name = entry.partition(":")
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        hint = "add its module to app/" if error.name == module else f"correct the imports of {module}"
        raise InputError(f"{what} {entry} cannot be imported: {error}", hint=hint) from error
    if not hasattr(found, name):
        raise InputError(
            f"{what} {entry}: {module} has no {name}", hint=f"correct the {what}'s entry, or name the class so"
        )
    return getattr(found, name)
