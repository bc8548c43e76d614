"""Clearing out: what does not go holds up nothing else, is told, and is tried again by itself."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from edgekit.device.keeper.control.session import Session
from edgekit.device.keeper.update.clearing_out import AGAIN_S
from edgekit.schema.control import Request
from tests.fakes.hands import Hands
from tests.fakes.keeper import Bench
from tests.fakes.recording import QuickFilesystem
from tests.fakes.releases import make_plan, make_release


class Stuck(QuickFilesystem):
    """Does not let one folder go."""

    stuck = ""

    def rename(self, source: Path, target: Path) -> None:
        if self.stuck and source.name == self.stuck:
            raise OSError(errno.EIO, "Input/output error", str(source))
        super().rename(source, target)


class NobodyThere:
    """A client that reads nothing."""

    gone = False


RELEASES = [make_release(plan=make_plan(version=f"{n}.0.0"), extra={"only": b"%d" % n}) for n in range(6)]


def ask(bench: Bench) -> None:
    """What any client does, and what follows its answer."""
    session = Session(bench.services(), NobodyThere())  # type: ignore[arg-type]
    list(session.answer(Request(verb="hello"), bytearray()))
    session.tidy()
    session.close()


def there(bench: Bench) -> set[str]:
    return {path.name for path in bench.layout.releases_dir.iterdir()}


def test_one_that_does_not_go_keeps_no_other_and_goes_later(tmp_path: Path) -> None:
    disk = Stuck()
    bench = Bench(tmp_path, disk=disk)
    for release in RELEASES:
        bench.install(release)
    bench.commit(RELEASES[5])
    disk.stuck = RELEASES[2].digest
    with pytest.raises(OSError, match="Input/output error"):
        bench.collect(RELEASES[5].digest)
    assert there(bench) == {RELEASES[2].digest, RELEASES[5].digest}
    blobs = [file.read_bytes() for file in bench.layout.store_dir.rglob("*") if file.is_file()]
    assert b"2" in blobs and b"1" not in blobs, "blobs of the others went too"
    disk.stuck = ""
    ask(bench)
    assert RELEASES[2].digest in there(bench), "not at each request"
    bench.clock.advance(AGAIN_S + 1)
    ask(bench)
    assert there(bench) == {RELEASES[5].digest}
    assert not bench.releases.clearing.overdue


def stuck_bench(root: Path) -> Bench:
    """A keeper's board on whose disk one release does not let itself be deleted, and that was tried."""
    disk = Stuck()
    bench = Bench(root, disk=disk)
    bench.install(RELEASES[0])
    bench.commit(RELEASES[1])
    disk.stuck = RELEASES[0].digest
    with pytest.raises(OSError, match="Input/output error"):
        bench.collect(RELEASES[1].digest)
    return bench


def test_what_goes_on_failing_is_told(tmp_path: Path) -> None:
    bench = stuck_bench(tmp_path)
    bench.clock.advance(AGAIN_S + 1)
    ask(bench)
    assert any("could be deleted; it is tried again" in line.text for line in bench.journal.tail(9))
    bench.clock.advance(AGAIN_S + 1)
    assert bench.releases.clearing.overdue


def test_what_a_deployment_has_sent_stays_while_others_things_are_tried_again(tmp_path: Path) -> None:
    bench = stuck_bench(tmp_path)
    hands = Hands(bench)
    offer = hands.offer(RELEASES[2])
    for blob in offer.missing:
        hands.ask("chunk", RELEASES[2].blobs[blob.sha256], sha256=blob.sha256)
    bench.clock.advance(AGAIN_S + 1)
    hands.ask("ping")
    hands.ask("install", digest=RELEASES[2].digest)
    assert RELEASES[2].digest in there(bench)
