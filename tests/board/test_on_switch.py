"""One keeper after another under a real systemd: bad ones of every kind, a reboot and a power cut in the middle.

Nobody helps the board: `edgekit` is only asked afterwards. Each bad keeper ends with the old one at work, and with the
application as it was.
"""

from __future__ import annotations

import base64
import contextlib
import json
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import pytest

from edgekit.errors import EdgekitError, RolloutError
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
LONG = {**SHORT, "ready_s": 1800.0}
"""For a board that goes down meanwhile: nothing is decided before."""
BACK_S = 900
AT = BoardPaths(prefix="/")
NO_TRIAL = '{"phase": "none", "reason": ""}'


@dataclass(frozen=True)
class Board:
    """The board, and the way to it."""

    edgekit: Edgekit
    name: str
    executor: Executor
    device: Device

    def switch(self, keeper: bytes, *, unit: bytes = b"", limits: Mapping[str, float] = SHORT) -> None:
        """Provision with another keeper, and perhaps another service file. Raises what the host would say."""
        desired = KeeperInstall(
            device=self.device,
            keeper=keeper,
            allowed_signers=self.text(AT.allowed_signers).encode(),
            identity=self.text(AT.identity_file).encode(),
            trial_limits=limits,
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
        found = json.loads(self.shell(f"cat {AT.keeper_trial}") or NO_TRIAL)
        return f"{found['phase']}: {found['reason']}"


def runs(edgekit: Edgekit, name: str, digest: str) -> bool:
    """Whether the application is healthy with this release."""
    done = edgekit.run("status", name, "--json")
    found = one_application(done.json) if done.code == 0 else {}
    return bool(found) and bool(found["healthy"]) and found["current"]["digest"] == digest


def _with_unit(step: dict[str, object], unit: bytes) -> dict[str, object]:
    if step["do"] == "file" and str(step["path"]).endswith("/edgekitd.service"):
        return {**step, "content": base64.b64encode(unit).decode()}
    return step


@contextlib.contextmanager
def connected(edgekit: Edgekit, name: str) -> Iterator[Board]:
    """A connection of its own."""
    known = json.loads((edgekit.home / "s/edgekit/boards" / name / "device.json").read_text())
    fields = {key: known[key] for key in ("address", "identity", "known_hosts", "host_key_alias") if key in known}
    device = Device(name=name, **fields)
    executor = Connector().connect(device)
    yield Board(edgekit, name, executor, device)
    executor.close()


@pytest.fixture(scope="module")
def board(edgekit: Edgekit, provisioned: str) -> Iterator[Board]:
    with connected(edgekit, provisioned) as board:
        yield board


def test_a_good_one_stays(board: Board) -> None:
    digest, old = board.edgekit.status(board.name)["current"]["digest"], board.copy
    board.switch(keeper_that("good"))
    assert board.copy != old and board.trial() == "passed: "
    assert runs(board.edgekit, board.name, digest)


@pytest.mark.sampled(1)
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
    eventually(lambda: runs(board.edgekit, board.name, digest), limit_s=BACK_S)


@pytest.mark.long
def test_a_service_file_that_systemd_cannot_use_is_taken_back(board: Board) -> None:
    digest, old = board.edgekit.status(board.name)["current"]["digest"], board.copy
    unit = dict(files_of_unit(board))["/etc/systemd/system/edgekitd.service"]
    board.shell("echo '# by hand' >> /etc/systemd/system/edgekitd.service")
    before = board.text("/etc/systemd/system/edgekitd.service")
    with pytest.raises(RolloutError, match="the new keeper was taken back"):
        board.switch(keeper_that("good") + b"\0", unit=unit.replace(b"ExecStart=/usr/bin", b"ExecStart=/no/such/bin"))
    assert board.text("/etc/systemd/system/edgekitd.service") == before
    assert board.copy == old
    eventually(lambda: runs(board.edgekit, board.name, digest), limit_s=BACK_S)


def files_of_unit(board: Board) -> list[tuple[str, bytes]]:
    return files_of(KeeperInstall(device=board.device, keeper=b"", allowed_signers=b"", identity=b""))


@pytest.mark.long
@pytest.mark.parametrize("cut", ["reboot", "power-cut"])
def test_a_board_that_goes_down_in_the_middle_comes_back_with_the_old_one(
    edgekit: Edgekit, provisioned: str, cut: str
) -> None:
    """The controller is gone too: its connection broke."""
    digest, boot = edgekit.status(provisioned)["current"]["digest"], boot_of(edgekit, provisioned)
    old = edgekit.on_board(provisioned, f"readlink {AT.program}")
    controller = threading.Thread(target=switch_in_vain, args=(edgekit, provisioned), daemon=True)
    controller.start()
    eventually(lambda: trial_of(edgekit, provisioned)["phase"] == "started", limit_s=BACK_S)
    assert edgekit.on_board(provisioned, f"readlink {AT.program}") != old
    if cut == "reboot":
        edgekit.on_board(provisioned, "(sleep 1; systemctl reboot) > /dev/null 2>&1 &")
    else:
        edgekit.ok("board", "power-cut", "--name", provisioned)
        edgekit.ok("board", "up", "--name", provisioned, limit_s=BACK_S)
    eventually(lambda: boot_of(edgekit, provisioned) not in ("", boot), limit_s=BACK_S)
    eventually(lambda: runs(edgekit, provisioned, digest), limit_s=BACK_S)
    assert edgekit.on_board(provisioned, f"readlink {AT.program}") == old
    eventually(lambda: trial_of(edgekit, provisioned)["phase"] == "failed", limit_s=BACK_S)
    assert trial_of(edgekit, provisioned)["reason"] == "the device rebooted before it had run for long enough"
    controller.join(BACK_S)
    assert not controller.is_alive()


def boot_of(edgekit: Edgekit, name: str) -> str:
    """The name of the kernel's run; empty where the board does not answer."""
    done = edgekit.run("board", "ssh", "--name", name, "--", "cat /proc/sys/kernel/random/boot_id")
    return done.out.strip() if done.code == 0 else ""


def trial_of(edgekit: Edgekit, name: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(edgekit.on_board(name, f"cat {AT.keeper_trial} || echo '{NO_TRIAL}'"))
    return found


def switch_in_vain(edgekit: Edgekit, name: str) -> None:
    with connected(edgekit, name) as board, contextlib.suppress(EdgekitError):
        board.switch(keeper_that("hangs"), limits=LONG)
