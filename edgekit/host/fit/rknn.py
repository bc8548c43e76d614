"""Whether a board's NPU runs an RKNN engine. Pure.

Sources: facts that users reported, each named at its rule; airockchip and rockchip-linux are the two repositories of
rknn-toolkit2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from edgekit.host.fit.finding import Finding, refuse, warn
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.target import Accelerator
from edgekit.schema.units import version_tuple

_FORMAT_6_SINCE = (1, 5, 2)
"""Older runtimes say "Invalid RKNN model version 6". Source: airockchip/rknn-toolkit2#254, #281; rockchip-linux#316."""
_FORMAT_6 = 6
BAD_DRIVERS = ((0, 9, 2), (0, 9, 3))
"""They fail on cores 1 and 2, "failed to submit!". Source: airockchip/rknn-toolkit2#294, radxa/kernel#312."""
_GOOD_DRIVER = (0, 9, 6)
DRIVER = "the rknpu driver"
BAD_DRIVER_NEEDS = "0.9.6 or newer: this one fails on NPU cores 1 and 2"
NEWER_KERNEL = "install the board maker's newest kernel: 6.1.43-20 of Radxa has 0.9.6, 6.1.99 of Armbian 0.9.8"
"""Source: radxa-build/rock-5b#29; armbian/linux-rockchip, drivers/rknpu."""
_SOC = re.compile("rockchip,(r[kv][0-9]{4}[a-z]?)")
"""The first one is what the board is: a Radxa E52C says rk3582, then rk3588s. Source: Linux, rk3582-radxa-e52c.dts."""
_SAME_SOC = {"rk3588s": "rk3588"}
"""The toolkit has one name for both. Source: RKNN Toolkit2 API reference, target_platform."""
_RGA_CURE = 'sampling = "any" lets RGA convert frames, without it the CPU does: {}'
_INSTALL = (
    "put librknnrt {} into /usr/lib (airockchip/rknn-toolkit2, runtime/Linux), or build the release for this board"
)


def judge(engine: Mapping[str, str], facts: DeviceFacts) -> Iterator[Finding]:
    """Every reason, for an engine's facts from the manifest and a device's."""
    npu = next((one for one in facts.accelerators if one.kind == "rknn"), None)
    if npu is None:
        yield from _none(engine, facts)
        return
    checks = (*_soc(engine, npu), *_runtime(engine, npu, facts), _driver(npu), *_rga(engine, facts))
    yield from (found for found in checks if found)


def _none(engine: Mapping[str, str], facts: DeviceFacts) -> Iterator[Finding]:
    soc = next((match[1] for text in facts.compatible if (match := _SOC.fullmatch(text))), "")
    wanted = engine.get("platform", "") or "rk3588"
    if soc and _SAME_SOC.get(soc, soc) not in wanted.split(", "):
        subject, found = "the SoC", soc
        cure = f"engines for {wanted} run on no other: build for a target of this board"
    elif facts.npu_kernel == "mainline":
        subject, found = "the NPU's driver", f"mainline's rocket (kernel {facts.kernel})"
        wanted, cure = "the vendor's rknpu", "boot the board maker's kernel: librknnrt cannot use rocket"
    elif soc:
        subject, found, wanted = "the NPU's driver", "", "the vendor's rknpu"
        cure = "boot the board maker's kernel, or load its module: modprobe rknpu"
    else:
        subject, found = "the NPU", ""
        cure = "build the release for a target of this board"
    item = refuse(False, subject, found, wanted, cure)
    yield from [item] if item else []


def _soc(engine: Mapping[str, str], npu: Accelerator) -> Iterator[Finding | None]:
    platforms = [name for name in engine.get("platform", "").split(", ") if name]
    yield refuse(
        not platforms or _SAME_SOC.get(npu.soc, npu.soc) in platforms,
        "the SoC",
        npu.soc,
        ", ".join(platforms),
        "an engine runs on the SoC that it was compiled for: build for a target of this board",
    )


def _runtime(engine: Mapping[str, str], npu: Accelerator, facts: DeviceFacts) -> Iterator[Finding | None]:
    found = npu.runtime_version
    toolkit = re.match(r"[0-9]+(\.[0-9]+)+", engine.get("toolkit", ""))
    made = toolkit.group() if toolkit else ""
    if not found:
        copies = "; ".join(facts.librknnrt)
        yield refuse(False, "librknnrt", copies, made or "2.3.2", _INSTALL.format(made or "2.3.2"))
        return
    there, layout = version_tuple(found), re.fullmatch("rknn ([0-9]{1,4})", engine.get("format", ""))
    if layout and int(layout.group(1)) >= _FORMAT_6 and there < _FORMAT_6_SINCE:
        needed = f"1.5.2 or newer, for files of format {layout.group(1)}"
        yield refuse(False, "librknnrt", found, needed, _INSTALL.format(made or "2.3.2"))
    elif made:
        cure = _INSTALL.format(made)
        yield refuse(
            there >= version_tuple(made), "librknnrt", found, f"{made} or newer, as the engine's toolkit", cure
        )
        older = there[:2] == version_tuple(made)[:2] or there < version_tuple(made)
        yield warn(older, "librknnrt", found, f"{made}, as the engine's toolkit", "golden frames decide on the board")
    versions = {text.partition(" ")[2] for text in facts.librknnrt}
    yield warn(
        len(versions) < 2,
        "the board's librknnrt in several versions",
        "; ".join(facts.librknnrt),
        "one",
        "remove all but the one in /usr/lib: programs load different ones",
    )


def _rga(engine: Mapping[str, str], facts: DeviceFacts) -> Iterator[Finding | None]:
    """The 2D engine, where an engine's frames may be its work: without it they are the CPU's."""
    if engine.get("sampling") == "any":
        yield warn(bool(facts.librga), "librga", "", "", _RGA_CURE.format("install the board maker's package librga2"))
        yield warn(facts.rga_driver, "/dev/rga", "", "", _RGA_CURE.format("boot the board maker's kernel"))


def _driver(npu: Accelerator) -> Finding | None:
    """Some versions in the middle are bad: 0.8.2 ran. A version that only root may read is not judged."""
    version = version_tuple(npu.driver_version)[:3]
    if not npu.driver_version:
        return None
    if version in BAD_DRIVERS:
        return refuse(False, DRIVER, npu.driver_version, BAD_DRIVER_NEEDS, NEWER_KERNEL)
    return warn(version >= _GOOD_DRIVER, DRIVER, npu.driver_version, "0.9.6 or newer", NEWER_KERNEL)
