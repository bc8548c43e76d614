"""Builder devices over a real sshd: lock, transfer, agent, cache, and what happens when something breaks."""

from __future__ import annotations

import dataclasses
import io
import os
import platform
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import EdgekitError, EngineError, LockHeld, Unreachable
from edgekit.executor import Executor
from edgekit.executor.local import LocalExecutor
from edgekit.executor.processes import is_running
from edgekit.host.engine.builder.client import AgentClient, Held
from edgekit.host.engine.builder.devices import BuilderDevice, Builders, Patience
from edgekit.host.engine.builder.job import DeviceJob
from edgekit.host.engine.builder.remote import compile_on_device
from edgekit.host.engine.record import CompiledEngine
from edgekit.host.fit.builder import judge_builder
from edgekit.host.progress import Progress, Silent
from edgekit.schema.building import BuildRequest
from edgekit.schema.recipe import ColourContract
from edgekit.schema.target import Accelerator, Memory, Os, Target
from tests.fakes.builder_kit import pretended_kit
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.sshd import PROGRAM, Sshd, running_sshd

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(PROGRAM is None, reason="there is no sshd on this machine: apt-get install openssh-server"),
]
NO_FRAMES = np.empty((0, 3, 8, 8), np.float32)
ACCELERATOR = Accelerator(kind="onnxruntime", runtime_version="1.22")


class Heard(Silent):
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


def target_of(name: str = "board") -> Target:
    return Target(
        name=name,
        title="A board",
        os=Os(
            id="debian",
            version="12",
            arch=platform.machine(),  # type: ignore[arg-type]
            libc_version="2.36",
            python=".".join(map(str, sys.version_info[:2])),
            python_path=sys.executable,
        ),
        clusters=(),
        memory=Memory(total_bytes=8 << 30),
        accelerators=(ACCELERATOR,),
    )


def job_of(
    name: str = "net", *, target: Target | None = None, model: bytes = b"onnx", cache: bool = False
) -> DeviceJob:
    request = BuildRequest(
        kind="onnxruntime", model="model.onnx", engine="engine", timing_cache="timing.cache" if cache else ""
    )
    return DeviceJob(
        name=name,
        key=f"key-{name}",
        target=target or target_of(),
        accelerator=ACCELERATOR,
        request=request,
        model=model,
        timing_cache=b"",
        input=ColourContract(width_px=8, height_px=8, order="RGB"),
        frames=NO_FRAMES,
        outputs={"heat": (3,)},
    )


def compile_there(job: DeviceJob, builders: Builders, progress: Progress) -> CompiledEngine:
    """Without a look at the content: what a test's device compiles is no engine of any kind."""
    return compile_on_device(job, builders, progress, lambda _: None)


class Bay:
    """One builder device in a folder of its own."""

    def __init__(self, folder: Path, connect: Callable[[], Executor], name: str = "bay-1") -> None:
        self.folder = folder
        self.name, self.connect, self.prefix = name, connect, str(folder / "root")
        self.agent = Path(self.device.folder)
        self.control = self.agent / "control"
        self.kit = pretended_kit(folder / "kit")

    @property
    def device(self) -> BuilderDevice:
        """As a build gets it, each with a connection of its own."""
        return BuilderDevice(name=self.name, executor=self.connect(), prefix=self.prefix)

    def builders(self, *others: Bay, holder: str = "anna@desk", wait_s: float = 0.0) -> Builders:
        devices = tuple(bay.device for bay in (self, *others))
        judge = lambda *asked: tuple(map(str, judge_builder(*asked)))  # noqa: E731
        return Builders(devices=devices, packages=self.kit, judge=judge, holder=holder, wait_s=wait_s)

    def say(self, text: str) -> None:
        self.control.mkdir(parents=True, exist_ok=True)
        (self.control / "say").write_text(text)

    def runs(self, verb: str = "builds") -> list[str]:
        file = self.control / verb
        return file.read_text().split() if file.exists() else []

    def hold(self) -> Path:
        self.control.mkdir(parents=True, exist_ok=True)
        (self.control / "hold").touch()
        return self.control / "hold"


@pytest.fixture
def bay(tmp_path: Path) -> Bay:
    return Bay(tmp_path, LocalExecutor)


@pytest.fixture
def remote(tmp_path: Path, sshd: Sshd) -> Bay:
    return Bay(tmp_path, sshd.executor)


def in_thread(work: Callable[[], CompiledEngine]) -> tuple[threading.Thread, list[object]]:
    came: list[object] = []

    def run() -> None:
        try:
            came.append(work())
        except EdgekitError as error:
            came.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread, came


def test_an_engine_is_made_over_ssh_and_what_was_sent_stays_there(remote: Bay) -> None:
    heard = Heard()
    made = compile_there(job_of(cache=True), remote.builders(), heard)
    assert made.engine == b"engine of onnx"
    assert made.timing_cache == b"timed;"
    assert remote.runs() == ["job-key-net"]
    assert "compiling by build" in heard.notes
    blobs = sorted(path.stat().st_mtime_ns for path in (remote.agent / "blobs").iterdir())
    again = compile_there(
        dataclasses.replace(job_of("other", cache=True), timing_cache=b"old;"), remote.builders(), heard
    )
    assert again.timing_cache == b"old;timed;"
    assert len(list((remote.agent / "blobs").iterdir())) <= len(blobs) + 2  # the job's own request and cache
    assert (remote.agent.stat().st_mode & 0o777) == 0o700


def test_what_it_answers_on_frames_comes_back(bay: Bay) -> None:
    bay.control.mkdir(parents=True)
    np.savez(bay.control / "answers.npz", **{"output:heat": np.arange(3.0)})
    job = dataclasses.replace(job_of(), frames=np.zeros((2, 3, 8, 8), np.float32))
    made = compile_there(job, bay.builders(), Silent())
    np.testing.assert_array_equal(made.answers["heat"], np.arange(3.0))
    sent = np.load(io.BytesIO((bay.agent / f"laid/job-{job.key}/frames.npy").read_bytes()))
    assert sent.shape == (2, 3, 8, 8)


def test_one_at_a_time_and_the_holder_is_named(bay: Bay) -> None:
    hold = bay.hold()
    first, came = in_thread(lambda: compile_there(job_of("first"), bay.builders(holder="anna@desk"), Silent()))
    eventually(bay.runs)
    with pytest.raises(LockHeld, match=r"bay-1: anna@desk has been compiling first there for \d+ s") as raised:
        compile_there(job_of("second"), bay.builders(holder="bob@lap"), Silent())
    assert "--builder" in raised.value.hint
    waiting, second = in_thread(lambda: compile_there(job_of("second"), bay.builders(wait_s=60.0), Silent()))
    time.sleep(0.2)
    assert bay.runs() == ["job-key-first"]
    hold.unlink()
    first.join(30)
    waiting.join(30)
    assert isinstance(came[0], CompiledEngine)
    assert isinstance(second[0], CompiledEngine)
    assert bay.runs() == ["job-key-first", "job-key-second"]


def test_a_device_that_is_taken_or_gone_is_passed_over(bay: Bay, tmp_path: Path, sshd: Sshd) -> None:
    other = Bay(tmp_path / "two", LocalExecutor, "bay-2")
    gone = Bay(tmp_path / "three", lambda: sshd.executor(port=1), "bay-3")
    with AgentClient(bay.device, LocalExecutor(), sys.executable, Patience()) as client:
        client.reserve("carl@pc", "his model")
        made = compile_there(job_of(), gone.builders(bay, other), Silent())
    assert made.engine
    assert (gone.runs(), bay.runs(), other.runs()) == ([], [], ["job-key-net"])
    with pytest.raises(Unreachable):
        compile_there(job_of(), gone.builders(), Silent())


def test_the_lock_goes_with_its_holder_however_that_ends(bay: Bay) -> None:
    client = AgentClient(bay.device, LocalExecutor(), sys.executable, Patience())
    client.reserve("anna@desk", "x")
    with pytest.raises(Held), AgentClient(bay.device, LocalExecutor(), sys.executable, Patience()) as other:
        other.reserve("bob@lap", "y")
    client.__exit__()  # kills the agent
    with AgentClient(bay.device, LocalExecutor(), sys.executable, Patience()) as other:
        other.reserve("bob@lap", "y")


def test_nothing_is_done_without_the_lock(bay: Bay) -> None:
    with (
        AgentClient(bay.device, LocalExecutor(), sys.executable, Patience()) as client,
        pytest.raises(EngineError, match="not reserved"),
    ):
        client.lay("somewhere", [], keep=False)


@pytest.mark.parametrize(
    ("say", "told"),
    [
        ("no such layer", r"net on bay-1: no such layer"),
        (str(int(signal.SIGKILL)), r"compiling net on bay-1 was killed: the board ran out of memory"),
        (str(int(signal.SIGSEGV)), r"compiling net on bay-1 crashed with signal 11"),
        ("exit", r"compiling net on bay-1 ended with 7"),
        ("nothing", r"compiling net on bay-1 ended with 0"),
    ],
)
def test_a_compiler_that_fails_is_told_with_its_words(bay: Bay, say: str, told: str) -> None:
    bay.say(say)
    with pytest.raises(EngineError, match=told) as raised:
        compile_there(job_of(), bay.builders(), Silent())
    assert "noise of the compiler" in raised.value.details
    (bay.control / "say").unlink()
    assert compile_there(job_of(), bay.builders(), Silent()).engine  # and nothing of it is left


def test_a_compiler_ends_with_the_agent(bay: Bay) -> None:
    bay.hold()
    executor = LocalExecutor()
    client = AgentClient(bay.device, executor, sys.executable, Patience())
    thread, _ = in_thread(lambda: compile_there(job_of(), bay.builders(), Silent()))
    eventually(lambda: (bay.control / "pid").exists() and (bay.control / "pid").read_text())
    child = int((bay.control / "pid").read_text())
    os.kill(_parent(child), signal.SIGKILL)
    eventually(lambda: not is_running(child))
    thread.join(PATIENCE_S)
    client.__exit__()


def test_a_broken_link_costs_no_byte_twice(tmp_path: Path, sshd: Sshd) -> None:
    bay = Bay(tmp_path, sshd.executor)
    bay.kit = pretended_kit(tmp_path / "kit", extra_bytes=64 << 20)
    thread, came = in_thread(lambda: compile_there(job_of(), bay.builders(), Silent()))
    eventually(lambda: any(part.stat().st_size > 1 << 20 for part in (bay.agent / "blobs").glob("*.part")))
    sshd.stop()
    thread.join(60)
    sshd.start()
    assert isinstance(came[0], Unreachable)
    (part,) = (bay.agent / "blobs").glob("*.part")
    there = part.stat().st_size
    assert there > 1 << 20

    class Counts(Silent):
        total = 0

        def amount(self, text: str, total: int):  # type: ignore[no-untyped-def]
            Counts.total = total
            return super().amount(text, total)

    eventually(lambda: _free(bay))
    assert compile_there(job_of(), bay.builders(wait_s=30), Counts()).engine
    assert Counts.total <= (64 << 20) - there + 65536


def _free(bay: Bay) -> bool:
    try:
        with AgentClient(bay.device, LocalExecutor(), sys.executable, Patience()) as client:
            client.reserve("a", "b")
    except Held:
        return False
    return True


def test_a_link_that_breaks_while_it_compiles_does_not_stop_it(tmp_path: Path, sshd: Sshd) -> None:
    bay = Bay(tmp_path, sshd.executor)
    hold = bay.hold()
    thread, came = in_thread(lambda: compile_there(job_of(), bay.builders(), Silent()))
    eventually(bay.runs)
    sshd.stop()
    thread.join(60)
    sshd.start()
    assert isinstance(came[0], Unreachable)
    hold.unlink()
    eventually(lambda: _free(bay))
    heard = Heard()
    assert compile_there(job_of(), bay.builders(), heard).engine == b"engine of onnx"
    assert bay.runs() == ["job-key-net"]
    assert "bay-1 has compiled net already" in heard.notes


def damage(file: Path) -> None:
    data = file.read_bytes()
    file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if data else b"?")


def test_what_was_left_there_is_used_again_unless_it_is_damaged(bay: Bay) -> None:
    job = job_of()
    heard = Heard()
    compile_there(job, bay.builders(), Silent())
    assert compile_there(job, bay.builders(), heard).engine == b"engine of onnx"
    assert "bay-1 has compiled net already" in heard.notes
    assert bay.runs() == ["job-key-net"]
    damage(bay.agent / "laid/job-key-net/engine")
    assert compile_there(job, bay.builders(), Silent()).engine == b"engine of onnx"
    assert bay.runs() == ["job-key-net"] * 2


LEFT = {
    "the engine emptied": lambda job: (job / "engine").write_bytes(b""),
    "the engine replaced": lambda job: (job / "engine").write_bytes(b"evil"),
    "the engine gone": lambda job: (job / "engine").unlink(),
    "the engine a folder": lambda job: ((job / "engine").unlink(), (job / "engine").mkdir()),
    "the engine a link": lambda job: (
        (job / "engine").rename(job / "e"),
        (job / "engine").symlink_to(job / "build.json"),
    ),
    "the answer of zeros": lambda job: (job / "build-answer.json").write_bytes(bytes(300)),
    "the answer emptied": lambda job: (job / "build-answer.json").write_bytes(b""),
    "the answer of another shape": lambda job: (job / "build-answer.json").write_bytes(b'{"engine_sha256": 1}'),
    "the answer deep": lambda job: (job / "build-answer.json").write_bytes(b'{"a":' * 9000 + b"1" + b"}" * 9000),
    "the answer of an older edgekit": lambda job: (job / "build-answer.json").write_bytes(b"{}"),
    "both emptied": lambda job: [(job / name).write_bytes(b"") for name in ("engine", "build-answer.json")],
    "the model a folder": lambda job: ((job / "model.onnx").unlink(), (job / "model.onnx").mkdir()),
    "all a file": lambda job: (shutil.rmtree(job), job.write_bytes(b"")),
}
"""What a cut of power, or somebody else, may make of what a broken link left behind."""


@pytest.mark.parametrize("name", LEFT)
def test_what_was_left_behind_damaged_is_compiled_anew_at_once(name: str, bay: Bay) -> None:
    compile_there(job_of(), bay.builders(), Silent())
    LEFT[name](bay.agent / "laid/job-key-net")
    for _ in range(2):
        assert compile_there(job_of(), bay.builders(), Silent()).engine == b"engine of onnx"
    assert len(bay.runs()) == (1 if name == "the model a folder" else 2)


def test_timings_that_are_damaged_are_left_out(bay: Bay) -> None:
    assert compile_there(job_of(cache=True), bay.builders(), Silent()).timing_cache == b"timed;"
    damage(bay.agent / "laid/job-key-net/timing.cache")
    assert compile_there(job_of(cache=True), bay.builders(), Silent()).timing_cache == b""


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kit: (kit / "edgekit/device/builder/__main__.py").write_bytes(b""),
        lambda kit: (kit / "edgekit/__init__.py").unlink(),
        lambda kit: (kit / "hashlib.py").write_text("raise SystemExit('what lies beside is imported first')"),
        lambda kit: (kit / "json.py").symlink_to(kit / "edgekit/__init__.py"),
        lambda kit: (shutil.rmtree(kit), kit.write_bytes(b"")),
    ],
    ids=["emptied", "gone", "one more", "a link more", "all a file"],
)
def test_packages_of_which_anything_differs_are_laid_out_anew(spoil: Callable[[Path], object], bay: Bay) -> None:
    compile_there(job_of("first"), bay.builders(), Silent())
    (kit,) = (bay.agent / "laid").glob("packages-*")
    spoil(kit)
    assert compile_there(job_of("second"), bay.builders(), Silent()).engine == b"engine of onnx"
    (kit,) = (bay.agent / "laid").glob("packages-*")
    assert sorted(path.name for path in kit.iterdir()) == ["edgekit"]


def test_blobs_that_are_anything_else_are_sent_again(bay: Bay) -> None:
    compile_there(job_of("first"), bay.builders(), Silent())
    for index, blob in enumerate((bay.agent / "blobs").iterdir()):
        size = blob.stat().st_size
        blob.unlink()
        blob.mkdir() if index % 2 else blob.write_bytes(bytes(size))
    shutil.rmtree(bay.agent / "laid")
    assert compile_there(job_of("second"), bay.builders(), Silent()).engine == b"engine of onnx"


def test_damaged_blobs_are_sent_again(bay: Bay) -> None:
    compile_there(job_of("first"), bay.builders(), Silent())
    for blob in (bay.agent / "blobs").iterdir():
        damage(blob)
    shutil.rmtree(bay.agent / "laid")
    assert compile_there(job_of("second"), bay.builders(), Silent()).engine == b"engine of onnx"


def test_damaged_packages_are_laid_out_again(bay: Bay) -> None:
    compile_there(job_of("first"), bay.builders(), Silent())
    (program,) = (bay.agent / "laid").glob("packages-*/edgekit/device/builder/__main__.py")
    whole = program.read_bytes()
    before = program.parent.parent.parent.stat().st_ino
    compile_there(job_of("second"), bay.builders(), Silent())
    assert program.parent.parent.parent.stat().st_ino == before
    program.write_text("raise SystemExit(3)")
    assert compile_there(job_of("third"), bay.builders(), Silent()).engine == b"engine of onnx"
    assert program.read_bytes() == whole


def test_ctrl_c_here_ends_the_compiler_there(remote: Bay) -> None:
    hold = remote.hold()

    class Interrupted(Silent):
        def note(self, text: str) -> None:
            if text == "compiling by build":
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compile_there(job_of(), remote.builders(), Interrupted())
    child = int((remote.control / "pid").read_text())
    eventually(lambda: not is_running(child))
    eventually(lambda: _free(remote))
    hold.unlink()
    assert compile_there(job_of(), remote.builders(), Silent()).engine


def test_ctrl_c_on_a_broken_link_asks_no_other_device(bay: Bay) -> None:
    bay.hold()

    class Interrupted(Silent):
        def note(self, text: str) -> None:
            if text == "compiling by build":
                agent = _parent(int((bay.control / "pid").read_text()))
                os.kill(agent, signal.SIGKILL)
                eventually(lambda: not is_running(agent))
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compile_there(job_of(), bay.builders(), Interrupted())


def _parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])


def test_a_folder_that_is_not_ours_is_refused_in_a_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "root"
    blocked.write_text("a file where a folder should be")
    bay = Bay(tmp_path, LocalExecutor)
    with pytest.raises(EngineError, match="the builder bay-1 cannot go on: Not a directory"):
        compile_there(job_of(), bay.builders(), Silent())


def test_a_hundred_devices_of_four_kinds_cost_four_builds(bay: Bay, tmp_path: Path) -> None:
    from edgekit.host.engine.backends.on_device import device_key
    from edgekit.host.engine.backends.onnxruntime import TunedCompilation
    from edgekit.host.engine.making import make_engine
    from edgekit.host.engine.model.onnx_model import read_onnx
    from edgekit.host.engine.model.reference import answers_of
    from edgekit.host.engine.source import ModelSource, Pictures
    from edgekit.schema.recipe import Model
    from tests.fakes.benches import bench_in
    from tests.fakes.networks import save, tiny

    onnx = save(tiny(), tmp_path / "tiny.onnx")
    bench, builders = bench_in(tmp_path), bay.builders(wait_s=120)
    pictures = Pictures(contract=ColourContract(width_px=16, height_px=16, order="RGB"))
    bay.control.mkdir(parents=True)
    answers = {f"output:{name}": array for name, array in answers_of(onnx, pictures.tensors).items()}
    np.savez(bay.control / "answers.npz", **answers)
    kinds = [
        dataclasses.replace(ACCELERATOR, kind="tensorrt", runtime_version=version, sm_count=sms, power_mode=mode)
        for version, sms, mode in (("10.3", 8, "25W"), ("10.3", 4, "7W"), ("10.3", 8, "15W"), ("10.16", 8, "25W"))
    ]

    def build(number: int) -> str:
        accelerator = kinds[number % 4]
        target = dataclasses.replace(target_of(), accelerators=(accelerator,))
        model = Model(onnx="tiny.onnx", input=pictures.contract)
        source = ModelSource(
            name="tiny", path=onnx, file=onnx, model=model, onnx=read_onnx(onnx), target=target, pictures=pictures
        )
        key = device_key(target, accelerator, model="tiny")
        wanted = TunedCompilation(
            source=source,
            kind="tensorrt",
            key=key,
            precision="float32",
            suffix=".plan",
            bench=bench,
            builders=builders,
            accelerator=ACCELERATOR,  # this machine is none of the kinds
            request=job_of().request,
            model=onnx.read_bytes(),
        )
        return make_engine(wanted, bench.store).entry.facts["device"]

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(build, range(100)))
    assert len(bay.runs()) == 4
    assert len(set(bay.runs())) == 4
