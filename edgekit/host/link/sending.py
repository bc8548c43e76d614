"""Sends a release's blobs: compressed where that helps, without waiting for answers, from where the last try broke."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.host.blobs import cut_file
from edgekit.host.link.client import KeeperClient
from edgekit.schema.control import MissingBlob
from edgekit.schema.manifest import Manifest

_PIECE_BYTES = 256 << 10


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRelease:
    """A release as it lies on the host. The device judges it, so files may be missing or wrong here."""

    manifest: Manifest
    manifest_bytes: bytes
    signature: bytes
    digest: str
    file: Callable[[str], Path]
    """Where a listed path lies."""
    provenance: Callable[[], tuple[bytes, bytes]] = lambda: (b"", b"")
    """How it was made, and the signature over that; both empty where nobody has said."""


@dataclass(slots=True)
class Sent:
    """What has been sent so far, over all tries."""

    blobs: int = 0
    wire_bytes: int = 0
    """Compressed, without SSH's own."""


def bytes_missing(release: OutgoingRelease, missing: Sequence[MissingBlob]) -> int:
    """How much is left to send, before compression."""
    sizes = {entry.sha256: entry.bytes for entry in release.manifest.files}
    return sum(max(0, sizes.get(blob.sha256, 0) - blob.have_bytes) for blob in missing)


def send_blobs(
    keeper: KeeperClient,
    release: OutgoingRelease,
    missing: Sequence[MissingBlob],
    sent: Sent,
    advance: Callable[[int], None],
) -> None:
    """Send what is missing, as far as it is here: the device refuses to install a release that is not whole.

    Args:
        keeper: to whom; the release has been offered to it.
        release: the release.
        missing: the answer to the offer.
        sent: added to.
        advance: called with each number of further bytes, before compression.

    Raises:
        EdgekitError: the keeper refused a piece.
        Unreachable: the link broke.
    """
    entries = {entry.sha256: entry for entry in release.manifest.files}
    for blob in missing:
        entry = entries.get(blob.sha256)
        if entry is None:
            continue
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            file, start = release.file(entry.path), blob.have_bytes
            for piece in cut_file(file, start, entry.bytes, _PIECE_BYTES, packs=keeper.can("zlib")):
                if piece.size_bytes:
                    at = {"sha256": blob.sha256, "offset": piece.offset, "encoding": piece.encoding}
                    keeper.send("chunk", **at, payload=piece.payload)
                    sent.wire_bytes += len(piece.payload)
                    advance(piece.size_bytes)
        sent.blobs += 1
