"""One served model: what it says of itself, and the way of a request to the lane that runs it, and back."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from edgekit.device.runner import Runner
from edgekit.device.runner.tensors import Tensor, Tensors, TensorSpec
from edgekit.device.runtime.failures import FailureLog
from edgekit.device.runtime.schedule.lanes import Lane
from edgekit.device.runtime.schedule.served import ServedRequest
from edgekit.device.runtime.server.refusal import Refusal, busy
from edgekit.device.runtime.server.tensors import MAX_JSON_BYTES, NAMES, described, sizes_of
from edgekit.errors import EdgekitError

VERSION = "1"
"""Of every model: a release has one of each."""
_NOT_RUNNING = "the application is ending, or its streams have ended"


def served_stream(model: str) -> str:
    """The name of the stream that a model's requests are; no source has such a name."""
    return f"serve/{model}"


class ServedModel:
    """Called on the server's thread, but for what a lane's thread calls in `_Job`."""

    def __init__(
        self, name: str, platform: str, runner: Runner, lane: Lane, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Serve one model.

        Args:
            name: its name in the recipe.
            platform: the kind of its runner.
            runner: its engine, loaded.
            lane: runs it, and knows `served_stream(name)`.
            clock: monotonic seconds, the lane's.
        """
        self.name, self.runner = name, runner
        self._platform, self._lane, self._clock = platform, lane, clock
        self._sequence = 0
        self._log = FailureLog(f"serve {name}", clock)

    @property
    def unservable(self) -> str:
        """Why the protocol has no words for it; empty where it has."""
        strange = [spec.name for spec in (*self.runner.inputs, *self.runner.outputs) if spec.dtype not in NAMES]
        return f"model {self.name} is not served: {strange[0]} is no tensor of numbers" if strange else ""

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        """What a request has to bring."""
        return self.runner.inputs

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        """What its answer holds."""
        return self.runner.outputs

    @property
    def most_bytes(self) -> int:
        """Of a request's body: all inputs as bytes, and JSON before them."""
        return sizes_of(self.inputs) + MAX_JSON_BYTES

    @property
    def ready(self) -> bool:
        """Whether its lane runs."""
        return not self._lane.ended.is_set()

    def metadata(self) -> dict[str, Any]:
        """Source: Predict Protocol - Version 2, "Model Metadata"."""
        return {
            "name": self.name,
            "versions": [VERSION],
            "platform": f"edgekit_{self._platform}",
            "inputs": described(self.inputs),
            "outputs": described(self.outputs),
        }

    def config(self) -> dict[str, Any]:
        """Source: Triton, "Model Configuration Extension": what clients read of it."""
        return {
            "name": self.name,
            "platform": f"edgekit_{self._platform}",
            "max_batch_size": 0,
            "input": _configured(self.inputs),
            "output": _configured(self.outputs),
        }

    async def infer(self, tensors: Tensors, gone: asyncio.Future[Any]) -> Tensors:
        """Run it once, when it is its turn; `gone` is done once nobody waits for the answer.

        Raises:
            Refusal: it could not be.
        """
        if not self.ready:
            raise busy(_NOT_RUNNING)
        job = _Job(self.runner, tensors, asyncio.get_running_loop(), self._log)
        gone.add_done_callback(job.abandon)
        self._sequence += 1
        self._lane.queues.put(
            ServedRequest(
                stream=served_stream(self.name),
                sequence=self._sequence,
                captured_s=self._clock(),
                work=job.work,
                refuse=job.refuse,
            )
        )
        return await job.answer


class _Job:
    """One inference, between two threads."""

    def __init__(self, runner: Runner, tensors: Tensors, loop: asyncio.AbstractEventLoop, log: FailureLog) -> None:
        self._runner, self._loop, self._log = runner, loop, log
        self._tensors: Tensors | None = tensors
        self.answer: asyncio.Future[dict[str, Tensor]] = loop.create_future()

    def work(self) -> None:
        """On the lane's thread."""
        tensors, self._tensors = self._tensors, None
        if tensors is None:  # whoever asked has gone
            return
        try:
            found: dict[str, Tensor] | Refusal = self._runner.infer(tensors)
        except EdgekitError as error:
            found = Refusal(500, error.message)
        except Exception as error:
            self._log.write("failed on a request", error)
            found = Refusal(500, "the engine failed on this request: the application's log says more")
        self._settle(found)

    def refuse(self, _cause: str) -> None:
        """Its lane has dropped it: it drops requests only where it ends."""
        self._tensors = None
        self._settle(busy(_NOT_RUNNING))

    def abandon(self, _gone: object) -> None:
        """Nobody waits for it any more. On the loop's thread."""
        self._tensors = None
        self.answer.cancel()

    def _settle(self, found: dict[str, Tensor] | Refusal) -> None:
        with suppress(RuntimeError):  # the loop has ended, and who waited with it
            self._loop.call_soon_threadsafe(self._hand_over, found)

    def _hand_over(self, found: dict[str, Tensor] | Refusal) -> None:
        if self.answer.done():
            return
        if isinstance(found, Refusal):
            self.answer.set_exception(found)
        else:
            self.answer.set_result(found)


def _configured(specs: tuple[TensorSpec, ...]) -> list[dict[str, Any]]:
    return [{"name": spec.name, "data_type": f"TYPE_{NAMES[spec.dtype]}", "dims": list(spec.shape)} for spec in specs]
