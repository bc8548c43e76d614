"""Served models against their bare sessions, and what a scrape of the figures costs.

Triton's own client asks a real worker on loopback, whose lane a camera uses too; the peer is the same network in ONNX
Runtime, on the same input, in this process. Where that is allowed, all of both run under SCHED_FIFO, so that what else
this machine does is in neither figure.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import tritonclient.http as triton

from edgekit.schema.plan import EnginePlan, LanePlan, StagePlan
from edgekit.schema.recipe import ColourContract
from edgekit.schema.serve import Serve
from edgekit.schema.sink import JsonlSink
from edgekit.schema.source import SyntheticSource
from measure import Figure, compared, measured, seconds
from tests.fakes import networks
from tests.fakes.plan_worker import PlanWorker
from tests.fakes.plans import small_plan
from tests.fakes.ports import free_port

_REQUESTS = 30
"""Of each round, of each side."""
_NETWORKS = {"": (6, 320), "_small": (2, 160), "_large_input": (6, 640)}
"""Channels and side of the pictures, by the end of the figure's name."""
_CAMERAS, _SCRAPES = 16, 20


def figures(rounds: int) -> list[Figure]:
    """Latencies as ratios, and the time of a scrape."""
    made = [_served(name, width, size, rounds) for name, (width, size) in _NETWORKS.items()]
    return [*made, _scrape()]


def _served(ending: str, width: int, size: int, rounds: int) -> Figure:
    ratios, costs, alone = list[float](), list[float](), list[float]()
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as folder, _undisturbed():
        ask, peer, close = _sides(Path(folder), width, size)
        try:
            for _ in range(rounds + 1):
                base, cost = _p50(peer), _p50(ask)
                ratios.append(cost / base)
                costs.append(cost)
                alone.append(base)
        finally:
            close()
    said = f"ONNX Runtime alone, {statistics.median(alone[1:]) * 1e3:.2f} ms, float32 {size}x{size}"
    bar = None if ending else 1.6
    ratio = statistics.median(ratios[1:])
    return compared(f"serving{ending}_vs_session", ratio, costs[1:], bar=bar, better="lower", against=said)


def _p50(call: Callable[[], object]) -> float:
    return statistics.median(seconds(call) for _ in range(_REQUESTS))


def _sides(folder: Path, width: int, size: int) -> tuple[Callable[[], Any], Callable[[], Any], Callable[[], None]]:
    """A request to a worker, the session's run, and the worker's end."""
    network = networks.save(networks.detector(width=width, size=size), folder / "net.onnx")
    array = np.random.default_rng(0).random((1, 3, size, size), np.float32)
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(str(network), options, providers=["CPUExecutionProvider"])
    port = free_port()
    worker = PlanWorker(folder, _plan(size, port), {})
    worker.until_report(lambda one: one.serving is not None and bool(one.serving.addresses))
    _hurry(worker.process.pid)
    client = triton.InferenceServerClient(f"127.0.0.1:{port}")

    def ask() -> Any:
        tensor = triton.InferInput("images", list(array.shape), "FP32")
        tensor.set_data_from_numpy(array)
        return client.infer("net", [tensor])

    def close() -> None:
        client.close()
        worker.process.kill()
        worker.process.wait()

    name = session.get_outputs()[0].name
    assert np.allclose(ask().as_numpy(name), session.run([name], {"images": array})[0], atol=1e-4)
    return ask, lambda: session.run(None, {"images": array}), close


def _plan(size: int, port: int) -> Any:
    """A camera of one frame a second, whose lane runs the network for it and for clients."""
    stage = {"lane": "npu", "engine": "net", "entry": "", "options": {}}
    contract = ColourContract(width_px=size, height_px=size, order="RGB")
    plan = small_plan(
        StagePlan(name="scale", kind="preprocess", **stage),
        StagePlan(name="see", kind="infer", **stage),
        engines={"net": EnginePlan(runner="onnxruntime", path="net.onnx", input=contract, threads=1)},
        sources={"gate": SyntheticSource(kind="synthetic", lane="npu", width_px=160, height_px=120, fps=1.0)},
        sinks={"out": JsonlSink(kind="jsonl", path="out.jsonl", lane="npu")},
        lanes={"npu": LanePlan(cpus=(), queue=2, drop="drop_oldest")},
    )
    return replace(plan, serve=Serve(port=port), served={"net": "npu"})


@contextmanager
def _undisturbed() -> Iterator[None]:
    """This thread, and what it starts, before all else; as ever where that is not allowed."""
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    try:
        yield
    finally:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


def _hurry(pid: int) -> None:
    """The worker's threads too, whose server gives way to all others by itself."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(OSError):
            os.sched_setscheduler(int(task.name), os.SCHED_FIFO, os.sched_param(1))


def _scrape() -> Figure:
    """The keeper's answer to `metrics`, over its socket, with a real worker of many cameras."""
    from tests.fakes.real_worker import drawn_plan, real_release
    from tests.integration.test_keeper import running_device

    plan = drawn_plan({"lines": JsonlSink(kind="jsonl", path="-", lane="viewers")}, *(f"c{n}" for n in range(_CAMERAS)))
    small = {name: replace(source, width_px=160, height_px=120, fps=2.0) for name, source in plan.sources.items()}
    with _undisturbed(), running_device() as device:
        device.spawn()
        made = real_release(replace(plan, sources=small, health=replace(plan.health, min_fps=0.1)), device.sign)
        done = device.deploy(made)
        assert done.kind == "done", done
        with device.talk() as client:

            def ask() -> str:
                return str(client.ask("metrics").data["text"])

            while "edgekit_stage_seconds_bucket" not in ask():
                time.sleep(0.5)
            costs = [seconds(ask) * 1e3 for _ in range(_SCRAPES)]
            lines = ask().count("\n")
    return measured("scrape_ms", costs, unit="ms", bar=20.0, against=f"{_CAMERAS} cameras, {lines} lines")
