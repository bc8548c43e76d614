"""Any file can be shown: engines, models, rubbish, and what is between."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.host.engine.files.show import describe_file
from tests.fakes.exports import open_sizes
from tests.fakes.networks import save, tiny

ENGINE = (Path(__file__).parents[4] / "fakes/rknn/tiny-int8.rknn").read_bytes()
MODEL = tiny().SerializeToString()
PLAN = (b"ftrt" + struct.pack("<IIIQ", 0, 2, 0, 4096) + bytes([10, 3, 0, 30])).ljust(4096, b"\0")
RTX = (b"vtrt" + struct.pack("<IIIQ", 0, 2, 0, 4096) + bytes([1, 7, 1, 116]) + b"vtrt").ljust(4096, b"\0")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shown")


def shown(folder: Path, data: bytes):
    (folder / "file").write_bytes(data)
    return describe_file(folder / "file")


def test_an_engine_tells_its_facts(folder):
    found = shown(folder, ENGINE)
    assert (found.kind, found.fault) == ("rknn", "")
    assert found.facts["toolkit"] == "2.3.2" and found.facts["inputs"] == "images int8[1, 3, 16, 16] NHWC"


def test_a_model_tells_its_facts(tmp_path):
    found = describe_file(save(tiny(), tmp_path / "m.onnx"))
    assert found.kind == "onnx" and found.facts["inputs"] == "images float32[1, 3, 16, 16]"
    assert found.facts["format"] == "onnx, opset 17, IR version 9"


def test_files_that_are_not_there(tmp_path):
    fault = describe_file(tmp_path / "none").fault
    assert fault == "cannot be read: No such file or directory"
    assert describe_file(tmp_path).fault == "is a folder, not a file"


def test_files_without_an_end_are_not_read(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "zero").symlink_to("/dev/zero")
    (tmp_path / "terminal").symlink_to("/dev/ptmx")
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(1 << 40)
    with (tmp_path / "engine").open("wb") as file:
        file.write(ENGINE)
        file.truncate(1 << 40)
    assert describe_file(tmp_path / "pipe").fault == "is a pipe, not a file"
    assert describe_file(tmp_path / "terminal").fault == "is a device, not a file"
    assert describe_file(tmp_path / "zero").fault == "is a device, not a file"
    assert describe_file(tmp_path / "sparse").fault == "is larger than 2.0 GiB, which no model may be"
    assert "its last part" in describe_file(tmp_path / "engine").fault


@pytest.mark.parametrize("name", ["kmsg", "kcore", "self/mem", "self/environ", "cpuinfo", "self/pagemap"])
def test_files_of_the_system_are_none(tmp_path, name):
    assert describe_file(Path("/proc", name)).fault


def test_numbers_that_are_not_known_are_left_out(tmp_path):
    model = open_sizes(-1, "side")
    found = describe_file(save(model, tmp_path / "m.onnx"))
    assert found.facts["inputs"] == "x float32[?, 3, ?, ?]" and "macs" not in found.facts
    assert describe_file(save(open_sizes(1, 32), tmp_path / "m.onnx")).facts["macs"] == "27648"


@given(st.binary(max_size=2048))
@settings(max_examples=800, deadline=None)
def test_rubbish_is_told_as_such(folder, data):
    assert shown(folder, data).fault
    assert shown(folder, b"RKNN" + data).fault


def test_plans_tell_theirs(folder):
    assert shown(folder, PLAN).facts["toolkit"] == "TensorRT 10.3.0"
    assert shown(folder, RTX).facts["toolkit"] == "TensorRT-RTX 1.7.1"


@given(st.sampled_from([ENGINE, MODEL, RTX]), st.integers(0, 100_000))
@settings(max_examples=400, deadline=None)
def test_cut_files_never_raise(folder, whole, length):
    assert shown(folder, whole[: length % len(whole)]).fault


@given(
    st.sampled_from([ENGINE, MODEL, PLAN, RTX]),
    st.lists(st.tuples(st.integers(0, 2047), st.integers(0, 255)), min_size=1, max_size=6),
)
@settings(max_examples=800, deadline=None)
def test_flipped_files_never_raise(folder, whole, flips):
    data = bytearray(whole)
    for place, value in flips:
        data[place % len(data)] = value
    found = shown(folder, bytes(data))
    assert bool(found.fault) != bool(found.facts)


def test_a_model_of_an_unknown_type_is_told(folder):
    model = tiny()
    model.graph.input[0].type.tensor_type.elem_type = 250
    assert shown(folder, model.SerializeToString()).fault
