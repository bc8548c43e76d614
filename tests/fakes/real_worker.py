"""Releases whose worker is the real one of this checkout, with drawn cameras whose truth a stage of its own takes."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import edgekit
from edgekit.host.travels import WORKER, travelling_files
from edgekit.schema.plan import LanePlan, StagePlan, WorkerPlan
from edgekit.schema.recipe import Health
from edgekit.schema.sink import RecipeSink
from edgekit.schema.source import SyntheticSource
from tests.fakes.releases import FakeRelease, make_plan, make_release

_PACKAGE = Path(edgekit.__file__).parent
_TRUTH = b"""\
from edgekit.stage import Stage


class Truth(Stage):
    def __call__(self, frame):
        frame.detections = frame.truth
        return frame
"""


def drawn_plan(sinks: dict[str, RecipeSink], *streams: str, version: str = "1.0.0") -> WorkerPlan:
    """Streams of 640x360 whose boxes cross a line in the middle, and these sinks on a lane that drops."""
    stage = {"lane": "all", "engine": "", "entry": "", "options": {}}
    line = {"lines": {"middle": {"start_px": [320, 360], "end_px": [320, 0]}}, "anchor": "centre"}
    source = SyntheticSource(kind="synthetic", lane="all", width_px=640, height_px=360, fps=10.0)
    lanes = {"all": ("block", 4), "viewers": ("drop_oldest", 2)}
    return replace(
        make_plan(version=version, python=sys.executable, health=Health(min_fps=2.0, settle_s=0.5, start_s=60.0)),
        app="app",
        sources={name: replace(source, seed=number) for number, name in enumerate(streams)},
        stages=(
            StagePlan(name="truth", kind="python", **{**stage, "entry": "truth:Truth"}),
            StagePlan(name="follow", kind="bytetrack", **stage),
            StagePlan(name="middle", kind="lines", **{**stage, "options": line}),
        ),
        sinks=sinks,
        lanes={name: LanePlan(cpus=(), queue=queue, drop=drop) for name, (drop, queue) in lanes.items()},
        limits=replace(make_plan().limits, cpuset_cpus=tuple(sorted(os.sched_getaffinity(0)))),
    )


def real_release(
    plan: WorkerPlan, sign: Callable[[bytes], bytes], truth: bytes = _TRUTH, extra: Mapping[str, bytes] | None = None
) -> FakeRelease:
    """The release of a plan, with the module of its stage; packages of others are those of the tests' Python.

    It carries the worker as a build's release does: a worker sees nothing of the checkout, wherever that lies.
    """
    return make_release(plan=plan, extra={**_worker(), "app/truth.py": truth, **(extra or {})}, sign=sign)


@functools.cache
def _worker() -> dict[str, bytes]:
    return {f"site/edgekit/{name}": (_PACKAGE / name).read_bytes() for name in travelling_files(_PACKAGE, WORKER)}
