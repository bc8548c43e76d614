"""Boards as file trees: what a probe reads, laid out below a folder from a short TOML description.

A description has
    model, compatible   the device tree
    python              version of /usr/bin/python3
    machine             of its ELF header: "aarch64" or "x86_64"
    memory_kib          MemTotal; three quarters of it are available
    packages            Debian packages: name = version; an empty version is a removed one, which dpkg still lists
    cpus                tables, one for each cluster: cpus, part, capacity, max_khz, policy (share a cpufreq policy),
                        siblings ("cluster", "package" or absent: how the kernel shows that they belong together)
    offline             CPUs that are off
    cgroup              "v2", "v1", "hybrid" or "none"
    files, links        further files and symbolic links by path
    like                another description to start from; its tables are merged, and
    remove, unreadable  paths that go, and paths that cannot be read (a folder in a file's place: root reads all files)
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BOARDS = Path(__file__).parent
_MACHINES = {"aarch64": 183, "x86_64": 62}
_CONTROLLERS = ("cpuset", "cpu", "io", "memory", "pids")


def names() -> list[str]:
    """All boards."""
    return sorted(file.stem for file in BOARDS.glob("*.toml"))


def describe(name: str) -> dict[str, Any]:
    """A board's description, with what it is like."""
    own = tomllib.loads((BOARDS / f"{name}.toml").read_text())
    base = describe(own.pop("like")) if "like" in own else {}
    merged = {key: {**base[key], **value} for key, value in own.items() if isinstance(value, dict) and key in base}
    return {**base, **own, **merged}


def build_board(name: str, root: Path) -> Path:
    """Lay a board out below `root`, which need not be there."""
    board = describe(name)
    compatible = "".join(f"{text}\0" for text in board.get("compatible", ()))
    files = {
        "proc/device-tree/compatible": compatible,
        "proc/device-tree/model": f"{board['model']}\0" if "model" in board else "",
        "proc/meminfo": _meminfo(board["memory_kib"]),
        "var/lib/dpkg/status": "\n".join(_package(*package) for package in board["packages"].items()),
        "usr/bin/ssh-keygen": "",
        **_cpus(board),
        **_cgroup(board.get("cgroup", "v2")),
        **board.get("files", {}),
    }
    for path, text in files.items():
        if text or path.startswith("usr/"):
            _write(root / path, text.encode())
    header = b"\x7fELF\x02\x01\x01" + bytes(11) + _MACHINES[board["machine"]].to_bytes(2, "little")
    _write(root / f"usr/bin/python{board['python']}", header)
    for path, target in {"usr/bin/python3": f"python{board['python']}", **board.get("links", {})}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).symlink_to(target)
    for path in (*board.get("remove", ()), *board.get("unreadable", ())):
        _remove(root / path)
    for path in board.get("unreadable", ()):
        (root / path).mkdir()
    return root


def _write(file: Path, data: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _meminfo(kib: int) -> str:
    return f"MemTotal:       {kib} kB\nMemFree:        {kib // 2} kB\nMemAvailable:   {kib * 3 // 4} kB\n"


def _package(name: str, version: str) -> str:
    status = "install ok installed" if version else "deinstall ok config-files"
    return f"Package: {name}\nStatus: {status}\nArchitecture: arm64\nVersion: {version or '0.1'}\n"


def _cpus(board: dict[str, Any]) -> dict[str, str]:
    offline = set(board.get("offline", ()))
    everything = sorted(cpu for group in board["cpus"] for cpu in group["cpus"])
    online = [cpu for cpu in everything if cpu not in offline]
    parts = {cpu: group.get("part", "") for group in board["cpus"] for cpu in group["cpus"]}
    files = {
        "sys/devices/system/cpu/present": _list(everything),
        "sys/devices/system/cpu/online": _list(online),
        "proc/cpuinfo": "\n".join(_cpuinfo(cpu, parts[cpu]) for cpu in online),
    }
    shown = [cpu for group in board["cpus"] if group.get("siblings") for cpu in group["cpus"] if cpu in online]
    for group in board["cpus"]:
        together = [cpu for cpu in group["cpus"] if cpu in online]
        for cpu in together:
            files |= _cpu(f"sys/devices/system/cpu/cpu{cpu}", cpu, group, together, shown)
    return files


def _cpu(folder: str, cpu: int, group: dict[str, Any], together: list[int], shown: list[int]) -> dict[str, str]:
    files = {f"{folder}/cpu_capacity": f"{group['capacity']}\n"} if "capacity" in group else {}
    siblings = group.get("siblings", "")
    if siblings == "cluster":
        files |= {
            f"{folder}/topology/cluster_cpus_list": _list(together),
            f"{folder}/topology/core_siblings_list": _list(shown),
        }
    elif siblings == "package":
        files[f"{folder}/topology/core_siblings_list"] = _list(together)
    if "max_khz" in group:
        shared = together if group.get("policy", True) else [cpu]
        files[f"{folder}/cpufreq/affected_cpus"] = " ".join(map(str, shared)) + "\n"
        files[f"{folder}/cpufreq/cpuinfo_max_freq"] = f"{group['max_khz']}\n"
    return files


def _list(cpus: list[int]) -> str:
    return ",".join(map(str, cpus)) + "\n"


def _cpuinfo(cpu: int, part: str) -> str:
    lines = [f"processor\t: {cpu}", *([f"CPU implementer\t: 0x41\nCPU part\t: {part}"] if part else [])]
    return "\n".join(lines) + "\n"


def _cgroup(layout: str) -> dict[str, str]:
    root = "sys/fs/cgroup"
    old = {f"{root}/{name}/tasks": "1\n" for name in ("cpu,cpuacct", "cpuset", "memory", "pids", "blkio")}
    match layout:
        case "v2":
            return {f"{root}/cgroup.controllers": " ".join(_CONTROLLERS) + "\n"}
        case "hybrid":
            return old | {f"{root}/unified/cgroup.controllers": "\n"}
        case "v1":
            return old
        case _:
            return {}
