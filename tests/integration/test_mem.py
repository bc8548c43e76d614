"""`edgekit mem` over a real sshd, a real keeper and a real worker: who keeps a picture, and which line allocates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.sink import JsonlSink
from edgekit.trust import sign
from tests.fakes.eventually import eventually
from tests.fakes.real_worker import drawn_plan, real_release
from tests.fakes.releases import write_release
from tests.fakes.sshd import PROGRAM
from tests.integration.test_deploy import Site, running_site

pytestmark = [pytest.mark.integration, pytest.mark.skipif(PROGRAM is None, reason="no sshd on this machine")]

HOARDER = b"""\
import numpy as np

from edgekit.stage import Stage

KEPT = []
ROWS = []


class Truth(Stage):
    stateless = False

    def __call__(self, frame):
        if len(KEPT) < 3 and frame.stream == "gate":
            KEPT.append(frame.image.y)
        if len(ROWS) < 400:
            ROWS.append(np.ones(1 << 14, np.uint8))
        else:
            ROWS.clear()
        frame.detections = frame.truth
        return frame
"""


@pytest.fixture(scope="module")
def board() -> Iterator[Site]:
    with running_site() as site:
        assert site.edgekit("provision", "board").code == 0
        sink = JsonlSink(kind="jsonl", path="counts.jsonl", lane="viewers")
        plan = drawn_plan({"lines": sink}, "gate", "yard")
        made = real_release(
            plan, lambda text: sign(LocalExecutor(), text, key=site.key, namespace=SIGNATURE_NAMESPACE), HOARDER
        )
        done = site.edgekit("deploy", str(write_release(made, site.folder / "hoarder")), "board")
        assert done.code == 0, done.err
        yield site


def memory(site: Site, *words: str) -> dict[str, Any]:
    done = site.edgekit("mem", "board", *words, "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = done.json
    return found


def test_a_stage_that_keeps_pictures_is_named(board: Site) -> None:
    def leaked() -> list[dict[str, Any]]:
        return [one for one in memory(board)["worker"]["holders"] if one["outlives"] and one["age_s"] > 1]

    kept = eventually(leaked)
    assert {one["stream"] for one in kept} == {"gate"}
    assert "truth" in {one["place"] for one in kept}, "the first one may be from before anybody watched"
    counts = {one["stream"]: one["outlived"] for one in memory(board)["worker"]["leases"]}
    assert counts == {"gate": 3, "yard": 0}
    assert "keep a copy with frame.keep()" in board.edgekit("mem", "board").out


def test_the_line_that_allocates_is_named_and_nothing_is_watched_any_more(board: Site) -> None:
    found = memory(board, "sorter", "--python", "5", "--seconds", "2")
    sites = found["worker"]["python"]["sites"]
    assert 1 <= len(sites) <= 5
    assert any(any(who.endswith("app/truth.py:16") for who in site["callers"]) for site in sites), sites
    (process,) = found["processes"]
    assert process["resident_bytes"] > 20 << 20 and found["limits"] == "advisory" and found["group"] is None


def test_what_is_wrong_with_a_question_is_told(board: Site) -> None:
    assert board.edgekit("mem", "board", "nothing").code == 3
    board.edgekit("stop", "board", "sorter")
    done = board.edgekit("mem", "board")
    assert (done.code, "no worker of sorter runs on board" in done.err) == (3, True)
    assert "edgekit status board says why" in done.err
