"""What must hold in a recipe between its fields: names that exist, an order that works. Pure.

What holds for one field alone stands on the field, in `edgekit/schema/`; files are looked at by `recipe_files`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import NamedTuple, get_args

from packaging.requirements import Requirement

from edgekit.host.requirements import index_faults, requirement_fault
from edgekit.schema.field_types import tagged
from edgekit.schema.problem import Problem, closest_of
from edgekit.schema.recipe import ColourContract, Golden, OtherInput, Recipe
from edgekit.schema.stages import (
    CountStage,
    InferStage,
    PreprocessStage,
    PythonStage,
    RecipeStage,
    TrackStage,
    model_of,
)

WORKER_BYTES = 40 << 20
"""What the kernel cannot take back from a worker that has imported its packages and nothing else: anonymous memory,
measured with Python 3.11, numpy, OpenCV, PyAV and ONNX Runtime on x86-64."""


class _Mistake(NamedTuple):
    key: str
    expected: str
    closest: str = ""


def check_recipe(recipe: Recipe, file: str = "recipe.toml") -> list[Problem]:
    """Every mistake that no field shows alone, with its key."""
    rules = (_contracts, _lanes, _references, _lane_order, _stage_order, _models, _limits, _golden, _python)
    found = (mistake for rule in rules for mistake in rule(recipe))
    return [Problem(file=file, key=key, expected=expected, closest=closest) for key, expected, closest in found]


def _contracts(recipe: Recipe) -> Iterator[_Mistake]:
    for name, model in recipe.models.items():
        yield from _contract(f"models.{name}.input", model.input)
        for other, given in model.other_inputs.items():
            yield from _other_input(f"models.{name}.other_inputs.{other}", given)


def _other_input(key: str, given: OtherInput) -> Iterator[_Mistake]:
    if (given.picture is None) == (given.value is None):
        yield _Mistake(key, "expected one of value (a constant) and picture (the same frame in another form)")
    if given.picture is not None:
        yield from _contract(f"{key}.picture", given.picture)


def _contract(key: str, contract: ColourContract) -> Iterator[_Mistake]:
    for name, numbers in (("mean", contract.means), ("scale", contract.scales)):
        if len(numbers) != contract.channels:
            wanted = f"1 number or {contract.channels} for {contract.order}"
            yield _Mistake(f"{key}.{name}", f"expected {wanted}, found {len(numbers)}")
    if 0 in contract.scales:
        yield _Mistake(f"{key}.scale", "expected numbers other than 0: every pixel would be the same")
    if contract.dtype == "uint8" and (any(contract.means) or any(scale != 1 for scale in contract.scales)):
        expected = 'a uint8 tensor holds pixels as they are: leave scale and mean out, or "float32"'
        yield _Mistake(f"{key}.dtype", expected)


def _lanes(recipe: Recipe) -> Iterator[_Mistake]:
    wanted = recipe.limits.cpus
    count = wanted if isinstance(wanted, int) else len(wanted)
    for name, lane in recipe.pipeline.lanes.items():
        outside = [position for position in lane.cpus if position >= count]
        if outside:
            last = f"0 to {count - 1}" if count > 1 else "0"
            expected = f"expected positions in limits.cpus, {last}, found {outside[0]}"
            yield _Mistake(f"pipeline.lanes.{name}.cpus", expected)


def _references(recipe: Recipe) -> Iterator[_Mistake]:
    for key, lane in _lanes_used(recipe):
        yield from _reference(key, lane, recipe.pipeline.lanes, "lane")
    for name, stage in recipe.pipeline.stages.items():
        model = None if isinstance(stage, (TrackStage, CountStage)) else stage.model
        if model is not None:
            yield from _reference(f"pipeline.stages.{name}.model", model, recipe.models, "model")


def _lanes_used(recipe: Recipe) -> Iterator[tuple[str, str]]:
    """Keys and names of lanes, in the order in which a frame passes them."""
    pipeline = recipe.pipeline
    yield from ((f"pipeline.sources.{name}.lane", source.lane) for name, source in pipeline.sources.items())
    yield from ((f"pipeline.stages.{name}.lane", stage.lane) for name, stage in pipeline.stages.items())
    yield from ((f"pipeline.sinks.{name}.lane", sink.lane) for name, sink in pipeline.sinks.items())


def _lane_order(recipe: Recipe) -> Iterator[_Mistake]:
    """A frame goes from lane to lane and never back: each lane is one thread with one queue in front of it."""
    last, left = "", dict[str, str]()
    for key, lane in _lanes_used(recipe):
        if lane in left:
            yield _Mistake(key, f"lane {lane!r} was left for {left[lane]!r}: a frame comes to a lane once")
        elif last and lane != last:
            left[last] = lane
        last = lane if lane not in left else last


def _stage_order(recipe: Recipe) -> Iterator[_Mistake]:
    """Each stage finds what it takes: earlier ones have left it."""
    given: set[str] = set()
    ready_for = ""
    for name, stage in recipe.pipeline.stages.items():
        key = f"pipeline.stages.{name}"
        missing = [product for product in stage.takes if product not in given]
        if missing:
            what, givers = missing[0], _givers(missing[0])
            yield _Mistake(f"{key}.kind", f"{stage.kind} takes the {what} of an earlier stage: put {givers} before it")
        model = model_of(stage, recipe.models)
        if isinstance(stage, InferStage):
            if not missing and ready_for and model in recipe.models and model != ready_for:
                yield _Mistake(f"{key}.model", f"the frame is preprocessed for {ready_for!r}, not for {model!r}")
            given.discard("tensor")
        given.update(stage.gives)
        if isinstance(stage, (PreprocessStage, PythonStage)):
            ready_for = model if isinstance(stage, PreprocessStage) else ""


def _givers(product: str) -> str:
    """The kinds of stage that leave something for others."""
    members: tuple[type[RecipeStage], ...] = get_args(RecipeStage)
    return " or ".join(kind for member in members if product in member.gives for kind in tagged((member,)))


def _models(recipe: Recipe) -> Iterator[_Mistake]:
    for name, stage in recipe.pipeline.stages.items():
        if isinstance(stage, (TrackStage, CountStage, PythonStage)) or model_of(stage, recipe.models):
            continue
        there = f"one of {', '.join(recipe.models)}" if recipe.models else "one, and there is no [models.NAME] table"
        yield _Mistake(f"pipeline.stages.{name}.model", f"missing; {stage.kind} belongs to a model: {there}")


def _limits(recipe: Recipe) -> Iterator[_Mistake]:
    limits = recipe.limits
    if limits.memory_max < WORKER_BYTES:
        least = f"{WORKER_BYTES >> 20} MiB"
        yield _Mistake("limits.memory_max", f"expected {least} or more: a worker takes that before its first frame")
    if limits.memory_high is not None and limits.memory_high > limits.memory_max:
        yield _Mistake("limits.memory_high", "expected at most memory_max")


def _golden(recipe: Recipe) -> Iterator[_Mistake]:
    if recipe.golden is not None:
        yield from _golden_frames(recipe.golden)


def _golden_frames(golden: Golden) -> Iterator[_Mistake]:
    names = [frame.rpartition("/")[2] for frame in golden.frames]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield _Mistake(f"golden.frames[{index}]", f"a second file named {name}: expected outputs go by that name")


def _python(recipe: Recipe) -> Iterator[_Mistake]:
    python = recipe.python
    lists = {"constraints": python.constraints, "override": python.override, "exclude": python.exclude}
    for key, texts in {"requirements": python.requirements, **lists}.items():
        for index, text in enumerate(texts):
            if fault := requirement_fault(text):
                yield _Mistake(f"python.{key}[{index}]", fault)
    for index, text in enumerate(python.exclude):
        if not requirement_fault(text) and Requirement(text).specifier:
            yield _Mistake(f"python.exclude[{index}]", f'expected a name alone, such as "{Requirement(text).name}"')
    for name, declared in python.indexes.items():
        for key, fault in index_faults(name, declared.url, declared.packages):
            yield _Mistake(f"python.indexes.{name}{key}", fault)


def _reference(key: str, name: str, known: Collection[str], what: str) -> Iterator[_Mistake]:
    if name not in known:
        listed = ", ".join(known) or "none"
        yield _Mistake(key, f"no {what} {name!r}; {what}s: {listed}", closest_of(name, known))
