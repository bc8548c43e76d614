"""What one connection brings of a release: pieces of files and of patches, and the wish to have these applied."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgekit.device.keeper.update.inflate import inflate
from edgekit.device.keeper.update.patches import Patches, PatchHead
from edgekit.device.keeper.update.releases import Offered
from edgekit.device.keeper.update.store import Chunk, Store
from edgekit.errors import InputError
from edgekit.schema.control import Event, Missing, Request
from edgekit.schema.control_bounds import MAX_CHUNK_BYTES
from edgekit.schema.message import to_message_data
from edgekit.schema.patch import PATCH_NAME_CHARS
from edgekit.schema.units import counted
from edgekit.trust import sha256_bytes


class Incoming:
    """`chunk`, `patch` and `missing` for the release that a connection has offered, under its application's lock."""

    def __init__(self, patches: Patches, store: Store) -> None:
        self._patches = patches
        self._store = store
        self._whole: dict[str, PatchHead] = {}
        """Patches that have come whole and are not applied yet, by the blob that they make."""

    def receive(
        self, offered: Offered, blobs: Sequence[str], request: Request, payload: bytearray, *, cut: bool = False
    ) -> None:
        """Take the next piece of a blob's file or patch, or with `cut` the beginning of one.

        Args:
            offered: whose blobs.
            blobs: their digests; after the end of the first one a chunk goes on with the others, whole.
            request: what comes.
            payload: the piece.
            cut: whether it may end early.

        Raises:
            InputError: no such patch can be, or the piece does not fit what has arrived so far.
            TrustError: a whole file is not what its name says.
            RolloutError: the disk is full.
        """
        if request.verb == "patch":
            if request.patch or not cut:
                self._receive_patch(offered, blobs[0], request, bytes(payload))
            return
        sizes = [offered.sizes[sha256] for sha256 in blobs]
        room, offset = sum(sizes) - request.offset, request.offset
        data = bytes(payload) if request.encoding == "raw" else inflate(payload, min(room, MAX_CHUNK_BYTES), cut=cut)
        if request.more and not (0 <= offset < sizes[0] and (cut or len(data) == room)):
            raise InputError("a piece does not fit its blobs", hint="deploy again")
        application, at = offered.manifest.application, 0
        for sha256, size in zip(blobs, sizes, strict=True):
            own = data[at : at + size - offset] if request.more else data
            if own or not request.more:
                self._store.receive(
                    Chunk(application=application, sha256=sha256, size_bytes=size, offset=offset, data=own)
                )
            at, offset = at + len(own), 0

    def _receive_patch(self, offered: Offered, sha256: str, request: Request, payload: bytes) -> None:
        head = PatchHead(
            application=offered.manifest.application,
            sha256=sha256,
            size_bytes=offered.sizes[sha256],
            base=request.base,
            patch=request.patch or sha256_bytes(payload)[:PATCH_NAME_CHARS],
            patch_bytes=request.size_bytes if request.patch else len(payload),
        )
        if self._patches.receive(head, request.offset, payload):
            self._whole[head.sha256] = head

    def missing(self, offered: Offered) -> Iterator[Event]:
        """Apply what has come, and say what of the release is still not there.

        Raises:
            RolloutError: the disk has no room for it.
        """
        whole, self._whole = self._whole, {}
        if whole:
            yield Event(kind="progress", message=f"applying {counted(len(whole), 'patch')}")
        self._patches.apply(whole.values())
        left = self._store.missing(offered.sizes, offered.manifest.application)
        yield Event(kind="done", data=to_message_data(Missing(missing=left)))
