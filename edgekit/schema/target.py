"""What a board type is: `targets/<name>.toml`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from edgekit.schema.units import Bytes, Cpus

AcceleratorKind = Literal["onnxruntime", "tensorrt", "rknn"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Os:
    """The operating system that wheels and the keeper meet there."""

    id: str
    """`ID` of os-release: `debian`, `ubuntu`."""
    version: str
    """`VERSION_ID` of os-release."""
    arch: Literal["aarch64", "x86_64"]
    libc: Literal["glibc"] = "glibc"
    libc_version: str
    python: str
    """Minor version of the Python that runs workers: `3.11`."""
    python_path: str = "/usr/bin/python3"
    soabi: str = ""
    """`SOABI` of that Python's sysconfig, where known: `cpython-311-aarch64-linux-gnu`."""
    glibcxx: str = ""
    """Highest symbol version of its libstdc++, `3.4.30`; empty: as the well-known image has it."""
    libraries: tuple[str, ...] = ()
    """Further libraries of the image that packages may count on, as patterns of file names: `libgomp.so.1`."""
    kernel: str = ""
    """Kernel release as far as the image fixes it: `5.15-tegra`."""
    l4t: str = ""
    jetpack: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CpuCluster:
    """CPUs that share a frequency and a strength."""

    name: str
    cpus: Cpus
    capacity: int = 1024
    """The scheduler's `cpu_capacity`, 1..1024; the strongest CPU of a system has 1024."""
    part: str = ""
    """`CPU part` of /proc/cpuinfo: `0xd0b` is a Cortex-A76."""
    max_khz: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The memory that CPU and accelerators share on these boards."""

    total_bytes: Bytes
    page_bytes: Bytes = Bytes(4096)


@dataclass(frozen=True, slots=True, kw_only=True)
class Accelerator:
    """One kind of engine that the board can run, besides ONNX Runtime on its CPU."""

    kind: AcceleratorKind
    soc: str = ""
    """SoC or GPU family: `rk3588`, `tegra234`."""
    runtime_version: str
    """Version of libnvinfer, librknnrt or onnxruntime on the board."""
    driver_version: str = ""
    sm: str = ""
    """CUDA compute capability: `8.7`."""
    sm_count: int = 0
    cuda: str = ""
    npu_cores: int = 0
    dla_cores: int = 0
    power_mode: str = ""
    """Name of the mode in which the board is deployed: `25W`. Numbers differ between boards."""
    power_conf: str = ""
    """The nvpmodel configuration that the name is from: the same name means other clocks in another."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cgroup:
    """What the board's kernel can limit."""

    version: Literal[1, 2] = 2
    controllers: tuple[str, ...] = ("cpu", "cpuset", "io", "memory", "pids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognise:
    """How to tell such a board: it matches when all that is given matches."""

    compatible: tuple[str, ...] = ()
    """Device-tree strings; one of them must be in /proc/device-tree/compatible, where `-super` does not count."""
    os_id: str = ""
    os_version: str = ""
    l4t: tuple[str, ...] = ()
    """Releases of Jetson Linux, one of which it must be: `36.4` stands for 36.4.7 too."""
    arch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A board type, whole: every field filled."""

    name: str
    title: str
    os: Os
    clusters: tuple[CpuCluster, ...]
    memory: Memory
    cgroup: Cgroup = Cgroup()
    accelerators: tuple[Accelerator, ...] = ()
    recognise: Recognise = Recognise()
    notes: str = ""

    @property
    def cpus(self) -> tuple[int, ...]:
        """All CPU numbers, strongest cluster first, ascending within one."""
        strongest_first = sorted(self.clusters, key=lambda cluster: -cluster.capacity)
        return tuple(cpu for cluster in strongest_first for cpu in sorted(cluster.cpus))

    @property
    def python_tag(self) -> str:
        """The wheel's Python tag: `cp311`."""
        return "cp" + self.os.python.replace(".", "")

    @property
    def uv_platform(self) -> str:
        """uv's name for this platform: `aarch64-manylinux_2_36`. Source: `uv pip compile --help`."""
        return f"{self.os.arch}-manylinux_{self.os.libc_version.replace('.', '_')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFile:
    """A target as written. `this_machine = true` stands for everything that a probe of this machine finds."""

    name: str
    title: str
    this_machine: bool = False
    os: Os | None = None
    clusters: tuple[CpuCluster, ...] = ()
    memory: Memory | None = None
    cgroup: Cgroup = Cgroup()
    accelerators: tuple[Accelerator, ...] = ()
    recognise: Recognise = Recognise()
    notes: str = ""
