"""Puts a release together: files, manifest, signature. Written aside and renamed: there is no half release."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from edgekit.errors import InputError
from edgekit.host.release.folder import FILES, MANIFEST, SIGNATURE
from edgekit.schema.manifest import FileEntry, Manifest, check_manifest
from edgekit.schema.reader import to_json


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
        """The manifest's list, sorted."""
        read = [self.known.get(path) or _entry(path, file.read_bytes()) for path, file in self.files.items()]
        made = [_entry(path, content) for path, content in self.texts.items()]
        return tuple(sorted([*read, *made], key=lambda entry: entry.path))


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """A manifest's bytes and the signature over them."""

    manifest: bytes
    signature: bytes


def finish_manifest(manifest: Manifest, content: Content) -> bytes:
    """The manifest's bytes, with every file listed.

    Raises:
        TrustError: a path or size that no device would take.
    """
    whole = dataclasses.replace(manifest, files=content.entries())
    check_manifest(whole)
    return to_json(whole)


def write_release(out: Path, content: Content, signed: Signed) -> None:
    """Write the release's folder, replacing a release that is there.

    Raises:
        InputError: the folder holds something else, or cannot be written.
    """
    if out.exists() and not (out / MANIFEST).is_file() and any(out.iterdir()):
        raise InputError(f"{out} holds something that is no release", hint="choose another --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as aside:
            made = Path(aside, "release")
            _fill(made, content, signed)
            if out.exists():
                out.rename(Path(aside, "before"))
            made.rename(out)
    except OSError as error:
        raise InputError(f"{out} cannot be written: {error.strerror}", hint=f"df -h {out.parent}") from None


def _fill(made: Path, content: Content, signed: Signed) -> None:
    for path, file in content.files.items():
        copy = made / FILES / path
        copy.parent.mkdir(parents=True, exist_ok=True)
        _copy(file, copy)
    for path, text in content.texts.items():
        (made / FILES / path).parent.mkdir(parents=True, exist_ok=True)
        (made / FILES / path).write_bytes(text)
    (made / MANIFEST).write_bytes(signed.manifest)
    (made / SIGNATURE).write_bytes(signed.signature)


def _copy(file: Path, copy: Path) -> None:
    """A copy of its own: whoever edits a release must not edit the cache."""
    shutil.copyfile(file, copy)
    if os.access(file, os.X_OK):
        copy.chmod(0o755)


def _entry(path: str, content: bytes) -> FileEntry:
    return FileEntry(path=path, sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))
