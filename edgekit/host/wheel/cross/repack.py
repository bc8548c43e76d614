"""Repacks the wheel of a back end: true tags, an SBOM inside, reproducible bytes."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from pathlib import Path

from packaging.utils import parse_wheel_filename

from edgekit.errors import WheelError
from edgekit.host.wheel.cross.provenance import Provenance
from edgekit.host.wheel.cross.sbom import wheel_sbom

_TIME = (1980, 1, 1, 0, 0, 0)
_MODE, _MODE_EXECUTABLE = 0o100644, 0o100755
_SBOM = "sboms/edgekit.cdx.json"
"""Source: PEP 770."""


def repack_wheel(wheel: Path, platform: str, provenance: Provenance, out: Path) -> Path:
    """Write a wheel anew with the given platform tag, an SBOM, a correct RECORD and reproducible bytes.

    Args:
        wheel: as a back end or auditwheel left it.
        platform: the platform tag that is true of it: `manylinux_2_34_aarch64`, or `any`.
        provenance: how it was made.
        out: folder for the result.

    Returns:
        The new wheel.

    Raises:
        WheelError: it is no wheel.
    """
    name, _, build, tags = parse_wheel_filename(wheel.name)
    interpreters = ".".join(sorted({tag.interpreter for tag in tags}))
    abis = "none" if platform == "any" else ".".join(sorted({tag.abi for tag in tags}))
    head = "-".join(wheel.stem.split("-")[: 3 if build else 2])
    made = out / f"{head}-{interpreters}-{abis}-{platform}.whl"
    try:
        with zipfile.ZipFile(wheel) as old:
            entries = {item.filename: item for item in old.infolist() if not item.is_dir()}
            contents = {path: old.read(item) for path, item in entries.items()}
    except (zipfile.BadZipFile, OSError) as error:
        raise WheelError(f"the back end of {name} made no wheel: {error}", hint="take another version") from None
    executable = {path for path, item in entries.items() if item.external_attr >> 16 & 0o111}
    info = next(path.split("/")[0] for path in contents if path.endswith(".dist-info/WHEEL"))
    tag_lines = sorted(f"{python}-{abi}-{platform}" for python in interpreters.split(".") for abi in abis.split("."))
    contents[f"{info}/WHEEL"] = _retagged(contents[f"{info}/WHEEL"], tag_lines)
    contents[f"{info}/{_SBOM}"] = wheel_sbom(contents[f"{info}/METADATA"], provenance)
    contents.pop(f"{info}/RECORD", None)
    contents[f"{info}/RECORD"] = _record(contents, f"{info}/RECORD")
    _write(made, contents, executable)
    return made


def _retagged(text: bytes, tags: list[str]) -> bytes:
    lines = [line for line in text.decode().splitlines() if line and not line.startswith(("Tag:", "Root-Is-Purelib:"))]
    pure = all(tag.endswith("-any") for tag in tags)
    lines.append(f"Root-Is-Purelib: {'true' if pure else 'false'}")
    return "".join(f"{line}\n" for line in [*lines, *(f"Tag: {tag}" for tag in tags)]).encode()


def _record(contents: dict[str, bytes], own: str) -> bytes:
    """Source: PyPA, Binary distribution format, RECORD."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    for path, content in sorted(contents.items()):
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()
        rows.writerow([path, f"sha256={digest}", len(content)])
    rows.writerow([own, "", ""])
    return text.getvalue().encode()


def _write(made: Path, contents: dict[str, bytes], executable: set[str]) -> None:
    """Metadata last, as the format recommends; else sorted."""
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as new:
        for path in sorted(contents, key=lambda path: (".dist-info/" in path, path)):
            item = zipfile.ZipInfo(path, _TIME)
            item.create_system = 3
            item.external_attr = (_MODE_EXECUTABLE if path in executable else _MODE) << 16
            item.compress_type = zipfile.ZIP_DEFLATED
            new.writestr(item, contents[path])
