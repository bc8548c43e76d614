"""Where the keeper keeps things below its prefix, `/` on a provisioned board."""

from __future__ import annotations

from pathlib import Path


class Layout:
    """Paths only, put together once; nothing is made or read here."""

    def __init__(self, prefix: Path) -> None:
        self.prefix = prefix
        self.state_dir = prefix / "var/lib/edgekit"
        """All that outlives a reboot."""
        self.store_dir = self.state_dir / "store/sha256"
        """Blobs by digest."""
        self.incoming_dir = self.state_dir / "incoming"
        """Blobs on their way, one `.part` each."""
        self.releases_dir = self.state_dir / "releases"
        """Installed releases: folders of hard links into the store."""
        self.state_file = self.state_dir / "state.json"
        """Which release runs, and where an activation stands."""
        self.worker_file = self.state_dir / "worker.json"
        """The process that a dead keeper may have left behind."""
        self.lock_file = self.state_dir / "keeper.lock"
        """Held by the one keeper that runs here; holds its process id."""
        self.log_file = self.state_dir / "keeper.log"
        """What a keeper in process mode says."""
        self.socket = prefix / "run/edgekit/control.sock"
        """Where the keeper answers."""
        self.allowed_signers = prefix / "etc/edgekit/allowed_signers"
        """Who may sign releases, in OpenSSH's format."""

    @property
    def owned(self) -> bool:
        """Whether this is the system's own keeper, with users and groups made by provisioning."""
        return self.prefix == Path("/")

    def blob(self, sha256: str, executable: bool = False) -> Path:
        """A blob's file; an executable one is a file of its own, because hard links share their mode."""
        return Path(f"{self.store_dir}/{sha256[:2]}/{sha256}{'.x' if executable else ''}")

    def part(self, sha256: str) -> Path:
        """What has arrived of a blob."""
        return Path(f"{self.incoming_dir}/{sha256}.part")

    def release(self, digest: str) -> Path:
        """An installed release."""
        return self.releases_dir / digest

    def work(self, application: str) -> Path:
        """The folder that an application's worker may write to."""
        return self.state_dir / "work" / application
