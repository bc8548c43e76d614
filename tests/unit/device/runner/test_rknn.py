"""The NPU's runner against a runtime that watches how it is called."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgekit.device.runner import RUNNERS, Runner
from edgekit.device.runner.librknnrt import LIBRARIES, SYNC_TO_DEVICE, Attributes, open_library
from edgekit.device.runner.tensors import lent_buffers
from edgekit.errors import EngineError, InputError
from edgekit.schema.recipe import ColourContract
from tests.fakes.eventually import eventually
from tests.fakes.native import compile_library
from tests.fakes.rknnrt import ENGINE, FakeRuntime


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library("rknnrt.c", tmp_path_factory.mktemp("rknnrt"))


@pytest.fixture
def fake(library: Path) -> Iterator[FakeRuntime]:
    """Every test must leave nothing behind and call nothing wrongly, unless it says so itself."""
    runtime = FakeRuntime(library)
    yield runtime
    assert runtime.faults == ""
    assert runtime.live == 0
    runtime.reset()


def picture(first: int = 7, last: int = 9) -> np.ndarray:
    made = np.zeros((1, 16, 16, 3), np.uint8)
    made.flat[0], made.flat[-1] = first, last
    return made


def infer(runner: Runner, tensor: np.ndarray) -> dict[str, np.ndarray]:
    return runner.infer({runner.picture: tensor})


@pytest.mark.parametrize("mapped", [False, True])
def test_pictures_go_in_and_named_outputs_come_out(fake, mapped):
    fake.model("images=1x16x16x3 boxes=1x4x8x8 scores=1x10")
    runner = fake.load(mapped=mapped)
    found = infer(runner, picture(7, 9))
    assert {name: array.shape for name, array in found.items()} == {"boxes": (1, 4, 8, 8), "scores": (1, 10)}
    assert list(found["boxes"].flat[:5]) == [7, 9, 1, 3, 4]
    assert list(found["scores"].flat[3:5]) == [1003, 1004]
    assert all(array.dtype == np.float32 for array in found.values())
    runner.close()


@pytest.mark.parametrize(("planned", "masks"), [((), [1, 2, 4]), ((2,), [4]), ((0, 2), [1, 4])])
def test_it_computes_on_the_cores_of_its_plan_alone(fake, planned, masks):
    runner = fake.load(npu_cores=planned)
    slots = [runner.take() for _ in range(runner.slots)]
    for slot in slots:
        slot.submit({runner.picture: picture()})
    assert [slot.wait()["conv2"].flat[2] for slot in slots] == masks
    for slot in slots:
        slot.release()
    runner.close()


@pytest.mark.parametrize("mapped", [False, True])
def test_further_inputs_and_outputs_by_name(fake, mapped):
    fake.model("images=1x16x16x3 +size=1x2 boxes=1x4x8x8 scores=1x10")
    with pytest.raises(InputError, match="no one input that takes the picture, it has 2: images, size"):
        fake.load(mapped=mapped)
    runner = fake.load(picture="images", mapped=mapped, cores=[1])
    assert [(spec.name, str(spec)) for spec in runner.inputs] == [
        ("images", "uint8 [1, 16, 16, 3]"),
        ("size", "float32 [1, 2]"),
    ]
    found = runner.infer({"images": picture(7, 9), "size": np.array([[640, 480]], np.float32)})
    assert list(found["boxes"].flat[:4]) == [7, 9, 1, 480]
    with pytest.raises(EngineError, match="the engine's input size was not given"):
        infer(runner, picture())
    runner.close()


@pytest.mark.parametrize("mapped", [False, True])
def test_lent_memory_is_read_where_it_lies(fake, mapped):
    fake.model("images=1x6x10x3 out=1x8")
    contract = ColourContract(width_px=10, height_px=6, order="RGB", layout="NHWC", dtype="uint8")
    runner = fake.load(contract, mapped=mapped)
    held = [runner.lend() for _ in range(3)]
    for level, lent in enumerate(held):
        lent["images"][:] = 10 * level
    for level, lent in enumerate(held):
        with runner.take(lent) as slot:
            slot.inputs["images"][:] = 99
            slot.submit(lent)
            out = slot.wait()["out"]
            assert list(out.flat[:2]) == [10 * level, 10 * level]
            assert (slot.inputs["images"] == 99).all(), "nothing was copied"
    del lent, held, out
    runner.close()


def test_mapped_memory_of_another_core_is_copied(fake):
    runner = fake.load(mapped=True, cores=[1, 2])
    lent = runner.lend()
    lent["images"][:] = 5
    with runner.take(lent) as near, runner.take(lent) as far:
        for slot in (near, far):
            slot.submit(lent)
            assert slot.wait()["conv2"].flat[0] == 5
        assert not (near.inputs["images"] == 5).any() and (far.inputs["images"] == 5).all()
    del lent
    runner.close()


@pytest.mark.parametrize("mapped", [False, True])
def test_lent_memory_keeps_the_contexts_open(fake, mapped):
    runner = fake.load(mapped=mapped)
    lent = runner.lend()
    runner.close()
    assert fake.live
    lent["images"][:] = 1
    assert lent_buffers(runner.lend()) is None
    del lent
    assert not fake.live


@pytest.mark.parametrize("mapped", [False, True])
def test_the_caller_owns_the_outputs(fake, mapped):
    runner = fake.load(cores=[1], mapped=mapped)
    first = infer(runner, picture(1))["conv2"]
    second = infer(runner, picture(2))["conv2"]
    runner.close()
    assert (first.flat[0], second.flat[0]) == (1, 2)


def test_rows_that_the_npu_wants_apart_are_laid_out_so(fake):
    fake.model("images=1x6x10x3 out=1x8")
    contract = ColourContract(width_px=10, height_px=6, order="RGB", layout="NHWC", dtype="uint8")
    runner = fake.load(contract, mapped=True)
    tensor = np.arange(180, dtype=np.uint8).reshape(1, 6, 10, 3)
    assert list(infer(runner, tensor)["out"].flat[:2]) == [0, 179]
    runner.close()


@pytest.mark.parametrize("mapped", [False, True])
def test_three_threads_use_three_cores_at_the_same_time(fake, mapped):
    fake.run_us(30_000)
    runner = fake.load(mapped=mapped)
    assert runner.slots == 3
    masks: list[float] = []

    def work() -> None:
        """A few times, and until the others have begun too: a busy machine may start a thread late."""
        until_s = time.monotonic() + 60
        for number in itertools.count():
            if number >= 4 and (fake.peak == 3 or time.monotonic() > until_s):
                return
            masks.append(infer(runner, picture())["conv2"].flat[2])

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runner.close()
    assert fake.peak == 3 and set(masks) == {1, 2, 4}


def test_more_threads_than_cores_wait_their_turn(fake):
    fake.run_us(2_000)
    runner = fake.load(cores=[1])
    threads = [threading.Thread(target=lambda: [infer(runner, picture()) for _ in range(5)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runner.close()
    assert fake.peak == 1


def test_close_twice_and_while_it_runs(fake):
    fake.run_us(50_000)
    runner = fake.load()
    thread = threading.Thread(target=infer, args=(runner, picture()))
    thread.start()
    eventually(lambda: fake.peak)
    runner.close()
    runner.close()
    thread.join()


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (-1, "rknn_init: it failed (-1)"),
        (-3, "rknn_init: the NPU is not available (-3)"),
        (-6, "rknn_init: the engine is not valid for this runtime (-6)"),
        (-13, "rknn_init: the engine is for another SoC (-13)"),
        (-99, "rknn_init: it gave an unknown code (-99)"),
    ],
)
def test_codes_are_sentences_with_a_cure(fake, code, told):
    fake.fail("rknn_init", code)
    with pytest.raises(EngineError) as raised:
        fake.load()
    assert raised.value.message == told and raised.value.hint


@pytest.mark.parametrize(
    "call", ["rknn_query", "rknn_dup_context", "rknn_set_core_mask", "rknn_create_mem", "rknn_set_io_mem"]
)
def test_a_load_that_fails_half_way_leaves_nothing(fake, call):
    fake.fail(call, -4)
    with pytest.raises(EngineError, match=call):
        fake.load(mapped=True)


@pytest.mark.parametrize("call", ["rknn_inputs_set", "rknn_run", "rknn_outputs_get"])
def test_after_a_run_that_fails_the_next_one_works(fake, call):
    runner = fake.load(cores=[1])
    fake.fail(call, -2)
    with pytest.raises(EngineError, match=f"{call}: the NPU did not answer in time"):
        infer(runner, picture())
    fake.fail("", 0)
    assert infer(runner, picture(5))["conv2"].flat[0] == 5
    runner.close()


def test_a_file_that_is_no_engine(fake, tmp_path):
    (tmp_path / "m.rknn").write_text("hello")
    with pytest.raises(EngineError, match="not valid for this runtime"):
        fake.load(path=tmp_path / "m.rknn")
    with pytest.raises(EngineError, match="it failed"):
        fake.load(path=tmp_path / "none.rknn")


@pytest.mark.parametrize(
    ("contract", "told"),
    [
        (ColourContract(width_px=16, height_px=16, order="RGB"), "contract says float32 NCHW"),
        (
            ColourContract(width_px=32, height_px=16, order="RGB", layout="NHWC", dtype="uint8"),
            r"takes uint8 \[1, 16, 16, 3\] as 'images', its contract says uint8 \[1, 16, 32, 3\]",
        ),
    ],
)
def test_an_engine_that_takes_something_else(fake, contract, told):
    with pytest.raises(InputError, match=told):
        fake.load(contract)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize(
    "tensor",
    [picture().astype(np.float32), picture()[:, :8]],
    ids=["float", "short"],
)
def test_a_tensor_of_another_kind_never_reaches_the_npu(fake, mapped, tensor):
    runner = fake.load(mapped=mapped)
    with pytest.raises(EngineError, match=r"takes uint8 \[1, 16, 16, 3\] as its input images, it was given"):
        infer(runner, tensor)
    runner.close()


def test_what_the_runtime_tells_of_itself(fake):
    context = open_library([fake.path]).open(ENGINE)
    assert context.versions() == ("2.3.2 (fake@2025-04-09T09:09:27)", "0.9.8")
    assert context.memory_bytes() == (4096, 8192)
    context.close()
    context.close()


def test_the_runner_tells_what_it_takes_on_the_npu_and_runs_where_the_runtime_does_not(fake):
    runner = fake.load()
    assert runner.memory_bytes == 4096 + 3 * 8192, "duplicates share the weights"
    runner.close()
    fake.fail("rknn_query MEM_SIZE", -1)
    runner = fake.load()
    assert runner.memory_bytes == 0 and runner.slots == 3
    runner.close()


def test_the_fake_sees_what_is_wrong(library):
    """A watcher that sees nothing would prove nothing."""
    fake = FakeRuntime(library)
    base = open_library([fake.path]).open(ENGINE)
    twin = base.duplicate()
    (given,) = base.inputs()
    memory = base.create_memory(given.strided_bytes)
    memory.bind(_as_input(given))
    memory.sync(SYNC_TO_DEVICE)
    with pytest.raises(EngineError):
        twin.run_bound()
    twin.bind_core(7)
    base.close()
    twin.close()
    faults = fake.faults.splitlines()
    assert faults[0] == "rknn_run: no input was given"
    assert faults[1] == "rknn_set_core_mask: 7 is no single core"
    assert "has 1 duplicates" in faults[2] and "still has memory" in faults[3]
    assert fake.live == 1
    fake.reset()


def _as_input(attributes: Attributes) -> Attributes:
    attributes.type = 3
    return attributes


def test_without_a_runtime_it_says_so(tmp_path):
    with pytest.raises(InputError, match=r"librknnrt\.so cannot be loaded") as raised:
        open_library([str(tmp_path / "librknnrt.so")])
    assert "/usr/lib/librknnrt.so" in raised.value.hint
    with pytest.raises(InputError, match=r"libc\.so\.6 is too old"):
        open_library(["libc.so.6"])


def test_it_is_registered():
    assert RUNNERS["rknn"] == "edgekit.device.runner.rknn"
    assert LIBRARIES[0] == "/usr/lib/librknnrt.so"
