"""`edgekit target probe` over a real sshd: what is read there, written here, and read again."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.host.catalogue.detect import match_target
from edgekit.host.catalogue.targets import read_target, resolve_target
from edgekit.host.link.connection import Connector
from edgekit.host.probe import read_facts
from edgekit.host.settings import settings_from
from edgekit.schema.facts import DeviceFacts
from edgekit.schema.reader import from_raw
from tests.fakes.sshd import PROGRAM, Sshd, running_sshd

SETTINGS = settings_from({}, Path(__file__).parents[2] / "edgekit")
pytestmark = [pytest.mark.integration, pytest.mark.skipif(PROGRAM is None, reason="no sshd on this machine")]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def edgekit(sshd: Sshd, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    fleet = folder / "fleet.toml"
    fleet.write_text(
        f'[devices.box]\naddress = "{sshd.address}"\n'
        f'identity = "{sshd.identity}"\nknown_hosts = "{sshd.known_hosts}"\n'
        '[devices.gone]\naddress = "root@127.0.0.1:1"\n'
    )
    env = {**os.environ, "EDGEKIT_HOME": str(folder / "home"), "EDGEKIT_FLEET": str(fleet), "NO_COLOR": "1"}
    return subprocess.run(
        [sys.executable, "-m", "edgekit.cli.main", *words],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_facts_over_ssh_are_this_machines(sshd: Sshd) -> None:
    executor = Connector().connect(sshd.device("box"))
    try:
        found = read_facts(executor)
    finally:
        executor.close()
    assert found.kernel == os.uname().release
    assert found.uid == os.getuid()
    assert found.memory_bytes > 0


def test_probe_writes_a_target_that_recognises_its_board(sshd: Sshd, tmp_path: Path) -> None:
    done = edgekit(sshd, tmp_path, "target", "probe", "box", "--name", "bench", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["file"] == "targets/bench.toml"
    facts = from_raw(DeviceFacts, told["facts"], "told")
    target = resolve_target(read_target(tmp_path / told["file"], SETTINGS))
    assert target.clusters == facts.clusters
    assert match_target(facts, (target,)).target == "bench"

    again = edgekit(sshd, tmp_path, "target", "probe", "box", "--name", "bench", "--json")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout)["target"] == "bench"
    shown = edgekit(sshd, tmp_path, "target", "show", "bench")
    assert shown.stdout in (tmp_path / told["file"]).read_text()


def test_the_boards_own_pyconfig_is_read_where_its_python_has_headers(sshd: Sshd, tmp_path: Path) -> None:
    done = edgekit(sshd, tmp_path, "target", "probe", "box", "--name", "bench", "--json")
    assert done.returncode == 0, done.stderr
    python = json.loads(done.stdout)["facts"]["python"]["path"]
    ask = "import sysconfig; print(sysconfig.get_config_h_filename())"
    own = Path(subprocess.run([python, "-c", ask], capture_output=True, text=True, check=True).stdout.strip())
    read = tmp_path / "targets/bench.pyconfig.h"
    assert read.is_file() == own.is_file()
    if own.is_file():
        assert "define SIZEOF_VOID_P 8" in read.read_text()


def test_probe_replaces_nothing_that_somebody_wrote(sshd: Sshd, tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text("# precious\n")
    done = edgekit(sshd, tmp_path, "target", "probe", "box", "--out", str(file))
    assert done.returncode == 2
    assert "says something else" in done.stderr
    assert file.read_text() == "# precious\n"
    assert edgekit(sshd, tmp_path, "target", "probe", "box", "--out", str(file), "--force").returncode == 0
    assert read_target(file, SETTINGS).name == "mine"


def test_board_that_does_not_answer(sshd: Sshd, tmp_path: Path) -> None:
    done = edgekit(sshd, tmp_path, "target", "probe", "gone")
    assert done.returncode == 7
    assert "hint:" in done.stderr
    assert not (tmp_path / "targets").exists()
