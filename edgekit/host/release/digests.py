"""What a release's folder holds; a file is hashed again only when its stat has changed since the last time."""

from __future__ import annotations

import os
import time
from pathlib import Path

from edgekit.host.content import Memo, boot_id, read_content
from edgekit.host.notes import Notes
from edgekit.schema.manifest import FileEntry
from edgekit.trust import sha256_bytes

_MOST = 64
"""How many folders are remembered."""


class FolderDigests:
    """Lists a folder's files with their digests, and remembers them between runs.

    Args:
        folder: what is listed.
        notes: folder of the cache where digests are remembered; it is made when needed.
    """

    def __init__(self, folder: Path, notes: Path) -> None:
        self._folder = folder
        self._notes = Notes(notes, most=_MOST)
        self._key = sha256_bytes(os.fsencode(folder.absolute()))

    def entries(self) -> tuple[FileEntry, ...] | None:
        """Every file, sorted by path; None where the folder holds links, devices or other things that no release holds.

        Raises:
            OSError: a file cannot be read.
        """
        known = Memo.load(self._notes.read(self._key) or b"", boot_id())
        content, seen = read_content(self._folder, known)
        if seen.files != known.files:
            self._notes.write(self._key, seen.dump(time.time_ns(), boot_id()))
        if any(item.kind not in ("file", "folder") for item in content.items):
            return None
        return content.files
