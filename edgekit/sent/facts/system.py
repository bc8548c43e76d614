"""The system: its name, Python, C and C++ library, systemd, and how it groups processes."""

import mmap
import os
import re
import sys
import sysconfig

from edgekit.sent.facts.tree import newest

SYSCONFIG = (
    *("EXT_SUFFIX", "SOABI", "MULTIARCH", "CC", "CXX", "CFLAGS", "LDFLAGS", "LDSHARED"),
    *("INCLUDEPY", "LIBDIR", "Py_ENABLE_SHARED", "SIZEOF_VOID_P"),
)
ELF_MACHINES = {62: "x86_64", 183: "aarch64"}
# Where boards' loaders and their tools keep the kernel's arguments. Source: ubuntu-rockchip, Armbian, Orange Pi,
# Radxa's u-boot-update, Raspberry Pi, U-Boot's extlinux, GRUB.
BOOT_FILES = (
    *("boot/firmware/ubuntuEnv.txt", "boot/ubuntuEnv.txt", "boot/armbianEnv.txt", "boot/orangepiEnv.txt"),
    *("etc/kernel/cmdline", "boot/firmware/cmdline.txt", "boot/extlinux/extlinux.conf", "etc/default/grub"),
)
TRIPLES = ("aarch64-linux-gnu", "x86_64-linux-gnu")


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


def cgroup(tree):
    """Version and controllers; a hybrid tree counts as version 1."""
    if "cgroup.controllers" in tree.names("sys/fs/cgroup"):
        return 2, tree.read("sys/fs/cgroup/cgroup.controllers").split()
    mounted = {part for name in tree.names("sys/fs/cgroup") for part in name.split(",")}
    one = sorted(mounted & {"cpu", "cpuset", "memory", "pids", "blkio"})
    return (1, one) if one else (0, [])


def cgroup_1_by(tree):
    """File and line whose boot arguments ask for version 1, as Joshua Riek's Ubuntu 22.04 for RK3588 has them."""
    for name in BOOT_FILES:
        for number, line in enumerate(tree.read(name).splitlines(), 1):
            if "systemd.unified_cgroup_hierarchy=0" in line and not line.lstrip().startswith("#"):
                return "/%s, line %d" % (name, number)
    return ""


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
