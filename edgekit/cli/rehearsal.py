"""Holds an accelerator's simulated answers against the recipe's golden frames, through the worker's own stages."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgekit.cli.output import Output
    from edgekit.host.engine.backends import Engine
    from edgekit.host.recipes import RecipeFolder
    from edgekit.schema.plan import WorkerPlan

_TIMEOUT_S = 300.0


def rehearse(folder: RecipeFolder, plan: WorkerPlan, engines: tuple[Engine, ...], out: Output) -> None:
    """Run the golden frames with what the simulator answered; nothing where engines run on this machine anyway.

    Raises:
        EngineError: the recipe finds other things than it must.
    """
    from edgekit.errors import EngineError
    from edgekit.executor.local import LocalExecutor

    if plan.golden is None or not engines or any(engine.answers is None for engine in engines):
        return
    with tempfile.TemporaryDirectory(prefix="edgekit-rehearsal-") as scratch, out.step("running the golden frames"):
        _lay_out(Path(scratch), folder, plan, engines)
        argv = [sys.executable, "-m", "edgekit.device.worker.rehearse", scratch]
        done = LocalExecutor().run(argv, timeout_s=_TIMEOUT_S)
    try:
        told = json.loads(done.text)
    except ValueError:
        raise EngineError("the golden frames cannot be run here", hint="report this", details=done.output) from None
    if "error" in told:
        raise EngineError(told["error"]["message"], hint=told["error"]["hint"])
    if told["wrong"]:
        raise EngineError(
            f"with the compiled engines, golden frames give other answers: {told['wrong'][0]}",
            hint="add calibration pictures, name a tail in quantisation.keep_float, or widen golden's tolerances",
            details="\n".join(told["wrong"]),
        )
    count = len(plan.golden.frames)
    out.note(f"{count} golden frames as expected, within {plan.golden.position_px:g} px and {plan.golden.score:g}")


def _lay_out(scratch: Path, folder: RecipeFolder, plan: WorkerPlan, engines: tuple[Engine, ...]) -> None:
    from edgekit.host.release.plan import CARRIED
    from edgekit.schema.reader import to_json

    assert plan.golden is not None
    (scratch / "plan.json").write_bytes(to_json(plan))
    (scratch / "answers").mkdir()
    for engine in engines:
        assert engine.answers is not None
        shutil.copyfile(engine.answers, scratch / "answers" / f"{engine.entry.name}.npz")
    for path in (*plan.golden.frames, plan.golden.expected):
        (scratch / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder.file(path.removeprefix(f"{CARRIED}/")), scratch / path)
    if folder.app is not None:
        shutil.copytree(folder.app, scratch / "app")
