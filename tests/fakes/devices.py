"""Devices of a test and the way to them: executors that answer facts, and keepers that are not there."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from edgekit.executor import Executor
from edgekit.host.link.inventory import Inventory
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.schema.answer import ANSWER_MARK
from edgekit.schema.fleet import Device
from tests.fakes.scripted import ScriptedExecutor

MARK = f"\n{ANSWER_MARK}\n".encode()


def access_to(executors: Mapping[str, Executor | Exception], **fields: Any) -> DeviceAccess:
    """The way to devices of these names; an exception is raised when the device is connected to."""
    devices = {name: Device(name=name, address=f"root@{name}", **fields) for name in executors}

    def connect(device: Device) -> Executor:
        found = executors[device.name]
        if isinstance(found, Exception):
            raise found
        return found

    return DeviceAccess(inventory=Inventory(devices=devices, allowed_signers=None), connect=connect)


class FactsExecutor(ScriptedExecutor):
    """A device that tells these facts to whoever probes it."""

    def __init__(self, facts: Mapping[str, Any], before: Callable[[], None] = lambda: None) -> None:
        super().__init__(stdout=MARK + json.dumps(facts).encode())
        self.before = before
        self.closed = 0

    def run(self, *args: Any, **options: Any) -> Any:
        """See `Executor.run`."""
        self.before()
        return super().run(*args, **options)

    def close(self) -> None:
        """See `Executor.close`."""
        self.closed += 1
