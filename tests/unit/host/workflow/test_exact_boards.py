"""Builds, hosts and keepers agree about every target: what is built for it runs on it, what does not fit is found.

Every plan, requirement and verdict comes from the code that builds, deploys and keeps; boards and engines are exactly
what targets say (`tests/fakes/exact_boards.py`). Counts: `pytest -s`.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgekit
from edgekit.device.keeper.admission import BoardMemory, Claimed, check_memory
from edgekit.errors import InputError
from edgekit.host.catalogue.detect import has_marks, match_target
from edgekit.host.catalogue.offers import check_runs_releases, runs_releases
from edgekit.host.catalogue.targets import list_targets
from edgekit.host.fit.finding import Finding
from edgekit.host.settings import settings_from
from edgekit.host.workflow.fitting import judge_device
from edgekit.schema.board import reserve_bytes
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.fleet import Device
from edgekit.schema.manifest import EngineEntry, Manifest, check_manifest
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.recipe import Recipe
from edgekit.schema.target import Accelerator, Target
from edgekit.schema.units import Bytes, Cpus, version_tuple
from tests.fakes.exact_boards import board_of, engine_of, release_for, sorting_line

TARGETS = list_targets(settings_from({}, Path(edgekit.__file__).parent), Path("none"))
NAMES = [target.name for target in TARGETS]
RECIPE = sorting_line()
DEVICE = Device(name="gate", address="root@gate")


def judged(board: DeviceFacts, manifest: Manifest) -> tuple[Finding, ...]:
    return judge_device(DEVICE, board, manifest, TARGETS, now_s=1000.0)


def with_limits(**limits: object) -> Recipe:
    """The recipe with other limits, its lanes wherever the process may run."""
    lanes = {name: dataclasses.replace(lane, cpus=Cpus(())) for name, lane in RECIPE.pipeline.lanes.items()}
    return dataclasses.replace(
        RECIPE,
        limits=dataclasses.replace(RECIPE.limits, memory_high=None, **limits),
        pipeline=dataclasses.replace(RECIPE.pipeline, lanes=lanes),
    )


def recipes_around(target: Target) -> Iterator[Recipe]:
    """Recipes that ask for as much as a target has, a little more and a little less, in every way."""
    total = target.memory.total_bytes
    usable = total - reserve_bytes(total)
    there = target.cpus
    memory = {64 << 20, usable // 2, usable, usable + 1, total, total + 1, 2 * total}
    cpus = [1, 2, len(there), len(there) + 1, Cpus((0,)), Cpus(there), Cpus((max(there),)), Cpus((max(there) + 1,))]
    for most, wanted, limits in itertools.product(sorted(memory), cpus, ("enforced", "advisory")):
        yield with_limits(memory_max=Bytes(most), cpus=wanted, limits=limits)


def keeper_takes(plan: WorkerPlan, manifest: Manifest, board: DeviceFacts) -> None:
    """What the keeper asks before it starts a release, where nothing else runs. Raises as it does."""
    check_manifest(manifest)
    limits = plan.limits
    claimed = Claimed(application="a", memory_bytes=limits.memory_max, cpus=frozenset(limits.cpuset_cpus))
    if not limits.advisory:
        assert board.cgroup_version == 2 and {"cpuset", "memory", "pids"} <= set(board.cgroup_controllers)
        check_memory(claimed, (), BoardMemory(total_bytes=board.memory_bytes))
    assert version_tuple(board.python.version) >= (3, 10)
    assert claimed.cpus <= set(board.cpus_online)


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_what_the_build_accepts_runs_on_a_board_that_is_exactly_its_target(target: Target) -> None:
    board, counts = board_of(target), Counter[str]()
    for recipe in recipes_around(target):
        try:
            check_runs_releases(target, TARGETS)
            plan, manifest = release_for(target, recipe, (engine_of(target),))
        except InputError:
            counts["refused by the build"] += 1
            continue
        counts["accepted"] += 1
        found = judged(board, manifest)
        assert [str(item) for item in found if item.severity == "refuse" or item.subject == "the board"] == []
        keeper_takes(plan, manifest, board)
    print(f"{target.name}: {dict(counts)}")
    assert counts["refused by the build"] and bool(counts["accepted"]) == runs_releases(target)


@pytest.mark.parametrize("changed", [{"version": 1}, {"controllers": ("cpu", "cpuset", "pids")}])
def test_limits_that_a_targets_boards_cannot_enforce_are_refused_by_the_build(changed: dict[str, object]) -> None:
    good = next(target for target in TARGETS if target.name == "rk3588-debian12")
    target = dataclasses.replace(good, cgroup=dataclasses.replace(good.cgroup, **changed))
    with pytest.raises(InputError, match="cgroup") as caught:
        release_for(target, with_limits(), ())
    assert 'limits = "advisory"' in caught.value.hint
    plan, manifest = release_for(target, with_limits(limits="advisory"), ())
    keeper_takes(plan, manifest, board_of(target))


def test_a_build_says_what_boards_need_before_limits_hold() -> None:
    target = next(one for one in TARGETS if one.name == "rk3588-ubuntu2204")
    assert "/boot/firmware/ubuntuEnv.txt" in target.cgroup.caution
    assert target.cgroup.caution in release_for(target, RECIPE, ())[0].warnings
    assert target.cgroup.caution not in release_for(target, with_limits(limits="advisory"), ())[0].warnings


@pytest.mark.parametrize("target", TARGETS, ids=NAMES)
def test_a_board_that_is_exactly_a_target_is_recognised_as_it(target: Target) -> None:
    assert match_target(board_of(target), TARGETS).target == target.name


def accelerator_of(target: Target, kind: str) -> Accelerator | None:
    return next((one for one in target.accelerators if one.kind == kind), None)


def must_refuse(built: Target, there: Target, manifest: Manifest) -> bool:
    """Whether a release must not run on a board of another target, by what the two files say."""
    needs, memory = manifest.requires, there.memory.total_bytes
    system = (
        not runs_releases(there),
        built.os.python != there.os.python,
        version_tuple(built.os.libc_version) > version_tuple(there.os.libc_version),
        not set(needs.cpus) <= set(there.cpus),
        needs.memory_bytes > memory - reserve_bytes(memory),
    )
    return any(system) or any(engine_is_foreign(engine, built, there) for engine in manifest.engines)


def engine_is_foreign(engine: EngineEntry, built: Target, there: Target) -> bool:
    own, other = accelerator_of(built, engine.runner), accelerator_of(there, engine.runner)
    if own is None:
        return False
    if other is None or own.soc != other.soc:
        return True
    if engine.runner == "rknn":
        return version_tuple(own.runtime_version) > version_tuple(other.runtime_version)
    other_system = own.runtime_version != other.runtime_version or built.os.l4t[:2] != there.os.l4t[:2]
    return other_system or (engine.facts["dla"] != "" and int(engine.facts["dla"]) >= other.dla_cores)


def must_warn(built: Target, there: Target, manifest: Manifest) -> bool:
    """Whether a release may stumble there: another board, or engines that were tuned for another GPU or mode."""
    if not has_marks(board_of(there), built):
        return True
    gpus = accelerator_of(built, "tensorrt"), accelerator_of(there, "tensorrt")
    if not manifest.engines or None in gpus:
        return False
    tuned = [(gpu.sm_count, gpu.power_mode, gpu.power_conf) for gpu in gpus if gpu]
    return any(one and other and one != other for one, other in zip(*tuned, strict=True))


def variants(target: Target) -> Iterator[tuple[str, Manifest]]:
    """Releases for a target: small and as large as it goes, without engines, with one, with one for its last DLA."""
    total = target.memory.total_bytes
    gpu = accelerator_of(target, "tensorrt")
    engines = {"no engine": (), "an engine": (engine_of(target),)}
    if gpu and gpu.dla_cores:
        engines["an engine for the last DLA"] = (engine_of(target, gpu.dla_cores - 1),)
    small = {"memory_max": Bytes(256 << 20), "cpus": 1}
    large = {"memory_max": Bytes(total - reserve_bytes(total)), "cpus": len(target.cpus)}
    for (size, limits), (what, made) in itertools.product({"small": small, "large": large}.items(), engines.items()):
        yield f"{size}, {what}", release_for(target, with_limits(**limits), made)[1]


def test_for_every_pair_of_targets_what_does_not_fit_is_found() -> None:
    counts, pairs = Counter[str](), Counter[str]()
    for built, there in itertools.permutations(TARGETS, 2):
        if not runs_releases(built):
            pairs["no release can be built for the first"] += 1
            continue
        board, verdicts = board_of(there), set()
        for what, manifest in variants(built):
            found = judged(board, manifest)
            refused = must_refuse(built, there, manifest)
            severities = {item.severity for item in found}
            assert ("refuse" in severities) == refused, (built.name, there.name, what, list(map(str, found)))
            if must_warn(built, there, manifest):
                assert found, (built.name, there.name, what)
            verdict = "refused" if refused else "warned of" if found else "fits"
            verdicts.add(verdict)
            counts[verdict] += 1
        worst = next(word for word in ("refused", "warned of", "fits") if word in verdicts)
        pairs[f"{worst} in at least one release" if worst != "fits" else "fits in every release"] += 1
        assert worst != "fits" or has_marks(board, built), f"{built.name} on {there.name}: nothing is found"
    print(f"{sum(pairs.values())} ordered pairs: {dict(pairs)}; {sum(counts.values())} releases: {dict(counts)}")
    assert counts["refused"] and counts["warned of"]
