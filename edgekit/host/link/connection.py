"""From a device to something that runs programs on it."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edgekit.errors import InputError
from edgekit.executor import Executor
from edgekit.executor.address import parse_address
from edgekit.executor.local import LocalExecutor
from edgekit.executor.record import record_program
from edgekit.executor.ssh import SshExecutor
from edgekit.executor.ssh_files import SshFiles
from edgekit.host.link.inventory import LOCAL
from edgekit.host.user import user_name
from edgekit.schema.fleet import Device


class Connector:
    """Makes executors for devices; this user's SSH files are read once for all of them. Threads may share it."""

    def __init__(self, files: SshFiles | None = None) -> None:
        """Take this user's SSH files, or those that are given."""
        self._files = files or SshFiles(user=user_name(), home=Path.home())

    def connect(self, device: Device) -> Executor:
        """Give the device's executor; an SSH connection is made at its first use.

        Raises:
            InputError: the device's address is not one, or ssh_config cannot be read.
        """
        if device.address == LOCAL:
            return LocalExecutor(record=record_program)
        try:
            address = parse_address(device.address)
        except ValueError:
            hint = f'write address = "USER@HOST" for {device.name}'
            raise InputError(f"{device.address!r} is not an address", hint=hint) from None
        address = dataclasses.replace(
            address,
            identity=device.identity,
            known_hosts=device.known_hosts,
            host_key_alias=device.host_key_alias,
        )
        return SshExecutor(address, self._files)
