"""A served model on a real socket: a real engine, a lane with its thread, and the server around them."""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.device.runner import Runner
from edgekit.device.runner.onnxruntime import open_runner
from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.schedule.lanes import Crew, Lane
from edgekit.device.runtime.schedule.rules import rule_of_requests
from edgekit.device.runtime.server.figures import ServingFigures
from edgekit.device.runtime.server.model import ServedModel, served_stream
from edgekit.device.runtime.server.service import OipService
from edgekit.device.runtime.server.serving import ModelServer
from edgekit.schema.plan import EnginePlan, LanePlan
from edgekit.schema.recipe import ColourContract
from edgekit.schema.serve import Serve
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.networks import save, two_by_two
from tests.fakes.ports import free_port

IMAGES, WEIGHT = (1, 3, 96, 96), (1, 1, 1, 2)


def weighted(level: float = 1.0) -> dict[str, np.ndarray]:
    """Inputs of the network: `more` is their product and sum."""
    return {"images": np.full(IMAGES, level, np.float32), "weight": np.array([2.0, 1.0], np.float32).reshape(WEIGHT)}


def described(tensors: Mapping[str, np.ndarray], **more: Any) -> tuple[dict[str, Any], bytes]:
    """A request with binary tensors: its table, and the bytes."""
    inputs = [
        {
            "name": name,
            "datatype": "FP32",
            "shape": list(array.shape),
            "parameters": {"binary_data_size": array.nbytes},
        }
        for name, array in tensors.items()
    ]
    return {"inputs": inputs, **more}, b"".join(array.tobytes() for array in tensors.values())


class ServingBench:
    """One model, `net`, on a port. The lane's thread works once `run` was called, or `held` is let go of."""

    def __init__(self, folder: Path, *, serve: Serve = Serve(), held: bool = False) -> None:  # noqa: B008
        self.port = free_port()
        contract = ColourContract(width_px=96, height_px=96, order="RGB")
        engine = EnginePlan(runner="onnxruntime", path="m.onnx", input=contract, picture="images", threads=1)
        self.runner: Runner = open_runner(engine, save(two_by_two(), folder / "m.onnx"))
        self.slot = self.runner.take() if held else None
        self.lane = Lane(
            name="npu",
            plan=LanePlan(cpus=(), queue=2, drop="drop_oldest"),
            streams=frozenset(["gate"]),
            crews=(Crew(steps=(), figures=LaneFigures("npu", lambda: 0.0)),),
            served={served_stream("net"): rule_of_requests(serve)},
        )
        self.figures = ServingFigures(["net"])
        self.model = ServedModel("net", "onnxruntime", self.runner, self.lane)
        self.service = OipService({"net": self.model}, serve.requests, self.figures)
        plan = Serve(port=self.port, address=serve.address, token=serve.token, requests=serve.requests)
        self.server = ModelServer(plan, self.service, self.figures, None)
        self.lane.threads[0].thread.start()
        self.server.start()

    def __enter__(self) -> ServingBench:
        eventually(lambda: self.figures.addresses or self.figures.trouble)
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()
        self.server.drain()
        self.lane.queues.close()
        self.server.close(PATIENCE_S)
        assert self.lane.threads[0].thread.join(PATIENCE_S)
        assert not any(thread.name == "serve" for thread in threading.enumerate()), "its thread goes with it"
        self.runner.close()

    def let_go(self) -> None:
        """The engine's only slot is free again."""
        if self.slot is not None:
            self.slot.release()
            self.slot = None

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)

    def ask(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, dict[str, str], Any]:
        """Status, headers and body of an answer; JSON is read."""
        connection = self.connect()
        try:
            named = {name.replace("_", "-"): value for name, value in headers.items()}
            connection.request(method, path, body or None, named)
            answer = connection.getresponse()
            raw = answer.read()
            told = {name.lower(): value for name, value in answer.getheaders()}
            plain = told.get("content-type") == "application/json"
            return answer.status, told, json.loads(raw) if plain and raw else raw
        finally:
            connection.close()

    def infer(self, table: object, tail: bytes = b"", **headers: str) -> tuple[int, dict[str, str], Any]:
        head = table if isinstance(table, bytes) else json.dumps(table).encode()
        if tail:
            headers["Inference_Header_Content_Length"] = str(len(head))
        return self.ask("POST", "/v2/models/net/infer", head + tail, **headers)
