"""Which devices there are: `fleet.toml`, the boards that `edgekit board up` runs, and plain addresses."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import InputError, NothingSelected
from edgekit.executor.address import parse_address
from edgekit.host.settings import Settings
from edgekit.host.toml_file import read_toml
from edgekit.schema.fleet import HOST, Device, DeviceFile, Fleet, GivenSettings, ReadFrom, SettingsFile
from edgekit.schema.reader import from_json, to_raw

LOCAL = "local"
_NO_FLEET = "_"
"""Where the trust file of devices lies that are of no fleet: no fleet can have that name."""
_LISTED = 20
"""Names in a hint; a fleet has hundreds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A value for a setting, as written."""

    value: str | float | bool | ReadFrom
    file: Path
    """In which it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """All devices with a name: the fleet's, and running boards. Read once, however many devices are asked for."""

    devices: Mapping[str, Device]
    allowed_signers: Path | None
    """The file that fleet.toml names; None where it names none."""
    fleet_file: Path = Path("fleet.toml")
    fleet: str = ""
    """The fleet's name; empty where it has none."""
    trust: Path = Path("/nonexistent")
    """Folder of its trust file."""
    settings: Mapping[str, Mapping[str, Mapping[str, Given]]] = field(default_factory=dict)
    """Values for applications' settings: `device -> application -> setting -> value`; under "" those of all devices."""

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

    def given(self, device: str, application: str) -> dict[str, Given]:
        """What fleet.toml gives an application on a device: what all devices have, and what counts before it."""
        return {
            **self.settings.get("", {}).get(application, {}),
            **self.settings.get(device, {}).get(application, {}),
        }

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
    fleet = _fleet(settings)
    named = {name: _device(name, device) for name, device in fleet.devices.items()}
    signers = file.parent / fleet.allowed_signers if fleet.allowed_signers else None
    given = {"": _given(fleet.settings, file)}
    given |= {name: _of_device(device, file) for name, device in fleet.devices.items()}
    return Inventory(
        devices=boards | named,
        allowed_signers=signers,
        fleet_file=file,
        fleet=fleet.name,
        trust=file.parent / fleet.trust if fleet.trust else settings.trust_dir / (fleet.name or _NO_FLEET),
        settings=given,
    )


def fleet_name(settings: Settings) -> str:
    """The name in fleet.toml; empty where there is none. Raises InputError where that file is wrong."""
    return _fleet(settings).name


def _fleet(settings: Settings) -> Fleet:
    """fleet.toml; empty where there is none."""
    return read_toml(Fleet, settings.fleet_file) if settings.fleet_file.exists() else Fleet()


def _device(name: str, written: DeviceFile) -> Device:
    raw = to_raw(written)
    return Device(name=name, **{key: raw[key] for key in raw if key not in ("settings", "settings_file")})


def _of_device(written: DeviceFile, fleet_file: Path) -> dict[str, dict[str, Given]]:
    """A device's settings, each with the file that gives it."""
    own = _given(written.settings, fleet_file)
    if not written.settings_file:
        return own
    file = fleet_file.parent / written.settings_file
    beside = _given(read_toml(SettingsFile, file, hint=f"write {file}, or leave out settings_file").settings, file)
    return {name: {**beside.get(name, {}), **own.get(name, {})} for name in {**beside, **own}}


def _given(settings: GivenSettings, file: Path) -> dict[str, dict[str, Given]]:
    return {
        application: {name: Given(value=value, file=file) for name, value in values.items()}
        for application, values in settings.items()
    }


def known_devices(settings: Settings) -> Mapping[str, Device]:
    """All devices with a name. See `Inventory.devices`."""
    return read_inventory(settings).devices


def _board_files(settings: Settings) -> list[Path]:
    return sorted((settings.state_dir / "boards").glob("*/device.json"))
