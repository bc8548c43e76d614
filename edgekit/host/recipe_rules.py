"""What must hold in a recipe beyond its schema: names that exist, numbers that make sense. Pure."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from packaging.requirements import Requirement

from edgekit.host.requirements import index_faults, requirement_fault
from edgekit.schema.manifest import is_safe_path
from edgekit.schema.reader import Problem
from edgekit.schema.recipe import ColourContract, Golden, Limits, OtherInput, Recipe, Sink, Stage

_APPLICATION = re.compile("[a-z][a-z0-9-]{0,62}")
_TABLE = re.compile("[A-Za-z][A-Za-z0-9_-]{0,62}")
_ENTRY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")
_VERSION = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)(-[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?(\+[0-9A-Za-z-]+(\.[0-9A-Za-z-]+)*)?"
)
"""Source: Semantic Versioning 2.0.0, its grammar."""
_MAX_SIDE_PX = 8192
_MAX_QUEUE = 1024


class _Fault(NamedTuple):
    key: str
    expected: str
    closest: str = ""


def check_recipe(recipe: Recipe, file: str = "recipe.toml") -> list[Problem]:
    """Every mistake that the schema cannot see, with its key; files are looked at by `recipes.check_files`."""
    rules = (_identity, _tables, _models, _lanes, _sources, _stages, _sinks, _limits, _health, _golden, _python)
    faults = (fault for rule in rules for fault in rule(recipe))
    return [Problem(file=file, key=fault.key, expected=fault.expected, closest=fault.closest) for fault in faults]


def _identity(recipe: Recipe) -> Iterator[_Fault]:
    if not _APPLICATION.fullmatch(recipe.name):
        yield _Fault("name", f"expected lower-case letters, digits and dashes, a letter first, found {recipe.name!r}")
    if not _VERSION.fullmatch(recipe.version):
        yield _Fault("version", f'expected a version such as "1.4.0", found {recipe.version!r}')


def _tables(recipe: Recipe) -> Iterator[_Fault]:
    pipeline = recipe.pipeline
    tables: dict[str, Collection[str]] = {
        "models": recipe.models,
        "pipeline.sources": pipeline.sources,
        "pipeline.stages": pipeline.stages,
        "pipeline.sinks": pipeline.sinks,
        "pipeline.lanes": pipeline.lanes,
    }
    for path, table in tables.items():
        if not table and path in ("pipeline.sources", "pipeline.sinks", "pipeline.lanes"):
            yield _Fault(path, "expected one at least")
        for name in table:
            if not _TABLE.fullmatch(name):
                yield _Fault(f'{path}."{name}"', "expected a name of letters, digits, - and _, a letter first")


def _models(recipe: Recipe) -> Iterator[_Fault]:
    for name, model in recipe.models.items():
        if model.threads < 1:
            yield _Fault(f"models.{name}.threads", f"expected 1 or more, found {model.threads}")
        yield from _contract(f"models.{name}.input", model.input)
        for other, given in model.other_inputs.items():
            yield from _other_input(f"models.{name}.other_inputs.{other}", given)


def _other_input(key: str, given: OtherInput) -> Iterator[_Fault]:
    if (given.picture is None) == (given.value is None):
        yield _Fault(key, "expected one of value (a constant) and picture (the same frame in another form)")
    if given.picture is not None:
        yield from _contract(f"{key}.picture", given.picture)


def _contract(key: str, contract: ColourContract) -> Iterator[_Fault]:
    for side in ("width_px", "height_px"):
        if not 1 <= getattr(contract, side) <= _MAX_SIDE_PX:
            yield _Fault(f"{key}.{side}", f"expected 1 to {_MAX_SIDE_PX}, found {getattr(contract, side)}")
    for name, numbers in (("mean", contract.means), ("scale", contract.scales)):
        if len(numbers) != contract.channels:
            wanted = f"1 number or {contract.channels} for {contract.order}"
            yield _Fault(f"{key}.{name}", f"expected {wanted}, found {len(numbers)}")
    if 0 in contract.scales:
        yield _Fault(f"{key}.scale", "expected numbers other than 0: every pixel would be the same")
    if contract.dtype == "uint8" and (any(contract.means) or any(scale != 1 for scale in contract.scales)):
        yield _Fault(f"{key}.dtype", 'a uint8 tensor holds pixels as they are: leave scale and mean out, or "float32"')


def _lanes(recipe: Recipe) -> Iterator[_Fault]:
    wanted = recipe.limits.cpus
    count = wanted if isinstance(wanted, int) else len(wanted)
    for name, lane in recipe.pipeline.lanes.items():
        key = f"pipeline.lanes.{name}"
        if not 1 <= lane.queue <= _MAX_QUEUE:
            yield _Fault(f"{key}.queue", f"expected 1 to {_MAX_QUEUE}, found {lane.queue}")
        outside = [position for position in lane.cpus if position >= count]
        if outside and count > 0:
            last = f"0 to {count - 1}" if count > 1 else "0"
            yield _Fault(f"{key}.cpus", f"expected positions in limits.cpus, {last}, found {outside[0]}")


def _sources(recipe: Recipe) -> Iterator[_Fault]:
    for name, source in recipe.pipeline.sources.items():
        key = f"pipeline.sources.{name}"
        yield from _reference(f"{key}.lane", source.lane, recipe.pipeline.lanes, "lane")
        if source.loops < 0:
            yield _Fault(f"{key}.loops", f"expected 0 (for ever) or more, found {source.loops}")


def _stages(recipe: Recipe) -> Iterator[_Fault]:
    for name, stage in recipe.pipeline.stages.items():
        key = f"pipeline.stages.{name}"
        yield from _reference(f"{key}.lane", stage.lane, recipe.pipeline.lanes, "lane")
        yield from _stage_model(f"{key}.model", stage, recipe)
        yield from _stage_entry(f"{key}.entry", stage)


def _stage_model(key: str, stage: Stage, recipe: Recipe) -> Iterator[_Fault]:
    if stage.model is not None:
        yield from _reference(key, stage.model, recipe.models, "model")
    elif stage.kind == "infer":
        yield _Fault(key, f"missing; infer runs a model: {_list(recipe.models)}")
    elif stage.kind == "preprocess" and len(recipe.models) != 1:
        yield _Fault(key, f"missing; preprocess has to know for which model: {_list(recipe.models)}")


def _stage_entry(key: str, stage: Stage) -> Iterator[_Fault]:
    if stage.kind != "python":
        if stage.entry is not None:
            yield _Fault(key, f'only for kind "python"; this one is "{stage.kind}"')
    elif stage.entry is None or not _ENTRY.fullmatch(stage.entry):
        found = "missing" if stage.entry is None else f"found {stage.entry!r}"
        yield _Fault(key, f'expected "module:Class" in the recipe\'s app/ folder, {found}')


def _sinks(recipe: Recipe) -> Iterator[_Fault]:
    for name, sink in recipe.pipeline.sinks.items():
        key = f"pipeline.sinks.{name}"
        yield from _reference(f"{key}.lane", sink.lane, recipe.pipeline.lanes, "lane")
        yield from _sink(key, sink)


def _sink(key: str, sink: Sink) -> Iterator[_Fault]:
    if not sink.path:
        what = "a file name, or - for the log" if sink.kind == "jsonl" else "the file with the ground truth"
        yield _Fault(f"{key}.path", f"missing; expected {what}")
    elif sink.kind == "jsonl" and not is_safe_path(sink.path):
        yield _Fault(f"{key}.path", f"expected a path inside the worker's folder, or -, found {sink.path!r}")
    if sink.max_bytes < 1:
        yield _Fault(f"{key}.max_bytes", "expected more than 0")


def _limits(recipe: Recipe) -> Iterator[_Fault]:
    limits = recipe.limits
    if isinstance(limits.cpus, int) and limits.cpus < 1:
        yield _Fault("limits.cpus", f"expected 1 or more, found {limits.cpus}")
    if limits.pids_max < 1:
        yield _Fault("limits.pids_max", f"expected 1 or more, found {limits.pids_max}")
    yield from _memory(limits)


def _memory(limits: Limits) -> Iterator[_Fault]:
    if limits.memory_max < 1:
        yield _Fault("limits.memory_max", "expected more than 0")
    if limits.memory_high is not None and not 0 < limits.memory_high <= limits.memory_max:
        yield _Fault("limits.memory_high", "expected more than 0 and at most memory_max")


def _health(recipe: Recipe) -> Iterator[_Fault]:
    health = recipe.health
    for name in ("settle_s", "start_s", "stall_s"):
        if getattr(health, name) <= 0:
            yield _Fault(f"health.{name}", f"expected more than 0, found {getattr(health, name):g}")
    if health.min_fps < 0:
        yield _Fault("health.min_fps", f"expected 0 or more, found {health.min_fps:g}")
    if health.max_p99_ms is not None and health.max_p99_ms <= 0:
        yield _Fault("health.max_p99_ms", f"expected more than 0, found {health.max_p99_ms:g}")
    if not 0 <= health.max_error_ratio <= 1:
        yield _Fault("health.max_error_ratio", f"expected 0 to 1, found {health.max_error_ratio:g}")


def _golden(recipe: Recipe) -> Iterator[_Fault]:
    if recipe.golden is not None:
        yield from _golden_frames(recipe.golden)


def _golden_frames(golden: Golden) -> Iterator[_Fault]:
    names = [frame.rpartition("/")[2] for frame in golden.frames]
    if not names:
        yield _Fault("golden.frames", "expected one at least")
    for index, name in enumerate(names):
        if name in names[:index]:
            yield _Fault(f"golden.frames[{index}]", f"a second file named {name}: expected outputs go by that name")
    for key in ("position_px", "score"):
        if getattr(golden, key) < 0:
            yield _Fault(f"golden.{key}", f"expected 0 or more, found {getattr(golden, key):g}")


def _python(recipe: Recipe) -> Iterator[_Fault]:
    python = recipe.python
    lists = {"constraints": python.constraints, "override": python.override, "exclude": python.exclude}
    for key, texts in {"requirements": python.requirements, **lists}.items():
        for index, text in enumerate(texts):
            if fault := requirement_fault(text):
                yield _Fault(f"python.{key}[{index}]", fault)
    for index, text in enumerate(python.exclude):
        if not requirement_fault(text) and Requirement(text).specifier:
            yield _Fault(f"python.exclude[{index}]", f'expected a name alone, such as "{Requirement(text).name}"')
    for name, declared in python.indexes.items():
        for key, fault in index_faults(name, declared.url, declared.packages):
            yield _Fault(f"python.indexes.{name}{key}", fault)


def _reference(key: str, name: str, known: Collection[str], what: str) -> Iterator[_Fault]:
    if name not in known:
        closest = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
        yield _Fault(key, f"no {what} {name!r}; {what}s: {_list(known)}", "".join(closest))


def _list(names: Collection[str]) -> str:
    return ", ".join(names) or "none"
