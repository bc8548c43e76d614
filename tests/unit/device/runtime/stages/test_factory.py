"""Stages are made of a plan: options read, the model named, and what exists once made once."""

from __future__ import annotations

import importlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from edgekit.device.runtime.stages.factory import StageFactory
from edgekit.errors import InputError
from edgekit.schema.plan import EnginePlan, StagePlan
from edgekit.schema.recipe import ColourContract
from tests.fakes.frames import stream_info
from tests.fakes.plans import python_stage, small_plan

CODE = """
from dataclasses import dataclass
from edgekit.stage import Stage

@dataclass(frozen=True, kw_only=True)
class Options:
    pin: int

class Bus:
    made, closed = [], []

    def __init__(self, context):
        self.made.append((context.name, context.options.pin, context.release.name, context.log.name))

    def close(self):
        self.closed.append(self)

class Valve(Stage):
    Options = Options
    Shared = Bus

class Plain:
    def __init__(self, context):
        self.context = context
"""
CONTRACT = ColourContract(width_px=16, height_px=8, order="RGB")


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> str:
    name = f"factory_stages_{abs(hash(request.node.name))}"
    (tmp_path / f"{name}.py").write_text(CODE)
    monkeypatch.syspath_prepend(str(tmp_path))
    return name


def engines(*names: str) -> dict[str, EnginePlan]:
    return {name: EnginePlan(runner="onnxruntime", path="", input=CONTRACT, threads=1) for name in names}


def test_it_is_made_once_also_where_two_streams_begin_at_once(
    tmp_path: Path, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    bus = importlib.import_module(module).Bus
    usual, begun = bus.__init__, threading.Event()

    def slow(self: Any, context: Any) -> None:
        begun.set()
        time.sleep(0.1)
        usual(self, context)

    monkeypatch.setattr(bus, "__init__", slow)
    valve = python_stage("eject", f"{module}:Valve", pin=7)
    factory = StageFactory(small_plan(valve), tmp_path, {})
    first = threading.Thread(target=factory.make, args=(valve, stream_info("a")))
    first.start()
    begun.wait()
    factory.make(valve, stream_info("b"))
    first.join()
    assert len(bus.made) == 1
    factory.close()


def test_what_exists_once_is_made_once_for_all_streams_and_closed(tmp_path: Path, module: str) -> None:
    valve = python_stage("eject", f"{module}:Valve", pin=7)
    factory = StageFactory(small_plan(valve), tmp_path, {})
    one, other = (factory.make(valve, stream_info(name)) for name in ("a", "b"))
    bus = __import__(module).Bus
    assert one is not other and one.context.shared is other.context.shared
    assert bus.made == [("eject", 7, tmp_path.name, "edgekit.stage.eject")]
    assert (one.context.stream.name, other.context.stream.name) == ("a", "b")
    factory.close()
    factory.close()
    assert bus.closed == [one.context.shared]
    assert factory.make(valve, stream_info()).context.shared is not one.context.shared


@pytest.mark.parametrize(
    ("named", "there", "model"),
    [("", (), ""), ("", ("m",), "m"), ("", ("m", "n"), ""), ("n", ("m", "n"), "n")],
)
def test_a_stage_knows_its_model(named: str, there: tuple[str, ...], model: str, tmp_path: Path, module: str) -> None:
    stage = python_stage("plain", f"{module}:Plain", named, free="form")
    runners: dict[str, Any] = {name: object() for name in there}
    factory = StageFactory(small_plan(stage, engines=engines(*there)), tmp_path, runners)
    context = factory.make(stage, stream_info()).context
    assert (context.model, context.contract, context.options) == (model, CONTRACT if model else None, {"free": "form"})
    assert context.runner is (runners[named] if named else None), "only who names a model runs it"


def test_wrong_options_are_named_by_their_key(tmp_path: Path, module: str) -> None:
    valve = python_stage("eject", f"{module}:Valve", pins=7)
    with pytest.raises(InputError, match=r"pipeline\.stages\.eject\.options"):
        StageFactory(small_plan(valve), tmp_path, {}).make(valve, stream_info())


@pytest.mark.parametrize(("there", "named"), [(("m",), ""), (("m", "n"), "m")])
def test_preprocess_has_the_engine_whose_memory_it_fills(there: tuple[str, ...], named: str, tmp_path: Path) -> None:
    stage = StagePlan(name="scale", kind="preprocess", lane="all", engine=named, entry="", options={})
    runners: dict[str, Any] = {name: object() for name in there}
    factory = StageFactory(small_plan(stage, engines=engines(*there)), tmp_path, runners)
    assert factory.make(stage, stream_info()).context.runner is runners["m"]
