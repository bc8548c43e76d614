"""A whole release on its way to the virtual board, whose CPU is emulated: from connecting to installed, against scp."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from edgekit.host.board.login import KEY_ALIAS
from edgekit.host.progress import Silent
from edgekit.host.release.folder import open_release
from edgekit.host.settings import settings_from
from edgekit.host.workflow.devices import device_access
from edgekit.host.workflow.shipment import Shipment, outgoing_release
from measure import Figure, compared, paired_costs, seconds
from tests.board.conftest import ROOT, Edgekit, fake
from tests.fakes.releases import write_release

NAME = "push"
INSTALL_S = 900.0
BOOT_S = 1500.0


def push_to_board(files: dict[str, bytes], rounds: int) -> Iterator[Figure]:
    """The tool's wall time against scp's, with its compression; each takes files that the board has not.

    What the board's kernel still has to write from the turn before is written before the next one begins: the tool
    waits until all is on the disk, and scp does not.
    """
    with board() as user:
        access = device_access(settings_from(user.environ, ROOT / "edgekit"))

        def release() -> Path:
            new = {path: os.urandom(16) + content for path, content in files.items()}
            made = fake(user, "healthy", version="1.0.0", **new)
            return write_release(made, Path(tempfile.mkdtemp(dir=user.home)) / "release")

        def install(folder: Path) -> None:
            with access.keeper(NAME) as keeper:
                shipment = Shipment(device=NAME, release=outgoing_release(open_release(folder)), progress=Silent())
                keeper.lock("sorter", "bench")
                shipment.send(keeper, shipment.offer(keeper, keeper.status()))
                keeper.ask("install", digest=shipment.release.digest, patience_s=INSTALL_S)

        def copy(folder: Path) -> None:
            argv = [*scp(user), str(folder / "files"), f"root@127.0.0.1:{folder.parent.name}"]
            subprocess.run(argv, check=True)

        def timed(work: Callable[[Path], object]) -> float:
            folder = release()
            user.on_board(NAME, "sync")
            return seconds(lambda: work(folder))

        costs, ratios = paired_costs(lambda: timed(install), lambda: timed(copy), n=rounds)
    ratio, against = 1 / statistics.median(ratios), f"scp to an emulated board, {len(files)} files"
    yield compared("push_vs_scp_on_board", ratio, costs, bar=1.5, better="higher", against=against)


def scp(user: Edgekit) -> list[str]:
    """Its command line, up to the files."""
    (file,) = (user.home / "s").rglob("board.json")
    record = json.loads(file.read_text())
    options = (
        "StrictHostKeyChecking=yes",
        f"UserKnownHostsFile={file.parent / 'known_hosts'}",
        f"HostKeyAlias={KEY_ALIAS}",
    )
    given = [word for option in options for word in ("-o", option)]
    identity = str(Path(record["image"]) / "id_board")
    return ["scp", "-q", "-C", "-r", "-F", "none", "-i", identity, "-P", str(record["port"]), *given]


@contextmanager
def board() -> Iterator[Edgekit]:
    """A provisioned virtual board of its own, for as long as the block runs."""
    user = Edgekit(Path(tempfile.mkdtemp(prefix="ek-")))
    user.ok("keys", "init")
    try:
        user.ok("board", "up", "--name", NAME, limit_s=BOOT_S)
        user.ok("provision", NAME)
        yield user
    finally:
        user.run("board", "down", "--name", NAME)
        shutil.rmtree(user.home)
