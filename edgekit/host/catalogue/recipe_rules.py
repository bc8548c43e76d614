"""What must hold in a recipe between its fields: names that exist, an order that works. Pure.

What holds for one field alone stands on the field, in `edgekit/schema/`; files are looked at by `recipe_files`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import get_args

from packaging.requirements import Requirement

from edgekit.host.catalogue.confinement_rules import confinement_mistakes
from edgekit.host.catalogue.end_rules import open_passwords, sink_mistakes, source_mistakes
from edgekit.host.catalogue.event_rules import clip_memory, event_mistakes
from edgekit.host.catalogue.mistake import Mistake
from edgekit.host.catalogue.schedule_rules import schedule_mistakes
from edgekit.host.catalogue.serve_rules import open_token, serve_mistakes
from edgekit.host.requirements import index_faults, requirement_fault
from edgekit.schema.field_types import tagged
from edgekit.schema.problem import Problem, closest_of
from edgekit.schema.recipe import ColourContract, Golden, Limits, Model, OtherInput, Recipe
from edgekit.schema.settings import SettingPlace
from edgekit.schema.sink import ClipSink, ScoreSink, WebhookSink
from edgekit.schema.source import PythonSource
from edgekit.schema.stages import RecipeStage, WithoutModel, model_of
from edgekit.schema.stages.centres import CentresStage
from edgekit.schema.stages.detect import DetectStage
from edgekit.schema.stages.engine import InferStage, PreprocessStage
from edgekit.schema.stages.own import PythonStage
from edgekit.schema.stages.pictures import CropsStage, SegmentStage
from edgekit.schema.stages.product import Product
from edgekit.schema.stages.yolo import YoloStage

WORKER_BYTES = 40 << 20
"""What the kernel cannot take back from a worker that has imported its packages and nothing else: anonymous memory,
measured with Python 3.11, numpy, OpenCV, PyAV and ONNX Runtime on x86-64."""


def check_recipe(recipe: Recipe, file: str = "recipe.toml", places: Collection[SettingPlace] = ()) -> list[Problem]:
    """Every mistake that no field shows alone, with its key; `places` are those of settings in it."""
    shape = (
        _contracts,
        _lanes,
        source_mistakes,
        sink_mistakes,
        event_mistakes,
        _references,
        _lane_order,
        schedule_mistakes,
        serve_mistakes,
        _stage_order,
        _models,
    )
    rules = (*shape, _limits, confinement_mistakes, _health, _golden, _python)
    found = [mistake for rule in rules for mistake in rule(recipe)] + [
        *open_passwords(recipe, places),
        *open_token(recipe, places),
    ]
    return [Problem(file=file, key=key, expected=expected, closest=closest) for key, expected, closest in found]


def _contracts(recipe: Recipe) -> Iterator[Mistake]:
    for name, model in recipe.models.items():
        if model.input is not None:
            yield from _contract(f"models.{name}.input", model.input)
        for other, given in model.other_inputs.items():
            yield from _other_input(f"models.{name}.other_inputs.{other}", given)
        yield from _plain(f"models.{name}", model)


def _other_input(key: str, given: OtherInput) -> Iterator[Mistake]:
    if [given.picture, given.value, given.shape].count(None) != 2:
        wanted = "value (a constant), picture (the same frame in another form) and shape (a plain tensor)"
        yield Mistake(key, f"expected one of {wanted}")
    if given.fed_by is not None and given.shape is None:
        yield Mistake(f"{key}.fed_by", "expected shape beside it: the sizes of what it takes")
    if given.picture is not None:
        yield from _contract(f"{key}.picture", given.picture)


def _plain(key: str, model: Model) -> Iterator[Mistake]:
    """What a model with plain tensors, or without a picture, cannot have."""
    if model.input is None and not model.plain_inputs:
        yield Mistake(f"{key}.input", "missing; for a model that takes no picture, write the shape of its other_inputs")
    if model.input is None and any(other.picture is not None for other in model.other_inputs.values()):
        yield Mistake(f"{key}.input", "missing; one of its other_inputs is the same picture in another form")
    if model.input is not None and not model.plain_inputs:
        return
    for name, value in (("cpu_precision", model.cpu_precision != "float32"), ("split", model.split)):
        if value:
            yield Mistake(f"{key}.{name}", "is for models that take pictures alone: leave it out")
    if model.input is None and model.calibration:
        yield Mistake(f"{key}.calibration", "are pictures, and the model takes none: leave it out")


def _contract(key: str, contract: ColourContract) -> Iterator[Mistake]:
    for name, numbers in (("mean", contract.means), ("scale", contract.scales)):
        if len(numbers) != contract.channels:
            wanted = f"1 number or {contract.channels} for {contract.order}"
            yield Mistake(f"{key}.{name}", f"expected {wanted}, found {len(numbers)}")
    if 0 in contract.scales:
        yield Mistake(f"{key}.scale", "expected numbers other than 0: every pixel would be the same")
    if contract.fit != "letterbox" and contract.bars != 0:
        yield Mistake(f"{key}.bars", 'are beside a letterbox alone: leave them out, or write fit = "letterbox"')
    if contract.fit == "stretch" and contract.align != "centre":
        yield Mistake(
            f"{key}.align", 'expected fit = "letterbox" or "crop" with it: a stretched picture lies everywhere'
        )
    yield from _whole_numbers(key, contract)


def _whole_numbers(key: str, contract: ColourContract) -> Iterator[Mistake]:
    quantised, dtype = contract.quantised, contract.dtype
    if quantised is None:
        if dtype == "int8":
            wanted = "missing; an int8 tensor holds round(real / scale) + zero_point: write both, as the model has them"
            yield Mistake(f"{key}.quantised", wanted)
        if dtype == "uint8" and (any(contract.means) or any(scale != 1 for scale in contract.scales)):
            expected = 'a uint8 tensor holds pixels as they are: leave scale and mean out, or "float32"'
            yield Mistake(f"{key}.dtype", expected)
    elif dtype == "float32":
        yield Mistake(f"{key}.quantised", 'is for whole numbers: leave it out, or write dtype = "int8" or "uint8"')
    else:
        low, high = (0, 255) if dtype == "uint8" else (-128, 127)
        if not low <= quantised.zero_point <= high:
            wanted = f"expected {low} to {high}, what {dtype} holds, found {quantised.zero_point}"
            yield Mistake(f"{key}.quantised.zero_point", wanted)


def _cpu_count(limits: Limits) -> int | None:
    """How many CPUs it asks for; None where it names clusters."""
    if isinstance(limits.cpus, int):
        return limits.cpus
    return None if isinstance(limits.cpus[0], str) else len(limits.cpus)


def _lanes(recipe: Recipe) -> Iterator[Mistake]:
    count = _cpu_count(recipe.limits)
    if count is None:
        return  # of clusters only the target knows how many CPUs they have
    for name, lane in recipe.pipeline.lanes.items():
        outside = [position for position in lane.cpus if position >= count]
        if outside:
            last = f"0 to {count - 1}" if count > 1 else "0"
            expected = f"expected positions in limits.cpus, {last}, found {outside[0]}"
            yield Mistake(f"pipeline.lanes.{name}.cpus", expected)


def _health(recipe: Recipe) -> Iterator[Mistake]:
    least, there = recipe.health.min_streams, len(recipe.pipeline.sources)
    if least > there:
        yield Mistake("health.min_streams", f"expected at most {there}, the number of sources, found {least}")


def _references(recipe: Recipe) -> Iterator[Mistake]:
    pipeline = recipe.pipeline
    lanes = [(f"sources.{name}", source.lane) for name, source in pipeline.sources.items()]
    lanes += [(f"stages.{name}", stage.lane) for name, stage in pipeline.stages.items()]
    lanes += [(f"sinks.{name}", sink.lane) for name, sink in pipeline.sinks.items()]
    for key, lane in lanes:
        yield from _reference(f"pipeline.{key}.lane", lane, pipeline.lanes, "lane")
    for name, sink in pipeline.sinks.items():
        if isinstance(sink, ScoreSink):
            yield from _scored_source(f"pipeline.sinks.{name}.source", sink, pipeline.sources)
    for name, stage in recipe.pipeline.stages.items():
        model = None if isinstance(stage, WithoutModel) else stage.model
        if model is not None:
            yield from _reference(f"pipeline.stages.{name}.model", model, recipe.models, "model")


def _scored_source(key: str, sink: ScoreSink, sources: Collection[str]) -> Iterator[Mistake]:
    if sink.source is not None:
        yield from _reference(key, sink.source, sources, "source")
    elif len(sources) > 1:
        yield Mistake(key, f"missing; there are several sources: name one of {', '.join(sources)}")


def _lane_order(recipe: Recipe) -> Iterator[Mistake]:
    """A frame goes from lane to lane and never back: each lane has one line in front of it.

    Sources decode on threads of their own, and lanes of sinks alone stand beside each other, behind the last stage.
    """
    pipeline = recipe.pipeline
    last, left = "", dict[str, str]()
    for name, stage in pipeline.stages.items():
        if stage.lane in left:
            yield _left(f"pipeline.stages.{name}.lane", stage.lane, left)
        elif last and stage.lane != last:
            left[last] = stage.lane
        last = stage.lane if stage.lane not in left else last
    for name, sink in pipeline.sinks.items():
        if sink.lane in left:
            yield _left(f"pipeline.sinks.{name}.lane", sink.lane, left)


def _left(key: str, lane: str, left: Mapping[str, str]) -> Mistake:
    return Mistake(key, f"lane {lane!r} was left for {left[lane]!r}: a frame comes to a lane once")


_OF_PICTURES = (PreprocessStage, CropsStage, DetectStage, YoloStage, CentresStage, SegmentStage)
"""Stages that work on a picture, or lay what they find over it."""
_OF_A_MODEL: frozenset[Product] = frozenset({"picture", "tensor", "outputs"})
"""Products that a frame has once for each model."""


def _stage_order(recipe: Recipe) -> Iterator[Mistake]:
    """Each stage finds what it takes: earlier ones have left it, and for the same model.

    Sources of the recipe's own may bring models' inputs along.
    """
    given: dict[Product, set[str]] = {}
    if all(isinstance(source, PythonSource) for source in recipe.pipeline.sources.values()):
        given["tensor"] = set(recipe.models)
    for name, stage in recipe.pipeline.stages.items():
        key = f"pipeline.stages.{name}"
        model = model_of(stage, recipe.models)
        yield from _untaken(key, stage, model if model in recipe.models else "", given)
        if isinstance(stage, InferStage):
            given.get("tensor", set()).discard(model)
        for product in stage.gives:
            known = model in recipe.models and not isinstance(stage, PythonStage)
            models = {model} if known else set(recipe.models)
            given.setdefault(product, set()).update(models or {""})
    for name, sink in recipe.pipeline.sinks.items():
        if isinstance(sink, (ScoreSink, ClipSink, WebhookSink)):
            yield from _untaken(f"pipeline.sinks.{name}", sink, "", given)


def _untaken(
    key: str, stage: RecipeStage | ScoreSink | ClipSink | WebhookSink, model: str, given: Mapping[Product, set[str]]
) -> Iterator[Mistake]:
    """The first thing that a stage or sink takes and that nobody has left for it."""
    for product in stage.takes:
        for_models = given.get(product, set())
        if not for_models:
            wanted = f"{stage.kind} takes the {product} of an earlier stage: put {_givers(product)} before it"
            yield Mistake(f"{key}.kind", wanted)
            return
        if product in _OF_A_MODEL and model and model not in for_models:
            there = ", ".join(repr(one) for one in sorted(for_models))
            wanted = f"{stage.kind} takes the {product} of {model!r}, and earlier stages leave that of {there}"
            yield Mistake(f"{key}.model", wanted)
            return


def _givers(product: Product) -> str:
    """The kinds of stage that leave something for others."""
    members: tuple[type[RecipeStage], ...] = get_args(RecipeStage)
    return " or ".join(kind for member in members if product in member.gives for kind in tagged((member,)))


def _models(recipe: Recipe) -> Iterator[Mistake]:
    for name, stage in recipe.pipeline.stages.items():
        model = "" if isinstance(stage, (WithoutModel, PythonStage)) else model_of(stage, recipe.models)
        if model in recipe.models and recipe.models[model].input is None and isinstance(stage, _OF_PICTURES):
            wanted = f"expected a model that takes a picture: {stage.kind} is for those, and {model!r} has no input"
            yield Mistake(f"pipeline.stages.{name}.model", wanted)
        if isinstance(stage, (WithoutModel, PythonStage)) or model:
            continue
        there = f"one of {', '.join(recipe.models)}" if recipe.models else "one, and there is no [models.NAME] table"
        yield Mistake(f"pipeline.stages.{name}.model", f"missing; {stage.kind} belongs to a model: {there}")


def _limits(recipe: Recipe) -> Iterator[Mistake]:
    limits = recipe.limits
    if limits.memory_max < WORKER_BYTES:
        least = f"{WORKER_BYTES >> 20} MiB"
        yield Mistake("limits.memory_max", f"expected {least} or more: a worker takes that before its first frame")
    else:
        yield from clip_memory(recipe, WORKER_BYTES)
    cpus = _cpu_count(limits)
    if cpus is not None and limits.cpu_max is not None and limits.cpu_max > cpus:
        yield Mistake("limits.cpu_max", f"expected at most {cpus}, the number of limits.cpus, found {limits.cpu_max:g}")
    if limits.memory_high is not None and limits.memory_high > limits.memory_max:
        yield Mistake("limits.memory_high", "expected at most memory_max")
    pressure = recipe.pipeline.pressure
    if pressure.end >= pressure.begin:
        yield Mistake("pipeline.pressure.end", f"expected less than begin, {pressure.begin:g}, found {pressure.end:g}")
    if pressure.order is not None and len(set(pressure.order)) < len(pressure.order):
        yield Mistake("pipeline.pressure.order", "expected each at most once")
    if limits.pictures_max is not None and limits.pictures_max > limits.memory_max // 2:
        yield Mistake("limits.pictures_max", "expected at most half of memory_max")


def _golden(recipe: Recipe) -> Iterator[Mistake]:
    if recipe.golden is not None:
        yield from _golden_frames(recipe.golden)


def _golden_frames(golden: Golden) -> Iterator[Mistake]:
    names = [frame.rpartition("/")[2] for frame in golden.frames]
    for index, name in enumerate(names):
        if name in names[:index]:
            yield Mistake(f"golden.frames[{index}]", f"a second file named {name}: expected outputs go by that name")


def _python(recipe: Recipe) -> Iterator[Mistake]:
    python = recipe.python
    lists = {"constraints": python.constraints, "override": python.override, "exclude": python.exclude}
    for key, texts in {"requirements": python.requirements, **lists}.items():
        for index, text in enumerate(texts):
            if fault := requirement_fault(text):
                yield Mistake(f"python.{key}[{index}]", fault)
    for index, text in enumerate(python.exclude):
        if not requirement_fault(text) and Requirement(text).specifier:
            yield Mistake(f"python.exclude[{index}]", f'expected a name alone, such as "{Requirement(text).name}"')
    for name, declared in python.indexes.items():
        for key, fault in index_faults(name, declared.url, declared.packages):
            yield Mistake(f"python.indexes.{name}{key}", fault)


def _reference(key: str, name: str, known: Collection[str], what: str) -> Iterator[Mistake]:
    if name not in known:
        listed = ", ".join(known) or "none"
        yield Mistake(key, f"no {what} {name!r}; {what}s: {listed}", closest_of(name, known))
