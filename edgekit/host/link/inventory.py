"""Which devices there are: `fleet.toml`, the boards that `edgekit board up` runs, and plain addresses."""

from __future__ import annotations

import difflib
from pathlib import Path

from edgekit.errors import InputError, NothingSelected
from edgekit.executor.address import parse_address
from edgekit.host.settings import Settings
from edgekit.host.toml_file import read_toml
from edgekit.schema.fleet import Device, Fleet
from edgekit.schema.reader import from_json, to_raw

LOCAL = "local"


def find_device(name: str, settings: Settings) -> Device:
    """Find a device by its name in fleet.toml, a running board's name, `USER@HOST[:PORT]`, or `local`.

    Raises:
        NothingSelected: none of these; names the closest.
        InputError: fleet.toml is wrong.
    """
    known = known_devices(settings)
    if name in known:
        return known[name]
    if name == LOCAL:
        return Device(name=LOCAL, address=LOCAL)
    if "@" in name:
        try:
            parse_address(name)
        except ValueError:
            raise InputError(f"{name!r} is no address", hint="write USER@HOST or USER@HOST:PORT") from None
        return Device(name=name, address=name)
    closest = difflib.get_close_matches(name, known, n=1)
    meant = f"; did you mean {closest[0]}?" if closest else ""
    listed = ", ".join(sorted(known)) or "none"
    hint = f"give USER@HOST, a name from fleet.toml, or start a board: edgekit board up --name {name} (known: {listed})"
    raise NothingSelected(f"there is no device {name!r}{meant}", hint=hint)


def known_devices(settings: Settings) -> dict[str, Device]:
    """All devices with a name: the fleet's, and running boards."""
    devices = {file.parent.name: from_json(Device, file.read_bytes(), str(file)) for file in _board_files(settings)}
    return devices | _fleet_devices(settings.fleet_file)


def fleet_signers(settings: Settings) -> Path | None:
    """The allowed signers that fleet.toml names, relative to it; None where it names none."""
    named = _read_fleet(settings.fleet_file).allowed_signers
    return settings.fleet_file.parent / named if named else None


def _board_files(settings: Settings) -> list[Path]:
    return sorted((settings.state_dir / "boards").glob("*/device.json"))


def _fleet_devices(file: Path) -> dict[str, Device]:
    return {name: Device(name=name, **to_raw(device)) for name, device in _read_fleet(file).devices.items()}


def _read_fleet(file: Path) -> Fleet:
    return read_toml(Fleet, file) if file.exists() else Fleet()
