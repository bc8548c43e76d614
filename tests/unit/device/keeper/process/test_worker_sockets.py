"""Sockets for viewers and for clients of models: who may use them, and that they live and go with their worker."""

from __future__ import annotations

import os
import socket
import stat
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.process.worker_sockets import WorkerSockets, shows_pictures
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.serve import Serve
from edgekit.schema.sink import PreviewSink
from tests.fakes.keeper import Bench
from tests.fakes.releases import make_plan, make_release

SINK = PreviewSink(kind="preview", lane="all")


def shown(plan: WorkerPlan | None = None) -> WorkerPlan:
    return replace(plan or make_plan(), sinks={"preview": SINK})


def connects(path: Path) -> bool:
    """Also where the path is longer than a socket's may be."""
    folder = os.open(path.parent, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(f"/proc/self/fd/{folder}/{path.name}")
        return True
    except OSError:
        return False
    finally:
        os.close(folder)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_without_a_group_it_is_the_keepers_alone(tmp_path: Path) -> None:
    sockets = WorkerSockets(disk=Filesystem(), folder=tmp_path / "preview", group=None, wanted=shows_pictures)
    listener = sockets.listen(shown())
    assert listener is not None
    with listener:
        path = tmp_path / "preview/sorter.sock"
        assert (mode(path), mode(path.parent)) == (0o600, 0o700)
        assert connects(path)
    assert not connects(path), "the worker has ended"
    sockets.forget("sorter")
    sockets.forget("sorter")
    assert not path.exists()


@pytest.mark.skipif(os.getuid() != 0, reason="only root gives files to a group")
def test_on_a_board_root_and_the_group_use_it_and_nobody_else_comes_near(tmp_path: Path) -> None:
    gid = 54_321
    listener = WorkerSockets(disk=Filesystem(), folder=tmp_path / "preview", group=gid, wanted=shows_pictures).listen(
        shown()
    )
    assert listener is not None
    with listener:
        path = tmp_path / "preview/sorter.sock"
        for place, wanted in ((path, 0o660), (path.parent, 0o750)):
            found = place.stat()
            assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_gid) == (wanted, 0, gid)


def test_what_shows_nothing_gets_none(tmp_path: Path) -> None:
    assert (
        WorkerSockets(disk=Filesystem(), folder=tmp_path / "preview", group=None, wanted=shows_pictures).listen(
            make_plan()
        )
        is None
    )
    assert not (tmp_path / "preview").exists()


def test_the_next_workers_takes_the_place_of_one_that_was_left(tmp_path: Path) -> None:
    folder = tmp_path / ("deep" * 50)  # longer than any socket's path
    folder.mkdir()
    sockets = WorkerSockets(disk=Filesystem(), folder=folder / "preview", group=None, wanted=shows_pictures)
    for _ in range(2):
        listener = sockets.listen(shown())
        assert listener is not None and connects(folder / "preview/sorter.sock")
        listener.close()


def test_a_worker_gets_it_and_the_keeper_keeps_none(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(make_release(plan=shown()))
    path = bench.layout.previews_dir / "sorter.sock"
    assert bench.status().worker.preview and bench.child().preview is not None and connects(path)
    bench.child().end(3)
    bench.turn()
    assert not connects(path) and not bench.status().worker.preview
    bench.turn(5.0, times=2)
    assert bench.status().worker.preview and connects(path)


def test_a_release_without_a_preview_has_none(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(make_release())
    assert not bench.status().worker.preview and bench.child().preview is None


def test_where_none_can_be_made_the_worker_runs_all_the_same(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.layout.previews_dir.write_text("in the way")
    bench.commit(make_release(plan=shown()))
    assert bench.status().worker.pid and bench.child().preview is None
    said = [line.text for line in bench.journal.tail(50)]
    assert any("no socket could be made for viewers of sorter" in line for line in said)


def test_it_goes_with_the_application(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(make_release(plan=shown()))
    bench.keeper.remove("sorter")
    bench.turn(times=5)
    assert not (bench.layout.previews_dir / "sorter.sock").exists()


def test_clients_of_models_have_one_of_their_own(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(make_release(plan=replace(shown(), serve=Serve(), served={"net": "all"})))
    path = bench.layout.servers_dir / "sorter.sock"
    assert path == bench.layout.run_dir / "serve/sorter.sock"
    assert connects(path) and connects(bench.layout.previews_dir / "sorter.sock")
    bench.keeper.remove("sorter")
    bench.turn(times=5)
    assert not path.exists()
