"""A board's trust when clocks are lost, keys grow old, rules change and the power goes, with real keys."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.schema.manifest import WheelEntry
from edgekit.schema.trust import DAY_S, TrustPolicy
from tests.fakes.crashes import CrashModel, after, put_down
from tests.fakes.drill import (
    People,
    board_of_gates,
    install_trust,
    refused,
    release_of,
    resigned,
    stated_by,
    three_people,
)
from tests.fakes.hands import Hands
from tests.fakes.keeper import Bench
from tests.fakes.recording import RecordingFilesystem
from tests.fakes.trusted_people import NOW_S, signed_document, stated, trust_of


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return three_people(tmp_path_factory.mktemp("people"))


@pytest.fixture
def bench(tmp_path: Path, people: People) -> Bench:
    return board_of_gates(tmp_path, people)


def test_the_fleets_policy_names_the_rule(bench: Bench, people: People) -> None:
    wheel = WheelEntry(name="NumPy", version="2.2.4", filename="numpy.whl", sha256="ab" * 32, source="downloaded")
    release = resigned(release_of(people.ann), people.ann, wheels=(wheel,))
    clean = stated_by(release, people.ann)
    hands = Hands(bench)
    for version, policy, statement, why in (
        (2, TrustPolicy(deny=("numpy<2.2.5",)), clean, 'deny "numpy<2.2.5" refuses the release: it has NumPy 2.2.4'),
        (
            3,
            TrustPolicy(no_dirty=True),
            stated(release.digest, people.ann.sign, counter=1, fleet="gates", dirty=True),
            "no_dirty refuses the release: its source has changes",
        ),
        (
            4,
            TrustPolicy(no_dirty=True),
            stated(release.digest, people.ann.sign, counter=1, fleet="gates", dirty=None),
            "no_dirty refuses the release: its source's commit is not known",
        ),
    ):
        later = trust_of(people.ann.key(), fleet="gates", version=version, policy=policy)
        hands.ask("trust", signed_document(later, people.ann))
        refused(lambda statement=statement: hands.deploy(release, statement), why)  # type: ignore[misc]
    hands.deploy(release, clean)
    assert bench.current == release.digest


def test_a_lost_clock_and_keys_that_grow_old(tmp_path: Path, people: People) -> None:
    bench = Bench(tmp_path, executor=LocalExecutor())  # its clock says 1970
    install_trust(bench, trust_of(people.ann.key(age_days=80), people.bob.key()), people.ann)
    first = release_of(people.ann)
    statement = stated(first.digest, people.ann.sign, counter=1, at_s=NOW_S + 5 * DAY_S)
    hands = Hands(bench)
    hands.deploy(first, statement)
    assert "refused in" in hands.offer(first).warnings[0]
    assert bench.releases.trust.floors().time_s == NOW_S + 5 * DAY_S
    second = release_of(people.bob, version="2.0.0")
    hands.deploy(second, stated(second.digest, people.bob.sign, counter=2, at_s=NOW_S + 20 * DAY_S))
    again = Bench(tmp_path, executor=LocalExecutor())  # rebooted: 1970 once more
    third = release_of(people.ann, version="3.0.0")
    refused(lambda: Hands(again).offer(third), "older than 90 days")
    again.wall_s = NOW_S + 4000 * DAY_S  # a clock gone wrong the other way; nothing of that is kept
    refused(lambda: Hands(again).offer(second), "counts only until")
    again.wall_s = 0.0
    assert Hands(again).offer(second).installed


def test_power_may_go_while_a_trust_file_is_followed(tmp_path: Path, people: People) -> None:
    """What the board then has is exactly the old version or exactly the new one, and it follows again."""
    root = tmp_path / "before"
    document = trust_of(people.ann.key())
    later = signed_document(replace(document, version=2), people.ann)
    disk = RecordingFilesystem(root)
    bench = Bench(root, disk=disk, executor=LocalExecutor())
    install_trust(bench, document, people.ann)
    start = CrashModel(root)
    disk.calls.clear()
    bench.releases.trust.follow(later)
    found = set()
    for number, (_, image) in enumerate(after(disk.calls, start, random.Random(1), 1)):
        put_down(image, tmp_path / str(number))
        board = Bench(tmp_path / str(number), executor=LocalExecutor()).releases.trust
        document_now = board.document()
        assert document_now is not None
        found.add(document_now.version)
        if number % 8 == 0:
            assert board.follow(later).version == 2
    assert found == {1, 2}
