"""Patches on their way: received in parts, applied by a child, and believed for nothing but their result's digest.

A patch that is torn, does not fit, or whose base is gone is forgotten: its file is missing then, and comes whole.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.update.file_looks import file_size
from edgekit.device.keeper.update.inflate import inflate
from edgekit.device.keeper.update.patch_child import Applies, in_memory, opened
from edgekit.device.keeper.update.release_files import MANIFEST, STATEMENT
from edgekit.device.keeper.update.store import Store
from edgekit.errors import InputError
from edgekit.schema.control import BegunPatch, Encoding
from edgekit.schema.digests import is_digest_begin
from edgekit.schema.manifest import MAX_MANIFEST_BYTES
from edgekit.schema.patch import MAX_BASE_BYTES, MAX_PATCHED_BYTES, PATCH_NAME_CHARS
from edgekit.schema.provenance import MAX_PROVENANCE_BYTES
from edgekit.trust import check_digest_name, sha256_bytes, sha256_file

_PATCH, _OFFERED, _STATED = ".patch", ".offered", ".stated"
_AGAIN = "deploy again: what cannot be patched is sent whole"
_OFFER_TURN_S = 30.0
"""Whoever offers a release waits for the answer: sooner than that patience ends, the manifest is to come whole."""


class Starts(Protocol):
    """Where children come from: `patch_child.PatchStarter`."""

    def running(self, most_bytes: int, turn_s: float = ...) -> AbstractContextManager[Applies]:
        """A child whose outputs have at most so many bytes, for as long as the block runs.

        One that is not to be had within `turn_s` seconds, as others are at work, applies nothing.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchHead:
    """Which patch of one application's blob."""

    application: str
    sha256: str
    """Of the blob that it makes."""
    size_bytes: int
    """Of that blob, as the manifest has it."""
    base: str
    """The blob that it is applied to, or how its digest begins; empty: none."""
    patch: str
    """The beginning of the patch's own digest."""
    patch_bytes: int


class Patches:
    """The patches below one prefix. Callers hold the deployment lock of the application."""

    def __init__(self, layout: Layout, disk: Filesystem, store: Store, children: Starts) -> None:
        self._layout = layout
        self._disk = disk
        self._store = store
        self._children = children

    def begun(self, application: str, sizes: Mapping[str, int]) -> tuple[BegunPatch, ...]:
        """What interrupted transfers brought of patches for the blobs `sha256 -> bytes`."""
        found = []
        for file in self._layout.incoming_dir.glob(f"*.{application}{_PATCH}"):
            sha256, _, rest = file.name.partition(".")
            patch, _, total = rest.partition(".")[0].partition("-")
            if sha256 in sizes and total.isdigit():
                # Never all of it: its last piece says that it is whole.
                have = min(file.stat().st_size, int(total) - 1)
                found.append(BegunPatch(sha256=sha256, patch=patch, have_bytes=max(0, have)))
        return tuple(found)

    def receive(self, head: PatchHead, offset: int, data: bytes) -> bool:
        """Take the next piece of a patch.

        Returns:
            Whether the patch is whole now.

        Raises:
            InputError: no such patch can be, or the piece does not fit what has arrived so far.
            RolloutError: the disk is full.
        """
        _check(head)
        file, end = self._file(head), offset + len(data)
        have = file_size(file)
        if not 0 <= offset <= have or end > head.patch_bytes:
            raise InputError(f"patch {head.patch}: {offset}..{end} does not go on from {have}", hint=_AGAIN)
        if offset == 0:
            self._forget(head)
        with self._disk.explain_full(self._layout.state_dir, head.patch_bytes - offset):
            self._disk.extend(file, offset, data)
        return end == head.patch_bytes

    def apply(self, heads: Iterable[PatchHead]) -> None:
        """Apply patches that are whole; those that lead to nothing are forgotten.

        Raises:
            OSError: the disk cannot be written.
        """
        heads = tuple(heads)
        if not heads:
            return
        with self._children.running(max(head.size_bytes for head in heads)) as child:
            for head in heads:
                self._apply(head, child)
                self._disk.remove(self._file(head))  # when it began to come, all others for its blob went

    def manifest(self, base: str, size_bytes: int, patch: bytes, encoding: Encoding = "raw") -> bytes:
        """The manifest that a patch makes: unsigned still, and perhaps anything.

        Args:
            base: digest of the release whose manifest it is made from; empty: none.
            size_bytes: what it shall have.
            patch: the patch, or the manifest packed.
            encoding: which of these.

        Raises:
            InputError: the base is not here, or the patch does not fit it.
        """
        if not 0 < size_bytes <= MAX_MANIFEST_BYTES:
            raise InputError("the manifest is too large", hint="build the release again")
        return self._made(self._manifest_of(check_digest_name(base)) if base else b"", size_bytes, patch, encoding)

    def statement(self, base: str, size_bytes: int, patch: bytes, begin: str, encoding: Encoding = "raw") -> bytes:
        """What a patch makes of how a release was made; the beginning of its digest is what is expected.

        Raises:
            InputError: the base's is not here, or the patch does not fit it.
        """
        if not 0 < size_bytes <= MAX_PROVENANCE_BYTES:
            raise InputError("the provenance is too large", hint="build the release again")
        made = self._made(self._statement_of(check_digest_name(base)) if base else b"", size_bytes, patch, encoding)
        if not (is_digest_begin(begin) and sha256_bytes(made).startswith(begin)):
            raise InputError("the provenance's patch does not fit", hint=_AGAIN)
        return made

    def remember(self, application: str, digest: str, *, manifest: bytes = b"", statement: bytes = b"") -> None:
        """Keep what has a good signature: after a broken link it comes again, as a patch of itself.

        A disk that does not take it costs that, and no more.
        """
        for kind, content in ((_OFFERED, manifest), (_STATED, statement)):
            file = self._layout.incoming_dir / f"{digest}.{application}{kind}"
            if content and not file.exists():
                with contextlib.suppress(OSError):
                    self._remove_all("", f".{application}{kind}")
                    self._disk.write(file, content)

    def forget(self, application: str) -> None:
        """What was offered for an application is installed: the release has its manifest."""
        for kind in (_OFFERED, _STATED):
            self._remove_all("", f".{application}{kind}")

    def _made(self, old: bytes, size_bytes: int, patch: bytes, encoding: Encoding) -> bytes:
        """What a patch makes of a text, or what was packed. Raises InputError where it does not fit."""
        made = inflate(patch, size_bytes, of="text") if encoding == "zlib" else self._patched(old, size_bytes, patch)
        if len(made) != size_bytes:
            raise InputError("the patch does not fit what is here", hint=_AGAIN)
        return made

    def _patched(self, old: bytes, size_bytes: int, patch: bytes) -> bytes:
        """What a child makes of a text; nothing where the patch does not fit."""
        with (
            in_memory(old) as base_fd,
            in_memory(patch) as patch_fd,
            in_memory() as output,
            self._children.running(size_bytes, _OFFER_TURN_S) as child,
        ):
            done = child.apply(base_fd, patch_fd, output, base_bytes=len(old), size_bytes=size_bytes)
            return os.pread(output, size_bytes, 0) if done else b""

    def _manifest_of(self, release: str) -> bytes:
        for content in self._texts(release, MANIFEST, _OFFERED):
            if sha256_bytes(content) == release:
                return content
        raise InputError(f"there is no manifest of release {release[:12]} here", hint=_AGAIN)

    def _statement_of(self, release: str) -> bytes:
        for content in self._texts(release, STATEMENT, _STATED):
            return content
        raise InputError(f"there is no provenance of release {release[:12]} here", hint=_AGAIN)

    def _texts(self, release: str, name: str, kind: str) -> Iterator[bytes]:
        """What an installed release has under a name, and what was remembered of one that was offered."""
        for file in (self._layout.release(release) / name, *self._layout.incoming_dir.glob(f"{release}.*{kind}")):
            with contextlib.suppress(OSError):
                yield file.read_bytes()

    def _apply(self, head: PatchHead, child: Applies) -> bool:
        """Make one blob; whether it is the right one."""
        patch, part = self._file(head), self._layout.part(head.sha256, head.application)
        base = self._base(head)
        if base is None or not patch.exists() or not sha256_file(patch).startswith(head.patch):
            return False
        with opened(base) as base_fd, opened(patch) as patch_fd:
            base_bytes = os.fstat(base_fd).st_size if head.base else 0
            if base_bytes > MAX_BASE_BYTES:
                return False
            with self._disk.lent(part) as output:
                done = child.apply(base_fd, patch_fd, output, base_bytes=base_bytes, size_bytes=head.size_bytes)
        if done and part.stat().st_size == head.size_bytes and self._store.adopt(part, head.sha256):
            return True
        self._disk.remove(part)
        return False

    def _base(self, head: PatchHead) -> Path | None:
        """Where the base lies; None where it does not."""
        if not head.base:
            return Path(os.devnull)
        return self._store.find(head.base)

    def _forget(self, head: PatchHead) -> None:
        """This patch, and whatever else had begun to come for its blob."""
        self._remove_all(f"{head.sha256}.", f".{head.application}{_PATCH}")

    def _remove_all(self, start: str, end: str) -> None:
        """Remove what has come by its name."""
        for name in self._disk.names(self._layout.incoming_dir):
            if name.startswith(start) and name.endswith(end):
                self._disk.remove(self._layout.incoming_dir / name)

    def _file(self, head: PatchHead) -> Path:
        name = f"{head.sha256}.{head.patch}-{head.patch_bytes}.{head.application}{_PATCH}"
        return self._layout.incoming_dir / name


def _check(head: PatchHead) -> None:
    """Raise InputError where a patch could not be one: its names become part of a path, its size room on the disk."""
    if head.base and not is_digest_begin(head.base):
        raise InputError(f"{head.base[:80]!r} begins no SHA-256 digest", hint=_AGAIN)
    if len(head.patch) != PATCH_NAME_CHARS or not set(head.patch) <= set("0123456789abcdef"):
        raise InputError(f"{head.patch[:80]!r} begins no SHA-256 digest", hint=_AGAIN)
    if not 0 < head.patch_bytes < head.size_bytes <= MAX_PATCHED_BYTES:
        raise InputError(f"no patch of {head.patch_bytes} bytes makes {head.size_bytes}", hint=_AGAIN)
