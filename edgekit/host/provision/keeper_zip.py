"""`edgekitd.pyz`: the keeper as one file, made from edgekit's own source. The same source gives the same bytes.

Source: Python, zipapp; files are stored, not deflated, so that a start on a slow board needs no inflating.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

import edgekit
from edgekit.host.travels import KEEPER, travelling_files

_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAIN = b"import sys\n\nfrom edgekit.device.keeper.daemon import main\n\nsys.exit(main(sys.argv[1:]))\n"


def build_keeper() -> bytes:
    """The keeper's zip application, for any Python from 3.10 on."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(_entry("__main__.py"), _MAIN)
        for name, content in _sources():
            archive.writestr(_entry(f"edgekit/{name}"), content)
    return out.getvalue()


def _sources() -> Iterator[tuple[str, bytes]]:
    """The keeper's modules in a fixed order. They are read, never imported."""
    package = Path(edgekit.__file__).parent
    for name in travelling_files(package, KEEPER):
        yield name, (package / name).read_bytes()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    return entry
