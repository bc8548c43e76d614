"""What a deployment brings a device to believe, a signature for a step back among it."""

from __future__ import annotations

import time

from edgekit.errors import TrustError
from edgekit.host.link.inventory import Inventory
from edgekit.host.link.outgoing_trust import OutgoingTrust
from edgekit.host.release.folder import ReleaseFolder
from edgekit.host.trust_chain import TrustChain
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.fleet import Device
from edgekit.schema.trust import PERMIT_NAMESPACE, DowngradePermit, SignedDocument, unsigned
from edgekit.schema.units import counted
from edgekit.trust import sign

_PERMIT_S = 3600
"""Long enough to send a release over a slow link."""


def trust_for(
    device: Device, inventory: Inventory, station: Workstation, *, permitted: ReleaseFolder | None
) -> OutgoingTrust:
    """What there is for a device.

    Args:
        device: the device.
        inventory: names its fleet, and that fleet's trust file.
        station: this machine.
        permitted: the release that it may take although it is older than what it had; None: none is.

    Raises:
        TrustError: the user's key does not sign, or does not do alone.
    """
    chain = TrustChain(inventory.trust, station.executor)
    link = chain.in_force() if permitted else None
    if link is not None and link.document.threshold > 1:
        raise TrustError(
            f"{counted(link.document.threshold, 'key')} would have to sign a permit, and it takes one signature",
            hint="edgekit rollback goes back to what a device had; or build the release again from its source",
        )
    return OutgoingTrust(
        after=chain.after,
        newest_version=lambda: chain.newest_version,
        permit=make_permit(permitted, device.name, inventory.fleet, station) if permitted else b"",
    )


def make_permit(release: ReleaseFolder, device: str, fleet: str, station: Workstation) -> bytes:
    """A permit that the user's key signs. Raises TrustError where it does not."""
    now_s = int(time.time())
    permit = DowngradePermit(
        device=device,
        fleet=fleet,
        application=release.manifest.application,
        digest=release.digest,
        issued_s=now_s,
        until_s=now_s + _PERMIT_S,
    )
    made = unsigned(permit)
    signature = sign(station.executor, made.message, key=station.settings.signing_key, namespace=PERMIT_NAMESPACE)
    return SignedDocument(signed=made.signed, signatures=(signature.decode(),)).to_bytes()
