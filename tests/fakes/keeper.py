"""A whole keeper on a folder, with fake time, workers and keys, turned by hand."""

from __future__ import annotations

from pathlib import Path

from edgekit.device.keeper.admission import BoardMemory
from edgekit.device.keeper.application import Application
from edgekit.device.keeper.context import ApplicationView, KeeperContext
from edgekit.device.keeper.control.locks import DeploymentLocks
from edgekit.device.keeper.control.session import Services
from edgekit.device.keeper.control.ticket import Ticket
from edgekit.device.keeper.filesystem import Filesystem
from edgekit.device.keeper.incidents.board_watch import ClockWatch
from edgekit.device.keeper.incidents.recorder import IncidentRecorder
from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.loop import Keeper
from edgekit.device.keeper.notify import Notifier
from edgekit.device.keeper.process.cgroup import Limiter
from edgekit.device.keeper.process.journal import Journal
from edgekit.device.keeper.process.life import WorkerContext
from edgekit.device.keeper.process.orphans import Orphans
from edgekit.device.keeper.process.post import usual_post
from edgekit.device.keeper.process.supervisor import Supervisor
from edgekit.device.keeper.process.worker_sockets import WorkerSockets, serves_models, shows_pictures
from edgekit.device.keeper.status import Figures
from edgekit.device.keeper.update.board_settings import SettingsFiles
from edgekit.device.keeper.update.clearing_out import References
from edgekit.device.keeper.update.patches import Patches
from edgekit.device.keeper.update.releases import Releases
from edgekit.device.keeper.update.reserve import DiskReserve
from edgekit.device.keeper.update.store import Chunk, Store
from edgekit.errors import EdgekitError
from edgekit.executor import Executor
from edgekit.schema.control import ApplicationStatus
from edgekit.schema.report import Report
from tests.fakes.child import FakeChild, FakeStarter
from tests.fakes.clock import Clock
from tests.fakes.patching import LocalPatching
from tests.fakes.recording import QuickFilesystem
from tests.fakes.releases import FakeRelease
from tests.fakes.signers import FakeKeygen

HEALTHY = Report(phase="running", fps=10.0, frames=5, golden="passed")
GOLDEN_PASSED = Report(phase="stopping", golden="passed")


def make_layout(root: Path) -> Layout:
    """A prefix with its folders and an allowed_signers file."""
    layout = Layout(prefix=root)
    state = (layout.store_dir, layout.incoming_dir, layout.releases_dir, layout.applications_dir)
    for folder in (*state, layout.run_dir, layout.workers_dir):
        folder.mkdir(parents=True, exist_ok=True)
    layout.allowed_signers.parent.mkdir(parents=True, exist_ok=True)
    layout.allowed_signers.write_text("ann@example.org ssh-ed25519 AAAA\n")
    return layout


class Bench:
    """Everything below one prefix. Make another one on the same prefix for a restart."""

    def __init__(
        self,
        root: Path,
        *,
        disk: Filesystem | None = None,
        limiter: Limiter | None = None,
        memory_bytes: int = 0,
        executor: Executor | None = None,
        boot: str = "",
    ) -> None:
        self.layout = make_layout(root)
        self.clock = Clock()
        self.disk = disk or QuickFilesystem()
        self.starter = FakeStarter()
        self.journal = Journal(lambda data: None, lambda: 5.0)
        self.keygen = FakeKeygen()
        self.store = Store(self.layout, self.disk, reserve_bytes=0, clock=self.clock)
        self.patches = Patches(self.layout, self.disk, self.store, LocalPatching())
        self.wall_s = 5.0
        """What the board's clock says: at first that it was lost."""
        self.releases = Releases(self.layout, self.disk, self.store, executor or self.keygen, lambda: self.wall_s)
        self.releases.tidy()
        self.settings = SettingsFiles(self.layout, self.disk)
        orphans = Orphans(self.layout.workers_dir, self.disk)
        self.workers = WorkerContext(
            disk=self.disk,
            starter=self.starter,
            journal=self.journal,
            orphans=orphans,
            users=None,
            clock=self.clock,
            watches_folders=False,
            previews=WorkerSockets(disk=self.disk, folder=self.layout.previews_dir, group=None, wanted=shows_pictures),
            servers=WorkerSockets(disk=self.disk, folder=self.layout.servers_dir, group=None, wanted=serves_models),
        )
        self.isolated: list[frozenset[int]] = []
        """The CPUs that were to be kept free of others, turn by turn."""
        self.available_bytes = 0
        """Memory that is free now; 0: nothing runs beside a worker."""
        self.reserve = DiskReserve(self.disk, self.layout.reserve_file)
        self.limiter = limiter or Limiter(tree=None, note="no cgroups in this test")
        watch = ClockWatch(self.clock, lambda: self.wall_s + self.clock.now_s, lambda: self.releases.trust.signed_s)
        self.recorder = IncidentRecorder(self.layout, self.disk, self.journal, self.clock, watch)
        context = KeeperContext(
            layout=self.layout,
            disk=self.disk,
            releases=self.releases,
            settings=self.settings,
            journal=self.journal,
            recorder=self.recorder,
            limiter=self.limiter,
            workers=self.workers,
            reserve=self.reserve,
            memory=BoardMemory(total_bytes=memory_bytes),
            available_bytes=lambda: self.available_bytes,
            isolate=self.isolated.append,
            clock=self.clock,
            wall_clock=lambda: self.wall_s,
            boot=boot,
        )
        self.keeper = Keeper(context, Notifier({}, self.clock))
        self.figures = Figures(keeper=self.keeper, store=self.store, keeper_sha256="ab")

    def lone_supervisor(self, application: str = "sorter") -> Supervisor:
        """A supervisor that no keeper turns."""
        return Supervisor(usual_post(application, self.layout), self.layout, self.limiter, self.workers)

    def services(self) -> Services:
        return Services(
            disk=self.disk,
            keeper=self.keeper,
            releases=self.releases,
            settings=self.settings,
            store=self.store,
            patches=self.patches,
            journal=self.journal,
            recorder=self.recorder,
            figures=self.figures,
            locks=DeploymentLocks(),
        )

    def send(self, release: FakeRelease) -> None:
        """What `offer` and `chunk` do."""
        offered = self.releases.open_offer(release.manifest_json, release.signature)
        application = offered.manifest.application
        for blob in self.store.missing(offered.sizes, application):
            data = release.blobs[blob.sha256]
            self.store.receive(
                Chunk(application=application, sha256=blob.sha256, size_bytes=len(data), offset=0, data=data)
            )

    def install(self, release: FakeRelease) -> None:
        """What a deployment does before it activates."""
        self.send(release)
        self.releases.install(self.releases.open_offer(release.manifest_json, release.signature))

    def turn(self, seconds: float = 0.1, times: int = 1) -> None:
        """Let time pass and the loop turn."""
        for _ in range(times):
            self.clock.advance(seconds)
            for child in self.starter.children:
                if child.pulse and not child.ended():
                    child.report(child.pulse)
            self.keeper.step()

    def commit(self, release: FakeRelease) -> None:
        """Install and activate a release whose worker is healthy at once."""
        self.install(release)
        self.starter.on_start = pulse
        ticket = self.keeper.activate(self.releases.trusted(release.digest))
        self.turn(0.1, times=8)
        outcome(ticket)

    def collect(self, *digests: str) -> None:
        """Clear out all but these releases."""
        self.releases.clearing.collect(lambda: References(digests=digests))

    def application(self, name: str = "sorter") -> Application:
        """What the keeper turns."""
        found = self.keeper.application(name)
        assert found is not None
        return found

    def view(self, name: str = "sorter") -> ApplicationView:
        """What can be seen of an application."""
        return self.application(name).view()

    def status(self, name: str = "sorter") -> ApplicationStatus:
        """What `status` answers about an application."""
        found = self.figures.status({}).find(name)
        assert found is not None
        return found

    @property
    def state_phase(self) -> str:
        return self.view().state.phase

    @property
    def current(self) -> str:
        found = self.keeper.application("sorter")
        return found.state.current.digest if found and found.state.current else ""

    def child(self, name: str = "sorter") -> FakeChild:
        """The application's last worker."""
        return [child for child in self.starter.children if child.argv[-1] == str(self.layout.work(name))][-1]


def pulse(child: FakeChild) -> None:
    """A healthy worker, or golden frames that pass."""
    if "--golden" in child.argv:
        child.report(GOLDEN_PASSED)
    else:
        child.pulse = HEALTHY


def outcome(ticket: Ticket) -> str | EdgekitError:
    """The last word on a ticket that is settled already: a message, or the error."""
    while True:
        found = ticket._queue.get_nowait()
        if isinstance(found, EdgekitError):
            return found
        if found.kind == "done":
            return found.message
