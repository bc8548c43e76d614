"""A board's life, recorded: three releases of one application beside another one; and a look at it after a cut."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.device.keeper.control.ticket import Ticket
from edgekit.device.keeper.layout import Layout
from edgekit.schema.message import to_message
from edgekit.schema.plan import StagePlan
from edgekit.schema.recipe import Golden
from edgekit.schema.report import Report
from edgekit.schema.settings import BoardSettings, NumberSetting, SettingPlace
from edgekit.trust import sha256_bytes
from tests.fakes.child import FakeChild
from tests.fakes.crashes import CrashModel, Image, after, put_down
from tests.fakes.keeper import Bench, make_layout, pulse
from tests.fakes.recording import QuickBoardDisk, QuickFilesystem, RecordingBoardDisk, RecordingFilesystem
from tests.fakes.releases import FakeRelease, make_plan, make_release
from tests.fakes.switches import BROKEN, NEWER, OLDER, KeeperFolder

SHARED = {f"site/shared/{name}.py": f"# {name}\n".encode() for name in ("a", "b", "c")}


def _release(application: str, version: str, behaviour: str = "healthy") -> FakeRelease:
    """A dozen files: some that all have, one that differs by its mode alone, some of its own."""
    plan = make_plan(application=application, version=version)
    if application == "sorter":
        stage = StagePlan(name="own", kind="python", lane="all", engine="", entry="a:B", options={"least": 0.5})
        least = NumberSetting(kind="number", about="Below it a box is dropped.", default=0.5)
        place = SettingPlace(setting="least", keys=("stages", "own", "options", "least"))
        golden = Golden(frames=("frame.png",), expected="frames.json")
        plan = replace(plan, stages=(stage,), settings={"least": least}, places=(place,), golden=golden)
    own = {
        "app/own.py": f"{application} {version}".encode(),
        "engines/net.onnx": f"weights {version}".encode() * 50,
        "site/own/deep/__init__.py": b"",
        f"site/own/v{version[0]}.py": b"#!/bin/sh\n",
    }
    return make_release(behaviour, plan=plan, extra={**SHARED, **own})


ONE, TWO, BAD = _release("sorter", "1.0.0"), _release("sorter", "2.0.0"), _release("sorter", "3.0.0")
OTHER = _release("counter", "1.0.0")
RELEASES = {release.digest: release for release in (ONE, TWO, BAD, OTHER)}
FIRST, SECOND = (
    to_message(BoardSettings(nonce=nonce, values={"least": least})) for nonce, least in (("a1", 0.6), ("b2", 0.7))
)


@dataclass(frozen=True, slots=True)
class Truth:
    """What a board is committed to: per application its release, its settings, and whether it runs; and its keeper."""

    applications: tuple[tuple[str, str, str, bool], ...]
    keeper: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One act, from call number `begins` to call number `ends`: before it one thing was true, after it another."""

    name: str
    begins: int
    ends: int
    before: Truth
    after: Truth


class Story:
    """Lived once on a folder that is recorded."""

    def __init__(self, root: Path, *, backwards: bool) -> None:
        make_layout(root)
        self._keepers = KeeperFolder(root)
        self._keepers.begin()
        self.model = CrashModel(root)
        self.disk = RecordingFilesystem(root, backwards=backwards)
        self.backwards = backwards
        self.steps: list[Step] = []
        self._bench = Bench(root, disk=self.disk, boot="the first boot")
        self._bench.available_bytes = 1 << 40
        self._fails = self._refuses = ""
        self._bench.starter.on_start = self._act
        self._live()

    def disks(self, *, every: int = 1, without: str = "") -> Iterator[tuple[int, Image]]:
        """Every disk that a cut may leave, with the number of calls before it; equal ones once. Only once.

        Args:
            every: cut only behind each so many calls.
            without: a kind of calls that the disk ignores.
        """
        calls = [replace(call, kind="nothing") if call.kind == without else call for call in self.disk.calls]
        seen: set[tuple[frozenset[Truth], Image]] = set()
        for count, image in after(calls, self.model, random.Random(1), every):
            known = frozenset(self.allowed(count)), image
            if known not in seen:
                seen.add(known)
                yield count, image

    def allowed(self, count: int) -> set[Truth]:
        """What may be true after a cut behind so many calls."""
        found: set[Truth] = set()
        for step in self.steps:
            if step.begins < count < step.ends:
                return {step.before, step.after}
            if count == step.begins:
                found.add(step.before)
            if count == step.ends:
                found.add(step.after)
        return found

    def _live(self) -> None:
        bench = self._bench
        self._do("deploy another application", lambda: self._deploy(OTHER))
        self._do("deploy the first release", lambda: self._deploy(ONE, FIRST))
        self._do("change settings", lambda: self._deploy(ONE, SECOND))
        self._do("deploy the second release", lambda: self._deploy(TWO, SECOND))
        self._fails = BAD.digest
        self._do("a trial that fails", lambda: self._deploy(BAD, FIRST))
        self._fails, self._refuses = "", BAD.digest
        self._do("golden frames that refuse it beside the old one", lambda: self._deploy(BAD, FIRST))
        self._refuses = ""
        self._do("prune", self._prune)
        self._do("roll back", lambda: self._activate(ONE, FIRST))
        self._do("stop", lambda: self._wait(bench.keeper.stop("sorter")))
        self._do("start", lambda: self._wait(bench.keeper.start("sorter")))
        self._do("deploy the third release", lambda: self._deploy(BAD, FIRST))
        self._do("prune again", self._prune)
        self._do("remove the other application", lambda: self._wait(bench.keeper.remove("counter")))
        self._do("clear", self._bench.keeper.folders.clear)
        self._do("prune at last", self._prune)
        self._do("the next keeper", lambda: self._switch(NEWER, passes=True))
        self._do("a keeper that is no good", lambda: self._switch(BROKEN, passes=False))
        self._do("the first keeper again", lambda: self._switch(OLDER, passes=True))

    def _do(self, name: str, act: Callable[[], None]) -> None:
        begins, before = len(self.disk.calls), self._truth()
        act()
        self.steps.append(Step(name=name, begins=begins, ends=len(self.disk.calls), before=before, after=self._truth()))

    def _truth(self) -> Truth:
        return truth(self._bench, self._keepers.program)

    def _switch(self, keeper: bytes, *, passes: bool) -> None:
        self._keepers.switch(keeper, RecordingBoardDisk(self.disk), passes=passes)

    def _deploy(self, release: FakeRelease, settings: bytes = b"") -> None:
        self._bench.install(release)
        self._activate(release, settings)

    def _activate(self, release: FakeRelease, settings: bytes) -> None:
        activate(self._bench, release, settings)

    def _prune(self) -> None:
        self._bench.releases.clearing.collect(self._bench.keeper.references)

    def _wait(self, _ticket: Ticket) -> None:
        self._bench.turn(times=6)

    def _act(self, child: FakeChild) -> None:
        words = " ".join(child.argv)
        if self._fails and self._fails in words and "--golden" not in child.argv:
            child.end(1)
        elif self._refuses and self._refuses in words:
            child.report(Report(phase="failed", golden="failed: off by 9 px", cause="golden"))
        else:
            pulse(child)


def activate(bench: Bench, release: FakeRelease, settings: bytes) -> Ticket:
    """Have a release tried, until it is committed or taken back; the ticket knows what is told then."""
    trusted = bench.releases.trusted(release.digest)
    found = bench.keeper.application(release.plan.application)
    current = found.state.current if found else None
    given = bench.settings.given(trusted, settings, current) if settings else bench.settings.kept(trusted, current)
    ticket = bench.keeper.activate(given)
    for _ in range(40):
        bench.turn()
        found = bench.keeper.application(release.plan.application)
        if found and not found.busy:
            return ticket
    raise AssertionError("the activation does not come to an end")


def truth(bench: Bench, keeper: bytes = b"") -> Truth:
    """What the keeper holds to be committed, and which one it is."""
    found = []
    for name in bench.keeper.names:
        state = bench.application(name).state
        settled = state.current.settings if state.current else ""
        digest = state.current.digest if state.current else ""
        if digest or state.phase == "stopped":
            found.append((name, digest, settled, state.phase == "stopped"))
    return Truth(tuple(found), keeper)


class CutDisk:
    """One disk after a cut: the board comes up from it, and is looked at."""

    def __init__(self, image: Image, root: Path, *, backwards: bool) -> None:
        put_down(image, root)
        self._root = root
        self.keepers = KeeperFolder(root)
        self.keepers.come_up()
        self.bench = Bench(root, disk=QuickFilesystem(backwards=backwards), boot="the boot after the cut")
        self.bench.starter.on_start = pulse
        self.bench.available_bytes = 1 << 40
        self.bench.turn(times=2)

    def check(self, allowed: set[Truth]) -> None:
        """Raise AssertionError where the board is not exactly the old or the new one, or believes in half a release."""
        found = truth(self.bench, self.keepers.program)
        assert found in allowed, f"{found} is none of {allowed}"
        assert self.keepers.whole
        for name, digest, settings, stopped in found.applications:
            if stopped or not digest:
                continue
            self._check_whole(digest)
            child = self.bench.child(name)
            assert digest in " ".join(child.argv)
            assert not child.ended()
            assert (sha256_bytes(child.settings) if child.settings else "") == settings
        for folder in self.bench.layout.releases_dir.iterdir():
            if self.bench.releases.installed(folder.name):
                self._check_whole(folder.name)

    def check_deployable(self) -> None:
        """Raise where one of the releases cannot be deployed, or the other application suffers by it."""
        for release in (ONE, TWO, BAD):
            self.bench.install(release)
            activate(self.bench, release, FIRST)
            assert self.bench.current == release.digest
            self._check_whole(release.digest)
        self.bench.keeper.folders.clear()
        self.bench.releases.clearing.collect(self.bench.keeper.references)
        left = [path.name for path in self.bench.layout.releases_dir.iterdir()]
        assert {TWO.digest, BAD.digest} <= set(left) <= set(RELEASES), left
        assert not list(self.bench.layout.applications_dir.glob("*.gone"))

    def check_switchable(self) -> None:
        """Raise where the board cannot be given another keeper, or does not come back from one that is no good."""
        other = NEWER if self.keepers.program == OLDER else OLDER
        self.keepers.switch(BROKEN, QuickBoardDisk(), passes=False)
        assert self.keepers.program != BROKEN and self.keepers.whole
        self.keepers.switch(other, QuickBoardDisk(), passes=True)
        assert self.keepers.program == other and self.keepers.whole

    def end(self) -> None:
        """Free what it holds."""
        for child in self.bench.starter.children:
            child.end(0)
        self.bench.keeper.close()
        self.bench.turn(times=2)
        shutil.rmtree(self._root)

    def _check_whole(self, digest: str) -> None:
        layout: Layout = self.bench.layout
        release = RELEASES[digest]
        for entry in release.manifest.files:
            file = layout.release(digest) / entry.path
            assert file.read_bytes() == release.blobs[entry.sha256], f"{entry.path} of {digest[:8]}"
            assert file.stat().st_mode & 0o777 == (0o555 if entry.executable else 0o444), f"mode of {entry.path}"
