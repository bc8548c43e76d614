"""A real keeper under all attacks at once: it stays small, and who looks, stops or rolls back is answered."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.schema.control import Event
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.recipe import Health
from edgekit.trust import sign
from tests.fakes.besieged import Victim, make_victim
from tests.fakes.eventually import eventually
from tests.fakes.releases import FakeRelease, make_plan, make_release
from tests.integration.test_keeper import PYTHON, Device, running_device

pytestmark = pytest.mark.integration

MOST_MIB = 64
SECONDS = 6.0


def victim_of(device: Device) -> Victim:
    """A keeper in this folder, and what attackers have."""

    def made(behaviour: str, version: str, application: str, extra: Mapping[str, bytes] | None = None) -> FakeRelease:
        settle_s = 600.0 if behaviour == "floods" else 0.3  # it is on trial all the while
        health = Health(min_fps=2.0, settle_s=settle_s, start_s=600.0, stall_s=60.0)
        plan = make_plan(application=application, version=version, python=PYTHON, health=health)
        signer = lambda text: sign(LocalExecutor(), text, key=device.key, namespace=SIGNATURE_NAMESPACE)  # noqa: E731
        return make_release(behaviour, plan=plan, extra=extra, sign=signer)

    def deploy(release: FakeRelease) -> None:
        event: Event = device.deploy(release)
        assert event.kind == "done", event

    return make_victim(device.spawn(), device.socket, made, deploy)


def test_all_attacks_at_once() -> None:
    """Offers without a signature, bombs, nested JSON, slow and half-open clients, and a worker that floods."""
    with running_device() as device:
        seen = victim_of(device).besiege(SECONDS)
        assert len(seen.attacks) >= 6, "all of them were made"
        assert seen.peak_mib <= MOST_MIB, seen
        assert set(seen.waited_s) == {"status", "stop", "start", "rollback"}, "each was answered, again and again"
        eventually(lambda: not device.status().locks.keys() - {"flooder"})
        assert device.deploy(device.release("healthy", "3.0.0")).kind == "done"
