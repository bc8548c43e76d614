"""Today's keeper and host against copies of themselves with one field more and one field less, both ways.

Real processes: the command line of one copy, the keeper of another, a worker of the release's own copy.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from edgekit.device.keeper.update.activation import State
from edgekit.schema.control import Hello, Request
from edgekit.schema.field_types import fields_of
from edgekit.schema.report import Report
from tests.fakes.edgekit_copies import NEWER, PACKAGE, newer_copy, older_copy

pytestmark = pytest.mark.integration

LACKS = {
    "ApplicationStatus": "shares_cpus",
    "EnginePlan": "tail",
    "Event": "details",
    "Hello": "features",
    "Report": "p50_ms",
    "Request": "lines",
    "Requires": "python_path",
    "State": "failure",
    "StreamReport": "wanted_fps",
    "WorkerPlan": "warnings",
}
"""What the older copy has not heard of, in plan, manifest, report, request, event and state file."""

WORKER = """
import os, select, socket, sys
from edgekit.schema.message import to_line
from edgekit.schema.report import LaneReport, Report, StreamReport
line = socket.socket(fileno=int(os.environ["EDGEKIT_REPORT_FD"]))
print("a worker of its release's own edgekit", flush=True)
lane = LaneReport(name="all", tid=1, cpus=(0,), busy_ratio=0.5, queue=0, dropped={})
stream = StreamReport(name="belt", state="live", since_s=1.0, frames=7)
while True:
    line.sendall(to_line(Report(phase="running", fps=10.0, frames=7, lanes=(lane,), streams=(stream,))))
    if select.select([line], [], [], 0.05)[0]:
        sys.exit(0)
"""

MAKE_RELEASE = """
import sys
from pathlib import Path
import edgekit
from edgekit.executor.local import LocalExecutor
from edgekit.host.travels import travelling_files
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.trust import sign
from tests.fakes.releases import make_plan, make_release, write_release
out, key, version, worker = sys.argv[1:]
package = Path(edgekit.__file__).parent
own = ("schema/message.py", "schema/report.py")
extra = {f"site/edgekit/{name}": (package / name).read_bytes() for name in travelling_files(package, own)}
extra["site/edgekit/device/runtime/__main__.py"] = worker.encode()
sign_it = lambda text: sign(LocalExecutor(), text, key=Path(key), namespace=SIGNATURE_NAMESPACE)
made = make_release(plan=make_plan(version=version, python=sys.executable), extra=extra, sign=sign_it)
write_release(made, Path(out))
print(made.digest)
"""

WRITE_KEEPER = """
import sys
from pathlib import Path
from edgekit.host.provision.keeper_zip import build_keeper
Path(sys.argv[1]).write_bytes(build_keeper())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Copies:
    """The folders of PYTHONPATH of edgekit then, now and later."""

    older: Path
    today: Path
    newer: Path

    def of(self, name: str) -> Path:
        return {"older": self.older, "today": self.today, "newer": self.newer}[name]


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Copies:
    folder = tmp_path_factory.mktemp("copies")
    return Copies(older=older_copy(folder / "older", LACKS), today=PACKAGE.parent, newer=newer_copy(folder / "newer"))


@dataclass(slots=True, kw_only=True)
class Site:
    """A host of one copy and a device whose keeper is of another; no sshd between them."""

    folder: Path
    host: Path

    @property
    def prefix(self) -> Path:
        return self.folder / "root"

    @property
    def program(self) -> Path:
        return self.prefix / "usr/lib/edgekit/edgekitd.pyz"

    @property
    def state(self) -> Any:
        (file,) = (self.prefix / "var/lib/edgekit").rglob("state.json")
        return json.loads(file.read_text())

    def python(self, copy: Path, *argv: str) -> str:
        done = self._run(copy, *argv)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def edgekit(self, *argv: str) -> subprocess.CompletedProcess[str]:
        return self._run(self.host, "-m", "edgekit.cli.main", *argv)

    def json(self, *argv: str) -> Any:
        done = self.edgekit(*argv, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def use_keeper(self, copy: Path) -> None:
        """Put a copy's keeper there and start it, in place of one that runs."""
        if self.program.exists():
            self.keeper("halt")
        self.program.parent.mkdir(parents=True, exist_ok=True)
        self.python(copy, "-c", WRITE_KEEPER, str(self.program))
        self.keeper("spawn")

    def keeper(self, verb: str) -> None:
        argv = [sys.executable, "-I", str(self.program), verb, "--prefix", str(self.prefix)]
        subprocess.run(argv, check=True, timeout=60, capture_output=True)

    def release(self, version: str) -> tuple[str, str]:
        """The folder of a new release of the host's edgekit, and its digest."""
        out = self.folder / version
        return str(out), self.python(self.host, "-c", MAKE_RELEASE, str(out), self._key, version, WORKER)

    def status(self) -> Any:
        """What `status --json` shows of the one application, whole."""
        status = self.json("status", "board")
        (found,) = status.get("applications", [status])
        return found

    @property
    def _key(self) -> str:
        return str(self.folder / "home/config/release-key")

    def _run(self, copy: Path, *argv: str) -> subprocess.CompletedProcess[str]:
        paths = f"{copy}{os.pathsep}{PACKAGE.parent}"  # the copy's edgekit, this checkout's tests
        env = {**os.environ, "EDGEKIT_HOME": str(self.folder / "home"), "COLUMNS": "300", "PYTHONPATH": paths}
        return subprocess.run(
            [sys.executable, *argv], capture_output=True, text=True, timeout=120, check=False, env=env, cwd=self.folder
        )


@contextlib.contextmanager
def running_site(copies: Copies, keeper: Path) -> Iterator[Site]:
    folder = Path(tempfile.mkdtemp(prefix="ek-", dir="/tmp"))  # a socket's path must be short
    site = Site(folder=folder, host=copies.today)
    (folder / "fleet.toml").write_text(
        f'[devices.board]\naddress = "local"\nprefix = "{site.prefix}"\nservice = "process"\n'
    )
    site.prefix.mkdir(mode=0o700)
    site.json("keys", "init")
    signers = site.prefix / "etc/edgekit/allowed_signers"
    signers.parent.mkdir(parents=True)
    signers.write_text(site.json("keys", "show")["allowed_signers"] + "\n")
    site.use_keeper(keeper)
    try:
        yield site
    finally:
        site.keeper("halt")
        shutil.rmtree(folder)


@pytest.mark.parametrize(
    ("host", "keeper", "then"),
    [
        ("newer", "today", "older"),
        ("today", "newer", "today"),
        ("older", "today", "newer"),
        ("today", "older", "today"),
    ],
)
def test_a_field_more_or_less_on_either_side_changes_nothing(copies: Copies, host: str, keeper: str, then: str) -> None:
    """Nor does it when the keeper is replaced by another version, which finds the state file of the one before."""
    with running_site(copies, copies.of(keeper)) as site:
        site.host = copies.of(host)
        (first, first_digest), (second, second_digest) = site.release("1.0.0"), site.release("2.0.0")
        plan, manifest = (json.loads(Path(first, name).read_text()) for name in ("files/plan.json", "manifest.json"))
        assert (NEWER in plan, NEWER in manifest, NEWER in manifest["files"][0]) == (host == "newer",) * 3
        assert site.json("deploy", first, "board")["changed"]
        assert site.json("deploy", second, "board")["changed"]
        status = site.status()
        assert (status["current"]["digest"], status["previous"]["digest"]) == (second_digest, first_digest)
        assert (status["healthy"], status["phase"]) == (True, "running"), status["unhealthy_because"]
        assert (status["report"]["frames"], status["report"]["lanes"][0]["name"]) == (7, "all")
        assert "a worker of its release's own edgekit" in site.edgekit("logs", "board").stdout
        assert site.edgekit("metrics", "board").returncode == 0
        assert (NEWER in site.state) == (keeper == "newer"), "the field really was there"
        site.use_keeper(copies.of(then))
        status = site.status()
        assert (status["current"]["digest"], status["phase"]) == (second_digest, "running")
        assert (status["previous"]["digest"], status["last_failure"]) == (first_digest, None)
        assert site.edgekit("rollback", "board").returncode == 0
        assert site.status()["current"]["digest"] == first_digest
        assert (NEWER in site.state) == (then == "newer")


@pytest.fixture(scope="module")
def running(copies: Copies) -> Iterator[Site]:
    """A board of today with a release of today."""
    with running_site(copies, copies.today) as site:
        release, _ = site.release("1.0.0")
        assert site.json("deploy", release, "board")["changed"]
        yield site


@pytest.mark.parametrize(
    ("cls", "where"),
    [
        ("WorkerPlan", "plan.json: added_later"),
        ("LimitsPlan", "plan.json: limits.added_later"),
        ("Manifest", "manifest.json: added_later"),
        ("FileEntry", "manifest.json: files[0].added_later"),
        ("Request", "request: added_later"),
    ],
)
def test_what_an_older_keeper_must_not_ignore_it_refuses_by_name_and_goes_on(
    running: Site, copies: Copies, tmp_path: Path, cls: str, where: str
) -> None:
    before = running.status()["current"]["digest"]
    running.host = newer_copy(tmp_path, must_understand=[cls])
    release, _ = running.release(cls)
    done = running.edgekit("deploy", release, "board")
    assert done.returncode in (2, 6, 8), done.stderr
    assert f"{where}: must be understood, and this edgekit does not know it" in done.stderr
    assert "hint: " in done.stderr and "provision" in done.stderr
    running.host = copies.today
    assert (running.status()["current"]["digest"], running.status()["healthy"]) == (before, True)


def test_the_older_copy_lacks_what_today_has() -> None:
    for cls in (Hello, Report, Request, State):
        assert LACKS[cls.__name__] in fields_of(cls)
