"""The second part of a model that was split: what an engine answers is computed to its end in float, on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgekit.device.runner.onnxruntime import open_session
from edgekit.errors import InputError
from edgekit.schema.plan import EnginePlan

if TYPE_CHECKING:
    from edgekit.device.runner import Runner


def with_tail(head: Runner, engine: EnginePlan, path: Path, cache: Path | None) -> TailedRunner:
    """Put a tail behind a loaded engine; frees the engine where it cannot be.

    Raises:
        InputError: the tail cannot be loaded.
    """
    try:
        return TailedRunner(head, open_session(engine, path, cache), path.name)
    except BaseException:
        head.close()
        raise


class TailedRunner:
    """An engine and the arithmetic behind it. See `edgekit.device.runner.Runner`; as many threads may call it.

    The tail's threads are the engine's `threads`, where its lanes run.
    """

    def __init__(self, head: Runner, session: Any, name: str) -> None:
        self._head = head
        self._session = session
        self._name = name
        self._inputs = {value.name: tuple(value.shape) for value in session.get_inputs()}
        self._outputs = [output.name for output in session.get_outputs()]

    def infer(self, tensor: npt.NDArray[np.generic]) -> dict[str, npt.NDArray[np.generic]]:
        """See `Runner.infer`. Outputs that the engine gives itself stay.

        Raises:
            InputError: the engine does not give what the tail takes.
        """
        found = self._head.infer(tensor)
        taken = {name: self._as_taken(name, found.pop(name, None)) for name in self._inputs}
        return found | dict(zip(self._outputs, self._session.run(self._outputs, taken), strict=True))

    def close(self) -> None:
        """See `Runner.close`."""
        self._session = None
        self._head.close()

    def _as_taken(self, name: str, array: npt.NDArray[np.generic] | None) -> npt.NDArray[np.float32]:
        """Runtimes may leave axes of one out, or give another float type."""
        shape = self._inputs[name]
        if array is None or array.size != np.prod(shape):
            raise InputError(
                f"{self._name} takes {name} {list(shape)}, and the engine does not give it",
                hint="build the release again",
            )
        return np.ascontiguousarray(array, np.float32).reshape(shape)
