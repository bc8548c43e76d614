"""Pictures wired to models the wrong way: all of it is refused before the first frame, with the key to write.

A recipe with a clip and a model is read, its engine is made, and all that a worker makes before its first frame is
made: engine loaded, source opened, stages planned. One thing is wrong in each case, as people get it wrong.
"""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import av
import onnx
import pytest

import edgekit
from edgekit.device.runtime.sources.opening import open_source
from edgekit.device.runtime.stages.factory import StageFactory, load_runners
from edgekit.errors import EdgekitError
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.release.plan import plan_worker
from edgekit.host.settings import settings_from
from tests.fakes.benches import bench_in, compile_models
from tests.fakes.exports import BYTES, FLOAT, Graph, whole_numbers_input

WIDTH, HEIGHT = 48, 32
RECIPE = """
name = "wired"
version = "1.0.0"
[models.m]
onnx = "m.onnx"
input = {{ {input} }}
[pipeline.sources.door]
kind = "file"
path = "clip.mkv"
lane = "all"
{source}
[pipeline.stages.scale]
kind = "preprocess"
lane = "all"
[pipeline.stages.see]
kind = "infer"
lane = "all"
[pipeline.sinks.log]
kind = "jsonl"
path = "-"
lane = "all"
[pipeline.lanes.all]
[limits]
memory_max = "200MiB"
limits = "advisory"
"""
RIGHT = {"width_px": "48", "height_px": "32", "order": '"RGB"', "scale": "0.004"}
SILENT, BT709, LIMITED, FCC = 2, 1, 1, 4


@dataclasses.dataclass(frozen=True, kw_only=True)
class Wiring:
    """A recipe, its model and its clip; right where nothing is said."""

    told: str = ""
    """What the refusal says."""
    cure: str = ""
    """What of its message or hint tells what to write."""
    input: dict[str, str] = dataclasses.field(default_factory=dict)
    """TOML of `models.m.input`; an empty value leaves the key out."""
    source: str = ""
    matrix: int = BT709
    range: int = LIMITED
    format: str = "yuv420p"
    shape: tuple[int, ...] = (1, 3, HEIGHT, WIDTH)
    type: int = FLOAT
    model: Callable[[], onnx.ModelProto] | None = None


WIRINGS = {
    "order unsaid": Wiring(input={"order": ""}, told="models.m.input.order: missing", cure="RGB"),
    "order misspelt": Wiring(input={"order": '"RBG"'}, told="models.m.input.order", cure="did you mean RGB"),
    "layout misspelt": Wiring(input={"layout": '"NHCW"'}, told="models.m.input.layout", cure="NCHW"),
    "means of two channels": Wiring(input={"mean": "[1, 2]"}, told="models.m.input.mean", cure="1 number or 3"),
    "scale of nothing": Wiring(input={"scale": "0"}, told="models.m.input.scale", cure="other than 0"),
    "dtype unknown": Wiring(input={"dtype": '"float"'}, told="models.m.input.dtype", cure="float32"),
    "bytes with a scale": Wiring(input={"dtype": '"uint8"'}, told="models.m.input.dtype", cure="leave scale"),
    "int8 unexplained": Wiring(input={"dtype": '"int8"'}, told="models.m.input.quantised", cure="zero_point"),
    "quantised floats": Wiring(
        input={"quantised": "{ scale = 1, zero_point = 0 }"}, told="models.m.input.quantised", cure='dtype = "int8"'
    ),
    "bars without a letterbox": Wiring(input={"bars": "114"}, told="models.m.input.bars", cure='fit = "letterbox"'),
    "channels last": Wiring(
        shape=(1, HEIGHT, WIDTH, 3), told="the layout is NHWC", cure='layout = "NHWC" in models.m.input'
    ),
    "channels first": Wiring(input={"layout": '"NHWC"'}, told="the layout is NCHW", cure='layout = "NCHW"'),
    "width for height": Wiring(
        input={"width_px": "32", "height_px": "48"}, told="width and height are swapped", cure="width_px = 48"
    ),
    "another size": Wiring(input={"width_px": "64"}, told="takes x float32", cure="correct models.m.input"),
    "grey for colour": Wiring(input={"order": '"GRAY"'}, told="and it is coloured", cure='order = "RGB"'),
    "colour for grey": Wiring(shape=(1, 1, HEIGHT, WIDTH), told="and it is grey", cure='order = "GRAY"'),
    "four channels": Wiring(shape=(1, 4, HEIGHT, WIDTH), told="takes x float32", cure="export the model again"),
    "no batch": Wiring(shape=(3, HEIGHT, WIDTH), told="it has no batch", cure="a batch of 1"),
    "floats for bytes": Wiring(type=BYTES, told="the type differs", cure='dtype = "uint8" in models.m.input'),
    "bytes for floats": Wiring(
        input={"dtype": '"uint8"', "scale": ""}, told="the type differs", cure='dtype = "float32"'
    ),
    "floats for int8": Wiring(
        input={"width_px": "32"}, model=whole_numbers_input, told="the type differs", cure="quantised = { scale"
    ),
    "doubles": Wiring(type=onnx.TensorProto.INT64, told="not as int64", cure="export it with float32"),
    "matrix unsaid": Wiring(matrix=SILENT, told="says its matrix", cure='pipeline.sources.door.matrix = "..."'),
    "range unsaid": Wiring(range=0, told="says its range", cure='pipeline.sources.door.range = "..."'),
    "matrix contradicted": Wiring(
        source='matrix = "601"', told="the stream says matrix 709, the recipe says 601", cure="take matrix out"
    ),
    "range contradicted": Wiring(
        source='range = "full"', told="the stream says range limited, the recipe says full", cure="take range out"
    ),
    "matrix of another age": Wiring(matrix=FCC, told="its matrix has the number 4", cure="colorspace bt709"),
    "chroma for each pixel": Wiring(format="yuv444p", told="its pixel format is yuv444p", cure="-pix_fmt yuv420p"),
    "ten bits": Wiring(format="yuv420p10le", told="its pixel format is yuv420p10le", cure="-pix_fmt yuv420p"),
}


def write(wiring: Wiring, folder: Path) -> Path:
    """The recipe's folder."""
    folder.mkdir()
    contract = {**RIGHT, **wiring.input}
    text = ", ".join(f"{key} = {value}" for key, value in contract.items() if value)
    (folder / "recipe.toml").write_text(RECIPE.format(input=text, source=wiring.source))
    made = wiring.model() if wiring.model else model(wiring)
    (folder / "m.onnx").write_bytes(made.SerializeToString())
    with av.open(str(folder / "clip.mkv"), "w") as out:
        stream = out.add_stream("ffv1", rate=10)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, wiring.format
        context = stream.codec_context
        context.colorspace, context.color_range = wiring.matrix, wiring.range
        for pts in range(2):
            frame = av.VideoFrame(WIDTH, HEIGHT, wiring.format)
            frame.colorspace, frame.color_range, frame.pts = wiring.matrix, wiring.range, pts
            out.mux(stream.encode(frame))
        out.mux(stream.encode(None))
    return folder


def model(wiring: Wiring) -> onnx.ModelProto:
    """Gives back its input, as floats."""
    graph = Graph()
    graph.node("Cast", ["x"], "y", to=FLOAT)
    shape = list(wiring.shape)
    return graph.model({"x": (wiring.type, shape)}, {"y": (FLOAT, shape)})


def start(folder: Path, scratch: Path) -> int:
    """Everything up to the first frame: how many stages there are then."""
    found = read_recipe(folder)
    target = find_target("virt-arm64", settings_from({}, Path(edgekit.__file__).parent))
    engines = compile_models(found.recipe, folder, target, bench_in(scratch / "cache"))
    plan = plan_worker(found.recipe, target, [one.entry for one in engines], has_app=False)
    release = scratch / "release"
    release.mkdir()
    (release / "recipe").symlink_to(folder)
    for engine in engines:
        place = release / plan.engines[engine.entry.name].path
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(engine.file.read_bytes())
    runners = load_runners(plan, release)
    try:
        with closing(StageFactory(plan, release, runners)) as factory:
            ((name, source),) = plan.sources.items()
            with closing(open_source(name, source, release)) as opened:
                assert opened.info is not None
                return len([factory.make(stage, opened.info) for stage in plan.stages])
    finally:
        for runner in runners.values():
            runner.close()


def test_what_is_wired_right_starts(tmp_path: Path) -> None:
    assert start(write(Wiring(), tmp_path / "recipe"), tmp_path) == 2


@pytest.mark.parametrize("name", WIRINGS)
def test_what_is_wired_wrong_is_refused_before_the_first_frame(name: str, tmp_path: Path) -> None:
    wiring = WIRINGS[name]
    with pytest.raises(EdgekitError) as refused:
        start(write(wiring, tmp_path / "recipe"), tmp_path)
    assert wiring.told in refused.value.message
    assert wiring.cure in f"{refused.value.message} {refused.value.hint}"


CODES = {"601": 6, "709": BT709, "2020": 9}
RANGES = {"limited": LIMITED, "full": 2}


def contradicted(dice: random.Random, key: str, codes: Mapping[str, int]) -> Wiring:
    """The stream says one thing, the recipe another."""
    stream, recipe = dice.sample(sorted(codes), 2)
    told = f"the stream says {key} {stream}, the recipe says {recipe}"
    return Wiring(source=f'{key} = "{recipe}"', told=told, cure=f"take {key} out", **{key: codes[stream]})  # type: ignore[arg-type]


def unsaid(dice: random.Random) -> Wiring:
    """Nobody says one of the two; the other one is said by whom it may be."""
    if dice.random() < 0.5:
        return Wiring(matrix=SILENT, told="says its matrix", cure="pipeline.sources.door.matrix")
    return Wiring(range=0, told="says its range", cure="pipeline.sources.door.range")


def sampled(dice: random.Random) -> Wiring:
    """A stream of other chroma, or of more bits."""
    found = dice.choice(["yuv444p", "yuv411p", "yuv410p", "yuv440p", "yuv420p10le", "yuv422p10le", "yuv444p16le"])
    return Wiring(format=found, told=f"its pixel format is {found}", cure="-pix_fmt yuv420p")


def contract(key: str, *values: str, **more: str) -> Callable[[random.Random], Wiring]:
    """A value that a model's contract cannot have."""

    def wiring(dice: random.Random) -> Wiring:
        return Wiring(input={**more, key: dice.choice(values)}, told=f"models.m.input.{key}")

    return wiring


def sized(dice: random.Random) -> Wiring:
    """Another size than the model's, perhaps its own the other way round."""
    width, height = dice.choice([(HEIGHT, WIDTH), (dice.randrange(49, 300), HEIGHT), (WIDTH, dice.randrange(33, 300))])
    return Wiring(
        input={"width_px": str(width), "height_px": str(height)}, told="m.onnx takes x", cure="models.m.input"
    )


def shaped(dice: random.Random) -> Wiring:
    """A model whose channels lie elsewhere, or are of another number."""
    if dice.random() < 0.5:
        return Wiring(shape=(1, HEIGHT, WIDTH, 3), told="the layout is NHWC", cure='layout = "NHWC"')
    channels = dice.choice([1, 2, 4, 5])
    return Wiring(
        shape=(1, channels, HEIGHT, WIDTH), told="m.onnx takes x", cure="models.m.input" if channels == 1 else ""
    )


KINDS: Mapping[str, Callable[[random.Random], Wiring]] = {
    "matrix": lambda dice: contradicted(dice, "matrix", CODES),
    "range": lambda dice: contradicted(dice, "range", RANGES),
    "unsaid": unsaid,
    "format": sampled,
    "order": contract("order", '"RBG"', '"GBR"', '"BRG"', '"rgb"', '"YUV"', '"RGBA"', '"grey"', "3"),
    "scale": contract("scale", "0", "nan", "inf", "[0.1, 0.2]", "[1, 1, 1, 1]", "[1, 0, 1]", '"1/255"'),
    "mean": contract("mean", "nan", "-inf", "[1, 2]", "[1, 2, 3, 4]", '"imagenet"'),
    "layout": contract("layout", '"HWC"', '"CHW"', '"NWHC"', '"nchw"', '"NC4HW"'),
    "bars": contract("bars", "256", "-1", "1.5", "[1, 2]", "[0, 0, 300]", '"grey"', fit='"letterbox"'),
    "sampling": contract("sampling", '"nearest"', '"cubic"', '"lanczos"', '"AREA"'),
    "size": sized,
    "shape": shaped,
}


def test_what_dice_wire_wrong_is_refused_as_well(tmp_path: Path) -> None:
    """Not what somebody thought of: kinds, values and pairs come from a generator with a fixed seed."""
    dice, refused = random.Random(14), 0
    for number, kind in enumerate([*KINDS, *KINDS, *KINDS]):
        wiring = KINDS[kind](dice)
        scratch = tmp_path / str(number)
        scratch.mkdir()
        with pytest.raises(EdgekitError) as error:
            start(write(wiring, scratch / "recipe"), scratch)
        assert wiring.told in error.value.message, (kind, wiring)
        assert wiring.cure in f"{error.value.message} {error.value.hint}" and error.value.hint, (kind, wiring)
        refused += 1
    print(f"\n{refused} of {3 * len(KINDS)} seeded wirings refused before the first frame")
    assert refused >= 20
