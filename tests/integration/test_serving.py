"""A worker whose model is served: Triton's own client, unmodified, beside a camera that goes on."""

from __future__ import annotations

import http.client
import os
import signal
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tritonclient.http as triton
from prometheus_client.parser import text_string_to_metric_families
from tritonclient.utils import InferenceServerException

from edgekit.schema.plan import EnginePlan, LanePlan, StagePlan, WorkerPlan
from edgekit.schema.recipe import ColourContract
from edgekit.schema.serve import Serve
from edgekit.schema.settings import SettingPlace, TextSetting
from edgekit.schema.sink import JsonlSink
from edgekit.schema.source import SyntheticSource
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.networks import detector, save
from tests.fakes.plan_worker import PlanWorker
from tests.fakes.plans import small_plan
from tests.fakes.ports import free_port

pytestmark = pytest.mark.integration
TOKEN = "correct-horse-battery-9"
SHAPE = (1, 3, 96, 96)


def plan(serve: Serve) -> WorkerPlan:
    """A camera whose lane runs `net`, which is served too."""
    stage = {"lane": "npu", "engine": "net", "entry": "", "options": {}}
    contract = ColourContract(width_px=96, height_px=96, order="RGB")
    made = small_plan(
        StagePlan(name="scale", kind="preprocess", **stage),
        StagePlan(name="see", kind="infer", **stage),
        engines={"net": EnginePlan(runner="onnxruntime", path="net.onnx", input=contract, threads=1)},
        sources={"gate": SyntheticSource(kind="synthetic", lane="npu", width_px=160, height_px=120, fps=20.0)},
        sinks={"out": JsonlSink(kind="jsonl", path="out.jsonl", lane="npu")},
        lanes={"npu": LanePlan(cpus=(), queue=2, drop="drop_oldest")},
    )
    return replace(made, serve=serve, served={"net": "npu"})


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[PlanWorker, int]]:
    save(detector(), tmp_path / "net.onnx")
    port = free_port()
    worker = PlanWorker(tmp_path, plan(Serve(port=port)), {})
    worker.until_report(lambda one: one.serving is not None and one.serving.addresses == (f"127.0.0.1:{port}",))
    yield worker, port
    if worker.process.poll() is None:
        worker.close()


def picture(level: float = 0.5) -> triton.InferInput:
    array = np.full(SHAPE, level, np.float32)
    made = triton.InferInput("images", list(SHAPE), "FP32")
    made.set_data_from_numpy(array)
    return made


def test_triton_s_client_gets_all_that_the_protocol_has(served: tuple[PlanWorker, int], tmp_path: Path) -> None:
    from edgekit.device.runner.onnxruntime import load

    worker, port = served
    contract = ColourContract(width_px=96, height_px=96, order="RGB")
    runner = load(EnginePlan(runner="onnxruntime", path="net.onnx", input=contract, threads=1), tmp_path)
    reference = runner.infer({"images": np.full(SHAPE, 0.5, np.float32)})
    client = triton.InferenceServerClient(f"127.0.0.1:{port}", network_timeout=PATIENCE_S)
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("net")
    assert client.get_server_metadata()["name"] == "edgekit"
    assert client.get_model_metadata("net")["inputs"] == [{"name": "images", "datatype": "FP32", "shape": list(SHAPE)}]
    assert client.get_model_config("net")["max_batch_size"] == 0

    whole = client.infer("net", [picture()], request_id="7")
    assert whole.get_response()["id"] == "7"
    assert all(np.array_equal(whole.as_numpy(name), array) for name, array in reference.items())
    plain = picture()
    plain.set_data_from_numpy(np.full(SHAPE, 0.5, np.float32), binary_data=False)
    name = next(iter(reference))
    wanted = [triton.InferRequestedOutput(name, binary_data=False)]
    assert np.allclose(client.infer("net", [plain], outputs=wanted).as_numpy(name), reference[name])
    for coding in ("gzip", "deflate"):
        packed = client.infer("net", [picture()], request_compression_algorithm=coding)
        assert np.array_equal(packed.as_numpy(name), reference[name])
    several = [client.async_infer("net", [picture()]) for _ in range(4)]
    assert all(np.array_equal(one.get_result().as_numpy(name), reference[name]) for one in several)

    wrong = triton.InferInput("images", [1, 3, 9, 9], "FP32")
    wrong.set_data_from_numpy(np.zeros((1, 3, 9, 9), np.float32))
    for model, tensor, told in (("nope", picture(), "no model 'nope'"), ("net", wrong, "input images takes FP32")):
        with pytest.raises(InferenceServerException, match=told):
            client.infer(model, [tensor])
    client.close()

    def seen(one: object) -> bool:
        return 'edgekit_requests_total{code="200",model="net"} 8.0' in one.metrics  # type: ignore[attr-defined]

    report = worker.until_report(seen)
    assert report.serving is not None and report.serving.answered == 8
    names = {sample.name for family in text_string_to_metric_families(report.metrics) for sample in family.samples}
    assert {"edgekit_request_seconds_bucket", "edgekit_requests_under_way"} <= names
    assert report.streams[0].frames > 0 and report.streams[0].state == "live"


def test_clients_that_ask_without_end_do_not_stop_a_camera(served: tuple[PlanWorker, int]) -> None:
    worker, port = served
    over = threading.Event()
    statuses: set[int] = set()

    def ask() -> None:
        client = triton.InferenceServerClient(f"127.0.0.1:{port}", network_timeout=PATIENCE_S)
        while not over.is_set():
            try:
                client.infer("net", [picture()])
                statuses.add(200)
            except InferenceServerException as error:
                statuses.add(int(error.status()))
        client.close()

    askers = [threading.Thread(target=ask) for _ in range(12)]
    for asker in askers:
        asker.start()
    before = worker.until(lambda _: 200 in statuses)["gate"].frames
    worker.until(lambda streams: streams["gate"].frames >= before + 40)
    over.set()
    for asker in askers:
        asker.join(PATIENCE_S)
    assert statuses <= {200, 503}


def test_told_to_stop_it_answers_what_runs_and_ends(served: tuple[PlanWorker, int]) -> None:
    worker, port = served
    client = triton.InferenceServerClient(f"127.0.0.1:{port}", network_timeout=PATIENCE_S)
    assert client.infer("net", [picture()]).get_response()["model_name"] == "net"
    worker.process.send_signal(signal.SIGTERM)
    phases = [report.phase for report in worker.reports()]
    assert phases[-1] == "stopping"
    assert worker.process.wait(PATIENCE_S) == 0
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)
    client.close()


class UnixConnection(http.client.HTTPConnection):
    """To the keeper's socket, as an SSH tunnel brings clients there."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=PATIENCE_S)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(PATIENCE_S)
        self.sock.connect(str(self._path))


def test_the_token_is_a_secret_and_the_keeper_s_socket_needs_none(tmp_path: Path) -> None:
    save(detector(), tmp_path / "net.onnx")
    port = free_port()
    secret = TextSetting(kind="text", about="What clients show.", secret=True)
    shown = replace(
        plan(Serve(port=port, address="0.0.0.0", token="secret")),
        settings={"clients": secret},
        places=(SettingPlace(setting="clients", keys=("serve", "token")),),
    )
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen(16)
        worker = PlanWorker(tmp_path, shown, {"clients": TOKEN}, serve=listener)
        try:
            worker.until_report(lambda one: one.serving is not None and len(one.serving.addresses) == 2)
            connection = UnixConnection(tmp_path / "s")
            connection.request("GET", "/v2/models/net/ready")
            assert connection.getresponse().status == 200
            client = triton.InferenceServerClient(f"127.0.0.1:{port}", network_timeout=PATIENCE_S)
            for token, live in ((TOKEN, True), ("secret", False), (TOKEN + "x", False)):
                assert client.is_server_live(headers={"Authorization": f"Bearer {token}"}) is live
            assert client.infer("net", [picture()], headers={"Authorization": f"Bearer {TOKEN}"}).get_response()
            with pytest.raises(InferenceServerException, match="a token is missing"):
                client.infer("net", [picture()])
            process = Path("/proc", str(worker.process.pid))
            said = b"".join([*worker.said, worker.log.read_bytes(), (process / "cmdline").read_bytes()])
            assert TOKEN.encode() not in said + (process / "environ").read_bytes()
            nice = {
                (task / "comm").read_text().strip(): os.getpriority(os.PRIO_PROCESS, int(task.name))
                for task in (process / "task").iterdir()
            }
            assert nice["serve"] > nice["npu"], "who serves gives way to lanes"
        finally:
            worker.close()


def test_a_model_that_no_stage_runs_is_served_by_the_lane_that_is_named(tmp_path: Path) -> None:
    save(detector(), tmp_path / "net.onnx")
    port = free_port()
    lone = replace(plan(Serve(port=port)), stages=())
    worker = PlanWorker(tmp_path, lone, {})
    try:
        worker.until_report(lambda one: one.serving is not None and bool(one.serving.addresses))
        client = triton.InferenceServerClient(f"127.0.0.1:{port}", network_timeout=PATIENCE_S)
        assert client.infer("net", [picture()]).get_response()
        eventually(lambda: worker.until(lambda streams: streams["gate"].frames > 5))
    finally:
        worker.close()
