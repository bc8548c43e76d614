"""The Grafana dashboard asks for what a real worker and a real keeper give: every metric, every label."""

from __future__ import annotations

import http.client
import json
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from edgekit.device.keeper.metrics import Looked, metrics_text
from edgekit.device.keeper.process.accounts import read_accounts
from edgekit.device.runtime.metrics import metrics_text as worker_metrics_text
from edgekit.host.workflow.dashboard import dashboard
from edgekit.schema.plan import EnginePlan, StagePlan, WorkerPlan
from edgekit.schema.recipe import ColourContract
from edgekit.schema.serve import Serve
from edgekit.schema.sink import ClipSink, JsonlSink
from tests.fakes.cgroups import make_leaf, make_tree
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.keeper import Bench
from tests.fakes.networks import save, two_by_two
from tests.fakes.pipelines import FakeSink, FakeSource, fake_pipeline
from tests.fakes.ports import free_port
from tests.fakes.real_worker import drawn_plan, real_release
from tests.fakes.releases import make_release
from tests.fakes.serving import described, weighted
from tests.integration.test_keeper import Device, device  # noqa: F401  a fixture
from tests.unit.device.keeper.test_metrics import read_board

pytestmark = pytest.mark.integration
Names = dict[str, frozenset[str]]
"""Of samples, with the labels that they have."""


def serving_plan(port: int) -> WorkerPlan:
    """Two cameras, and a model of two inputs that is served."""
    plan = drawn_plan(
        {
            "lines": JsonlSink(kind="jsonl", path="counts.jsonl", lane="viewers"),
            "clips": ClipSink(kind="clip", lane="viewers"),
        },
        "gate",
        "yard",
    )
    contract = ColourContract(width_px=96, height_px=96, order="RGB")
    engine = EnginePlan(runner="onnxruntime", path="engines/net.onnx", input=contract, picture="images", threads=1)
    drop = StagePlan(name="seldom", kind="python", lane="all", engine="", entry="seldom:Seldom", options={})
    return replace(
        plan,
        stages=(*plan.stages, drop),
        engines={"net": engine},
        serve=Serve(port=port),
        served={"net": "all"},
    )


SELDOM = b"""\
from edgekit.stage import Stage


class Seldom(Stage):
    def __call__(self, frame):
        frame.counts = {"seen": frame.sequence}
        return frame if frame.sequence % 2 else None
"""


def names_of(text: str) -> Names:
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return {name: frozenset(labels) for name, labels in found.items()}


def declared() -> set[str]:
    """What a worker has a family for, though this one's engine, on a CPU, has nothing to count."""
    text = worker_metrics_text(fake_pipeline([FakeSource("a")], {"out": FakeSink()}))
    kinds = dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))
    suffixes = {"histogram": ("_bucket", "_count", "_sum")}
    return {f"{name}{suffix}" for name, kind in kinds.items() for suffix in suffixes.get(kind, ("",))}


def of_a_board(folder: Path) -> Names:
    """What a keeper tells of sensors and cgroups that this machine does not have."""
    leaf = make_leaf(make_tree(folder))
    for name, content in {
        "memory.stat": "anon 1\nfile 1\nkernel 1\nshmem 1\n",
        "cpu.stat": "usage_usec 1\nthrottled_usec 1\n",
        "pids.current": "3\n",
    }.items():
        (leaf / name).write_text(content)
    bench = Bench(folder / "keeper")
    bench.commit(make_release())
    looked = Looked(accounts={"sorter": read_accounts(leaf)}, board_waited_s={("io", "some"): 1.0})
    names: Names = {}
    for case in ("orin-nx-l4t36", "rk3588-vendor-510"):  # cores of a GPU are not told apart, those of an NPU are
        board = read_board(case, folder / case)
        for name, labels in names_of(metrics_text(replace(bench.figures.status({}), board=board), looked, [])).items():
            names[name] = names.get(name, frozenset()) | labels
    return names


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ek") as made:
        yield Path(made)


def ask_once(port: int) -> int:
    table, tail = described(weighted())
    head = json.dumps(table).encode()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    try:
        lengths = {"Inference-Header-Content-Length": str(len(head))}
        connection.request("POST", "/v2/models/net/infer", head + tail, lengths)
        return connection.getresponse().status
    except ConnectionRefusedError:
        return 0
    finally:
        connection.close()


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def test_every_metric_and_label_is_one_that_is_there(device: Device, folder: Path) -> None:  # noqa: F811
    port = free_port()
    made = real_release(
        serving_plan(port),
        device.sign,
        extra={"app/seldom.py": SELDOM, "engines/net.onnx": save(two_by_two(), folder / "net.onnx").read_bytes()},
    )
    device.spawn()
    done = device.deploy(made)
    assert done.kind == "done", done
    eventually(lambda: ask_once(port) == 200)

    with device.talk() as client:

        def scraped() -> str:
            text = str(client.ask("metrics").data["text"])
            return text if "edgekit_requests_total" in text and "edgekit_dropped_total" in text else ""

        text = eventually(scraped)
    real = names_of(text)
    assert real["edgekit_frame_latency_seconds_bucket"] == {"application", "stream", "le"}
    assert 'edgekit_worker_refused_lines{application="sorter"} 0' in text, "a worker's own text is all right"
    known = real | of_a_board(folder)
    there = set(known) | declared()

    for panel in panels():
        for target in panel["targets"]:
            asked = re.findall(r"\bedgekit_[a-z0-9_]+", target["expr"])
            assert asked and set(asked) <= there, (panel["title"], set(asked) - there)
            labels = frozenset({"instance"}).union(*(known.get(name, frozenset()) for name in asked))
            used = {*re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]), *re.findall(r'(\w+)!?=~?"', target["expr"])}
            if all(name in known for name in asked):
                assert used <= labels, (panel["title"], used - labels)
    for variable in dashboard()["templating"]["list"]:
        asked = re.findall(r"\bedgekit_[a-z0-9_]+", str(variable["query"]))
        assert set(asked) <= set(real), variable["name"]


def test_a_dashboard_that_grafana_takes() -> None:
    made = dashboard()
    numbers = [panel["id"] for panel in made["panels"]]
    assert len(numbers) == len(set(numbers)) and made["uid"] == "edgekit"
    taken: set[tuple[int, int]] = set()
    for panel in made["panels"]:
        place = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= cells
    for panel in panels():
        assert panel["datasource"]["uid"] == "${datasource}"
        for target in panel["targets"]:
            expression = target["expr"]
            assert expression.count("(") == expression.count(")") and expression.count("{") == expression.count("}")
