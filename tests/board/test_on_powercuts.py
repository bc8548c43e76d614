"""The power goes at random moments of deployments, roll-backs and removals: `make test-powercut N=50`.

QEMU is killed, which loses what the board's kernel had not written; or reset; or the board reboots. Some go twice in a
row, some while a release settles. The board comes back by itself as exactly the old or exactly the new one; all that
counts as installed has every byte; each release can be deployed again. SEED=NUMBER repeats a run; what is done in a
round, and when, depends on the seed and the round's number alone: FROM=25 goes on where another run ended.
"""

from __future__ import annotations

import json
import os
import random
import shlex
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests.board.conftest import HEALTH, ROOT, Edgekit, eventually, fake
from tests.fakes.releases import write_release

pytestmark = [pytest.mark.board, pytest.mark.timeout(3600)]

ROUNDS = int(os.environ.get("POWERCUTS") or 2)
FIRST = int(os.environ.get("FROM") or 0)
SEED = os.environ.get("SEED") or str(random.SystemRandom().randrange(1_000_000))
BACK_S = 900
"""For an emulated board among many other tests."""
NAME = "powercuts"
SETTLE_S = 2.0
TRIES = 30
FILES, FILE_BYTES = 48, 32 << 10
MOMENTS = {
    "deploy": ("sending", "verifying", "activating", "settling", "running"),
    "bad deploy": ("sending", "verifying", "activating", "rolling"),
    "rollback": ("activating", "settling", "running"),
    "remove": ("",),
}
"""What `edgekit` says of an act when it comes to what matters: a cut is some seconds after one of these."""
CHECK = """
import hashlib, json, os
folder, bad, whole = "/var/lib/edgekit/releases", [], 0
for name in sorted(os.listdir(folder)):
    if "." in name:
        continue
    data = open(f"{folder}/{name}/manifest.json", "rb").read()
    if hashlib.sha256(data).hexdigest() != name:
        bad.append(name)
    for entry in json.loads(data)["files"]:
        with open(f"{folder}/{name}/{entry['path']}", "rb") as file:
            if hashlib.sha256(file.read()).hexdigest() != entry["sha256"]:
                bad.append(entry["path"])
    whole += 1
print(json.dumps({"bad": bad, "whole": whole}))
"""


@dataclass(frozen=True)
class Cut:
    """One round."""

    number: int
    act: str
    how: str
    moment: str
    after_s: float
    """So long after the moment."""
    again_s: float | None
    """A second cut, so long after the board has come back."""

    def __str__(self) -> str:
        again = "" if self.again_s is None else f", power again {self.again_s:.1f} s after it was back"
        return f"{self.act}, {self.how} {self.after_s:.1f} s after {self.moment or 'its start'}{again}"


def cut_of(number: int) -> Cut:
    chance = random.Random(f"{SEED} {number}")
    act = chance.choice(["deploy", "deploy", "bad deploy", "rollback", "remove"])
    return Cut(
        number=number,
        act=act,
        how=chance.choice(["power", "power", "power", "reset", "reboot"]),
        moment=chance.choice(MOMENTS[act]),
        after_s=chance.uniform(2.0, 8.0) if act == "remove" else chance.uniform(0.0, 1.5 * SETTLE_S),
        again_s=chance.uniform(0.0, 8.0) if chance.random() < 0.3 else None,
    )


@dataclass(frozen=True)
class Release:
    """A release in a folder."""

    digest: str
    folder: Path


class CutBoard:
    """A board with two releases: `before`, and `current`, which runs."""

    def __init__(self, edgekit: Edgekit, name: str) -> None:
        self.edgekit, self.name = edgekit, name
        self.before, self.current = self.release("1.0.0"), self.release("2.0.0")
        self.in_order = False
        """Whether the board is as told: not after a round that failed."""
        self.done: Counter[str] = Counter()

    def release(self, version: str, behaviour: str = "healthy") -> Release:
        """Of many files with content of their own."""
        chance = random.Random(f"{SEED} {version}")
        extra = {f"data/{number}.bin": chance.randbytes(FILE_BYTES) for number in range(FILES)}
        health = replace(HEALTH, settle_s=SETTLE_S)
        made = fake(self.edgekit, behaviour, version=version, health=health, **extra)
        return Release(made.digest, write_release(made, self.edgekit.home / f"cut-{version}"))

    def insist(self, *words: str) -> None:
        """Run a command, again where an emulated board on a busy machine does not answer in time."""
        done = self.edgekit.answered(*words, limit_s=BACK_S, tries=TRIES)
        assert done.code == 0, done.err

    def lay_out(self, before: Release, current: Release) -> None:
        """Deploy both: each is a check of its own."""
        for release in (before, current):
            self.insist("deploy", str(release.folder), self.name)
        self.before, self.current, self.in_order = before, current, True

    def start(self, cut: Cut, release: Release | None) -> tuple[subprocess.Popen[bytes], Path]:
        """Start the act; the process, and the file of what it says."""
        acts = {"rollback": ("rollback", self.name), "remove": ("remove", self.name, "sorter")}
        words = ("deploy", str(release.folder), self.name) if release else acts[cut.act]
        said = self.edgekit.home / f"said-{cut.number}"
        with said.open("wb") as out:
            argv, environ = self.edgekit.argv(*words), self.edgekit.environ
            return subprocess.Popen(argv, stdout=out, stderr=out, env=environ, cwd=ROOT), said

    def boot_id(self) -> str:
        done = self.edgekit.run("board", "ssh", "--name", self.name, "--", "cat /proc/sys/kernel/random/boot_id")
        return done.out.strip() if done.code == 0 else ""

    def cut(self, how: str, boot: str) -> None:
        """Have the board go down, and wait until it is up again; `boot` is the one that ends."""
        self.in_order = False
        if how == "power":
            self.edgekit.ok("board", "power-cut", "--name", self.name)
            self.edgekit.ok("board", "up", "--name", self.name, limit_s=BACK_S)
            return
        if how == "reset":
            self.edgekit.ok("board", "reset", "--name", self.name)
        else:
            self.edgekit.run("board", "ssh", "--name", self.name, "--", "systemctl reboot >/dev/null 2>&1 &")
        eventually(lambda: self.boot_id() not in ("", boot), limit_s=BACK_S)

    def committed(self) -> str | None:
        """The digest that is committed and healthy, "" for none; None while that is not known."""
        done = self.edgekit.run("status", self.name, "--json")
        if done.code != 0:
            return None
        found = done.json["applications"]
        if not found:
            return ""
        return str(found[0]["current"]["digest"]) if found[0]["healthy"] else None

    def wait_for_committed(self) -> str:
        found: list[str | None] = []

        def known() -> bool:
            found.append(self.committed())
            return found[-1] is not None

        eventually(known, limit_s=BACK_S)
        return found[-1] or ""

    def files(self) -> dict[str, object]:
        """Whether every file of every release is whole, read on the board."""
        found: dict[str, object] = json.loads(self.edgekit.on_board(self.name, f"python3 -c {shlex.quote(CHECK)}"))
        return found


@pytest.fixture(scope="module")
def board(edgekit: Edgekit) -> Iterator[CutBoard]:
    print(f"\nSEED={SEED} N={ROUNDS} FROM={FIRST}")
    edgekit.ok("board", "up", "--name", NAME, limit_s=1500)
    board = CutBoard(edgekit, NAME)
    board.insist("provision", NAME)
    yield board
    print("\nheld:", ", ".join(f"{count} {what}" for what, count in sorted(board.done.items())))
    edgekit.ok("board", "down", "--name", NAME)


def wait_for_moment(process: subprocess.Popen[bytes], said: Path, cut: Cut) -> None:
    """Until the act has come so far, or has ended."""
    while process.poll() is None and f": {cut.moment}" not in said.read_text() and cut.moment:
        time.sleep(0.02)
    time.sleep(cut.after_s)


@pytest.mark.parametrize("number", range(FIRST, FIRST + ROUNDS))
def test_the_board_is_exactly_the_old_or_exactly_the_new_one(board: CutBoard, number: int) -> None:
    cut = cut_of(number)
    if not board.in_order:
        board.lay_out(board.before, board.current)
    old, boot = board.current, board.boot_id()
    behaviour = {"deploy": "healthy", "bad deploy": "exits"}.get(cut.act)
    sent = board.release(f"3.0.{number}", behaviour) if behaviour else None
    new = {"deploy": sent.digest if sent else "", "rollback": board.before.digest, "remove": ""}.get(
        cut.act, old.digest
    )
    process, said = board.start(cut, sent)
    wait_for_moment(process, said, cut)
    board.cut(cut.how, boot)
    told = process.wait(timeout=BACK_S)
    if cut.again_s is not None:
        time.sleep(cut.again_s)
        board.cut("power", "")
    found, files = board.wait_for_committed(), board.files()
    which = "old" if found == old.digest else "new" if found == new else "neither"
    print(f"cut {number}: {cut}: told {told}, {which}, {files['whole']} whole releases")
    context = f"SEED={SEED}, {cut}, told {told}: {which}, {files}\n{said.read_text()}"
    assert which != "neither", context
    assert not files["bad"], context
    assert told != 0 or found == new, f"it was told as done, and is undone: {context}"
    other = sent if sent and cut.act == "deploy" else board.before
    board.lay_out(*((other, old) if found != old.digest else (old, other)))
    board.done.update([f"of {cut.act}", f"by {cut.how}", *(["twice"] if cut.again_s is not None else [])])
