"""Every backend's engines go the same way: found, or compiled, checked, verified and recorded; judged either way."""

from __future__ import annotations

import dataclasses
import json
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import cast

import cv2
import numpy as np
import onnx
import pytest

import edgekit
from edgekit.errors import EngineError
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.builder.devices import NO_BUILDERS, BuilderDevice, Builders
from edgekit.host.engine.compile import make_planned, plan_source
from edgekit.host.engine.engine import Engine
from edgekit.host.engine.making import Compilation, make_engine
from edgekit.host.engine.model.onnx_model import read_onnx
from edgekit.host.engine.model.reference import answers_of
from edgekit.host.engine.model.tail import SplitRecord, Tail
from edgekit.host.engine.record import CompiledEngine
from edgekit.host.engine.rknn.toolkit import Toolkits
from edgekit.host.engine.source import ModelSource, Pictures
from edgekit.host.engine.store import EngineStore
from edgekit.host.settings import settings_from
from edgekit.schema.recipe import ColourContract, Model, Tolerance
from edgekit.schema.target import Accelerator, Target
from tests.fakes import networks
from tests.fakes.benches import bench_in, compile_source
from tests.fakes.builder_board import BUILT_ON_ORIN, ORIN, BoardExecutor
from tests.fakes.builder_kit import pretended_kit
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.rknn.toolkit import FakeToolkits
from tests.fakes.sandboxes import open_sandbox
from tests.unit.host.engine.files.test_plan_file import plan

SETTINGS = settings_from({"HOME": "/nonexistent"}, Path(edgekit.__file__).parent)
CONTRACT = ColourContract(width_px=16, height_px=16, order="RGB", scale=1 / 255)


class Shop(ABC):
    """A model, its pictures, and one backend with a compiler that a test may break."""

    def __init__(self, folder: Path, target: str) -> None:
        self.folder = folder
        self.path = networks.save(networks.tiny(), folder / "tiny.onnx")
        self.files = []
        for index, picture in enumerate(networks.pictures(4, 16, 16)):
            self.files.append(folder / f"{index}.png")
            cv2.imwrite(str(self.files[-1]), picture)
        self.target = find_target(target, SETTINGS)
        self.model = Model(onnx="tiny.onnx", input=CONTRACT)
        self.bench = bench_in(folder)
        self.builders = NO_BUILDERS

    def source(self, **model: object) -> ModelSource:
        return ModelSource(
            name="tiny",
            path=self.path,
            file=self.path,
            model=dataclasses.replace(self.model, **model),
            onnx=read_onnx(self.path),
            target=self.target,
            pictures=Pictures(calibration=tuple(self.files), contract=CONTRACT),
        )

    def make(self, **model: object) -> Engine:
        return compile_source(self.source(**model), self.bench, self.builders)

    @abstractmethod
    def spoil(self) -> None:
        """From now on what is compiled answers other things than the model."""


class RknnShop(Shop):
    """RKNN's toolkit, which only pretends."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "rk3588-debian12")
        self.toolkits = FakeToolkits(folder / "toolkit")
        kit = cast(Toolkits, self.toolkits)
        self.bench = dataclasses.replace(self.bench, toolkits=kit, sandbox=open_sandbox())

    def spoil(self) -> None:
        (self.toolkits.folder / "error").write_text("1.0")

    def write_rubbish(self) -> None:
        self.toolkits.write_engine(b"rubbish")


class DeviceShop(Shop):
    """A builder device, whose compiler only pretends."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "jetson-orin-nano-jp62")
        os_here = dataclasses.replace(self.target.os, python_path=sys.executable)
        self.target: Target = dataclasses.replace(self.target, os=os_here)
        board = BoardExecutor({"accelerators": [ORIN]})
        device = BuilderDevice(name="bay-1", executor=board, prefix=str(folder / "root"))
        self.control = Path(device.folder, "control")
        self.control.mkdir(parents=True)
        (self.control / "built.json").write_text(json.dumps(BUILT_ON_ORIN))
        kit = pretended_kit(folder / "kit")
        self.builders = Builders(devices=(device,), packages=kit, judge=lambda *_: (), holder="anna@desk")
        (self.control / "engine").write_bytes(plan())
        self.answer(0.0)

    def answer(self, error: float) -> None:
        found = answers_of(self.path, self.source().pictures.tensors)
        np.savez(self.control / "answers.npz", **{f"output:{name}": one + error for name, one in found.items()})

    def spoil(self) -> None:
        self.answer(1.0)

    def write_rubbish(self) -> None:
        (self.control / "engine").write_bytes(b"rubbish")


class Int8Shop(Shop):
    """ONNX Runtime's own quantiser, the real one."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "virt-arm64")
        self.model = dataclasses.replace(self.model, cpu_precision="int8", calibration=("*.png",))

    def spoil(self) -> None:
        self.model = dataclasses.replace(self.model, tolerance=Tolerance(cosine=1.0))


class TunedShop(Shop):
    """ONNX Runtime on a builder device. Nothing is compiled."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "virt-arm64")
        accelerator = Accelerator(kind="onnxruntime", runtime_version="1.22")
        self.target = dataclasses.replace(self.target, accelerators=(accelerator,))

    def spoil(self) -> None:
        raise NotImplementedError


@pytest.fixture(params=[RknnShop, DeviceShop, Int8Shop])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Shop:
    return request.param(tmp_path)


def test_it_is_compiled_once_and_then_found(shop: Shop) -> None:
    made, again = shop.make(), shop.make()
    assert (made.from_cache, again.from_cache) == (False, True)
    assert made.file == again.file
    assert made.entry == again.entry
    assert {"format", "precision", "opset", "inputs", "outputs", "agreement.conv2"} <= made.entry.facts.keys()
    (cached,) = shop.bench.store.list()
    assert [one.output for one in cached.record.agreement] == ["conv2"]
    with np.load(cached.answers) as answers, np.load(cached.expected) as expected:
        assert answers["output:conv2"].shape == expected["output:conv2"].shape == (4, 1, 4, 8, 8)


@pytest.mark.parametrize("part", ["file", "answers", "expected"])
def test_a_damaged_one_is_made_anew(shop: Shop, part: str) -> None:
    made = shop.make()
    damaged: Path = getattr(made, part)
    whole, engine = damaged.read_bytes(), made.file.read_bytes()
    damaged.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    again = shop.make()
    assert not again.from_cache
    assert again.file.read_bytes() == engine
    with np.load(again.answers) as answers:
        assert answers["output:conv2"].shape == (4, 1, 4, 8, 8)
    assert shop.make().from_cache


def test_beyond_its_tolerance_it_is_refused_each_time_and_taken_once_that_is_widened(shop: Shop) -> None:
    shop.spoil()
    for _ in range(2):
        with pytest.raises(EngineError, match=r"models\.tiny: output conv2"):
            shop.make()
    (cached,) = shop.bench.store.list()
    engine = shop.make(tolerance=Tolerance(cosine=-1.0, max_abs=1000.0))
    assert engine.from_cache
    assert engine.file == cached.file


@pytest.mark.parametrize("kind", [RknnShop, DeviceShop, Int8Shop])
def test_a_builder_device_is_needed_only_for_what_is_not_in_the_cache(kind: type[Shop], tmp_path: Path) -> None:
    shop = kind(tmp_path)
    source = shop.source()
    assert plan_source(source, shop.bench).needs_device == (kind is DeviceShop)
    shop.make()
    planned = plan_source(source, shop.bench)
    assert not planned.needs_device
    (engine,) = make_planned([planned], shop.bench)
    assert engine.from_cache


@pytest.mark.parametrize("kind", [RknnShop, DeviceShop, Int8Shop, TunedShop])
def test_a_head_with_another_tail_is_another_engine(kind: type[Shop], tmp_path: Path) -> None:
    """What is recorded of an engine covers its tail: agreement, answers, time."""
    shop = kind(tmp_path)
    record = SplitRecord(tensors=("y",), milliseconds=1.0, off=0.0, bytes=1)
    tail = Tail(
        head=shop.path, file=shop.path, whole=shop.path, whole_sha256="w", sha256="1", outputs=("y",), record=record
    )
    keys = set()
    for one in (None, tail, dataclasses.replace(tail, sha256="2")):
        planned = plan_source(dataclasses.replace(shop.source(), tail=one), shop.bench)
        assert isinstance(planned.plan, Compilation)
        keys.add(planned.plan.key)
    assert len(keys) == 3


def test_without_builders_an_engine_that_needs_one_is_refused(tmp_path: Path) -> None:
    shop = DeviceShop(tmp_path)
    shop.builders = NO_BUILDERS
    with pytest.raises(EngineError, match="no builder device is named"):
        shop.make()


@pytest.mark.parametrize("kind", [RknnShop, DeviceShop])
def test_what_is_no_engine_is_not_recorded(kind: type[RknnShop | DeviceShop], tmp_path: Path) -> None:
    shop = kind(tmp_path)
    shop.write_rubbish()
    with pytest.raises(EngineError, match=r"is no (TensorRT )?engine"):
        shop.make()
    assert shop.bench.store.list() == ()


def test_ranges_that_int8_cannot_hold_are_refused_before_the_toolkit_runs(tmp_path: Path) -> None:
    shop = RknnShop(tmp_path)
    networks.save(networks.detector(joined=True, size=32), shop.path)
    contract = dataclasses.replace(CONTRACT, width_px=32, height_px=32)
    source = dataclasses.replace(
        shop.source(precision="int8", calibration=("*.png",), input=contract),
        pictures=Pictures(calibration=tuple(shop.files), contract=contract),
    )
    with pytest.raises(EngineError, match="output found mixes ranges"):
        compile_source(source, shop.bench)
    assert shop.bench.store.list() == ()
    assert shop.toolkits.runs == 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Scripted(Compilation):
    """Each step writes its name; the one that is to fail does."""

    steps: list[str]
    fails: str = ""
    answers: Mapping[str, np.ndarray]

    def _step(self, name: str) -> None:
        self.steps.append(name)
        if name == self.fails:
            raise EngineError(f"{name} fails", hint="")

    def prove(self) -> None:
        self._step("prove")

    def compile(self) -> CompiledEngine:
        self._step("compile")
        return CompiledEngine(engine=b"engine", answers=self.answers, seconds=0.0)

    def check(self, compiled: CompiledEngine) -> Mapping[str, str]:
        assert compiled.engine == b"engine"
        self._step("check")
        return {"format": "scripted"}


def scripted(folder: Path, **fields: object) -> Scripted:
    shop = Int8Shop(folder)
    source = shop.source()
    return Scripted(
        source=source,
        kind="onnxruntime",
        key="k",
        precision="float32",
        suffix=".bin",
        **{"steps": [], "answers": answers_of(source.path, source.pictures.tensors), **fields},
    )


def test_the_steps_come_in_this_order_and_once(tmp_path: Path) -> None:
    wanted, store = scripted(tmp_path), EngineStore(tmp_path)
    assert make_engine(wanted, store).entry.facts["format"] == "scripted"
    assert make_engine(wanted, store).from_cache
    assert wanted.steps == ["prove", "compile", "check"]


@pytest.mark.parametrize("fails", ["prove", "compile", "check"])
def test_nothing_is_recorded_where_a_step_fails(tmp_path: Path, fails: str) -> None:
    wanted, store = scripted(tmp_path, fails=fails), EngineStore(tmp_path)
    for _ in range(2):
        with pytest.raises(EngineError, match=f"{fails} fails"):
            make_engine(wanted, store)
    assert wanted.steps[-1] == fails
    assert wanted.steps.count(fails) == 2
    assert store.list() == ()


@pytest.mark.parametrize("answers", [{}, {"conv2": np.zeros((4, 1), np.float32)}])
def test_nothing_is_recorded_where_an_output_is_missing(tmp_path: Path, answers: dict[str, np.ndarray]) -> None:
    store = EngineStore(tmp_path)
    with pytest.raises(EngineError, match="does not give all outputs"):
        make_engine(scripted(tmp_path, answers=answers), store)
    assert store.list() == ()


def test_whoever_asks_for_the_same_meanwhile_waits_for_it(tmp_path: Path) -> None:
    wanted, store = scripted(tmp_path), EngineStore(tmp_path)
    both = threading.Barrier(4)

    def ask(_: int) -> bool:
        both.wait(PATIENCE_S)
        return make_engine(wanted, store).from_cache

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ask, range(4))) == [False, True, True, True]
    assert wanted.steps.count("compile") == 1


def test_a_model_of_onnx_alone_is_not_compiled(tmp_path: Path) -> None:
    shop = Int8Shop(tmp_path)
    engine = shop.make(cpu_precision="float32")
    assert engine.file == shop.path
    assert shop.bench.store.list() == ()
    assert onnx.load(engine.file).graph.node
