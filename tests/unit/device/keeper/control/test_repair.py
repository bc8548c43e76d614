"""A current release that has rotted: deploying it again mends it, and its worker starts anew at once."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edgekit.device.keeper.control.ticket import Ticket
from tests.fakes.child import FakeChild
from tests.fakes.ear import Ear
from tests.fakes.keeper import HEALTHY, Bench, outcome, pulse
from tests.fakes.releases import FakeRelease, make_plan, make_release

RELEASE = make_release(extra={"engines/net.onnx": b"weights"})


def test_deploying_a_rotten_current_release_mends_it(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(RELEASE)
    file = bench.layout.release(RELEASE.digest) / "engines/net.onnx"

    def behave(child: FakeChild) -> None:
        if file.read_bytes() == b"weights":
            child.pulse = HEALTHY
        else:
            child.end(1)

    file.chmod(0o644)
    file.write_bytes(b"wEights")
    assert Ear().offer(bench, RELEASE)["installed"], "a release whose worker is healthy is not read anew"
    bench.starter.on_start = behave
    bench.child().end(1)
    bench.turn(1.0, times=20)
    assert bench.status().worker.restarts > 2
    found = Ear().offer(bench, RELEASE)
    assert found["current"] and not found.get("installed")
    assert [blob["sha256"] for blob in found["missing"]]  # type: ignore[attr-defined]
    bench.install(RELEASE)
    ticket: Ticket = bench.keeper.activate(bench.releases.trusted(RELEASE.digest))
    bench.turn(0.1, times=4)
    assert "healthy" in str(outcome(ticket)), "without waiting for the delay between two starts"
    assert bench.status().healthy


def rot(bench: Bench, *releases: FakeRelease) -> None:
    """Flip a byte of a file of its own in each, and let workers of these end at once."""
    for release in releases:
        file = bench.layout.release(release.digest) / "engines/net.onnx"
        file.chmod(0o644)
        file.write_bytes(file.read_bytes().swapcase())

    def behave(child: FakeChild) -> None:
        if any(release.digest in " ".join(child.argv) for release in releases):
            child.end(1)
        else:
            child.pulse = HEALTHY

    bench.starter.on_start = behave
    bench.child().end(1)
    for _ in range(60):
        bench.turn(1.0)
        look = bench.application()._driver._damage._examination
        if look:
            look._thread.join(60)


NEXT = make_release(plan=make_plan(version="2.0.0"), extra={"engines/net.onnx": b"other weights"})


def test_a_rotten_current_release_that_crashes_is_left_for_a_whole_one_before(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(RELEASE)
    bench.commit(NEXT)
    rot(bench, NEXT)
    status = bench.status()
    assert bench.current == RELEASE.digest and status.healthy
    assert status.last_failure and "engines/net.onnx is damaged" in status.last_failure.reason
    assert bench.figures.status({}).applications
    assert Bench(tmp_path).current == RELEASE.digest
    bench.install(NEXT)
    bench.starter.on_start = pulse
    ticket = bench.keeper.activate(bench.releases.trusted(NEXT.digest))
    bench.turn(0.1, times=8)
    assert "is committed" in str(outcome(ticket))


def test_a_release_that_crashes_and_is_whole_is_started_again_and_again(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(RELEASE)
    bench.commit(NEXT)
    bench.starter.on_start = lambda child: child.end(1)
    bench.child().end(1)
    bench.turn(1.0, times=60)
    assert bench.current == NEXT.digest
    assert bench.status().worker.restarts > 4


def test_a_rotten_release_is_not_left_for_another_rotten_one(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(RELEASE)
    bench.commit(NEXT)
    rot(bench, RELEASE, NEXT)
    assert bench.current == NEXT.digest
    assert any("is damaged on the device" in line.text for line in bench.journal.tail(1000))
    assert bench.status().worker.restarts > 3, "it is tried all the same"


def test_a_look_at_what_ran_before_judges_no_later_release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(tmp_path)
    bench.commit(RELEASE)
    bench.commit(NEXT)
    looked = threading.Event()
    monkeypatch.setattr(bench.releases.doubts, "damage", lambda _digest: looked.wait() and ())
    bench.starter.on_start = lambda child: child.end(1)
    bench.child().end(1)
    bench.turn(1.0, times=30)
    look = bench.application()._driver._damage._examination
    assert look is not None and not look.over, "it takes long on a slow card"
    bench.starter.on_start = pulse
    third = make_release(plan=make_plan(version="3.0.0"))
    bench.commit(third)
    looked.set()
    look._thread.join(60)
    bench.turn(1.0, times=5)
    assert bench.current == third.digest
