"""`edgekit deploy --plan`: which devices would take a release, and what each would be sent, to the byte."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, replace
from pathlib import Path

from edgekit.errors import EdgekitError, Unreachable
from edgekit.executor.local import LocalExecutor
from edgekit.host.fit.finding import Finding
from edgekit.host.fit.health import judge_health
from edgekit.host.fit.profiled import clocks_of, judge_clocks
from edgekit.host.link.board_settings import OutgoingSettings, outgoing_settings
from edgekit.host.link.client import KeeperClient
from edgekit.host.link.outgoing_trust import OutgoingTrust
from edgekit.host.release.folder import ReleaseFolder, open_release, read_plan
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.host.workflow.fitting import DeviceFit, FleetFit, ask_devices
from edgekit.host.workflow.past_releases import deltas_of
from edgekit.host.workflow.permit import trust_for
from edgekit.host.workflow.profiles import built_profile
from edgekit.host.workflow.shipment import SendLimits, Shipment, outgoing_release
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.control import Offer
from edgekit.schema.profile import Profile

_AT_ONCE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class TransferFigures:
    """What the keeper of one device says of a release, and what it would be sent."""

    device: str
    send_bytes: int = 0
    """Of the release on the wire, as `--max-bytes` counts: requests and what they carry, without SSH's own."""
    files: int = 0
    patches: int = 0
    """Of the files."""
    file_bytes: int = 0
    """What the device gets of files by that."""
    runs: bool = False
    """It runs already, is healthy, and has these settings: deploying does nothing."""
    refused: str = ""
    """Why the keeper would not take it, or why it would not be sent, with the cure."""
    unknown: str = ""
    """Why the keeper could not be asked."""
    warnings: tuple[Finding, ...] = ()
    """What its keeper tells of: clocks are not those that the release was measured with; or it runs there already, and
    is unhealthy, so that deploying only starts it anew."""
    trust_first: bool = False
    """Deploying brings a later trust file first: the keeper has judged by the one that it has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployPlan(FleetFit):
    """What deploying a release to devices would come to."""

    transfers: tuple[TransferFigures, ...]
    """In the order of `devices`."""

    @property
    def not_taken(self) -> bool:
        """Whether a keeper that could be asked does not take it."""
        return any(one.refused for one in self.transfers)

    @property
    def not_asked(self) -> bool:
        """Whether the keeper of a device that it fits could not be asked."""
        pairs = zip(self.devices, self.transfers, strict=True)
        return any(fit.fits and transfer.unknown for fit, transfer in pairs)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperQuestion:
    """What one keeper is asked."""

    shipment: Shipment
    settings: Callable[[], OutgoingSettings]
    trust: OutgoingTrust
    profile: Profile | None = None
    """That the release was built with."""
    count: bool
    """Whether to count bytes, too: it makes the patches that would be sent."""

    def ask(self, keeper: KeeperClient) -> TransferFigures:
        """Offer the release and say how it was made: the keeper judges both, and keeps neither."""
        shipment = self.shipment
        later = keeper.trust_version and self.trust.after(keeper.trust_version)
        told = TransferFigures(device=shipment.device, trust_first=bool(later))
        status = keeper.status()
        found = status.find(shipment.release.manifest.application)
        if found and found.current and found.current.digest == shipment.release.digest:
            if found.healthy and self.settings().are_there(keeper, found.application):
                return replace(told, runs=True)
            unhealthy = judge_health(shipment.device, (found,))
            told = replace(told, warnings=tuple(replace(one, severity="warn") for one in unhealthy))
        if self.profile:
            told = replace(told, warnings=(*told.warnings, *judge_clocks(self.profile, clocks_of(status))))
        try:
            self.trust.bring_permit(keeper)
            offer = shipment.offer(keeper, status)
            shipment.state(keeper, offer)
            if self.count:
                told = self._counted(told, keeper, offer)
                shipment.check_allowed(told.send_bytes)
        except Unreachable:
            raise
        except EdgekitError as error:
            return replace(told, refused=f"{error.message}: {error.hint}")
        return told

    def _counted(self, told: TransferFigures, keeper: KeeperClient, offer: Offer) -> TransferFigures:
        transfer = self.shipment.plan(keeper, offer)
        return replace(
            told,
            send_bytes=self.shipment.count(keeper, transfer),
            files=len(transfer),
            patches=transfer.patches,
            file_bytes=transfer.file_bytes,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanJob:
    """What a user asks for."""

    release: Path
    """Its folder."""
    limits: SendLimits = SendLimits()
    """What may be sent."""
    permit: bool = False
    """Sign that devices may take it although it is older than what was committed there: for the answer alone."""


def plan_deploys(job: PlanJob, names: Sequence[str], access: DeviceAccess, station: Workstation) -> DeployPlan:
    """Ask many devices at once. What becomes of each is a value.

    Args:
        job: which release.
        names: the devices.
        access: the way there.
        station: this machine.

    Raises:
        InputError: there is no release.
        NothingSelected: there is no such device.
        TrustError: the user's key does not sign the permit, or does not do alone.
    """
    fit = ask_devices(job.release, names, access, station)
    questions = KeeperQuestions(
        folder=open_release(job.release), access=access, station=station, limits=job.limits, permit=job.permit
    )

    def one(found: DeviceFit) -> TransferFigures:
        if not found.fits:
            return TransferFigures(device=found.device, unknown=found.unreachable or found.fault or "it does not fit")
        return questions.ask(found.device)

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        transfers = tuple(pool.map(one, fit.devices))
    return DeployPlan(**{field.name: getattr(fit, field.name) for field in fields(fit)}, transfers=transfers)


@dataclass(frozen=True, slots=True, kw_only=True)
class KeeperQuestions:
    """What keepers would do with a release. Nothing of its files is sent, and nothing changes there."""

    folder: ReleaseFolder
    access: DeviceAccess
    station: Workstation
    limits: SendLimits = SendLimits()
    permit: bool = False
    """As with `PlanJob`."""
    count: bool = True
    """Count bytes, too: it makes the patches that would be sent."""

    def ask(self, device: str) -> TransferFigures:
        """Ask one device's keeper; for any thread.

        Raises:
            NothingSelected: there is no such device.
            InputError: the trust file on this machine is damaged.
            TrustError: the user's key does not sign the permit, or does not do alone.
        """
        found, access, folder = self.access.find(device), self.access, self.folder
        question = KeeperQuestion(
            shipment=Shipment(
                device=device,
                release=outgoing_release(folder),
                progress=self.station.progress,
                deltas=deltas_of(self.station),
                limits=self.limits,
            ),
            settings=lambda: outgoing_settings(access.inventory, device, read_plan(folder), LocalExecutor()),
            trust=trust_for(found, access.inventory, self.station, permitted=folder if self.permit else None),
            profile=built_profile(folder),
            count=self.count,
        )
        try:
            with access.executor(found) as executor, KeeperClient(found, executor) as keeper:
                return question.ask(keeper)
        except EdgekitError as error:
            return TransferFigures(device=device, unknown=f"{error.message}: {error.hint}")
