"""What this machine is. One self-contained script of the standard library, for Python 3.8 and newer.

    python3 - [--root DIR] [--state DIR] < facts.py

prints JSON that `edgekit.schema.facts.DeviceFacts` reads. The host sends this file's text over SSH, before anything of
edgekit is on the board. Everything is read below `--root`; what only a live system tells (its Python, libc, clock, uid)
is asked of the system when that is `/`, and otherwise read from files there. What cannot be read becomes a warning.

Sources: Linux, sysfs-devices-system-cpu, cgroup-v2; os-release(5); NVIDIA's nv_tegra_release; rknpu debugfs.
"""

import argparse
import json
import mmap
import os
import platform
import re
import sys
import sysconfig
import time

SYSCONFIG = (
    *("EXT_SUFFIX", "SOABI", "MULTIARCH", "CC", "CXX", "CFLAGS", "LDFLAGS", "LDSHARED"),
    *("INCLUDEPY", "LIBDIR", "Py_ENABLE_SHARED", "SIZEOF_VOID_P"),
)
MAX_BYTES = 1 << 20
SM_87 = "8.7"
# DLA and SM counts by module. Sources: NVIDIA's nvpmodel configurations; Jetson Orin data sheets.
ORIN = {"p3701": 2, "p3767-0000": 2, "p3767-0001": 1}
ORIN_SMS = {"p3701-0000": 16, "p3701-0005": 16, "p3701-0008": 16, "p3701-0004": 14, "p3767-0004": 4, "p3767": 8}


class Tree:
    """Files below a root; what cannot be read is noted once."""

    def __init__(self, root):
        self.root = root
        self.warnings = []

    def path(self, name):
        return os.path.join(self.root, name)

    def read(self, name, needed=False):
        """A file's text without NULs and blanks around it; empty when it is not there."""
        try:
            with open(self.path(name), "rb") as file:
                return file.read(MAX_BYTES).decode("utf-8", "replace").strip("\0\n\t ")
        except FileNotFoundError:
            if needed:
                self.warnings.append("/%s is not there" % name)
        except OSError as error:
            self.warnings.append("/%s cannot be read: %s" % (name, error.strerror))
        return ""

    def names(self, folder):
        try:
            return sorted(os.listdir(self.path(folder)))
        except OSError:
            return []

    def number(self, name):
        text = self.read(name)
        return int(text) if re.fullmatch("[0-9]+", text) else 0


def cpus_of(text):
    """The kernel's CPU list format as numbers."""
    found = []  # type: ignore[var-annotated]
    for part in filter(None, text.replace(" ", ",").split(",")):
        first, _, last = part.partition("-")
        if first.isdigit() and (last or first).isdigit():
            found.extend(range(int(first), int(last or first) + 1))
    return found


def os_release(tree):
    pairs = re.findall(r'^([A-Z_]+)="?([^"\n]*)"?$', tree.read("etc/os-release", needed=True), re.M)
    return dict(pairs)


def dpkg_version(tree, package):
    """The installed version of a Debian package, or empty."""
    found = re.search(r"^Package: %s\n(?:(?!^$).*\n)*?Version: (\S+)" % re.escape(package), dpkg_status(tree), re.M)
    return found.group(1) if found else ""


def dpkg_status(tree):
    try:
        with open(tree.path("var/lib/dpkg/status"), encoding="utf-8", errors="replace") as file:
            return file.read(64 << 20)
    except OSError:
        return ""


def python_facts(tree, live):
    if live:
        variables = {name: str(sysconfig.get_config_var(name) or "") for name in SYSCONFIG}
        version = platform.python_version()
        return {
            "path": os.path.realpath(sys.executable),
            "version": version,
            "soabi": variables["SOABI"],
            "platform": sysconfig.get_platform(),
            "sysconfig": variables,
        }
    names = [name for name in tree.names("usr/bin") if re.fullmatch(r"python3\.[0-9]+", name)]
    minor = names[-1][len("python") :] if names else ""
    if not minor:
        tree.warnings.append("no /usr/bin/python3.N")
    machine = "x86_64" if "x86_64" in " ".join(tree.names("usr/lib")) else "aarch64"
    soabi = "cpython-%s-%s-linux-gnu" % (minor.replace(".", ""), machine) if minor else ""
    return {
        "path": "/usr/bin/python%s" % minor if minor else "",
        "version": minor,
        "soabi": soabi,
        "platform": "linux-" + machine,
        "sysconfig": {},
    }


def libc_version(tree, live):
    if live:
        return platform.libc_ver()[1] or dpkg_version(tree, "libc6").split("-")[0]
    return dpkg_version(tree, "libc6").split("-")[0]


def clusters(tree, online):
    """CPUs of equal strength, part and cpufreq policy; never told apart by their numbers."""
    parts = {}
    cpu = -1
    for line in tree.read("proc/cpuinfo").splitlines():
        key, _, value = (text.strip() for text in line.partition(":"))
        if key == "processor" and value.isdigit():
            cpu = int(value)
        elif key == "CPU part":
            parts[cpu] = value
    groups = {}  # type: ignore[var-annotated]
    for cpu in online:
        folder = "sys/devices/system/cpu/cpu%d/" % cpu
        capacity = min(max(tree.number(folder + "cpu_capacity") or 1024, 1), 1024)
        khz = tree.number(folder + "cpufreq/cpuinfo_max_freq")
        cluster = tree.read(folder + "topology/cluster_cpus_list")
        policy = tree.read(folder + "cpufreq/affected_cpus") if parts else ""
        same = (
            cluster if parts and cluster and len(cpus_of(cluster)) > 1 else policy if len(cpus_of(policy)) > 1 else ""
        )
        groups.setdefault((capacity, parts.get(cpu, ""), khz if parts else 0, same), []).append(cpu)
    strongest = max([key[0] for key in groups] or [0])
    found = []
    for index, (key, cpus) in enumerate(sorted(groups.items(), key=lambda item: item[1])):
        kind = "all" if len(groups) == 1 else "big" if key[0] == strongest else "little"
        name = kind if kind == "all" else "%s%d" % (kind, index)
        found.append({"name": name, "cpus": cpus, "capacity": key[0], "part": key[1], "max_khz": key[2]})
    return found


def memory(tree):
    found = dict(re.findall(r"^(\w+):\s+([0-9]+) kB", tree.read("proc/meminfo", needed=True), re.M))
    return int(found.get("MemTotal", 0)) << 10, int(found.get("MemAvailable", 0)) << 10


def cgroup(tree):
    """Version and controllers; a hybrid tree counts as version 1."""
    two = tree.read("sys/fs/cgroup/cgroup.controllers")
    if two or "cgroup.controllers" in tree.names("sys/fs/cgroup"):
        return 2, two.split()
    one = [name for name in tree.names("sys/fs/cgroup") if name in ("cpu", "cpuset", "memory", "pids", "blkio")]
    return (1, one) if one else (0, [])


def jetson(tree, compatible):
    """The GPU of an Orin: what of TensorRT and CUDA is there."""
    if "nvidia,tegra234" not in compatible:
        return []
    module = next((text.split(",", 1)[1] for text in compatible if re.match("nvidia,p3(701|767)-", text)), "")
    folder = "usr/lib/aarch64-linux-gnu"
    runtime = [re.fullmatch(r"libnvinfer\.so\.([0-9]+(?:\.[0-9]+)+)", name) for name in tree.names(folder)]
    versions = [match.group(1) for match in runtime if match]
    version = max(versions, key=lambda text: [int(part) for part in text.split(".")], default="")
    if not version:
        tree.warnings.append("no libnvinfer in /%s: TensorRT is not installed" % folder)
    try:
        cuda = json.loads(tree.read("usr/local/cuda/version.json") or "{}").get("cuda", {}).get("version", "")
    except (ValueError, AttributeError):
        cuda = ""
    by_module = [(key, value) for key, value in sorted(ORIN_SMS.items(), reverse=True) if module.startswith(key)]
    mode = re.search(r"pmode:([0-9]+)", tree.read("var/lib/nvpmodel/status"))
    return [
        {
            "kind": "tensorrt",
            "soc": "tegra234",
            "runtime_version": version,
            "sm": SM_87,
            "sm_count": by_module[0][1] if by_module else 0,
            "cuda": cuda,
            "dla_cores": next(
                (count for key, count in sorted(ORIN.items(), reverse=True) if module.startswith(key)), 0
            ),
            "power_mode": str(int(mode.group(1))) if mode else "",
        }
    ]


def npu_kernel(tree):
    """Which driver serves the RK3588's NPU: the vendor's, mainline's rocket, or none."""
    if tree.names("sys/kernel/debug/rknpu") or tree.names("proc/rknpu"):
        return "vendor"
    for node in tree.names("sys/class/drm"):
        if tree.read("sys/class/drm/%s/device/of_node/name" % node).startswith("npu"):
            return "vendor"
    return "mainline" if "accel0" in tree.names("dev/accel") else ""


def librknnrt_version(tree):
    """The version text inside the library. Source: strings of librknnrt.so."""
    for name in ("usr/lib/librknnrt.so", "usr/lib/aarch64-linux-gnu/librknnrt.so"):
        try:
            with open(tree.path(name), "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                found = re.search(rb"librknnrt version: ([0-9.]+[^\0\n]{0,60})", data)
                if found:
                    return found.group(1).decode("ascii", "replace").strip()
            tree.warnings.append("/%s says no version" % name)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            tree.warnings.append("/%s cannot be read: %s" % (name, error))
    return ""


def rockchip(tree, compatible):
    soc = next((text.split(",")[1] for text in compatible if re.fullmatch("rockchip,rk3588s?", text)), "")
    if not soc:
        return []
    runtime = librknnrt_version(tree)
    if not runtime:
        tree.warnings.append("no librknnrt.so in /usr/lib: the NPU cannot be used")
    driver = re.search(r"v([0-9.]+)", tree.read("sys/kernel/debug/rknpu/version"))
    return [
        {
            "kind": "rknn",
            "soc": soc,
            "runtime_version": runtime,
            "driver_version": driver.group(1) if driver else "",
            "npu_cores": 3,
        }
    ]


def l4t(tree):
    found = re.match(r"# R(\d+) \(release\), REVISION: ([\d.]+)", tree.read("etc/nv_tegra_release"))
    return "%s.%s" % found.groups() if found else dpkg_version(tree, "nvidia-l4t-core").split("-")[0]


def systemd(tree):
    if not any(name in tree.names("usr/lib/systemd") + tree.names("lib/systemd") for name in ("systemd",)):
        return ""
    return dpkg_version(tree, "systemd").split("-")[0] or "unknown"


def free_bytes(folder):
    while folder and not os.path.isdir(folder):
        folder = os.path.dirname(folder.rstrip("/")) or "/"
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize


def facts(root, state):
    """Everything, as plain data."""
    live = root == "/"
    tree = Tree(root)
    release = os_release(tree)
    compatible = [text for text in tree.read("proc/device-tree/compatible").split("\0") if text]
    online = cpus_of(tree.read("sys/devices/system/cpu/online", needed=True))
    total, available = memory(tree)
    version, controllers = cgroup(tree)
    python = python_facts(tree, live)
    return {
        "model": tree.read("proc/device-tree/model"),
        "compatible": compatible,
        "arch": os.uname().machine if live else python["platform"].split("-")[1],
        "kernel": tree.read("proc/sys/kernel/osrelease"),
        "os_id": release.get("ID", ""),
        "os_version": release.get("VERSION_ID", ""),
        "os_title": release.get("PRETTY_NAME", ""),
        "libc": "glibc",
        "libc_version": libc_version(tree, live),
        "l4t": l4t(tree),
        "python": python,
        "clusters": clusters(tree, online),
        "cpus_online": online,
        "memory_bytes": total,
        "memory_available_bytes": available,
        "page_bytes": os.sysconf("SC_PAGESIZE") if live else 4096,
        "cgroup_version": version,
        "cgroup_controllers": controllers,
        "psi": "memory" in tree.names("proc/pressure"),
        "accelerators": jetson(tree, compatible) + rockchip(tree, compatible),
        "npu_kernel": npu_kernel(tree),
        "systemd": systemd(tree),
        "ssh_keygen": any("ssh-keygen" in tree.names(folder) for folder in ("usr/bin", "bin", "usr/local/bin")),
        "disk_free_bytes": free_bytes(state if live else root),
        "clock_s": time.time(),
        "uid": os.getuid(),
        "warnings": tree.warnings,
    }


def main():
    """Print this machine's facts."""
    parser = argparse.ArgumentParser(description="What this machine is, as JSON.")
    parser.add_argument("--root", default="/")
    parser.add_argument("--state", default="/var/lib")
    wanted = parser.parse_args()
    print(json.dumps(facts(wanted.root, wanted.state)))


if __name__ == "__main__":
    main()
