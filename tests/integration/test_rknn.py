"""The real RKNN toolkit, in the environment that edgekit makes: engines, agreement, the same bytes, broken models.

The first run fetches 365 MB into the user's own cache.
"""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from onnx import helper

import edgekit
from edgekit.errors import EngineError
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.compile import split_source
from edgekit.host.engine.engine import Engine
from edgekit.host.engine.files.rknn_file import RknnFile, parse_rknn, read_rknn
from edgekit.host.engine.model.onnx_model import read_onnx
from edgekit.host.engine.rknn.conversion import RknnConverter
from edgekit.host.engine.rknn.toolkit import DEFAULT_VERSION
from edgekit.host.engine.source import ModelSource, Pictures
from edgekit.host.engine.store import EngineStore
from edgekit.host.settings import settings_from
from edgekit.host.workflow.engines import engine_bench
from edgekit.schema.recipe import ColourContract, Model, Quantisation, Tolerance
from tests.fakes import networks
from tests.fakes.benches import compile_source
from tests.fakes.board_python import debian_python
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.native import compile_library
from tests.fakes.rknn.make import make
from tests.fakes.workstations import workstation

pytestmark = pytest.mark.integration
SETTINGS = settings_from(os.environ, Path(edgekit.__file__).parent)
TARGET = find_target("rk3588-debian12", SETTINGS)
ROOT = Path(__file__).parents[2]
ENGINES = ROOT / "tests/fakes/rknn"


@pytest.fixture(scope="module")
def user_bench() -> EngineBench:
    """What the user compiles with; where no index has the toolkit's packages, that is said and these tests are not."""
    shared = engine_bench(workstation(SETTINGS), TARGET)
    try:
        shared.toolkits.open(DEFAULT_VERSION)
    except EngineError as error:
        if "cannot be fetched" not in error.message:
            raise
        pytest.skip(f"{error.message}; {error.hint}")
    return shared


@pytest.fixture
def bench(tmp_path: Path, user_bench: EngineBench) -> EngineBench:
    """The user's toolkit, a store of the test's own."""
    shared = user_bench
    return dataclasses.replace(shared, store=EngineStore(tmp_path))


class Case:
    """A model in a folder, with pictures."""

    def __init__(self, folder: Path, model: onnx.ModelProto, **changes: object) -> None:
        self.path = networks.save(model, folder / "net.onnx")
        size = model.graph.input[0].type.tensor_type.shape.dim[3].dim_value
        contract = ColourContract(width_px=size, height_px=size, order="RGB", scale=1 / 127.5, mean=(127.5,))
        self.model = dataclasses.replace(Model(onnx="net.onnx", input=contract), **changes)
        self.files = []
        for index, picture in enumerate(networks.pictures(12, size, size)):
            self.files.append(folder / f"{index:02}.png")
            cv2.imwrite(str(self.files[-1]), picture)

    def compile(self, bench: EngineBench, **changes: object) -> Engine:
        source = ModelSource(
            name="net",
            path=self.path,
            file=self.path,
            model=dataclasses.replace(self.model, **changes),
            onnx=read_onnx(self.path),
            target=TARGET,
            pictures=Pictures(golden=tuple(self.files[:3]), calibration=tuple(self.files), contract=self.model.input),
        )
        return compile_source(split_source(source, "rknn", bench.store.splits), bench)


INT8 = {"precision": "int8", "calibration": ("*.png",)}


def test_the_committed_engines_come_again(bench):
    """Padding may differ between machines: the compiler lets addresses slip into it."""
    converter = RknnConverter(toolkit=bench.toolkits.open("2.3.2"), sandbox=bench.sandbox)
    for name, engine in make(converter):
        assert parse_rknn(BytesIO(engine)) == read_rknn(ENGINES / name)


@pytest.mark.parametrize("network", [networks.classifier, networks.detector])
@pytest.mark.parametrize("changes", [{}, INT8, {**INT8, "quantisation": Quantisation(method="kl_divergence")}])
def test_networks_become_engines_that_agree(tmp_path, bench, network, changes):
    case = Case(tmp_path, network(), **changes)
    engine = case.compile(bench)
    assert not engine.from_cache and engine.entry.runner == "rknn"
    file = read_rknn(engine.file)
    assert isinstance(file, RknnFile)
    assert file.quantised == bool(changes) and file.platforms == ("rk3588",)
    assert file.custom.startswith("edgekit ")
    assert engine.entry.facts["build_id"] == file.build_id
    (kept,) = bench.store.list()
    assert min(one.cosine_min for one in kept.record.agreement) > (0.998 if changes else 0.99999)
    assert kept.record.layers and kept.record.peak_bytes > 100 << 20
    assert case.compile(bench).from_cache


@pytest.mark.sampled(1)
@pytest.mark.parametrize("method", [Quantisation(), Quantisation(method="mmse")])
def test_the_same_inputs_give_the_same_bytes_and_others_do_not(tmp_path, bench, method):
    first = Case(tmp_path, networks.classifier(), **INT8, quantisation=method).compile(bench)
    other = dataclasses.replace(bench, store=EngineStore(tmp_path / "another/folder/of/engines"))
    (tmp_path / "copy").mkdir()
    second = Case(tmp_path / "copy", networks.classifier(), **INT8, quantisation=method).compile(other)
    assert first.file.read_bytes() == second.file.read_bytes() and first.file != second.file
    layerwise = Case(tmp_path, networks.classifier(), **INT8, quantisation=Quantisation(per_channel=False)).compile(
        bench
    )
    assert layerwise.file.read_bytes() != first.file.read_bytes()


def test_boxes_and_scores_in_one_int8_output_are_refused_and_a_float_tail_is_the_cure(tmp_path, bench):
    case = Case(tmp_path, networks.detector(joined=True), **INT8)
    with pytest.raises(EngineError, match="output found mixes ranges") as raised:
        case.compile(bench)
    assert raised.value.hint.startswith('write split = "auto"')
    assert raised.value.hint.endswith('keep_float = ["found"]')
    assert not case.compile(bench, precision="float16").from_cache
    for cure in ({"split": "auto"}, {"quantisation": Quantisation(keep_float=("found",))}):
        engine = case.compile(bench, **cure)
        want, got = (np.load(file)["output:found"][:, 0, 4:] for file in (engine.expected, engine.answers))
        assert want.max() > 0.7 and np.abs(want - got).max() < 0.05


def test_beyond_its_tolerance_no_engine_comes_out_and_layers_are_named(tmp_path, bench):
    case = Case(tmp_path, networks.classifier(), **INT8, tolerance=Tolerance(cosine=0.9999999))
    for _ in range(2):  # from the cache too
        told = r"models\.net: output logits has cosine .* on \d+\.png, .* off by .* at most; the error starts at \w+"
        with pytest.raises(EngineError, match=told):
            case.compile(bench)


def test_a_newer_runtime_gets_the_newer_toolkit(tmp_path, bench):
    newer = tuple(dataclasses.replace(one, runtime_version="2.5.0") for one in TARGET.accelerators)
    case = Case(tmp_path, networks.classifier())
    source = ModelSource(
        name="net",
        path=case.path,
        file=case.path,
        model=case.model,
        onnx=read_onnx(case.path),
        target=dataclasses.replace(TARGET, accelerators=newer),
        pictures=Pictures(golden=tuple(case.files[:2]), contract=case.model.input),
    )
    file = read_rknn(compile_source(source, bench).file)
    assert isinstance(file, RknnFile) and file.toolkit == "2.5.0" and file.format_version == 6


def broken() -> dict[str, onnx.ModelProto]:
    """Models that ONNX itself finds nothing wrong with, or that nobody checked."""
    nowhere, unweighted, unknown, pooled = (
        networks.classifier(),
        networks.classifier(),
        networks.single("Relu"),
        networks.classifier(),
    )
    nowhere.graph.node[3].input[0] = "nowhere"
    del unweighted.graph.initializer[0]
    unknown.graph.node[0].op_type = "NoSuch"
    pooled.graph.node[-1].attribute[0].i = 0
    region = networks.single("RoiAlign", mode="max", output_height=16, output_width=16)
    region.graph.initializer.append(onnx.numpy_helper.from_array(np.array([[0, 0, 9, 9.0]], np.float32), "regions"))
    region.graph.initializer.append(onnx.numpy_helper.from_array(np.array([0]), "batch"))
    region.graph.node[0].input.extend(["regions", "batch"])
    dynamic = networks.classifier()
    dynamic.graph.input[0].type.tensor_type.shape.dim[2].dim_param = "height"
    foreign = networks.single("Swim", domain="ai.acme")
    foreign.opset_import.append(helper.make_opsetid("ai.acme", 1))
    return {
        "opset": networks.classifier(opset=20),
        "dangling": nowhere,
        "unweighted": unweighted,
        "unknown": unknown,
        "product": pooled,
        "region": region,
        "dynamic": dynamic,
        "foreign": foreign,
        "hole": networks.single("Selu"),
        "sizeless": networks.single("NonZero"),
    }


@pytest.mark.parametrize("name", sorted(broken()))
def test_a_broken_model_is_one_sentence(tmp_path, bench, name):
    case = Case(tmp_path, networks.classifier())
    networks.save(broken()[name], case.path)
    with pytest.raises(EngineError) as raised:
        case.compile(bench)
    message = raised.value.message
    assert "net.onnx" in message and "Traceback" not in message and "\n" not in message
    assert len(message) < 400 and raised.value.hint


MAKER = """
import sys
from pathlib import Path
from edgekit.cli.output import Output
from edgekit.executor.local import LocalExecutor
from edgekit.host.catalogue.targets import find_target
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.host.settings import settings_from
from edgekit.host.workflow.engines import engine_bench
from edgekit.host.workflow.workstation import Workstation
import edgekit, os
settings = settings_from(os.environ, Path(edgekit.__file__).parent)
executor, shown = LocalExecutor(), Output(as_json=False)
station = Workstation(settings=settings, executor=executor, progress=shown, sandbox=Sandbox(executor, shown))
bench = engine_bench(station, find_target("rk3588-debian12", settings))
print(bench.toolkits.open("2.3.2"))
"""


@pytest.mark.long
def test_killed_in_the_middle_it_starts_over(tmp_path, user_bench):
    environment = {**os.environ, "EDGEKIT_HOME": str(tmp_path)}
    toolkits = tmp_path / "cache/toolkits"
    command = [sys.executable, "-c", MAKER]
    first = subprocess.Popen(command, env=environment, start_new_session=True, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + PATIENCE_S
    while (
        not list(toolkits.glob(".aside-*/made/files/lib/python3.11/site-packages/n*")) and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    os.killpg(first.pid, signal.SIGKILL)
    first.wait()
    assert list(toolkits.glob(".aside-*")) and not list(toolkits.glob("rknn-*"))
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400, check=False)
    assert again.returncode == 0, again.stderr
    assert [path.name[:10] for path in toolkits.glob("[!.]*")] == ["rknn-2.3.2"] and not list(toolkits.glob(".aside-*"))
    assert "RKNN toolkit 2.3.2: 1." in again.stderr


def test_without_a_network_that_is_said(tmp_path):
    """No index answers, nothing is cached: one sentence, and nothing half made is taken for whole later."""
    nowhere = "http://127.0.0.1:1/simple"
    environment = {name: value for name, value in os.environ.items() if not name.endswith("FIND_LINKS")}
    environment |= {"EDGEKIT_HOME": str(tmp_path), "UV_CACHE_DIR": str(tmp_path / "uv"), "UV_HTTP_RETRIES": "0"}
    environment |= {"UV_DEFAULT_INDEX": nowhere, "UV_INDEX_URL": nowhere}
    script = MAKER.replace("print(bench", "from edgekit.errors import EdgekitError\ntry:\n    print(bench")
    script += "except EdgekitError as error:\n    print(error.message, error.hint, error.exit_code, sep='|')\n"
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    message, hint, code = done.stdout.strip().split("|")
    assert "which the RKNN toolkit needs, cannot be fetched: the package index is out of reach" in message
    assert "UV_FIND_LINKS" in hint
    assert code == "5"
    assert not list((tmp_path / "cache/toolkits").glob("rknn-*"))


class User:
    """A user whose cache is this one's but for engines."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "cache").mkdir(parents=True)
        for entry in SETTINGS.cache_dir.iterdir():
            if entry.name != "engines":
                (home / "cache" / entry.name).symlink_to(entry)
        assert self.run("keys", "init").returncode == 0

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "edgekit.cli.main", *words]
        environment = {**os.environ, "EDGEKIT_HOME": str(self.home)}
        done = subprocess.run(
            argv, capture_output=True, text=True, env=environment, cwd=self.home, timeout=600, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    def build(self, recipe: Path, out: str) -> dict[str, Any]:
        done = self.run("build", str(recipe), "--target", "rk3588-debian12", "--out", out, "--json")
        assert done.returncode == 0, done.stderr
        assert "4 golden frames as expected" in done.stderr
        return json.loads(done.stdout)


def test_the_sorting_line_is_built_for_the_npu_twice_the_same(tmp_path, bench):
    bench.toolkits.open("2.3.2")
    user = User(tmp_path / "home")
    recipe = shutil.copytree(ROOT / "recipes" / "sorting-line", tmp_path / "line")
    first = user.build(recipe, "first")
    (engine,) = first["engines"]
    assert engine["runner"] == "rknn" and engine["facts"]["precision"] == "int8"
    assert not [wheel for wheel in first["wheels"] if wheel.startswith("onnxruntime")]
    assert isinstance(read_rknn(user.home / "first/files/engines/parts.rknn"), RknnFile)
    cached = user.build(recipe, "second")
    assert (cached["digest"], cached["from_cache"]) == (first["digest"], True)
    shutil.rmtree(user.home / "cache/engines")
    assert user.build(recipe, "third")["digest"] == first["digest"]


def test_a_quantiser_that_moves_golden_frames_fails_the_build(tmp_path, bench):
    bench.toolkits.open("2.3.2")
    user = User(tmp_path / "home")
    recipe = Path(shutil.copytree(ROOT / "recipes" / "sorting-line", tmp_path / "line"))
    file = recipe / "recipe.toml"
    file.write_text(file.read_text().replace('method = "mmse"', 'method = "normal"'))
    done = user.run("build", str(recipe), "--target", "rk3588-debian12", "--out", "out")
    assert done.returncode == EngineError.exit_code
    assert "golden frames give other answers: frame-020.png: red triangle at 24,192: score" in done.stderr
    assert not (user.home / "out").exists()


ON_THE_BOARD = """
import ctypes, json, platform, sys, threading
from pathlib import Path
import numpy as np
from edgekit.device.runner.rknn import NpuSystem, open_runner
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.message import from_message

release, library = Path(sys.argv[1]), sys.argv[2]
fake = ctypes.CDLL(library)
fake.fake_faults.restype = ctypes.c_char_p
fake.fake_model(b"image=1x90x160x3 heat=1x3x23x40 offset=1x2x23x40")
plan = from_message(WorkerPlan, (release / "plan.json").read_bytes(), "plan.json").engines["parts"]
picture = np.full((1, 90, 160, 3), 7, np.uint8)
found = []
for mapped in (False, True):
    runner = open_runner(plan, release / plan.path, system=NpuSystem(libraries=(library,)), mapped=mapped)
    threads = [threading.Thread(target=lambda: found.append(runner.infer({runner.picture: picture}))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runner.close()
shapes = {name: list(array.shape) for name, array in found[0].items()}
first = float(found[0]["heat"].flat[0])
told = {"machine": platform.machine(), "answers": len(found), "shapes": shapes, "first": first}
print(json.dumps({**told, "faults": fake.fake_faults().decode(), "live": fake.fake_live()}))
"""


def test_the_release_s_own_runner_drives_a_runtime_on_arm64(tmp_path, bench):
    """Under user-mode emulation: the release's Python packages, its engine, and the fake runtime built for arm64."""
    bench.toolkits.open("2.3.2")
    user = User(tmp_path / "home")
    user.build(Path(shutil.copytree(ROOT / "recipes" / "sorting-line", tmp_path / "line")), "release")
    files = user.home / "release/files"
    library = compile_library("rknnrt.c", tmp_path, target="aarch64-linux-gnu.2.31")
    script = f"import sys; sys.argv[1:] = {[str(files), str(library)]!r}\n{ON_THE_BOARD}"
    done = debian_python("3.11", SETTINGS).run(files / "site", script)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "machine": "aarch64",
        "answers": 12,
        "shapes": {"heat": [1, 3, 23, 40], "offset": [1, 2, 23, 40]},
        "first": 7.0,
        "faults": "",
        "live": 0,
    }
