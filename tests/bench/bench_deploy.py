"""`make bench-deploy`: what a deployment sends and costs, over a real sshd to a real keeper on this machine.

Wheels of two versions come from the index that uv is told of. The whole tree that figures are compared with is one
sorted tar, packed by xz.
"""

from __future__ import annotations

import argparse
import io
import json
import lzma
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from measure import Figure, compared, cpu_seconds, machine, paired_costs, seconds, spread
from parts import take

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from deploy_board import push_to_board  # noqa: E402
from deploy_logins import logins  # noqa: E402
from deploy_switch import switches  # noqa: E402
from edgekit.host.link.client import KeeperClient  # noqa: E402
from edgekit.host.progress import Silent  # noqa: E402
from edgekit.host.release.folder import open_release  # noqa: E402
from edgekit.host.workflow.shipment import Shipment, outgoing_release  # noqa: E402
from tests.fakes.bad_releases import altered, gated  # noqa: E402
from tests.fakes.cut_proxy import CutProxy, cut_proxy  # noqa: E402
from tests.fakes.sshd import running_sshd  # noqa: E402
from tests.integration.test_deploy import Site, running_site  # noqa: E402
from tests.integration.test_keeper import running_device  # noqa: E402
from tests.integration.test_keeper_siege import victim_of  # noqa: E402

CUTS = 20
LINK_BYTES_PER_S = 2 << 20
SIEGE_S_A_ROUND = 12.0
NOISE_BYTES = 20 << 20
ALONE_FILES, ALONE_BYTES = 1000, 30_000
UV = Path(sys.executable).with_name("uv")
PLATFORM = ("--python-platform", "aarch64-manylinux_2_28", "--python-version", "3.11", "--only-binary", ":all:")


@contextmanager
def board() -> Iterator[Site]:
    """A provisioned device on this machine."""
    with running_site() as site:
        assert site.edgekit("provision", "board").code == 0
        yield site


def wheel(requirement: str, folder: Path) -> dict[str, bytes]:
    """The files of a wheel for boards, as a release has them."""
    argv = [UV, "pip", "install", "-q", "--no-deps", "--target", folder, *PLATFORM, requirement]
    subprocess.run(argv, check=True, timeout=900)
    files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name != ".lock")
    return {f"site/{file.relative_to(folder).as_posix()}": file.read_bytes() for file in files}


def packed_bytes(files: dict[str, bytes]) -> int:
    """The tree as one sorted tar, packed by xz."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for path, data in sorted(files.items()):
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return len(lzma.compress(out.getvalue(), preset=6))


def deployed(site: Site, release: Path, *more: str) -> dict[str, object]:
    """Deploy, and what `--json` says of it."""
    process = site.start("deploy", str(release), "board", "--json", *more)
    out, err = process.communicate(timeout=1800)
    assert process.returncode == 0, err
    found: dict[str, object] = json.loads(out)
    return found


def percent(name: str, value: float, bar: float, against: str) -> Figure:
    """A figure that is a percentage of something counted."""
    return figure(name, value, bar, "%", against)


def figure(name: str, value: float, bar: float | None, unit: str, against: str) -> Figure:
    """A figure that is counted once, exactly."""
    ratio = value / 100 if unit == "%" else None
    bar_ratio = bar / 100 if unit == "%" and bar is not None else bar
    common = {"better": "lower", "spread": 0.0, "n": 1, "machine": machine()}
    return Figure(name=name, ratio=ratio, bar=bar_ratio, against=against, median=value, unit=unit, **common)


def delta(name: str, old: str, new: str, bar: float) -> Iterator[Figure]:
    """A step from one version of a package to the next, and that nothing is left to patch afterwards."""
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as folder, board() as site:
        before, after = wheel(old, Path(folder) / "old"), wheel(new, Path(folder) / "new")
        deployed(site, site.release("old", extra=before))
        told = deployed(site, site.release("new", version="1.0.1", extra=after))
        full = packed_bytes(after)
        yield percent(f"{name}_percent", 100 * int(str(told["sent_bytes"])) / full, bar, f"{new} packed by xz")
        yield figure(f"{name}_bytes", int(str(told["sent_bytes"])), None, "bytes", f"xz: {full}")


def config_change() -> Iterator[Figure]:
    """The shipped recipe with another limit in its plan: sent by the tool, and all that TCP carried."""
    with board() as site, proxied(site) as proxy:
        built = site.folder / "built"
        made = site.edgekit("build", str(ROOT / "recipes/sorting-line"), "--target", "host", "--out", str(built))
        assert made.code == 0, made.err
        deployed(site, built)
        proxy.sent_bytes = proxy.received_bytes = 0
        new = altered(built, site.folder / "new", version="1.0.1", key=site.key, plan=gated(0.2, start_s=60))
        told = deployed(site, new)
        yield figure("config_change_bytes", int(str(told["sent_bytes"])), 4000, "bytes", "requests and payloads")
        yield figure("config_change_tcp_bytes", proxy.sent_bytes, None, "bytes", "with SSH's login and facts, one way")


def unlike() -> Iterator[Figure]:
    """A step between files that share nothing: never more than the files."""
    with board() as site:
        deployed(site, site.release("old", extra={"engines/net.plan": os.urandom(NOISE_BYTES)}))
        told = deployed(site, site.release("new", version="1.0.1", extra={"engines/net.plan": os.urandom(NOISE_BYTES)}))
        sent = int(str(told["sent_bytes"]))
        yield percent("delta_unlike_percent", 100 * sent / NOISE_BYTES, 102, "files that share nothing, whole")


def reconnect() -> Iterator[Figure]:
    """A first deployment over a link that is cut twenty times, against one that is not: what TCP carried.

    The link is as fast as a good mobile one: what waits in a faster one, while this machine is busy, is lost as well.
    """
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as folder:
        files = wheel("numpy==2.2.5", Path(folder))
        counts = []
        for cuts in (0, CUTS):
            with board() as site, proxied(site) as proxy:
                proxy.bytes_per_s = LINK_BYTES_PER_S
                proxy.cut_every, proxy.cuts_left = (counts[0] // (cuts + 1) if cuts else 0), cuts
                deployed(site, site.release("new", extra=files))
                counts.append(proxy.sent_bytes)
                assert not proxy.cuts_left, f"{proxy.cuts_left} cuts did not happen"
    yield percent("reconnect_percent", 100 * counts[1] / counts[0], 105, f"no cut; {CUTS} cuts of the same")


@contextmanager
def proxied(site: Site) -> Iterator[CutProxy]:
    """The way to a board leads through a proxy."""
    with cut_proxy(site.sshd.port) as proxy:
        for file in (site.folder / "fleet.toml", site.sshd.known_hosts):
            file.write_text(file.read_text().replace(f":{site.sshd.port}", f":{proxy.port}"))
        yield proxy


def no_change() -> Iterator[Figure]:
    """CPU time of a deployment that changes nothing against a Python that does nothing."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}  # users keep it
    with board() as site:
        release = site.release("A")
        deployed(site, release)
        env |= {"EDGEKIT_HOME": str(site.folder / "home"), "PYTHONPATH": str(ROOT)}
        fleet = {"EDGEKIT_FLEET": str(site.folder / "fleet.toml")}
        argv = [sys.executable, "-m", "edgekit.cli.main", "deploy", str(release), "board"]
        os.chdir(site.folder)  # where fleet.toml lies
        costs, ratios = paired_costs(
            lambda: cpu_seconds(argv, env | fleet), lambda: cpu_seconds([sys.executable, "-c", "pass"], env), n=9
        )
        os.chdir(ROOT)
    ratio = statistics.median(ratios)
    yield compared("noop_deploy_vs_python", ratio, costs, bar=45, better="lower", against="python3 -c pass, CPU")


def push(rounds: int) -> Iterator[Figure]:
    """A thousand files that the board has not, from connecting to installed, against scp and rsync of the same."""
    with board() as site:
        site.sshd.configure("Subsystem sftp internal-sftp")
        peers: dict[str, Callable[[Path], list[str]]] = {"scp": lambda source: scp(site, source)}
        if shutil.which("rsync"):
            peers["rsync"] = lambda source: rsync(site, source)
        for name, argv in peers.items():
            releases = [site.release(f"{name}-{number}", extra=many()) for number in range(rounds + 1)]
            waiting = iter(releases)
            taken = iter(releases)
            costs, ratios = paired_costs(
                lambda left=waiting: seconds(lambda: install(site, next(left))),
                lambda left=taken, argv=argv: seconds(lambda: subprocess.run(argv(next(left) / "files"), check=True)),
                n=rounds,
            )
            ratio = 1 / statistics.median(ratios)
            yield compared(
                f"push_vs_{name}",
                ratio,
                costs,
                bar=1.5 if name == "scp" else None,
                better="higher",
                against=f"{name}, {ALONE_FILES} files of {ALONE_BYTES} bytes",
            )


def many() -> dict[str, bytes]:
    """A thousand files that compress as libraries do, and are like none before."""
    half = ALONE_BYTES // 2
    return {f"site/p/f{number}": os.urandom(half) + bytes(half) for number in range(ALONE_FILES)}


def install(site: Site, folder: Path) -> None:
    """Send and install a release; nothing is started."""
    executor = site.sshd.executor()
    try:
        with KeeperClient(site.sshd.device("board", prefix=str(site.prefix)), executor) as keeper:
            shipment = Shipment(device="board", release=outgoing_release(open_release(folder)), progress=Silent())
            keeper.lock("sorter", "bench")
            shipment.send(keeper, shipment.offer(keeper, keeper.status()))
            keeper.ask("install", digest=shipment.release.digest)
    finally:
        executor.close()


def scp(site: Site, source: Path) -> list[str]:
    """The same files by scp, with its compression."""
    return [
        "scp",
        "-q",
        "-C",
        "-r",
        "-P",
        *_ssh(site),
        str(source),
        f"root@127.0.0.1:{tempfile.mkdtemp(dir=site.folder)}",
    ]


def rsync(site: Site, source: Path) -> list[str]:
    """The same files by rsync, with its compression."""
    shell = " ".join(["ssh", "-p", *_ssh(site)])
    return ["rsync", "-az", "-e", shell, f"{source}/", f"root@127.0.0.1:{tempfile.mkdtemp(dir=site.folder)}/"]


def _ssh(site: Site) -> list[str]:
    known = f"UserKnownHostsFile={site.sshd.known_hosts}"
    return [str(site.sshd.port), "-F", "none", "-i", str(site.sshd.identity), "-o", known]


def attacks(rounds: int) -> Iterator[Figure]:
    """A keeper under all attacks at once: its memory, and how long who looks, stops or rolls back waits at most."""
    with running_device() as device:
        seen = victim_of(device).besiege(SIEGE_S_A_ROUND * rounds)
    print(", ".join(f"{name} {count}" for name, count in sorted(seen.attacks.items())))
    made = f"{sum(seen.attacks.values())} attacks of {len(seen.attacks)} kinds, and a worker that floods"
    waits = [wait for found in seen.waited_s.values() for wait in found]
    common = {"better": "lower", "against": made, "machine": machine(), "ratio": None}
    yield Figure(name="keeper_peak_mib", bar=64, median=seen.peak_mib, spread=0.0, unit="MiB", n=1, **common)
    longest = {"median": max(waits), "spread": spread(waits), "unit": "s", "n": len(waits)}
    yield Figure(name="urgent_answer_s", bar=5, **longest, **common)


def switch(rounds: int) -> Iterator[Figure]:
    """Downtime of a good switch, and time of a roll-back from the first sign that it is needed."""
    with board() as site:
        yield from switches(site, rounds)


def many_logins(rounds: int) -> Iterator[Figure]:
    """What many logins take of this machine's CPU, against another library."""
    with tempfile.TemporaryDirectory(prefix="edgekit-bench-") as folder, running_sshd(Path(folder)) as sshd:
        yield from logins(sshd, rounds)


PARTS: dict[str, Callable[[int], Iterator[Figure]]] = {
    "noop": lambda _: no_change(),
    "config": lambda _: config_change(),
    "numpy": lambda _: delta("delta_numpy", "numpy==2.2.4", "numpy==2.2.5", 1.6),
    "unlike": lambda _: unlike(),
    "push": push,
    "board-push": lambda rounds: push_to_board(many(), rounds),
    "logins": many_logins,
    "attacks": attacks,
    "switch": switch,
    "reconnect": lambda _: reconnect(),
    "opencv": lambda _: delta(
        "delta_opencv", "opencv-python-headless==4.11.0.86", "opencv-python-headless==4.12.0.88", 38
    ),
}


def main() -> None:
    """Take the figures, print them, write them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the figures to this file")
    parser.add_argument("--only", nargs="*", choices=PARTS, default=list(PARTS), help="some parts")
    parser.add_argument("--rounds", type=int, default=5, help="pairs of push and its peer")
    wanted = parser.parse_args()
    take({name: partial(PARTS[name], wanted.rounds) for name in wanted.only}, wanted.json)


if __name__ == "__main__":
    main()
