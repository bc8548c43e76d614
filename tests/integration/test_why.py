"""`edgekit why` names the cause of what was really provoked: on this machine's keeper, with the real worker."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.provoked import PROVOKED, Place, Provoked
from tests.fakes.sshd import PROGRAM
from tests.integration.test_deploy import Site, running_site

pytestmark = [pytest.mark.integration, pytest.mark.skipif(PROGRAM is None, reason="no sshd on this machine")]


@pytest.fixture(scope="module")
def board() -> Iterator[Site]:
    """A device of this machine's own, which all share: each cause has an application."""
    with running_site() as site:
        with (site.folder / "fleet.toml").open("a") as fleet:
            fleet.write(f'[devices.here]\naddress = "local"\nprefix = "{site.prefix}"\nservice = "process"\n')
        assert site.edgekit("provision", "board").code == 0
        yield site


def place_of(site: Site) -> Place:
    def deploy(release: Path) -> int:
        done = site.edgekit("deploy", str(release), "here")
        print(done.err)  # pytest shows it where the test fails
        return done.code

    return Place(
        folder=site.folder,
        deploy=deploy,
        keeper_pid=site.keeper_pid,
    )


def why(site: Site, *words: str) -> Any:
    done = site.edgekit("why", "here", *words, "--json")
    assert done.code == 0, done.err
    return done.json


@pytest.mark.parametrize("provoked", PROVOKED, ids=lambda one: one.cause)
def test_what_was_provoked_is_named(provoked: Provoked, board: Site) -> None:
    application = provoked.cause.replace("_", "-")
    provoked.act(place_of(board), application)

    def named() -> Any:
        found = why(board, application)["last"]
        return found if found and found["cause"] == provoked.cause else None

    found = eventually(named) if provoked.happened == "restarted" else why(board, application)["last"]
    assert (found["cause"], found["happened"], found["application"]) == (
        provoked.cause,
        provoked.happened,
        application,
    ), found
    assert re.search(provoked.sentence, found["sentence"]), found["sentence"]
    assert application in found["sentence"] and "\n" not in found["sentence"]
    assert found["evidence"] and found["hint"]
    if provoked.happened == "restarted":
        assert board.edgekit("stop", "here", application).code == 0


def test_the_cause_is_still_told_after_the_keeper_was_killed(board: Site) -> None:
    """It is on disk: nothing of it is only in the memory of the keeper that saw it."""
    place_of(board).deploy(board.release("lost", "exits", application="killed"))
    before = eventually(lambda: why(board, "killed")["last"])
    assert "the camera is gone" in before["sentence"]
    pid = board.keeper_pid()
    os.kill(pid, signal.SIGKILL)
    program = board.prefix / "usr/lib/edgekit/edgekitd.pyz"
    eventually(lambda: not Path(f"/proc/{pid}").exists() or "Z" in Path(f"/proc/{pid}/stat").read_text().split()[2])
    subprocess.run([sys.executable, "-I", program, "spawn", "--prefix", board.prefix], check=True, timeout=PATIENCE_S)
    after = eventually(lambda: found if (found := why(board, "killed"))["since"] else None)
    assert after["last"] == before
    assert [one["happened"] for one in after["since"]] == ["keeper"]
    assert "killed" in after["since"][-1]["sentence"]


def test_for_people_the_sentence_comes_first_and_the_status_points_there(board: Site) -> None:
    place_of(board).deploy(board.release("bad", "golden", application="told"))
    told = board.edgekit("why", "here", "told").out
    first, *rest = told.splitlines()
    assert re.search(r"told 1\.0\.0 was rolled back: golden frames failed: frame 1 is off by 9 px", first)
    assert "  cause     golden" in rest and any(line.startswith("  hint      ") for line in rest)
    assert any("golden worker at work" in line for line in rest)
    assert "  why       edgekit why here told" in board.edgekit("status", "here").out.splitlines()


def test_an_application_that_nobody_knows_is_refused_by_name(board: Site) -> None:
    done = board.edgekit("why", "here", "nobody")
    assert done.code == 3
    assert "'nobody'" in done.err and "hint: it has" in done.err


_SMALL = 'mount -t tmpfs -o size=1500k tmpfs "$1" && exec sh -c "$2"'


def test_a_full_disk_is_named_though_nothing_can_be_written_on_it(board: Site) -> None:
    """The device's disk has 1.5 MB, in a mount namespace of its own."""
    prefix = board.folder / "small"
    prefix.mkdir()
    with (board.folder / "fleet.toml").open("a") as fleet:
        fleet.write(f'[devices.small]\naddress = "local"\nprefix = "{prefix}"\nservice = "process"\n')
    release = board.release("large", application="large", extra={"app/noise": os.urandom(3 << 20)})
    edgekit = f"{sys.executable} -m edgekit.cli.main"
    script = f"""
        {edgekit} provision small >&2 || exit 90
        {edgekit} deploy {release} small >&2; test $? = 8 || exit 91
        {edgekit} why small large --json
        {sys.executable} -I {prefix}/usr/lib/edgekit/edgekitd.pyz halt --prefix {prefix} >&2
    """
    argv = ["unshare", "--mount", "sh", "-c", _SMALL, "sh", str(prefix), script]
    env = {**os.environ, "EDGEKIT_HOME": str(board.folder / "home")}
    done = subprocess.run(
        argv, cwd=board.folder, env=env, capture_output=True, text=True, timeout=2 * PATIENCE_S, check=False
    )
    if "unshare failed" in done.stderr:
        pytest.skip("this machine lets nobody make a mount namespace")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["last"]
    assert (found["cause"], found["happened"]) == ("disk_full", "refused"), found
    assert re.search(r"the disk is full \([\d.]+ .?i?B free\)", found["sentence"]), found["sentence"]
