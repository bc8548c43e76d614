"""`edgekit deploy --plan`: which devices could run a release, and what each would be sent, to the byte."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

from edgekit.errors import EdgekitError
from edgekit.host.link.client import KeeperClient
from edgekit.host.release.folder import open_release
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.host.workflow.fitting import DeviceFit, FleetFit, ask_devices
from edgekit.host.workflow.past_releases import deltas_of
from edgekit.host.workflow.shipment import SendLimits, Shipment, outgoing_release
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.fleet import Device

_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFigures:
    """What one device would be sent."""

    device: str
    send_bytes: int = 0
    """Of the release on the wire: requests and what they carry, without SSH's own; the manifest went there already."""
    offer_bytes: int = 0
    """What asking took: the manifest."""
    files: int = 0
    patches: int = 0
    """Of the files."""
    file_bytes: int = 0
    """What the device gets of files by that."""
    unknown: str = ""
    """Why it could not be told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan(FleetFit):
    """What deploying a release to devices would come to."""

    transfers: tuple[TransferFigures, ...]
    """In the order of `devices`."""


def plan_deploys(
    release: Path, names: Sequence[str], access: DeviceAccess, station: Workstation, limits: SendLimits
) -> DeployPlan:
    """Ask many devices at once. What becomes of each is a value, never an error.

    Args:
        release: its folder.
        names: the devices.
        access: the way there.
        station: this machine.
        limits: what may be sent.

    Raises:
        InputError: there is no release.
        NothingSelected: there is no such device.
    """
    fit = ask_devices(release, names, access, station)
    outgoing, deltas = outgoing_release(open_release(release)), deltas_of(station)

    def one(found: DeviceFit) -> TransferFigures:
        if not found.fits:
            return TransferFigures(device=found.device, unknown=found.unreachable or found.fault or "it does not fit")
        shipment = Shipment(
            device=found.device, release=outgoing, progress=station.progress, deltas=deltas, limits=limits
        )
        return _figures(access.find(found.device), shipment, access)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        transfers = tuple(pool.map(one, fit.devices))
    return DeployPlan(**{field.name: getattr(fit, field.name) for field in fields(fit)}, transfers=transfers)


def _figures(device: Device, shipment: Shipment, access: DeviceAccess) -> TransferFigures:
    try:
        with access.executor(device) as executor, KeeperClient(device, executor) as keeper:
            offer = shipment.offer(keeper, keeper.status())
            transfer, count = shipment.count(keeper, offer)
    except EdgekitError as error:
        return TransferFigures(device=device.name, unknown=error.message)
    return TransferFigures(
        device=device.name,
        send_bytes=count,
        offer_bytes=shipment.sent.wire_bytes,
        files=len(transfer),
        patches=transfer.patches,
        file_bytes=transfer.file_bytes,
    )
