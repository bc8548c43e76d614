"""Puts a release together: files, manifest, signature. Written aside and renamed: there is no half release."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.disk import write_whole
from edgekit.host.release.digests import FolderDigests
from edgekit.host.release.names import FILES, MANIFEST, PROVENANCE, SIGNATURE, check_out
from edgekit.host.release.replace import folder_beside, replace_folder
from edgekit.schema.manifest import FileEntry, Manifest, check_manifest
from edgekit.schema.message import to_message

_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What goes into a release, by its path there. Digests that are known already are not taken again."""

    files: Mapping[str, Path]
    """Files to copy."""
    texts: Mapping[str, bytes]
    """Files made in memory."""
    known: Mapping[str, FileEntry]
    """Entries of `files` that are known, under their path in the release."""

    def entries(self) -> tuple[FileEntry, ...]:
        """The manifest's list, sorted. Reads every file that is not known."""
        read = [self.known.get(path) or _read_entry(path, file) for path, file in self.files.items()]
        made = [_entry(path, content) for path, content in self.texts.items()]
        return tuple(sorted([*read, *made], key=lambda entry: entry.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A manifest's bytes, the files that it lists, the signature over it, and how it was made."""

    manifest: bytes
    files: tuple[FileEntry, ...]
    signature: bytes
    provenance: bytes
    """An envelope with a signature of its own."""


def encode_manifest(manifest: Manifest) -> bytes:
    """The manifest's bytes.

    Raises:
        TrustError: a path or size that no device would take.
    """
    check_manifest(manifest)
    return to_message(manifest)


def write_release(out: Path, content: Content, signed: Signed, *, notes: Path) -> None:
    """Write the release's folder, replacing a release that is there; of one that is whole and the same, the provenance.

    Args:
        out: the folder.
        content: what goes into it. Each file is hashed on its way and must be what the manifest says.
        signed: its manifest and signature.
        notes: folder of the cache that remembers digests of what was written. See `FolderDigests`.

    Raises:
        InputError: the folder holds something else, cannot be written, or a file has changed since it was listed.
    """
    check_out(out)
    digests = FolderDigests(out / FILES, notes)
    try:
        if _stands(out, signed, digests):
            write_whole(out / PROVENANCE, signed.provenance)  # of the same bytes, made once more
            return
        with folder_beside(out) as aside:
            made = aside / "release"
            _fill(made, content, signed)
            replace_folder(made, out)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}", hint=f"df -h {out.parent}") from None


def _stands(out: Path, signed: Signed, digests: FolderDigests) -> bool:
    """Whether this very release lies there, whole, and nothing beside it."""
    try:
        same = (out / MANIFEST).read_bytes() == signed.manifest and (out / SIGNATURE).read_bytes() == signed.signature
        return same and digests.entries() == signed.files
    except OSError:
        return False


def _fill(made: Path, content: Content, signed: Signed) -> None:
    listed = {entry.path: entry for entry in signed.files}
    for folder in {Path(FILES, path).parent for path in listed}:
        (made / folder).mkdir(parents=True, exist_ok=True)
    for path, file in content.files.items():
        _copy(file, made / FILES / path, listed[path])
    for path, text in content.texts.items():
        (made / FILES / path).write_bytes(text)
    (made / MANIFEST).write_bytes(signed.manifest)
    (made / SIGNATURE).write_bytes(signed.signature)
    (made / PROVENANCE).write_bytes(signed.provenance)


def _copy(file: Path, copy: Path, listed: FileEntry) -> None:
    """A copy of its own, hashed on its way: whoever edits a release must not edit the cache too."""
    digest = hashlib.sha256()
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as source, copy.open("xb") as target:
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            target.write(chunk)
        if listed.executable:
            os.fchmod(target.fileno(), 0o755)
    if digest.hexdigest() != listed.sha256:
        raise InputError(
            f"{file} is not what it was when the release was put together",
            hint="edgekit cache verify --repair, which looks whether it is the cache's, and build again",
        )


def _read_entry(path: str, file: Path) -> FileEntry:
    digest, size = hashlib.sha256(), 0
    with os.fdopen(os.open(file, os.O_RDONLY | os.O_NOFOLLOW), "rb") as source:
        executable = bool(os.fstat(source.fileno()).st_mode & stat.S_IXUSR)
        while chunk := source.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return FileEntry(path=path, sha256=digest.hexdigest(), bytes=size, executable=executable)


def _entry(path: str, content: bytes) -> FileEntry:
    return FileEntry(path=path, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
