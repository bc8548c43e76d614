"""What a program in the sandbox may see, and the command lines that follow from it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.host.sandbox.box import Box, Mount, SystemRoot, look_at_system, plan_root
from edgekit.host.sandbox.bubblewrap import bubblewrap_argv
from edgekit.host.sandbox.namespaces import namespaces_argv

SYSTEM = SystemRoot(
    links=(("/bin", "usr/bin"),),
    mounts=(Mount(source="/usr", target="/usr"),),
    network=(Mount(source="/run/resolv.conf", target="/etc/resolv.conf"),),
)


@pytest.fixture
def work(tmp_path: Path) -> Path:
    for name in ("source", "tmp"):
        (tmp_path / "work" / name).mkdir(parents=True)
    return tmp_path / "work"


def mounts(box: Box) -> list[tuple[str, bool]]:
    return [(mount.target, mount.writable) for mount in plan_root(box, SYSTEM).mounts]


def test_a_folder_within_a_readable_one_can_be_written(work: Path) -> None:
    """A parent that is mounted later would hide what lies in it."""
    box = Box(environment={}, cwd=work, writable=(work / "source",), readable=(work,))
    assert mounts(box) == [("/usr", False), (str(work), False), (str(work / "source"), True)]


def test_the_network_is_a_choice(work: Path) -> None:
    closed, opened = (plan_root(Box(environment={}, cwd=work, network=choice), SYSTEM) for choice in (False, True))
    assert "/etc/resolv.conf" not in {mount.target for mount in closed.mounts}
    assert Mount(source="/run/resolv.conf", target="/etc/resolv.conf") in opened.mounts
    assert "--unshare-net" in bubblewrap_argv("bwrap", closed, ["true"])
    assert "--unshare-net" not in bubblewrap_argv("bwrap", opened, ["true"])


def test_a_link_is_there_by_both_its_names(work: Path, tmp_path: Path) -> None:
    """A compiler that is called by one name finds its own files by the other."""
    (tmp_path / "alias").symlink_to(work)
    box = Box(environment={}, cwd=work, readable=(tmp_path / "alias",))
    assert plan_root(box, SYSTEM).mounts[1:] == (
        Mount(source=str(work), target=str(tmp_path / "alias")),
        Mount(source=str(work), target=str(work)),
    )


def test_what_is_missing_is_left_out(work: Path) -> None:
    assert mounts(Box(environment={}, cwd=work, readable=(work / "no",), writable=(work / "nor",))) == [("/usr", False)]


def test_its_temporary_folder_is_in_memory_or_on_disk(work: Path) -> None:
    assert plan_root(Box(environment={}, cwd=work), SYSTEM).empty == ("/tmp", "/var/tmp")
    plan = plan_root(Box(environment={}, cwd=work, temporary=work / "tmp"), SYSTEM)
    assert plan.empty == ("/var/tmp",)
    assert Mount(source=str(work / "tmp"), target="/tmp", writable=True) in plan.mounts


def test_folders_below_a_temporary_one_of_its_own_are_seen(work: Path) -> None:
    """The scratch folders of pyproject-hooks, and a cache below /tmp, lie there."""
    box = Box(environment={}, cwd=work, temporary=work / "tmp", writable=(work / "source",))
    targets = [target for target, _ in mounts(box)]
    assert targets.index("/tmp") < targets.index(str(work / "source"))


def test_bubblewraps_command_line() -> None:
    plan = plan_root(Box(environment={"A": "1"}, cwd=Path("/usr")), SYSTEM)
    words = " ".join(bubblewrap_argv("/usr/bin/bwrap", plan, ["make", "--help"]))
    assert words.startswith("/usr/bin/bwrap --unshare-user-try --unshare-ipc --unshare-pid --unshare-uts ")
    assert words.endswith(
        "--unshare-net --symlink usr/bin /bin --proc /proc --remount-ro /proc --dev /dev --tmpfs /tmp --tmpfs /var/tmp "
        "--ro-bind /usr /usr --remount-ro / --chdir /usr -- make --help"
    )


def test_the_scripts_command_line_holds_the_plan() -> None:
    plan = plan_root(Box(environment={}, cwd=Path("/usr")), SYSTEM)
    *_, script, text, program, option = namespaces_argv(plan, ["make", "--help"])
    assert Path(script).is_file() and (program, option) == ("make", "--help")
    assert json.loads(text)["mounts"] == [{"source": "/usr", "target": "/usr", "writable": False}]


def test_links_of_the_system_stay_links(tmp_path: Path) -> None:
    for name in ("usr/bin", "etc/ssl", "home/ann", "root", "run"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "bin").symlink_to("usr/bin")
    (tmp_path / "run/stub.conf").write_text("nameserver 127.0.0.53\n")
    (tmp_path / "etc/resolv.conf").symlink_to("../run/stub.conf")
    system = look_at_system(tmp_path)
    assert system.links == (("/bin", "usr/bin"),)
    assert [mount.target for mount in system.mounts] == ["/usr"]
    assert Mount(source=str(tmp_path / "run/stub.conf"), target="/etc/resolv.conf") in system.network
