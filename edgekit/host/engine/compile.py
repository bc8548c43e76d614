"""Makes a recipe's models into engines for a target."""

from __future__ import annotations

import contextlib
import dataclasses
import importlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import onnx

from edgekit.errors import EngineError, InputError
from edgekit.host.cache import Cache
from edgekit.host.engine.backends import BACKENDS, choose_backend
from edgekit.host.engine.backends.on_device import DeviceCompilation
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.builder.devices import NO_BUILDERS, BuilderDevice, Builders
from edgekit.host.engine.builder.remote import no_builder
from edgekit.host.engine.engine import Engine
from edgekit.host.engine.inspection.messages import ModelQuestion
from edgekit.host.engine.inspection.models import inspect_model
from edgekit.host.engine.making import Compilation, make_engine
from edgekit.host.engine.model.onnx_model import read_onnx
from edgekit.host.engine.model.tail import split_model
from edgekit.host.engine.source import ModelSource, Pictures
from edgekit.schema.manifest import is_safe_path
from edgekit.schema.recipe import TENSORS_SUFFIX, Model, Recipe
from edgekit.schema.target import AcceleratorKind, Target

_FEW = 2
"""Pictures that a model is proven with."""


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class PlannedEngine:
    """An engine that is known down to its cache key, and perhaps not made yet."""

    source: ModelSource
    plan: Compilation | Engine
    """The engine itself where nothing has to be compiled."""
    needs_device: bool
    """Whether a builder device has to compile it: it is not in the cache."""
    kept: Engine | None = None
    """Taken in place of what would be compiled."""


def plan_engines(recipe: Recipe, folder: Path, target: Target, bench: EngineBench) -> tuple[PlannedEngine, ...]:
    """Prepare every model of a recipe and look for its engine in the cache, sorted by name.

    Args:
        recipe: the application.
        folder: its folder, which the paths in it are relative to.
        target: what engines are made for.
        bench: what they are made with.

    Raises:
        EngineError: a model is not valid, or does not take what its contract says.
    """
    sources = [_source(name, recipe, folder, target, bench) for name in sorted(recipe.models)]
    return tuple(plan_source(source, bench) for source in sources)


def plan_source(source: ModelSource, bench: EngineBench) -> PlannedEngine:
    """Plan one engine by its target's backend. Raises as `plan_engines`."""
    backend = importlib.import_module(BACKENDS[choose_backend(source.target, source.model)])
    with _naming_source(source):
        plan: Compilation | Engine = backend.plan_engine(source, bench)
    needs_device = isinstance(plan, DeviceCompilation) and bench.store.find(plan.key) is None
    return PlannedEngine(source=source, plan=plan, needs_device=needs_device)


def check_devices(planned: Iterable[PlannedEngine], devices: tuple[BuilderDevice, ...]) -> None:
    """Refuse engines that a device has to compile where none is named, before anything else is done for them.

    Raises:
        EngineError: an engine needs a device, and none is named.
    """
    for one in planned:
        if one.needs_device and not devices and isinstance(one.plan, DeviceCompilation):
            raise no_builder(one.source.target, one.plan.accelerator)


def make_planned(
    planned: Iterable[PlannedEngine], bench: EngineBench, builders: Builders = NO_BUILDERS
) -> tuple[Engine, ...]:
    """Make engines, or take them from the cache.

    Args:
        planned: the engines.
        bench: what they are made with.
        builders: devices that compile what this machine cannot.

    Raises:
        EngineError: a model cannot be compiled, or its engine does not agree with it.
        LockHeld: all builder devices are taken.
        Unreachable: the link to a builder device broke.
    """
    engines = []
    for one in planned:
        with _naming_source(one.source):
            engine = one.kept or _make(one.plan, bench, builders)
        engines.append(_named(engine, one.source))
    return tuple(engines)


def _make(plan: Compilation | Engine, bench: EngineBench, builders: Builders) -> Engine:
    if isinstance(plan, Engine):
        return plan
    if isinstance(plan, DeviceCompilation):
        plan = dataclasses.replace(plan, builders=builders)
    return make_engine(plan, bench.store)


@contextlib.contextmanager
def _naming_source(source: ModelSource) -> Iterator[None]:
    parts = (source.tail.head, source.tail.file, source.tail.whole) if source.tail else ()
    with _naming_user_model(source.file, source.path, *parts):
        yield


@contextlib.contextmanager
def _naming_user_model(file: Path, *made: Path) -> Iterator[None]:
    """Replace paths of the cache in errors by the path of the user's own model."""
    try:
        yield
    except EngineError as error:
        message = error.message
        for path in made:
            message = message.replace(str(path), str(file))
        if message == error.message:
            raise
        raise EngineError(message, hint=error.hint, details=error.details) from error


def _named(engine: Engine, source: ModelSource) -> Engine:
    """The engine with its model, and what was rewritten in that among its facts and notes."""
    engine = dataclasses.replace(engine, model=source.described)
    if not source.rewrites:
        return engine
    facts = engine.entry.facts | {"rewritten": "; ".join(source.rewrites)}
    notes = tuple(f"{source.name}: {note}" for note in source.rewrites)
    entry = dataclasses.replace(engine.entry, facts=facts)
    return dataclasses.replace(engine, entry=entry, notes=notes + engine.notes)


def _source(name: str, recipe: Recipe, folder: Path, target: Target, bench: EngineBench) -> ModelSource:
    model = recipe.models[name]
    file, kind = folder / model.onnx, choose_backend(target, model)
    calibration = find_pictures(folder, name, model)
    golden = tuple(folder / frame for frame in recipe.golden.frames) if recipe.golden and model.input else ()
    golden = tuple(frame for frame in golden if frame.suffix != TENSORS_SUFFIX)
    asked = ModelQuestion(
        path=str(file),
        name=name,
        model=model,
        backend=kind,
        pictures=_pictures_to_try(model, target, calibration, golden),
    )
    ready = inspect_model(asked, bench)
    if ready.found.doubt:
        bench.progress.note(f"{name}: the rewritten model was not compared: {ready.found.doubt}")
    source = ModelSource(
        name=name,
        path=ready.path,
        file=file,
        rewrites=ready.found.notes,
        model=ready.found.model,
        onnx=ready.found.onnx,
        target=target,
        pictures=Pictures(golden=golden, calibration=calibration, contract=ready.found.model.input),
    )
    with _naming_user_model(file, source.path):
        return split_source(source, kind, bench.store.splits)


def split_source(source: ModelSource, kind: AcceleratorKind, cache: Cache) -> ModelSource:
    """Split a model where the recipe says so: gives its head with its tail; else the model as it is.

    Args:
        source: the whole model.
        kind: of the engine. ONNX Runtime in float runs the whole model in float anyway.
        cache: for parts.

    Raises:
        EngineError: the recipe names tensors that do not cut it.
    """
    model = source.model
    if not model.split or (kind == "onnxruntime" and model.cpu_precision == "float32"):
        return source
    tail = split_model(source.path, model.split, source.pictures.tensors, cache, f"models.{source.name}.split")
    if tail is None:
        return source
    behind = {name for node in onnx.load(tail.file).graph.node for name in node.output}
    floating = tuple(name for name in model.quantisation.keep_float if name not in behind)
    quantisation = dataclasses.replace(model.quantisation, keep_float=floating)
    return dataclasses.replace(
        source,
        path=tail.head,
        onnx=read_onnx(tail.head),
        model=dataclasses.replace(model, quantisation=quantisation),
        tail=tail,
        before_split=source.onnx,
    )


def _pictures_to_try(
    model: Model, target: Target, calibration: tuple[Path, ...], golden: tuple[Path, ...]
) -> tuple[str, ...]:
    """The pictures that a model is inspected with: all that its engine will be made or verified with, once each."""
    first = calibration or golden
    if not target.accelerators and model.cpu_precision == "float32":
        return tuple(map(str, first[:_FEW]))
    return tuple(map(str, dict.fromkeys((*first, *golden))))


def find_pictures(folder: Path, name: str, model: Model) -> tuple[Path, ...]:
    """The files that a model's calibration patterns name, each once, sorted.

    Raises:
        InputError: a pattern names none.
    """
    found: set[Path] = set()
    for pattern in model.calibration:
        matching = [path for path in folder.glob(pattern) if path.is_file()] if is_safe_path(pattern) else []
        if not matching:
            raise InputError(
                f"models.{name}.calibration: {pattern!r} names no file in {folder}",
                hint='write a pattern such as "calibration/*.png"',
            )
        found.update(matching)
    return tuple(sorted(found))
