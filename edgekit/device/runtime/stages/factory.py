"""Makes stages out of a plan: each with its options, its engine, and what all streams share."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit.device.runner import Runner, load
from edgekit.device.runtime.stages import close_stage, find_class
from edgekit.schema.plan import StagePlan, WorkerPlan
from edgekit.schema.reader import from_raw
from edgekit.stage import SharedContext, Stage, StageContext, StreamInfo


class StageFactory:
    """Makes the stages of one plan. Close it after them: that closes what they share."""

    def __init__(self, plan: WorkerPlan, release: Path, runners: Mapping[str, Runner]) -> None:
        """Make nothing yet.

        Args:
            plan: says what the stages are.
            release: the release's folder.
            runners: the plan's engines, loaded; whoever loaded them closes them.
        """
        self.plan = plan
        self.release = release
        self.runners = dict(runners)
        self._shared: dict[str, Any] = {}
        self._making = threading.Lock()
        """Two streams may begin at once, each on a thread of the lane."""

    def make(self, stage: StagePlan, stream: StreamInfo) -> Stage:
        """A stage for one stream.

        Raises:
            InputError: its options are wrong, or its class cannot be made.
        """
        cls = find_class(stage.kind, stage.entry)
        engines = self.plan.engines
        model = stage.engine or (next(iter(engines)) if len(engines) == 1 else "")
        options = _options(cls, stage)
        context = StageContext(
            name=stage.name,
            options=options,
            stream=stream,
            release=self.release,
            model=model,
            runner=self.runners[model] if stage.engine or (model and stage.kind == "preprocess") else None,
            contract=engines[model].input if model else None,
            shared=self._share(cls, stage.name, options),
            feeds=engines[model].feeds if model else {},
        )
        made: Stage = cls(context)
        return made

    def close(self) -> None:
        """Close what stages share; all of it, even where one fails."""
        try:
            while self._shared:
                close_stage(self._shared.popitem()[1])
        finally:
            if self._shared:
                self.close()

    def _share(self, cls: Any, name: str, options: Any) -> Any:
        shared = getattr(cls, "Shared", None)
        with self._making:
            if shared is not None and name not in self._shared:
                self._shared[name] = shared(SharedContext(name=name, options=options, release=self.release))
            return self._shared.get(name)


def load_runners(plan: WorkerPlan, release: Path, cache: Path | None = None) -> dict[str, Runner]:
    """Load every engine; `cache` keeps what makes the next start faster. Raises InputError where one cannot be."""
    return {name: load(engine, release, cache=cache) for name, engine in plan.engines.items()}


def _options(cls: Any, stage: StagePlan) -> Any:
    options = getattr(cls, "Options", None)
    if options is None:
        return stage.options
    return from_raw(options, stage.options, "recipe.toml", key=f"pipeline.stages.{stage.name}.options")
