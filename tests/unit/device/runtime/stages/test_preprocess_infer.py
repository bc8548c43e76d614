"""A picture's way into an engine: written where it is read, and given back whatever becomes of the frame."""

from __future__ import annotations

import dataclasses
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from edgekit.device.runner import Runner
from edgekit.device.runner.loaded import LoadedEngine
from edgekit.device.runner.onnxruntime import open_runner
from edgekit.device.runner.tensors import Tensors, TensorSpec, buffers_behind, lent_buffers, plain_inputs
from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import StreamRestarted
from edgekit.device.runtime.schedule.lanes import Crew, Lane
from edgekit.device.runtime.schedule.steps import StageStep, Step
from edgekit.device.runtime.stages.infer import Infer
from edgekit.device.runtime.stages.preprocess import Preprocess
from edgekit.errors import InputError
from edgekit.imaging.conversion import Converter, plan_conversion
from edgekit.imaging.image import RgbImage, RgbSpec
from edgekit.schema.plan import EnginePlan, LanePlan
from edgekit.schema.recipe import ColourContract, DropPolicy
from edgekit.stage import Frame, Stage
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.frames import frame, stage_context, stream_info
from tests.fakes.networks import save, two_by_two

CONTRACT = ColourContract(width_px=8, height_px=6, order="BGR", scale=1 / 255)
SPEC = RgbSpec(width_px=8, height_px=6, order="RGB")
INFO = stream_info(spec=SPEC)
SETS = 3


def picture(number: int) -> Frame:
    pixels = np.full((6, 8, 3), number % 256, np.uint8)
    return frame(number, image=RgbImage(pixels=pixels, order="RGB"))


class Engine:
    """Gives the mean of its input, when it is let."""

    def __init__(self) -> None:
        spec = TensorSpec(name="x", shape=CONTRACT.tensor_shape, dtype=np.dtype(np.float32))
        self.inputs = plain_inputs([spec])
        self.let = threading.Event()
        self.let.set()
        self.addresses: list[int] = []
        self.runner = Runner(
            LoadedEngine(
                inputs=(spec,),
                outputs=(TensorSpec(name="mean", shape=(1,), dtype=np.dtype(np.float32)),),
                picture="x",
                contexts=(self,),
                spare=tuple(plain_inputs([spec]) for _ in range(SETS)),
                close=lambda: None,
                hint="",
            )
        )

    def accepts(self, _inputs) -> bool:
        return True

    def start(self, inputs) -> None:
        self._read = inputs.arrays["x"]
        self.addresses.append(self._read.ctypes.data)

    def finish(self) -> Tensors:
        assert self.let.wait(PATIENCE_S)
        mean, self._read = self._read.mean(), None
        return {"mean": np.array([mean], np.float32)}

    def cancel(self) -> None:
        pass

    @property
    def free(self) -> int:
        """How many sets of buffers nobody has."""
        held = [self.runner.lend() for _ in range(SETS)]
        return sum(lent_buffers(one) is not None for one in held)


@pytest.fixture
def engine() -> Iterator[Engine]:
    made = Engine()
    yield made
    made.let.set()
    assert made.free == SETS, "every test gives all of them back"
    made.runner.close()


def step(kind: Callable[..., Stage], engine: Engine) -> StageStep:
    made = StageStep(kind.__name__.lower(), lambda info: kind(context(engine.runner, stream=info)))
    made.prepare(INFO)
    return made


def context(runner: Runner | None, **more):
    return stage_context(runner=runner, contract=CONTRACT, **{"stream": INFO, **more})


def lane(name: str, *steps: Step, queue: int = 2, drop: DropPolicy = "block") -> Lane:
    plan = LanePlan(cpus=(), queue=queue, drop=drop)
    figures = LaneFigures(name, lambda: 0.0)
    crews = (Crew(steps=steps, figures=figures),)
    return Lane(name=name, plan=plan, streams=frozenset({"belt"}), crews=crews, advisory=True)


class Sink:
    """The last step: notes what comes, and keeps no frame."""

    name = "sink"

    def __init__(self) -> None:
        self.found: dict[int, float] = {}
        self.arrived = threading.Semaphore(0)

    def frame(self, frame: Frame) -> Frame:
        self.found[frame.sequence] = float(frame.result("m").outputs["mean"][0])
        self.arrived.release()
        return frame

    def event(self, _event) -> None:
        pass

    def close(self) -> None:
        pass


def test_the_engine_reads_where_preprocess_wrote(engine):
    prepare, infer = Preprocess(context(engine.runner)), Infer(context(engine.runner))
    one = prepare(picture(51))
    tensor = one.result("m").inputs["x"]
    converter = Converter(plan_conversion(SPEC, CONTRACT))
    np.testing.assert_array_equal(tensor, converter.tensor(one.image))
    address = tensor.ctypes.data
    del tensor
    infer(one)
    assert engine.addresses == [address]
    assert one.result("m").outputs["mean"] == pytest.approx(0.2)
    assert one.result("m").inputs == {}
    assert engine.free == SETS


def test_a_lane_behind_that_stands_still_stops_nobody(engine):
    """All buffers lie in a queue that nobody serves: frames go on in memory of their own, and old ones are dropped."""
    npu = lane("npu", step(Infer, engine), queue=5, drop="drop_oldest")
    cpu = lane("cpu", step(Preprocess, engine))
    cpu.lead_to(npu)
    for number in range(40):
        cpu.queues.put(picture(number))
        assert cpu.turn()
    assert engine.free == 0 and len(npu.queues) == 5
    assert npu.queues.drops() == {("belt", "drop_oldest"): 35}
    npu.queues.close()
    assert engine.free == SETS


def test_buffers_of_dropped_frames_are_used_again(engine):
    """Three frames wait with all three sets; each that is dropped frees its set for the next but one."""
    npu = lane("npu", step(Infer, engine), queue=SETS, drop="drop_oldest")
    cpu = lane("cpu", step(Preprocess, engine))
    cpu.lead_to(npu)
    for number in range(9):
        cpu.queues.put(picture(number))
        cpu.turn()
    while npu.turn():
        pass
    assert len(set(engine.addresses)) == SETS and engine.free == SETS


@pytest.mark.parametrize("drop", ["block", "drop_oldest", "drop_newest"])
def test_a_slow_engine_and_a_fast_lane_never_wait_for_each_other_s_buffers(engine, drop):
    sink = Sink()
    npu = lane("npu", step(Infer, engine), sink, queue=8, drop=drop)
    cpu = lane("cpu", step(Preprocess, engine), queue=60)
    cpu.lead_to(npu)
    engine.let.clear()
    for worker in (npu, cpu):
        worker.threads[0].thread.start()
    cpu.queues.put(picture(0))
    eventually(lambda: bool(engine.addresses))  # the engine has the first frame, and is slow
    for number in range(1, 60):
        cpu.queues.put(picture(number))
    eventually(lambda: len(npu.queues) == 8 and (drop == "block" or not len(cpu.queues)))  # no buffer is left
    engine.let.set()
    expected = 60 if drop == "block" else 1 + 8
    for _ in range(expected):
        assert sink.arrived.acquire(timeout=PATIENCE_S), "everybody goes on"
    for worker in (cpu, npu):
        worker.queues.close()
        assert worker.threads[0].thread.join(PATIENCE_S)
    assert sink.found == {number: pytest.approx(number / 255) for number in sink.found}
    assert list(sink.found) == sorted(sink.found)


class Breaks(Stage):
    """Between both: fails on every second frame, and drops every third."""

    def __call__(self, frame: Frame) -> Frame | None:
        if frame.sequence % 2:
            raise ValueError("broken")
        return None if frame.sequence % 3 == 0 else frame


def test_frames_that_a_stage_fails_on_or_drops_give_their_buffers_back(engine, capsys):
    sink = Sink()
    all_in_one = lane("all", step(Preprocess, engine), step(Breaks, engine), step(Infer, engine), sink)
    for number in range(12):
        all_in_one.queues.put(picture(number))
        all_in_one.turn()
        assert engine.free == SETS
    assert list(sink.found) == [2, 4, 8, 10]
    assert "ValueError: broken" in capsys.readouterr().err


def test_a_stream_that_restarts_with_another_size_gives_all_back(engine):
    sink = Sink()
    npu = lane("npu", step(Infer, engine), sink, queue=4)
    cpu = lane("cpu", step(Preprocess, engine), queue=4)
    cpu.lead_to(npu)
    for number in range(2):
        cpu.queues.put(picture(number))
        cpu.turn()
    info = dataclasses.replace(INFO, spec=RgbSpec(width_px=16, height_px=12, order="RGB"))
    cpu.queues.put(StreamRestarted(info=info, again="pass", reason=""))
    pixels = np.full((12, 16, 3), 102, np.uint8)
    cpu.queues.put(frame(2, image=RgbImage(pixels=pixels, order="RGB")))
    while cpu.turn() or npu.turn():
        pass
    assert sink.found == {0: 0.0, 1: pytest.approx(1 / 255), 2: pytest.approx(0.4)}
    assert engine.free == SETS


class Weight(Stage):
    """Fills a model's further input."""

    def __call__(self, frame: Frame) -> Frame:
        frame.result("m").inputs["weight"] = np.array([2.0, frame.sequence], np.float32).reshape(1, 1, 1, 2)
        return frame


def test_a_stage_of_one_s_own_gives_a_model_s_further_input(tmp_path: Path):
    contract = ColourContract(width_px=8, height_px=8, order="RGB")
    plan = EnginePlan(runner="onnxruntime", path="m.onnx", input=contract, picture="images", threads=1)
    runner = open_runner(plan, save(two_by_two(8), tmp_path / "m.onnx"))
    make = partial(context, runner)
    stages = [kind(dataclasses.replace(make(), contract=contract)) for kind in (Preprocess, Weight, Infer)]
    for number in (3, 7):
        one = picture(number)
        for stage in stages:
            one = stage(one)
        assert (one.result("m").outputs["more"] == number * 2 + number).all()
    runner.close()


@pytest.mark.parametrize("kind", [Preprocess, Infer])
def test_a_stage_without_a_model_says_so(kind):
    with pytest.raises(InputError, match="belongs to no model"):
        kind(context(None))


BOXED = dataclasses.replace(CONTRACT, width_px=8, height_px=6, fit="letterbox", bars=114)
WIDE, TALL = RgbSpec(width_px=16, height_px=6, order="RGB"), RgbSpec(width_px=4, height_px=6, order="RGB")


def boxed(spec: RgbSpec, level: int) -> Frame:
    return frame(
        level, image=RgbImage(pixels=np.full((spec.height_px, spec.width_px, 3), level, np.uint8), order="RGB")
    )


def test_bars_are_written_where_another_picture_was_and_never_twice() -> None:
    engine = Engine()
    stages = {
        spec: Preprocess(stage_context(contract=BOXED, runner=engine.runner, stream=stream_info(spec=spec), model="m"))
        for spec in (WIDE, TALL)
    }
    random, inputs = np.random.default_rng(3), {}
    for number in range(60):
        spec = (WIDE, TALL)[int(random.integers(2))]
        stage, level = stages[spec], int(random.integers(256))
        if number % 7 == 0:  # somebody else writes anything anywhere
            engine.runner.lend()["x"][:] = 0.77
        if number % 11 == 0:
            with pytest.raises(ValueError, match="planned was"):
                stage(boxed(TALL if spec is WIDE else WIDE, level))
        made = stage(boxed(spec, level))
        tensor = made.result("m").inputs["x"]
        wanted = Converter(plan_conversion(spec, BOXED)).tensor(boxed(spec, level).image)
        np.testing.assert_array_equal(tensor, wanted)
        with pytest.raises(ValueError, match="read-only"):
            tensor[:] = 0
        inputs[number % 2] = made  # some sets are in use
    buffers = buffers_behind(tensor)
    assert buffers is not None and buffers.around == plan_conversion(spec, BOXED).around
