"""Whether a Jetson loads a TensorRT engine, and runs it as it was tuned. Pure.

An engine loads only in the very TensorRT that made it, on the same compute capability; another module, SM count or
power mode is a warning of TensorRT's too, and golden frames decide. Source: NVIDIA's support matrix and error texts of
libnvinfer; reports are named at their rules.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from edgekit.host.fit.finding import Finding, refuse, warn
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.target import Accelerator
from edgekit.schema.units import leading_version, version_tuple

LIBRARY = "TensorRT"
CAPABILITY = "the GPU's compute capability"
SM_COUNT = "the number of SMs that are on"
POWER_MODE = "the power mode"
"""Subjects of findings that `builder.py` knows."""
_NVMAP_REGRESSION = ("36.4.7",)
"""Its NvMap runs out of memory with gigabytes free; 36.5.0 mends it. Source: field reports."""
_PIP_KNOWS_ORIN = (10, 16)
"""pip's TensorRT has code for SM 87 from here on. Source: the wheels' cubins, listed; NVIDIA forum topic 364236."""
_JETPACK_7 = (39,)
_REBUILD = "build the release again: a builder device of this kind compiles for it"


def judge(engine: Mapping[str, str], facts: DeviceFacts) -> Iterator[Finding]:
    """Every reason, for an engine's facts from the manifest and a device's."""
    gpu = next((one for one in facts.accelerators if one.kind == "tensorrt"), None)
    if engine.get("format", "").startswith("tensorrt-rtx"):
        needed, cure = (
            "an engine of TensorRT",
            "TensorRT-RTX makes engines for desktop GPUs: build for the board's target",
        )
        yield from _kept(refuse(False, "the engine", "TensorRT-RTX's", needed, cure))
        return
    if gpu is None:
        yield from _kept(
            refuse(False, "the GPU", "", f"SM {engine.get('sm') or '8.7'}", "build for a target of this board")
        )
        return
    checks = (
        *_library(engine, gpu, facts),
        *_silicon(engine, gpu),
        *_power(engine, gpu),
        *_system(engine, gpu, facts),
    )
    yield from (found for found in checks if found)


def _library(engine: Mapping[str, str], gpu: Accelerator, facts: DeviceFacts) -> Iterator[Finding | None]:
    found, needed = leading_version(gpu.runtime_version), leading_version(engine.get("tensorrt", ""))
    if not gpu.runtime_version:
        yield refuse(False, LIBRARY, "", needed, "apt-get install tensorrt python3-libnvinfer, from JetPack's archive")
    elif found and needed:
        shorter = min(found.count("."), needed.count(".")) + 1
        same = version_tuple(found)[:shorter] == version_tuple(needed)[:shorter]
        yield refuse(same, LIBRARY, found, f"{needed}: all four numbers count", _REBUILD)
    yield _pip(facts, found)


def _pip(facts: DeviceFacts, own: str) -> Finding | None:
    """One of the board's own version may be the board maker's wheel, which loads the board's library."""
    pip, known = facts.pip_tensorrt, version_tuple(facts.pip_tensorrt) >= _PIP_KNOWS_ORIN
    wrong = "" if known else ", which has no code for SM 87"
    if known and version_tuple(facts.l4t) < _JETPACK_7:
        wrong = ", which is for CUDA 13"
    if version_tuple(pip)[:3] == version_tuple(own)[:3]:
        wrong = ""
    subject, cure = "the TensorRT that Python finds first", "pip uninstall every tensorrt package: JetPack has its own"
    return (refuse if wrong else warn)(not pip, subject, f"pip's {pip}{wrong}", f"the board's own {own}".strip(), cure)


def _silicon(engine: Mapping[str, str], gpu: Accelerator) -> Iterator[Finding | None]:
    sm, dla = engine.get("sm", ""), engine.get("dla", "")
    yield refuse(not sm or not gpu.sm or sm == gpu.sm, CAPABILITY, gpu.sm, sm, _REBUILD)
    if re.fullmatch("[0-9]{1,2}", dla):
        cure = "leave dla_core out of the recipe: Orin Nano has no DLA, Orin NX 8GB one, the others two"
        yield refuse(int(dla) < gpu.dla_cores, "the number of DLA cores", str(gpu.dla_cores), f"core {dla}", cure)


def _power(engine: Mapping[str, str], gpu: Accelerator) -> Iterator[Finding | None]:
    count = engine.get("sm_count", "")
    if re.fullmatch("[1-9][0-9]{0,3}", count) and gpu.sm_count:
        cure = "choose the power mode it was built in: sudo nvpmodel -m"
        yield warn(gpu.sm_count == int(count), SM_COUNT, str(gpu.sm_count), count, cure)
    built, now = (
        _mode(engine.get("power_mode", ""), engine.get("power_conf", "")),
        _mode(gpu.power_mode, gpu.power_conf),
    )
    fits = not engine.get("power_mode") or not gpu.power_mode or built == now
    yield warn(fits, POWER_MODE, now, built, "sudo nvpmodel -m with that mode's number: engines are tuned for it")


def _system(engine: Mapping[str, str], gpu: Accelerator, facts: DeviceFacts) -> Iterator[Finding | None]:
    built, now = version_tuple(engine.get("l4t", "")), version_tuple(facts.l4t)
    if built and now:
        yield refuse(built[:1] == now[:1], "L4T", facts.l4t, f"{engine['l4t']}, where it was built", _REBUILD)
        other = built[:1] == now[:1] and built[:2] != now[:2]
        yield warn(
            not other, "L4T", facts.l4t, f"{engine['l4t']}, where it was built", "golden frames decide on the board"
        )
    bad = facts.l4t in _NVMAP_REGRESSION
    cure = "update to 36.5.0 or newer: this release runs out of NvMap memory"
    yield warn(not bad, "L4T", facts.l4t, "one without the NvMap fault", cure)
    cuda, there = version_tuple(engine.get("cuda", "")), version_tuple(gpu.cuda)
    newer = bool(cuda and there) and cuda[:1] > there[:1]
    yield refuse(not newer, "CUDA", gpu.cuda, engine.get("cuda", ""), "update the board's JetPack, or " + _REBUILD)


def _kept(found: Finding | None) -> list[Finding]:
    return [found] if found else []


def _mode(mode: str, conf: str) -> str:
    conf = conf.removesuffix(".conf")
    return f"{mode} of {conf}" if conf else mode
