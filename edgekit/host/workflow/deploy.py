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
from edgekit.host.link.sending import OutgoingRelease, Sent, bytes_missing, send_blobs
from edgekit.host.progress import Progress
from edgekit.host.release.folder import ReleaseFolder, open_release, read_plan
from edgekit.host.release.names import FILES
from edgekit.host.user import user_at_machine
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.host.workflow.fitting import check_fits
from edgekit.host.workflow.workstation import Workstation
from edgekit.schema.control import ApplicationStatus, Offer, ReleaseFailure, ReleaseRef
from edgekit.schema.fleet import Device
from edgekit.schema.message import from_message_data
from edgekit.schema.units import counted

TRIES = 4
LOCK_WAIT_S = 120.0
"""How long to wait for a lock of our own that a broken or interrupted connection left behind."""
FOLLOW_S = 3600.0
"""How long an outcome is awaited after the link broke: longer than any sensible start and settle time together."""
_POLL_S = 1.0
_ON_ITS_WAY = ("activating", "settling", "rolling_back")
"""Phases that end by themselves. What a newer keeper has besides is not waited for."""


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
    """On the wire, without SSH's own."""
    sent_blobs: int
    seconds: float


def deploy_release(release: Path, name: str, access: DeviceAccess, station: Workstation, watch: Watch) -> DeployResult:
    """Bring a release to a device, activate it and wait until it is committed.

    Args:
        release: its folder.
        name: the device.
        access: the way there.
        station: this machine.
        watch: called with what the keeper reports while the release starts and settles.

    Raises:
        InputError: there is no release.
        NothingSelected: there is no such device.
        EdgekitError: see `Deployment.run`.
    """
    folder = open_release(release)
    device = access.find(name)
    plan = read_plan(folder)
    with access.executor(device) as executor:
        return Deployment(
            device=device,
            executor=executor,
            release=OutgoingRelease(
                manifest=folder.manifest,
                manifest_bytes=folder.manifest_bytes,
                signature=folder.signature,
                digest=folder.digest,
                file=lambda path: folder.path / FILES / path,
                provenance=lambda: _provenance(folder),
            ),
            settings=outgoing_settings(access.inventory, device.name, plan, LocalExecutor()),
            check_fits=lambda: check_fits(device, executor, folder.manifest, station),
            holder=user_at_machine(),
            progress=station.progress,
            watch=watch,
        ).run()


def _provenance(folder: ReleaseFolder) -> tuple[bytes, bytes]:
    if not folder.provenance:
        return b"", b""
    from edgekit.host.release.envelope import unseal  # noqa: PLC0415  only for what is sent at all

    return unseal(folder.provenance)


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One release on its way to one device."""

    device: Device
    executor: Executor
    release: OutgoingRelease
    check_fits: Callable[[], None]
    """Raises where the device cannot run the release; called before a byte of it moves."""
    settings: OutgoingSettings = OutgoingSettings()
    """The application's on this device."""
    holder: str
    """Who deploys, `USER@HOST`, for others who meet the lock."""
    progress: Progress
    watch: Watch
    """Told what the keeper reports while the release starts and settles."""
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
    sent: Sent = field(default_factory=Sent)
    reached: bool = False
    """Whether the keeper has answered once. Before, the device is simply not there, and nothing is tried again."""
    activating: bool = False
    """Whether an activation was asked for, whose outcome the keeper knows."""
    failure_before: ReleaseFailure | None = None
    """The last failure that has nothing to do with this deployment. Compared whole: the device's clock may be set."""
    tries: int = 0
    """How often the link broke since anything got on."""
    missing_bytes: int | None = None
    """What the device lacked when it was last asked."""
    follow_until_s: float | None = None

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
            sent_bytes=self.sent.wire_bytes,
            sent_blobs=self.sent.blobs,
            seconds=round(self.to.clock() - began, 2),
        )

    def _through_breaks(self) -> tuple[bool, str]:
        """Do it; after a broken link connect anew and go on where it was, a few times without getting on."""
        while True:
            try:
                with KeeperClient(self.to.device, self.to.executor) as keeper:
                    return self._follow(keeper) if self.activating else self._bring(keeper)
            except Unreachable as error:
                self.tries += 1
                if self.tries >= TRIES or not self.reached:
                    raise
                self.to.progress.note(f"{error.message}; connecting again ({self.tries} of {TRIES - 1})")
                self.to.executor.close()
                self.to.sleep(2.0**self.tries)

    def _bring(self, keeper: KeeperClient) -> tuple[bool, str]:
        """The whole way, as far as it is not done yet. Gives whether anything changed, and the signer."""
        before = keeper.status().find(self._application)
        self._check_settings(before, keeper)
        if before and before.current and before.healthy and self._is_ours(before.current, keeper):
            return False, before.current.signer
        if not self.reached:
            self.to.check_fits()
        self.reached = True
        self._lock(keeper)
        offer = self._offer(keeper)
        self._note_missing(bytes_missing(self.to.release, offer.missing))
        if not offer.installed and keeper.can("provenance"):
            self._state(keeper)
        self._send(keeper, offer)
        with self.to.progress.step(f"{self.to.device.name}: verifying and installing"):
            keeper.ask("install", digest=self.to.release.digest, patience_s=ACTIVATION_S)
        self.failure_before = before.last_failure if before else None
        self._activate(keeper)
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
                keeper.ask("lock", application=self._application, holder=self.to.holder)
                return
            except LockHeld as error:
                if self.to.holder != error.holder or self.to.clock() >= until:
                    raise
                if not noted:
                    self.to.progress.note(f"{self.to.device.name}: {error.message}; waiting for it")
                noted = True
            self.to.sleep(_POLL_S)

    def _offer(self, keeper: KeeperClient) -> Offer:
        release = self.to.release
        payload = release.manifest_bytes + release.signature
        answer = keeper.ask("offer", payload=payload, signature_bytes=len(release.signature))
        return from_message_data(Offer, answer, f"offer of {self.to.device.name}")

    def _state(self, keeper: KeeperClient) -> None:
        """Tell how the release was made: before its files, for a device may refuse it for that."""
        statement, signature = self.to.release.provenance()
        if statement:
            self.sent.wire_bytes += len(statement) + len(signature)
            keeper.ask("provenance", payload=statement + signature, signature_bytes=len(signature))

    def _note_missing(self, missing_bytes: int) -> None:
        """A link that brought something before it broke may break again as often."""
        if self.missing_bytes is not None and missing_bytes < self.missing_bytes:
            self.tries = 0
        self.missing_bytes = missing_bytes

    def _send(self, keeper: KeeperClient, offer: Offer) -> None:
        if not offer.missing:
            return
        files = len({entry.sha256 for entry in self.to.release.manifest.files})
        text = f"{self.to.device.name}: sending {len(offer.missing)} of {counted(files, 'file')}"
        with self.to.progress.amount(text, bytes_missing(self.to.release, offer.missing)) as advance:
            send_blobs(keeper, self.to.release, offer.missing, self.sent, advance)

    def _activate(self, keeper: KeeperClient) -> None:
        self.activating = True
        digest, settings = self.to.release.digest, self.to.settings.content
        keeper.ask("activate", digest=digest, payload=settings, watch=self.to.watch, patience_s=ACTIVATION_S)

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
        if current.digest != self.to.release.digest:
            return False
        content = self.to.settings.content
        return not content or not keeper.settings(self._application, content).changed

    @property
    def _application(self) -> str:
        return self.to.release.manifest.application

    def _at_rest(self, keeper: KeeperClient) -> ApplicationStatus | None:
        """Wait until nothing is going on there any more. Raises RolloutError where that takes too long."""
        self.follow_until_s = self.follow_until_s or self.to.clock() + FOLLOW_S
        while True:
            found = keeper.status().find(self._application)
            if found is None or found.phase not in _ON_ITS_WAY:
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
