"""Finds a free and suitable builder device, and has it compile an engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from edgekit.errors import EngineError, LockHeld, Unreachable
from edgekit.host.engine.builder.client import AgentClient, Held
from edgekit.host.engine.builder.devices import BuilderDevice, Builders
from edgekit.host.engine.builder.job import DeviceJob
from edgekit.host.engine.builder.work import Work
from edgekit.host.engine.record import CompiledEngine
from edgekit.host.probe import read_facts
from edgekit.host.progress import Progress
from edgekit.schema.target import Accelerator, Target

_POLL_S = 2.0


def compile_on_device(job: DeviceJob, builders: Builders, progress: Progress) -> CompiledEngine:
    """Have the first free and suitable device compile an engine.

    Raises:
        EngineError: there is none, or the model cannot be compiled or run there.
        LockHeld: all are taken, for long.
        Unreachable: the link broke.
    """
    if not builders.devices:
        raise no_builder(job.target, job.accelerator)
    return _Search(job, builders, progress).run()


def no_builder(target: Target, accelerator: Accelerator) -> EngineError:
    """The error where no builder device is named: which one it takes, and how to name it."""
    mode = f" in power mode {accelerator.power_mode}" if accelerator.power_mode else ""
    runtime = {"tensorrt": "TensorRT", "onnxruntime": "ONNX Runtime"}.get(accelerator.kind, accelerator.kind)
    return EngineError(
        f"engines for {target.name} are compiled on such a board: a {target.title} with {runtime} "
        f"{accelerator.runtime_version}{mode}, and no builder device is named",
        hint=f'in fleet.toml: [devices.NAME] address = "root@HOST", target = "{target.name}", '
        'labels = { builder = "yes" }; or build with --builder root@HOST',
    )


class _Search:
    """Asks one device after the other until one has compiled the engine."""

    def __init__(self, job: DeviceJob, builders: Builders, progress: Progress) -> None:
        self._job, self._builders, self._progress = job, builders, progress
        self._unfit: list[str] = []
        self._unreachable: list[Unreachable] = []

    def run(self) -> CompiledEngine:
        until, waiting = time.monotonic() + self._builders.wait_s, list(self._builders.devices)
        while waiting:
            held: dict[str, Held] = {}
            for device in list(waiting):
                try:
                    made = self._ask(device)
                except Held as taken:
                    held[device.name] = taken
                    continue
                if made is not None:
                    return made
                waiting.remove(device)
            if held:
                self._wait(held, until)
        raise self._none_can()

    def _ask(self, device: BuilderDevice) -> CompiledEngine | None:
        """Have a device do it; None where it cannot: the reason is collected. Raises Held."""
        reached = False
        try:
            with _reserved(device, self._job, self._builders.holder) as client:
                reached = True
                facts = read_facts(device.executor, interpreter=self._job.target.os.python_path)
                reasons = self._builders.judge(self._job.target, self._job.accelerator, facts)
                if reasons:
                    self._unfit += [f"{device.name} must not compile: {reason}" for reason in reasons]
                    return None
                return Work(self._job, self._builders.packages, client, self._progress).run(facts)
        except Unreachable as error:
            if reached:
                raise
            self._unreachable.append(error)
            return None
        finally:
            device.executor.close()

    def _wait(self, held: dict[str, Held], until: float) -> None:
        message = "; ".join(f"{name}: {who}" for name, who in held.items())
        if time.monotonic() >= until:
            raise LockHeld(message, hint="wait for it, or name another device: --builder root@HOST")
        self._progress.note(f"waiting for a builder; {message}")
        time.sleep(_POLL_S)

    def _none_can(self) -> EngineError | Unreachable:
        if not self._unfit:
            return self._unreachable[0]
        details = [*self._unfit, *(error.message for error in self._unreachable)]
        more = f" (and {len(details) - 1} more reasons)" if len(details) > 1 else ""
        hint = "mend that, or name another device: --builder root@HOST"
        return EngineError(f"{details[0]}{more}", hint=hint, details="\n".join(details) if more else "")


@contextmanager
def _reserved(device: BuilderDevice, job: DeviceJob, holder: str) -> Iterator[AgentClient]:
    with AgentClient(device, device.executor, job.target.os.python_path) as client:
        client.reserve(holder, job.name)
        yield client
