"""Which devices there are: `fleet.toml`, the boards that `edgekit board up` runs, and plain addresses."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError, NothingSelected
from edgekit.executor.address import parse_address
from edgekit.host.settings import Settings
from edgekit.host.toml_file import read_toml
from edgekit.schema.fleet import HOST, Device, Fleet
from edgekit.schema.reader import from_json, to_raw

LOCAL = "local"
_LISTED = 20
"""Names in a hint; a fleet has hundreds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All devices with a name: the fleet's, and running boards. Read once, however many devices are asked for."""

    devices: Mapping[str, Device]
    allowed_signers: Path | None
    """The file that fleet.toml names; None where it names none."""

    def find(self, name: str) -> Device:
        """Find a device by its name in fleet.toml, a running board's name, `USER@HOST[:PORT]`, or `local`.

        Raises:
            NothingSelected: there is none of these; the message names the closest.
            InputError: it looks like an address and is not one.
        """
        if name in self.devices:
            return self.devices[name]
        if name == LOCAL:
            return Device(name=LOCAL, address=LOCAL)
        if "@" in name:
            try:
                parse_address(name)
            except ValueError:
                raise InputError(f"{name!r} is not an address", hint="write USER@HOST or USER@HOST:PORT") from None
            return Device(name=name, address=name)
        raise self._unknown(name)

    def _unknown(self, name: str) -> NothingSelected:
        closest = difflib.get_close_matches(name, self.devices, n=1)
        meant = f"; did you mean {closest[0]}?" if closest else ""
        listed = ", ".join(sorted(self.devices)[:_LISTED]) or "none"
        more = f" and {len(self.devices) - _LISTED} more" if len(self.devices) > _LISTED else ""
        start = f"edgekit board up --{'like' if name == HOST else 'name'} {name}"
        hint = f"give USER@HOST, a name from fleet.toml, or start a board: {start} (known: {listed}{more})"
        return NothingSelected(f"there is no device {name!r}{meant}", hint=hint)


def read_inventory(settings: Settings) -> Inventory:
    """Read fleet.toml and the notes of running boards.

    Raises:
        InputError: fleet.toml is wrong.
    """
    boards = {file.parent.name: from_json(Device, file.read_bytes(), str(file)) for file in _board_files(settings)}
    file = settings.fleet_file
    fleet = read_toml(Fleet, file) if file.exists() else Fleet()
    named = {name: Device(name=name, **to_raw(device)) for name, device in fleet.devices.items()}
    signers = file.parent / fleet.allowed_signers if fleet.allowed_signers else None
    return Inventory(devices=boards | named, allowed_signers=signers)


def known_devices(settings: Settings) -> Mapping[str, Device]:
    """All devices with a name. See `Inventory.devices`."""
    return read_inventory(settings).devices


def _board_files(settings: Settings) -> list[Path]:
    return sorted((settings.state_dir / "boards").glob("*/device.json"))
