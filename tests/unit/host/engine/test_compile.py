"""Which backend, which pictures, and what the CPU makes of a precision."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

import edgekit
from edgekit.errors import EngineError, InputError
from edgekit.host.catalogue.recipes import read_recipe
from edgekit.host.catalogue.targets import find_target
from edgekit.host.engine.backends import choose_backend
from edgekit.host.engine.compile import find_pictures
from edgekit.host.release.plan import plan_worker
from edgekit.host.settings import settings_from
from edgekit.schema.manifest import EngineEntry
from edgekit.schema.recipe import ColourContract, Model
from tests.fakes.benches import bench_in, compile_models

PACKAGE = Path(edgekit.__file__).parent
SETTINGS = settings_from({"HOME": "/nonexistent"}, PACKAGE)
RECIPE = read_recipe(PACKAGE.parent / "recipes" / "sorting-line")
MODEL = Model(onnx="m.onnx", input=ColourContract(width_px=4, height_px=4, order="RGB"))


@pytest.mark.parametrize(
    ("target", "backend"),
    [("rk3588-debian12", "rknn"), ("virt-arm64", "onnxruntime"), ("jetson-orin-nano-jp62", "tensorrt")],
)
def test_the_accelerator_where_there_is_one(target, backend):
    assert choose_backend(find_target(target, SETTINGS)) == backend


def test_the_cpu_takes_the_model_as_it_is_and_says_so(tmp_path):
    (engine,) = compile_models(RECIPE.recipe, RECIPE.folder, find_target("virt-arm64", SETTINGS), bench_in(tmp_path))
    assert engine.file == RECIPE.folder / "model.onnx" and engine.answers is None
    assert engine.notes == ("parts: float32 on the CPU, int8 is for accelerators",)


def test_without_the_toolkit_s_python_nothing_is_compiled(tmp_path):
    with pytest.raises(EngineError, match=r"needs Python 3\.11"):
        compile_models(RECIPE.recipe, RECIPE.folder, find_target("rk3588-debian12", SETTINGS), bench_in(tmp_path))


def test_an_rknn_engine_takes_pixels(tmp_path):
    entry = EngineEntry(name="parts", runner="rknn", path="engines/parts.rknn", model_sha256="", facts={})
    target = find_target("rk3588-debian12", SETTINGS)
    plan = plan_worker(RECIPE.recipe, target, [entry], has_app=True)
    written = RECIPE.recipe.models["parts"].input
    assert plan.engines["parts"].input == dataclasses.replace(
        written, layout="NHWC", dtype="uint8", scale=1.0, mean=0.0
    )


def test_patterns_find_each_picture_once(tmp_path):
    for name in ("b.png", "a.png", "sub/c.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    model = dataclasses.replace(MODEL, calibration=("*.png", "a.*", "**/*.jpg"))
    found = find_pictures(tmp_path, "net", model)
    assert [path.relative_to(tmp_path).as_posix() for path in found] == ["a.png", "b.png", "sub/c.jpg"]


@pytest.mark.parametrize("pattern", ["*.gif", "../*.png", "/etc/*"])
def test_a_pattern_that_finds_nothing_or_leads_out_is_told(tmp_path, pattern):
    with pytest.raises(InputError, match=r"models\.net\.calibration: .* names no file"):
        find_pictures(tmp_path, "net", dataclasses.replace(MODEL, calibration=(pattern,)))


@pytest.mark.parametrize(
    ("environ", "links"),
    [
        ({}, ()),
        ({"UV_FIND_LINKS": "/a,/b", "PIP_FIND_LINKS": "/b /c"}, ("/a", "/b", "/c")),
    ],
)
def test_links_are_taken_from_uv_and_pip(environ, links):
    assert settings_from({"HOME": "/nonexistent", **environ}, PACKAGE).find_links == links
