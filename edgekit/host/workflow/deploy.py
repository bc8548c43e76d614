"""Brings a release to a device: offer, send what is missing, install, activate. A broken link is taken up again."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import LockHeld, RolloutError, Unreachable
from edgekit.executor import Executor
from edgekit.executor.local import LocalExecutor
from edgekit.host.link.board_settings import OutgoingSettings, outgoing_settings
from edgekit.host.link.client import ACTIVATION_S, KeeperClient, Watch
from edgekit.host.link.outgoing_trust import OutgoingTrust
from edgekit.host.link.sending import OutgoingRelease
from edgekit.host.link.sending_rate import SendingRate
from edgekit.host.progress import Progress
from edgekit.host.release.folder import ReleaseFolder, open_release, read_plan
from edgekit.host.user import user_at_machine
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.host.workflow.permit import trust_for
from edgekit.host.workflow.shipment import Deltas, SendLimits, Shipment, outgoing_release
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.control import ON_ITS_WAY, ApplicationStatus, Offer, ReleaseFailure, ReleaseRef, Status
from edgekit.schema.fleet import Device

TRIES = 4
LOCK_WAIT_S = 120.0
"""How long to wait for a lock of our own that a broken or interrupted connection left behind."""
FOLLOW_S = 3600.0
"""How long an outcome is awaited after the link broke: longer than any sensible start and settle time together."""
_POLL_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployResult:
    """What a deployment did."""

    device: str
    application: str
    version: str
    digest: str
    signer: str
    changed: bool
    sent_bytes: int
    """Of the release on the wire: requests and what they carry, without SSH's own."""
    sent_blobs: int
    sent_patches: int
    """Of the blobs."""
    release_bytes: int
    """All files of the release: what `sent_bytes` saved."""
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployJob:
    """What a user asks for."""

    release: Path
    """Its folder."""
    device: str
    """The device's name."""
    limits: SendLimits = SendLimits()
    """What may be sent."""
    permit: bool = False
    """Sign that the device may take it, for an hour, though it is older than what was committed there."""
    break_lock: bool = False
    """Take the deployment lock from whoever has it."""


def deploy_release(job: DeployJob, access: DeviceAccess, station: Workstation, watch: Watch) -> DeployResult:
    """Bring a release to a device, activate it and wait until it is committed.

    Args:
        job: which release to which device.
        access: the way there.
        station: this machine.
        watch: called with what the keeper reports while the release starts and settles.

    Raises:
        InputError: there is no release.
        NothingSelected: there is no such device.
        EdgekitError: see `Deployment.run`.
    """
    folder = open_release(job.release)
    device = access.find(job.device)
    plan = read_plan(folder)
    with access.executor(device) as executor:
        done = Deployment(
            device=device,
            executor=executor,
            release=outgoing_release(folder),
            settings=outgoing_settings(access.inventory, device.name, plan, LocalExecutor()),
            trust=trust_for(device, access.inventory, station, permitted=folder if job.permit else None),
            check_fits=lambda status: _check_fits(device, executor, folder, status, station),
            holder=user_at_machine(),
            progress=station.progress,
            watch=watch,
            deltas=_deltas_of(station),
            limits=job.limits,
            break_lock=job.break_lock,
        ).run()
    if done.changed:
        from edgekit.host.workflow.past_releases import past_releases  # noqa: PLC0415  see `_deltas_of`

        past_releases(station).keep(folder)
    return done


def _check_fits(
    device: Device, executor: Executor, folder: ReleaseFolder, status: Status, station: Workstation
) -> None:
    from edgekit.host.workflow.fitting import check_fits, judged_release  # noqa: PLC0415  see `_deltas_of`

    check_fits(device, executor, judged_release(folder), status, station)


def _deltas_of(station: Workstation) -> Deltas:
    """This machine's patches. A deployment that changes nothing imports none of what makes them."""

    def make() -> Deltas:
        from edgekit.host.workflow.past_releases import deltas_of  # noqa: PLC0415

        return deltas_of(station)

    return Deltas(
        find=lambda digests: make().find(digests),
        patches=lambda old, new: make().patches(old, new),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One release on its way to one device."""

    device: Device
    executor: Executor
    release: OutgoingRelease
    check_fits: Callable[[Status], None]
    """Raises where the device, whose keeper says this, cannot run the release; called before a byte of it moves."""
    settings: OutgoingSettings = OutgoingSettings()
    """The application's on this device."""
    trust: OutgoingTrust = OutgoingTrust()
    holder: str
    """Who deploys, `USER@HOST`, for others who meet the lock."""
    progress: Progress
    watch: Watch
    """Told what the keeper reports while the release starts and settles."""
    deltas: Deltas = Deltas()
    limits: SendLimits = SendLimits()
    break_lock: bool = False
    """Whether to take the deployment lock from whoever has it."""
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep

    def run(self) -> DeployResult:
        """Bring the release there and wait until it is committed.

        Raises:
            TrustError: the device refuses signature or content; nothing was switched.
            RolloutError: it does not fit, or did not become healthy and the previous one runs again.
            Unreachable: the link broke too often.
            LockHeld: somebody else deploys there.
        """
        return _Course(self).run()


@dataclass(slots=True)
class _Course:
    """The course of one deployment."""

    to: Deployment
    shipment: Shipment = field(init=False)
    reached: bool = False
    """Whether the keeper has answered once. Before, the device is simply not there, and nothing is tried again."""
    activating: bool = False
    """Whether an activation was asked for, whose outcome the keeper knows."""
    failure_before: ReleaseFailure | None = None
    """The last failure that has nothing to do with this deployment. Compared whole: the device's clock may be set."""
    tries: int = 0
    """How often the link broke since anything got on."""
    broke: bool = False
    """Whether the link broke at all."""
    missing_bytes: int | None = None
    """What the device lacked, the least that it ever said."""
    follow_until_s: float | None = None
    _breaks: bool = field(init=False)
    """Whether the lock is still to be taken by force."""

    def __post_init__(self) -> None:
        to = self.to
        self._breaks = to.break_lock
        self.shipment = Shipment(
            device=to.device.name, release=to.release, progress=to.progress, deltas=to.deltas, limits=to.limits
        )

    def run(self) -> DeployResult:
        began = self.to.clock()
        changed, signer = self._through_breaks()
        return DeployResult(
            device=self.to.device.name,
            application=self.to.release.manifest.application,
            version=self.to.release.manifest.version,
            digest=self.to.release.digest,
            signer=signer,
            changed=changed,
            sent_bytes=self.shipment.sent.wire_bytes,
            sent_blobs=self.shipment.sent.blobs,
            sent_patches=self.shipment.sent.patches,
            release_bytes=sum({entry.sha256: entry.bytes for entry in self.to.release.manifest.files}.values()),
            seconds=round(self.to.clock() - began, 2),
        )

    def _through_breaks(self) -> tuple[bool, str]:
        """Do it; after a broken link connect anew and go on where it was, a few times without getting on."""
        while True:
            try:
                with KeeperClient(self.to.device, self.to.executor, self._pace(), careful=self.broke) as keeper:
                    return self._follow(keeper) if self.activating else self._bring(keeper)
            except Unreachable as error:
                self.tries, self.broke = self.tries + 1, True
                if self.tries >= TRIES or not self.reached:
                    raise
                self.to.progress.note(f"{error.message}; connecting again ({self.tries} of {TRIES - 1})")
                self.to.executor.close()
                self.to.sleep(2.0**self.tries)

    def _bring(self, keeper: KeeperClient) -> tuple[bool, str]:
        """The whole way, as far as it is not done yet. Gives whether anything changed, and the signer."""
        self.to.trust.bring(keeper, self.to.device.name, self.to.progress)
        status = keeper.status()
        before = status.find(self._application)
        self._check_settings(before, keeper)
        if before and before.current and before.healthy and self._is_ours(before.current, keeper):
            return False, before.current.signer
        if not self.reached:
            self.to.check_fits(status)
        self.reached = True
        self._lock(keeper)
        self.to.trust.bring_permit(keeper)
        offer = self.shipment.offer(keeper, status)
        self._note_missing(offer)
        self.shipment.state(keeper, offer)
        self.shipment.send(keeper, offer)
        with self.to.progress.step(f"{self.to.device.name}: verifying and installing"):
            keeper.ask("install", digest=self.to.release.digest, patience_s=ACTIVATION_S)
        self.failure_before = before.last_failure if before else None
        self._activate(keeper)
        self._check_runs(keeper)
        return True, offer.signer

    def _check_settings(self, before: ApplicationStatus | None, keeper: KeeperClient) -> None:
        """Before anything is sent: the keeper can keep settings, and has those that it is not given."""
        settings = self.to.settings
        if not settings.declared:
            return
        keeper.check_can("settings", "keep settings apart from releases")
        there = keeper.settings(self._application) if before and before.current and not settings.content else None
        settings.check_kept(self._application, {*there.values, *there.secrets} if there else ())

    def _lock(self, keeper: KeeperClient) -> None:
        """Take the deployment lock. Another user's is not waited for; one of our own is given back soon."""
        until = self.to.clock() + LOCK_WAIT_S
        noted = False
        while True:
            try:
                keeper.lock(self._application, self.to.holder, self.to.watch, break_lock=self._breaks)
                self._breaks = False  # once: who takes it back meanwhile is not robbed again and again
                return
            except LockHeld as error:
                if self.to.holder != error.holder or self.to.clock() >= until:
                    raise
                if not noted:
                    self.to.progress.note(f"{self.to.device.name}: {error.message}; waiting for it")
                noted = True
            self.to.sleep(_POLL_S)

    def _note_missing(self, offer: Offer) -> None:
        """A link that brought something before it broke may break again as often."""
        sizes = {entry.sha256: entry.bytes for entry in self.to.release.manifest.files}
        missing = sum(sizes.get(blob.sha256, 0) - blob.have_bytes for blob in offer.missing)
        missing -= sum(one.have_bytes for one in offer.begun)
        if self.missing_bytes is not None and missing < self.missing_bytes:
            self.tries = 0
        self.missing_bytes = missing if self.missing_bytes is None else min(missing, self.missing_bytes)

    def _pace(self) -> SendingRate | None:
        rate = self.to.limits.bandwidth_bytes_per_s
        return SendingRate(rate, clock=self.to.clock, sleep=self.to.sleep) if rate else None

    def _activate(self, keeper: KeeperClient) -> None:
        self.activating = True
        digest, settings = self.to.release.digest, self.to.settings.content
        keeper.activate(digest, settings, self.to.watch)

    def _check_runs(self, keeper: KeeperClient) -> None:
        """What a device says that it committed is what it says that it runs. Raises RolloutError where it is not."""
        name, found = self.to.device.name, keeper.status().find(self._application)
        if found is None or found.current is None or found.current.digest != self.to.release.digest:
            ours, runs = self.to.release.digest[:12], found.current.digest[:12] if found and found.current else "none"
            message = f"{name} says that it committed release {ours}, and then that it runs {runs}"
            raise RolloutError(message, hint=f"edgekit status {name} and edgekit logs {name} show what it says")

    def _follow(self, keeper: KeeperClient) -> tuple[bool, str]:
        """After the link broke in an activation: the keeper went on; wait for the outcome and take it as ours."""
        found = self._at_rest(keeper)
        back = found.current if found else None
        failure = self._own_failure(found) if found else None
        if failure is None and back and self._is_ours(back, keeper):
            return True, back.signer
        if failure is None:  # the request never arrived
            self.activating = False
            return self._bring(keeper)
        runs = f"; {back.application} {back.version} ({back.digest[:12]}) runs again" if back else ""
        raise RolloutError(
            f"{failure.application} {failure.version} was rolled back: {failure.reason}{runs}",
            hint=f"edgekit logs {self.to.device.name} shows more; mend the recipe, build and deploy again",
            details="\n".join([*failure.probes, *failure.log_tail]),
        )

    def _is_ours(self, current: ReleaseRef, keeper: KeeperClient) -> bool:
        """Whether what runs there is this release, with these settings."""
        return current.digest == self.to.release.digest and self.to.settings.are_there(keeper, self._application)

    @property
    def _application(self) -> str:
        return self.to.release.manifest.application

    def _at_rest(self, keeper: KeeperClient) -> ApplicationStatus | None:
        """Wait until nothing is going on there any more. Raises RolloutError where that takes too long."""
        self.follow_until_s = self.follow_until_s or self.to.clock() + FOLLOW_S
        while True:
            found = keeper.status().find(self._application)
            if found is None or found.phase not in ON_ITS_WAY:
                return found
            if self.to.clock() >= self.follow_until_s:
                name = self.to.device.name
                raise RolloutError(f"{name} is still {found.phase} after {FOLLOW_S:g} s", hint=f"edgekit status {name}")
            self.to.sleep(_POLL_S)
            self.tries = 0

    def _own_failure(self, found: ApplicationStatus) -> ReleaseFailure | None:
        failure = found.last_failure
        ours = failure and failure.digest == self.to.release.digest and failure != self.failure_before
        return failure if ours else None
