"""How busy GPU, NPU and memory are.

Sources: jetson-stats, core/gpu.py, for Jetsons' nodes and unit; ajokela/rktop#5 and airockchip/rknn-toolkit2#269 for
rknpu's debugfs. The load of the NPU's devfreq node says 100 whatever the NPU does, and is never read.
"""

from __future__ import annotations

import re

from edgekit.device.telemetry.files import SensorFiles
from edgekit.schema.telemetry import MAX_READINGS, RATIO, AcceleratorLoad, BoardTelemetry

DEVFREQ = "sys/class/devfreq"
GPU_NODES = ("gpu", "ga10b", "gv11b", "gp10b", "gb10b")
_JETSON_GPU = ("sys/devices/platform/gpu.0", "sys/devices/gpu.0")
_NPU = ("sys/kernel/debug/rknpu", "proc/rknpu")


def read_loads(files: SensorFiles) -> BoardTelemetry:
    """All that can be read, in the order GPU, NPU, memory."""
    gpu, npu = _gpu(files), _npu(files)
    loads = [AcceleratorLoad(accelerator="gpu", ratio=gpu)] if gpu is not None else []
    loads += [AcceleratorLoad(accelerator="npu", core=core, ratio=ratio) for core, ratio in npu.items()]
    memory = _governed(files, f"{DEVFREQ}/dmc")
    if memory is not None:
        loads.append(AcceleratorLoad(accelerator="memory", ratio=memory))
    notes = []
    if not npu and _has_rknpu(files):
        root_only = any(path.startswith("/sys/kernel/debug") for path in files.refused)
        why = "root alone may read /sys/kernel/debug/rknpu/load" if root_only else "the driver does not tell it"
        notes.append(f"NPU load: {why}")
    elif gpu is None and not npu:
        notes.append("load: there is no GPU or NPU whose load can be read")
    return BoardTelemetry(loads=tuple(loads[:MAX_READINGS]), notes=tuple(notes))


def gpu_nodes(files: SensorFiles) -> list[str]:
    """Folders of the GPU's clock: what the device tree calls it decides, as addresses differ."""
    nodes = (f"{DEVFREQ}/{name}" for name in files.names(DEVFREQ))
    return [node for node in nodes if files.text(f"{node}/device/of_node/name") in GPU_NODES]


def _gpu(files: SensorFiles) -> float | None:
    for node in gpu_nodes(files):
        for found in (
            _share(files.number(f"{node}/device/load"), 1000),  # nvgpu: per mille
            _share(files.number(f"{node}/device/utilisation"), 100),  # Mali's own driver
            _governed(files, node),
        ):
            if found is not None:
                return found
    loads = (_share(files.number(f"{folder}/load"), 1000) for folder in _JETSON_GPU)
    return next((load for load in loads if load is not None), None)


def _npu(files: SensorFiles) -> dict[str, float]:
    """By core; under an empty name where the driver tells the NPU as a whole."""
    for folder in _NPU:
        text = files.text(f"{folder}/load") or ""
        cores = {core: int(percent) / 100 for core, percent in re.findall(r"Core([0-9]{1,2}): *([0-9]{1,3})%", text)}
        whole = re.fullmatch(r"NPU load: *([0-9]{1,3})%", text)
        found = cores or ({"": int(whole.group(1)) / 100} if whole else {})
        if found:
            return {core: ratio for core, ratio in found.items() if RATIO.admits(ratio)}
    return {}


def _has_rknpu(files: SensorFiles) -> bool:
    return bool(files.names(DEVFREQ, r"[0-9a-f]+\.npu")) or any(files.there(folder) for folder in _NPU)


def _governed(files: SensorFiles, node: str) -> float | None:
    """`PERCENT@CLOCKHz`, as Rockchip's devfreq says it."""
    found = re.fullmatch(r"([0-9]{1,3})@[0-9]+Hz", files.text(f"{node}/load") or "")
    return _share(int(found.group(1)), 100) if found else None


def _share(part: int | None, whole: int) -> float | None:
    return part / whole if part is not None and RATIO.admits(part / whole) else None
