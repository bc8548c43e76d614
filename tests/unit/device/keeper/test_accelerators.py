"""A keeper gives NPU and DLA cores to one application, unless both agree, and adds up how busy accelerators are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.keeper.control.session import Session
from edgekit.device.keeper.control.ticket import Ticket
from edgekit.errors import RolloutError
from edgekit.schema.control import Request
from edgekit.schema.plan import EnginePlan
from tests.fakes.keeper import Bench, outcome
from tests.fakes.releases import FakeRelease, make_plan, make_release


def on_npu(
    application: str,
    *cores: int,
    share: bool = False,
    busy: float | None = None,
    version: str = "1.0.0",
) -> FakeRelease:
    """A release with one model on these cores of the NPU; `busy` is what each takes of its time."""
    plan = make_plan(application=application, version=version)
    engine = EnginePlan(runner="rknn", path="net.rknn", input=None, threads=1, npu_cores=cores)
    percent = {} if busy is None else dict.fromkeys(engine.accelerators, busy)
    limits = replace(plan.limits, share_accelerators=share)
    return make_release(plan=replace(plan, engines={"net": engine}, limits=limits, busy_percent=percent))


def activate(bench: Bench, made: FakeRelease) -> Ticket:
    bench.install(made)
    ticket = bench.keeper.activate(bench.releases.trusted(made.digest))
    bench.turn(0.1, times=8)
    return ticket


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_core_that_another_application_has_is_refused(bench: Bench) -> None:
    bench.commit(on_npu("sorter", 0, 1))
    error = outcome(activate(bench, on_npu("counter", 1, 2)))
    assert isinstance(error, RolloutError)
    assert error.message.startswith("counter computes on NPU core 1, which sorter has")
    assert "limits.npu_cores" in error.hint and bench.keeper.application("counter") is None
    assert "is committed" in str(outcome(activate(bench, on_npu("counter", 2))))
    assert bench.status("counter").accelerators == on_npu("counter", 2).plan.accelerators


def test_one_of_before_has_the_whole_npu(bench: Bench) -> None:
    """A plan that names no cores was made when all models computed on all of them."""
    bench.commit(on_npu("sorter"))
    error = outcome(activate(bench, on_npu("counter", 2)))
    assert isinstance(error, RolloutError) and "on NPU core 2, which sorter has" in error.message


def test_the_offer_is_refused_before_a_byte_moves(bench: Bench) -> None:
    """As `edgekit deploy --plan` asks, too."""
    bench.commit(on_npu("sorter", 0))
    made = on_npu("counter", 0)
    session = Session(bench.services(), type("Deaf", (), {"gone": False})())
    request = Request(verb="offer", signature_bytes=len(made.signature), payload_bytes=0)
    with pytest.raises(RolloutError, match="which sorter has"):
        list(session.answer(request, bytearray(made.manifest_json + made.signature)))
    session.close()


def test_both_that_agree_share_and_are_told_what_is_not_known(bench: Bench) -> None:
    bench.commit(on_npu("sorter", 0, share=True, busy=60.0))
    ticket = activate(bench, on_npu("counter", 0, share=True))
    messages = []
    while not ticket._queue.empty():
        event = ticket._queue.get()
        assert not isinstance(event, Exception)
        messages.append(event.message)
    assert "how busy NPU core 0 will be is not known: counter was built without a profile of it" in messages
    assert bench.status("counter").healthy


def test_more_than_an_accelerators_time_is_refused_with_the_sum(bench: Bench) -> None:
    bench.commit(on_npu("sorter", 0, share=True, busy=60.0))
    error = outcome(activate(bench, on_npu("counter", 0, share=True, busy=41.0)))
    assert isinstance(error, RolloutError) and "counter 41 % + sorter 60 % = 101 % of 100 %" in error.message
    assert "is committed" in str(outcome(activate(bench, on_npu("counter", 0, share=True, busy=40.0))))


def test_a_stopped_one_gives_its_cores_up_and_may_not_come_back_to_them(bench: Bench) -> None:
    bench.commit(on_npu("sorter", 0))
    bench.keeper.stop("sorter")
    bench.turn(times=2)
    bench.commit(on_npu("counter", 0))
    ticket = bench.keeper.start("sorter")
    bench.turn(times=2)
    error = outcome(ticket)
    assert isinstance(error, RolloutError) and "which counter has" in error.message
    bench.keeper.stop("counter")
    bench.turn(times=2)
    ticket = bench.keeper.start("sorter")
    bench.turn(0.1, times=8)
    assert "healthy" in str(outcome(ticket))


def test_its_own_next_release_takes_over_its_cores(bench: Bench) -> None:
    bench.commit(on_npu("sorter", 0, busy=80.0))
    assert "is committed" in str(outcome(activate(bench, on_npu("sorter", 0, 1, busy=70.0, version="2.0.0"))))
    assert bench.status("sorter").accelerators == on_npu("sorter", 0, 1, busy=70.0).plan.accelerators
