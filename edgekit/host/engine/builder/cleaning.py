"""Deletes what a builder device keeps: sent files, packages, jobs and what they left."""

from __future__ import annotations

from edgekit.host.engine.builder.client import AgentClient, Held
from edgekit.host.engine.builder.devices import BuilderDevice, Patience
from edgekit.schema.board import PYTHON

_WHAT = "nothing: it is being cleaned"


def clean_device(device: BuilderDevice, holder: str, patience: Patience) -> int:
    """Delete it all, under the device's lock, so that nothing is taken from under a compiler.

    Args:
        device: the device.
        holder: who does it, for others who meet the lock.
        patience: how long the device may take.

    Returns:
        How many bytes were freed.

    Raises:
        EngineError: the device cannot, or answers nonsense.
        LockHeld: somebody compiles there.
        Unreachable: it does not answer.
    """
    try:
        with AgentClient(device, device.executor, PYTHON, patience) as client:
            client.reserve(holder, _WHAT)
            return client.clean()
    except Held as held:
        raise held.as_error(device.name) from None
    finally:
        device.executor.close()
