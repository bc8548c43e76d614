"""The keeper's figures can be read by Prometheus's own parser, the worker's among them."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from edgekit.device.keeper.metrics import Looked, metrics_text
from edgekit.device.keeper.process.accounts import LeafAccounts, read_accounts, read_waits
from edgekit.device.telemetry.sensors import Sensors
from edgekit.schema.telemetry import BoardTelemetry
from tests.fakes.cgroups import make_leaf, make_tree
from tests.fakes.keeper import HEALTHY, Bench
from tests.fakes.releases import make_plan, make_release
from tests.fakes.sensors import build_sensors

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CASES = Path(__file__).parents[3] / "cases/telemetry"

WORKER = "# HELP edgekit_frames_total Frames.\n# TYPE edgekit_frames_total counter\nedgekit_frames_total 12\n"


def samples(text: str) -> dict[str, float]:
    return {sample.name: sample.value for family in text_string_to_metric_families(text) for sample in family.samples}


def test_keeper_and_worker_in_one_text(tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.commit(make_release(plan=make_plan(version='1.0 "beta"')))
    bench.child().report(replace(HEALTHY, metrics=WORKER))
    bench.keeper.step()
    text = metrics_text(bench.figures.status({}, with_metrics=True), Looked(pressures={"sorter": 12.5}), ["sorter"])
    found = samples(text)
    assert found["edgekit_frames_total"] == 12
    assert '\nedgekit_frames_total{application="sorter"} 12\n' in text
    assert found["edgekit_worker_refused_lines"] == 0
    assert "edgekit_frames_total" not in metrics_text(bench.figures.status({}, with_metrics=True), Looked(), [])
    assert found["edgekit_healthy"] == 1
    assert found["edgekit_worker_memory_limit_bytes"] == 64 << 20
    assert found["edgekit_worker_memory_pressure_ratio"] == 0.125
    assert found["edgekit_disk_free_bytes"] > 0


def read_board(case: str, folder: Path) -> BoardTelemetry:
    table = tomllib.loads((CASES / f"{case}.toml").read_text())
    return Sensors(str(build_sensors(table, folder)), patience_s=30.0).read()


def test_sensors_of_a_jetson_are_among_them(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "keeper")
    board = read_board("orin-nx-l4t36", tmp_path / "board")
    text = metrics_text(replace(bench.figures.status({}), board=board), Looked(), [])
    for line in (
        'edgekit_board_temperature_celsius{zone="cpu"} 55.905999999999999',
        'edgekit_board_accelerator_load_ratio{accelerator="gpu"} 1',
        'edgekit_board_clock_hertz{clock="gpu"} 1173000000',
        'edgekit_board_clock_limit_hertz{clock="memory"} 3199000000',
        'edgekit_board_power_watts{rail="VDD_CPU_GPU_CV"} 0.90800000000000003',
        "edgekit_board_module_power_watts 7.7152000000000003",
        'edgekit_board_throttled{cause="heat",by="gpu-throttle-alert"} 1',
        'edgekit_board_throttled{cause="current",by="VDD_SOC"} 0',
        'edgekit_board_power_events_total{line="oc3"} 27',
    ):
        assert line in text.splitlines()
    assert "edgekit_board_power_events_total" in samples(text)


def test_what_a_board_does_not_tell_is_no_metric_and_no_zero(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "keeper")
    rock = read_board("rk3588-vendor-no-load", tmp_path / "rock")
    text = metrics_text(replace(bench.figures.status({}), board=rock), Looked(), [])
    told = {name for name in samples(text) if name.startswith("edgekit_board_")}
    assert told == {"edgekit_board_temperature_celsius", "edgekit_board_clock_hertz"}
    empty = metrics_text(replace(bench.figures.status({}), board=BoardTelemetry(notes=("nothing",))), Looked(), [])
    assert "edgekit_board_" not in empty


def test_cores_of_an_npu_are_told_apart(tmp_path: Path) -> None:
    bench = Bench(tmp_path / "keeper")
    rock = read_board("rk3588-vendor-510", tmp_path / "rock")
    text = metrics_text(replace(bench.figures.status({}), board=rock), Looked(), [])
    assert 'edgekit_board_accelerator_load_ratio{accelerator="npu",core="1"} 0.65000000000000002' in text.splitlines()


def test_every_name_ends_in_its_unit(tmp_path: Path) -> None:
    units = ("_bytes", "_seconds", "_total", "_info", "_ratio", "_healthy", "_up")
    units += ("_celsius", "_hertz", "_watts", "_throttled")
    bench = Bench(tmp_path / "keeper")
    bench.commit(make_release())
    board = read_board("orin-nx-l4t36", tmp_path / "board")
    for name in samples(metrics_text(replace(bench.figures.status({}), board=board), Looked(), [])):
        assert name.startswith("edgekit_")
        assert name.endswith(units)


def test_what_the_kernel_counts_for_a_worker(tmp_path: Path) -> None:
    leaf = make_leaf(make_tree(tmp_path))
    (leaf / "memory.stat").write_text("anon 1048576\nfile 4096\nkernel 8192\nworkingset_refault_anon 7\n")
    (leaf / "cpu.stat").write_text("usage_usec 2500000\nnr_throttled 3\nthrottled_usec 500000\n")
    (leaf / "cpu.pressure").write_text(
        "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"
    )
    (leaf / "pids.current").write_text("12\n")
    bench = Bench(tmp_path / "keeper")
    looked = Looked(accounts={"sorter": read_accounts(leaf)}, board_waited_s={("io", "full"): 2.5})
    text = metrics_text(bench.figures.status({}, with_metrics=True), looked, [])
    for line in (
        'edgekit_worker_memory_part_bytes{application="sorter",part="anon"} 1048576',
        'edgekit_worker_memory_part_bytes{application="sorter",part="kernel"} 8192',
        'edgekit_worker_memory_events_total{application="sorter",event="max"} 3',
        'edgekit_worker_pressure_seconds_total{application="sorter",resource="cpu",kind="some"} 1.5',
        'edgekit_worker_cpu_seconds_total{application="sorter"} 2.5',
        'edgekit_worker_cpu_throttled_seconds_total{application="sorter"} 0.5',
        'edgekit_worker_tasks{application="sorter"} 12',
        'edgekit_board_pressure_seconds_total{resource="io",kind="full"} 2.5',
    ):
        assert line in text.splitlines()
    assert "workingset" not in text
    assert samples(text)["edgekit_worker_tasks"] == 12


def test_a_cgroup_that_is_gone_has_no_counters(tmp_path: Path) -> None:
    assert read_accounts(tmp_path / "gone") == LeafAccounts()
    text = metrics_text(Bench(tmp_path / "keeper").figures.status({}), Looked(accounts={"a": LeafAccounts()}), [])
    assert "edgekit_worker" not in text


def test_waits_of_the_whole_board_where_the_kernel_counts_them(tmp_path: Path) -> None:
    (tmp_path / "memory").write_text("some avg10=0.00 avg60=0.00 avg300=0.00 total=250\n\nfull nothing\n")
    assert read_waits(tmp_path, "{}") == {("memory", "some"): 0.00025}
