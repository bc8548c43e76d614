"""One keeper after another under a real systemd: bad ones of every kind.

Nobody helps the board: `edgekit` is only asked afterwards. Each bad keeper ends with the old one at work, and with the
application as it was.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pytest

from edgekit.errors import RolloutError
from edgekit.executor import Executor
from edgekit.host.link.connection import Connector
from edgekit.host.provision.desired import KeeperInstall, files_of
from edgekit.host.provision.device import apply_provision, look
from edgekit.host.provision.plan import plan_provision
from edgekit.schema.board import BoardPaths
from edgekit.schema.fleet import Device
from tests.board.conftest import Edgekit, eventually, one_application
from tests.fakes.bad_keepers import keeper_that

pytestmark = [pytest.mark.board, pytest.mark.timeout(1800)]

SHORT = {"ready_s": 60.0, "settle_s": 35.0, "healthy_s": 120.0}
BACK_S = 900
AT = BoardPaths(prefix="/")


@dataclass(frozen=True)
class Board:
    """The board, and the way to it."""

    edgekit: Edgekit
    name: str
    executor: Executor
    device: Device

    def switch(self, keeper: bytes, *, unit: bytes = b"") -> None:
        """Provision with another keeper, and perhaps another service file. Raises what the host would say."""
        desired = KeeperInstall(
            device=self.device,
            keeper=keeper,
            allowed_signers=self.text(AT.allowed_signers).encode(),
            identity=self.text(AT.identity_file).encode(),
            trial_limits=SHORT,
        )
        changes = plan_provision(desired, look(desired, self.executor))
        if unit:
            changes = tuple(replace(one, step=_with_unit(one.step, unit)) for one in changes)
        apply_provision(desired, self.executor, changes, holder="ann@desk", sudo=False)

    def text(self, path: str) -> str:
        return self.executor.run(["cat", path], timeout_s=60).stdout.decode()

    def shell(self, command: str) -> str:
        return self.executor.run(["sh", "-c", command], timeout_s=60).stdout.decode().strip()

    @property
    def copy(self) -> str:
        return self.shell(f"readlink {AT.program}")

    def trial(self) -> str:
        """`PHASE: REASON` of the last switch."""
        found = json.loads(self.shell(f"cat {AT.keeper_trial}") or '{"phase": "none", "reason": ""}')
        return f"{found['phase']}: {found['reason']}"

    def runs(self, digest: str) -> bool:
        """Whether the application is healthy with this release."""
        done = self.edgekit.run("status", self.name, "--json")
        found = one_application(done.json) if done.code == 0 else {}
        return bool(found) and bool(found["healthy"]) and found["current"]["digest"] == digest


def _with_unit(step: dict[str, object], unit: bytes) -> dict[str, object]:
    if step["do"] == "file" and str(step["path"]).endswith("/edgekitd.service"):
        return {**step, "content": base64.b64encode(unit).decode()}
    return step


@pytest.fixture(scope="module")
def board(edgekit: Edgekit, provisioned: str) -> Iterator[Board]:
    known = json.loads((edgekit.home / "s/edgekit/boards" / provisioned / "device.json").read_text())
    fields = {name: known[name] for name in ("address", "identity", "known_hosts", "host_key_alias") if name in known}
    device = Device(name=provisioned, **fields)
    executor = Connector().connect(device)
    yield Board(edgekit, provisioned, executor, device)
    executor.close()


def test_a_good_one_stays(board: Board) -> None:
    digest, old = board.edgekit.status(board.name)["current"]["digest"], board.copy
    board.switch(keeper_that("good"))
    assert board.copy != old and board.trial() == "passed: "
    assert board.runs(digest)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("crashes", "it ended before it had run for long enough"),
        ("hangs", "it did not answer within 60 s of its start"),
        ("dies", "it ended before it had run for long enough"),
        ("stuck", "it ended before it had run for long enough"),
        ("idle", "not all that were healthy before were so again within 120 s: sorter"),
    ],
)
def test_a_bad_one_is_taken_back(board: Board, kind: str, reason: str) -> None:
    digest, old = board.edgekit.status(board.name)["current"]["digest"], board.copy
    with pytest.raises(RolloutError, match="the new keeper was taken back") as caught:
        board.switch(keeper_that(kind, after_s=10))
    assert reason in caught.value.message
    assert board.copy == old and board.trial() == f"failed: {reason}"
    eventually(lambda: board.runs(digest), limit_s=BACK_S)


def test_a_service_file_that_systemd_cannot_use_is_taken_back(board: Board) -> None:
    digest, old = board.edgekit.status(board.name)["current"]["digest"], board.copy
    unit = dict(files_of_unit(board))["/etc/systemd/system/edgekitd.service"]
    board.shell("echo '# by hand' >> /etc/systemd/system/edgekitd.service")
    before = board.text("/etc/systemd/system/edgekitd.service")
    with pytest.raises(RolloutError, match="the new keeper was taken back"):
        board.switch(keeper_that("good") + b"\0", unit=unit.replace(b"ExecStart=/usr/bin", b"ExecStart=/no/such/bin"))
    assert board.text("/etc/systemd/system/edgekitd.service") == before
    assert board.copy == old
    eventually(lambda: board.runs(digest), limit_s=BACK_S)


def files_of_unit(board: Board) -> list[tuple[str, bytes]]:
    return files_of(KeeperInstall(device=board.device, keeper=b"", allowed_signers=b"", identity=b""))
