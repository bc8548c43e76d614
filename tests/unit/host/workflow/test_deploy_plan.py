"""What a keeper says of a release before anything of it is sent: it judges all that it would judge in a deployment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import Unreachable
from edgekit.host.link.board_settings import OutgoingSettings
from edgekit.host.link.client import KeeperClient
from edgekit.host.link.outgoing_trust import OutgoingTrust
from edgekit.host.link.sending import OutgoingRelease
from edgekit.host.progress import Silent
from edgekit.host.workflow.deploy_plan import KeeperQuestion, TransferFigures
from edgekit.host.workflow.shipment import Shipment
from edgekit.schema.control import Event
from edgekit.schema.fleet import Device
from edgekit.schema.telemetry import BoardTelemetry, ClockRate
from tests.fakes.keeper_link import APPLICATION, FakeLink
from tests.fakes.profiles import profile
from tests.fakes.releases import make_release, write_release

RELEASE = make_release()
DEVICE = Device(name="gate-7", address="root@gate-7")
NO_TRUST = OutgoingTrust()


def ask(link: FakeLink, folder: Path, trust: OutgoingTrust = NO_TRUST, **more: Any) -> TransferFigures:
    write_release(RELEASE, folder / "release")
    release = OutgoingRelease(
        manifest=RELEASE.manifest,
        manifest_bytes=RELEASE.manifest_json,
        signature=RELEASE.signature,
        digest=RELEASE.digest,
        file=lambda path: folder / "release/files" / path,
        provenance=lambda: (b"statement", b"signature"),
    )
    question = KeeperQuestion(
        shipment=Shipment(device="gate-7", release=release, progress=Silent()),
        settings=OutgoingSettings,
        trust=trust,
        **{"count": True, **more},
    )
    with KeeperClient(DEVICE, link) as keeper:
        return question.ask(keeper)


def test_how_it_was_made_is_judged_too(tmp_path: Path) -> None:
    """Policy, age and fleet are judged by that."""
    rule = Event(kind="error", message="the fleet's policy no_dirty refuses the release", exit_code=6, hint="commit")
    told = ask(FakeLink(refuse={"provenance": rule}), tmp_path)
    assert told.refused == "the fleet's policy no_dirty refuses the release: commit"
    assert not told.unknown and not told.send_bytes


def test_nothing_there_is_locked_sent_or_installed(tmp_path: Path) -> None:
    link = FakeLink()
    told = ask(link, tmp_path)
    assert told.send_bytes and not told.refused
    assert link.verbs() == ["hello", "status", "offer", "provenance"]


def test_bytes_are_counted_for_those_alone_who_ask(tmp_path: Path) -> None:
    assert ask(FakeLink(), tmp_path, count=False).send_bytes == 0


def test_what_runs_already_is_told_and_nothing_else_is_asked(tmp_path: Path) -> None:
    link = FakeLink(application=replace(APPLICATION))
    link.commit(RELEASE.digest)
    assert ask(link, tmp_path).runs
    assert link.verbs() == ["hello", "status"]


def test_the_same_release_that_is_unhealthy_there_would_be_sent_and_is_warned_of(tmp_path: Path) -> None:
    link = FakeLink(application=replace(APPLICATION))
    link.commit(RELEASE.digest)
    assert link.application
    link.application = replace(link.application, healthy=False, unhealthy_because=("fps 0.0 < min_fps 2.0",))
    told = ask(link, tmp_path)
    (warning,) = told.warnings
    assert not told.runs and told.send_bytes and warning.severity == "warn"
    assert "unhealthy (fps 0.0 < min_fps 2.0): edgekit why gate-7 sorter" in str(warning)
    link.commit("0" * 64)
    link.application = replace(link.application, healthy=False)
    assert ask(link, tmp_path).warnings == (), "another release's health is no word on this one"


def test_clocks_that_are_not_those_of_the_release_s_profile_are_warned_of(tmp_path: Path) -> None:
    then, now = (ClockRate(clock="gpu", hertz=1, limit_hertz=limit) for limit in (2_000_000_000, 1_000_000_000))
    measured = replace(profile({}), clocks=(then,))
    (warning,) = ask(FakeLink(board=BoardTelemetry(clocks=(now,))), tmp_path, profile=measured).warnings
    assert warning.subject == "the limit of clock gpu"
    assert ask(FakeLink(), tmp_path, profile=measured).warnings == ()


def test_a_later_trust_file_that_deploying_brings_first_is_told(tmp_path: Path) -> None:
    trust = OutgoingTrust(after=lambda version: (b"2",) if version < 2 else ())
    assert not ask(FakeLink(), tmp_path, trust).trust_first, "a device without a trust file follows none"
    assert ask(FakeLink(trust_version=1), tmp_path, trust).trust_first
    assert not ask(FakeLink(trust_version=2), tmp_path, trust).trust_first


def test_a_permit_counts_for_the_answer(tmp_path: Path) -> None:
    link = FakeLink(trust_version=1, refuse={"permit": Event(kind="error", message="no", exit_code=6, hint="x")})
    assert ask(link, tmp_path, OutgoingTrust(permit=b"permit")).refused == "no: x"


def test_a_link_that_breaks_is_no_refusal(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        ask(FakeLink(breaks=[("offer", 1)]), tmp_path)
