"""Where the keeper keeps things below its prefix, `/` on a provisioned board."""

from __future__ import annotations

from pathlib import Path

from edgekit.schema.board import BoardPaths


class Layout:
    """Paths only, put together once; nothing is made or read here. What the host knows too is `BoardPaths`'."""

    def __init__(self, prefix: Path) -> None:
        paths = BoardPaths(prefix=str(prefix))
        self.prefix = prefix
        self.state_dir = Path(paths.state_dir)
        """All that outlives a reboot."""
        self.store_dir = Path(paths.store_dir)
        """Blobs by digest."""
        self.incoming_dir = self.state_dir / "incoming"
        """Blobs on their way, one `.part` each."""
        self.reserve_file = self.state_dir / "reserve"
        """Room for a state where the disk is full."""
        self.releases_dir = self.state_dir / "releases"
        """Installed releases: folders of hard links into the store."""
        self.applications_dir = Path(paths.applications_dir)
        """One folder per application."""
        self.run_dir = Path(paths.run_dir)
        """What a reboot forgets."""
        self.workers_dir = self.run_dir / "workers"
        """One note per worker, for the keeper after one that was killed."""
        self.previews_dir = Path(paths.preview_dir)
        self.servers_dir = Path(paths.serve_dir)
        """Sockets that running applications are viewed by."""
        self.lock_file = self.run_dir / "keeper.lock"
        """Held by the one keeper that runs here; holds its process id."""
        self.log_file = self.state_dir / "keeper.log"
        """What a keeper in process mode says."""
        self.socket = Path(paths.socket)
        """Where the keeper answers."""
        self.settings_dir = Path(paths.settings_dir) / "apps"
        """Settings by application."""
        self.keeper_trial = Path(paths.keeper_trial)
        """How the last switch from one keeper to the next goes, or went: the guard's file."""
        self.allowed_signers = Path(paths.allowed_signers)
        """Who may sign releases where there is no trust file, in OpenSSH's format."""
        self.trust_file = Path(paths.trust_file)
        """Whose signatures count, and what is refused although it is signed."""
        self.identity_file = Path(paths.identity_file)
        """What the device was told it is."""
        self.floors_file = self.state_dir / "floors.json"
        """Counters and a time below which nothing goes; they outlive the applications that set them."""
        self.incidents_dir = self.state_dir / "incidents"
        """What went wrong: a file per application, and the board's own."""
        self.run_incidents_dir = self.run_dir / "incidents"
        """The same while the disk takes nothing."""
        self.run_mark = self.incidents_dir / "running.json"
        """There while the keeper runs."""

    @property
    def owned(self) -> bool:
        """Whether this is the system's own keeper, with users and groups made by provisioning."""
        return self.prefix == Path("/")

    def blob(self, sha256: str, executable: bool = False) -> Path:
        """A blob's file; an executable one is a file of its own, because hard links share their mode."""
        return Path(f"{self.store_dir}/{sha256[:2]}/{blob_name(sha256, executable)}")

    def part(self, sha256: str, application: str) -> Path:
        """What has arrived of a blob for one application: two may send the same blob at the same time."""
        return Path(f"{self.incoming_dir}/{sha256}.{application}.part")

    def release(self, digest: str) -> Path:
        """An installed release."""
        return self.releases_dir / digest

    def application(self, name: str) -> Path:
        """An application's folder."""
        return self.applications_dir / name

    def state_file(self, application: str) -> Path:
        """Which release of an application runs, and where an activation stands."""
        return self.application(application) / "state.json"

    def settings_folder(self, application: str) -> Path:
        """An application's settings: files by their digests, which the keeper alone may read."""
        return self.settings_dir / application

    def work(self, application: str) -> Path:
        """The folder that an application's worker may write to."""
        return self.application(application) / "work"

    def golden_work(self, application: str) -> Path:
        """The folder of what runs a new release's golden frames beside that worker; gone afterwards."""
        return self.application(application) / "golden"


def blob_name(sha256: str, executable: bool = False) -> str:
    """The last part of a blob's path."""
    return f"{sha256}.x" if executable else sha256
