"""One keeper per prefix."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.incidents.board_watch import RunMark
from edgekit.device.keeper.service import begin, only_one
from edgekit.errors import LockHeld
from tests.fakes.keeper import Bench, make_layout, pulse
from tests.fakes.releases import make_release


def test_a_second_keeper_is_refused_with_the_command_that_ends_the_first(tmp_path: Path) -> None:
    layout = make_layout(tmp_path)
    with only_one(layout, Filesystem()), pytest.raises(LockHeld) as caught, only_one(layout, Filesystem()):
        pass
    assert caught.value.hint == f"edgekitd.pyz halt --prefix {tmp_path} ends it"
    with only_one(layout, Filesystem()):
        assert layout.lock_file.read_text().isdigit()


@pytest.mark.parametrize("ends", [True, False], ids=["stopped", "cut"])
def test_a_keeper_that_follows_one_without_an_end_reads_its_releases(tmp_path: Path, ends: bool) -> None:
    release = make_release(extra={"engines/net.onnx": b"weights"})
    before = Bench(tmp_path)
    before.commit(release)
    mark = RunMark(before.layout.run_mark, before.disk, lambda: 5.0, "boot")
    assert begin(mark, before.keeper) is None
    file = before.layout.release(release.digest) / "engines/net.onnx"
    file.chmod(0o644)
    file.write_bytes(b"wEights")
    if ends:
        mark.end()
    bench = Bench(tmp_path)
    bench.starter.on_start = pulse
    bench.turn(times=2)
    found = begin(RunMark(bench.layout.run_mark, bench.disk, lambda: 5.0, "boot"), bench.keeper)
    assert (found is None) == ends
    for _ in range(3):
        bench.turn()
        look = bench.application()._driver._damage._examination
        if look:
            look._thread.join(60)
    assert any("is damaged on the device" in line.text for line in bench.journal.tail(100)) == (not ends)
    assert bench.status().healthy
