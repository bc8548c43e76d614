"""A builder device on this machine that says other things of itself, or lies: its agent is edgekit's own, changed."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from typing import Any

from edgekit.executor import Completed, Executor, Stream
from edgekit.executor.local import LocalExecutor
from edgekit.schema.answer import ANSWER_MARK

_START = 'if __name__ == "__main__":'
ORIN: dict[str, Any] = {
    "kind": "tensorrt",
    "soc": "tegra234",
    "runtime_version": "10.3.0.30-1+cuda12.5",
    "sm": "8.7",
    "sm_count": 8,
    "cuda": "12.6",
    "power_mode": "25W",
    "power_conf": "nvpmodel_p3767_0003_super.conf",
}
"""The GPU of an Orin Nano in its deployment mode, as facts have it."""
BUILT_ON_ORIN = {"toolkit": "10.3.0", "sm": "8.7", "sm_count": 8}
"""What the process that compiles there says of it."""


class BoardExecutor:
    """Runs everything here. See `Executor`."""

    def __init__(
        self,
        *facts: Mapping[str, Any],
        lies: str = "",
        executor: Executor | None = None,
    ) -> None:
        """Say what is different.

        Args:
            facts: what its facts have instead, each time they are asked; the last stays.
            lies: Python that changes the class `Agent` before it serves.
            executor: what really runs programs.
        """
        self.executor = executor or LocalExecutor()
        self.name = self.executor.name
        self.facts, self.lies = list(facts), lies

    def run(self, argv: Sequence[str], **how: Any) -> Completed:
        done = self.executor.run(argv, **how)
        if "--state" not in argv or not self.facts:
            return done
        greeting, mark, text = done.stdout.rpartition(f"{ANSWER_MARK}\n".encode())
        changes = self.facts.pop(0) if len(self.facts) > 1 else self.facts[0]
        text = changes["text"] if "text" in changes else json.dumps(json.loads(text) | changes).encode()
        return dataclasses.replace(done, stdout=greeting + mark + text)

    def open(self, argv: Sequence[str]) -> Stream:
        return self.executor.open([word.replace(_START, f"{self.lies}\n{_START}") for word in argv])

    def close(self) -> None:
        self.executor.close()
