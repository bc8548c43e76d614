"""An RK3588: its NPU, the driver, every copy of librknnrt, and the 2D engine."""

import mmap
import os
import re

RK3588_NPU_CORES = 3
# Where the dynamic linker looks; the worker takes the first.
RKNNRT_FOLDERS = ("usr/lib", "usr/lib/aarch64-linux-gnu", "usr/lib64", "usr/local/lib")


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


def named_librknnrt(tree):
    """Each file whose name tells a version, with the version text inside it and the links that lead to it.

    Names lie: a librknnrt.so.2.3.0 that holds 2.3.2 was seen on a board.
    """
    found = []
    for folder in RKNNRT_FOLDERS:
        if tree.link(folder):  # /usr/lib64 is often /usr/lib
            continue
        for name in tree.names(folder):
            path = "%s/%s" % (folder, name)
            if re.fullmatch(r"librknnrt\.so\.[0-9.]+", name) and not tree.link(path):
                links = [link for link in tree.names(folder) if tree.link("%s/%s" % (folder, link)) == name]
                links = ["/%s/%s" % (folder, link) for link in links]
                found.append({"path": "/" + path, "version": rknnrt_version(tree, path), "links": links})
    return found


def librga(tree):
    """The library of the 2D engine, the first that the dynamic linker takes, with the version text inside it."""
    for folder in RKNNRT_FOLDERS:
        for name in ("%s/librga.so%s" % (folder, end) for end in (".2", "")):
            if os.path.lexists(tree.path(name)):
                version = version_inside(tree, name, rb"rga_api version ([0-9.]+[^\0\n]{0,20})")
                return "/%s %s" % (name, version or "unknown")
    return ""


def npu_link(tree):
    """What /dev/rknpu leads to where it is a link to a DRM node, else empty.

    librknnrt then takes the driver for one of the kind before DRM: its ioctls end in ENOTTY. Source:
    invisiofficial/rk-llama.cpp#19.
    """
    target = tree.link("dev/rknpu")
    return target if re.fullmatch("(renderD|card)[0-9]+", target) else ""


def rknnrt_version(tree, name):
    return version_inside(tree, name, rb"librknnrt version: ([0-9.]+[^\0\n]{0,60})")


def version_inside(tree, name, pattern):
    try:
        with open(tree.path(name), "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            found = re.search(pattern, data)
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
