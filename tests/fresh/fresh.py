"""`make test-fresh`: a bare Debian, a plain user without sudo, a clean clone, and README's own commands.

    fresh.py SUITE [JOB...]     JOB: demo, check; both by default

The root comes from debootstrap (kept in the cache) and holds git, make, python3 and ca-certificates. Where edgekit
then asks for packages, exactly the command that it printed is run, as an administrator would, and once: it must have
named them all. How this machine reaches package indexes (variables, configuration files, certificates) is handed on.

Everything runs in a mount and a process namespace of its own, which end with this program, however that ends.
The standard library alone: there need be no environment yet.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SUITES = ("bookworm", "trixie", "sid")
JOBS = {"demo": ("make", "demo", "DEVICE=host"), "check": ("make", "check")}
INCLUDED = "git,make,python3,ca-certificates"
USER, UID = "plain", 1000
HOME = f"/home/{USER}"
ALONE = ("setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--fork", "--kill-child", "--")
HANDED_ON = re.compile(
    r"(PIP|UV|SSL_CERT)_.*|.*_CA_BUNDLE|GIT_SSL_CAINFO|EDGEKIT_DEBIAN_ARCHIVE|(https?|all|no)_proxy", re.I
)
CONFIGURED = (".config/pip/pip.conf", ".pip/pip.conf", ".config/uv/uv.toml", ".netrc")
FOR_ALL = ("/etc/pip.conf", "/etc/uv/uv.toml", "/etc/resolv.conf", "/etc/hosts")
PR_SET_PDEATHSIG = 1
"""Source: prctl(2)."""


class Failed(Exception):
    """What edgekit promises did not come true."""


def main(suite: str, jobs: Sequence[str]) -> int:
    """Run jobs in a fresh root; give the exit code."""
    if suite not in SUITES or set(jobs) - set(JOBS):
        print(f'error: usage: make test-fresh SUITE={"|".join(SUITES)} JOBS="{" ".join(JOBS)}"', file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("skipped: test-fresh makes a root with debootstrap, which takes root's rights: run it as root")
        return 0
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    subprocess.run([sys.executable, "-m", "edgekit.host.preflight", "test-fresh"], cwd=ROOT, check=True)
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "edgekit" / "fresh"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / f"{suite}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        root = cache / f"{suite}-run"
        try:
            copy_base(base_of(suite, cache), root)
            subprocess.run(["chroot", str(root), "useradd", "-m", "-s", "/bin/bash", "-u", str(UID), USER], check=True)
            bound = hand_on(root)
            clone(root)
            argv = [*ALONE, sys.executable, str(Path(__file__)), "--inside", str(root), ":".join(bound), *jobs]
            return subprocess.run(argv, check=False).returncode
        except KeyboardInterrupt:
            return 130
        finally:
            remove(root)


def base_of(suite: str, cache: Path) -> Path:
    """The root as debootstrap makes it, made once."""
    base = cache / suite
    if not base.is_dir():
        made = cache / f"{suite}.new"
        remove(made)
        print(f"test-fresh: making a bare {suite} with {INCLUDED} ...", flush=True)
        argv = ["debootstrap", "--variant=minbase", f"--include={INCLUDED}", suite, str(made), *mirror()]
        with (cache / f"{suite}.log").open("w") as log:
            done = subprocess.run([*ALONE, *argv], stdout=log, stderr=log, check=False)
        if done.returncode:
            raise SystemExit(f"error: debootstrap failed\nhint: see {cache / f'{suite}.log'}")
        made.rename(base)
    return base


def mirror() -> list[str]:
    """The Debian archive of this machine's apt; empty: debootstrap's own."""
    argv = ["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]
    lines = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.split()
    return sorted(line for line in lines if re.search(r"/debian/?$", line))[:1]


def copy_base(base: Path, root: Path) -> None:
    remove(root)
    subprocess.run(["cp", "-a", "--reflink=auto", str(base), str(root)], check=True)


def remove(folder: Path) -> None:
    subprocess.run(["rm", "-rf", "--one-file-system", str(folder)], check=True)


def hand_on(root: Path) -> list[str]:
    """Configure the root's clients of package indexes as this machine's are; folders to bind are returned."""
    bound = []
    for value in handed_on().values():
        path = Path(value)
        if path.is_absolute() and path.is_file():
            copy(path, root / value[1:])
        elif path.is_absolute() and path.is_dir() and not (root / value[1:]).exists():
            bound.append(value)
    for name in FOR_ALL:
        copy(Path(name), root / name[1:])
    for name in CONFIGURED:
        copy(Path.home() / name, root / HOME[1:] / name)
    dump = subprocess.run(["apt-config", "dump", "Acquire"], capture_output=True, text=True, check=False).stdout
    lines = [line for line in dump.splitlines() if "IndexTargets" not in line and line.endswith(";")]
    (root / "etc/apt/apt.conf.d/99of-the-caller").write_text("\n".join(lines) + "\n")
    for file in Path("/etc/apt/auth.conf.d").glob("*.conf"):
        copy(file, root / str(file)[1:])
    return bound


def handed_on() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if HANDED_ON.fullmatch(name)}


def copy(source: Path, target: Path) -> None:
    if source.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.unlink(missing_ok=True)
        shutil.copyfile(source, target)


def clone(root: Path) -> None:
    """Give the user a clean clone of what is committed."""
    if subprocess.run(["git", "status", "--porcelain"], cwd=ROOT, capture_output=True, check=True).stdout:
        print("note: a clean clone has what is committed, not what else is changed here", flush=True)
    folder = root / HOME[1:] / "edgekit"
    subprocess.run(["git", "-c", "safe.directory=*", "clone", "-q", "--no-local", str(ROOT), str(folder)], check=True)
    subprocess.run(["chown", "-R", f"{UID}:{UID}", str(root / HOME[1:])], check=True)


@dataclass(frozen=True)
class Machine:
    """The fresh root, from inside its namespaces."""

    root: Path
    environ: Mapping[str, str]

    def mount(self, bound: Sequence[str]) -> None:
        """Mount what every machine has; it ends with the namespace."""
        for kind, place in (("proc", "proc"), ("sysfs", "sys"), ("tmpfs", "dev/shm"), ("devpts", "dev/pts")):
            (self.root / place).mkdir(exist_ok=True)
            subprocess.run(["mount", "-t", kind, kind, str(self.root / place)], check=True)
        for path in bound:
            (self.root / path[1:]).mkdir(parents=True, exist_ok=True)
            subprocess.run(["mount", "--bind", "-o", "ro", path, str(self.root / path[1:])], check=True)

    def user(self, *argv: str) -> tuple[int, str, float]:
        """Run something as the user, in the clone: exit code, what was said, seconds."""
        own = {"HOME": HOME, "USER": USER}
        return self._run(["--userspec", f"{UID}:{UID}"], own, ("env", "-C", f"{HOME}/edgekit", *argv), aloud=True)

    def administrator(self, command: str) -> None:
        """Run a shell command as root."""
        own = {"HOME": "/root", "DEBIAN_FRONTEND": "noninteractive"}
        code, said, _ = self._run([], own, ("sh", "-c", command), aloud=False)
        if code:
            raise Failed(f"`{command}`, as edgekit asked for it, ends with {code}: {said[-2000:]}")

    def _run(
        self, options: Sequence[str], own: Mapping[str, str], argv: Sequence[str], *, aloud: bool
    ) -> tuple[int, str, float]:
        environ = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", "LANG": "C.UTF-8", **self.environ, **own}
        began = time.monotonic()
        process = subprocess.Popen(
            ["chroot", *options, str(self.root), *argv],
            env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        said = []
        for line in process.stdout:
            print(f"    {line}" if aloud else "", end="", flush=True)
            said.append(line)
        return process.wait(), "".join(said), time.monotonic() - began

    def job(self, name: str) -> None:
        """Do a job as README says it, and what edgekit asks for in between."""
        argv = JOBS[name]
        code, said, seconds = self.user(*argv)
        asked = re.search(r"^hint: .*?(apt-get .+)$", said, re.MULTILINE)
        if code and asked:
            print(f"{name}: after {seconds:.1f} s it asks for: {asked[1]}", flush=True)
            self.administrator(asked[1])
            code, said, seconds = self.user(*argv)
        if code:
            raise Failed(f"{' '.join(argv)} ends with {code}")
        print(f"{name}: done in {seconds:.1f} s", flush=True)
        if name == "demo":
            self._again(argv)

    def _again(self, argv: Sequence[str]) -> None:
        """A second demo is quick, and neither compiled anything."""
        if (self.root / HOME[1:] / ".cache/edgekit/crossbuild/compilers").exists():
            raise Failed("the demo of this machine fetched a compiler")
        code, _, seconds = self.user(*argv)
        if code:
            raise Failed(f"{' '.join(argv)}, a second time, ends with {code}")
        print(f"demo: a second time in {seconds:.1f} s", flush=True)
        self.user(".venv/bin/edgekit", "board", "down", "--name", "host")


def inside(root: Path, bound: Sequence[str], jobs: Sequence[str]) -> int:
    """The first process of the namespace: one child works, this one waits for whatever ends."""
    worker = os.fork()
    if worker == 0:
        machine = Machine(root=root, environ=handed_on())
        try:
            machine.mount(bound)
            machine.user("python3", "--version")
            for job in jobs:
                machine.job(job)
        except Failed as error:
            print(f"error: {error}", flush=True)
            os._exit(1)
        os._exit(0)
    while True:
        pid, status = os.wait()
        if pid == worker:
            return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--inside"]:
        sys.exit(inside(Path(sys.argv[2]), [path for path in sys.argv[3].split(":") if path], sys.argv[4:]))
    sys.exit(main(sys.argv[1] if sys.argv[1:] else "", sys.argv[2:] or list(JOBS)))
