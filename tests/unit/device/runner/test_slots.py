"""Slots and lent input buffers, on a real session of ONNX Runtime with two inputs and two outputs."""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from edgekit.device.runner import Runner
from edgekit.device.runner.loaded import LoadedEngine
from edgekit.device.runner.onnxruntime import open_runner
from edgekit.device.runner.slots import SlotPool, SlotTurn, SlotUse
from edgekit.device.runner.tensors import InputBuffers, TensorSpec, lent_buffers, plain_inputs
from edgekit.errors import EngineError, InputError
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract
from tests.fakes.clock import Clock
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.networks import save, two_by_two

CONTRACT = ColourContract(width_px=96, height_px=96, order="RGB")
PLAN = EnginePlan(runner="onnxruntime", path="m.onnx", input=CONTRACT, picture="images", threads=1)
SHAPE = (1, 3, 96, 96)


@pytest.fixture
def runner(tmp_path: Path) -> Iterator[Runner]:
    made = open_runner(PLAN, save(two_by_two(), tmp_path / "m.onnx"), slots=2)
    yield made
    made.close()


def fill(tensors, level: float, factor: float = 2.0, term: float = 1.0) -> None:
    tensors["images"][:] = level
    tensors["weight"][:] = np.array([factor, term])


def tensors(level: float, factor: float = 2.0, term: float = 1.0) -> dict[str, np.ndarray]:
    made = {"images": np.empty(SHAPE, np.float32), "weight": np.empty((1, 1, 1, 2), np.float32)}
    fill(made, level, factor, term)
    return made


def test_it_says_what_it_takes_and_gives(runner):
    assert [(spec.name, spec.shape, spec.dtype) for spec in runner.inputs] == [
        ("images", SHAPE, np.float32),
        ("weight", (1, 1, 1, 2), np.float32),
    ]
    assert [spec.name for spec in runner.outputs] == ["more", "less"]
    assert (runner.picture, runner.slots) == ("images", 2)


def test_a_slot_s_buffers_are_filled_and_read_in_place(runner):
    with runner.take() as slot:
        addresses = set()
        for level in (1.0, 5.0):
            fill(slot.inputs, level)
            slot.submit()
            made = slot.wait()
            assert (made["more"] == level * 2 + 1).all() and (made["less"] == level * 2 - 1).all()
            addresses.add((slot.inputs["images"].ctypes.data, made["more"].ctypes.data, made["less"].ctypes.data))
        assert len(addresses) == 1


def test_inputs_keep_what_was_written_for_the_next_run(runner):
    with runner.take() as slot:
        fill(slot.inputs, 1.0, factor=3.0)
        slot.submit()
        slot.wait()
        slot.inputs["images"][:] = 2.0
        slot.submit()
        assert (slot.wait()["more"] == 7).all()


def test_the_caller_owns_what_infer_gives(runner):
    first, second = runner.infer(tensors(1.0)), runner.infer(tensors(2.0))
    assert (first["more"] == 3).all() and (second["more"] == 5).all()


def test_arrays_with_gaps_are_copied(runner):
    wide = np.full((1, 3, 96, 192), 9.0, np.float32)
    wide[..., :96] = 4.0
    assert (runner.infer({**tensors(0.0), "images": wide[..., :96]})["more"] == 9).all()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"images": np.zeros(SHAPE, np.uint8)}, r"takes float32 \[1, 3, 96, 96\] as its input images, .* given uint8"),
        ({"images": np.zeros((1, 3, 96, 95), np.float32)}, r"input images, it was given float32 \[1, 3, 96, 95\]"),
        ({"weight": np.zeros(2, np.float32)}, r"input weight, it was given float32 \[2\]"),
        ({"bias": np.zeros(2, np.float32)}, "the engine has no input bias"),
        ({"weight": None}, "the engine's input weight was not given"),
    ],
)
def test_other_tensors_are_refused_by_name(runner, given, message):
    found = {name: tensor for name, tensor in {**tensors(1.0), **given}.items() if tensor is not None}
    with pytest.raises(EngineError, match=message):
        runner.infer(found)
    assert (runner.infer(tensors(1.0))["more"] == 3).all()


def test_the_plan_must_name_an_input_that_is_there(tmp_path):
    save(two_by_two(), tmp_path / "m.onnx")
    other = EnginePlan(runner="onnxruntime", path="m.onnx", input=CONTRACT, picture="pixels", threads=1)
    with pytest.raises(InputError, match=r"has no input pixels, it has 2: images, weight"):
        open_runner(other, tmp_path / "m.onnx")


def test_a_slot_is_one_inference_at_a_time_and_nothing_once_it_is_given_back(runner):
    with runner.take() as slot:
        with pytest.raises(EngineError, match="nothing was submitted"):
            slot.wait()
        slot.submit()
        with pytest.raises(EngineError, match="still at its last inference"):
            slot.submit()
        slot.wait()
    slot.release()
    for use in (slot.submit, slot.wait, lambda: slot.inputs):
        with pytest.raises(EngineError, match="given back"):
            use()
    assert runner.infer(tensors(1.0))


def test_who_finds_no_slot_sleeps_until_one_is_free(runner):
    first, second = runner.take(), runner.take()
    with pytest.raises(EngineError, match=r"none of 2 slots became free within 0\.05 s"):
        runner.take(timeout_s=0.05)
    taken: list[float] = []

    busy_s: list[float] = []

    def wait() -> None:
        before_s = time.thread_time()
        with runner.take():
            taken.append(time.monotonic())
        busy_s.append(time.thread_time() - before_s)

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.1)
    freed = time.monotonic()
    first.release()
    thread.join()
    second.release()
    assert taken[0] >= freed
    assert busy_s[0] < 0.05


def test_a_busy_thread_keeps_nobody_waiting():
    """Slots are given in the order of the calls, not to whoever is awake."""
    runner = Runner(
        LoadedEngine(inputs=SPECS, outputs=(), picture="x", contexts=(Failing(),), close=lambda: None, hint="")
    )
    turns: list[str] = []
    running, stop = threading.Event(), threading.Event()

    def work(name: str) -> None:
        while not stop.is_set():
            with runner.take():
                turns.append(name)
                running.set()
                while not runner._slots._waiting and not stop.is_set():
                    time.sleep(0.0001)  # until somebody stands in line, and then wants the next turn at once

    busy = threading.Thread(target=work, args=("busy",))
    busy.start()
    running.wait()
    waited = []
    try:
        for _ in range(10):
            before = len(turns)
            with runner.take(timeout_s=2.0):
                waited.append(len(turns) - before)
    finally:
        stop.set()
        busy.join()
    assert max(waited) <= 1


def test_two_that_become_free_serve_two_that_wait(runner):
    """Whoever wakes first: the second in line is not forgotten when it looked before the first was through."""
    late: list[EngineError] = []

    def wait(both: threading.Barrier) -> None:
        try:
            with runner.take(timeout_s=PATIENCE_S):
                both.wait()
        except (EngineError, threading.BrokenBarrierError) as error:
            late.append(error)

    for _ in range(30):
        slots, both = [runner.take(), runner.take()], threading.Barrier(2, timeout=PATIENCE_S)
        waiting = [threading.Thread(target=wait, args=(both,)) for _ in range(2)]
        for thread in waiting:
            thread.start()
        while len(runner._slots._waiting) < 2:
            time.sleep(0.0001)
        for slot in slots:
            slot.release()
        for thread in waiting:
            thread.join()
        assert not late


def test_two_slots_compute_at_the_same_time(tmp_path):
    """Each of two threads is inside its run while the other one is; one session serves both."""
    runner = open_runner(PLAN, save(two_by_two(), tmp_path / "m.onnx"), slots=2)
    wrong: list[str] = []
    both = threading.Barrier(2, timeout=PATIENCE_S)

    def work(level: float) -> None:
        with runner.take() as slot:
            both.wait()  # both hold a slot
            for turn in range(200):
                fill(slot.inputs, level + turn)
                slot.submit()
                made = slot.wait()
                if not (made["more"] == (level + turn) * 2 + 1).all():
                    wrong.append(f"{level} {turn}")

    threads = [threading.Thread(target=work, args=(level,)) for level in (0.0, 1000.0)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    runner.close()


def test_close_waits_for_a_slot_that_is_out(runner):
    slot = runner.take()
    closed: list[float] = []
    thread = threading.Thread(target=lambda: (runner.close(), closed.append(time.monotonic())))
    thread.start()
    time.sleep(0.05)
    assert not closed
    fill(slot.inputs, 1.0)
    slot.submit()
    assert (slot.wait()["more"] == 3).all(), "it works until it is given back"
    slot.release()
    thread.join()
    assert closed
    with pytest.raises(EngineError, match="the engine is closed"):
        runner.take()


def test_close_frees_the_session_though_somebody_holds_the_runner(runner):
    context, lent = weakref.ref(runner.engine.contexts[0]), runner.lend()
    runner.close()
    runner.close()
    assert context() is None
    fill(lent, 1.0)


def test_close_with_a_slot_that_stays_out_frees_nothing():
    context, closed = Failing(), []
    runner = Runner(
        LoadedEngine(
            inputs=SPECS,
            outputs=(),
            picture="x",
            contexts=(context,),
            close=lambda: closed.append(1),
            hint="look at the log",
        )
    )
    slot = runner.take()
    with pytest.raises(EngineError, match=r"1 of 1 slots are still taken after 0\.05 s"):
        runner.close(timeout_s=0.05)
    assert not closed
    slot.release()
    runner.close()
    assert closed == [1]


def test_who_waits_for_a_slot_is_told_of_the_close(runner):
    slots = [runner.take(), runner.take()]
    told: list[str] = []

    def wait() -> None:
        try:
            runner.take()
        except EngineError as error:
            told.append(error.message)

    waiting, closing = threading.Thread(target=wait), threading.Thread(target=runner.close)
    waiting.start()
    time.sleep(0.02)
    closing.start()
    waiting.join(PATIENCE_S)
    assert told == ["the engine is closed"]
    for slot in slots:
        slot.release()
    closing.join(PATIENCE_S)


def is_lent(tensors) -> bool:
    """Whether it is memory that the engine lends, not memory that somebody made because there was none."""
    return lent_buffers(tensors) is not None


def test_lent_buffers_are_read_where_they_lie(runner):
    lent = runner.lend()
    fill(lent, 3.0)
    with runner.take(lent) as slot:
        slot.inputs["images"][:] = 50.0
        slot.submit(lent)
        assert (slot.wait()["more"] == 7).all()
        lent["images"][:] = 4.0  # and not from a copy
        slot.submit(lent)
        assert (slot.wait()["more"] == 9).all()
        assert (slot.inputs["images"] == 50).all()


def test_buffers_come_back_when_nobody_holds_them_or_a_view(runner):
    held = [runner.lend() for _ in range(3)]
    assert all(map(is_lent, held)) and not is_lent(runner.lend())
    addresses = {tensors["images"].ctypes.data for tensors in held}
    assert len(addresses) == 3
    view = held[0]["images"][0, :, ::2]
    held.clear()
    again = [runner.lend(), runner.lend()]
    assert not is_lent(runner.lend()), "a view still needs the third"
    assert {tensors["images"].ctypes.data for tensors in again} < addresses
    del view
    assert is_lent(runner.lend())


def test_what_is_being_read_is_not_lent_to_somebody_else(runner):
    lent = runner.lend()
    fill(lent, 3.0)
    with runner.take() as slot:
        slot.submit(lent)
        del lent  # the frame is gone, the engine still reads
        others = [runner.lend(), runner.lend()]
        assert not is_lent(runner.lend())
        for other in others:
            fill(other, 99.0)
        assert (slot.wait()["more"] == 7).all()
        assert is_lent(runner.lend())


@pytest.mark.parametrize("waits", [True, False])
def test_a_slot_that_was_given_back_holds_nothing(runner, waits):
    held = [runner.lend() for _ in range(3)]
    slot = runner.take()
    slot.submit(held[0])
    if waits:
        slot.wait()
    slot.release()
    del held[0]
    assert is_lent(runner.lend()), "though somebody still has the slot"


def test_memory_beyond_what_is_lent_is_as_good(runner):
    held = [runner.lend() for _ in range(5)]
    for level, one in enumerate(held):
        fill(one, level)
    assert [runner.infer(one)["more"].flat[0] for one in held] == [1, 3, 5, 7, 9]


def test_lent_arrays_of_two_sets_are_still_right(runner):
    first, second = runner.lend(), runner.lend()
    fill(first, 1.0, term=1.0)
    fill(second, 2.0, term=5.0)
    made = runner.infer({"images": first["images"], "weight": second["weight"]})
    assert (made["more"] == 7).all()


def test_buffers_may_come_back_on_any_thread_at_any_time(runner):
    """Finalisers run wherever the last reference goes."""
    stop = time.monotonic() + 0.5
    wrong: list[int] = []

    def work(number: int) -> None:
        while time.monotonic() < stop:
            lent = runner.lend()
            lent["images"][:] = number
            time.sleep(0)
            if not (lent["images"] == number).all():
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    held = [runner.lend() for _ in range(4)]
    assert list(map(is_lent, held)) == [True, True, True, False]


def sizes(path: Path) -> Path:
    """`found` has as many columns as there are numbers that are not zero."""
    graph = helper.make_graph(
        [helper.make_node("NonZero", ["images"], ["found"]), helper.make_node("ReduceMax", ["images"], ["top"])],
        "sizes",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, SHAPE)],
        [
            helper.make_tensor_value_info("found", TensorProto.INT64, (4, None)),
            helper.make_tensor_value_info("top", TensorProto.FLOAT, (1, 1, 1, 1)),
        ],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10), path)
    return path


def test_outputs_whose_size_only_the_content_tells(tmp_path):
    plan = EnginePlan(runner="onnxruntime", path="m.onnx", input=CONTRACT, threads=1)
    runner = open_runner(plan, sizes(tmp_path / "m.onnx"))
    assert [spec.shape for spec in runner.outputs] == [(4, -1), (1, 1, 1, 1)]
    picture = np.zeros(SHAPE, np.float32)
    for count in (3, 0, 7):
        picture.flat[:] = 0
        picture.flat[:count] = count
        made = runner.infer({"images": picture})
        assert made["found"].shape == (4, count) and made["top"].item() == count
    runner.close()


class Failing:
    """A context whose run fails, and which says when it was asked to end."""

    def __init__(self) -> None:
        self.inputs = plain_inputs(SPECS)
        self.calls: list[str] = []
        self.fail = ""

    def accepts(self, _inputs: InputBuffers) -> bool:
        return True

    def _call(self, name: str) -> None:
        self.calls.append(name)
        if self.fail == name:
            raise EngineError("broken", hint="")

    def start(self, _inputs: InputBuffers) -> None:
        self._call("start")

    def finish(self) -> dict[str, np.ndarray]:
        self._call("finish")
        return {}

    def cancel(self) -> None:
        self._call("cancel")


SPECS = (TensorSpec(name="x", shape=(1,), dtype=np.dtype(np.float32)),)


@pytest.mark.parametrize(
    ("fail", "calls"),
    [("", ["start", "finish"]), ("start", ["start", "cancel"]), ("finish", ["start", "finish"])],
)
def test_after_a_failure_the_slot_is_whole_again(fail, calls):
    context, closed = Failing(), []
    runner = Runner(
        LoadedEngine(
            inputs=SPECS, outputs=(), picture="x", contexts=(context,), close=lambda: closed.append(1), hint=""
        )
    )
    context.fail = fail
    try:
        runner.infer({"x": np.zeros(1, np.float32)})
    except EngineError as error:
        assert fail and error.message == "broken"
    assert context.calls == calls
    context.fail = ""
    assert runner.infer({"x": np.zeros(1, np.float32)}) == {}
    runner.close()
    runner.close()
    assert closed == [1]


def test_a_slot_that_is_given_back_early_is_ended_first():
    context = Failing()
    runner = Runner(
        LoadedEngine(inputs=SPECS, outputs=(), picture="x", contexts=(context,), close=lambda: None, hint="")
    )
    with runner.take() as slot:
        slot.submit()
    assert context.calls == ["start", "cancel"]
    assert runner.infer({"x": np.zeros(1, np.float32)}) == {}


def test_use_counts_busy_time_and_time_that_was_waited():
    clock = Clock()
    pool = SlotPool([object()], (), "wait", clock)
    slot = pool.take(None, 1.0)
    clock.advance(2.0)
    assert pool.use == SlotUse(slots=1, taken=1, times=1, busy_s=2.0, waited_s=0.0)
    slot.release()
    clock.advance(5.0)
    assert pool.use == SlotUse(slots=1, taken=0, times=1, busy_s=2.0, waited_s=0.0)
    other = pool.take(None, 1.0)
    taken = []
    waiter = threading.Thread(target=lambda: taken.append(pool.take(None, PATIENCE_S)))
    waiter.start()
    eventually(lambda: pool._waiting)
    clock.advance(3.0)
    other.release()
    waiter.join(PATIENCE_S)
    assert pool.use == SlotUse(slots=1, taken=1, times=3, busy_s=5.0, waited_s=3.0)


def test_whoever_watches_is_told_of_each_turn_of_a_slot_and_of_the_wait_for_it():
    clock, turns = Clock(), []
    pool = SlotPool(["first", "second"], (), "wait", clock)
    pool.take(None, 1.0).release()
    pool.watch = turns.append
    one, two = pool.take(None, 1.0), pool.take(None, 1.0)
    taken = []
    waiter = threading.Thread(target=lambda: taken.append(pool.take(None, PATIENCE_S)))
    waiter.start()
    eventually(lambda: pool._waiting)
    clock.advance(2.0)
    one.release()
    waiter.join(PATIENCE_S)
    clock.advance(1.0)
    taken[0].release()
    pool.watch = None
    two.release()
    began_s = clock() - 3.0
    assert turns == [SlotTurn(began_s, 2.0, 0.0, 1), SlotTurn(began_s + 2.0, 1.0, 2.0, 1)]
