"""Boards that are exactly what a target says, and releases for targets as the build's own planning makes them."""

from __future__ import annotations

from pathlib import Path

from edgekit.host.engine.backends import choose_backend
from edgekit.host.release.plan import plan_worker, requires_of
from edgekit.schema.facts import DeviceFacts, PythonFacts
from edgekit.schema.manifest import FORMAT, EngineEntry, Manifest
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.reader import from_toml
from edgekit.schema.recipe import Recipe
from edgekit.schema.target import Target

_RECIPE = Path(__file__).parents[2] / "recipes/sorting-line/recipe.toml"


def sorting_line() -> Recipe:
    """The shipped recipe, as read."""
    return from_toml(Recipe, _RECIPE.read_text(encoding="utf-8"), str(_RECIPE))


def board_of(target: Target) -> DeviceFacts:
    """A board that is exactly what a target says: no more memory, no other driver, nothing broken."""
    kinds = {one.kind for one in target.accelerators}
    soc = ("nvidia,tegra234",) if "tensorrt" in kinds else ()
    return DeviceFacts(
        model=target.title,
        compatible=tuple(dict.fromkeys((*target.recognise.compatible[:1], *soc))),
        arch=target.os.arch,
        kernel=target.os.kernel,
        os_id=target.os.id,
        os_version=target.os.version,
        os_title=f"{target.os.id} {target.os.version}",
        libc=target.os.libc,
        libc_version=target.os.libc_version,
        l4t=target.os.l4t,
        python=PythonFacts(
            path=target.os.python_path,
            version=f"{target.os.python}.1",
            soabi=target.os.soabi,
            platform=f"linux-{target.os.arch}",
            sysconfig={},
        ),
        clusters=target.clusters,
        cpus_online=tuple(sorted(target.cpus)),
        cpus_present=tuple(sorted(target.cpus)),
        memory_bytes=target.memory.total_bytes,
        memory_available_bytes=target.memory.total_bytes,
        page_bytes=target.memory.page_bytes,
        cgroup_version=target.cgroup.version,
        cgroup_controllers=target.cgroup.controllers,
        psi=True,
        accelerators=target.accelerators,
        npu_kernel="vendor" if "rknn" in kinds else "",
        systemd="252",
        ssh_keygen=True,
        disk_free_bytes=8 << 30,
        clock_s=1000.0,
        uid=0,
    )


def engine_of(target: Target, dla_core: int | None = None) -> EngineEntry:
    """What an engine says of itself that was compiled for a target; see `host.engine.backends`."""
    kind = choose_backend(target)
    made = next((one for one in target.accelerators if one.kind == kind), None)
    facts = {"opset": "17", "ir_version": "8"}
    if made and kind == "rknn":
        facts = {"format": "rknn 6", "toolkit": made.runtime_version, "platform": made.soc}
    elif made and kind == "tensorrt":
        facts = {
            "format": "tensorrt plan",
            "tensorrt": made.runtime_version,
            "sm": made.sm,
            "sm_count": str(made.sm_count),
            "cuda": made.cuda,
            "l4t": target.os.l4t,
            "power_mode": made.power_mode,
            "power_conf": made.power_conf,
            "dla": "" if dla_core is None else str(dla_core),
        }
    return EngineEntry(name="parts", runner=kind, path="engines/parts", model_sha256="0" * 64, facts=facts)


def release_for(target: Target, recipe: Recipe, engines: tuple[EngineEntry, ...]) -> tuple[WorkerPlan, Manifest]:
    """Plan and manifest of a release. Raises InputError as the build does."""
    plan = plan_worker(recipe, target, engines, has_app=False)
    manifest = Manifest(
        format=FORMAT,
        application=plan.application,
        version=plan.version,
        target=target.name,
        edgekit="0",
        requires=requires_of(plan, target, 300 << 20),
        files=(),
        wheels=(),
        engines=engines,
    )
    return plan, manifest
