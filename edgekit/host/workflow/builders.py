"""Finds the devices that compile engines, prepares the packages that they need for it, and cleans them."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.host.engine.builder.cleaning import clean_device
from edgekit.host.engine.builder.devices import LABEL, BuilderDevice, Builders, PackageFile, Patience
from edgekit.host.fit.builder import judge_builder
from edgekit.host.user import user_at_machine
from edgekit.host.wheel.needs import wanted_for_builder
from edgekit.host.wheel.resolve import LockFiles
from edgekit.host.workflow.devices import device_access
from edgekit.host.workflow.packages import Own, lay_out_packages
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.target import AcceleratorKind, Target


def find_builders(station: Workstation, target: Target, named: str = "") -> tuple[BuilderDevice, ...]:
    """Devices that may compile for a target, by name; none is asked yet.

    Args:
        station: this machine.
        target: what engines are made for.
        named: the one device that the user wants; empty: those of the target that fleet.toml labels `builder`.

    Raises:
        NothingSelected: there is no device of that name.
        InputError: fleet.toml or ssh_config is wrong.
    """
    access = device_access(station.settings)
    known = access.inventory.devices.values()
    labelled = (device for device in known if device.target == target.name and LABEL in device.labels)
    return tuple(
        BuilderDevice(name=device.name, executor=access.connect(device), prefix=device.prefix)
        for device in ((access.find(named),) if named else labelled)
    )


def equip_builders(
    devices: tuple[BuilderDevice, ...], station: Workstation, target: Target, kind: AcceleratorKind
) -> Builders:
    """Builder devices with what they need to compile for a target. Raises WheelError: a package cannot be had."""
    return Builders(
        devices=devices,
        packages=builder_packages(station, target, kind),
        judge=lambda target, needed, facts: tuple(map(str, judge_builder(target, needed, facts))),
        holder=user_at_machine(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanedBuilder:
    """What was deleted on a builder device."""

    device: str
    folder: str
    """That edgekit keeps there; its lock is left."""
    bytes: int


def clean_builder(name: str, station: Workstation) -> CleanedBuilder:
    """Delete what a builder device keeps.

    Raises:
        NothingSelected: there is no device of that name.
        LockHeld: somebody compiles there.
        Unreachable: it does not answer.
    """
    access = device_access(station.settings)
    found = access.find(name)
    device = BuilderDevice(name=found.name, executor=access.connect(found), prefix=found.prefix)
    with station.progress.step(f"cleaning {device.name}"):
        freed = clean_device(device, user_at_machine(), Patience())
    return CleanedBuilder(device=device.name, folder=device.folder, bytes=freed)


def builder_packages(station: Workstation, target: Target, kind: AcceleratorKind) -> tuple[PackageFile, ...]:
    """Python packages with which a device compiles and tries engines, laid out as a release's are."""
    lock = LockFiles(recipe=None, cache_dir=station.settings.cache_dir)
    laid = lay_out_packages(wanted_for_builder(target, kind), target, lock, station, Own(builder=True))
    return tuple(
        PackageFile(entry=entry, file=one.folder / entry.path)
        for one in (laid.wheels, laid.own)
        for entry in one.content.files
    )
