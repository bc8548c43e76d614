"""What a worker tells of its memory: how many pictures are in use, who has them, and what engines took."""

from __future__ import annotations

from pathlib import Path

from edgekit.device.runtime.engine_memory import load_measured
from edgekit.device.runtime.reporting import RunningReports
from edgekit.device.runtime.worker_memory import MemoryTeller
from edgekit.schema.memory import MOST_HOLDERS, EngineMemory, StreamLeaseCount
from edgekit.schema.message import from_message, to_message
from edgekit.schema.plan import EnginePlan, LanePlan
from edgekit.schema.recipe import ColourContract
from edgekit.schema.report import Report
from edgekit.stage import Frame
from tests.fakes import networks, yolo
from tests.fakes.clock import Clock
from tests.fakes.frames import frame
from tests.fakes.pipelines import FakeSink, FakeSource, fake_pipeline
from tests.fakes.plans import small_plan

ENGINE = EngineMemory(name="net", runner="onnxruntime", file_bytes=5, loaded_bytes=9)


def test_a_leaked_lease_is_told_with_its_owner() -> None:
    clock, kept = Clock(), list[object]()

    def leak(frame: Frame) -> Frame:
        kept.append(frame.image.pixels)  # type: ignore[union-attr]
        return frame

    sources = [FakeSource("gate", entries=[frame(number, "gate") for number in range(4)])]
    pipeline = fake_pipeline(sources, {"out": FakeSink()}, {"leak": leak}, clock)
    entries = pipeline.feeds[0].source.entries(pipeline.feeds[0].figures)
    for _ in range(4):
        pipeline.feeds[0].turn(entries)
        while any(lane.turn() for lane in pipeline.lanes):
            pass
    clock.advance(60.0)
    reports = RunningReports(pipeline, "", clock, MemoryTeller((ENGINE,)))
    report = reports.make()
    assert report.memory is not None
    (count,) = report.memory.leases
    assert count == StreamLeaseCount(stream="gate", most=pipeline.feeds[0].leases.most, held=3, outlived=3)
    told = {(one.lane, one.place, one.outlives, one.age_s) for one in report.memory.holders}
    assert ("leak", "leak", True, 60.0) in told, "whoever took one before anybody watched is not known by name"
    assert report.memory.engines == (ENGINE,)
    assert from_message(Report, to_message(report), "worker") == report
    kept.clear()
    memory = reports.make().memory
    assert memory is not None and memory.leases[0].held == 0 and memory.holders == ()


def test_only_the_oldest_holders_are_told() -> None:
    clock, kept = Clock(), list[object]()

    def leak(frame: Frame) -> Frame:
        clock.advance(1.0)
        kept.append(frame.image.pixels)  # type: ignore[union-attr]
        return frame

    names = [f"s{number}" for number in range(MOST_HOLDERS + 4)]
    sources = [FakeSource(name, entries=[frame(0, name)]) for name in names]
    pipeline = fake_pipeline(sources, {"out": FakeSink()}, {"leak": leak}, clock)
    for feed in pipeline.feeds:
        entries = feed.source.entries(feed.figures)
        for _ in range(2):
            feed.turn(entries)
            while any(lane.turn() for lane in pipeline.lanes):
                pass
    found = MemoryTeller().tell(pipeline, clock())
    assert [one.stream for one in found.holders] == names[:MOST_HOLDERS]
    assert len(found.leases) == len(names)


def test_engines_are_loaded_one_by_one_and_measured(tmp_path: Path) -> None:
    networks.save(yolo.detector(), tmp_path / "net.onnx")
    contract = ColourContract(width_px=160, height_px=160, order="RGB", scale=1 / 255)
    engine = EnginePlan(runner="onnxruntime", path="net.onnx", input=contract, threads=1)
    plan = small_plan(engines={"net": engine, "again": engine}, lanes={"all": LanePlan(cpus=(), queue=1, drop="block")})
    runners, found = load_measured(plan, tmp_path, tmp_path / "cache")
    assert list(runners) == [one.name for one in found] == ["net", "again"]
    assert all(one.file_bytes == (tmp_path / "net.onnx").stat().st_size for one in found)
    assert all(one.accelerator_bytes is None for one in found), "a CPU has no memory of its own"
    for runner in runners.values():
        runner.close()


def test_growth_while_loading_is_of_own_pages_alone(tmp_path: Path) -> None:
    networks.save(yolo.detector(), tmp_path / "net.onnx")
    contract = ColourContract(width_px=160, height_px=160, order="RGB", scale=1 / 255)
    plan = small_plan(engines={"net": EnginePlan(runner="onnxruntime", path="net.onnx", input=contract, threads=1)})
    status = tmp_path / "status"
    status.write_text("VmRSS:\t 900 kB\nRssAnon:\t 100 kB\nRssFile:\t 700 kB\nRssShmem:\t 10 kB\n")

    class Growing(type(tmp_path)):  # type: ignore[misc]
        def read_text(self) -> str:  # type: ignore[override]
            text = super().read_text()
            self.write_text(text.replace("100 kB", "164 kB").replace("700 kB", "9000 kB"))
            return str(text)

    runners, (found,) = load_measured(plan, tmp_path, tmp_path / "cache", Growing(status))
    assert found.loaded_bytes == 64 << 10
    runners["net"].close()
