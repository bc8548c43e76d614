"""A Jetson: which module, its GPU in its power mode, TensorRT and CUDA."""

import os
import re
import sys

from edgekit.sent.facts.tree import newest

# By module: streaming multiprocessors and CPUs with all of them on, memory in GiB, DLA cores. Sources: NVIDIA's
# nvpmodel configurations (LineageOS/android_device_nvidia_concord), two SMs to a TPC; JetPack's container documentation
# for DLA; jetson-stats and OE4T/meta-tegra for module numbers; NVIDIA's data sheets for the industrial and IGX modules.
MODULES = {
    "p3701-0000": (16, 12, 32, 2),
    "p3701-0002": (16, 12, 64, 2),
    "p3701-0004": (14, 8, 32, 2),
    "p3701-0005": (16, 12, 64, 2),
    "p3701-0008": (16, 12, 64, 2),
    "p3767-0000": (8, 8, 16, 2),
    "p3767-0001": (8, 6, 8, 1),
    "p3767-0002": (8, 8, 16, 2),
    "p3767-0003": (8, 6, 8, 0),
    "p3767-0004": (4, 6, 4, 0),
    "p3767-0005": (8, 6, 8, 0),
}
ORIN_SM = "8.7"
GPU_NODES = ("gpu", "ga10b", "gv11b", "gp10b", "gb10b")
PIP_TENSORRT = r"tensorrt(?:_cu[0-9]+)?(?:_bindings|_libs)?-([0-9][0-9.]*)[^-]*\.dist-info"


def module(tree, compatible, cpus, memory_bytes):
    """The Orin module that is plugged in; its family alone, `p3767`, where no more can be told.

    The device tree is what was flashed: the board's own number counts first, then what memory and CPUs say. Source:
    OE4T/meta-tegra, tegra-boot-tools: TNSPEC is BOARDID-FAB-SKU-REVISION-...
    """
    named = re.search("p3(?:701|767)-[0-9]{4}", " ".join(compatible))
    flashed = named.group() if named and "nvidia,tegra234" in compatible else ""
    own = re.search("^TNSPEC (3701|3767)-[^-]*-([0-9]{4})-", tree.read("etc/nv_boot_control.conf"), re.M)
    if own and flashed:
        found = "p%s-%s" % own.groups()
    else:
        found = fitting_module(flashed, len(cpus), memory_bytes >> 30) if memory_bytes else flashed
    if found != flashed:
        tree.warn("the device tree is that of module %s, the board has a %s: flash it for that" % (flashed, found))
    return found


def fitting_module(flashed, cpus, memory_gib):
    """The flashed module unless the memory is another's; then the one of its family that has these CPUs and memory."""

    def has_memory(name):
        return MODULES[name][2] // 2 <= memory_gib < MODULES[name][2]

    if flashed not in MODULES or has_memory(flashed):
        return flashed
    family = flashed.split("-")[0]
    fitting = [name for name in MODULES if name.startswith(family) and has_memory(name) and MODULES[name][1] == cpus]
    return fitting[0] if len({MODULES[name] for name in fitting}) == 1 else family


def jetson(tree, compatible, plugged_in):
    """The GPU of an Orin, and what of TensorRT and CUDA is there."""
    if "nvidia,tegra234" not in compatible:
        soc = re.search("nvidia,(tegra[0-9]+)", " ".join(compatible))
        if soc:
            tree.warn("the GPU of this Jetson (%s) is not known: engines for TensorRT are for Orin" % soc.group(1))
        return []
    sms, _, _, dla_cores = MODULES.get(plugged_in, (0, 0, 0, 0))
    conf, mode, mask = nvpmodel(tree)
    on = sms_on(mask)
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


def sms_on(mask):
    """SMs that a mask of switched-off TPCs leaves on; 0 where none is told."""
    return 2 * (8 - bin(mask & 0xFF).count("1")) if mask >= 0 else 0


def nvpmodel_conf(tree):
    """Name and text of the configuration."""
    conf = tree.link("etc/nvpmodel.conf")
    return conf, tree.read("etc/nvpmodel.conf" if tree.live or not conf else "etc/nvpmodel/" + conf)


def power_choices(tree):
    """Where no power mode is set, those that there are, as `2 MODE_30W`, the default first; else nothing.

    nvpmodel then says "power mode is not set!", and the GPU's parts are as they were.
    """
    modes = re.findall(r"^< POWER_MODEL ID=([0-9]{1,3}) NAME=(\S+) >", nvpmodel_conf(tree)[1], re.M)
    default = re.search(r"^< PM_CONFIG DEFAULT=([0-9]{1,3}) >", nvpmodel_conf(tree)[1], re.M)
    try:
        with open(tree.path("var/lib/nvpmodel/status"), "rb") as file:
            status = re.search(rb"pmode:([0-9]+)", file.read(4096))
    except FileNotFoundError:
        status = None
    except OSError:  # not told: `nvpmodel` has warned of it
        return []
    if status and int(status.group(1)) in {int(number) for number, _ in modes}:
        return []
    modes.sort(key=lambda mode: not default or mode[0] != default.group(1))
    return ["%s %s" % mode for mode in modes]


def nvpmodel(tree):
    """Configuration, name of the mode that is set, and the mask of GPU parts that are off (-1: not told).

    The GPU's own mask counts: writing the mode's fails while the GPU is in use, and the old one stays.
    """
    conf, text = nvpmodel_conf(tree)
    status = re.search(r"pmode:([0-9]+)", tree.read("var/lib/nvpmodel/status"))
    number = int(status.group(1)) if status else -1
    mode = re.search(r"^< POWER_MODEL ID=%d NAME=(\S+) >\n([^<]*)" % number, text, re.M)
    found = re.search(r"^TPC_POWER_GATING TPC_PG_MASK ([0-9]{1,9})\b", mode.group(2), re.M) if mode else None
    asked, name = int(found.group(1)) if found else -1, mode.group(1) if mode else ""
    gpu = ["sys/devices/platform/gpu.0/", "sys/devices/gpu.0/", *("%sdevice/" % node for node in gpu_nodes(tree))]
    texts = [tree.read(folder + "tpc_pg_mask") for folder in gpu]
    real = next((int(text) for text in texts if re.fullmatch("[0-9]{1,9}", text)), -1)
    if real >= 0 <= asked and sms_on(real) != sms_on(asked):
        tree.warn("power mode %s has %d SMs, %d are on: reboot the board" % (name, sms_on(asked), sms_on(real)))
    return conf, name, real if real >= 0 else asked


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


def gpu_nodes(tree):
    """Folders of the GPU's clock. Source: jetson-stats, core/gpu.py, for nodes' names."""
    folders = ["sys/class/devfreq/%s/" % node for node in tree.names("sys/class/devfreq")]
    return [folder for folder in folders if tree.read(folder + "device/of_node/name") in GPU_NODES]


def gpu_clock(tree):
    """Bounds of the GPU's clock; the same where it is locked."""
    for folder in gpu_nodes(tree):
        return {"gpu_%s_hz" % end: tree.number(folder + end + "_freq") for end in ("min", "max")}
    return {}


def l4t(tree):
    found = re.match(r"# R(\d+) \(release\), REVISION: ([\d.]+)", tree.read("etc/nv_tegra_release"))
    return "%s.%s" % found.groups() if found else tree.package("nvidia-l4t-core")
