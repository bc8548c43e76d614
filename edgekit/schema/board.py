"""What workstation and board both know of a board: where things lie, and whose they are. Typed here alone."""

from __future__ import annotations

PYTHON = "python3"
"""The board's own interpreter: any from 3.10 on."""
CONTROL_GROUP = "edgekit"
"""Who may talk to the keeper."""
WORKER_USER = "edgekit-worker"
"""Who runs applications."""
UNIT = "edgekitd.service"
"""The keeper's service."""
TRIAL_UNIT = "edgekitd-trial.service"
"""The service that watches a new keeper's trial."""
PREVIEW_FD_VARIABLE = "EDGEKIT_PREVIEW_FD"
"""Names the descriptor of a listening socket that the keeper made for a worker's viewers."""
SERVE_FD_VARIABLE = "EDGEKIT_SERVE_FD"
"""The same for the clients of its models."""
OLDEST_PYTHON = (3, 10)
"""What keeper and workers run on."""
_RESERVE_RATIO = 1 / 16
_LEAST_RESERVE_BYTES = 64 << 20


def reserve_bytes(total_bytes: int) -> int:
    """Of a board's memory (MemTotal), what is for the kernel, the system's services and the keeper: never promised
    to applications whose limits are enforced."""
    return max(int(total_bytes * _RESERVE_RATIO), _LEAST_RESERVE_BYTES) if total_bytes else 0


class BoardPaths:
    """Where things lie on a device, from its prefix: `/` on a provisioned board, a folder in process mode.

    A plain class: the keeper's `connect` runs once per command, on boards where importing `dataclasses` takes long.
    """

    __slots__ = ("prefix",)

    def __init__(self, *, prefix: str) -> None:
        self.prefix = prefix

    def below(self, path: str) -> str:
        """The place of `/path` on the device."""
        return self.prefix.rstrip("/") + path

    @property
    def program_dir(self) -> str:
        """Where the keeper's program lies."""
        return self.below("/usr/lib/edgekit")

    @property
    def program(self) -> str:
        """The keeper's zip application, as the service names it."""
        return f"{self.program_dir}/edgekitd.pyz"

    @property
    def keeper_guard(self) -> str:
        """The program that stands beside the keeper: `sent.keeper_guard`."""
        return f"{self.program_dir}/keeper-guard.py"

    @property
    def keeper_trial(self) -> str:
        """How the last switch to a new keeper went, or goes: `sent.keeper_trial`."""
        return f"{self.program_dir}/trial.json"

    @property
    def settings_dir(self) -> str:
        """What operators decide: who may sign, what the device is."""
        return self.below("/etc/edgekit")

    @property
    def allowed_signers(self) -> str:
        """Who may sign releases where there is no trust file, in OpenSSH's format."""
        return f"{self.settings_dir}/allowed_signers"

    @property
    def trust_file(self) -> str:
        """Whose signatures count, in versions that follow each other: `schema.trust`."""
        return f"{self.settings_dir}/trust.json"

    @property
    def identity_file(self) -> str:
        """What the device is: `schema.trust.DeviceIdentity`."""
        return f"{self.settings_dir}/device.json"

    @property
    def state_dir(self) -> str:
        """All that outlives a reboot."""
        return self.below("/var/lib/edgekit")

    @property
    def store_dir(self) -> str:
        """Blobs: `ab/SHA256`, and `ab/SHA256.x` for what may be run."""
        return f"{self.state_dir}/store/sha256"

    @property
    def builder_dir(self) -> str:
        """What a builder device keeps for compiling."""
        return f"{self.state_dir}/builder"

    @property
    def applications_dir(self) -> str:
        """One folder per application: its state, and its worker's folder."""
        return f"{self.state_dir}/apps"

    @property
    def run_dir(self) -> str:
        """What a reboot forgets: the socket, locks, notes of process ids."""
        return self.below("/run/edgekit")

    @property
    def socket(self) -> str:
        """Where the keeper answers."""
        return f"{self.run_dir}/control.sock"

    @property
    def preview_dir(self) -> str:
        """Where the keeper makes the sockets of running applications' previews; the worker only accepts on them."""
        return f"{self.run_dir}/preview"

    def preview_socket(self, application: str) -> str:
        """Where an application's preview is seen."""
        return f"{self.preview_dir}/{application}.sock"

    @property
    def serve_dir(self) -> str:
        """Where the keeper makes the sockets on which models are served; the worker only accepts on them."""
        return f"{self.run_dir}/serve"

    def command(self, verb: str) -> list[str]:
        """The keeper's program with one of its verbs."""
        return [PYTHON, "-I", self.program, verb, "--prefix", self.prefix]
