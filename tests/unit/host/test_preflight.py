"""What a job takes is named whole, at once, with one command that this very user can act on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.preflight import JOBS, Installer, Need, find_program, missing, require

ROOT = Path(__file__).parents[3]
NAMES = ("pack-one", "pack-two")
ONE = Need(package="pack-one", programs=("no-such-program",))
TWO = Need(package="pack-two", files=("/no/such/file",))
AGAIN = Need(package="pack-one", modules=("no_such_module",))
HERE = Need(package="dash", programs=("sh",), files=("/etc/passwd",), modules=("venv",))


def test_all_that_is_missing_is_named_in_one_list() -> None:
    assert missing([], [TWO, HERE, ONE, AGAIN]) == NAMES
    with pytest.raises(InputError, match=r"this machine lacks pack-one, pack-two$") as caught:
        require(more=[TWO, HERE, ONE, AGAIN])
    assert caught.value.hint.endswith("pack-one pack-two") or "apt-get" not in caught.value.hint
    require(more=[HERE])


@pytest.mark.parametrize(
    ("installer", "said"),
    [
        ({"root": True}, "apt-get install -y --no-install-recommends pack-one pack-two"),
        ({"sudo": True}, "sudo apt-get install -y --no-install-recommends pack-one pack-two"),
        (
            {"sudo": True, "listed": False},
            "sudo apt-get update && sudo apt-get install -y --no-install-recommends pack-one pack-two",
        ),
        (
            {},
            "ask an administrator of this machine to run: apt-get install -y --no-install-recommends pack-one pack-two",
        ),
        ({"apt": False}, "install with your system's package manager what Debian calls: pack-one pack-two"),
    ],
)
def test_the_command_is_one_that_the_user_can_act_on(installer: dict[str, bool], said: str) -> None:
    usual = {"apt": True, "listed": True, "root": False, "sudo": False}
    assert Installer(**{**usual, **installer}).command(NAMES) == said


def test_programs_that_only_root_has_on_its_path_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert find_program("sh") in ("/bin/sh", "/usr/bin/sh")
    assert find_program("no-such-program") == "no-such-program"


def test_it_runs_before_there_is_any_environment() -> None:
    argv = [sys.executable, "-S", "-m", "edgekit.host.preflight"]
    run = [subprocess.run([*argv, *jobs], cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
           for jobs in ([], ["no-such-job"])]  # fmt: skip
    assert [done.returncode for done in run] == [0, 2]
    assert "error: no job is called no-such-job\nhint: setup, build," in run[1].stderr


def test_every_job_of_the_makefile_is_known() -> None:
    text = (ROOT / "Makefile").read_text()
    named = {word.removeprefix("needs-") for word in text.split() if word.startswith("needs-")}
    assert {word for word in named if not set(word) & set("%$")} - {"%:"} <= set(JOBS)
    assert {"demo-host", "demo-virt", "check", "test"} <= set(JOBS)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another user")
def test_a_user_without_sudo_is_told_the_administrators_command() -> None:
    code = (
        "import os; from edgekit.host.preflight import *; from edgekit.errors import *\n"
        "os.setgroups([]); os.setgid(65534); os.setuid(65534)\n"
        "try: require(more=[Need(package='pack-one', programs=('no-such-program',))])\n"
        "except InputError as error: print(error.hint)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert "pack-one" in done.stdout and not done.stdout.startswith(("sudo", "apt-get")), done


def test_only_the_demo_with_cameras_asks_for_a_server_and_a_broker() -> None:
    def packages(job: str) -> set[str]:
        return {need.package for need in JOBS[job]}

    beside = {"mosquitto", "mosquitto-clients", "python3-gi", "gir1.2-gst-rtsp-server-1.0", "gstreamer1.0-plugins-good"}
    for device in ("host", "virt"):
        assert not beside & packages(f"demo-{device}")
        assert beside <= packages(f"demo-{device}-gate-watch") and packages(f"demo-{device}") < packages(
            f"demo-{device}-gate-watch"
        )
    assert beside <= packages("test")
