"""Runs a new engine on frames, by the runner that will run it for good: a smoke test, and answers to verify."""

from __future__ import annotations

import statistics
import time
from pathlib import Path

import numpy as np

from edgekit.device.runner import load
from edgekit.errors import InputError
from edgekit.schema.answers import array_name
from edgekit.schema.building import TrialAnswer, TrialRequest
from edgekit.schema.plan import EnginePlan


def run_trial(request: TrialRequest, folder: Path) -> TrialAnswer:
    """Run every frame once, and write what the engine answers.

    Raises:
        EdgekitError: the engine cannot be loaded or run.
    """
    try:
        frames = np.load(folder / request.frames, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise InputError(f"{request.frames} cannot be read: {error}", hint="report this") from None
    plan = EnginePlan(
        runner=request.kind, path=request.engine, input=request.input, threads=1, dla_core=request.dla_core
    )
    runner = load(plan, folder)
    try:
        answers, times_s = [], []
        for frame in frames:
            began = time.perf_counter()
            answers.append(runner.infer({runner.picture: np.repeat(frame[None], request.input.batch, axis=0)}))
            times_s.append(time.perf_counter() - began)
        memory_bytes = runner.memory_bytes
    finally:
        runner.close()
    outputs = answers[0].keys() if answers else ()
    stacked = {array_name(name): np.stack([answer[name] for answer in answers]) for name in outputs}
    # `allow_pickle=False` would be one more array before numpy 2.1; what a runner gives are numbers alone.
    np.savez(folder / request.answers, **stacked)  # type: ignore[arg-type]
    return TrialAnswer(median_ms=_median_ms(times_s), memory_bytes=memory_bytes)


def _median_ms(times_s: list[float]) -> float:
    later = times_s[1:] or times_s
    return round(statistics.median(later) * 1000, 3) if later else 0.0
