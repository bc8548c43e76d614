"""A disk that a worker, or anybody, has filled."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tests.fakes.recording import QuickFilesystem


class FullFilesystem(QuickFilesystem):
    """Takes nothing that needs more room than there is already, while it is full."""

    full = True
    left = 0
    """Bytes that it still takes."""

    def write(self, path: Path, data: bytes) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        super().write(path, data)

    def extend(self, path: Path, offset: int, data: bytes) -> None:
        if self.full and len(data) > self.left:
            super().extend(path, offset, data[: self.left])
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        super().extend(path, offset, data)
