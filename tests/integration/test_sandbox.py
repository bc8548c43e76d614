"""The sandbox as hostile code meets it: each way there is, as root and as a plain user."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import edgekit

pytestmark = [pytest.mark.integration, pytest.mark.timeout(300)]
STOCK = "/usr/bin/python3"
NOBODY = 65534
DRIVER = """
import json, sys
from pathlib import Path
from edgekit.executor.local import LocalExecutor
from edgekit.host.progress import Silent
from edgekit.host.sandbox.box import Box
from edgekit.host.sandbox.sandbox import Sandbox, usual_ways
kind, work, code, words = sys.argv[1], Path(sys.argv[2]), sys.argv[3], sys.argv[4:]
ways = [way for way in usual_ways() if way.kind == kind]
class Notes(Silent):
    def note(self, text):
        print(text, file=sys.stderr)
sandbox = Sandbox(LocalExecutor(), Notes(), ways=lambda: ways)
if sandbox.kind == "none":
    sys.exit(77)
python = Path(sys.executable).resolve()
box = Box(
    environment={"PATH": "/usr/bin:/bin", "HOME": str(work / "home")},
    cwd=work,
    readable=(work, Path(sys.prefix), Path(sys.base_prefix)),
    writable=(work / "out",),
)
done = sandbox.run([str(python), "-I", "-c", code, *words], box, timeout_s=60)
print(json.dumps([done.returncode, done.stdout.decode(), done.stderr.decode()]))
"""


@dataclass(frozen=True)
class Cage:
    """One way to have a sandbox, for one kind of user."""

    kind: str
    plain: bool
    """A user without any privilege, though the tests may run as root."""
    folder: Path

    @property
    def work(self) -> Path:
        """A folder that programs in the sandbox may read; `work/out` they may write."""
        return self.folder / "work"

    def run(self, code: str, *words: str) -> tuple[int, str, str]:
        """Run Python code in the sandbox; skips the test where this machine does not have this one."""
        done = subprocess.run(
            [*self._as_user(), *self._python(), "-c", DRIVER, self.kind, str(self.work), code, *words],
            capture_output=True,
            text=True,
            env=self._environment(),
            cwd="/",
            timeout=120,
            check=False,
        )
        if done.returncode == 77:
            pytest.skip(f"this machine has no {self.kind} for {'a plain user' if self.plain else 'this user'}")
        assert done.returncode == 0, done.stderr
        code_, stdout, stderr = json.loads(done.stdout)
        return code_, stdout, stderr

    def tell(self, code: str, *words: str) -> Any:
        """What code prints as JSON."""
        returncode, stdout, stderr = self.run(f"import json, os, sys\n{code}", *words)
        assert returncode == 0, stderr
        return json.loads(stdout)

    def _as_user(self) -> list[str]:
        if not self.plain or os.geteuid():
            return []
        return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs", "--"]

    def _python(self) -> list[str]:
        return [STOCK if self._as_user() else sys.executable]

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder / "home"),
            "PYTHONPATH": str(self.folder / "package"),
            "PYTHONDONTWRITEBYTECODE": "1",
            "SSH_AUTH_SOCK": str(self.folder / "home/agent"),
            "DBUS_SESSION_BUS_ADDRESS": f"unix:path={self.folder}/home/bus",
            "UV_INDEX_PASSWORD": "hush",
        }


@pytest.fixture(params=[(kind, plain) for kind in ("bubblewrap", "namespaces") for plain in (False, True)], ids=str)
def cage(request: pytest.FixtureRequest) -> Iterator[Cage]:
    kind, plain = request.param
    if plain and os.geteuid() == 0:
        told = [STOCK, "-c", "import sys; sys.exit(sys.version_info < (3, 10))"]
        if not shutil.which(STOCK) or subprocess.run(told, check=False).returncode or not shutil.which("setpriv"):
            pytest.skip("a plain user has no Python 3.10 here, or there is no setpriv to become one")
    elif plain:
        pytest.skip("these tests run as a plain user anyway")
    with tempfile.TemporaryDirectory(prefix="edgekit-cage-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        for made in ("work/out", "work/home", "home/config", "cache/other", "package"):
            (folder / made).mkdir(parents=True)
        (folder / "home/config/release-key").write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
        (folder / "cache/other/wheel.whl").write_text("somebody else's")
        (folder / "work/given").write_text("given")
        shutil.copytree(
            Path(edgekit.__file__).parent, folder / "package/edgekit", ignore=shutil.ignore_patterns("__pycache__")
        )
        if plain:
            for path in [folder / "work/out", folder / "home", *(folder / "home").rglob("*")]:
                os.chown(path, NOBODY, NOBODY)
        yield Cage(kind, plain, folder)


def test_the_users_home_keys_agent_and_caches_are_not_there(cage: Cage) -> None:
    home = cage.folder / "home"
    looked_for = [home / "config/release-key", home / "agent", cage.folder / "cache/other/wheel.whl", home]
    assert all(path.exists() for path in looked_for if path.name != "agent")
    found = cage.tell(
        "print(json.dumps([path for path in sys.argv[1:] if os.path.exists(path)]))", *map(str, looked_for)
    )
    assert found == []
    places = cage.tell("print(json.dumps([name for name in ('/root', '/home', '/run', '/mnt', '/srv') if "
                       "os.path.isdir(name) and any(files for _, _, files in os.walk(name))]))")  # fmt: skip
    assert [place for place in places if place not in sys.base_prefix] == []


def test_no_process_shows_the_callers_variables_or_files(cage: Cage) -> None:
    """Not its own, nor those of the programs that made the sandbox, whose environment anybody inside could read."""
    code = """
seen = b""
for pid in filter(str.isdecimal, os.listdir("/proc")):
    for name in ("environ", "cmdline"):
        try:
            with open(f"/proc/{pid}/{name}", "rb") as file:
                seen += file.read()
        except OSError:
            pass
    try:
        seen += b"".join(os.readlink(f"/proc/{pid}/fd/{fd}").encode() for fd in os.listdir(f"/proc/{pid}/fd"))
        seen += os.readlink(f"/proc/{pid}/cwd").encode()
    except OSError:
        pass
print(json.dumps([seen.decode(errors="replace"), dict(os.environ)]))
"""
    seen, environment = cage.tell(code)
    assert "hush" not in seen and "SSH_AUTH_SOCK" not in seen and "release-key" not in seen
    assert set(environment) - {"LC_CTYPE", "PWD"} == {"PATH", "HOME"}  # these two say what it knows anyway


def test_no_server_of_this_machine_is_reached_and_its_own_loopback_works(cage: Cage) -> None:
    code = """
import socket
def reach(family, address):
    with socket.socket(family) as end:
        end.settimeout(5)
        try:
            end.connect(address)
        except OSError as error:
            return type(error).__name__
        return "reached"
own = socket.create_server(("127.0.0.1", 0))
abstract = "\\0" + sys.argv[2]
print(json.dumps([
    reach(socket.AF_INET, ("127.0.0.1", int(sys.argv[1]))),
    reach(socket.AF_UNIX, abstract),
    reach(socket.AF_INET, ("192.0.2.1", 80)),
    reach(socket.AF_INET, own.getsockname()),
]))
"""
    name = f"edgekit-test-{os.getpid()}-{time.monotonic_ns()}"
    with socket.create_server(("127.0.0.1", 0)) as server, socket.socket(socket.AF_UNIX) as bus:
        bus.bind(f"\0{name}")
        bus.listen()
        port = server.getsockname()[1]
        socket.create_connection(("127.0.0.1", port)).close()  # it can be reached from here
        assert cage.tell(code, str(port), name) == [
            "ConnectionRefusedError",
            "ConnectionRefusedError",
            "OSError",
            "reached",
        ]


def test_only_what_was_given_to_write_can_be_written(cage: Cage) -> None:
    code = """
refused = []
for path in sys.argv[1:]:
    try:
        with open(path, "a") as file:
            file.write("x")
    except OSError:
        refused.append(path)
with open("out/made", "w") as file:
    file.write("made")
print(json.dumps(refused))
"""
    paths = [str(cage.work / "given"), str(cage.work / "new"), "/usr/new", "/etc/passwd", "/new", "/dev/null/new"]
    kernel = ["/proc/sys/kernel/core_pattern", "/proc/sys/vm/swappiness", "/proc/sys/kernel/hostname"]
    assert cage.tell(code, *paths, *kernel) == [*paths, *kernel]
    assert (cage.work / "out/made").read_text() == "made" and (cage.work / "given").read_text() == "given"


def test_temporary_folders_and_shared_memory_are_its_own(cage: Cage) -> None:
    mark = f"edgekit-mark-{os.getpid()}"
    places = [Path("/tmp", mark), Path("/dev/shm", mark)]
    code = """
there = [path for path in sys.argv[1:] if os.path.exists(path)]
for path in sys.argv[1:]:
    open(path, "w").write("inside")
print(json.dumps(there))
"""
    try:
        for path in places:
            path.write_text("outside")
        assert cage.tell(code, *map(str, places)) == []
        assert [path.read_text() for path in places] == ["outside", "outside"]
    finally:
        for path in places:
            path.unlink(missing_ok=True)


def test_what_it_leaves_behind_dies_with_it(cage: Cage) -> None:
    """A daemon in a session of its own, which holds a pipe that only it has open for writing."""
    pipe = cage.work / "out/pipe"
    os.mkfifo(pipe)
    pipe.chmod(0o666)
    ended = threading.Event()

    def watch() -> None:
        with pipe.open("rb") as file:
            file.read()
        ended.set()

    threading.Thread(target=watch, daemon=True).start()
    code = """
import time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(0); os.close(1); os.close(2)
        end = os.open("out/pipe", os.O_WRONLY)
        open("out/lives", "w").close()
        time.sleep(600)
    os._exit(0)
while not os.path.exists("out/lives"):
    time.sleep(0.01)
print("null")
"""
    assert cage.tell(code) is None
    assert ended.wait(60), "the daemon still holds its pipe"


def test_processes_of_this_machine_are_out_of_reach(cage: Cage) -> None:
    code = """
def signal_it(pid):
    try:
        os.kill(pid, 0)
    except OSError as error:
        return type(error).__name__
    return "reached"
print(json.dumps([signal_it(int(sys.argv[1])), len(list(filter(str.isdecimal, os.listdir("/proc"))))]))
"""
    sleeper = subprocess.Popen(["sleep", "600"])
    try:
        reached, processes = cage.tell(code, str(sleeper.pid))
    finally:
        sleeper.kill()
        sleeper.wait()
    assert reached == "ProcessLookupError" and processes <= 3


def test_no_capability_is_left_and_none_comes_back(cage: Cage) -> None:
    code = """
status = dict(line.split(":\\t", 1) for line in open("/proc/self/status").read().splitlines() if ":\\t" in line)
print(json.dumps([status[name] for name in ("CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs")]))
"""
    assert cage.tell(code) == ["0" * 16] * 4 + ["1"]


def test_how_it_ended_is_told(cage: Cage) -> None:
    assert cage.run("import sys; sys.exit(3)")[0] == 3
    assert cage.run("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")[0] == -11
    code, _, stderr = cage.run("import sys; print('gone', file=sys.stderr); sys.exit(1)")
    assert (code, stderr.strip()) == (1, "gone")


def test_it_has_the_users_number(cage: Cage) -> None:
    """Files that it makes belong to the user, who throws them away later."""
    assert cage.tell("open('out/mine', 'w').close(); print(os.getuid())") == (NOBODY if cage.plain else os.geteuid())
    made = (cage.work / "out/mine").stat()
    assert made.st_uid == (NOBODY if cage.plain else os.geteuid())
