"""What a virtual board looks like from inside: plain, or like a real one, so that detection has something to tell."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One machine that QEMU shows."""

    name: str
    target: str = ""
    """The target's name where it is certain; empty leaves it to detection."""
    capacities: tuple[int, ...]
    """`capacity-dmips-mhz` of each CPU; their number is the number of CPUs."""
    memory_mib: int
    model: str = ""
    compatible: tuple[str, ...] = ()
    """Device-tree strings; empty leaves QEMU's own tree as it is."""
    files: dict[str, str] = field(default_factory=dict)
    """Files that are put on the board before it is frozen."""


def _os_release(*lines: str) -> dict[str, str]:
    return {"/usr/lib/os-release": "\n".join(lines) + "\n"}


_UBUNTU_2204 = _os_release(
    'PRETTY_NAME="Ubuntu 22.04.5 LTS"', 'NAME="Ubuntu"', 'VERSION_ID="22.04"', "VERSION_CODENAME=jammy", "ID=ubuntu"
)
_NV_TEGRA_RELEASE = """\
# R36 (release), REVISION: 4.7, GCID: 42132812, BOARD: generic, EABI: aarch64, DATE: Thu Sep 18 22:54:44 UTC 2025
# KERNEL_VARIANT: oot
TARGET_USERSPACE_LIB_DIR=nvidia
TARGET_USERSPACE_LIB_DIR_PATH=usr/lib/aarch64-linux-gnu/nvidia
"""

SHAPES: dict[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape(name="virt", target="virt-arm64", capacities=(1024,) * 4, memory_mib=1024),
        # Source: mainline rk3588 device tree; capacities as there, memory as far as a workstation can spare it.
        Shape(
            name="rk3588",
            capacities=(530,) * 4 + (1024,) * 4,
            memory_mib=1536,
            model="Radxa ROCK 5B",
            compatible=("radxa,rock-5b", "rockchip,rk3588"),
        ),
        # Source: strings of a Jetson Orin Nano Super on L4T R36.4.7.
        Shape(
            name="orin-nano",
            capacities=(1024,) * 6,
            memory_mib=1536,
            model="NVIDIA Jetson Orin Nano Engineering Reference Developer Kit Super",
            compatible=("nvidia,p3768-0000+p3767-0005-super", "nvidia,p3767-0005", "nvidia,tegra234"),
            files={**_UBUNTU_2204, "/etc/nv_tegra_release": _NV_TEGRA_RELEASE},
        ),
    )
}
