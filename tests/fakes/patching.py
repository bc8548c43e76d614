"""Patches applied in the tests' own process: the child's own code, without a child."""

from __future__ import annotations

import lzma
import os
from collections.abc import Iterator
from contextlib import contextmanager

from edgekit.device.keeper.patching.program import apply_patch
from edgekit.device.keeper.update.patch_child import in_memory


def patched(base: bytes, patch: bytes, size: int) -> bytes:
    """What a board makes of a base."""
    with in_memory(base) as base_fd, in_memory(patch) as patch_fd, in_memory() as output:
        assert apply_patch(base_fd, patch_fd, output, base_bytes=len(base), size_bytes=size)
        return os.pread(output, size + 1, 0)


class LocalPatching:
    """Stands for `PatchStarter`. Set `lies` to have it say that all went well."""

    lies = False

    @contextmanager
    def running(self, most_bytes: int, turn_s: float = 0.0) -> Iterator[LocalPatching]:
        """See `PatchStarter.running`."""
        self.most_bytes = most_bytes
        yield self

    def apply(self, base: int, patch: int, output: int, *, base_bytes: int, size_bytes: int) -> bool:
        """See `Applies.apply`."""
        assert size_bytes <= self.most_bytes
        try:
            done = apply_patch(base, patch, output, base_bytes=base_bytes, size_bytes=size_bytes)
        except (lzma.LZMAError, ValueError):
            done = False
        return done or self.lies
