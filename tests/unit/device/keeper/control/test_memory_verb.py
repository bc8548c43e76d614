"""`memory`: what a client learns of an application's memory, and what a worker that says nothing costs."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from edgekit.device.keeper.control.memory_verb import MemoryVerb
from edgekit.device.keeper.memory_watch import MemoryWatch
from edgekit.device.keeper.process.cgroup import CgroupTree, Limiter
from edgekit.device.runtime.orders import OrderReader
from edgekit.errors import InputError, Unreachable
from edgekit.schema.control import Request
from edgekit.schema.memory import (
    MemoryAnswer,
    PythonMemory,
    PythonSite,
    StreamLeaseCount,
    WorkerMemory,
)
from edgekit.schema.message import from_message_data
from edgekit.schema.report import Report, SinkReport
from tests.fakes.cgroups import make_leaf, make_tree
from tests.fakes.eventually import eventually
from tests.fakes.hands import Hands
from tests.fakes.keeper import Bench
from tests.fakes.releases import make_release

SITE = PythonSite(file="a.py", line=3, bytes=5, blocks=1)
LEASES = WorkerMemory(leases=(StreamLeaseCount(stream="gate", most=7, held=2),))


def report(number: int = 0) -> Report:
    python = PythonMemory(number=number, seconds=1.0, bytes=5, sites=(SITE,)) if number else None
    memory = WorkerMemory(leases=LEASES.leases, python=python)
    sinks = (SinkReport(name="clips", held_bytes={"gate": 3, "yard": 4}),)
    return Report(phase="running", fps=10.0, frames=5, golden="passed", sinks=sinks, memory=memory)


def committed(root: Path, limiter: Limiter | None = None) -> Bench:
    bench = Bench(root, limiter=limiter)
    bench.commit(make_release())
    bench.child().pulse = report()
    bench.turn()
    return bench


def asked(bench: Bench, request: Request) -> MemoryAnswer:
    verb = MemoryVerb(bench.keeper, lambda _request: "sorter", lambda: False, bench.clock, bench.turn)
    *_, done = verb.memory(request, bytearray())
    return from_message_data(MemoryAnswer, done.data, "answer")


def test_a_worker_without_a_cgroup_is_looked_at_itself(tmp_path: Path) -> None:
    bench = committed(tmp_path)
    found = asked(bench, Request(verb="memory"))
    assert (found.application, found.limits, found.max_bytes, found.group) == ("sorter", "advisory", 64 << 20, None)
    assert found.worker is not None and found.worker.leases == LEASES.leases
    assert found.sinks == {"clips": 7}


def test_a_worker_in_its_cgroup(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    leaf = make_leaf(tree)
    limiter = Limiter(tree=CgroupTree(tree), note="")
    bench = committed(tmp_path / "device", limiter)
    (leaf / "memory.stat").write_text("anon 100\nfile 50\nkernel 7\nshmem 3\n")
    (leaf / "cgroup.procs").write_text(f"{os.getpid()}\n0\n")
    watch = MemoryWatch(bench.keeper.workers, bench.clock, bench.journal.write)
    for _ in range(20):
        bench.clock.advance(5.0)
        watch.look()
    found = asked(bench, Request(verb="memory"))
    assert found.limits == "enforced" and found.group is not None
    assert (found.group.anon_bytes, found.group.shmem_bytes, found.group.kernel_bytes) == (100, 3, 7)
    assert [one.pid for one in found.processes] == [os.getpid()]
    assert found.growth is not None and (found.growth.per_hour_bytes, found.growth.bound_bytes) == (0.0, 0.0)


def test_nothing_runs(tmp_path: Path) -> None:
    bench = committed(tmp_path)
    bench.keeper.stop("sorter")
    bench.turn(0.1, times=5)
    assert asked(bench, Request(verb="memory")) == MemoryAnswer(application="sorter", pid=0)


def test_the_worker_is_asked_for_its_allocations_and_its_own_answer_waited_for(tmp_path: Path) -> None:
    bench = committed(tmp_path)
    child, heard = bench.child(), OrderReader()

    def wait(_seconds: float) -> None:
        for order in heard.feed(child.heard()):
            assert order.python is not None and (order.python.seconds, order.python.sites) == (2.0, 4)
            child.pulse = report(order.python.number)
        bench.turn(1.0)

    child.pulse = report(999_999)  # an answer to somebody else's question
    verb = MemoryVerb(bench.keeper, lambda _request: "sorter", lambda: False, bench.clock, wait)
    progress, done = verb.memory(Request(verb="memory", sites=4, seconds=2.0), bytearray())
    assert progress.message == "watching what sorter allocates for 2 s"
    found = from_message_data(MemoryAnswer, done.data, "answer")
    assert found.worker is not None and found.worker.python is not None
    assert found.worker.python.sites == (SITE,) and found.worker.python.number != 999_999


def test_a_worker_that_says_nothing_is_not_waited_for_without_end(tmp_path: Path) -> None:
    bench = committed(tmp_path)
    began_s = bench.clock()
    with pytest.raises(Unreachable, match="does not say what its Python code allocates"):
        asked(bench, Request(verb="memory", sites=1, seconds=1.0))
    assert 30 <= bench.clock() - began_s < 40


def test_a_worker_that_ends_meanwhile_ends_the_wait(tmp_path: Path) -> None:
    bench = committed(tmp_path)
    began_s = bench.clock()
    bench.child().end(1)
    with pytest.raises(Unreachable):
        asked(bench, Request(verb="memory", sites=1, seconds=300.0))
    assert bench.clock() - began_s < 2


def test_who_has_gone_is_waited_for_no_more(tmp_path: Path) -> None:
    """Else clients that ask and hang up take all places for minutes."""
    bench = committed(tmp_path)
    hands, began_s = Hands(bench), bench.clock()
    with pytest.raises(Unreachable):
        hands.ask("memory", sites=1, seconds=300.0)
    assert bench.clock() - began_s < 5


@pytest.mark.parametrize(
    ("sites", "seconds"), [(51, 1.0), (-1, 1.0), (5, 0.0), (5, 301.0), (5, float("nan")), (10**30, 1.0)]
)
def test_too_much_is_refused(tmp_path: Path, sites: int, seconds: float) -> None:
    bench = committed(tmp_path)
    with pytest.raises(InputError, match="cannot be watched so"):
        asked(bench, Request(verb="memory", sites=sites, seconds=seconds))


def test_a_worker_whose_memory_cannot_be_looked_at_costs_the_others_nothing(tmp_path: Path) -> None:
    bench = committed(tmp_path)
    said: list[str] = []
    (good,) = bench.keeper.workers()

    class Broken:
        application = "broken"
        memory_life = None

    watch = MemoryWatch(lambda: (Broken(), good), bench.clock, said.append)  # type: ignore[arg-type,return-value]
    looked: list[frozenset[int]] = []
    good.memory_life.look = lambda _now_s, told: looked.append(told)  # type: ignore[method-assign]
    watch.look()
    watch.look(frozenset({7}))
    assert looked == [frozenset(), {7}] and len(said) == 1 and "broken" in said[0], "it is told once"


def test_what_the_kernel_says_between_two_looks_is_known_at_the_second(tmp_path: Path) -> None:
    """It says it to who polls first. Data out of band stand for a stall: they come as POLLPRI, too."""
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as ours:
        theirs, _ = server.accept()
        looked: list[frozenset[int]] = []

        class Life:
            descriptors = (theirs.fileno(),)

            def look(self, _now_s: float, told: frozenset[int]) -> None:
                looked.append(told)

        class Worker:
            application, memory_life = "sorter", Life()

        watch = MemoryWatch(lambda: (Worker(),), lambda: 0.0, [].append)  # type: ignore[arg-type,return-value]
        watch.start()
        eventually(lambda: bool(looked))
        assert not any(looked)
        ours.send(b"!", socket.MSG_OOB)
        eventually(lambda: {theirs.fileno()} in looked)
        watch.stop()
        theirs.close()
