"""The real child: it applies, and a patch that is hostile costs its file and nothing else."""

from __future__ import annotations

import lzma
import os
from pathlib import Path

import pytest

from edgekit.device.keeper.patching.program import MEMORY_BYTES
from edgekit.device.keeper.update.patch_child import PatchStarter, in_memory
from edgekit.executor.child import start_child
from edgekit.host.link.delta.lzma_patch import can_patch, make_patch
from edgekit.host.provision.keeper_zip import build_keeper
from edgekit.schema.patch import MAX_BASE_BYTES

BASE = os.urandom(200_000)
NEW = BASE[:100_000] + b"changed" + BASE[100_000:]


@pytest.fixture(scope="module")
def starter(tmp_path_factory: pytest.TempPathFactory) -> PatchStarter:
    program = tmp_path_factory.mktemp("keeper") / "edgekitd.pyz"
    program.write_bytes(build_keeper())
    return PatchStarter(program, start_child)


def packed(data: bytes) -> bytes:
    return b"\0" + lzma.compress(
        data, format=lzma.FORMAT_RAW, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    )


def test_one_child_applies_many_and_goes_on_after_a_bad_one(starter: PatchStarter, tmp_path: Path) -> None:
    patch = make_patch(BASE, NEW) or b""
    jobs = [(b"", packed(NEW), NEW), (BASE, b"rubbish", b""), (b"", packed(b"bomb" * 1_000_000), None)]
    jobs += [(BASE, patch, NEW)] if can_patch() else []
    with starter.running(len(NEW)) as child:
        for base, content, made in jobs:
            file = tmp_path / "out"
            with in_memory(base) as base_fd, in_memory(content) as patch_fd, file.open("wb") as out:
                done = child.apply(base_fd, patch_fd, out.fileno(), base_bytes=len(base), size_bytes=len(NEW))
            assert file.stat().st_size <= len(NEW)
            if made is not None:
                assert (done, file.read_bytes() if done else b"") == (bool(made), made)


def test_the_kernel_bounds_what_it_writes(starter: PatchStarter, tmp_path: Path) -> None:
    file = tmp_path / "out"
    with starter.running(1000) as child, in_memory(packed(NEW)) as patch, in_memory() as base, file.open("wb") as out:
        assert not child.apply(base, patch, out.fileno(), base_bytes=0, size_bytes=len(NEW))
        assert not child.apply(base, patch, out.fileno(), base_bytes=0, size_bytes=10), "it is given up"
    assert file.stat().st_size <= 1000


def test_the_largest_base_fits_its_memory(starter: PatchStarter, tmp_path: Path) -> None:
    new = b"n" * (9 << 20)
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 20}]
    patch = b"\0" + lzma.compress(new, format=lzma.FORMAT_RAW, filters=filters)
    base = tmp_path / "base"
    with base.open("wb") as file:
        file.truncate(MAX_BASE_BYTES)
    with starter.running(len(new)) as child, base.open("rb") as old, in_memory(patch) as fd, in_memory() as out:
        assert child.apply(old.fileno(), fd, out, base_bytes=MAX_BASE_BYTES, size_bytes=len(new))
        too_much = MEMORY_BYTES + 1
        assert not child.apply(old.fileno(), fd, out, base_bytes=too_much, size_bytes=len(new)), "no memory for that"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has rights to give up")
def test_it_has_no_rights_and_is_ended_with_the_block(starter: PatchStarter) -> None:
    with starter.running(10) as child, in_memory() as base, in_memory(packed(b"x")) as fd, in_memory() as out:
        assert child.apply(base, fd, out, base_bytes=0, size_bytes=1)
        process = child._child  # type: ignore[attr-defined]
        status = Path(f"/proc/{process.pid}/status").read_text()
        assert "Uid:\t65534\t65534\t65534\t65534" in status and "CapEff:\t0000000000000000" in status
        assert "NoNewPrivs" not in status or "NoNewPrivs:\t1" in status, "some kernels do not show it"
        assert [line for line in status.splitlines() if line.startswith("Groups:")] in (["Groups:\t "], ["Groups:\t"])
    assert not Path(f"/proc/{process.pid}/stat").exists()


def test_without_a_child_nothing_is_applied(tmp_path: Path) -> None:
    for starter in (PatchStarter(tmp_path / "none.pyz", start_child), PatchStarter(tmp_path, start_child)):
        with starter.running(10) as child, in_memory() as one:
            assert not child.apply(one, one, one, base_bytes=0, size_bytes=1)
