"""Finds a free and suitable builder device, and has it compile an engine."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from edgekit.errors import EngineError, InputError, LockHeld, RolloutError, Unreachable
from edgekit.host.engine.builder.answers import BuilderFault, details_of, distrust, one_line
from edgekit.host.engine.builder.client import AgentClient, Held
from edgekit.host.engine.builder.devices import BuilderDevice, Builders
from edgekit.host.engine.builder.job import DeviceJob
from edgekit.host.engine.builder.work import Work
from edgekit.host.engine.record import CompiledEngine
from edgekit.host.probe import read_facts
from edgekit.host.progress import Progress
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.target import Accelerator, Target
from edgekit.schema.units import counted

_POLL_S = 2.0
_MEND = "mend that, or name another device: --builder root@HOST"


def compile_on_device(
    job: DeviceJob, builders: Builders, progress: Progress, check: Callable[[CompiledEngine], object]
) -> CompiledEngine:
    """Have the first free and suitable device compile an engine.

    Args:
        job: the engine.
        builders: the devices, and what they are sent.
        progress: is told of each step.
        check: reads the content of what a device compiled; raises EngineError, and the next device is asked.

    Raises:
        EngineError: there is none, or the model cannot be compiled or run there.
        LockHeld: all are taken, for long.
        Unreachable: the link broke.
    """
    if not builders.devices:
        raise no_builder(job.target, job.accelerator)
    return _Search(job, builders, progress, check).run()


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

    def __init__(
        self, job: DeviceJob, builders: Builders, progress: Progress, check: Callable[[CompiledEngine], object]
    ) -> None:
        self._job, self._builders, self._progress, self._check = job, builders, progress, check
        self._failures: list[EngineError | Unreachable] = []
        """Why each device that was asked has not compiled it."""

    def run(self) -> CompiledEngine:
        until, waiting = time.monotonic() + self._builders.wait_s, list(self._builders.devices)
        while waiting:
            held: dict[str, Held] = {}
            for device in list(waiting):
                try:
                    return self._ask(device)
                except Held as taken:
                    held[device.name] = taken
                except (BuilderFault, Unreachable) as failure:
                    waiting.remove(device)
                    self._failures.append(failure)
                    if waiting:
                        self._progress.note(f"{failure.message}; another builder is asked")
            if held:
                self._wait(held, until)
        raise self._none_can()

    def _ask(self, device: BuilderDevice) -> CompiledEngine:
        """Have a device do it. Raises BuilderFault or Unreachable where another may be asked, and Held."""
        job, builders = self._job, self._builders
        try:
            with _reserved(device, job, builders) as client:
                facts = self._facts_of(device)
                reasons = builders.judge(job.target, job.accelerator, facts)
                if reasons:
                    raise _unfit(device, reasons)
                work = Work(job, builders, client, self._progress)
                return work.run(facts, lambda: self._facts_of(device), self._check)
        finally:
            device.executor.close()

    def _facts_of(self, device: BuilderDevice) -> DeviceFacts:
        try:
            return read_facts(device.executor, interpreter=self._job.target.os.python_path)
        except (InputError, RolloutError) as error:
            raise distrust(device.name, one_line(error.message), details=details_of(error.details)) from None

    def _wait(self, held: dict[str, Held], until: float) -> None:
        message = "; ".join(f"{name}: {who}" for name, who in held.items())
        if time.monotonic() >= until:
            raise LockHeld(message, hint="wait for it, or name another device: --builder root@HOST")
        self._progress.note(f"waiting for a builder; {message}")
        time.sleep(_POLL_S)

    def _none_can(self) -> EngineError | Unreachable:
        """What to tell of several failures: one that no other link mends."""
        failures = sorted(self._failures, key=lambda failure: isinstance(failure, Unreachable))
        if len(failures) == 1 or isinstance(failures[0], Unreachable):
            return failures[0]
        details = "\n".join(text for one in failures for text in (one.message, one.details) if text)
        return EngineError(
            f"{failures[0].message} (and {counted(len(failures) - 1, 'other builder')} failed)",
            hint=_MEND,
            details=details,
        )


def _unfit(device: BuilderDevice, reasons: tuple[str, ...]) -> BuilderFault:
    more = f" (and {counted(len(reasons) - 1, 'more reason')})" if len(reasons) > 1 else ""
    return BuilderFault(
        f"{device.name} must not compile: {reasons[0]}{more}", hint=_MEND, details="\n".join(reasons[1:])
    )


@contextmanager
def _reserved(device: BuilderDevice, job: DeviceJob, builders: Builders) -> Iterator[AgentClient]:
    with AgentClient(device, device.executor, job.target.os.python_path, builders.patience) as client:
        client.reserve(builders.holder, job.name)
        yield client
