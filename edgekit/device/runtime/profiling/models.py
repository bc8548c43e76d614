"""What models take on this machine's CPU: `python -m edgekit.device.runtime.profiling.models`.

A `ModelsRequest` on standard input, a `ModelsReply` on standard output. For recipes that nobody has measured yet.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from edgekit.device.runner import load
from edgekit.device.runtime.profiling.resident import resident
from edgekit.errors import EdgekitError
from edgekit.schema.forecast import ModelsReply, ModelsRequest
from edgekit.schema.message import from_message, to_message

_RUNS = 3
"""The first ones grow the arena. Source: ONNX Runtime, "Memory consumption"."""


def measure_models(request: ModelsRequest) -> ModelsReply:
    """Load each model and run it on zeros."""
    taken: dict[str, int] = {}
    unknown: dict[str, str] = {}
    for name, engine in request.engines.items():
        before = resident().own_bytes
        try:
            runner = load(engine, Path("/"))
            given = {one.name: np.zeros(one.shape, one.dtype) for one in runner.inputs}
            for _ in range(_RUNS):
                runner.infer(given)
        except (EdgekitError, ValueError, TypeError) as error:
            unknown[name] = str(error)
            continue
        taken[name] = max(0, resident().own_bytes - before)
    return ModelsReply(memory_bytes=taken, unknown=unknown)


def main() -> None:
    """Answer one request."""
    request = from_message(ModelsRequest, sys.stdin.buffer.read(), "the request")
    sys.stdout.buffer.write(to_message(measure_models(request)))


if __name__ == "__main__":
    main()
