"""Settings over a real sshd to a real keeper: given in fleet.toml, tried like a release, secrets told to nobody."""

from __future__ import annotations

import stat
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.trust import sign
from tests.fakes.releases import make_release, write_release
from tests.fakes.sshd import PROGRAM
from tests.integration.test_deploy import Answer, Site, running_site
from tests.unit.device.keeper.test_settings import plan

pytestmark = [pytest.mark.integration, pytest.mark.skipif(PROGRAM is None, reason="no sshd on this machine")]

SECRET = "hunter2-hunter2"


class SettingsSite:
    """A site with a release that declares `least` and the secret `key`."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.fleet = (site.folder / "fleet.toml").read_text()
        health = replace(plan().health, start_s=1.5)
        made = make_release("settings", plan=replace(plan(), health=health), sign=self._sign)
        self.release = write_release(made, site.folder / "release")
        self.key = site.folder / "broker.key"
        self.key.write_text(f"{SECRET}\n")
        self.key.chmod(0o600)

    def _sign(self, text: bytes) -> bytes:
        return sign(LocalExecutor(), text, key=self.site.key, namespace=SIGNATURE_NAMESPACE)

    def give(self, text: str = "", key: str = '{ file = "broker.key" }') -> None:
        table = f"[devices.board.settings.sorter]\nkey = {key}\n{text}\n" if key else ""
        (self.site.folder / "fleet.toml").write_text(self.fleet + table)

    def edgekit(self, *argv: str) -> Answer:
        return self.site.edgekit(*argv)

    def deploy(self) -> Answer:
        return self.edgekit("deploy", str(self.release), "board", "--json")

    def worker(self) -> int:
        return int(self.site.status()["worker"]["pid"])


@pytest.fixture
def board() -> Iterator[SettingsSite]:
    with running_site() as site:
        assert site.edgekit("provision", "board").code == 0
        yield SettingsSite(site)


def test_given_changed_taken_back_and_never_told(board: SettingsSite) -> None:
    said = []

    # Nothing is given: refused before the old release, or nothing, stops.
    missing = board.deploy()
    assert missing.code == 2 and "key: missing; it is for: The broker's password." in missing.err
    assert "[devices.board.settings.sorter]" in missing.err, "where to give it"
    assert board.site.edgekit("status", "board", "--json").json["applications"] == []

    board.give("least = 0.25")
    done = board.deploy()
    assert done.code == 0, done.err
    shown = board.edgekit("settings", "show", "board")
    assert "(secret, given)" in shown.out and "0.25" in shown.out
    logs = board.edgekit("logs", "board")
    assert 'runs with {"key": "***", "least": 0.25}' in logs.out
    said += [done, shown, logs]

    # The same again changes nothing, not even the worker.
    worker = board.worker()
    assert board.deploy().json["changed"] is False
    unchanged = board.edgekit("settings", "push", "board")
    assert (unchanged.code, unchanged.out) == (0, "board: sorter has what fleet.toml gives: nothing to change\n")
    assert board.worker() == worker

    # Another value is shown, pushed, and committed.
    board.give("least = 0.75")
    told = board.edgekit("settings", "diff", "board")
    assert "least: 0.25 -> 0.75" in told.out and "edgekit settings push board sorter" in told.out
    assert board.worker() == worker
    pushed = board.edgekit("settings", "push", "board", "sorter", "--json")
    assert pushed.code == 0, pushed.err
    assert (pushed.json["pushed"], pushed.json["changed"]) == (True, ["least"])
    assert board.worker() != worker
    said += [told, pushed]

    # One that does no good is taken back, by push and by deploy.
    board.give("least = 0.9")
    for bad in (board.edgekit("settings", "push", "board"), board.deploy()):
        assert bad.code == 8 and "back to sorter 1.0.0" in bad.err, bad.err
        said.append(bad)
    assert board.edgekit("settings", "show", "board", "--json").json["settings"][1]["value"] == 0.75
    assert board.site.status()["healthy"]

    # A wrong value and an unknown name change nothing.
    worker = board.worker()
    for text, message in (('least = "x"', "least: expected a number"), ("most = 1", "most: the application has no")):
        board.give(text)
        for refused in (board.edgekit("settings", "push", "board"), board.deploy()):
            assert refused.code == 2 and message in refused.err
            said.append(refused)
        judged = board.edgekit("deploy", str(board.release), "board", "--plan")
        assert judged.code == 8 and f"board: no: settings of sorter on board: {message}" in judged.out
    assert board.worker() == worker

    # Another secret is another setting; what it is, nobody learns.
    board.key.write_text(f"{SECRET}-2\n")
    board.give("least = 0.75")
    other = board.edgekit("settings", "diff", "board")
    assert "key: another secret" in other.out
    said += [other, board.edgekit("settings", "push", "board"), board.edgekit("status", "board", "--json")]

    # fleet.toml that gives nothing leaves what the board has.
    board.give(key="")
    kept = board.edgekit("settings", "push", "board")
    assert kept.code == 0 and "it keeps what it has" in kept.out

    assert not [answer for answer in said if SECRET in answer.out + answer.err]
    assert_nowhere_else(board)


def assert_nowhere_else(board: SettingsSite) -> None:
    """The secret is in the keeper's own file alone: in no log, no other file, and not on the worker's command line."""
    worker = Path(f"/proc/{board.worker()}")
    assert SECRET.encode() not in (worker / "cmdline").read_bytes() + (worker / "environ").read_bytes()
    own = board.site.prefix / "etc/edgekit/apps/sorter"
    (file,) = own.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and SECRET in file.read_text()
    found = subprocess.run(
        ["grep", "-rlF", SECRET, str(board.site.folder)], capture_output=True, text=True, check=False, timeout=60
    )
    assert sorted(found.stdout.split()) == sorted(map(str, (board.key, file)))


def test_settings_that_are_given_need_no_release_to_be_shown(board: SettingsSite) -> None:
    answer = board.edgekit("settings", "show", "board")
    assert answer.code == 3 and "the device has no application" in answer.err
