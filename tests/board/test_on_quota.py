"""A board whose disk has project quotas: the kernel itself gives a worker no more than its folder may take."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.board.conftest import Edgekit, eventually, write

pytestmark = [pytest.mark.board, pytest.mark.long, pytest.mark.timeout(2400)]
MIB = 1 << 20
WORK_MAX = 8 * MIB
DISK = """\
modprobe loop && modprobe quota_v2 && truncate -s 256M /quota.ext4 &&
mke2fs -q -t ext4 -O quota,project -E quotatype=prjquota /quota.ext4 &&
mkdir -p /var/lib/edgekit && mount -o loop,prjquota /quota.ext4 /var/lib/edgekit"""


@pytest.fixture(scope="module")
def held(edgekit: Edgekit) -> Iterator[str]:
    """A provisioned board that keeps everything of edgekit's on such a disk."""
    edgekit.ok("board", "up", "--name", "quota", limit_s=1500)
    edgekit.on_board("quota", DISK)
    edgekit.ok("provision", "quota")
    edgekit.ok("deploy", str(write(edgekit, "healthy", version="1.0.0", work_max=WORK_MAX)), "quota")
    yield "quota"
    edgekit.ok("board", "down", "--name", "quota")


def used(edgekit: Edgekit, held: str) -> int:
    return int(edgekit.on_board(held, "du -s -B1 /var/lib/edgekit/apps/sorter/work").split()[0])


def test_the_status_says_that_the_disk_holds_it(edgekit: Edgekit, held: str) -> None:
    eventually(lambda: bool(edgekit.status(held)["worker"]["work_held"]))
    assert "of 8.0 MiB, held by the disk" in edgekit.ok("status", held).out


def test_a_worker_that_fills_its_folder_gets_an_error_at_the_limit_and_the_reason_is_told(
    edgekit: Edgekit, held: str
) -> None:
    edgekit.run("deploy", str(write(edgekit, "fills", version="2.0.0", work_max=WORK_MAX)), held)
    found: dict[str, Any] = {}

    def ended() -> bool:
        found.update(edgekit.ok("why", held, "--json").json["last"] or {})
        return found.get("cause") == "disk_full"

    eventually(ended)
    print(found)
    assert WORK_MAX // 2 < used(edgekit, held) <= WORK_MAX
    assert "its folder is full" in found["sentence"] and "raise limits.work_max" in found["hint"]
    edgekit.ok("rollback", held)
    assert edgekit.status(held)["healthy"], "the one before runs in the folder that is full"


def test_a_release_with_another_limit_is_held_to_that_one(edgekit: Edgekit, held: str) -> None:
    edgekit.on_board(held, "rm -f /var/lib/edgekit/apps/sorter/work/filled")
    edgekit.run("deploy", str(write(edgekit, "fills", version="3.0.0", work_max=2 * WORK_MAX)), held)
    eventually(lambda: used(edgekit, held) > WORK_MAX)
    assert used(edgekit, held) <= 2 * WORK_MAX
