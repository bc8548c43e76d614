"""What `edgekit build --verify` says: other inputs first, then the verdict and its likely cause."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from edgekit.cli.build import _words
from edgekit.host.workflow.verify_release import VerifiedRelease

SAME = VerifiedRelease(
    digest="1" * 64,
    application="line",
    version="1.0.0",
    target="host",
    signer="ann@desk",
    provenance_signer="ann@desk",
    files=2,
    first_difference="",
    inputs=(),
    commits=(),
    kept=(),
    seconds=1.0,
)
WHERE = Path("out")
VERDICT = "out: line 1.0.0 for host, 111111111111"


def test_the_same() -> None:
    assert _words(WHERE, SAME) == [f"{VERDICT}: the same, 2 files; signed by ann@desk"]


def test_the_same_from_other_inputs_and_with_an_engine_of_a_device() -> None:
    found = dataclasses.replace(
        SAME, inputs=("uv: a", *(f"{n}: b" for n in range(11))), commits=("source: c",), kept=("e.plan",)
    )
    assert _words(WHERE, found) == [
        "other input: uv: a",
        *(f"other input: {n}: b" for n in range(9)),
        "and 2 more",
        "note: source: c",
        "note: e.plan was compiled by a builder device: taken by digest, not made again",
        f"{VERDICT}: the same, 2 files; signed by ann@desk",
    ]


def test_not_the_same() -> None:
    found = dataclasses.replace(SAME, first_difference="files/a: differs from byte 1 on")
    told = f"{VERDICT}: not the same: files/a: differs from byte 1 on"
    assert _words(WHERE, found) == [told, "though every input is the same"]
    found = dataclasses.replace(found, inputs=("uv: a",))
    assert _words(WHERE, found) == ["other input: uv: a", told, "likely because of uv: a"]
