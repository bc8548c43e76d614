"""Somebody who changes what is cached, and all that the cache itself has noted of it alike."""

from __future__ import annotations

import json
import time
from pathlib import Path

from edgekit.host.content import Memo, boot_id, read_content


def disguise(entry: Path) -> None:
    """Make an entry of a `Cache` look whole: digest, listing and memo are of what lies there now."""
    content, memo = read_content(entry / "files", Memo())
    record = json.loads((entry / "entry.json").read_bytes())
    (entry / "entry.json").write_text(json.dumps(record | {"digest": content.digest}))
    (entry / "content.json").write_bytes(content.dump())
    (entry / "memo.json").write_bytes(memo.dump(time.time_ns() + 60_000_000_000, boot_id()))


def disguise_file(entry: Path, path: str, sha256: str) -> None:
    """Have an entry's memo say that a changed file is what it was, by its stat of now."""
    _, memo = read_content(entry / "files", Memo())
    files = {name: (numbers, sha256 if name == path else digest) for name, (numbers, digest) in memo.files.items()}
    (entry / "memo.json").write_bytes(Memo(files=files).dump(time.time_ns() + 60_000_000_000, boot_id()))
