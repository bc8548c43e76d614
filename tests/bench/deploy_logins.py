"""What many logins cost: edgekit's way to boards, on paramiko, against asyncssh, which uv fetches for this alone.

A process of its own for each, against the same sshd, as many at once; CPU time of the process from before its first
login to after its last, without what importing takes.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from measure import Figure, compared, paired_costs
from tests.fakes.sshd import Sshd

LOGINS, AT_ONCE = 500, 32
PEER = "asyncssh==2.24.1"
UV = Path(sys.executable).with_name("uv")
OURS = """\
import json, sys, time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from edgekit.executor.address import SshAddress
from edgekit.executor.ssh import SshExecutor
from edgekit.executor.ssh_files import SshFiles

told = json.loads(sys.argv[1])
files = SshFiles(user=told["user"], home=Path(told["home"]))

def login(_number):
    executor = SshExecutor(SshAddress(host="127.0.0.1", port=told["port"], identity=told["identity"]), files)
    try:
        assert executor.run(["true"], timeout_s=120).returncode == 0
    finally:
        executor.close()

login(0)
began = time.process_time()
with ThreadPoolExecutor(told["at_once"]) as pool:
    list(pool.map(login, range(told["logins"])))
print(time.process_time() - began)
"""
THEIRS = """\
import asyncio, asyncssh, json, sys, time

told = json.loads(sys.argv[1])

async def login(gate):
    async with gate, asyncssh.connect("127.0.0.1", told["port"], username=told["user"], known_hosts=told["known_hosts"],
            client_keys=[told["identity"]], config=None, agent_path=None, login_timeout=120) as connection:
        await connection.run("true", check=True)

async def main():
    gate = asyncio.Semaphore(told["at_once"])
    await login(gate)
    began = time.process_time()
    await asyncio.gather(*(login(gate) for _ in range(told["logins"])))
    print(time.process_time() - began)

asyncio.run(main())
"""


def logins(sshd: Sshd, rounds: int) -> Iterator[Figure]:
    """CPU time of a login, and what `true` takes after it."""
    told = told_of(sshd)
    ours = [sys.executable, "-c", OURS, told]
    theirs = [str(UV), "run", "-q", "--no-project", "--with", PEER, "--python", sys.executable, "python", "-c", THEIRS]
    costs, ratios = paired_costs(lambda: cpu_seconds_of(ours), lambda: cpu_seconds_of([*theirs, told]), n=rounds)
    yield compared(
        "logins_cpu_vs_asyncssh",
        statistics.median(ratios),
        costs,
        bar=None,
        better="lower",
        against=f"{PEER}, {LOGINS} logins, {AT_ONCE} at once, CPU",
    )


def told_of(sshd: Sshd) -> str:
    """Where to log in, for both programs."""
    told = {
        "user": sshd.address.partition("@")[0],
        "home": str(sshd.home),
        "port": sshd.port,
        "identity": str(sshd.identity),
        "known_hosts": str(sshd.known_hosts),
        "at_once": AT_ONCE,
        "logins": LOGINS,
    }
    return json.dumps(told)


def cpu_seconds_of(argv: list[str]) -> float:
    """What a program says that its logins took."""
    done = subprocess.run(argv, capture_output=True, text=True, timeout=900, check=True)
    return float(done.stdout)
