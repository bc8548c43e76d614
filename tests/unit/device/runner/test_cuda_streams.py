"""Streams of a model's priority: made by the driver itself, whose calls a compiled stand-in watches."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgekit.device.runner.cuda_streams import OrdinaryStream, PriorityStream, level_of, open_stream
from edgekit.device.runner.tensorrt import open_runner
from edgekit.errors import EngineError
from tests.fakes.cuda_driver import FakeDriver
from tests.fakes.native import compile_library
from tests.unit.device.runner.test_tensorrt import WANTED, Bay, expected, infer, picture

URGENT = dataclasses.replace(WANTED, priority=50)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_library("cudastreams.c", tmp_path_factory.mktemp("cuda"))


@pytest.fixture
def bay(tmp_path: Path) -> Bay:
    return Bay("10.3.0", tmp_path)


@pytest.fixture
def driver(bay: Bay, library: Path) -> Iterator[FakeDriver]:
    """Every test must leave nothing behind and call nothing wrongly."""
    made = FakeDriver(library, bay.cuda)
    bay.system = dataclasses.replace(bay.system, driver=made.path)
    yield made
    assert made.faults == ""
    assert made.live == 0


@pytest.mark.parametrize("mapped", [True, False])
def test_an_engine_runs_in_a_stream_of_its_priority(bay: Bay, driver: FakeDriver, mapped: bool) -> None:
    runner = open_runner(URGENT, bay.plan, system=bay.system, slots=2, mapped=mapped)
    assert driver.calls.count("cuStreamCreateWithPriority") == 2 and driver.live == 4
    for seed in range(3):
        np.testing.assert_allclose(
            infer(runner, picture(seed))["scores"], expected(bay, picture(seed))["scores"], rtol=1e-5
        )
    copies = [] if mapped else ["cuMemcpyHtoDAsync_v2", "cuMemcpyDtoHAsync_v2", "cuMemcpyDtoHAsync_v2"]
    assert driver.calls[-2 - len(copies) :] == [*copies, "cuEventRecord", "cuEventSynchronize"]
    assert driver.waited == bay.cuda.launched == 3 and bay.cuda.waited == 0
    runner.close()
    assert bay.nothing_left()


def test_a_model_without_a_priority_leaves_the_driver_alone(bay: Bay, driver: FakeDriver) -> None:
    runner = open_runner(WANTED, bay.plan, system=bay.system)
    infer(runner, picture())
    runner.close()
    assert driver.calls == [] and bay.nothing_left()


@pytest.mark.parametrize(
    ("priority", "least_greatest", "level"),
    [
        (1, (0, -5), -1),
        (20, (0, -5), -1),
        (21, (0, -5), -2),
        (100, (0, -5), -5),
        (1, (0, -1), -1),
        (100, (0, -1), -1),
        (50, (2, 0), 1),
    ],
)
def test_priorities_spread_over_the_devices_levels(
    bay: Bay, library: Path, priority: int, least_greatest: tuple[int, int], level: int
) -> None:
    made = FakeDriver(library, bay.cuda, *least_greatest)
    assert level_of(priority, *least_greatest) == level and level_of(0, *least_greatest) == least_greatest[0]
    with bay.system.gpu.current():
        stream = open_stream(bay.system.gpu, priority, made.path)
        assert isinstance(stream, PriorityStream) and made.level(stream.handle) == level
        stream.close()
        stream.close()
    assert made.faults == "" and made.live == 0


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("cuCtxGetStreamPriorityRange", "cuCtxGetStreamPriorityRange of the GPU's driver fails with 201"),
        ("cuStreamCreateWithPriority", "cuStreamCreateWithPriority of the GPU's driver fails with 201"),
        ("cuEventCreate", "cuEventCreate of the GPU's driver fails with 201"),
    ],
)
def test_where_the_driver_refuses_an_ordinary_stream_does_and_the_log_says_so(
    bay: Bay, driver: FakeDriver, caplog: pytest.LogCaptureFixture, call: str, words: str
) -> None:
    driver.fail(call, 201)
    with caplog.at_level(logging.WARNING):
        runner = open_runner(URGENT, bay.plan, system=bay.system)
    assert f"a model's priority 50 does not hold on the GPU: {words}" in caplog.text
    assert driver.live == 0, "what it had begun with is given back"
    assert infer(runner, picture()) and bay.cuda.waited == 1
    runner.close()
    assert bay.nothing_left()


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "this GPU has no priorities"),
        ("/nowhere/libcuda.so.1", "/nowhere/libcuda.so.1: cannot open shared object file"),
        ("libc.so.6", "undefined symbol: cuCtxGetStreamPriorityRange"),
    ],
)
def test_a_gpu_or_a_driver_without_priorities_is_named(
    bay: Bay, library: Path, caplog: pytest.LogCaptureFixture, path: str, words: str
) -> None:
    made = FakeDriver(library, bay.cuda, 0, 0)
    with caplog.at_level(logging.WARNING), bay.system.gpu.current():
        stream = open_stream(bay.system.gpu, 50, path or made.path)
    assert isinstance(stream, OrdinaryStream) and words in caplog.text


def test_a_gpu_that_fails_while_somebody_waits_is_told_and_the_slot_stays_usable(bay: Bay, driver: FakeDriver) -> None:
    runner = open_runner(URGENT, bay.plan, system=bay.system)
    driver.fail("cuEventSynchronize", 719)
    with pytest.raises(EngineError, match="cuEventSynchronize of the GPU's driver fails with 719") as caught:
        infer(runner, picture())
    assert caught.value.cause == "accelerator" and "nvgpu" in caught.value.hint
    driver.fail("", 0)
    assert infer(runner, picture())
    runner.close()
    assert bay.nothing_left()


def test_a_load_that_fails_gives_its_streams_back(bay: Bay, driver: FakeDriver) -> None:
    bay.trt.fails.add("create_execution_context")
    with pytest.raises(EngineError, match="TensorRT failed at"):
        open_runner(URGENT, bay.plan, system=bay.system)
    assert bay.nothing_left()


def test_the_stand_in_sees_what_is_wrong(bay: Bay, library: Path) -> None:
    """A watcher that sees nothing would prove nothing."""
    made = FakeDriver(library, bay.cuda)
    with bay.system.gpu.current():
        stream = open_stream(bay.system.gpu, 50, made.path)
        stream.wait()
    assert made.faults.strip() == "cuEventSynchronize: nothing to wait for"
    stream.close()
    assert "cuEventDestroy_v2: no context is current" in made.faults
