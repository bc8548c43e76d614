"""The devices that one job asks, and the way to each: fleet.toml and the user's SSH files are read once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from edgekit.executor import Executor
from edgekit.host.link.client import KeeperClient
from edgekit.host.link.connection import Connector
from edgekit.host.link.inventory import Inventory, read_inventory
from edgekit.host.settings import Settings
from edgekit.schema.fleet import Device


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceAccess:
    """Finds devices by name and reaches them. Threads may share it."""

    inventory: Inventory
    connect: Callable[[Device], Executor]

    def find(self, name: str) -> Device:
        """The device that a user means. See `Inventory.find`."""
        return self.inventory.find(name)

    @contextmanager
    def executor(self, device: Device) -> Iterator[Executor]:
        """What runs programs on a device; the connection is made at its first use and closed at the end."""
        executor = self.connect(device)
        try:
            yield executor
        finally:
            executor.close()

    @contextmanager
    def keeper(self, name: str) -> Iterator[KeeperClient]:
        """A conversation with the keeper of the device that a user means.

        Raises:
            NothingSelected: there is no such device.
            Unreachable: it does not answer, or has no keeper.
        """
        device = self.find(name)
        with self.executor(device) as executor, KeeperClient(device, executor) as keeper:
            yield keeper


def device_access(settings: Settings) -> DeviceAccess:
    """Read which devices there are.

    Raises:
        InputError: fleet.toml is wrong.
    """
    return DeviceAccess(inventory=read_inventory(settings), connect=Connector().connect)
