"""What this machine is. One self-contained script of the standard library, for Python 3.8 and newer.

    python3 -I - [--root DIR] [--state DIR] < facts.py

prints JSON that `edgekit.schema.facts.DeviceFacts` reads. The host sends this file's text over SSH, before anything of
edgekit is on the board. Everything is read below `--root`. What only a running system tells is asked of it when that is
`/`; of any other root, a mounted image or a test's tree, it is read from files:

    architecture     the ELF header of usr/bin/python3.N
    Python           usr/bin/python3 -> python3.N, and the package python3.N-minimal in var/lib/dpkg/status
    libc             the package libc6 there, or the name of libc-N.N.so
    systemd          libsystemd-shared-N.so
    disk             the root's own file system; clock and user id are always those of the running system

What cannot be read becomes a warning, never a failure.

Sources: Linux, ABI/testing/sysfs-devices-system-cpu and admin-guide/cgroup-v2; os-release(5); sd_booted(3); NVIDIA's
nv_tegra_release and nvpmodel.conf; jetson-stats and OE4T/meta-tegra for module numbers; the rknpu driver's debugfs.
"""

import argparse
import json
import mmap
import os
import re
import sys
import sysconfig
import time

SYSCONFIG = (
    *("EXT_SUFFIX", "SOABI", "MULTIARCH", "CC", "CXX", "CFLAGS", "LDFLAGS", "LDSHARED"),
    *("INCLUDEPY", "LIBDIR", "Py_ENABLE_SHARED", "SIZEOF_VOID_P"),
)
MAX_BYTES = 1 << 20
MAX_DPKG_BYTES = 64 << 20
MAX_CPU = 4095
ELF_MACHINES = {62: "x86_64", 183: "aarch64"}
TRIPLES = ("aarch64-linux-gnu", "x86_64-linux-gnu")
# Streaming multiprocessors with all of them on, and DLA cores, by module. Sources: NVIDIA's nvpmodel configurations
# (LineageOS/android_device_nvidia_concord), two SMs to a TPC; JetPack's container documentation for DLA.
MODULES = {
    "p3701-0000": (16, 2),
    "p3701-0004": (14, 2),
    "p3701-0005": (16, 2),
    "p3767-0000": (8, 2),
    "p3767-0001": (8, 1),
    "p3767-0003": (8, 0),
    "p3767-0004": (4, 0),
    "p3767-0005": (8, 0),
}
ORIN_SM = "8.7"
GPU_NODES = ("gpu", "ga10b", "gv11b", "gp10b", "gb10b")
PIP_TENSORRT = r"tensorrt(?:_cu[0-9]+)?(?:_bindings|_libs)?-([0-9][0-9.]*)[^-]*\.dist-info"
RK3588_NPU_CORES = 3
# Where the dynamic linker looks; the worker takes the first.
RKNNRT_FOLDERS = ("usr/lib", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/local/lib")


class Tree:
    """Files below a root; what cannot be read is noted once."""

    def __init__(self, root):
        self.root = root
        self.live = os.path.realpath(root) == "/"
        self.warnings = []
        self._dpkg = None

    def path(self, name):
        return os.path.join(self.root, name)

    def warn(self, text):
        if text not in self.warnings:
            self.warnings.append(text)

    def bytes(self, name, limit=MAX_BYTES, needed=False):
        try:
            with open(self.path(name), "rb") as file:
                return file.read(limit)
        except (FileNotFoundError, NotADirectoryError):
            if needed:
                self.warn("/%s is not there" % name)
        except OSError as error:
            self.warn("/%s cannot be read: %s" % (name, error.strerror))
        return b""

    def read(self, name, needed=False):
        """A file's text without NULs and blanks around it; empty when it is not there."""
        return self.bytes(name, needed=needed).decode("utf-8", "replace").strip("\0\n\t ")

    def number(self, name):
        text = self.read(name)
        return int(text) if re.fullmatch("[0-9]{1,18}", text) else 0

    def names(self, folder):
        try:
            return sorted(os.listdir(self.path(folder)))
        except OSError:
            return []

    def matches(self, folder, pattern):
        """The pattern's group in each name of a folder that fits it whole."""
        found = [re.fullmatch(pattern, name) for name in self.names(folder)]
        return [match.group(1) for match in found if match]

    def link(self, name):
        """The name of the file that a symbolic link points to; empty when it is none."""
        try:
            return os.path.basename(os.readlink(self.path(name)))
        except OSError:
            return ""

    def package(self, pattern):
        """Upstream version of the first installed Debian package whose name fits; empty when there is none."""
        if self._dpkg is None:
            self._dpkg = self.bytes("var/lib/dpkg/status", MAX_DPKG_BYTES).decode("utf-8", "replace")
        for start in re.finditer(r"^Package: (?:%s)\n" % pattern, self._dpkg, re.M):
            end = self._dpkg.find("\n\n", start.end())
            fields = self._dpkg[start.end() : end if end >= 0 else None]
            version = re.search(r"^Version: (?:\d+:)?([^\s-]+)", fields, re.M)
            if version and re.search(r"^Status: .* installed$", fields, re.M):
                return version.group(1)
        return ""


def newest(versions):
    return max(versions, key=lambda text: [int(part) for part in re.findall("[0-9]+", text)], default="")


def cpus_of(text):
    """The kernel's CPU list format, or numbers with blanks between them, as numbers."""
    found = []  # type: ignore[var-annotated]
    for part in text.replace(",", " ").split():
        found_range = re.fullmatch("([0-9]{1,4})(?:-([0-9]{1,4}))?", part)
        if found_range:
            first, last = found_range.groups()
            found.extend(range(int(first), min(int(last or first), MAX_CPU) + 1))
    return found


def os_release(tree):
    text = tree.read("etc/os-release") or tree.read("usr/lib/os-release", needed=True)
    return dict(re.findall(r"""^([A-Z_]+)=["']?([^"'\n]*)["']?$""", text, re.M))


def python(tree):
    if tree.live:
        variables = {name: str(sysconfig.get_config_var(name) or "") for name in SYSCONFIG}
        return {
            "path": os.path.realpath(sys.executable),
            "version": "%d.%d.%d" % sys.version_info[:3],
            "soabi": variables["SOABI"],
            "platform": sysconfig.get_platform(),
            "sysconfig": variables,
        }
    linked = re.fullmatch(r"python(3\.[0-9]+)", tree.link("usr/bin/python3"))
    minor = linked.group(1) if linked else newest(tree.matches("usr/bin", r"python(3\.[0-9]+)"))
    if not minor:
        tree.warn("there is no /usr/bin/python3")
        return {"path": "", "version": "", "soabi": "", "platform": "linux-" + machine(tree, ""), "sysconfig": {}}
    arch = machine(tree, minor)
    return {
        "path": "/usr/bin/python" + minor,
        "version": tree.package(r"python%s-minimal" % re.escape(minor)) or minor,
        "soabi": "cpython-%s-%s-linux-gnu" % (minor.replace(".", ""), arch),
        "platform": "linux-" + arch,
        "sysconfig": {},
    }


def machine(tree, minor):
    """The architecture that programs of this root are for."""
    header = tree.bytes("usr/bin/python" + minor, 20) if minor else b""
    if header[:5] == b"\x7fELF\x02" and len(header) == 20:
        return ELF_MACHINES.get(int.from_bytes(header[18:20], "little"), "unknown")
    found = [triple for triple in TRIPLES if tree.names("usr/lib/" + triple)]
    return found[0].split("-")[0] if found else "unknown"


def libc(tree):
    """Kind and version; no kind where it is not glibc."""
    if tree.live:
        try:
            kind, _, version = (os.confstr("CS_GNU_LIBC_VERSION") or "").partition(" ")
        except (ValueError, OSError):
            kind, version = "", ""
    else:
        named = [name for triple in TRIPLES for name in tree.matches("usr/lib/" + triple, r"libc-([0-9.]+)\.so")]
        version = tree.package("libc6") or newest(named)
        kind = "glibc" if version else ""
    if kind != "glibc":
        tree.warn("there is no glibc" if tree.live else "the version of libc is not told")
    return kind, version


def glibcxx(tree, arch):
    """The highest version of symbols in libstdc++; empty where there is none. Source: GCC, libstdc++'s ABI policy."""
    for folder in ("usr/lib/%s-linux-gnu" % arch, "usr/lib64"):
        try:
            with open(tree.path(folder + "/libstdc++.so.6"), "rb") as file:
                data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except (OSError, ValueError):
            continue
        with data:
            found = re.finditer(rb"\0GLIBCXX_(3(?:\.[0-9]+)+)(?=\0)", data)
            return newest({match.group(1).decode() for match in found})
    return ""


def cpus(tree):
    """All CPUs, and those that are on."""
    folder = "sys/devices/system/cpu/"
    online = cpus_of(tree.read(folder + "online", needed=True))
    if not online:
        online = [int(cpu) for cpu in re.findall(r"^processor\s*: ([0-9]+)$", tree.read("proc/cpuinfo"), re.M)]
    present = cpus_of(tree.read(folder + "present")) or online
    off = [cpu for cpu in present if cpu not in online]
    if off:
        tree.warn("CPUs %s are off" % ", ".join(map(str, off)))
    return present, online


def clusters(tree, online):
    """CPUs of equal strength that belong together; never told apart by their numbers."""
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
        groups.setdefault(likeness(tree, cpu, parts.get(cpu, "")), []).append(cpu)
    ordered = sorted(groups.items(), key=lambda item: item[1])
    kinds = [kind_of(likeness[0], [other[0] for other in groups]) for likeness, _ in ordered]
    found = []
    for index, (same, members) in enumerate(ordered):
        kind = kinds[index]
        name = kind if kinds.count(kind) == 1 else "%s%d" % (kind, kinds[:index].count(kind))
        found.append({"name": name, "cpus": members, "capacity": same[0], "part": same[1], "max_khz": same[2]})
    return found


def likeness(tree, cpu, part):
    """What CPUs of one cluster have in common. Before Linux 5.20 arm64 told clusters as packages."""
    folder = "sys/devices/system/cpu/cpu%d/" % cpu
    if not part:  # x86: no clusters that matter, and clocks of the moment
        return 1024, "", 0, ()
    groups = ("topology/cluster_cpus_list", "topology/core_siblings_list", "cpufreq/affected_cpus")
    together = tuple(tuple(cpus_of(tree.read(folder + name))) for name in groups)
    capacity = min(max(tree.number(folder + "cpu_capacity") or 1024, 1), 1024)
    khz = tree.number(folder + "cpufreq/cpuinfo_max_freq")
    return capacity, part, khz, tuple(group if len(group) > 1 else () for group in together)


def kind_of(capacity, capacities):
    if len(capacities) == 1:
        return "all"
    if min(capacities) == max(capacities):
        return "cluster"
    return "big" if capacity == max(capacities) else "little" if capacity == min(capacities) else "mid"


def memory(tree):
    found = dict(re.findall(r"^(\w+):\s+([0-9]+) kB", tree.read("proc/meminfo", needed=True), re.M))
    return int(found.get("MemTotal", 0)) << 10, int(found.get("MemAvailable", 0)) << 10


def cgroup(tree):
    """Version and controllers; a hybrid tree counts as version 1."""
    if "cgroup.controllers" in tree.names("sys/fs/cgroup"):
        return 2, tree.read("sys/fs/cgroup/cgroup.controllers").split()
    mounted = {part for name in tree.names("sys/fs/cgroup") for part in name.split(",")}
    one = sorted(mounted & {"cpu", "cpuset", "memory", "pids", "blkio"})
    return (1, one) if one else (0, [])


def jetson(tree, compatible):
    """The GPU of an Orin, and what of TensorRT and CUDA is there."""
    if "nvidia,tegra234" not in compatible:
        return []
    module = re.search("p3(?:701|767)-[0-9]{4}", " ".join(compatible))
    sms, dla_cores = MODULES.get(module.group() if module else "", (0, 0))
    conf, mode, mask = nvpmodel(tree)
    on = 2 * (8 - bin(mask & 0xFF).count("1")) if mask >= 0 else 0
    runtime = tensorrt(tree)
    if not runtime:
        tree.warn("there is no libnvinfer: TensorRT is not installed")
    return [
        {
            "kind": "tensorrt",
            "soc": "tegra234",
            "runtime_version": runtime,
            "sm": ORIN_SM,
            "sm_count": min(sms, on) if sms and on else sms or on,
            "cuda": cuda(tree),
            "dla_cores": dla_cores,
            "power_mode": mode,
            "power_conf": conf,
        }
    ]


def nvpmodel(tree):
    """Configuration, name of the mode that is on, and its mask of GPU parts that are off (-1: not told)."""
    conf = tree.link("etc/nvpmodel.conf")
    text = tree.read("etc/nvpmodel.conf" if tree.live or not conf else "etc/nvpmodel/" + conf)
    status = re.search(r"pmode:([0-9]+)", tree.read("var/lib/nvpmodel/status"))
    number = int(status.group(1)) if status else -1
    mode = re.search(r"^< POWER_MODEL ID=%d NAME=(\S+) >\n([^<]*)" % number, text, re.M)
    mask = tree.read("sys/devices/gpu.0/tpc_pg_mask")
    if not re.fullmatch("[0-9]+", mask) and mode:
        found = re.search(r"^TPC_POWER_GATING TPC_PG_MASK ([0-9]+)", mode.group(2), re.M)
        mask = found.group(1) if found else ""
    return conf, mode.group(1) if mode else "", int(mask) if mask.isdigit() else -1


def tensorrt(tree):
    """From the package, which names the build too, or from the library's file name."""
    names = tree.matches("usr/lib/aarch64-linux-gnu", r"libnvinfer\.so\.([0-9]+(?:\.[0-9]+)+)")
    return (tree.package("libnvinfer[0-9]+") or newest(names)) if names else ""


def cuda(tree):
    folders = ["cuda", *reversed([name for name in tree.names("usr/local") if name.startswith("cuda-")])]
    for name in folders:
        found = re.search(
            r'"cuda"\s*:\s*{[^}]*"version"\s*:\s*"([0-9.]+)"', tree.read("usr/local/%s/version.json" % name)
        )
        if found:
            return found.group(1)
    return ""


def pip_tensorrt(tree, interpreter):
    """Version of a TensorRT from pip, which Python finds before the board's own below /usr/lib."""
    local = "usr/local/lib/%s/" % os.path.basename(interpreter)
    for folder in sys.path if tree.live else (local + "dist-packages", local + "site-packages"):
        found = [] if folder.startswith("/usr/lib/") else tree.matches(folder, PIP_TENSORRT)
        if found:
            return newest(found)
    return ""


def gpu_clock(tree):
    """Bounds of the GPU's clock; the same where it is locked. Source: jetson-stats, core/gpu.py, for nodes' names."""
    for node in tree.names("sys/class/devfreq"):
        folder = "sys/class/devfreq/%s/" % node
        if tree.read(folder + "device/of_node/name") in GPU_NODES:
            return {"gpu_%s_hz" % end: tree.number(folder + end + "_freq") for end in ("min", "max")}
    return {}


def npu_kernel(tree):
    """Which driver serves the RK3588's NPU: the vendor's, mainline's rocket, or none."""
    if tree.names("sys/kernel/debug/rknpu") or tree.names("proc/rknpu"):
        return "vendor"
    for node in tree.names("sys/class/drm"):
        if tree.read("sys/class/drm/%s/device/of_node/name" % node) == "npu":
            return "vendor"
    return "mainline" if "accel0" in tree.names("dev/accel") else ""


def librknnrt(tree):
    """Each copy of the library with the version text inside it."""
    copies = {}  # type: ignore[var-annotated]
    for name in ("%s/librknnrt.so" % folder for folder in RKNNRT_FOLDERS):
        if os.path.lexists(tree.path(name)):
            copies.setdefault(os.path.realpath(tree.path(name)), name)
    return [("/" + name, rknnrt_version(tree, name)) for name in copies.values()]


def rknnrt_version(tree, name):
    try:
        with open(tree.path(name), "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = re.search(rb"librknnrt version: ([0-9.]+[^\0\n]{0,60})", data)
            if found:
                return found.group(1).decode("ascii", "replace").strip()
        tree.warn("/%s tells no version" % name)
    except (OSError, ValueError) as error:
        tree.warn("/%s cannot be read: %s" % (name, getattr(error, "strerror", None) or error))
    return ""


def rockchip(tree, compatible, driver, copies):
    """The NPU, unless mainline's driver has it: librknnrt cannot use that. Source: airockchip/rknn-toolkit2#570."""
    # The first is what it is: a Radxa E52C says rk3582, which the runtime refuses, then rk3588s.
    socs = [text.split(",")[1] for text in compatible if re.fullmatch("rockchip,rk[0-9]{4}[a-z]?", text)]
    if not socs or socs[0] not in ("rk3588", "rk3588s"):
        return []
    if driver != "vendor":
        has = "mainline's rocket driver" if driver else "no NPU driver"
        tree.warn("the kernel has %s: RKNN engines need the vendor's kernel" % has)
        return []
    if not copies:
        tree.warn("there is no librknnrt.so in /usr/lib: the NPU cannot be used")
    version = re.search(r"v([0-9.]+)", tree.read("sys/kernel/debug/rknpu/version") or tree.read("proc/rknpu/version"))
    return [
        {
            "kind": "rknn",
            "soc": socs[0],
            "runtime_version": copies[0][1] if copies else "",
            "driver_version": version.group(1) if version else "",
            "npu_cores": RK3588_NPU_CORES,
        }
    ]


def l4t(tree):
    found = re.match(r"# R(\d+) \(release\), REVISION: ([\d.]+)", tree.read("etc/nv_tegra_release"))
    return "%s.%s" % found.groups() if found else tree.package("nvidia-l4t-core")


def systemd(tree):
    """Its version; empty where it is not what started this system."""
    if tree.live and not os.path.isdir("/run/systemd/system"):
        return ""
    folders = ["usr/lib/systemd", "lib/systemd", *("usr/lib/%s/systemd" % triple for triple in TRIPLES)]
    versions = [name for folder in folders for name in tree.matches(folder, r"libsystemd-shared-([0-9][0-9.]*).*\.so")]
    return newest(versions) or tree.package("systemd") or ("unknown" if tree.live else "")


def ssh_keygen(tree):
    return any("ssh-keygen" in tree.names(folder) for folder in ("usr/bin", "bin", "usr/local/bin"))


def free_bytes(tree, state):
    folder = state if tree.live else tree.root
    while folder != "/" and not os.path.isdir(folder):
        folder = os.path.dirname(folder.rstrip("/")) or "/"
    space = os.statvfs(folder)
    return space.f_bavail * space.f_frsize


def attempt(tree, fallback, read, *details):
    """What `read` finds. Odd boards are odd in unforeseen ways: a failure is a warning and leaves the rest."""
    try:
        return read(tree, *details)
    except Exception as error:
        tree.warn("%s: %s: %s" % (read.__name__.replace("_", " "), type(error).__name__, error))
        return fallback


def facts(root, state):
    """Everything, as plain data."""
    tree = Tree(root)
    release = attempt(tree, {}, os_release)
    compatible = [text for text in tree.read("proc/device-tree/compatible").split("\0") if text]
    present, online = attempt(tree, ([], []), cpus)
    total, available = attempt(tree, (0, 0), memory)
    version, controllers = attempt(tree, (0, []), cgroup)
    kind, libc_version = attempt(tree, ("", ""), libc)
    nothing = {"path": "", "version": "", "soabi": "", "platform": "linux-unknown", "sysconfig": {}}
    interpreter = attempt(tree, nothing, python)
    arch = os.uname().machine if tree.live else interpreter["platform"].split("-")[1]
    driver = attempt(tree, "", npu_kernel)
    copies = attempt(tree, [], librknnrt)
    return {
        "model": tree.read("proc/device-tree/model") or tree.read("sys/class/dmi/id/product_name"),
        "compatible": compatible,
        "arch": arch,
        "kernel": tree.read("proc/sys/kernel/osrelease"),
        "os_id": release.get("ID", ""),
        "os_version": release.get("VERSION_ID", ""),
        "os_title": release.get("PRETTY_NAME", ""),
        "libc": kind,
        "libc_version": libc_version,
        "glibcxx": attempt(tree, "", glibcxx, arch),
        "l4t": attempt(tree, "", l4t),
        "python": interpreter,
        "clusters": attempt(tree, [], clusters, online),
        "cpus_online": online,
        "cpus_present": present,
        "memory_bytes": total,
        "memory_available_bytes": available,
        "page_bytes": os.sysconf("SC_PAGESIZE") if tree.live else 4096,
        "cgroup_version": version,
        "cgroup_controllers": controllers,
        "psi": "memory" in tree.names("proc/pressure"),
        "accelerators": attempt(tree, [], jetson, compatible) + attempt(tree, [], rockchip, compatible, driver, copies),
        **attempt(tree, {}, gpu_clock),
        "pip_tensorrt": attempt(tree, "", pip_tensorrt, interpreter["path"]),
        "librknnrt": ["%s %s" % (path, text or "unknown") for path, text in copies],
        "npu_kernel": driver,
        "systemd": attempt(tree, "", systemd),
        "ssh_keygen": ssh_keygen(tree),
        "disk_free_bytes": attempt(tree, 0, free_bytes, state),
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
