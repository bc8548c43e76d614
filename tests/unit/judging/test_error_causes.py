"""The word for what lies behind an error is taken from its kind, never guessed from a sentence of ours."""

from __future__ import annotations

import ctypes
import errno
import importlib
import socket
from pathlib import Path

import pytest

from edgekit.device.runner import load
from edgekit.device.runtime.frames.decoded import agree
from edgekit.device.runtime.sources.live import CameraLost
from edgekit.device.runtime.stages import import_entry
from edgekit.errors import EdgekitError, InputError
from edgekit.judging.error_causes import cause_of
from edgekit.schema.plan import EnginePlan
from tests.fakes.networks import tiny


def raised(act: object) -> BaseException:
    """What a call really raises."""
    try:
        act()  # type: ignore[operator]
    except BaseException as error:
        return error
    raise AssertionError("nothing was raised")


def take_a_port_twice() -> None:
    with socket.create_server(("127.0.0.1", 0)) as first:
        socket.create_server(first.getsockname())


def write_to_a_full_disk() -> None:
    with Path("/dev/full").open("w") as file:
        file.write("x")


@pytest.mark.parametrize(
    ("act", "cause"),
    [
        (take_a_port_twice, "port_taken"),
        (write_to_a_full_disk, "disk_full"),
        (lambda: importlib.import_module("no_such_module"), "missing_library"),
        (lambda: import_entry("stage", "no_such_module:Own"), "missing_library"),
        (lambda: ctypes.CDLL("libno_such_library.so.3"), "missing_library"),
        (lambda: agree("bt601", "bt709", "gate", "matrix"), "colour_mismatch"),
        (lambda: agree(None, None, "gate", "range"), "colour_mismatch"),
        (lambda: Path("/no/such/file").read_bytes(), ""),
        (lambda: importlib.import_module("edgekit.errors").no_such_name, ""),
        (lambda: exec("from edgekit.errors import no_such_name"), ""),
        (lambda: 1 / 0, ""),
    ],
)
def test_a_real_error_tells_its_cause(act: object, cause: str) -> None:
    assert cause_of(raised(act)) == cause


def test_what_an_error_was_raised_from_counts() -> None:
    def wrapped() -> None:
        try:
            take_a_port_twice()
        except OSError as error:
            raise RuntimeError("the page cannot be served") from error

    def hidden() -> None:
        try:
            take_a_port_twice()
        except OSError:
            raise RuntimeError("the page cannot be served") from None

    assert cause_of(raised(wrapped)) == "port_taken"
    assert cause_of(raised(hidden)) == ""


def test_the_nearest_cause_counts_and_a_ring_of_errors_ends() -> None:
    near = InputError("engine", hint="", cause="bad_model")
    near.__cause__ = OSError(errno.ENOSPC, "full")
    assert cause_of(near) == "bad_model"
    one, other = ValueError("a"), ValueError("b")
    one.__cause__, other.__cause__ = other, one
    assert cause_of(one) == ""


def test_a_lost_camera_has_the_cause_of_what_it_was_lost_by() -> None:
    lost = CameraLost("down", "colours")
    lost.__cause__ = raised(lambda: agree("bt601", "bt709", "gate", "matrix"))
    assert cause_of(lost) == "colour_mismatch"


def test_an_engine_that_cannot_be_loaded_is_a_bad_model(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"no model at all")
    plan = EnginePlan(path="a.onnx", runner="onnxruntime", input=None, threads=1)
    error = raised(lambda: load(plan, tmp_path))
    assert isinstance(error, EdgekitError)
    assert cause_of(error) == "bad_model"


def test_a_model_of_a_newer_format_is_of_another_version(tmp_path: Path) -> None:
    model = tiny()
    model.ir_version = 99
    (tmp_path / "a.onnx").write_bytes(model.SerializeToString())
    plan = EnginePlan(path="a.onnx", runner="onnxruntime", input=None, threads=1)
    assert cause_of(raised(lambda: load(plan, tmp_path))) == "engine_version"
