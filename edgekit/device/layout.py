"""Where the keeper keeps things below its prefix, `/` on a provisioned board."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Paths only; nothing is made or read here."""

    prefix: Path

    @property
    def state_dir(self) -> Path:
        """All that outlives a reboot."""
        return self.prefix / "var/lib/edgekit"

    @property
    def store_dir(self) -> Path:
        """Blobs by digest."""
        return self.state_dir / "store/sha256"

    @property
    def incoming_dir(self) -> Path:
        """Blobs on their way, one `.part` each."""
        return self.state_dir / "incoming"

    @property
    def releases_dir(self) -> Path:
        """Installed releases: folders of hard links into the store."""
        return self.state_dir / "releases"

    @property
    def state_file(self) -> Path:
        """Which release runs, and where an activation stands."""
        return self.state_dir / "state.json"

    @property
    def worker_file(self) -> Path:
        """The process that a dead keeper may have left behind."""
        return self.state_dir / "worker.json"

    @property
    def lock_file(self) -> Path:
        """Held by the one keeper that runs here; holds its process id."""
        return self.state_dir / "keeper.lock"

    @property
    def log_file(self) -> Path:
        """What a keeper in process mode says."""
        return self.state_dir / "keeper.log"

    @property
    def socket(self) -> Path:
        """Where the keeper answers."""
        return self.prefix / "run/edgekit/control.sock"

    @property
    def allowed_signers(self) -> Path:
        """Who may sign releases, in OpenSSH's format."""
        return self.prefix / "etc/edgekit/allowed_signers"

    @property
    def owned(self) -> bool:
        """Whether this is the system's own keeper, with users and groups made by provisioning."""
        return self.prefix == Path("/")

    def blob(self, sha256: str, executable: bool = False) -> Path:
        """A blob's file; an executable one is a file of its own, because hard links share their mode."""
        return self.store_dir / sha256[:2] / (sha256 + ".x" if executable else sha256)

    def part(self, sha256: str) -> Path:
        """What has arrived of a blob."""
        return self.incoming_dir / f"{sha256}.part"

    def release(self, digest: str) -> Path:
        """An installed release."""
        return self.releases_dir / digest

    def work(self, application: str) -> Path:
        """The folder that an application's worker may write to."""
        return self.state_dir / "work" / application
