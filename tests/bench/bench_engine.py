"""`make bench-engine`: two networks through each backend: time, memory, agreement, size; and int8 on this CPU.

TensorRT itself needs a Jetson: its line is TensorRT-RTX, which builds on the CPU by the same path of ours, in an
environment of its own. Seconds are this machine's; ratios are taken in turn.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime as ort
import uv
from rich.console import Console
from rich.table import Table

import edgekit
from edgekit.cli.output import Output
from edgekit.errors import EdgekitError
from edgekit.executor.local import LocalExecutor
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.engine import Engine
from edgekit.host.engine.store import EngineStore
from edgekit.host.progress import Silent
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.host.settings import settings_from
from edgekit.host.workflow.engines import engine_bench
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.reader import from_raw
from edgekit.schema.recipe import Recipe
from measure import Figure, measured, paired, seconds
from parts import Parts, take

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from tests.fakes import networks  # noqa: E402
from tests.fakes.benches import compile_models  # noqa: E402
from tests.fakes.written import PIPELINE  # noqa: E402

NETWORKS = {"classifier": 128, "detector": 160}
"""With their sizes in pixels: channels are four times those of the tests."""
WIDTH = 4
ROUNDS = 5
CONSOLE = Console(stderr=True)
RTX = ("tensorrt_rtx_cu13==1.7.1.116", "numpy==2.2.6")
DRIVER = """
import json, resource, sys, time
from pathlib import Path
from edgekit.device.builder.tensorrt import build_plan
from edgekit.device.runner.nvinfer import open_nvinfer
from edgekit.schema.building import BuildRequest
folder, began = Path(sys.argv[1]), time.perf_counter()
request = BuildRequest(kind="tensorrt", model="m.onnx", engine="m.plan")
build_plan(request, folder, open_nvinfer("tensorrt_rtx"), lambda _: None)
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
print(json.dumps([time.perf_counter() - began, peak, (folder / "m.plan").stat().st_size]))
"""


QUANTISER = """
import resource, sys
from pathlib import Path
import cv2, numpy as np
from edgekit.host.engine.model.quantise import quantise
from edgekit.schema.recipe import Quantisation
folder = Path(sys.argv[1])
frames = np.stack([cv2.imread(str(file)) for file in sorted(folder.glob("c*.png"))]).astype(np.float32) / 255
quantise(folder / "m.onnx", np.ascontiguousarray(frames.transpose(0, 3, 1, 2)), Quantisation(), "cpu")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


class Shop:
    """A network with pictures, in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder, self.name, self.size = folder / name, name, NETWORKS[name]
        self.folder.mkdir()
        networks.save(getattr(networks, name)(width=WIDTH, size=self.size), self.folder / "m.onnx")
        for index, picture in enumerate(networks.pictures(32, self.size, self.size)):
            cv2.imwrite(str(self.folder / f"c{index:02}.png"), picture)

    def recipe(self, **fields: Any) -> Recipe:
        contract = {"width_px": self.size, "height_px": self.size, "order": "RGB", "scale": 1 / 255}
        model = {"onnx": "m.onnx", "calibration": ["c*.png"], "input": contract, **fields}
        made = {"name": "x", "version": "1.0.0", "models": {"m": model}, "pipeline": PIPELINE}
        return from_raw(Recipe, {**made, "limits": {"memory_max": "100MiB"}}, "recipe")

    def compile(self, bench: EngineBench, target: str, **fields: Any) -> Engine:
        settings = settings_from(os.environ, Path(edgekit.__file__).parent)
        return compile_models(self.recipe(**fields), self.folder, find_target(target, settings), bench)[0]


def fresh(shared: EngineBench, folder: Path) -> EngineBench:
    """The same bench with an empty cache."""
    return dataclasses.replace(shared, store=EngineStore(Path(tempfile.mkdtemp(dir=folder))), progress=Silent())


def figure(name: str, values: list[float], unit: str, against: str, **fields: Any) -> Figure:
    return dataclasses.replace(measured(name, values, unit=unit, against=against), **fields)


def measure_rknn(shops: list[Shop], shared: EngineBench, folder: Path, table: Table) -> list[Figure]:
    """The vendor's toolkit: int8, simulated against ONNX Runtime."""
    try:
        shared.toolkits.open("2.3.2")
    except EdgekitError as error:
        CONSOLE.print(f"no RKNN figures: {error.message}")
        return []
    built, cached, cosines = [], [], []
    for shop in shops:
        for _ in range(ROUNDS):
            bench = fresh(shared, folder)
            built.append(
                seconds(lambda bench=bench, shop=shop: shop.compile(bench, "rk3588-debian12", precision="int8"))
            )
            cached.append(
                seconds(lambda bench=bench, shop=shop: shop.compile(bench, "rk3588-debian12", precision="int8"))
            )
        record = bench.store.list()[0].record
        worst = min(one.cosine_min for one in record.agreement)
        cosines.append(worst)
        table.add_row(
            "rknn int8",
            shop.name,
            f"{record.seconds:.1f} s",
            f"{record.peak_bytes >> 20} MiB",
            f"{worst:.6f}",
            f"{record.bytes >> 10} KiB",
        )
    return [
        figure("rknn_build_s", built, "s", "with starting the toolkit, simulating and checking"),
        figure("rknn_cosine_min", [min(cosines)], "", "ONNX Runtime, float32", better="higher", bar=0.999),
        figure("rknn_cached_s", cached, "s", "nothing compiled", bar=5.0),
    ]


def measure_onnxruntime(shops: list[Shop], shared: EngineBench, folder: Path, table: Table) -> list[Figure]:
    """int8 against float32 on this CPU, one thread each."""
    ratios, times = [], []
    for shop in shops:
        bench = fresh(shared, folder)
        engine = shop.compile(bench, "virt-arm64", cpu_precision="int8")
        record = bench.store.list()[0].record
        worst = min(one.cosine_min for one in record.agreement)
        argv = [sys.executable, "-c", QUANTISER, str(shop.folder)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, cwd=ROOT)
        peak, built = f"{int(done.stdout) >> 10} MiB", f"{record.seconds:.1f} s"
        table.add_row("onnxruntime int8", shop.name, built, peak, f"{worst:.6f}", f"{record.bytes >> 10} KiB")
        size = (shop.folder / "m.onnx").stat().st_size
        table.add_row("onnxruntime float32", shop.name, "0 s", "", "1", f"{size >> 10} KiB")
        frame = np.random.default_rng(0).random((1, 3, shop.size, shop.size), np.float32)
        runs = []
        for file in (engine.file, shop.folder / "m.onnx"):
            options = ort.SessionOptions()
            options.intra_op_num_threads = 1
            session = ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
            runs.append(lambda session=session, frame=frame: [session.run(None, {"images": frame}) for _ in range(20)])
        took, ratio = paired(*runs, n=15)
        times += [one / 20 * 1000 for one in took]
        ratios += [1 / one for one in ratio]
    return [
        figure("ort_int8_vs_fp32", times, "ms", "float32, one thread", ratio=statistics.median(ratios), better="higher")
    ]


def measure_rtx(shops: list[Shop], folder: Path, table: Table) -> list[Figure]:
    """Our TensorRT path on a builder that needs no GPU; for the table of backends alone."""
    environment = folder / "rtx"
    subprocess.run([uv.find_uv_bin(), "venv", "-q", "--python", sys.executable, str(environment)], check=True)
    argv = [uv.find_uv_bin(), "pip", "install", "-q", "--python", str(environment / "bin/python"), *RTX]
    if subprocess.run(argv, check=False, capture_output=True).returncode:
        CONSOLE.print("no TensorRT-RTX figures: it cannot be fetched")
        return []
    for shop in shops:
        argv = [str(environment / "bin/python"), "-c", DRIVER, str(shop.folder)]
        done = subprocess.run(argv, capture_output=True, text=True, check=True, env={"PYTHONPATH": str(ROOT)})
        took, peak, size = json.loads(done.stdout.splitlines()[-1])
        table.add_row(
            "tensorrt-rtx float32", shop.name, f"{took:.1f} s", f"{peak >> 20} MiB", "not run", f"{size >> 10} KiB"
        )
    return []


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path)
    wanted = parser.parse_args()
    settings = settings_from(os.environ, Path(edgekit.__file__).parent)
    executor, shown = LocalExecutor(), Output(as_json=False)
    station = Workstation(settings=settings, executor=executor, progress=shown, sandbox=Sandbox(executor, shown))
    shared = engine_bench(station, find_target("rk3588-debian12", settings))
    table = Table("backend", "network", "built in", "peak memory", "least cosine", "size", box=None)
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as scratch:
        folder = Path(scratch)
        shops = [Shop(folder, name) for name in NETWORKS]
        parts: Parts = {
            "rknn": lambda: measure_rknn(shops, shared, folder, table),
            "onnxruntime": lambda: measure_onnxruntime(shops, shared, folder, table),
            "tensorrt-rtx": lambda: measure_rtx(shops, folder, table),
        }
        try:
            take(parts, wanted.json)
        finally:
            CONSOLE.print(table)


if __name__ == "__main__":
    main()
