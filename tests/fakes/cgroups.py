"""A folder that looks like a delegated cgroup v2 subtree. It holds files, and enforces nothing."""

from __future__ import annotations

from pathlib import Path

CONTROLLERS = "cpuset cpu io memory pids"


def make_tree(root: Path, *, controllers: str = CONTROLLERS, own: str = "/system.slice/edgekitd.service") -> Path:
    """`root/cgroup` and `root/proc`, with this process in `own`. Returns the keeper's subtree."""
    path = root / "cgroup" / own.strip("/")
    path.mkdir(parents=True)
    (root / "cgroup/cgroup.controllers").write_text(controllers)
    (path / "cgroup.controllers").write_text(controllers)
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(f"0::{own}\n")
    return path


def make_leaf(tree: Path, application: str = "sorter", *, cpus: str = "0-3") -> Path:
    """An application's leaf with the files that a kernel would make."""
    leaf = tree / f"app-{application}"
    leaf.mkdir(parents=True)
    (leaf / "cpuset.cpus.effective").write_text(cpus)
    set_memory(leaf, current=1 << 20, peak=2 << 20, oom_kill=0)
    return leaf


def set_memory(leaf: Path, *, current: int, peak: int, oom_kill: int) -> None:
    """What the kernel would count."""
    (leaf / "memory.current").write_text(f"{current}\n")
    (leaf / "memory.peak").write_text(f"{peak}\n")
    (leaf / "memory.events").write_text(f"low 0\nhigh 0\nmax 3\noom 1\noom_kill {oom_kill}\noom_group_kill 0\n")
    (leaf / "memory.pressure").write_text("some avg10=12.50 avg60=1.00 avg300=0.10 total=5\nfull avg10=0.00\n")
