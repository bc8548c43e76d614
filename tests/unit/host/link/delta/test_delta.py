"""Patches: found bases, made once, undone by the board's own code, and never more than the file."""

from __future__ import annotations

import os
import random
import struct
from bisect import bisect
from pathlib import Path

import pytest

from edgekit.host.cache import Cache
from edgekit.host.link.delta.files import ReleaseFiles
from edgekit.host.link.delta.lzma_patch import can_patch, make_patch
from edgekit.host.link.delta.matching import looks_alike, patch_jobs
from edgekit.host.link.delta.patch_set import PatchSets
from edgekit.host.progress import Silent
from tests.fakes.patching import patched
from tests.fakes.releases import FakeRelease, make_release, write_release

TEXT = bytes(random.Random(1).choices(b"abcdefgh \n", k=200_000))
NEWER = TEXT[:90_000] + b"a line that is new\n" + TEXT[90_100:]
NOISE = os.urandom(50_000)
needs_liblzma = pytest.mark.skipif(not can_patch(), reason="no liblzma on this machine")


@needs_liblzma
@pytest.mark.parametrize("base", [TEXT, TEXT[:1], NOISE, b"x" * 65_536, b"x" * 65_537])
def test_a_patch_makes_the_newer_file_of_the_older_one(base: bytes) -> None:
    patch = make_patch(base, NEWER)
    assert patch is not None
    assert patched(base, patch, len(NEWER)) == NEWER
    assert len(patch) < (300 if base is TEXT else len(NEWER))


def test_a_file_without_a_base_is_packed_and_noise_is_no_patch() -> None:
    patch = make_patch(b"", TEXT)
    assert patch is not None and len(patch) < len(TEXT) / 2
    assert patched(b"", patch, len(TEXT)) == TEXT
    assert make_patch(b"", NOISE) is None


def _program(machine: int, seed: int, *, more: int = 0) -> bytes:
    """A program of instructions as AArch64 has them, four bytes each: a few hundred kinds, registers, and calls.

    Args:
        machine: whose, as its head says.
        seed: of what it does.
        more: instructions that a newer version has between those: calls across them become longer.
    """
    chance = random.Random(seed)
    kinds = [chance.randrange(1 << 32) & 0x7FFFFC1F for _ in range(300)]
    words = [chance.choice(kinds) | chance.randrange(32) << 5 for _ in range(30_000)]
    calls = {place: chance.randrange(100) * 300 for place in chance.sample(range(len(words)), 12_000)}
    new = sorted(chance.sample(range(len(words)), more))

    def moved(place: int) -> int:
        return place + bisect(new, place)

    for place, function in calls.items():
        words[place] = 0x94000000 | (moved(function) - moved(place)) & 0x3FFFFFF
    for place in reversed(new):
        words.insert(place, 0x1F2003D5)
    return struct.pack("<4s14xHxx42x", b"\x7fELF", machine) + struct.pack(f"<{len(words)}I", *words)


@needs_liblzma
def test_programs_for_boards_are_packed_by_their_instructions() -> None:
    """Where a few instructions came in, all calls across them are others; of OpenCV's patch a fifth were these."""
    sizes = []
    for machine in (183, 62):
        old, new = _program(machine, 1), _program(machine, 1, more=50)
        for base in (b"", old):
            patch = make_patch(base, new)
            assert patch is not None and patched(base, patch, len(new)) == new
            sizes.append(len(patch))
    packed, patched_bytes, usually_packed, usually_patched = sizes
    assert packed < 0.9 * usually_packed and patched_bytes < 0.9 * usually_patched, sizes


def _names(old: list[str], new: str) -> str:
    before = make_release(extra={path: path.encode() for path in old})
    after = make_release(extra={new: b"new"})
    (job,) = (job for job in patch_jobs(before.manifest, after.manifest) if job.new.path == new)
    return job.base.path if job.base else ""


@pytest.mark.parametrize(
    ("old", "new", "base"),
    [
        (["site/a.so", "site/b.so"], "site/b.so", "site/b.so"),
        (
            ["site/numpy-2.2.4.dist-info/RECORD"],
            "site/numpy-2.2.5.dist-info/RECORD",
            "site/numpy-2.2.4.dist-info/RECORD",
        ),
        (
            ["site/x.libs/libav-1a2b3c4d.so.59.37"],
            "site/x.libs/libav-ffffffff.so.59.38",
            "site/x.libs/libav-1a2b3c4d.so.59.37",
        ),
        (
            ["site/x.libs/libblas-r0-8966572e.3.3.so"],
            "site/y.libs/libblas-r0-11111111.3.4.so",
            "site/x.libs/libblas-r0-8966572e.3.3.so",
        ),
        (["engines/net.rknn"], "engines/other.rknn", ""),
    ],
    ids=["path", "version", "hash", "name", "none"],
)
def test_bases_are_found_by_names_without_versions_and_hashes(old: list[str], new: str, base: str) -> None:
    assert _names(old, new) == base


def test_files_that_are_there_have_no_job() -> None:
    before, after = make_release(extra={"a": TEXT}), make_release(extra={"b": TEXT, "c": NEWER})
    assert [job.new.path for job in patch_jobs(before.manifest, after.manifest)] == ["c"]


def test_only_what_shares_bytes_is_tried() -> None:
    assert looks_alike(TEXT, NEWER)
    assert not looks_alike(NOISE, os.urandom(50_000))


def files_of(release: FakeRelease, folder: Path) -> ReleaseFiles:
    write_release(release, folder)
    return ReleaseFiles(
        digest=release.digest,
        manifest=release.manifest,
        manifest_bytes=release.manifest_json,
        file=lambda path: folder / "files" / path,
    )


@needs_liblzma
def test_patches_are_made_once_for_a_step_and_only_where_they_are_less(tmp_path: Path) -> None:
    old = files_of(make_release(extra={"a.txt": TEXT, "noise": NOISE}), tmp_path / "old")
    newer = make_release(extra={"a.txt": NEWER, "noise": os.urandom(50_000), "tiny": b"1"})
    new = files_of(newer, tmp_path / "new")
    sets = PatchSets(Cache(tmp_path / "cache/patches"), Silent())
    found = sets.get(old, new)
    by_path = {entry.path: found.get(entry.sha256) for entry in newer.manifest.files}
    assert by_path["noise"] is None and by_path["tiny"] is None
    patch = by_path["a.txt"]
    assert patch is not None and patched(TEXT, patch.file.read_bytes(), len(NEWER)) == NEWER
    (tmp_path / "new/files/a.txt").unlink()
    assert sets.get(old, new) == found, "nothing is read again"


def test_a_file_that_is_not_what_its_release_says_makes_no_patch(tmp_path: Path) -> None:
    old = files_of(make_release(extra={"a.txt": TEXT}), tmp_path / "old")
    new = files_of(make_release(extra={"a.txt": NEWER}), tmp_path / "new")
    (tmp_path / "new/files/a.txt").write_bytes(NEWER + b"!")
    sha256 = {entry.path: entry.sha256 for entry in new.manifest.files}["a.txt"]
    assert sha256 not in PatchSets(Cache(tmp_path / "cache/patches"), Silent()).get(old, new)
