"""Engines that share an accelerator, which really waits: places, priority, weight, and long work beside short."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest

from edgekit.device.runner.loaded import LoadedEngine, Runner
from edgekit.device.runner.tensors import InputBuffers, Tensors, TensorSpec, plain_inputs
from edgekit.device.runtime.schedule.accelerator import SharedAccelerator, accelerator_of, share_accelerators
from edgekit.device.runtime.schedule.decide import Asking, StreamRule
from edgekit.device.runtime.schedule.scheduler import Scheduler
from edgekit.errors import EngineError
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract
from tests.fakes.clock import Clock
from tests.fakes.eventually import PATIENCE_S, eventually

SPEC = TensorSpec(name="x", shape=(1,), dtype=np.dtype(np.float32))
CONTRACT = ColourContract(width_px=96, height_px=96, order="RGB")
TENSORS = {"x": np.zeros(1, np.float32)}


class Npu:
    """Cores that work for as long as an engine takes; tells who was on them at once."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.lock, self.clock = threading.Lock(), clock
        self.running: Counter[str] = Counter()
        self.on_core: Counter[int] = Counter()
        self.most: Counter[str] = Counter()
        self.crowded = False
        self.log: list[str] = []

    @contextmanager
    def work(self, engine: str, core: int) -> Iterator[None]:
        with self.lock:
            self.running[engine] += 1
            self.on_core[core] += 1
            self.crowded |= self.on_core[core] > 1
            self.most[engine] = max(self.most[engine], self.running[engine])
            self.log.append(engine)
        yield
        with self.lock:
            self.running[engine] -= 1
            self.on_core[core] -= 1


class CoreContext:
    """One core's context of an engine."""

    def __init__(self, npu: Npu, engine: str, core: int, seconds: float) -> None:
        self.inputs = plain_inputs((SPEC,))
        self._npu, self._engine, self._core, self._seconds = npu, engine, core, seconds

    def accepts(self, inputs: InputBuffers) -> bool:
        return inputs is self.inputs

    def start(self, inputs: InputBuffers) -> None:
        pass

    def finish(self) -> Tensors:
        with self._npu.work(self._engine, self._core):
            if self._npu.clock is None:
                time.sleep(self._seconds)
            else:  # work takes what it says, whatever else this machine does
                time.sleep(0.002)
                self._npu.clock.advance(self._seconds)
        return self.inputs.arrays

    def cancel(self) -> None:
        pass


def plan(runner: str = "rknn", **more: object) -> EnginePlan:
    return EnginePlan(runner=runner, path="m", input=CONTRACT, threads=1, **more)  # type: ignore[arg-type]


def runner(npu: Npu, engine: str, seconds: float, cores: int) -> Runner:
    contexts = tuple(CoreContext(npu, engine, core, seconds) for core in range(cores))
    made = Runner(
        LoadedEngine(
            inputs=(SPEC,), outputs=(SPEC,), picture="x", contexts=contexts, close=lambda: None, hint="look at it"
        )
    )
    if npu.clock is not None:
        made._slots._clock = npu.clock
    return made


@contextmanager
def busy(npu: Npu, made: dict[str, Runner], threads: dict[str, int]) -> Iterator[None]:
    """So many threads that use an engine again and again."""
    stop = threading.Event()

    def use(engine: Runner) -> None:
        while not stop.is_set():
            engine.infer(TENSORS)

    running = [
        threading.Thread(target=use, args=(made[name],)) for name, count in threads.items() for _ in range(count)
    ]
    for thread in running:
        thread.start()
    yield
    stop.set()
    for thread in running:
        thread.join(PATIENCE_S)


def shared(npu: Npu, cores: int, seconds: dict[str, float], **rules: EnginePlan) -> dict[str, Runner]:
    made = {name: runner(npu, name, took_s, cores) for name, took_s in seconds.items()}
    plans = {name: rules.get(name, plan()) for name in seconds}
    (accelerator,) = share_accelerators(plans, made, npu.clock or time.monotonic)
    assert accelerator.scheduler.places == cores
    return made


def test_one_hot_engine_has_all_cores_and_no_core_has_two_inferences() -> None:
    npu = Npu()
    made = shared(npu, 3, {"hot": 0.01, "other": 0.01})
    with busy(npu, made, {"hot": 3}):
        eventually(lambda: npu.most["hot"] == 3)
    with busy(npu, made, {"hot": 3, "other": 3}):
        eventually(lambda: Counter(npu.log)["other"] > 30)
    assert not npu.crowded


def test_the_higher_priority_goes_first_whoever_came_first() -> None:
    npu = Npu()
    made = shared(npu, 1, {"holds": 0.01, "low": 0.001, "high": 0.001}, high=plan(priority=5))
    held = made["holds"].take()
    threads = []
    for name in ("low", "high"):
        threads.append(threading.Thread(target=made[name].infer, args=(TENSORS,)))
        threads[-1].start()
        time.sleep(0.05)
    held.release()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert npu.log == ["high", "low"]


def test_weights_share_one_core_in_time_and_not_in_turns() -> None:
    npu = Npu(Clock())
    seconds = {"double": 0.004, "single": 0.004, "costly": 0.012}
    made = shared(npu, 1, seconds, double=plan(weight=2.0))
    with busy(npu, made, dict.fromkeys(seconds, 3)):
        eventually(lambda: len(npu.log) > 60)
        at = len(npu.log)
        eventually(lambda: len(npu.log) > at + 300)
    turns = Counter(npu.log[at:])
    assert 1.4 < turns["double"] / turns["single"] < 2.8
    assert turns["costly"] < turns["single"] * 0.7


def test_long_work_leaves_a_core_to_short_work_that_comes_often() -> None:
    npu = Npu()
    made = shared(npu, 3, {"long": 0.15, "short": 0.004})
    with busy(npu, made, {"long": 3, "short": 1}):
        eventually(lambda: Counter(npu.log)["long"] >= 4 and Counter(npu.log)["short"] > 20)

        def beside() -> bool:
            """On a machine that gives the short one's thread nothing for two seconds, it does not come often."""
            npu.most.clear()
            at = len(npu.log)
            eventually(lambda: Counter(npu.log[at:])["long"] >= 6)
            return npu.most["long"] <= 2 and Counter(npu.log[at:])["short"] > 30

        eventually(beside)
    npu.most.clear()
    with busy(npu, made, {"long": 3}):
        eventually(lambda: npu.most["long"] == 3)


def test_nobody_starves_below_a_higher_priority() -> None:
    npu = Npu()
    made = shared(npu, 1, {"above": 0.005, "below": 0.005}, above=plan(priority=9))
    with busy(npu, made, {"above": 3, "below": 1}):
        eventually(lambda: Counter(npu.log)["below"] >= 2)


def test_who_finds_no_place_in_time_is_told_and_takes_none_later() -> None:
    npu = Npu()
    made = shared(npu, 1, {"a": 0.001, "b": 0.001})
    held = made["a"].take()
    with pytest.raises(EngineError, match="none of 1 slots became free") as refused:
        made["b"].take(timeout_s=0.05)
    assert refused.value.hint == "look at it"
    held.release()
    made["b"].infer(TENSORS)
    made["a"].infer(TENSORS)


def test_a_closed_engine_keeps_nobody_waiting_and_leaves_the_other_its_places() -> None:
    npu = Npu()
    made = shared(npu, 1, {"a": 0.001, "b": 0.001})
    held = made["a"].take()
    failed: list[str] = []

    def wait() -> None:
        try:
            made["b"].take()
        except EngineError as error:
            failed.append(error.message)

    waiting = threading.Thread(target=wait)
    waiting.start()
    made["b"].close()
    waiting.join(PATIENCE_S)
    assert failed == ["the engine is closed"]
    with pytest.raises(EngineError, match="closed"):
        made["b"].take()
    held.release()
    made["a"].infer(TENSORS)


def test_a_place_that_saves_a_copy_is_preferred() -> None:
    accelerator = SharedAccelerator("npu", 3, {"a": StreamRule()})
    gate = accelerator.gate("a")
    assert gate.enter((2, 1), 1.0, lambda: False) == 2
    assert gate.enter((2, 1), 1.0, lambda: False) == 1
    assert gate.enter((2, 1), 1.0, lambda: False) == 0
    assert gate.enter((), 0.0, lambda: False) is None
    gate.leave(1, 0.1)
    assert gate.enter((), 1.0, lambda: False) == 1


def test_engines_share_what_they_compute_on_and_nothing_else() -> None:
    npu = Npu()
    plans = {
        "cpu": plan("onnxruntime"),
        "gpu": plan("tensorrt"),
        "gpu2": plan("tensorrt"),
        "dla0": plan("tensorrt", dla_core=0),
        "dla0b": plan("tensorrt", dla_core=0, priority=3, weight=2.0),
        "dla1": plan("tensorrt", dla_core=1),
    }
    assert [accelerator_of(one) for one in plans.values()] == ["", "", "", "dla0", "dla0", "dla1"]
    made = {name: runner(npu, name, 0.001, 1) for name in plans}
    (found,) = share_accelerators(plans, made)
    assert found.scheduler.name == "accelerator dla0" and set(found.scheduler.rules) == {"dla0", "dla0b"}
    rule = found.scheduler.rules["dla0b"]
    assert (rule.priority, rule.weight, rule.max_wait_s) == (3, 2.0, 2.0)


def test_patience_is_counted_in_what_the_work_takes_itself() -> None:
    rules = {"short": StreamRule(patience=4.0), "long": StreamRule(patience=4.0)}
    scheduler = Scheduler(rules, 2)
    for stream, took_s in (("short", 0.01), ("long", 0.3)):
        scheduler.begin(stream, 0.0)
        scheduler.end(stream, took_s, 0.0)
    scheduler.free = 1
    ask = lambda stream, at_s: scheduler.decide([Asking(stream, 1, at_s, at_s, at_s)], at_s)  # noqa: E731
    assert ask("long", 0.1) is None, "short came just now, and waits for 0.04 s at most"
    assert ask("short", 0.1) is not None
    scheduler.free = 1
    assert ask("long", 1.5) is not None, "short comes no more"
