"""Every thread of a worker is where the plan says, as the kernel tells it: decoder, lanes, engine, sinks, server."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.board.conftest import ROOT, eventually
from tests.board.gates.conftest import GateBoard
from tests.fakes.broker import PASSWORD, USER, Broker, listening, running_broker

pytestmark = [pytest.mark.board, pytest.mark.long, pytest.mark.timeout(1800)]

LINE = ROOT / "recipes/sorting-line"
RECIPE = """
name = "desk"
version = "1.0.0"
description = "All kinds of threads that a worker has, for a test."

[settings.password]
kind = "text"
about = "The broker's."
secret = true

[models.parts]
onnx = "model.onnx"
serve = true
threads = 2
input = {{ width_px = 160, height_px = 90, order = "RGB", scale = 0.00392156862745098, sampling = "area" }}

[pipeline.sources.belt]
kind = "file"
path = "clip.mp4"
lane = "camera"

[pipeline.stages.scale]
kind = "preprocess"
lane = "camera"
model = "parts"

[pipeline.stages.see]
kind = "infer"
lane = "detect"
model = "parts"

[pipeline.stages.find]
kind = "centres"
lane = "detect"
options = {{ labels = ["disc", "square", "triangle"], threshold = 0.4 }}

[pipeline.stages.name]
kind = "colour"
lane = "detect"
options.palette = {{ red = [200, 45, 40], green = [40, 150, 70], blue = [40, 80, 195], yellow = [228, 190, 45] }}

[pipeline.stages.follow]
kind = "bytetrack"
lane = "watch"

[pipeline.stages.count]
kind = "lines"
lane = "watch"
options.lines.gate = {{ start_px = [320.0, 358.0], end_px = [320.0, 2.0] }}

[pipeline.sinks.lines]
kind = "jsonl"
path = "lines.jsonl"
lane = "watch"

[pipeline.sinks.broker]
kind = "mqtt"
host = "10.0.2.2"
port = {port}
user = "{user}"
password = {{ setting = "password" }}
lane = "watch"

[pipeline.sinks.clips]
kind = "clip"
quota = "8MiB"
lane = "watch"

[pipeline.sinks.view]
kind = "preview"
lane = "watch"

[pipeline.lanes.camera]
cpus = [0]
queue = 2

[pipeline.lanes.detect]
cpus = [0, 1]
queue = 2

[pipeline.lanes.watch]
cpus = [1]
queue = 4
scheduling = "realtime"

[limits]
memory_max = "300MiB"
cpus = 3
isolate = true

[golden]
frames = ["golden/frame-020.png"]
expected = "golden/expected.json"
position_px = 3.0
score = 0.05

[health]
settle_s = 1.0
start_s = 240.0
stall_s = 60.0
"""
ONE = "golden/frame-020.png"
LOOK = """cd /proc/{pid}/task
for t in *; do echo $(cat $t/comm) $(sed -n 's/^Cpus_allowed_list:\\t//p' $t/status) $(cut -d')' -f2- $t/stat); done"""
NICE, POLICY, PRIORITY = 16, 38, 37
"""Counted from what stands behind the name. Source: Linux, proc_pid_stat(5): fields 19, 41 and 40."""
CLASSES = {"0": "other", "1": "fifo"}


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder: Path = tmp_path_factory.mktemp("broker")
    with running_broker(folder) as broker:
        yield broker


@pytest.fixture(scope="module")
def desk(gates: GateBoard, broker: Broker) -> Iterator[GateBoard]:
    """The board, with an application that has all kinds of threads."""
    key = broker.folder / "key"
    key.touch(mode=0o600)
    key.write_text(PASSWORD)
    gates.give("desk", {"password": key})
    expected = json.loads((LINE / "golden/expected.json").read_text())
    files = {name: (LINE / name).read_bytes() for name in ("model.onnx", "clip.mp4", ONE)}
    files["golden/expected.json"] = json.dumps({Path(ONE).name: expected[Path(ONE).name]}).encode()
    gates.deploy("desk", RECIPE.format(port=broker.port, user=USER), **files)
    yield gates
    gates.remove("desk")


def threads(board: GateBoard) -> Counter[str]:
    """Of the worker: name, CPUs, scheduling class and its priority, and nice value where it has one."""
    lines = board.do(LOOK.format(pid=board.status("desk")["worker"]["pid"])).splitlines()
    found = Counter[str]()
    for line in lines:
        name, cpus, *stat = line.split()
        nice, priority = stat[NICE], stat[PRIORITY]
        found[f"{name} {cpus} {CLASSES[stat[POLICY]]} {nice if priority == '0' else priority}"] += 1
    return found


PLAN = Counter(
    {
        "python3 1-3 other 0": 1,
        "reporter 1-3 other 0": 1,
        "camera/belt 1 other 0": 1,
        "camera 1 other 0": 1,
        "detect 1-2 other 0": 1,
        "python3 1-2 other 0": 1,  # ONNX Runtime's second thread
        "watch 2 fifo 1": 1,
        "lines 2 other 0": 1,
        "broker 2 other 0": 1,
        "broker/net 2 other 0": 1,
        "clips 2 other 0": 1,
        "view 2 other 10": 1,
        "view/http 2 other 10": 1,
        "serve 3 other 10": 1,
    }
)
"""The application has CPUs 1 to 3, the recipe's lanes the first two of them."""
ASK = """python3 -c '
import json, urllib.request
tensor = {"name": "%s", "datatype": "FP32", "shape": %s, "data": [0.5] * %d}
body = json.dumps({"inputs": [tensor]}).encode()
with urllib.request.urlopen("http://127.0.0.1:8000/v2/models/parts/infer", body, timeout=120) as answer:
    print(json.load(answer)["model_name"])'"""


def test_each_thread_is_where_the_plan_says(desk: GateBoard, broker: Broker) -> None:
    with listening(broker) as listener:
        eventually(lambda: listener.of("edgekit/desk/online")[-1:] == [True], limit_s=240)
    assert desk.do(ASK % ("image", [1, 3, 90, 160], 3 * 90 * 160)) == "parts"
    eventually(lambda: "lines 2 other 0" in threads(desk), limit_s=240)  # there from the first line on
    found = threads(desk)
    assert found == PLAN, sorted(found.items())


def test_everybody_else_keeps_off_its_cpus(desk: GateBoard) -> None:
    units = ("ssh", "edgekitd")
    show = "awk '/^Cpus_allowed_list/ {{print $2}}' /proc/$(systemctl show --property MainPID --value {unit})/status"
    eventually(lambda: [desk.do(show.format(unit=unit)) for unit in units] == ["0", "0"])
