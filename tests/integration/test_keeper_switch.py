"""One keeper after another on a device without systemd: real keepers, real processes, and bad ones of every kind.

With systemd: tests/board/test_on_switch.py. What a power cut leaves of a switch: tests/integration/test_crashes.py.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import LockHeld, RolloutError
from edgekit.executor import Executor
from edgekit.host.provision.desired import KeeperInstall
from edgekit.host.provision.device import apply_provision, check_ready, look
from edgekit.host.provision.plan import plan_provision
from edgekit.schema.board import BoardPaths
from edgekit.sent.keeper_socket import KeeperSocket, RefusedByKeeper, SeenKeeper, see_keeper
from tests.fakes.bad_keepers import keeper_that
from tests.fakes.eventually import eventually
from tests.integration.test_deploy import Site, running_site

pytestmark = pytest.mark.integration

PATIENT = {"ready_s": 60.0, "settle_s": 4.0, "healthy_s": 100.0}
SHORT = {"ready_s": 12.0, "settle_s": 6.0, "healthy_s": 25.0}
"""For keepers that never come to that."""
DIES_S = 3.0


class Board:
    """A device with a keeper and a healthy application."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.executor: Executor = site.sshd.executor()
        self.device = site.sshd.device("board", prefix=str(site.prefix))
        self.at = BoardPaths(prefix=str(site.prefix))
        assert site.edgekit("provision", "board").code == 0
        assert site.edgekit("deploy", str(site.release("first")), "board").code == 0

    def switch(self, keeper: bytes, limits: dict[str, float] = PATIENT) -> None:
        """Provision with another keeper."""
        desired = KeeperInstall(
            device=replace(self.device, service="process"),
            keeper=keeper,
            allowed_signers=Path(self.at.allowed_signers).read_bytes(),
            identity=Path(self.at.identity_file).read_bytes(),
            trial_limits=limits,
        )
        present = look(desired, self.executor)
        check_ready(desired, present, "board")
        changes = plan_provision(desired, present)
        apply_provision(desired, self.executor, changes, holder="ann@desk", sudo=False)

    def seen(self) -> SeenKeeper | None:
        return see_keeper(self.at.socket)

    def copy(self) -> str:
        return str(Path(self.at.program).readlink())

    def processes(self) -> list[str]:
        """Keepers of this prefix."""
        found = subprocess.run(
            ["pgrep", "-fa", f"run --prefix {self.site.prefix}"], capture_output=True, text=True, check=False
        )
        return found.stdout.splitlines()


@pytest.fixture(scope="module")
def board() -> Iterator[Board]:
    with running_site() as site:
        board = Board(site)
        yield board
        board.executor.close()


def test_a_good_keeper_stays_and_the_application_is_healthy_under_it(board: Board) -> None:
    before, old = board.seen(), board.copy()
    board.switch(keeper_that("good"))
    after = board.seen()
    assert before and after and after.sha256 != before.sha256
    assert after.healthy == before.healthy == {"sorter"}
    assert board.copy() != old
    assert (Path(board.at.program_dir) / old).is_file()
    assert len(board.processes()) == 1
    assert board.site.edgekit("deploy", str(board.site.release("after")), "board").code == 0


def test_nobody_deploys_while_a_keeper_is_on_trial_unless_they_insist(board: Board) -> None:
    """Else a release that is not healthy would end the trial of a keeper that is."""
    before = board.seen()
    assert before

    def asked_in_the_trial() -> tuple[int, str]:
        eventually(lambda: (seen := board.seen()) is not None and seen.sha256 != before.sha256)
        asker = KeeperSocket(board.at.socket)
        with pytest.raises(RefusedByKeeper) as caught:
            asker.ask("lock", application="sorter", holder="bob@lab")
        asker.ask("lock", application="sorter", holder="bob@lab", break_lock=True)
        asker.close()
        return caught.value.exit_code, str(caught.value)

    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(asked_in_the_trial)
        board.switch(keeper_that("good") + bytes(2), {**PATIENT, "settle_s": 12.0})
        code, words = asked.result()
    assert code == LockHeld.exit_code and "a new keeper is on trial on the device" in words
    assert board.site.edgekit("deploy", str(board.site.release("once over")), "board").code == 0


@pytest.mark.sampled(2)
@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("crashes", "it ended by itself (1)"),
        ("hangs", "it did not answer within 12 s of its start"),
        ("deaf", "it did not answer within 12 s of its start"),
        ("dies", "it ended by itself (3)"),
        ("idle", "not all that were healthy before were so again within 25 s: sorter"),
    ],
)
def test_a_bad_keeper_is_taken_back_and_the_application_runs_as_before(board: Board, kind: str, reason: str) -> None:
    before, old, state = board.seen(), board.copy(), board.site.status()
    with pytest.raises(RolloutError, match="the new keeper was taken back, and the one before it runs again") as caught:
        board.switch(keeper_that(kind, after_s=DIES_S), SHORT)
    assert reason in caught.value.message
    after = board.seen()
    assert before and after and after.sha256 == before.sha256
    assert board.copy() == old
    eventually(lambda: (seen := board.seen()) is not None and seen.healthy == {"sorter"})
    assert board.site.status()["current"] == state["current"]
    assert len(board.processes()) == 1


def test_a_keeper_that_the_boards_python_cannot_read_is_refused_before_anything_stops(board: Board) -> None:
    before, old = board.seen(), board.copy()
    with pytest.raises(RolloutError, match=r"this device's Python cannot read __main__\.py"):
        board.switch(keeper_that("other python"))
    after = board.seen()
    assert before and after and (after.sha256, after.pid) == (before.sha256, before.pid)
    assert board.copy() == old


@pytest.mark.parametrize("application", ["sorter", "newcomer"])
def test_nothing_is_changed_while_somebody_deploys(application: str, board: Board) -> None:
    """Also an application that the device has never had."""
    before = board.seen()
    deployer = KeeperSocket(board.at.socket)
    deployer.ask("lock", application=application, holder="bob@lab")
    with pytest.raises(LockHeld, match=f"{application} is being deployed to the device by bob@lab"):
        board.switch(keeper_that("good") + b"\0")
    deployer.close()
    after = board.seen()
    assert before and after and after.pid == before.pid


def test_a_connection_that_breaks_in_the_trial_changes_nothing_about_it(board: Board) -> None:
    """The board itself takes the bad keeper back; whoever began it is long gone."""
    before, old = board.seen(), board.copy()
    program = f"""
import sys
sys.path.insert(0, {str(Path.cwd())!r})
import tests.integration.test_keeper_switch as t
from tests.fakes.bad_keepers import keeper_that
from edgekit.executor.local import LocalExecutor
from edgekit.schema.fleet import Device
board = t.Board.__new__(t.Board)
board.at = t.BoardPaths(prefix={str(board.site.prefix)!r})
board.executor = LocalExecutor()
board.device = Device(name="board", address="local", prefix={str(board.site.prefix)!r}, service="process")
board.switch(keeper_that("hangs"), t.SHORT)
"""
    controller = subprocess.Popen([sys.executable, "-c", program], start_new_session=True)
    trial = Path(board.at.keeper_trial)
    eventually(lambda: '"started"' in trial.read_text())
    subprocess.run(["pkill", "-9", "-s", str(controller.pid)], check=False)
    controller.wait()
    eventually(lambda: '"failed"' in trial.read_text())
    eventually(lambda: (seen := board.seen()) is not None and seen.healthy == {"sorter"})
    after = board.seen()
    assert before and after and after.sha256 == before.sha256 and board.copy() == old


def test_two_cannot_switch_at_once(board: Board) -> None:
    import fcntl

    with Path(board.at.keeper_guard).open("rb") as guard:
        fcntl.flock(guard, fcntl.LOCK_EX)
        trial = Path(board.at.keeper_trial)
        before = trial.read_bytes()
        trial.write_bytes(before.replace(b'"failed"', b'"started"').replace(b'"passed"', b'"started"'))
        with pytest.raises(LockHeld, match="a new keeper is on trial on board"):
            board.switch(keeper_that("good"))
        trial.write_bytes(before)


def test_a_lock_is_refused_in_words(board: Board) -> None:
    with pytest.raises(RefusedByKeeper, match="is no application's name") as caught:
        KeeperSocket(board.at.socket).ask("lock", application="../x", holder="bob")
    assert caught.value.exit_code == 2
