"""What an .rknn file says about itself, and what is said of anything else."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgekit.host.engine.files.rknn_file import RknnFault, RknnFile, parse_rknn, read_rknn

ENGINES = Path(__file__).parents[4] / "fakes" / "rknn"
INT8 = (ENGINES / "tiny-int8.rknn").read_bytes()


def parsed(data: bytes) -> RknnFile | RknnFault:
    return parse_rknn(io.BytesIO(data))


def reason(data: bytes) -> str:
    found = parsed(data)
    assert isinstance(found, RknnFault)
    return found.reason


def test_an_int8_engine_tells_everything():
    found = read_rknn(ENGINES / "tiny-int8.rknn")
    assert isinstance(found, RknnFile)
    assert (found.format_version, found.toolkit, found.compiler, found.npu) == (6, "2.3.2", "2.3.2", "RKNPU v2")
    assert found.build_id == "e045de294f@2025-04-07T19:48:25"
    assert (found.platforms, found.source, found.quantised, found.bytes) == (("rk3588",), "ONNX", True, len(INT8))
    assert found.custom == "made by edgekit's tests"
    (given,), (made,) = found.inputs, found.outputs
    assert str(given) == "images int8[1, 3, 16, 16] NHWC"
    assert given.mean == given.std == (127.5, 127.5, 127.5)
    assert str(made) == "conv2 int8[1, 4, 8, 8] NCHW"
    assert made.low[0] < 0 < made.high[0]


def test_a_float16_engine_is_not_quantised():
    found = read_rknn(ENGINES / "tiny-float16.rknn")
    assert isinstance(found, RknnFile) and not found.quantised
    assert str(found.outputs[0]) == "conv2 float16[1, 4, 8, 8] NCHW"


def test_every_cut_is_told():
    assert reason(b"") == "it is empty"
    assert reason(b"GIF89a") == "it does not begin as an .rknn file does"
    assert reason(b"RKCE" + bytes(60)) == "it is encrypted"
    assert reason(INT8[:40]) == "it is cut short in its header"
    assert reason(INT8[:9000]).startswith("it is cut short: 9000 bytes")
    assert reason(INT8[:-1]).startswith("its last part has")
    assert reason(INT8 + b"x").startswith("its last part has")


def test_lengths_that_cannot_be_are_not_believed():
    huge = bytearray(INT8)
    struct.pack_into("<Q", huge, 0x10, 1 << 62)
    assert "cut short" in reason(bytes(huge))
    away = bytearray(INT8)
    struct.pack_into("<I", away, 0x40, 0x7FFFFFFF)
    assert reason(bytes(away)) == "it is damaged: an offset leads out of its payload"


def test_what_cannot_be_opened_is_a_value_too(tmp_path):
    assert read_rknn(tmp_path) == RknnFault(reason="Is a directory")
    assert read_rknn(tmp_path / "none") == RknnFault(reason="No such file or directory")


@given(st.binary(max_size=4096))
@settings(max_examples=300)
def test_rubbish_never_raises(data):
    assert isinstance(parsed(data), RknnFault)
    assert isinstance(parsed(b"RKNN" + data), RknnFault)


@given(st.integers(0, len(INT8) - 1))
@settings(max_examples=200)
def test_a_cut_engine_is_no_engine(length):
    assert isinstance(parsed(INT8[:length]), RknnFault)


HEADS = st.integers(0, 0x800) | st.integers(len(INT8) - 1600, len(INT8) - 1)


@given(st.lists(st.tuples(HEADS, st.integers(0, 255)), min_size=1, max_size=8))
@settings(max_examples=1000)
def test_flipped_bytes_never_raise(flips):
    data = bytearray(INT8)
    for place, value in flips:
        data[place] = value
    found = parsed(bytes(data))
    assert isinstance(found, (RknnFile, RknnFault))
    if isinstance(found, RknnFault):
        assert found.reason
    else:
        assert all(map(str, found.inputs + found.outputs))


@pytest.mark.parametrize("text", ["[" * 50_000, "(" * 200 + "1", "-" * 200_000 + "1", "{'attrs': 5}", "{1: 2}"])
def test_a_hostile_description_is_data(text):
    """The part that holds Python's repr is replaced by text of the same place and any content."""
    start = INT8.index(b"{'attrs'")
    (length,) = struct.unpack_from("<I", INT8, start - 4)
    grown = INT8[: start - 4] + struct.pack("<I", len(text)) + text.encode() + INT8[start + length :]
    size = struct.unpack_from("<Q", INT8, 0x10)[0] + len(text) - length
    data = bytearray(grown)
    struct.pack_into("<Q", data, 0x10, size)
    assert isinstance(parsed(bytes(data)), (RknnFile, RknnFault))
