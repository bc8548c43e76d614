"""The keeper's subtree is found only where it was handed over; leaves take limits and tell figures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.device.keeper.process.cgroup import MOST_BESIDE, CgroupTree, Leaf, Limiter, MemoryFigures, find_limiter
from edgekit.errors import RolloutError
from tests.fakes.cgroups import make_leaf, make_tree, set_memory
from tests.fakes.releases import make_plan

LIMITS = make_plan().limits


def find(root: Path, *, delegated: bool = True) -> Limiter:
    return find_limiter(root=root / "cgroup", proc=root / "proc", delegated=lambda path: delegated)


def test_a_delegated_subtree_is_settled_in(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    found = find(tmp_path)
    assert found.tree is not None
    assert found.tree.path == tree
    assert (tree / "keeper/cgroup.procs").read_text().isdigit()
    assert (tree / "cgroup.subtree_control").read_text() == "+cpu +cpuset +io +memory +pids"


def test_a_keeper_that_is_in_its_leaf_already_finds_the_same_subtree(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    (tmp_path / "proc/self/cgroup").write_text("0::/system.slice/edgekitd.service/keeper\n")
    found = find(tmp_path)
    assert found.tree is not None
    assert found.tree.path == tree


def test_what_was_not_handed_over_is_left_alone(tmp_path: Path) -> None:
    tree = make_tree(tmp_path)
    found = find(tmp_path, delegated=False)
    assert found.tree is None
    assert "not delegated" in found.note
    assert not (tree / "keeper").exists()


def test_v1_and_none_are_told(tmp_path: Path) -> None:
    (tmp_path / "cgroup/memory").mkdir(parents=True)
    assert find(tmp_path).note.startswith("cgroup v1 on this system")
    assert find(tmp_path / "nothing").note.startswith("no cgroups on this system")


def test_missing_controllers_are_named(tmp_path: Path) -> None:
    make_tree(tmp_path, controllers="cpu io pids")
    assert find(tmp_path).note == "the kernel or systemd gives no cpuset, memory controller"


def test_limits_are_written_as_the_kernel_takes_them(tmp_path: Path) -> None:
    leaf = Leaf(make_leaf(tmp_path))
    leaf.limit(replace(LIMITS, cpuset_cpus=(3, 1, 2), memory_high=1 << 20))
    written = {
        name: (leaf.path / name).read_text()
        for name in ("memory.max", "memory.high", "memory.swap.max", "memory.oom.group", "pids.max", "cpuset.cpus")
    }
    assert written == {
        "memory.max": str(64 << 20),
        "memory.high": str(1 << 20),
        "memory.swap.max": "0",
        "memory.oom.group": "1",
        "pids.max": "32",
        "cpuset.cpus": "1-3",
    }
    leaf.limit(LIMITS)
    assert (leaf.path / "memory.high").read_text() == "max"


def test_cpu_time_is_limited_where_that_is_asked_for(tmp_path: Path) -> None:
    leaf = Leaf(make_leaf(tmp_path))
    leaf.limit(LIMITS)
    assert not (leaf.path / "cpu.weight").exists() and not (leaf.path / "cpu.max").exists()
    leaf.limit(replace(LIMITS, cpu_weight=400, cpu_max=1.5))
    assert (leaf.path / "cpu.weight").read_text() == "400"
    assert (leaf.path / "cpu.max").read_text() == "150000 100000"


def test_a_limit_that_the_kernel_refuses_is_named(tmp_path: Path) -> None:
    leaf = Leaf(make_leaf(tmp_path))
    (leaf.path / "pids.max").mkdir()
    with pytest.raises(RolloutError, match=r"the kernel does not take pids\.max = 32"):
        leaf.limit(LIMITS)


def test_figures(tmp_path: Path) -> None:
    leaf = Leaf(make_leaf(tmp_path))
    set_memory(leaf.path, current=5, peak=9, oom_kill=1)
    assert leaf.figures() == MemoryFigures(current=5, peak=9, oom_kills=1, pressure_some_avg10=12.5)
    assert Leaf(tmp_path / "gone").figures() == MemoryFigures()


def test_killing_a_leaf_reaches_all_in_it_and_an_empty_one_can_be_removed(tmp_path: Path) -> None:
    leaf = Leaf(make_leaf(tmp_path))
    (leaf.path / "cgroup.procs").write_text("0\n4194999\n")
    assert leaf.pids() == (4194999,)
    leaf.kill()
    assert (leaf.path / "cgroup.kill").read_text() == "1"
    leaf.remove()
    assert leaf.path.is_dir()
    bare = Leaf(tmp_path / "app-bare")
    bare.path.mkdir()
    bare.remove()
    assert not bare.path.exists()
    bare.remove()


def test_an_application_that_is_no_more_leaves_no_leaf(tmp_path: Path) -> None:
    tree = CgroupTree(tmp_path)
    for beside in range(MOST_BESIDE + 1):
        tree.leaf("sorter", beside).path.mkdir()
    other = tree.leaf("sorter2")
    other.path.mkdir()
    Limiter(tree=tree, note="").forget("sorter")
    assert [leaf.path for leaf in tree.leaves()] == [other.path]
