"""A deployment's course: what is sent, what is taken up again, and what counts as the outcome."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import EdgekitError, LockHeld, RolloutError, TrustError, Unreachable
from edgekit.host.link.sending import OutgoingRelease
from edgekit.host.progress import Silent
from edgekit.host.workflow.deploy import FOLLOW_S, TRIES, Deployment
from edgekit.schema.control import Event, MissingBlob, Request, Status
from edgekit.schema.fleet import Device
from tests.fakes.keeper_link import APPLICATION, FakeLink
from tests.fakes.releases import make_release, write_release

NOISE = os.urandom(700_000)
RELEASE = make_release(extra={"app/noise": NOISE, "app/text": b"word " * 100_000, "app/empty": b""})


class Clock:
    """Time that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0
        self.on_sleep: Callable[[], None] = lambda: None

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.on_sleep()


def deployment(link: FakeLink, folder: Path, clock: Clock | None = None, **fields: object) -> Deployment:
    write_release(RELEASE, folder)
    clock = clock or Clock()
    release = OutgoingRelease(
        manifest=RELEASE.manifest,
        manifest_bytes=RELEASE.manifest_json,
        signature=RELEASE.signature,
        digest=RELEASE.digest,
        file=lambda path: folder / "files" / path,
    )
    usual: dict[str, object] = {
        "device": Device(name="gate-7", address="root@gate-7"),
        "executor": link,
        "release": release,
        "check_fits": lambda _status: None,
        "holder": "ann@desk",
        "progress": Silent(),
        "watch": lambda _: None,
        "clock": clock,
        "sleep": clock.sleep,
    }
    return Deployment(**{**usual, **fields})  # type: ignore[arg-type]


def test_all_of_it_the_first_time_and_nothing_the_second(tmp_path: Path) -> None:
    link = FakeLink()
    told = deployment(link, tmp_path).run()
    assert link.verbs() == ["hello", "status", "lock", "offer", "chunk", "install", "activate", "status"]
    assert {sha: data for sha, data in RELEASE.blobs.items() if data} == link.blobs
    assert told.changed and told.signer == "ann"
    assert len(NOISE) < told.sent_bytes < len(NOISE) + 20_000, "text is compressed, noise is not"
    link.asked.clear()
    again = deployment(link, tmp_path).run()
    assert (again.changed, again.sent_bytes) == (False, 0)
    assert link.verbs() == ["hello", "status"]


def test_a_stopped_release_is_started_again(tmp_path: Path) -> None:
    link = FakeLink()
    deployment(link, tmp_path).run()
    assert link.application is not None
    link.application = replace(link.application, phase="stopped", healthy=False)
    assert deployment(link, tmp_path).run().changed
    assert link.application.phase == "running"


def test_what_does_not_fit_is_refused_before_a_byte_moves(tmp_path: Path) -> None:
    def check(_status: Status) -> None:
        raise RolloutError("no", hint="mend")

    link = FakeLink()
    with pytest.raises(RolloutError):
        deployment(link, tmp_path, check_fits=check).run()
    assert link.verbs() == ["hello", "status"]


def test_a_device_that_is_not_there_is_tried_once(tmp_path: Path) -> None:
    link = FakeLink(breaks=[("hello", 1)])
    with pytest.raises(Unreachable):
        deployment(link, tmp_path).run()
    assert link.connections == 1


@pytest.mark.parametrize("broken", [("offer", 1), ("chunk", 2), ("chunk", 5), ("install", 1)])
def test_a_broken_link_is_taken_up_where_it_broke(broken: tuple[str, int], tmp_path: Path) -> None:
    link = FakeLink(breaks=[broken])
    told = deployment(link, tmp_path).run()
    assert told.changed and link.connections == 2 and link.closed == 1
    assert {sha: data for sha, data in RELEASE.blobs.items() if data} == link.blobs


def test_a_link_that_keeps_breaking_ends_the_try(tmp_path: Path) -> None:
    link, clock = FakeLink(breaks=[("install", n) for n in (1, 1, 1, 1, 1)]), Clock()
    with pytest.raises(Unreachable):
        deployment(link, tmp_path, clock).run()
    assert link.connections == TRIES + 1, "the first one brought all of it, the others nothing"
    assert clock.now < 30


@pytest.mark.parametrize(
    ("refusal", "kind"), [(6, TrustError), (8, RolloutError), (9, LockHeld)], ids=["trust", "full disk", "locked"]
)
def test_refusals_are_never_tried_again(refusal: int, kind: type[EdgekitError], tmp_path: Path) -> None:
    link = FakeLink(refuse={"install": Event(kind="error", message="no", exit_code=refusal, hint="x")})
    with pytest.raises(kind):
        deployment(link, tmp_path).run()
    assert link.connections == 1
    assert "activate" not in link.verbs()


def test_somebody_elses_lock_is_not_waited_for(tmp_path: Path) -> None:
    link, clock = FakeLink(locked_by=["eve@desk"]), Clock()
    with pytest.raises(LockHeld, match="eve@desk"):
        deployment(link, tmp_path, clock).run()
    assert clock.now == 0


def test_a_lock_of_ones_own_is_waited_for(tmp_path: Path) -> None:
    link, clock = FakeLink(locked_by=["ann@desk"] * 5), Clock()
    assert deployment(link, tmp_path, clock).run().changed
    assert clock.now == 5
    link = FakeLink(locked_by=["ann@desk"] * 500)
    with pytest.raises(LockHeld):
        deployment(link, tmp_path).run()


@pytest.mark.parametrize("other", ["ba@ws", "a@ws2", "a@w", ""])
def test_a_lock_of_somebody_with_a_name_like_ones_own_is_not_waited_for(other: str, tmp_path: Path) -> None:
    link, clock = FakeLink(locked_by=[other] * 5), Clock()
    with pytest.raises(LockHeld):
        deployment(link, tmp_path, clock, holder="a@ws").run()
    assert clock.now == 0


def test_a_poor_link_that_gets_on_is_taken_up_as_often_as_it_breaks(tmp_path: Path) -> None:
    link = FakeLink(breaks=[("chunk", 2 + number) for number in range(TRIES + 1)])
    outcome = deployment(link, tmp_path).run()
    assert outcome.changed and link.connections > TRIES
    assert {sha: data for sha, data in RELEASE.blobs.items() if data} == link.blobs


def test_a_device_that_stays_on_its_way_is_not_followed_for_ever(tmp_path: Path) -> None:
    link, clock = FakeLink(breaks_after=["activate"]), Clock()

    def on_sleep() -> None:
        link.application = replace(APPLICATION, phase="settling")

    clock.on_sleep = on_sleep
    with pytest.raises(RolloutError, match="is still settling after 3600 s") as caught:
        deployment(link, tmp_path, clock).run()
    assert caught.value.hint == "edgekit status gate-7"
    assert FOLLOW_S <= clock.now < FOLLOW_S + 60


def test_a_link_that_breaks_while_the_outcome_is_awaited_does_not_end_the_wait(tmp_path: Path) -> None:
    link, clock = FakeLink(breaks_after=["activate"]), Clock()
    link.breaks = [("status", 3 + number) for number in range(TRIES + 2)]
    sleeps: list[float] = []

    def on_sleep() -> None:
        sleeps.append(clock.now)
        link.application = replace(link.application or APPLICATION, phase="settling")
        if len(sleeps) > 4 * TRIES:
            link.commit(RELEASE.digest)

    clock.on_sleep = on_sleep
    assert deployment(link, tmp_path, clock).run().changed
    assert link.connections > TRIES


def test_a_lost_answer_of_an_activation_is_found_in_the_status(tmp_path: Path) -> None:
    link = FakeLink(breaks_after=["activate"])
    assert deployment(link, tmp_path).run().changed
    assert link.verbs().count("activate") == 1, "it is not activated twice"


@pytest.mark.parametrize("failed_at_s", [9.0, 1.0], ids=["later", "after its clock was set back"])
def test_a_roll_back_behind_a_broken_link_is_told_with_its_evidence(failed_at_s: float, tmp_path: Path) -> None:
    link, clock = FakeLink(breaks_after=["activate"]), Clock()
    link.commit("0" * 64)
    link.fail(RELEASE.digest, at_s=5.0)
    turns: list[float] = []

    def on_sleep() -> None:
        turns.append(clock.now)
        if len(turns) == 1:
            link.commit("0" * 64)
            assert link.application is not None
            link.application = replace(link.application, phase="settling")
        if len(turns) == 3:
            link.fail(RELEASE.digest, at_s=failed_at_s)

    clock.on_sleep = on_sleep
    with pytest.raises(RolloutError, match=r"sorter 1 was rolled back: no; sorter 1 .* runs again") as caught:
        deployment(link, tmp_path, clock).run()
    assert caught.value.details == "fps 0\nx"
    assert len(turns) == 3


def test_an_activation_that_never_arrived_is_asked_for_again(tmp_path: Path) -> None:
    link = FakeLink(breaks=[("activate", 1)])
    link.fail(RELEASE.digest, at_s=5.0)
    assert deployment(link, tmp_path).run().changed
    assert link.verbs().count("activate") == 1


def test_a_keeper_without_zlib_gets_its_files_as_they_are(tmp_path: Path) -> None:
    link = FakeLink(features=())
    deployment(link, tmp_path).run()
    assert {request.encoding for request in link.asked if request.verb == "chunk"} == {"raw"}
    link = FakeLink()
    deployment(link, tmp_path).run()
    assert {request.encoding for request in link.asked if request.verb == "chunk"} == {"raw", "zlib"}


def test_a_phase_of_a_newer_keeper_is_not_waited_for(tmp_path: Path) -> None:
    link = FakeLink(breaks_after=["activate"])
    run = deployment(link, tmp_path, clock := Clock())

    def on_sleep() -> None:
        assert link.application is not None
        link.application = replace(link.application, phase="pinned")

    clock.on_sleep = on_sleep
    assert run.run().changed
    assert clock.now < 60


def test_never_more_of_a_file_is_sent_than_was_signed(tmp_path: Path) -> None:
    link = FakeLink()
    run = deployment(link, tmp_path)
    (tmp_path / "files/app/text").write_bytes(b"word " * 200_000)
    run.run()
    assert b"word " * 100_000 in link.blobs.values()


@pytest.mark.parametrize("spoil", [Path.unlink, lambda file: os.truncate(file, 1_000)], ids=["missing", "cut"])
def test_a_file_that_is_not_all_here_is_named_and_nothing_is_installed(
    spoil: Callable[[Path], object], tmp_path: Path
) -> None:
    link = FakeLink()
    run = deployment(link, tmp_path)
    spoil(tmp_path / "files/app/noise")
    with pytest.raises(TrustError, match=r"files/app/noise is missing or cut: \d+ bytes were signed"):
        run.run()
    assert "install" not in link.verbs()


def test_a_device_is_told_how_the_release_was_made_before_its_files(tmp_path: Path) -> None:
    link = FakeLink()
    release = replace(deployment(link, tmp_path).release, provenance=lambda: (b"statement", b"signature"))
    deployment(link, tmp_path, release=release).run()
    assert link.verbs() == ["hello", "status", "lock", "offer", "provenance", "chunk", "install", "activate", "status"]
    (told,) = (request for request in link.asked if request.verb == "provenance")
    assert (told.payload_bytes, told.signature_bytes) == (18, 9)


def test_a_device_that_refuses_how_it_was_made_gets_no_file(tmp_path: Path) -> None:
    refused = Event(kind="error", message="the provenance is not signed by an allowed signer", exit_code=6, hint="sign")
    link = FakeLink(refuse={"provenance": refused})
    release = replace(deployment(link, tmp_path).release, provenance=lambda: (b"statement", b"signature"))
    with pytest.raises(TrustError, match="provenance is not signed"):
        deployment(link, tmp_path, release=release).run()
    assert "chunk" not in link.verbs()


def test_an_older_keeper_is_not_told_how_it_was_made(tmp_path: Path) -> None:
    link = FakeLink(features=("zlib", "applications"))
    release = replace(deployment(link, tmp_path).release, provenance=lambda: (b"statement", b"signature"))
    deployment(link, tmp_path, release=release).run()
    assert "provenance" not in link.verbs()


class Undecided(FakeLink):
    """Says by turns that it lacks less and more, and breaks off."""

    def _missing(self) -> tuple[MissingBlob, ...]:
        files = self._manifest.files if self._manifest else ()
        lacks = files if self.connections % 2 else files[:1]
        return tuple(MissingBlob(sha256=entry.sha256, have_bytes=0) for entry in lacks)

    def _chunk(self, request: Request, payload: bytes) -> None:
        pass


def test_a_device_that_only_says_that_it_got_on_is_left(tmp_path: Path) -> None:
    link = Undecided(breaks=[("install", 1)] * 99)
    with pytest.raises(Unreachable):
        deployment(link, tmp_path).run()
    assert link.connections < 3 * TRIES


def test_a_blob_that_is_asked_for_many_times_is_sent_once(tmp_path: Path) -> None:
    link = Greedy()
    deployment(link, tmp_path).run()
    assert {sha: data for sha, data in RELEASE.blobs.items() if data} == link.blobs


class Greedy(FakeLink):
    """Asks for each blob three times, and for some that nobody has offered."""

    def _missing(self) -> tuple[MissingBlob, ...]:
        return (*super()._missing() * 3, MissingBlob(sha256="f" * 64, have_bytes=0))
