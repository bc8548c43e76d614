"""Sends a release: what a device lacks, each file the way that takes least, from where the last try broke.

What will be sent is planned first, and the plan's messages are what is sent: so their bytes can be counted before.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from edgekit.errors import TrustError
from edgekit.host.blobs import BlobPiece, cut_file, packed
from edgekit.host.link.ahead import made_ahead
from edgekit.host.link.client import KeeperClient
from edgekit.host.link.delta.files import Patch, ReleaseFiles
from edgekit.host.link.request import packed_bytes
from edgekit.schema.control import BegunPatch, MissingBlob, Verb
from edgekit.schema.digests import DIGEST_CHARS, DigestIndex
from edgekit.schema.manifest import FileEntry

_PIECE_BYTES = 128 << 10
"""Of a file, before compression."""
_SMALL_BYTES = 64 << 10
"""Files of so many bytes at most travel together: what a request costs a device by itself is saved for all but one."""
_JOINED_BYTES, _MOST_JOINED = 240 << 10, 200
"""Together, before compression: less than what a keeper's allocator maps for itself, and names than a line takes."""
_AHEAD = 8
"""So many requests are packed before the ones before them are sent."""
_BASE_CHARS = 12
"""Of a base's digest: a device that has several that begin so takes the file whole."""
_SMALL_PATCH_BYTES = 4 << 10
"""One that travels at once, or again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutgoingRelease(ReleaseFiles):
    """A release as it lies on the host. The device judges it, so files may be missing or wrong here."""

    signature: bytes


@dataclass(slots=True)
class Sent:
    """What has been sent so far, over all tries."""

    blobs: int = 0
    patches: int = 0
    """Of the blobs."""
    wire_bytes: int = 0
    """Requests and what they carry, without SSH's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WholeFile:
    """A file that is sent as it is, compressed where that helps."""

    entry: FileEntry
    have_bytes: int
    """Where to go on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PatchedFile:
    """A file that is sent as a patch."""

    entry: FileEntry
    patch: Patch
    have_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Which file goes which way."""

    files: tuple[WholeFile | PatchedFile, ...] = ()

    @property
    def bytes(self) -> int:
        """What is sent of files: of patches as they are, of whole files before compression."""
        return sum(map(_left_bytes, self.files))

    @property
    def file_bytes(self) -> int:
        """What the device gets of files by it."""
        return sum(one.entry.bytes - (one.have_bytes if isinstance(one, WholeFile) else 0) for one in self.files)

    @property
    def patches(self) -> int:
        """How many files travel as patches."""
        return sum(isinstance(one, PatchedFile) for one in self.files)

    def __len__(self) -> int:
        """The number of files."""
        return len(self.files)


def plan_transfer(
    release: ReleaseFiles, missing: Sequence[MissingBlob], begun: Sequence[BegunPatch], patches: Mapping[str, Patch]
) -> Transfer:
    """Choose each file's way. Pure.

    Args:
        release: what is sent.
        missing: what the device lacks.
        begun: patches that it has parts of.
        patches: those that there are, by the digest of what they make.
    """
    entries = {entry.sha256: entry for entry in release.manifest.files}
    parts = {(one.sha256, one.patch): one.have_bytes for one in begun}
    wanted = {blob.sha256: blob.have_bytes for blob in missing if blob.sha256 in entries}
    ways = (_way(entries[sha256], have, patches.get(sha256), parts) for sha256, have in wanted.items())
    # Patches first: while the others travel, nothing waits for them.
    return Transfer(files=tuple(sorted(ways, key=lambda way: isinstance(way, WholeFile))))


def _way(
    entry: FileEntry, have_bytes: int, patch: Patch | None, parts: Mapping[tuple[str, str], int]
) -> WholeFile | PatchedFile:
    have_bytes = min(max(0, have_bytes), entry.bytes)
    whole = WholeFile(entry=entry, have_bytes=have_bytes)
    if patch is None:
        return whole
    begun = parts.get((entry.sha256, patch.name), 0)
    patched = PatchedFile(entry=entry, patch=patch, have_bytes=begun if 0 <= begun < patch.bytes else 0)
    return whole if have_bytes and _left_bytes(whole) <= _left_bytes(patched) else patched


def _left_bytes(one: WholeFile | PatchedFile) -> int:
    size = one.entry.bytes if isinstance(one, WholeFile) else one.patch.bytes
    return size - one.have_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """One request on its way."""

    verb: Verb
    payload: bytes
    fields: Mapping[str, Any] = field(default_factory=dict)
    advance_bytes: int = 0
    """What of `Transfer.bytes` is done with it."""
    brings: tuple[WholeFile | PatchedFile, ...] = ()
    """What is there with it."""

    @property
    def wire_bytes(self) -> int:
        """What it takes, without SSH's own."""
        return packed_bytes(self.verb, self.payload, self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """How requests are put, so that a device understands them."""

    packs: bool
    """Whether it takes compressed pieces."""
    digest_chars: int = DIGEST_CHARS
    """So many of a digest tell it which of the release's blobs is meant."""
    brief: bool = False
    """Whether it finds bases by the beginning of a digest, and takes a small patch without a head."""
    joins: bool = False
    """Whether it takes several files in one piece."""


def wording(keeper: KeeperClient, release: ReleaseFiles) -> Wording:
    """How a device understands requests for a release."""
    if not keeper.can("code-patches"):
        return Wording(packs=keeper.can("zlib"))
    digests = DigestIndex({entry.sha256 for entry in release.manifest.files})
    joins = keeper.can("joined-chunks")
    return Wording(packs=keeper.can("zlib"), digest_chars=digests.distinct_chars, brief=True, joins=joins)


def requests_of(release: ReleaseFiles, ways: Iterable[WholeFile | PatchedFile], words: Wording) -> Iterator[Outgoing]:
    """The requests that bring some files.

    Args:
        release: whose files.
        ways: the files and how.
        words: how the device understands them.

    Raises:
        InputError: a file cannot be read.
        TrustError: one is not there, or shorter than was signed.
    """
    small: list[tuple[WholeFile, bytes]] = []
    for way in ways:
        if words.joins and isinstance(way, WholeFile) and not way.have_bytes and way.entry.bytes <= _SMALL_BYTES:
            size = sum(len(content) for _, content in small) + way.entry.bytes
            if small and (size > _JOINED_BYTES or len(small) == _MOST_JOINED):
                yield _joined(small, words)
                small = []
            small.append((way, b"".join(piece.payload for piece in _pieces_of(release, way, packs=False))))
        else:
            yield from _ended_by(way, _requests_of_one(release, way, words))
    if small:
        yield _joined(small, words)


def _joined(small: Sequence[tuple[WholeFile, bytes]], words: Wording) -> Outgoing:
    """Whole files as one piece."""
    plain = b"".join(content for _, content in small)
    payload, encoding = packed(plain, packs=words.packs)
    first, *more = (way.entry.sha256[: words.digest_chars] for way, _ in small)
    return Outgoing(
        verb="chunk",
        payload=payload,
        fields={"sha256": first, "more": tuple(more), "encoding": encoding},
        advance_bytes=len(plain),
        brings=tuple(way for way, _ in small),
    )


def _ended_by(way: WholeFile | PatchedFile, requests: Iterator[Outgoing]) -> Iterator[Outgoing]:
    """The same requests, of which the last one says that the file is there with it."""
    last = next(requests, None)
    for request in requests:
        if last is not None:
            yield last
        last = request
    if last is not None:
        yield replace(last, brings=(way,))


def _requests_of_one(release: ReleaseFiles, way: WholeFile | PatchedFile, words: Wording) -> Iterator[Outgoing]:
    match way:
        case WholeFile():
            begin = way.entry.sha256[: words.digest_chars]
            for piece in _pieces_of(release, way, packs=words.packs):
                if piece.size_bytes:
                    at = {"sha256": begin, "offset": piece.offset, "encoding": piece.encoding}
                    yield Outgoing(verb="chunk", payload=piece.payload, fields=at, advance_bytes=piece.size_bytes)
        case PatchedFile():
            patch = way.patch
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):  # cleared away: the device asks again
                for piece in cut_file(patch.file, way.have_bytes, patch.bytes, _PIECE_BYTES, packs=False):
                    at = {
                        "sha256": patch.sha256[: words.digest_chars],
                        "base": patch.base[: _BASE_CHARS if words.brief else DIGEST_CHARS],
                        "offset": piece.offset,
                    }
                    if way.have_bytes or not words.brief or patch.bytes > _SMALL_PATCH_BYTES:
                        at |= {"patch": patch.name, "size_bytes": patch.bytes}
                    yield Outgoing(verb="patch", payload=piece.payload, fields=at, advance_bytes=piece.size_bytes)


def _pieces_of(release: ReleaseFiles, way: WholeFile, *, packs: bool) -> Iterator[BlobPiece]:
    file, end = release.file(way.entry.path), way.entry.bytes
    piece = None
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        for piece in cut_file(file, way.have_bytes, end, _PIECE_BYTES, packs=packs):
            yield piece
    if piece is None or not piece.last:
        raise TrustError(
            f"{file} is missing or cut: {end} bytes were signed",
            hint="build the release again, or copy it here again: its files are not all here",
        )


def count_bytes(release: ReleaseFiles, transfer: Transfer, words: Wording) -> int:
    """Exactly what sending a transfer takes, without SSH's own: every file is read and compressed for it."""
    return sum(one.wire_bytes for one in requests_of(release, transfer.files, words))


def send_files(
    keeper: KeeperClient, release: ReleaseFiles, transfer: Transfer, sent: Sent, advance: Callable[[int], None]
) -> None:
    """Send what was planned.

    Args:
        keeper: to whom; the release has been offered to it.
        release: the release.
        transfer: the plan.
        sent: added to.
        advance: called with each number of further bytes of `Transfer.bytes`.

    Raises:
        EdgekitError: the keeper refused a piece.
        Unreachable: the link broke.
    """
    requests = requests_of(release, transfer.files, wording(keeper, release))
    with contextlib.closing(made_ahead(requests, _AHEAD)) as ready:
        for one in ready:
            sent.wire_bytes += keeper.send(one.verb, payload=one.payload, **one.fields)
            sent.blobs += len(one.brings)
            sent.patches += sum(isinstance(way, PatchedFile) for way in one.brings)
            advance(one.advance_bytes)
