"""A keeper knows that it is on trial by the file of the guard that judges it, as that program writes it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.device.keeper.own_trial import OwnTrial
from edgekit.sent.keeper_trial import KeeperTrial, to_text
from tests.fakes.clock import Clock

NEW, OLD = "a" * 64, "b" * 64


def written(file: Path, phase: str, **limits: float) -> None:
    trial = KeeperTrial(
        phase=phase, new="edgekitd-a", old="edgekitd-b", new_sha256=NEW, old_sha256=OLD, boot="1", **limits
    )
    file.write_bytes(to_text(trial))


@pytest.mark.parametrize(
    ("phase", "sha256", "is_open"),
    [
        ("armed", OLD, False),
        ("started", OLD, False),
        ("started", NEW, True),
        ("failing", NEW, True),
        ("passed", NEW, False),
        ("failed", OLD, False),
    ],
)
def test_it_is_the_new_one_between_its_start_and_the_verdict(
    phase: str, sha256: str, is_open: bool, tmp_path: Path
) -> None:
    written(tmp_path / "trial.json", phase)
    assert OwnTrial(tmp_path / "trial.json", sha256).open() is is_open


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b'{"phase": "started", "new_sha256": "%s", "ready_s": []}'])
def test_a_file_that_is_none_holds_nobody_up(text: bytes, tmp_path: Path) -> None:
    file = tmp_path / "trial.json"
    assert not OwnTrial(file, NEW).open()
    file.write_bytes(text.replace(b"%s", NEW.encode()))
    assert not OwnTrial(file, NEW).open()


def test_one_that_nobody_ends_is_over_when_its_time_is(tmp_path: Path) -> None:
    clock = Clock()
    written(tmp_path / "trial.json", "started", ready_s=10.0, settle_s=5.0, healthy_s=20.0)
    trial = OwnTrial(tmp_path / "trial.json", NEW, clock)
    clock.advance(34.0)
    assert trial.open()
    clock.advance(2.0)
    assert not trial.open()
