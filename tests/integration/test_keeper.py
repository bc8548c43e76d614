"""A real keeper process in process mode, with real signatures and workers that behave as told."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.executor.local import LocalExecutor
from edgekit.executor.sent_program import skip_greeting
from edgekit.host.provision.keeper_zip import build_keeper
from edgekit.host.release.envelope import seal, unseal
from edgekit.host.release.statement import make_statement
from edgekit.schema.control import ApplicationStatus, Event, Offer, Status
from edgekit.schema.manifest import SIGNATURE_NAMESPACE
from edgekit.schema.message import from_message, from_message_data
from edgekit.trust import sign
from tests.fakes.eventually import eventually
from tests.fakes.releases import FakeRelease, make_plan, make_release
from tests.unit.host.release.test_envelope import BEGAN, MAKING

pytestmark = pytest.mark.integration

PYTHON = os.path.realpath(sys.executable)


class Device:
    """A prefix with a keeper, and a client that speaks through `connect`."""

    def __init__(self, prefix: Path, key: Path) -> None:
        self.prefix = prefix
        self.key = key
        self.pyz = prefix / "usr/lib/edgekit/edgekitd.pyz"

    @property
    def socket(self) -> Path:
        return self.prefix / "run/edgekit/control.sock"

    def keeper(self, *args: str) -> subprocess.CompletedProcess[str]:
        argv = [PYTHON, "-I", str(self.pyz), *args, "--prefix", str(self.prefix)]
        return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)

    def spawn(self) -> int:
        done = self.keeper("spawn")
        assert done.returncode == 0, done.stderr
        return int(json.loads(done.stdout)["pid"])

    def release(
        self, behaviour: str, version: str = "1.0.0", application: str = "sorter", **limits: int
    ) -> FakeRelease:
        plan = make_plan(application=application, version=version, python=PYTHON)
        plan = replace(plan, limits=replace(plan.limits, **limits))  # type: ignore[arg-type]
        return make_release(behaviour, plan=plan, sign=self.sign)

    def sign(self, text: bytes) -> bytes:
        """As the one whom the device trusts."""
        return sign(LocalExecutor(), text, key=self.key, namespace=SIGNATURE_NAMESPACE)

    def talk(self) -> Client:
        return Client(self)

    def status(self) -> Status:
        with self.talk() as client:
            return from_message_data(Status, client.ask("status").data, "status")

    def application(self, name: str = "sorter") -> ApplicationStatus:
        found = self.status().find(name)
        assert found is not None
        return found

    def deploy(self, release: FakeRelease) -> Event:
        with self.talk() as client:
            return client.deploy(release)


class Client:
    """One `edgekitd.pyz connect`, as the host runs it over SSH."""

    def __init__(self, device: Device) -> None:
        argv = [PYTHON, "-I", str(device.pyz), "connect", "--prefix", str(device.prefix)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        skip_greeting(self.process.stdout.readline)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def send(self, verb: str, payload: bytes = b"", **fields: object) -> None:
        assert self.process.stdin is not None
        request = {"verb": verb, "payload_bytes": len(payload), **fields}
        self.process.stdin.write(json.dumps(request).encode() + b"\n" + payload)
        self.process.stdin.flush()

    def event(self) -> Event:
        assert self.process.stdout is not None
        return from_message(Event, self.process.stdout.readline(), "event")

    def ask(self, verb: str, payload: bytes = b"", **fields: object) -> Event:
        self.send(verb, payload, **fields)
        while (event := self.event()).kind not in ("done", "error"):
            pass
        return event

    def upload(self, release: FakeRelease) -> Event:
        payload = release.manifest_json + release.signature
        event = self.ask("offer", payload, signature_bytes=len(release.signature))
        if event.kind == "error":
            return event
        for blob in from_message_data(Offer, event.data, "offer").missing:
            data = zlib.compress(release.blobs[blob.sha256][blob.have_bytes :])
            self.send("chunk", data, sha256=blob.sha256, offset=blob.have_bytes, encoding="zlib")
        return self.ask("install", digest=release.digest)

    def deploy(self, release: FakeRelease) -> Event:
        event = self.upload(release)
        return event if event.kind == "error" else self.ask("activate", digest=release.digest)


def alive(pid: int) -> bool:
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def workers_of(device: Device) -> list[int]:
    """Every process whose command line names the device's releases or whose folder is below its work folder."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and alive(int(entry.name)):
            try:
                words = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if f"{device.prefix}/var/lib/edgekit/releases" in words:
                found.append(int(entry.name))
    return found


@contextmanager
def running_device() -> Iterator[Device]:
    """A folder to spawn a keeper in; it is ended afterwards."""
    device = prepare(Path(tempfile.mkdtemp(prefix="ek")))
    try:
        yield device
    finally:
        device.keeper("halt")
        shutil.rmtree(device.prefix)


def prepare(prefix: Path) -> Device:
    """Lay out what a keeper needs, with a key that it trusts."""
    key = prefix / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    signers = prefix / "etc/edgekit/allowed_signers"
    signers.parent.mkdir(parents=True)
    signers.write_text("ann@example.org " + key.with_suffix(".pub").read_text())
    device = Device(prefix, key)
    device.pyz.parent.mkdir(parents=True)
    device.pyz.write_bytes(build_keeper())
    return device


@pytest.fixture
def device() -> Iterator[Device]:
    with running_device() as device:
        yield device


def test_it_comes_up_once_and_goes(device: Device) -> None:
    pid = device.spawn()
    assert device.spawn() == pid
    second = device.keeper("run")
    assert (second.returncode, "a keeper runs" in second.stderr) == (9, True)
    assert device.keeper("halt").returncode == 0
    assert not alive(pid)
    assert device.keeper("connect").returncode == 7
    assert json.loads(device.keeper("halt").stdout)["pid"] == 0


def test_a_release_runs_and_stops_cleanly(device: Device) -> None:
    device.spawn()
    release = device.release("healthy")
    event = device.deploy(release)
    assert event.kind == "done", event
    status = device.application()
    assert status.current is not None
    assert (status.current.digest, status.current.signer, status.phase) == (
        release.digest,
        "ann@example.org",
        "running",
    )
    assert status.healthy, status.unhealthy_because
    assert status.worker.limits == "advisory"
    assert status.worker.memory_current > 1 << 20
    with device.talk() as client:
        text = str(client.ask("metrics").data["text"])
        client.send("logs", lines=100)
        line = client.event().message
    assert '\nedgekit_frames_total{application="sorter"} ' in text
    assert line.startswith("keeper: ")
    assert device.deploy(release).kind == "done"
    device.keeper("halt")
    assert not alive(status.worker.pid)
    assert not workers_of(device)


@pytest.mark.parametrize(
    ("behaviour", "reason", "old_one"),
    [
        ("exits", "exited with code 3: the camera is gone", "which runs again"),
        ("crashes", "killed by SIGSEGV", "which runs again"),
        ("hangs", "no report for 1 s", "which runs again"),
        ("unhealthy", "fps 0.0 < min_fps 2.0", "which runs again"),
        ("golden", "golden frames failed: frame 1 is off by 9 px", "ran on"),
    ],
)
def test_a_bad_release_goes_back_by_itself(device: Device, behaviour: str, reason: str, old_one: str) -> None:
    device.spawn()
    good = device.release("healthy")
    assert device.deploy(good).kind == "done"
    event = device.deploy(device.release(behaviour, "2.0.0"))
    assert (event.kind, event.exit_code) == ("error", 8)
    assert reason in event.message
    assert old_one in event.message
    assert f"{behaviour} worker at work" in event.details
    status = device.application()
    assert status.current is not None
    assert status.last_failure is not None
    assert (status.current.digest, status.phase) == (good.digest, "running")
    assert (status.last_failure.version, reason in status.last_failure.reason) == ("2.0.0", True)
    eventually(lambda: device.application().healthy)
    assert len(workers_of(device)) == 1


@pytest.mark.parametrize("behaviour", ["healthy", "stubborn"])
def test_a_killed_keeper_leaves_no_orphan_and_the_next_one_goes_on(device: Device, behaviour: str) -> None:
    keeper = device.spawn()
    release = device.release(behaviour)
    assert device.deploy(release).kind == "done"
    worker = device.application().worker.pid
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: not alive(keeper))
    if behaviour == "healthy":
        eventually(lambda: not alive(worker))
    assert device.spawn() != keeper
    status = eventually(lambda: found if (found := device.application()).healthy else None)
    assert status.current is not None
    assert status.current.digest == release.digest
    assert not alive(worker)
    children = 2 if behaviour == "stubborn" else 1
    assert len(workers_of(device)) == children


def test_a_keeper_that_follows_a_killed_one_leaves_a_release_that_rotted(device: Device) -> None:
    keeper = device.spawn()
    good, rotten = device.release("healthy"), device.release("healthy", "2.0.0")
    assert device.deploy(good).kind == "done"
    assert device.deploy(rotten).kind == "done"
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: not alive(keeper))
    plan = device.prefix / "var/lib/edgekit/releases" / rotten.digest / "plan.json"
    plan.chmod(0o644)
    plan.write_bytes(plan.read_bytes().replace(b"2.0.0", b"2.0.1"))
    device.spawn()
    eventually(lambda: (ref := device.application().current) and ref.digest == good.digest)
    status = eventually(lambda: found if (found := device.application()).healthy else None)
    assert status.last_failure and "plan.json is damaged" in status.last_failure.reason


def test_a_keeper_that_is_killed_in_an_activation_comes_back_with_the_old_release(device: Device) -> None:
    keeper = device.spawn()
    good = device.release("healthy")
    assert device.deploy(good).kind == "done"
    with device.talk() as client:
        client.upload(silent := device.release("silent", "2.0.0"))
        client.send("activate", digest=silent.digest)
        assert client.event().data["phase"] == "activating"
        os.kill(keeper, signal.SIGKILL)
    eventually(lambda: not alive(keeper))
    device.spawn()
    status = eventually(lambda: found if (found := device.application()).healthy else None)
    assert status.current is not None
    assert status.last_failure is not None
    assert (status.current.digest, status.last_failure.digest) == (good.digest, silent.digest)


@pytest.mark.parametrize("again", [False, True], ids=["once", "and in its recovery, five times"])
@pytest.mark.parametrize(
    ("phase", "behaviour"), [("activating", "silent"), ("settling", "healthy"), ("rolling_back", "exits")]
)
def test_a_keeper_that_is_killed_in_any_phase_comes_back_with_one_whole_release(
    device: Device, phase: str, behaviour: str, again: bool
) -> None:
    keeper = device.spawn()
    good, bad = device.release("healthy"), device.release(behaviour, "2.0.0")
    assert device.deploy(good).kind == "done"
    with device.talk() as client:
        client.upload(bad)
        client.send("activate", digest=bad.digest)
        while (event := client.event()).kind != "state" or event.data["phase"] != phase:
            assert event.kind not in ("done", "error"), event
        os.kill(keeper, signal.SIGKILL)
    eventually(lambda: not alive(keeper))
    for number in range(5 if again else 0):
        argv = [PYTHON, "-I", str(device.pyz), "run", "--prefix", str(device.prefix)]
        short = subprocess.Popen(argv, stderr=subprocess.DEVNULL, start_new_session=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            short.wait(0.05 + 0.15 * number)
        short.kill()
        short.wait()
    device.spawn()
    status = eventually(lambda: found if (found := device.application()).healthy else None)
    assert status.current is not None and status.phase == "running"
    assert status.current.digest in {good.digest, bad.digest} if phase == "settling" else {good.digest}
    eventually(lambda: len(workers_of(device)) == 1)
    other = device.release("healthy", "3.0.0")
    for release in (other, good):
        assert device.deploy(release).kind == "done"
    current = device.application().current
    assert current is not None and current.digest == good.digest


def test_a_worker_that_ignores_sigterm_is_killed_with_its_children(device: Device) -> None:
    device.spawn()
    assert device.deploy(device.release("stubborn")).kind == "done"
    assert len(workers_of(device)) == 2
    began_s = time.monotonic()
    with device.talk() as client:
        assert client.ask("stop").kind == "done"
    assert time.monotonic() - began_s > 9
    eventually(lambda: not workers_of(device))
    assert device.application().phase == "stopped"


def test_what_is_not_signed_by_an_allowed_signer_is_refused(device: Device) -> None:
    device.spawn()
    good = device.release("healthy")
    other = device.prefix / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    stranger = sign(LocalExecutor(), good.manifest_json, key=other, namespace=SIGNATURE_NAMESPACE)
    elsewhere = sign(LocalExecutor(), good.manifest_json, key=device.key, namespace="file")
    for signature in (stranger, elsewhere, b""):
        event = device.deploy(replace(good, signature=signature))
        assert (event.kind, event.exit_code) == ("error", 6)
    changed = good.manifest_json.replace(b'"sorter"', b'"sorted"')
    assert device.deploy(replace(good, manifest_json=changed)).exit_code == 6
    assert device.status().applications == ()


def test_how_a_release_was_made_is_verified_and_kept(device: Device) -> None:
    """As the host's envelope holds it: what ssh-keygen signed there is what the keeper asks ssh-keygen of."""

    def seal_by(key: Path, digest: str) -> tuple[bytes, bytes]:
        statement = make_statement(MAKING, digest, "ann@desk", BEGAN)
        return unseal(seal(statement, lambda text: sign(LocalExecutor(), text, key=key, namespace=SIGNATURE_NAMESPACE)))

    device.spawn()
    release = device.release("healthy")
    other = device.prefix / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    with device.talk() as client:
        offer = release.manifest_json + release.signature
        assert client.ask("offer", offer, signature_bytes=len(release.signature)).kind == "done"
        for key, digest in ((other, release.digest), (device.key, "0" * 64)):
            statement, signature = seal_by(key, digest)
            refused = client.ask("provenance", statement + signature, signature_bytes=len(signature))
            assert (refused.kind, refused.exit_code) == ("error", 6)
        statement, signature = seal_by(device.key, release.digest)
        taken = client.ask("provenance", statement + signature, signature_bytes=len(signature))
        assert taken.data == {"signer": "ann@example.org"}
        for sha256, content in release.blobs.items():
            client.send("chunk", content, sha256=sha256)
        assert client.ask("install", digest=release.digest).kind == "done"
        assert client.ask("activate", digest=release.digest).kind == "done"
    folder = device.prefix / "var/lib/edgekit/releases" / release.digest
    assert (folder / "provenance.json").read_bytes() == statement
    assert (folder / "provenance.json.sig").read_bytes() == signature


def test_a_flipped_byte_in_the_store_is_found_and_sent_again(device: Device) -> None:
    device.spawn()
    release = device.release("healthy")
    with device.talk() as client:
        payload = release.manifest_json + release.signature
        event = client.ask("offer", payload, signature_bytes=len(release.signature))
        for blob in from_message_data(Offer, event.data, "offer").missing:
            client.send("chunk", release.blobs[blob.sha256], sha256=blob.sha256)
        client.ask("status")
        entry = next(entry for entry in release.manifest.files if entry.path.endswith("__main__.py"))
        stored = device.prefix / "var/lib/edgekit/store/sha256" / entry.sha256[:2] / entry.sha256
        data = bytearray(stored.read_bytes())
        data[100] ^= 1
        stored.chmod(0o644)
        stored.write_bytes(data)
        event = client.ask("install", digest=release.digest)
    assert (event.exit_code, entry.path in event.message) == (8, True)
    assert device.deploy(release).kind == "done"


def test_two_applications_live_and_die_apart(device: Device) -> None:
    keeper = device.spawn()
    steady, other = device.release("healthy"), device.release("healthy", application="counter")
    clients = [device.talk(), device.talk()]
    for client, release in zip(clients, (steady, other), strict=True):
        assert client.upload(release).kind == "done"
    for client, release in zip(clients, (steady, other), strict=True):
        client.send("activate", digest=release.digest)
    for client in clients:
        while (event := client.event()).kind not in ("done", "error"):
            pass
        assert event.kind == "done", event
        with client:
            pass
    before = device.application("sorter")
    first = device.application("counter").worker.pid
    os.kill(first, signal.SIGKILL)
    eventually(lambda: device.application("counter").worker.pid not in (0, first))
    event = device.deploy(device.release("exits", "2.0.0", "counter"))
    assert (event.kind, event.exit_code) == ("error", 8)
    assert "back to counter 1.0.0" in event.message
    eventually(lambda: device.application("counter").healthy)
    with device.talk() as client:
        assert client.ask("stop", application="counter").kind == "done"
        assert client.ask("start", application="counter").kind == "done"
        assert client.ask("remove", application="counter").kind == "done"
        assert [found.application for found in device.status().applications] == ["sorter"]
        assert client.ask("hello").kind == "done"
    folders = device.prefix / "var/lib/edgekit"
    assert [path.name for path in (folders / "apps").iterdir()] == ["sorter"]
    assert [path.name for path in (folders / "releases").iterdir()] == [steady.digest]
    after = device.application("sorter")
    assert (after.worker.pid, after.worker.restarts, after.healthy) == (before.worker.pid, 0, True)
    assert before.report is not None and after.report is not None
    assert after.report.frames > before.report.frames
    assert len(workers_of(device)) == 1
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: not alive(keeper))
    device.spawn()
    eventually(lambda: device.application("sorter").healthy)


def test_a_killed_keeper_brings_all_its_applications_back(device: Device) -> None:
    keeper = device.spawn()
    for application, behaviour in (("sorter", "stubborn"), ("counter", "stubborn")):
        assert device.deploy(device.release(behaviour, application=application)).kind == "done"
    old = set(workers_of(device))
    os.kill(keeper, signal.SIGKILL)
    eventually(lambda: not alive(keeper))
    device.spawn()
    eventually(lambda: all(found.healthy for found in device.status().applications))
    assert not old & set(workers_of(device))
    assert len(workers_of(device)) == 4


def sensor_children(keeper: int) -> list[int]:
    """Processes of this keeper that read the board's sensors."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and alive(int(entry.name)):
            try:
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if int(parent) == keeper and b"telemetry" in words:
                found.append(int(entry.name))
    return found


def told(device: Device) -> bool:
    """Whether the sensors were read, whatever this machine has of them."""
    board = device.status().board
    return board is not None and not any(note.startswith("sensors: ") for note in board.notes)


def test_sensors_are_read_by_a_child_that_starts_when_somebody_looks_and_goes_with_the_keeper(device: Device) -> None:
    keeper = device.spawn()
    assert sensor_children(keeper) == []
    eventually(lambda: told(device))
    (child,) = sensor_children(keeper)
    assert int(Path(f"/proc/{child}/oom_score_adj").read_text()) == 900
    with device.talk() as client:
        assert "edgekit_keeper_info" in str(client.ask("metrics").data["text"])
    os.kill(child, signal.SIGKILL)
    eventually(lambda: told(device) and sensor_children(keeper) not in ([], [child]))
    (second,) = sensor_children(keeper)
    device.keeper("halt")
    eventually(lambda: not alive(second))


def test_sensors_that_hang_hold_nobody(device: Device) -> None:
    """A stopped child is what a driver makes of it, but for SIGKILL."""
    keeper = device.spawn()
    eventually(lambda: told(device))
    (child,) = sensor_children(keeper)
    os.kill(child, signal.SIGSTOP)
    eventually(lambda: not told(device))
    board = device.status().board
    assert board is not None and not board.temperatures and board.notes[0].startswith("sensors: ")
    assert device.deploy(device.release("healthy")).kind == "done"
    os.kill(child, signal.SIGCONT)
    eventually(lambda: told(device))
