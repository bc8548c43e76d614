"""An engine of a batch, given one picture at a time by several threads: real ONNX Runtime."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from edgekit.device.runner import load
from edgekit.device.runner.batches import gathering
from edgekit.device.runner.loaded import Runner
from edgekit.device.runner.onnxruntime import open_runner
from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import StreamEnded
from edgekit.device.runtime.schedule.lanes import Crew, Lane
from edgekit.errors import EngineError, InputError
from edgekit.schema.plan import EnginePlan, LanePlan
from edgekit.schema.recipe import ColourContract
from edgekit.stage import Frame
from tests.fakes.eventually import eventually
from tests.fakes.frames import frame

SIZE = 4
CONTRACT = ColourContract(width_px=2, height_px=2, order="RGB", batch=SIZE)
PLAN = EnginePlan(runner="onnxruntime", path="sum.onnx", input=CONTRACT, threads=1, gathers=True)


def network(outputs: tuple[int, ...] = (SIZE, 1)) -> onnx.ModelProto:
    """The sum of each picture's numbers, twice."""
    node = helper.make_node("ReduceSum", ["images", "axes"], ["sums"], keepdims=0)
    axes = helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3])
    shape = helper.make_tensor("shape", TensorProto.INT64, [len(outputs)], outputs)
    graph = helper.make_graph(
        [node, helper.make_node("Reshape", ["sums", "shape"], ["out"])],
        "sum",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, (SIZE, 3, 2, 2))],
        [helper.make_tensor_value_info("out", TensorProto.FLOAT, outputs)],
        [axes, shape],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def inner(tmp_path: Path) -> Runner:
    onnx.save(network(), tmp_path / "sum.onnx")
    return open_runner(PLAN, tmp_path / "sum.onnx")


def picture(value: float) -> dict[str, Any]:
    return {"images": np.full((1, 3, 2, 2), value, np.float32)}


def answer(runner: Runner, value: float) -> float:
    found = runner.infer(picture(value))["out"]
    assert found.shape == (1, 1)
    return float(found[0, 0])


def in_threads(*acts: Callable[[], None]) -> list[threading.Thread]:
    threads = [threading.Thread(target=act, daemon=True) for act in acts]
    for one in threads:
        one.start()
    return threads


def test_it_takes_one_picture_and_waits_for_no_other(tmp_path: Path) -> None:
    onnx.save(network(), tmp_path / "sum.onnx")
    runner = load(PLAN, tmp_path)
    assert [str(spec) for spec in (*runner.inputs, *runner.outputs)] == ["float32 [1, 3, 2, 2]", "float32 [1, 1]"]
    assert [answer(runner, value) for value in (1.0, 2.0)] == [12.0, 24.0]
    lent = runner.lend()
    lent["images"][:] = 5.0
    assert runner.infer(lent)["out"][0, 0] == 60.0
    del lent
    runner.close()


def test_what_is_there_when_the_engine_is_free_goes_together(inner: Runner) -> None:
    runner, found = gathering(inner), dict[int, float]()
    with inner.take():  # it is busy
        threads = in_threads(*(lambda n=n: found.update({n: answer(runner, n)}) for n in range(SIZE + 2)))  # type: ignore[misc]
        eventually(lambda: runner.use.taken == SIZE + 2)
        eventually(lambda: len(runner.engine.contexts[0]._batches._waiting) == SIZE + 2)  # type: ignore[attr-defined]
        before = inner.use.times
    for one in threads:
        one.join(30)
    assert found == {number: 12.0 * number for number in range(SIZE + 2)}, "each has its own answer"
    assert inner.use.times - before == 2, "four, and then two with two places empty"
    runner.close()


def test_a_failure_is_everybodys_whose_picture_was_in_it_and_nobodys_else(inner: Runner) -> None:
    runner, context = gathering(inner), inner.engine.contexts[0]
    finish, errors = context.finish, list[str]()
    context.finish = lambda: (_ for _ in ()).throw(EngineError("the NPU is gone", hint="reboot"))  # type: ignore[method-assign]

    def fail() -> None:
        with pytest.raises(EngineError) as caught:
            answer(runner, 1.0)
        errors.append(f"{caught.value.message}: {caught.value.hint}")

    with inner.take():
        threads = in_threads(fail, fail)
        eventually(lambda: len(runner.engine.contexts[0]._batches._waiting) == 2)  # type: ignore[attr-defined]
    for one in threads:
        one.join(30)
    assert errors == ["the NPU is gone: reboot"] * 2
    context.finish = finish  # type: ignore[method-assign]
    assert answer(runner, 2.0) == 24.0
    runner.close()


def test_an_output_without_a_place_for_each_is_refused(tmp_path: Path) -> None:
    onnx.save(network((1, SIZE)), tmp_path / "sum.onnx")
    with pytest.raises(InputError, match=r"out of the engine is float32 \[1, 4\], with no place for each") as caught:
        load(PLAN, tmp_path)
    assert "batch = 1" in caught.value.hint


class Infer:
    """A lane's step: the sum of the frame's number."""

    name = "infer"

    def __init__(self, runner: Runner) -> None:
        self._runner = runner

    def frame(self, frame: Frame) -> Frame:
        number = 100 * ord(frame.stream) + frame.sequence
        assert answer(self._runner, number) == 12.0 * number, "another frame's answer"
        return frame

    def event(self, event: object) -> None: ...

    def close(self) -> None: ...


class Sink(Infer):
    def __init__(self) -> None:
        self.seen: dict[str, list[int]] = {}

    def frame(self, frame: Frame) -> Frame:
        self.seen.setdefault(frame.stream, []).append(frame.sequence)
        return frame


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("batches") / "sum.onnx"
    onnx.save(network(), path)
    return path


@settings(max_examples=25, deadline=None)
@given(order=st.lists(st.sampled_from("abc"), min_size=1, max_size=40), threads=st.integers(2, 8))
def test_streams_keep_their_order_lose_nothing_and_wait_for_no_dead_one(
    model: Path, order: list[str], threads: int
) -> None:
    """Stream `dead` is there and never sends: it ends when all others are through."""
    runner, sink = gathering(open_runner(PLAN, model)), Sink()
    streams = frozenset("abc") | {"dead"}
    crews = tuple(Crew(steps=(Infer(runner),), figures=LaneFigures(f"see/{n}", time.monotonic)) for n in range(threads))
    see = Lane(
        name="see", plan=LanePlan(cpus=(), threads=threads, queue=64, drop="block"), streams=streams, crews=crews
    )
    last = Lane(
        name="last",
        plan=LanePlan(cpus=(), queue=64, drop="block"),
        streams=streams,
        crews=(Crew(steps=(sink,), figures=LaneFigures("last", time.monotonic)),),
    )
    see.lead_to(last)
    workers = in_threads(*(lambda one=one: see._work(one) for one in crews), lambda: last._work(last.crews[0]))  # type: ignore[misc]
    sent: dict[str, int] = {}
    for stream in order:
        see.queues.put(frame(sent.setdefault(stream, 0), stream))
        sent[stream] += 1
    eventually(lambda: {name: len(seen) for name, seen in sink.seen.items()} == sent)
    assert sink.seen == {name: list(range(count)) for name, count in sent.items()}
    for stream in sorted(streams):
        see.queues.put(StreamEnded(stream=stream, reason=""))
    for one in workers:
        one.join(30)
        assert not one.is_alive()
    runner.close()
