"""A whole keeper on a folder, with fake time, workers and keys, turned by hand."""

from __future__ import annotations

from pathlib import Path

from edgekit.device.keeper.control.session import DeploymentLock, Services
from edgekit.device.keeper.control.ticket import Ticket
from edgekit.device.keeper.layout import Layout
from edgekit.device.keeper.loop import Keeper, Parts
from edgekit.device.keeper.notify import Notifier
from edgekit.device.keeper.process.cgroup import Limiter
from edgekit.device.keeper.process.journal import Journal
from edgekit.device.keeper.process.life import Surroundings
from edgekit.device.keeper.process.orphans import Orphans
from edgekit.device.keeper.process.supervisor import Supervisor
from edgekit.device.keeper.status import Figures
from edgekit.device.keeper.update.disk import Disk
from edgekit.device.keeper.update.releases import Releases
from edgekit.device.keeper.update.store import Chunk, Store
from edgekit.errors import EdgekitError
from edgekit.schema.report import Report
from tests.fakes.child import FakeChild, FakeStarter
from tests.fakes.clock import Clock
from tests.fakes.disk import CuttableDisk
from tests.fakes.releases import FakeRelease
from tests.fakes.signers import FakeKeygen

HEALTHY = Report(phase="running", fps=10.0, frames=5, golden="passed")


def make_layout(root: Path) -> Layout:
    """A prefix with its folders and an allowed_signers file."""
    layout = Layout(prefix=root)
    for folder in (layout.store_dir, layout.incoming_dir, layout.releases_dir, layout.socket.parent):
        folder.mkdir(parents=True, exist_ok=True)
    layout.allowed_signers.parent.mkdir(parents=True, exist_ok=True)
    layout.allowed_signers.write_text("ann@example.org ssh-ed25519 AAAA\n")
    return layout


class Bench:
    """Everything below one prefix. Make another one on the same prefix for a restart."""

    def __init__(self, root: Path, *, disk: Disk | None = None, limiter: Limiter | None = None) -> None:
        self.layout = make_layout(root)
        self.clock = Clock()
        self.disk = disk or CuttableDisk()
        self.starter = FakeStarter()
        self.journal = Journal(lambda data: None, lambda: 5.0)
        self.keygen = FakeKeygen()
        self.store = Store(self.layout, self.disk, reserve_bytes=0)
        self.releases = Releases(self.layout, self.disk, self.store, self.keygen)
        self.releases.tidy()
        orphans = Orphans(self.layout.worker_file)
        around = Surroundings(starter=self.starter, journal=self.journal, orphans=orphans, owner=None, clock=self.clock)
        self.supervisor = Supervisor(self.layout, limiter or Limiter(tree=None, note="no cgroups in this test"), around)
        self.keeper = Keeper(
            Parts(
                layout=self.layout,
                disk=self.disk,
                releases=self.releases,
                supervisor=self.supervisor,
                journal=self.journal,
                notifier=Notifier({}, self.clock),
                clock=self.clock,
                wall_clock=lambda: 5.0,
            )
        )
        self.figures = Figures(keeper=self.keeper, supervisor=self.supervisor, store=self.store, keeper_sha256="ab")

    def services(self) -> Services:
        return Services(
            keeper=self.keeper,
            releases=self.releases,
            store=self.store,
            journal=self.journal,
            figures=self.figures,
            lock=DeploymentLock(),
        )

    def send(self, release: FakeRelease) -> None:
        """What `offer` and `chunk` do."""
        offered = self.releases.open_offer(release.manifest_json, release.signature)
        for blob in self.store.missing(offered.sizes):
            data = release.blobs[blob.sha256]
            self.store.receive(Chunk(sha256=blob.sha256, size_bytes=len(data), offset=0, data=data))

    def install(self, release: FakeRelease) -> None:
        """What a deployment does before it activates."""
        self.send(release)
        self.releases.install(self.releases.open_offer(release.manifest_json, release.signature))

    def turn(self, seconds: float = 0.1, times: int = 1) -> None:
        """Let time pass and the loop turn."""
        for _ in range(times):
            self.clock.advance(seconds)
            for child in self.starter.children[-1:]:
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

    @property
    def state_phase(self) -> str:
        return self.keeper.view().state.phase

    @property
    def current(self) -> str:
        current = self.keeper.view().state.current
        return current.digest if current else ""


def pulse(child: FakeChild) -> None:
    """A healthy worker."""
    child.pulse = HEALTHY


def outcome(ticket: Ticket) -> str | EdgekitError:
    """The last word on a ticket that is settled already: a message, or the error."""
    message = ""
    try:
        for event in ticket.events():
            message = event.message
    except EdgekitError as error:
        return error
    return message
