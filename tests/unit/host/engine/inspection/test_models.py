"""What was inspected once is found again by its content, without a child; nothing in the cache is believed unread."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

from edgekit.errors import EngineError, InputError
from edgekit.executor import Completed
from edgekit.host.engine.bench import EngineBench
from edgekit.host.engine.inspection.asking import limits_for
from edgekit.host.engine.inspection.messages import ModelQuestion
from edgekit.host.engine.inspection.models import ReadyModel, inspect_model
from edgekit.schema.recipe import ColourContract, Model
from tests.fakes import networks
from tests.fakes.benches import bench_in
from tests.fakes.disguise import disguise
from tests.fakes.inspection import InProcess

CONTRACT = ColourContract(width_px=16, height_px=16, order="RGB", scale=1 / 255)


class Counting(InProcess):
    """Counts the children."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def run(self, argv: Sequence[str], **options: Any) -> Completed:
        self.count += 1
        return super().run(argv, **options)


class Shelf:
    """A model, a picture and an empty cache."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.children = folder, Counting()
        self.bench: EngineBench = bench_in(folder / "cache", self.children)
        self.path = networks.save(networks.tiny(), folder / "m.onnx")
        self.picture = folder / "a.png"
        cv2.imwrite(str(self.picture), np.zeros((16, 16, 3), np.uint8))

    def take(self, backend: str = "onnxruntime", **changes: object) -> ReadyModel:
        model = dataclasses.replace(Model(onnx="m.onnx", input=CONTRACT), **changes)  # type: ignore[arg-type]
        asked = ModelQuestion(
            path=str(self.path), name="m", model=model, backend=backend, pictures=(str(self.picture),)
        )
        return inspect_model(asked, self.bench)

    def keep_weights_apart(self) -> Path:
        onnx.save(onnx.load(self.path), self.path, save_as_external_data=True, location="m.data", size_threshold=0)
        return self.folder / "m.data"


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path)


def test_once_for_the_same_content(shelf: Shelf) -> None:
    first = shelf.take()
    assert (first.path, first.found.notes, shelf.children.count) == (shelf.path, (), 1)
    shelf.path.touch()
    assert shelf.take() == first and shelf.children.count == 1


CHANGES: dict[str, Callable[[Shelf], object]] = {
    "model": lambda shelf: networks.save(networks.single("Relu"), shelf.path),
    "picture": lambda shelf: cv2.imwrite(str(shelf.picture), np.ones((16, 16, 3), np.uint8)),
    "weights": lambda shelf: (shelf.folder / "m.data").write_bytes(
        (shelf.folder / "m.data").read_bytes()[:-4] + b"\0\0\0\0"
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_again_for_another(change: str, shelf: Shelf) -> None:
    shelf.keep_weights_apart()
    first = shelf.take()
    assert shelf.take().found == first.found and shelf.children.count == 1
    CHANGES[change](shelf)
    assert shelf.take().found.onnx.sha256 != first.found.onnx.sha256 or change == "picture"
    assert shelf.children.count == 2


def test_each_backend_has_its_own(shelf: Shelf) -> None:
    for backend in ("onnxruntime", "rknn", "tensorrt", "rknn"):
        shelf.take(backend)
    assert shelf.children.count == 3


def test_weights_beside_it_come_with_the_model(shelf: Shelf) -> None:
    whole = shelf.take().found.onnx.outputs
    apart = shelf.keep_weights_apart()
    ready = shelf.take()
    assert ready.found.beside == ("m.data",) and ready.found.onnx.outputs == whole
    apart.unlink()
    onnx.checker.check_model(onnx.load(ready.path), full_check=True)
    with pytest.raises(EngineError, match=r"keeps its weights in m\.data, which is not there"):
        shelf.take()


def test_another_model_under_the_key_is_never_taken(shelf: Shelf) -> None:
    """Whoever put it there has changed the cache's own digests alike."""
    shelf.keep_weights_apart()
    ready = shelf.take()
    whole = ready.path.read_bytes()
    ready.path.write_bytes(whole[:-1] + b"\0")
    disguise(ready.path.parents[1])
    assert shelf.take().path.read_bytes() == whole and shelf.children.count == 2


def test_a_record_of_another_edgekit_is_made_again(shelf: Shelf) -> None:
    shelf.take()
    (record,) = (shelf.folder / "cache/models").glob("*/files/inspection.json")
    record.write_text("{}")
    disguise(record.parents[1])
    assert shelf.take().path == shelf.path and shelf.children.count == 2


def test_what_is_refused_is_not_remembered(shelf: Shelf) -> None:
    shelf.path.write_bytes(b"rubbish")
    for count in (1, 2):
        with pytest.raises(EngineError, match="no ONNX model"):
            shelf.take()
        assert shelf.children.count == count


def test_a_damaged_picture_is_named(shelf: Shelf) -> None:
    shelf.picture.write_bytes(shelf.picture.read_bytes()[:40])
    with pytest.raises(InputError, match=r"a\.png is no picture that can be read"):
        shelf.take()


def test_a_large_model_gets_more_but_never_all(shelf: Shelf) -> None:
    limits = shelf.bench.limits
    more = limits_for(dataclasses.replace(limits, memory_bytes=1 << 20), 1 << 20, pictures=7)
    assert (more.memory_bytes, more.cpu_s) == (13 << 20, limits.cpu_s + 7)
    assert limits_for(limits, 1 << 50).memory_bytes < 1 << 50
    assert limits_for(limits, 0, runs=7).cpu_s == limits.cpu_s + 35
