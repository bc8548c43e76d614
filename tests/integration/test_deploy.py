"""The whole way over a real sshd to a real keeper: provision, deploy, status, roll back, and what can go wrong."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import LockHeld
from edgekit.executor.local import LocalExecutor
from edgekit.host.link.client import KeeperClient
from edgekit.host.user import user_at_machine
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.recipe import Health
from edgekit.trust import sign
from tests.fakes.eventually import eventually
from tests.fakes.releases import make_plan, make_release, write_release
from tests.fakes.sshd import PROGRAM, Sshd, running_sshd

pytestmark = [pytest.mark.integration, pytest.mark.skipif(PROGRAM is None, reason="no sshd on this machine")]

BIG_BYTES = 96 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A host with its settings, and a device named `board`, both on this machine."""

    folder: Path
    sshd: Sshd

    @property
    def prefix(self) -> Path:
        return self.folder / "root"

    @property
    def key(self) -> Path:
        return self.folder / "home/config/release-key"

    def start(self, *argv: str) -> subprocess.Popen[str]:
        env = {**os.environ, "EDGEKIT_HOME": str(self.folder / "home"), "COLUMNS": "200"}
        command = [sys.executable, "-m", "edgekit.cli.main", *argv]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, env=env, cwd=self.folder)

    def edgekit(self, *argv: str) -> Answer:
        return finish(self.start(*argv))

    def release(self, name: str, behaviour: str = "healthy", **how: Any) -> Path:
        named = {"application": how.pop("application", "sorter"), "version": how.pop("version", "1.0.0")}
        plan = make_plan(**named, health=how.pop("health", make_plan().health))
        key = how.pop("key", self.key)
        how["extra"] = {"app/name": os.urandom(16), **how.get("extra", {})}
        sign_it = lambda text: sign(LocalExecutor(), text, key=key, namespace=SIGNATURE_NAMESPACE)  # noqa: E731
        return write_release(make_release(behaviour, plan=plan, sign=sign_it, **how), self.folder / name)

    def status(self) -> Any:
        """The only application's status."""
        (found,) = self.edgekit("status", "board", "--json").json["applications"]
        return found

    def keeper_pid(self) -> int:
        return int(self.edgekit("status", "board", "--json").json["keeper_pid"])

    def part_of_noise(self, release: Path) -> Callable[[], int]:
        """Tells how many bytes of the release's noise have come, as long as it is not whole."""
        name = f"{hashlib.sha256((release / 'files/app/noise').read_bytes()).hexdigest()}.*.part"

        def received_bytes() -> int:
            with contextlib.suppress(FileNotFoundError):
                return sum(part.stat().st_size for part in (self.prefix / "var/lib/edgekit/incoming").glob(name))
            return 0

        return received_bytes


def finish(process: subprocess.Popen[str]) -> Answer:
    out, err = process.communicate(timeout=120)
    return Answer(code=process.returncode, out=out, err=err)


@contextlib.contextmanager
def running_site() -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="ek-", dir="/tmp"))  # a socket's path must be short
    (folder / "sshd").mkdir()
    with running_sshd(folder / "sshd") as sshd:
        site = Site(folder=folder, sshd=sshd)
        (folder / "fleet.toml").write_text(
            f'[devices.board]\naddress = "{sshd.address}"\nprefix = "{site.prefix}"\nservice = "process"\n'
            f'identity = "{sshd.identity}"\nknown_hosts = "{sshd.known_hosts}"\n'
        )
        site.prefix.mkdir(mode=0o700)
        assert site.edgekit("keys", "init").code == 0
        try:
            yield site
        finally:
            program = site.prefix / "usr/lib/edgekit/edgekitd.pyz"
            if program.exists():
                subprocess.run(["python3", "-I", program, "halt", "--prefix", site.prefix], check=True, timeout=60)
    shutil.rmtree(folder)


@pytest.fixture
def site() -> Iterator[Site]:
    """A device that nobody has touched."""
    with running_site() as site:
        yield site


@pytest.fixture(scope="module")
def board() -> Iterator[Site]:
    """A provisioned device that these tests share: each deploys what it needs first."""
    with running_site() as site:
        assert site.edgekit("provision", "board").code == 0
        yield site


def test_a_login_shell_that_greets_stands_in_nobodys_way(site: Site) -> None:
    site.sshd.greet('Welcome!\n{"kind": "done", "data": {}}\nno end of line')
    done = site.edgekit("provision", "board")
    assert done.code == 0, done.err
    probed = site.edgekit("doctor", "board", "--json")
    assert probed.json["findings"] is not None, probed.err
    assert "a user of its own: this keeper is not the system's" in probed.json["confinement"]["lacks"]
    deployed = site.edgekit("deploy", str(site.release("greeted")), "board", "--json")
    assert deployed.code == 0, deployed.err
    assert site.status()["phase"] == "running"


def test_provisioning_shows_first_does_once_and_completes_what_broke_off(site: Site) -> None:
    planned = site.edgekit("provision", "board", "--plan", "--json")
    assert planned.code == 0 and len(planned.json["changes"]) > 5
    assert list(site.prefix.iterdir()) == []

    done = site.edgekit("provision", "board", "--json")
    assert done.json["changes"] == planned.json["changes"]
    pid = site.keeper_pid()
    again = site.edgekit("provision", "board")
    assert (again.code, again.out) == (0, "board: nothing to change\n")
    assert site.keeper_pid() == pid

    (site.prefix / "etc/edgekit/allowed_signers").unlink()
    mended = site.edgekit("provision", "board", "--json")
    assert len(mended.json["changes"]) == 1 and "allowed_signers" in mended.json["changes"][0]
    assert site.keeper_pid() == pid


def test_deploy_twice_update_and_roll_back(board: Site) -> None:
    first = board.release("first")
    assert board.edgekit("doctor", "board", str(first)).code == 0
    told = board.edgekit("deploy", str(first), "board", "--json")
    assert told.code == 0, told.err
    assert told.json["changed"] and told.json["sent_blobs"] > 0

    again = board.edgekit("deploy", str(first), "board", "--json")
    assert (again.code, again.json["changed"], again.json["sent_bytes"]) == (0, False, 0)

    second = board.release("second", version="2.0.0")
    told = board.edgekit("deploy", str(second), "board", "--json")
    assert (told.code, told.json["sent_blobs"]) == (0, 2), "only plan.json and app/name differ"

    back = board.edgekit("rollback", "board")
    assert back.code == 0 and "sorter 1.0.0" in back.out
    status = board.status()
    assert (status["current"]["version"], status["previous"]["version"]) == ("1.0.0", "2.0.0")
    assert status["healthy"], status["unhealthy_because"]
    assert "healthy worker at work" in board.edgekit("logs", "board").out
    assert '\nedgekit_frames_total{application="sorter"} ' in board.edgekit("metrics", "board").out


def test_two_applications_are_told_apart_by_every_verb(site: Site) -> None:
    assert site.edgekit("provision", "board").code == 0
    for application in ("sorter", "counter"):
        assert site.edgekit("deploy", str(site.release(application, application=application)), "board").code == 0
    shown = site.edgekit("status", "board").out
    assert "board: 2 applications" in shown and "\ncounter: 1.0.0" in shown and "shares    CPUs 0 with sorter" in shown

    unclear = site.edgekit("rollback", "board")
    assert (unclear.code, "counter, sorter" in unclear.err) == (3, True)
    both, one = site.edgekit("metrics", "board").out, site.edgekit("metrics", "board", "sorter").out
    frames = 'edgekit_frames_total{application="counter"} '
    assert (frames in both, frames in one) == (True, False)
    stopped = site.edgekit("stop", "board", "counter", "--json")
    assert stopped.json == {"device": "board", "application": "counter"}
    found = {one["application"]: one for one in site.edgekit("status", "board", "--json").json["applications"]}
    assert [found[name]["phase"] for name in ("counter", "sorter")] == ["stopped", "running"]
    assert found["sorter"]["healthy"] and not found["counter"]["worker"]["pid"]
    started = site.edgekit("start", "board", "counter")
    assert started.out == "board: counter runs, and is healthy\n"
    lines = site.edgekit("logs", "board", "counter").out
    assert "keeper: stopped: counter" in lines and "sorter" not in lines
    assert "sorter: keeper: " in site.edgekit("logs", "board").out
    assert site.edgekit("remove", "board", "counter").out == "board: counter is removed\n"
    assert site.edgekit("stop", "board", "counter").code == 3
    assert site.status()["worker"]["pid"] == found["sorter"]["worker"]["pid"]


def _flip(release: Path) -> None:
    file = release / "files/tool"
    file.write_bytes(b"?" + file.read_bytes()[1:])


def _shorten(release: Path) -> None:
    (release / "files/tool").write_bytes(b"#")


def _strip(release: Path) -> None:
    (release / "manifest.json.sig").unlink()


def _change_manifest(release: Path) -> None:
    file = release / "manifest.json"
    file.write_bytes(file.read_bytes().replace(b'"application": "sorter"', b'"application": "tamper"'))


def test_what_is_not_whole_or_not_signed_is_refused_before_anything_is_switched(board: Site) -> None:
    assert board.edgekit("deploy", str(board.release("whole")), "board").code == 0
    before = board.status()
    for number, spoil in enumerate((_flip, _shorten, _strip, _change_manifest)):
        release = board.release(f"bad-{number}", version=f"2.0.{number}", extra={"tool": f"#!{number}\n".encode()})
        spoil(release)
        refused = board.edgekit("deploy", str(release), "board", "--json")
        assert refused.code == 6, (spoil, refused)
        assert refused.json["error"]["hint"]
    (board.release("gone", version="3.0.0") / "files/plan.json").unlink()
    assert board.edgekit("deploy", str(board.folder / "gone"), "board").code == 6

    stranger = board.folder / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(stranger)], check=True)
    refused = board.edgekit("deploy", str(board.release("foreign", version="4.0.0", key=stranger)), "board")
    assert refused.code == 6 and "is not trusted here" in refused.err

    after = board.status()
    assert (after["current"], after["worker"]["pid"]) == (before["current"], before["worker"]["pid"])


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("exits", "the camera is gone"), ("hangs", "stall_s"), ("unhealthy", "fps 0.0 < min_fps 2.0")],
)
def test_a_bad_release_goes_back_by_itself_with_the_reason(behaviour: str, reason: str, board: Site) -> None:
    health = Health(min_fps=2.0, settle_s=1.0, start_s=3.0, stall_s=0.8)
    assert board.edgekit("deploy", str(board.release(f"good-{behaviour}", health=health)), "board").code == 0
    bad = board.release(f"bad-{behaviour}", behaviour, version="2.0.0", health=health)
    told = board.edgekit("deploy", str(bad), "board", "--json")
    assert told.code == 8
    assert reason in told.json["error"]["message"] + told.json["error"]["details"]
    assert f"{behaviour} worker at work" in told.json["error"]["details"]
    status = board.status()
    assert status["current"]["version"] == "1.0.0" and status["worker"]["pid"]
    shown = board.edgekit("status", "board").out
    assert "sorter 2.0.0" in shown and reason in shown


def test_a_release_that_does_not_fit_is_refused_before_a_byte_moves(board: Site) -> None:
    folder = board.release("strange")
    incoming = board.prefix / "var/lib/edgekit/incoming"
    before = sorted(incoming.iterdir())
    manifest = json.loads((folder / "manifest.json").read_bytes())
    manifest["requires"] |= {"arch": "riscv64", "memory_bytes": 1 << 60}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    told = board.edgekit("deploy", str(folder), "board")
    assert told.code == 8
    assert "riscv64" in told.err and "memory is" in told.err, "every reason"
    assert board.edgekit("doctor", "board", str(folder)).code == 8
    assert sorted(incoming.iterdir()) == before


def test_the_plan_says_what_deploying_does(board: Site) -> None:
    first = str(board.release("plan-1"))
    assert board.edgekit("deploy", first, "board").code == 0
    there = board.edgekit("deploy", first, "board", "--plan", "--json")
    assert (there.code, there.json["transfers"][0]["runs"]) == (0, True)
    second = str(board.release("plan-2", version="1.1.0", extra={"app/more": os.urandom(40_000)}))
    planned = board.edgekit("deploy", second, "board", "--plan", "--json").json["transfers"][0]
    tight = ("--max-bytes", str(planned["send_bytes"] - 1))
    refused = board.edgekit("deploy", second, "board", "--plan", *tight)
    assert (refused.code, refused.out.splitlines()[0]) == (8, "board: no"), refused
    assert f"--max-bytes allows {planned['send_bytes'] - 1}: allow as many" in refused.out
    assert board.edgekit("deploy", second, "board", *tight).code == 2
    told = board.edgekit("deploy", second, "board", "--json", "--max-bytes", str(planned["send_bytes"]))
    assert (told.code, told.json["sent_bytes"]) == (0, planned["send_bytes"])


def test_an_application_that_became_unhealthy_is_what_doctor_and_the_plan_tell_of(site: Site) -> None:
    assert site.edgekit("provision", "board").code == 0
    falling = str(site.release("falling", "falls"))
    assert site.edgekit("deploy", falling, "board").code == 0
    cure = "edgekit why board sorter"
    seen = eventually(lambda: told if (told := site.edgekit("doctor", "board")).code else None)
    assert seen.code == 8 and "  the application sorter is unhealthy (" in seen.out and cure in seen.out, seen
    assert "nothing is missing" not in seen.out
    told = eventually(
        lambda: found if "unhealthy" in (found := site.edgekit("deploy", falling, "board", "--plan")).out else None
    )
    assert told.code == 0 and told.out.startswith("board: yes, with warnings\n"), told
    assert "  warning: the application sorter is unhealthy (" in told.out and cure in told.out
    assert site.edgekit("why", "board", "sorter").code == 0
    site.edgekit("stop", "board", "sorter")
    assert site.edgekit("doctor", "board").code == 0, "what shall not run is not missed"


def test_the_plan_and_doctor_refuse_what_deploying_refuses(site: Site) -> None:
    assert site.edgekit("provision", "board").code == 0
    unsigned = site.release("unsigned")
    _strip(unsigned)
    other = site.folder / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    foreign = site.release("foreign", key=other)
    for release, word in ((unsigned, "is not signed"), (foreign, "is not trusted")):
        planned = site.edgekit("deploy", str(release), "board", "--plan")
        assert (planned.code, planned.out.splitlines()[0]) == (8, "board: no") and word in planned.out, planned
        seen = site.edgekit("doctor", "board", str(release))
        assert seen.code == 8 and "the release is not taken: " in seen.out and word in seen.out, seen
        assert site.edgekit("deploy", str(release), "board").code == 6
    assert site.edgekit("status", "board", "--json").json["applications"] == []


def _big(board: Site, name: str) -> Path:
    return board.release(name, extra={"app/noise": os.urandom(BIG_BYTES)})


def test_ctrl_c_in_the_middle_and_the_next_deploy_goes_on(board: Site) -> None:
    release = _big(board, "big")
    received_bytes = board.part_of_noise(release)
    process = board.start("deploy", str(release), "board")
    eventually(lambda: received_bytes() > 8 << 20)
    process.send_signal(signal.SIGINT)
    stopped = finish(process)
    assert stopped.code == 130 and "Traceback" not in stopped.err
    told = board.edgekit("deploy", str(release), "board", "--json")
    assert told.code == 0, told.err
    assert 0 < told.json["sent_bytes"] < BIG_BYTES - (4 << 20), "what had come was kept"


def test_a_link_that_breaks_while_sending_is_taken_up_again(board: Site) -> None:
    release = _big(board, "bigger")
    received_bytes = board.part_of_noise(release)
    process = board.start("deploy", str(release), "board", "--json")
    eventually(lambda: received_bytes() > 8 << 20)
    board.sshd.stop()
    time.sleep(1.0)
    board.sshd.start()
    told = finish(process)
    assert told.code == 0, told.err
    assert "connecting again (1 of 3)" in told.err
    assert told.json["sent_bytes"] < BIG_BYTES + (32 << 20), "not all of it twice"


@pytest.mark.parametrize(("behaviour", "code"), [("healthy", 0), ("exits", 8)])
def test_a_link_that_breaks_while_a_release_starts_still_gives_the_outcome(
    behaviour: str, code: int, board: Site
) -> None:
    health = Health(min_fps=2.0, settle_s=2.0, start_s=10.0, stall_s=5.0)
    period_s = 0.5
    process = board.start(
        "deploy", str(board.release(f"slow-{behaviour}", behaviour, health=health, period_s=period_s)), "board"
    )
    eventually(lambda: '"activating"' in (board.prefix / "var/lib/edgekit/apps/sorter/state.json").read_text())
    board.sshd.stop()
    board.sshd.start()
    told = finish(process)
    assert told.code == code, told.err
    assert "connecting again" in told.err
    assert "the camera is gone" in told.err or not code


def test_somebody_else_deploys(board: Site) -> None:
    assert board.edgekit("deploy", str(board.release("first")), "board").code == 0
    executor = board.sshd.executor(known_hosts=str(board.sshd.known_hosts))
    device = board.sshd.device("board", prefix=str(board.prefix), service="process")
    with KeeperClient(device, executor) as eve:
        eve.lock("sorter", "eve@desk")
        told = board.edgekit("deploy", str(board.release("good")), "board")
        assert told.code == 9 and "eve@desk" in told.err and "--break-lock" in told.err
        taken = board.edgekit("deploy", str(board.release("good")), "board", "--break-lock")
        assert taken.code == 0, taken.err
        sentence = f"{user_at_machine()} took the deployment lock of sorter from eve@desk, who had it since 2"
        assert sentence in taken.err
        with pytest.raises(LockHeld, match="took the deployment lock of sorter from you"):
            eve.ask("rollback", application="sorter")
    executor.close()
    assert sentence in board.edgekit("logs", "board").out
    for verb in ("stop", "start", "rollback"):
        assert board.edgekit(verb, "board", "sorter", "--break-lock").code == 0, "nobody has it: nothing is broken"


def test_one_command_after_the_other_meets_no_lock_of_its_own(board: Site) -> None:
    """`edgekit deploy && edgekit rollback`, with files enough that clearing out takes a while."""
    many = {f"app/{number}": b"%d" % number for number in range(1500)}
    assert board.edgekit("deploy", str(board.release("few")), "board").code == 0
    for name in ("many", "more"):
        assert board.edgekit("deploy", str(board.release(name, extra=many)), "board").code == 0
        told = board.edgekit("rollback", "board")
        assert told.code == 0, told.err


def test_a_device_that_cannot_be_used_is_told_with_the_cure(site: Site) -> None:
    bare = site.edgekit("status", "board", "--json")
    assert bare.code == 7 and bare.json["error"]["hint"] == "edgekit provision board"
    nothing = site.edgekit("rollback", "bord")
    assert nothing.code == 3 and "did you mean board?" in nothing.err

    site.sshd.change_host_key()
    changed = site.edgekit("status", "board")
    assert changed.code == 6
    cure = changed.err.split("set up anew: ")[-1].strip()
    assert cure.startswith("ssh-keygen -R ")
    subprocess.run(cure, shell=True, check=True, capture_output=True)
    assert "is not known" in site.edgekit("status", "board").err

    site.sshd.stop()
    gone = site.edgekit("status", "board")
    assert gone.code == 7 and "does not answer" in gone.err
