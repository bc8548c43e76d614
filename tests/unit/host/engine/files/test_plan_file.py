"""What a TensorRT engine says about itself, and what is said of anything else.

The headers are made here by the documented layout: NVIDIA's licence lets no real engine into this repository.
"""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.host.engine.files.plan_file import PlanFault, PlanFile, parse_plan, read_plan
from edgekit.host.engine.files.show import describe_file


def plan(version: tuple[int, int, int, int] = (10, 3, 0, 30), tag: bytes = b"ftrt", body: bytes = b"\0" * 36) -> bytes:
    second = tag if tag == b"vtrt" else bytes(4)
    size = 64 + len(body)
    return struct.pack("<4sIIIQ4B4s32x", tag, 0, 2, 0, size, *version, second) + body


PLAN, RTX = plan(), plan((1, 7, 1, 116), b"vtrt")


def fronted(data: bytes) -> bytes:
    text = json.dumps({"task": "detect", "names": {"0": "screw"}}).encode()
    return struct.pack("<I", len(text)) + text + data


def parsed(data: bytes) -> PlanFile | PlanFault:
    return parse_plan(io.BytesIO(data))


def reason(data: bytes) -> str:
    found = parsed(data)
    assert isinstance(found, PlanFault)
    return found.reason


@pytest.mark.parametrize(
    ("version", "toolkit"),
    [
        ((8, 6, 2, 3), "TensorRT 8.6.2"),
        ((10, 3, 0, 30), "TensorRT 10.3.0"),
        ((10, 7, 0, 23), "TensorRT 10.7.0"),
        ((10, 16, 2, 10), "TensorRT 10.16.2"),
        ((11, 4, 0, 106), "TensorRT 11.4.0"),
    ],
)
def test_a_plan_tells_its_version(version, toolkit):
    found = parsed(plan(version))
    assert found == PlanFile(bytes=100, version=version, rtx=False, size=100, offset=0)
    assert found.toolkit == toolkit


def test_a_plan_of_tensorrt_rtx_is_told_apart():
    found = parsed(RTX)
    assert found == PlanFile(bytes=100, version=(1, 7, 1, 116), rtx=True, size=100, offset=0)
    assert found.toolkit == "TensorRT-RTX 1.7.1"


def test_a_plan_behind_a_description_is_found():
    found = parsed(fronted(RTX))
    assert isinstance(found, PlanFile) and found.rtx
    assert found.offset == len(fronted(b"")) and found.bytes == found.offset + 100


def test_every_damage_is_told():
    assert reason(b"") == "it is empty"
    assert reason(b"GIF89a") == "it does not begin as a TensorRT engine does"
    assert reason(PLAN[:63]) == "it is cut short in its header"
    assert reason(RTX[:-1]).startswith("it has 99 bytes, and its header says 100")
    assert reason(RTX + b"x").startswith("it has 101 bytes")
    assert reason(b"ftrt" + struct.pack("<I", 7) + PLAN[8:]) == "its layout has version 7, and only 0 is known"
    assert reason(plan((0, 3, 0, 30))) == "it is damaged: it names no version of TensorRT"
    assert reason(RTX[:28] + bytes(4) + RTX[32:]).endswith("the second tag of its header is missing")
    assert reason(b"ptrt" + bytes(168)).startswith("it is a timing cache, or an engine of TensorRT 8.5")


def test_a_size_at_a_place_that_is_not_documented_refuses_no_plan():
    other = PLAN[:16] + struct.pack("<Q", 7) + PLAN[24:]
    found = parsed(other)
    assert isinstance(found, PlanFile) and found.size == 7


@pytest.mark.parametrize("text", [b"{" * 100_000, b"{}", b'{"a": NaN}', b"{\xff}"])
def test_a_hostile_description_is_data(text):
    assert isinstance(parsed(struct.pack("<I", len(text)) + text), PlanFault)
    assert isinstance(parsed(struct.pack("<I", 0xFFFFFFFF) + text), PlanFault)


def test_what_cannot_be_opened_is_a_value_too(tmp_path):
    assert read_plan(tmp_path) == PlanFault(reason="Is a directory")
    assert read_plan(tmp_path / "none") == PlanFault(reason="No such file or directory")


def test_engines_are_shown_by_content(tmp_path):
    (tmp_path / "m.onnx").write_bytes(fronted(PLAN))
    found = describe_file(tmp_path / "m.onnx")
    assert (found.kind, found.fault, found.facts["toolkit"]) == ("tensorrt", "", "TensorRT 10.3.0")
    (tmp_path / "m.engine").write_bytes(RTX[:-1])
    assert describe_file(tmp_path / "m.engine").fault.startswith("it has 99 bytes")
    (tmp_path / "m.plan").write_bytes(b"no plan")
    assert describe_file(tmp_path / "m.plan").kind == ""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shown")


FRONTS = st.sampled_from([b"", b"ftrt", b"vtrt", b"ptrt", struct.pack("<I", 2) + b"{}", struct.pack("<I", 9) + b"{"])


@given(FRONTS, st.binary(max_size=200))
@settings(max_examples=2000, deadline=None)
def test_rubbish_never_raises(front, data):
    assert isinstance(parsed(front + data), (PlanFile, PlanFault))


@given(st.sampled_from([PLAN, RTX, fronted(PLAN), fronted(RTX)]), st.integers(0, 200))
@settings(max_examples=300, deadline=None)
def test_a_header_that_is_cut_is_told(whole, length):
    assert isinstance(parsed(whole[: min(length, len(whole) - 37)]), PlanFault)


@given(st.sampled_from([PLAN, RTX, fronted(RTX)]), st.lists(st.tuples(st.integers(0, 199), st.integers(0, 255))))
@settings(max_examples=500, deadline=None)
def test_flipped_bytes_are_shown_or_refused(folder, whole, flips):
    data = bytearray(whole)
    for place, value in flips:
        data[place % len(data)] = value
    (folder / "file").write_bytes(data)
    found = describe_file(folder / "file")
    assert bool(found.fault) != bool(found.facts)
