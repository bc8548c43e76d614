"""What this machine is, of the standard library alone, for Python 3.8 and newer.

    python3 -I - [--root DIR] [--state DIR] < SCRIPT

prints JSON that `edgekit.schema.facts.DeviceFacts` reads. The script is this folder's modules in one text
(`edgekit.host.probe.facts_script`), sent over SSH before anything of edgekit is on the board. Everything is read below
`--root`. What only a running system tells is asked of it when that is `/`; of any other root, a mounted image or a
test's tree, it is read from files:

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
import os
import time

from edgekit.sent.facts.jetson import gpu_clock, jetson, l4t, module, pip_tensorrt, power_choices
from edgekit.sent.facts.processors import clusters, cpus, memory
from edgekit.sent.facts.rockchip import librga, librknnrt, named_librknnrt, npu_kernel, npu_link, rockchip
from edgekit.sent.facts.system import (
    cgroup,
    cgroup_1_by,
    free_bytes,
    glibcxx,
    libc,
    os_release,
    python,
    ssh_keygen,
    systemd,
)
from edgekit.sent.facts.tree import Tree


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
    plugged_in = attempt(tree, "", module, compatible, present, total)
    return {
        "model": tree.read("proc/device-tree/model") or tree.read("sys/class/dmi/id/product_name"),
        "compatible": compatible,
        "module": plugged_in,
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
        "cgroup_1_by": attempt(tree, "", cgroup_1_by),
        "psi": "memory" in tree.names("proc/pressure"),
        "accelerators": attempt(tree, [], jetson, compatible, plugged_in)
        + attempt(tree, [], rockchip, compatible, driver, copies),
        **attempt(tree, {}, gpu_clock),
        "pip_tensorrt": attempt(tree, "", pip_tensorrt, interpreter["path"]),
        "librknnrt": ["%s %s" % (path, text or "unknown") for path, text in copies],
        "named_librknnrt": attempt(tree, [], named_librknnrt),
        "librga": attempt(tree, "", librga),
        "rga_driver": "rga" in tree.names("dev"),
        "npu_kernel": driver,
        "npu_link": attempt(tree, "", npu_link),
        "power_choices": attempt(tree, [], power_choices),
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
