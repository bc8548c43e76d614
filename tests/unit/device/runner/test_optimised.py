"""The cache of optimised models: faster starts, and nothing that hangs on it. And where further threads run."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

import numpy as np
import pytest

from edgekit.device.runner.onnxruntime import load
from edgekit.schema.plan import EnginePlan
from edgekit.schema.recipe import ColourContract
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.networks import detector, save, tiny

CONTRACT = ColourContract(width_px=96, height_px=96, order="RGB")
PICTURE = {"images": np.random.default_rng(1).random((1, 3, 96, 96), np.float32)}


def wanted(**fields: object) -> EnginePlan:
    return EnginePlan(**{"runner": "onnxruntime", "path": "m.onnx", "input": CONTRACT, "threads": 1, **fields})  # type: ignore[arg-type]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return save(detector(), tmp_path / "m.onnx")


def kept(cache: Path) -> list[Path]:
    return sorted(cache.glob("*.onnx"))


def answers(model: Path, cache: Path | None) -> dict[str, np.ndarray]:
    runner = load(wanted(), model.parent, cache=cache)
    made = runner.infer(PICTURE)
    runner.close()
    return made


def test_the_second_start_takes_what_the_first_made(model: Path, tmp_path: Path) -> None:
    cache, plain = tmp_path / "cache", answers(model, None)
    first = answers(model, cache)
    (file,) = kept(cache)
    assert file.read_bytes() != model.read_bytes()
    before = file.stat().st_mtime_ns
    os.utime(file, ns=(0, 0))
    second = answers(model, cache)
    assert kept(cache) == [file]
    assert file.stat().st_mtime_ns > before - 10**9 * 60  # it was used
    for name, want in plain.items():
        np.testing.assert_allclose(first[name], want, rtol=1e-5)
        np.testing.assert_allclose(second[name], want, rtol=1e-5)
    assert not list(cache.glob(".aside-*"))


@pytest.mark.parametrize("rubbish", [b"", b"rubbish", None])
def test_a_damaged_one_is_made_again(model: Path, tmp_path: Path, rubbish: bytes | None) -> None:
    cache = tmp_path / "cache"
    answers(model, cache)
    (file,) = kept(cache)
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if rubbish is None else rubbish)
    np.testing.assert_allclose(answers(model, cache)["scores"], answers(model, None)["scores"], rtol=1e-5)
    assert abs(kept(cache)[0].stat().st_size - len(whole)) < 64  # made again


def test_another_model_has_its_own_and_old_ones_go(model: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    for number in range(12):
        old = cache / f"{number:064d}.onnx"
        old.write_bytes(b"old")
        os.utime(old, (number, number))
    answers(model, cache)
    assert len(kept(cache)) == 8
    save(tiny(), tmp_path / "t.onnx")
    load(
        wanted(path="t.onnx", input=ColourContract(width_px=16, height_px=16, order="RGB")),
        tmp_path,
        cache=cache,
    )
    assert sum(file.stat().st_size > 3 for file in kept(cache)) == 2


def test_without_a_place_it_runs_all_the_same(model: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    assert answers(model, tmp_path / "file")["boxes"].shape == (1, 4, 12, 12)


def cpus_of(task: Path) -> str:
    found = re.search(r"Cpus_allowed_list:\s*(\S+)", (task / "status").read_text())
    return found.group(1) if found else ""


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one CPU")
def test_further_threads_run_where_the_lanes_do(model: Path) -> None:
    cpu = max(os.sched_getaffinity(0))
    before = set(Path("/proc/self/task").iterdir())
    runner = load(wanted(threads=3, cpus=(cpu,)), model.parent)
    runner.infer(PICTURE)
    new = set(Path("/proc/self/task").iterdir()) - before
    deadline = time.monotonic() + PATIENCE_S
    while (found := sorted(map(cpus_of, new))) != [str(cpu)] * 2:  # a thread moves itself once it has started
        assert time.monotonic() < deadline, found
        time.sleep(0.02)
    runner.close()


def test_cpus_that_are_not_there_are_no_reason_to_fail(model: Path) -> None:
    assert load(wanted(threads=2, cpus=(4000,)), model.parent).infer(PICTURE)
