"""One connection at a time changes an application, and two applications do not wait for each other."""

from __future__ import annotations

import threading
import time

import pytest

from edgekit.device.keeper.control.locks import MAX_LOCKS, DeploymentLocks
from edgekit.errors import LockHeld
from tests.fakes.eventually import PATIENCE_S


@pytest.fixture
def locks() -> DeploymentLocks:
    locks = DeploymentLocks()
    locks.take("sorter", "ann's connection", "ann")
    return locks


def test_the_holder_is_named(locks: DeploymentLocks) -> None:
    with pytest.raises(LockHeld, match="sorter is being deployed to the device by ann") as caught:
        locks.take("sorter", "bob's connection", "bob")
    assert caught.value.holder == "ann"
    assert locks.holders == {"sorter": "ann"}


def test_another_application_is_free(locks: DeploymentLocks) -> None:
    locks.take("counter", "bob's connection", "bob")
    assert locks.holders == {"sorter": "ann", "counter": "bob"}


def test_who_has_it_may_take_it_again_and_keeps_the_name(locks: DeploymentLocks) -> None:
    locks.take("sorter", "ann's connection", "")
    assert locks.holders == {"sorter": "ann"}
    locks.take("counter", "eve's connection", "")
    assert locks.holders["counter"] == "somebody"


def test_only_the_owner_gives_it_back_one_or_all(locks: DeploymentLocks) -> None:
    locks.take("counter", "ann's connection", "ann")
    locks.release("bob's connection", "counter")
    locks.leave("bob's connection")
    locks.release("ann's connection", "counter")
    assert locks.holders == {"sorter": "ann"}
    locks.take("counter", "ann's connection", "ann")
    locks.leave("ann's connection")
    assert locks.holders == {}


def test_their_number_is_bounded(locks: DeploymentLocks) -> None:
    for number in range(MAX_LOCKS - 1):
        locks.take(f"a{number}", "ann's connection", "ann")
    with pytest.raises(LockHeld, match="64 applications are being deployed already"):
        locks.take("one-more", "ann's connection", "ann")
    locks.take("sorter", "ann's connection", "ann")


NOON_S = 1_800_000_000.0


def stubborn_locks(break_s: float = 0.0) -> DeploymentLocks:
    """Bob deploys since noon, and does nothing under his lock at the moment."""
    locks = DeploymentLocks(lambda: NOON_S, break_s)
    locks.take("sorter", "bob's connection", "bob@desk")
    locks.rest("bob's connection")
    return locks


def test_a_lock_that_is_broken_names_both_and_since_when() -> None:
    locks = stubborn_locks()
    taken = locks.take("sorter", "ann's connection", "ann@lab\x1b[2J", by_force=True)
    since = "2027-01-15 08:00:00 UTC"
    assert taken == f"ann@lab took the deployment lock of sorter from bob@desk, who had it since {since}"
    assert locks.holders == {"sorter": "ann@lab"}


def test_who_was_robbed_is_told_once_and_for_all_and_gets_no_other_lock() -> None:
    locks = stubborn_locks()
    locks.take("sorter", "ann's connection", "ann@lab", by_force=True)
    locks.leave("ann's connection")
    for application in ("sorter", "counter"):
        with pytest.raises(
            LockHeld, match=r"^ann@lab took the deployment lock of sorter from you at 2027-01-15"
        ) as caught:
            locks.take(application, "bob's connection", "bob@desk", by_force=True)
        assert "deploying again goes on" in caught.value.hint
    assert locks.holders == {}
    locks.leave("bob's connection")
    assert locks.take("sorter", "bob's connection", "bob@desk") == "", "another connection may get what is free"


def test_what_is_being_done_under_a_lock_is_over_before_it_is_broken() -> None:
    locks = stubborn_locks(PATIENCE_S)
    locks.take("sorter", "bob's connection", "")
    taken: list[str] = []
    breaker = threading.Thread(
        target=lambda: taken.append(locks.take("sorter", "ann's connection", "ann", by_force=True))
    )
    breaker.start()
    time.sleep(0.05)
    assert locks.holders == {"sorter": "bob@desk"} and not taken
    locks.rest("bob's connection")
    breaker.join(PATIENCE_S)
    assert len(taken) == 1 and locks.holders == {"sorter": "ann"}


def test_what_takes_long_is_not_broken_off_and_what_was_given_back_meanwhile_is_no_robbery() -> None:
    locks = stubborn_locks()
    locks.take("sorter", "bob's connection", "")
    with pytest.raises(
        LockHeld, match="by bob@desk, since 2027-01-15 08:00:00 UTC: what is being done right now"
    ) as caught:
        locks.take("sorter", "ann's connection", "ann", by_force=True)
    assert caught.value.holder == "bob@desk"
    locks.release("bob's connection", "sorter")
    assert locks.take("sorter", "ann's connection", "ann", by_force=True) == ""


def test_a_keeper_on_trial_gives_locks_to_those_alone_who_insist() -> None:
    trials = [True]
    locks = DeploymentLocks(on_trial=lambda: trials[-1])
    with pytest.raises(LockHeld, match="a new keeper is on trial on the device") as caught:
        locks.take("sorter", "ann's connection", "ann")
    assert "--break-lock" in caught.value.hint and not locks.holders
    assert locks.take("sorter", "bob's connection", "bob", by_force=True) == ""
    locks.take("sorter", "bob's connection", "")
    trials.append(False)
    locks.take("counter", "ann's connection", "ann")
    assert locks.holders == {"sorter": "bob", "counter": "ann"}
