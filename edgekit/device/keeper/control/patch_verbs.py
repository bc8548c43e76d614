"""What one connection brings as patches: their parts, and the wish to have them applied."""

from __future__ import annotations

from collections.abc import Iterator

from edgekit.device.keeper.update.patches import Patches, PatchHead
from edgekit.device.keeper.update.releases import Offered
from edgekit.device.keeper.update.store import Store
from edgekit.schema.control import Event, Missing, Request
from edgekit.schema.message import to_message_data
from edgekit.schema.units import counted


class PatchVerbs:
    """`patch` and `missing` for the release that a connection has offered. Callers hold its application's lock."""

    def __init__(self, patches: Patches, store: Store) -> None:
        self._patches = patches
        self._store = store
        self._whole: dict[str, PatchHead] = {}
        """Patches that have come whole and are not applied yet, by the blob that they make."""

    def receive(self, offered: Offered, request: Request, payload: bytes) -> None:
        """Take the next piece of a patch.

        Raises:
            InputError: no such patch can be, or the piece does not fit what has arrived so far.
            RolloutError: the disk is full.
        """
        head = PatchHead(
            application=offered.manifest.application,
            sha256=request.sha256,
            size_bytes=offered.sizes[request.sha256],
            base=request.base,
            patch=request.patch,
            patch_bytes=request.size_bytes,
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
