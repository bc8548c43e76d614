"""The steps between the keeper and a worker's first line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.keeper.process.confinement.confined import WorkerEntry, confine, entry_argv
from edgekit.device.keeper.process.confinement.users import Owner
from edgekit.device.keeper.process.launch import worker_argv, worker_env
from edgekit.device.keeper.process.post import Post, usual_post
from edgekit.schema.plan import LanePlan
from tests.fakes.keeper import Bench
from tests.fakes.releases import make_plan, make_release

ENTRY = WorkerEntry(
    leaf="",
    owner=(),
    adopt="",
    note_fd=-1,
    oom_score=500,
    largest_file_bytes=0,
    realtime_us=0,
    world=None,
    network=True,
    refused_calls="",
)


def entered(entry: WorkerEntry, *argv: str) -> subprocess.CompletedProcess[str]:
    """What becomes of a program that is entered so."""
    hears, says = os.pipe()
    try:
        words = entry_argv(replace(entry, note_fd=says), argv)
        return subprocess.run(words, capture_output=True, text=True, check=False, timeout=60, pass_fds=(says,))
    finally:
        os.close(hears)
        os.close(says)


def test_the_leaf_is_joined_before_the_program_runs(tmp_path: Path) -> None:
    (tmp_path / "cgroup.procs").touch()
    script = f"cat {tmp_path}/cgroup.procs; umask; cat /proc/self/oom_score_adj; ulimit -c"
    done = entered(replace(ENTRY, leaf=str(tmp_path)), "/bin/sh", "-c", script)
    assert done.stdout.split() == ["00027", "500", "0"]


def test_a_program_that_is_not_there_is_named() -> None:
    done = entered(ENTRY, "/no/python")
    assert (done.returncode, done.stderr) == (1, "/no/python: No such file or directory\n")


def test_a_leaf_that_cannot_be_joined_ends_it(tmp_path: Path) -> None:
    assert entered(replace(ENTRY, leaf=str(tmp_path / "gone")), "/bin/true").returncode == 1


def test_the_release_comes_before_the_systems_packages(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    release = make_release(plan=make_plan(python=sys.executable))
    bench.install(release)
    found = bench.releases.trusted(release.digest)
    work = bench.layout.work("sorter")
    work.mkdir(parents=True)
    owner = Owner(uid=5, gid=6, groups=(7, 8))
    post = usual_post("sorter", bench.layout)
    entry = confine(found, post, bench.layout, leaf=tmp_path / "leaf", owner=owner)
    argv = worker_argv(found, post, replace(entry, note_fd=7))
    told = json.loads(argv[5])
    assert (told["leaf"], told["owner"], told["adopt"]) == (str(tmp_path / "leaf"), [5, 6, 7, 8], str(work))
    assert (argv[6], told["note_fd"], told["network"]) == (sys.executable, 7, True)
    assert argv[-5:] == [f"{found.path}/site", "--release", str(found.path), "--work", str(work)]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give the right to realtime scheduling")
def test_a_worker_with_a_realtime_lane_may_have_it_and_is_ended_where_it_never_waits() -> None:
    spin = (
        "import os, resource\n"
        "print(*resource.getrlimit(resource.RLIMIT_RTTIME), flush=True)\n"
        "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))\n"
        "while True: pass\n"
    )
    done = entered(replace(ENTRY, realtime_us=200_000), sys.executable, "-I", "-S", "-c", spin)
    if "PermissionError" in done.stderr:
        pytest.skip("this kernel gives no realtime scheduling here")
    assert done.stdout.split() == ["200000", "200000"]
    assert done.returncode in (-signal.SIGXCPU, -signal.SIGKILL)


def test_the_right_to_realtime_is_given_where_a_lane_asks_for_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    plan = make_plan(python=sys.executable)
    lane = LanePlan(cpus=(0,), realtime=True, queue=1, drop="block")
    release = make_release(plan=replace(plan, lanes={"gate": lane}))
    bench.install(release)
    found = bench.releases.trusted(release.digest)
    post = Post(application="sorter", work=tmp_path, owned_as=tmp_path)
    assert confine(found, post, bench.layout, leaf=None, owner=None).realtime_us == 1_000_000


def test_nothing_of_the_keepers_environment_is_handed_on(tmp_path: Path) -> None:
    env = worker_env(tmp_path, {"EDGEKIT_REPORT_FD": 9, "EDGEKIT_SETTINGS_FD": 10})
    assert (env["EDGEKIT_REPORT_FD"], env["EDGEKIT_SETTINGS_FD"]) == ("9", "10")
    assert (env["HOME"], env["OMP_NUM_THREADS"]) == (str(tmp_path), "1")
    assert "NOTIFY_SOCKET" not in env
    assert env["PATH"] != os.environ["PATH"]


def test_memory_of_pictures_is_given_back_once_they_are_gone(tmp_path: Path) -> None:
    """Larger pictures and smaller ones in turn, on several threads, as cameras have that come back."""
    code = (
        "import threading\n"
        "status = '/proc/self/status'\n"
        "def mib(): return int(next(l for l in open(status) if l.startswith('RssAnon')).split()[1]) >> 10\n"
        "def work():\n"
        "    kept = []\n"
        "    for size in (1 << 22, 1 << 20) * 4:\n"
        "        pictures = [bytearray(size) for _ in range(4)]\n"
        "        kept.append(bytearray(40000))\n"
        "    barrier.wait()\n"
        "    del pictures\n"
        "before, barrier = mib(), threading.Barrier(8)\n"
        "threads = [threading.Thread(target=work) for _ in range(8)]\n"
        "[thread.start() for thread in threads]; [thread.join() for thread in threads]\n"
        "print(mib() - before)\n"
    )
    env = worker_env(tmp_path, {"EDGEKIT_REPORT_FD": 9, "EDGEKIT_SETTINGS_FD": 10})
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert int(done.stdout) < 8
