"""One connection at a time changes an application, and two applications do not wait for each other."""

from __future__ import annotations

import pytest

from edgekit.device.keeper.control.locks import MAX_LOCKS, DeploymentLocks
from edgekit.errors import LockHeld


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
    locks.release("bob's connection")
    locks.release("ann's connection", "counter")
    assert locks.holders == {"sorter": "ann"}
    locks.take("counter", "ann's connection", "ann")
    locks.release("ann's connection")
    assert locks.holders == {}


def test_their_number_is_bounded(locks: DeploymentLocks) -> None:
    for number in range(MAX_LOCKS - 1):
        locks.take(f"a{number}", "ann's connection", "ann")
    with pytest.raises(LockHeld, match="64 applications are being deployed already"):
        locks.take("one-more", "ann's connection", "ann")
    locks.take("sorter", "ann's connection", "ann")
