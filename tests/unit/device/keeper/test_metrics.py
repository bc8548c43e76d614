"""The keeper's figures can be read by Prometheus's own parser, the worker's among them."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from edgekit.device.keeper.metrics import metrics_text
from edgekit.schema.report import Report
from tests.fakes.keeper import Bench
from tests.fakes.releases import make_plan, make_release

WORKER = "# HELP edgekit_frames_total Frames.\n# TYPE edgekit_frames_total counter\nedgekit_frames_total 12\n"


def samples(text: str) -> dict[str, float]:
    return {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}


def test_keeper_and_worker_in_one_text(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(make_release(plan=make_plan(version='1.0 "beta"')))
    text = metrics_text(bench.figures.status({}), Report(phase="running", metrics=WORKER), {"sorter": 12.5})
    found = samples(text)
    assert found["edgekit_frames_total"] == 12
    assert found["edgekit_healthy"] == 1
    assert found["edgekit_worker_memory_limit_bytes"] == 64 << 20
    assert found["edgekit_worker_memory_pressure_ratio"] == 0.125
    assert found["edgekit_disk_free_bytes"] > 0


def test_every_name_ends_in_its_unit(tmp_path: Path) -> None:
    units = ("_bytes", "_seconds", "_total", "_info", "_ratio", "_healthy", "_up")
    bench = Bench(tmp_path)
    bench.commit(make_release())
    for name in samples(metrics_text(bench.figures.status({}), None, {})):
        assert name.startswith("edgekit_")
        assert name.endswith(units)
