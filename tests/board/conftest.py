"""A virtual board for tests: real kernel, systemd and cgroup v2, driven by the command line as a user would.

The image and its template come from the user's cache and are made when they are not there; everything else is below a
folder of this run, so that no test meets the user's own boards or keys.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.schema.manifest import SIGNATURE_NAMESPACE, Requires
from edgekit.schema.message import to_message
from edgekit.schema.plan import LimitsPlan
from edgekit.schema.recipe import Health
from edgekit.trust import sha256_bytes, sign
from tests.fakes.releases import FakeRelease, make_plan, make_release, write_release

_UNREACHABLE, _TRIES, _PAUSE_S = 7, 5, 5
ROOT = Path(__file__).parents[2]
HEALTH = Health(min_fps=2.0, settle_s=1.0, start_s=40.0, stall_s=8.0)
LIMITS = LimitsPlan(memory_max=64 << 20, memory_high=0, cpuset_cpus=(1, 2), pids_max=32, advisory=False)


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass(frozen=True)
class Edgekit:
    """The command line of a user of this run."""

    home: Path

    @property
    def environ(self) -> dict[str, str]:
        own = {"XDG_STATE_HOME": str(self.home / "s"), "XDG_CONFIG_HOME": str(self.home / "c")}
        return {**os.environ, **own, "EDGEKIT_FLEET": str(self.home / "fleet.toml")}

    def argv(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "edgekit.cli.main", *words]

    def run(self, *words: str, limit_s: float = 600, cwd: Path = ROOT) -> Done:
        done = subprocess.run(
            self.argv(*words),
            capture_output=True,
            text=True,
            timeout=limit_s,
            env=self.environ,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    def ok(self, *words: str, limit_s: float = 600, cwd: Path = ROOT) -> Done:
        """Run a command that has to work."""
        done = self.answered(*words, limit_s=limit_s, cwd=cwd)
        assert done.code == 0, done.err
        return done

    def answered(self, *words: str, limit_s: float = 600, tries: int = _TRIES, cwd: Path = ROOT) -> Done:
        """Run a command, again where an emulated board on a busy machine does not answer in time."""
        for number in range(tries):
            done = self.run(*words, limit_s=limit_s, cwd=cwd)
            if done.code != _UNREACHABLE:
                break
            time.sleep(_PAUSE_S if number < tries - 1 else 0)
        return done

    def on_board(self, name: str, command: str) -> str:
        """Output of a shell command on a board."""
        return self.ok("board", "ssh", "--name", name, "--", command).out.strip()

    def status(self, name: str, application: str = "") -> dict[str, Any]:
        """One application's status, with the keeper's process id; the only one needs no name."""
        return one_application(self.status_of_all(name), application)

    def status_of_all(self, name: str) -> dict[str, Any]:
        """What `status --json` says."""
        done = self.answered("status", name, "--json")
        assert done.code == 0, done.err
        found: dict[str, Any] = done.json
        return found


def one_application(status: dict[str, Any], application: str = "") -> dict[str, Any]:
    """The same from what `status --json` has printed."""
    (found,) = [one for one in status["applications"] if application in ("", one["application"])]
    return {**found, "keeper_pid": status["keeper_pid"]}


def eventually(look: Callable[[], bool], limit_s: float = 120) -> None:
    """Wait for a condition; emulated boards are slow, so limits are generous."""
    deadline = time.monotonic() + limit_s
    while not look():
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.5)


@pytest.fixture(scope="session")
def edgekit() -> Iterator[Edgekit]:
    if shutil.which("qemu-system-aarch64") is None:
        assert not os.environ.get("CI"), "qemu-system-aarch64 is missing: make packages"
        pytest.skip("needs qemu-system-aarch64: make packages")
    home = Path(tempfile.mkdtemp(prefix="ek-"))
    user = Edgekit(home)
    user.ok("keys", "init")
    yield user
    for board in user.ok("board", "list", "--json").json["boards"]:
        user.ok("board", "down", "--name", board["name"])
    shutil.rmtree(home)


@pytest.fixture(scope="module")
def provisioned(edgekit: Edgekit, request: pytest.FixtureRequest) -> Iterator[str]:
    """A board of this module with the keeper on it, and a healthy release committed."""
    name = request.module.__name__.rsplit("_", 1)[1]
    edgekit.ok("board", "up", "--name", name, limit_s=1500)
    edgekit.ok("provision", name)
    edgekit.ok("deploy", str(write(edgekit, "healthy", version="1.0.0")), name)
    yield name
    edgekit.ok("board", "down", "--name", name)


def fake(
    edgekit: Edgekit,
    behaviour: str,
    *,
    version: str,
    application: str = "sorter",
    period_s: float = 0.2,
    memory_max: int = LIMITS.memory_max,
    isolate: bool = False,
    work_max: int = LIMITS.work_max,
    health: Health = HEALTH,
    **extra: bytes,
) -> FakeRelease:
    """A release for the board whose worker behaves as told, signed by this run's user."""
    limits = replace(LIMITS, memory_max=memory_max, isolate=isolate, work_max=work_max)
    plan = make_plan(application=application, version=version, health=health)
    plan = replace(plan, limits=limits, target="virt-arm64")
    made = make_release(behaviour, plan=plan, period_s=period_s, extra=extra)
    requires = Requires(
        arch="aarch64",
        libc_version="2.17",
        python="3.11",
        cpus=(1, 2),
        memory_bytes=memory_max,
        disk_bytes=1 << 20,
        cgroup_controllers=("cpuset", "memory", "pids"),
    )
    manifest = replace(made.manifest, requires=requires, target="virt-arm64")
    content = to_message(manifest)
    key = edgekit.home / "c" / "edgekit" / "release-key"
    signature = sign(LocalExecutor(), content, key=key, namespace=SIGNATURE_NAMESPACE)
    return replace(made, manifest=manifest, manifest_json=content, digest=sha256_bytes(content), signature=signature)


def write(edgekit: Edgekit, behaviour: str, *, version: str, **options: Any) -> Path:
    """The same as a folder."""
    made = fake(edgekit, behaviour, version=version, **options)
    return write_release(made, Path(tempfile.mkdtemp(dir=edgekit.home)) / "release")
