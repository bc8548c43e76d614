"""Brings a release to a device: offer, send what is missing, install, activate."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import Unreachable
from edgekit.executor import Executor
from edgekit.host.fleet.client import KeeperClient, Watch
from edgekit.host.progress import Progress
from edgekit.schema.control import MAX_CHUNK_BYTES, MissingBlob, Offer
from edgekit.schema.fleet import Device
from edgekit.schema.manifest import Manifest
from edgekit.schema.reader import from_raw

TRIES = 4
_CHUNK_BYTES = MAX_CHUNK_BYTES // 4
_SAMPLE_BYTES = 16 << 10
_WORTH_IT = 0.9
_LEVEL = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A release as it lies on the host. The device judges it, so files may be missing or wrong here."""

    manifest: Manifest
    manifest_bytes: bytes
    signature: bytes
    digest: str
    file: Callable[[str], Path]
    """Where a listed path lies."""

    def blobs(self) -> Mapping[str, Path]:
        """A file for every digest."""
        return {entry.sha256: self.file(entry.path) for entry in self.manifest.files}


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a deployment did."""

    device: str
    digest: str
    signer: str
    changed: bool
    sent_bytes: int
    """On the wire, without SSH's own."""
    sent_blobs: int
    seconds: float


@dataclass(slots=True)
class _Sent:
    started: bool = False
    wire_bytes: int = 0
    blobs: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployment:
    """One release on its way to one device."""

    device: Device
    executor: Executor
    parcel: Parcel
    holder: str
    """Who deploys, for others who meet the lock."""
    progress: Progress
    watch: Watch
    """Told what the keeper reports while the release starts and settles."""
    _sent: _Sent = field(default_factory=_Sent)

    def run(self) -> Outcome:
        """Bring the release there and wait until it is committed.

        A link that breaks while sending is taken up again where it broke, a few times.

        Raises:
            TrustError: the device refuses signature or content; nothing was switched.
            RolloutError: the release did not become healthy; the previous one runs again.
            Unreachable: the link broke too often.
            LockHeld: somebody else deploys there.
        """
        began = time.monotonic()
        offer = self._again(self._transfer)
        if not offer.current:
            self._again(self._activate)
        return Outcome(
            device=self.device.name,
            digest=self.parcel.digest,
            signer=offer.signer,
            changed=not offer.current,
            sent_bytes=self._sent.wire_bytes,
            sent_blobs=self._sent.blobs,
            seconds=round(time.monotonic() - began, 2),
        )

    def _again(self, step: Callable[[KeeperClient], Offer]) -> Offer:
        """Do a step under the lock; after a broken link do it again: each step goes on where it was.

        The first contact is not tried again: then the device is simply not there.
        """
        for left in reversed(range(TRIES)):
            try:
                with KeeperClient(self.device, self.executor) as keeper:
                    keeper.ask("lock", holder=self.holder)
                    return step(keeper)
            except Unreachable as error:
                if not left or not self._sent.started:
                    raise
                self.progress.note(f"{error.message}; going on where it broke")
                time.sleep(2 ** (TRIES - left))
        raise AssertionError("the last try returns or raises")

    def _transfer(self, keeper: KeeperClient) -> Offer:
        """Offer, send what is missing, install."""
        parcel = self.parcel
        payload = parcel.manifest_bytes + parcel.signature
        answer = keeper.ask("offer", payload=payload, signature_bytes=len(parcel.signature))
        offer = from_raw(Offer, answer, f"offer of {self.device.name}")
        self._sent.started = True
        if not offer.current:
            self._send(keeper, offer.missing)
            with self.progress.step(f"{self.device.name}: verifying and installing"):
                keeper.ask("install", digest=parcel.digest)
        return offer

    def _activate(self, keeper: KeeperClient) -> Offer:
        """Activate, and tell what happens. A keeper that has lost us goes on; asked again, it says how it went."""
        keeper.ask("activate", digest=self.parcel.digest, watch=self.watch)
        return Offer(digest="", signer="", installed=True, current=True, missing=(), disk_free_bytes=0)

    def _send(self, keeper: KeeperClient, missing: tuple[MissingBlob, ...]) -> None:
        files = self.parcel.blobs()
        sizes = {entry.sha256: entry.bytes for entry in self.parcel.manifest.files}
        total = sum(max(0, sizes.get(blob.sha256, 0) - blob.have_bytes) for blob in missing)
        if not missing:
            return
        with self.progress.amount(
            f"{self.device.name}: sending {len(missing)} of {len(files)} files", total
        ) as advance:
            for blob in missing:
                file = files.get(blob.sha256)
                if file is not None and file.is_file():
                    self._send_blob(keeper, blob, file, advance)

    def _send_blob(self, keeper: KeeperClient, blob: MissingBlob, file: Path, advance: Callable[[int], None]) -> None:
        with file.open("rb") as data:
            packs = _compresses(data.read(_SAMPLE_BYTES))
            data.seek(blob.have_bytes)
            offset = blob.have_bytes
            while (piece := data.read(_CHUNK_BYTES)) or not offset:
                payload = zlib.compress(piece, _LEVEL) if packs else piece
                encoding = "zlib" if packs else "raw"
                keeper.send("chunk", sha256=blob.sha256, offset=offset, encoding=encoding, payload=payload)
                self._sent.wire_bytes += len(payload)
                advance(len(piece))
                offset += len(piece)
                if not piece:
                    break
        self._sent.blobs += 1


def _compresses(sample: bytes) -> bool:
    return len(zlib.compress(sample, 1)) < _WORTH_IT * len(sample)
