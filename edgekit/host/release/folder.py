"""A release on the host: a folder with `manifest.json`, its signature, `provenance.json`, and `files/`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.release.names import FILES, MANIFEST, PLAN, PROVENANCE, SIGNATURE
from edgekit.schema.manifest import MAX_MANIFEST_BYTES, FileEntry, Manifest, check_manifest
from edgekit.schema.message import from_message
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.provenance import MAX_PROVENANCE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseFolder:
    """A release as it lies there. Whether it is whole and trusted is for the device to judge."""

    path: Path
    manifest: Manifest
    manifest_bytes: bytes
    signature: bytes
    """Empty where it is not signed."""
    provenance: bytes = b""
    """The envelope; empty where there is none, or one that is too large to be any."""
    digest: str

    def file(self, entry: FileEntry) -> Path:
        """Where a listed file lies, or should."""
        return self.path / FILES / entry.path


def open_release(path: Path) -> ReleaseFolder:
    """Read a release's manifest.

    Raises:
        InputError: there is no release, or its manifest cannot be read.
        TrustError: its manifest reaches outside the release.
    """
    file = path / MANIFEST
    try:
        if file.stat().st_size > MAX_MANIFEST_BYTES:
            raise InputError(f"{file} is too large", hint="build the release again")
        content = file.read_bytes()
        signature, provenance = _beside(path / SIGNATURE), _beside(path / PROVENANCE)
    except OSError as error:
        hint = "edgekit build RECIPE --target T --out DIR makes one"
        what = f"there is no {MANIFEST} in it" if path.is_dir() else "there is no such folder"
        what = what if isinstance(error, FileNotFoundError | NotADirectoryError) else f"{file}: {error.strerror}"
        raise InputError(f"{path} holds no release: {what}", hint=hint) from None
    manifest = from_message(Manifest, content, str(file))
    check_manifest(manifest)
    return ReleaseFolder(
        path=path,
        manifest=manifest,
        manifest_bytes=content,
        signature=signature,
        provenance=provenance,
        digest=hashlib.sha256(content).hexdigest(),
    )


def _beside(file: Path) -> bytes:
    """A small file beside the manifest; empty where there is none. Raises OSError."""
    if not file.is_file():
        return b""
    with file.open("rb") as opened:
        content = opened.read(MAX_PROVENANCE_BYTES + 1)
    return content if len(content) <= MAX_PROVENANCE_BYTES else b""


def read_plan(folder: ReleaseFolder) -> WorkerPlan | None:
    """Read a release's plan; None where there is none, or none that can be read: the device refuses such a release."""
    file = folder.path / FILES / PLAN
    try:
        return from_message(WorkerPlan, file.read_bytes(), str(file))
    except (OSError, InputError):
        return None


def third_party_files(manifest: Manifest) -> tuple[FileEntry, ...]:
    """Other people's Python packages in a release: all of `site/` but edgekit itself."""
    return tuple(
        entry
        for entry in manifest.files
        if entry.path.startswith("site/") and not entry.path.startswith("site/edgekit/")
    )
