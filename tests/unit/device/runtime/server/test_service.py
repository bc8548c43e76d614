"""The protocol over a real socket: what is right is computed, what is wrong is told in a sentence, all is bounded."""

from __future__ import annotations

import gzip
import json
import re
import socket
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.device.runtime.server.tensors import MAX_JSON_BYTES
from edgekit.schema.serve import Serve
from tests.fakes.eventually import PATIENCE_S, eventually
from tests.fakes.serving import IMAGES, WEIGHT, ServingBench, described, weighted


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[ServingBench]:
    with ServingBench(tmp_path) as made:
        yield made


def test_it_says_what_it_is(bench: ServingBench) -> None:
    status, _, server = bench.ask("GET", "/v2")
    assert (status, server["name"], server["extensions"]) == (200, "edgekit", ["binary_tensor_data"])
    for path in ("/v2/health/live", "/v2/health/ready", "/v2/models/net/ready", "/v2/models/net/versions/1/ready"):
        assert bench.ask("GET", path)[0] == 200
    _, _, model = bench.ask("GET", "/v2/models/net/versions/1")
    assert model["inputs"][0] == {"name": "images", "datatype": "FP32", "shape": list(IMAGES)}
    assert [one["name"] for one in model["outputs"]] == ["more", "less"]
    assert bench.ask("GET", "/v2/models/net/config")[2]["max_batch_size"] == 0


def test_tensors_as_bytes_both_ways(bench: ServingBench) -> None:
    table, tail = described(weighted(3.0), id="7", parameters={"binary_data_output": True})
    status, headers, body = bench.infer(table, tail)
    assert status == 200
    cut = int(headers["inference-header-content-length"])
    answer = json.loads(body[:cut])
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("7", "net", "1")
    more, less = answer["outputs"]
    values = np.frombuffer(body[cut : cut + more["parameters"]["binary_data_size"]], np.float32).reshape(more["shape"])
    reference = bench.runner.infer(weighted(3.0))
    assert np.array_equal(values, reference["more"]) and less["name"] == "less"


def test_tensors_as_json_both_ways_and_only_what_is_asked_for(bench: ServingBench) -> None:
    tensors = weighted(2.0)
    inputs = [
        {"name": "images", "datatype": "FP32", "shape": list(IMAGES), "data": tensors["images"].tolist()},
        {"name": "weight", "datatype": "FP32", "shape": list(WEIGHT), "data": [2, 1]},
    ]
    status, headers, answer = bench.infer({"inputs": inputs, "outputs": [{"name": "less"}]})
    assert (status, headers["content-type"]) == (200, "application/json")
    (less,) = answer["outputs"]
    assert np.allclose(less["data"], bench.runner.infer(tensors)["less"].reshape(-1)) and "parameters" not in less


@pytest.mark.parametrize("pack", [gzip.compress, zlib.compress])
def test_packed_requests(bench: ServingBench, pack: Any) -> None:
    table, tail = described(weighted())
    head = json.dumps(table).encode()
    coding = "gzip" if pack is gzip.compress else "deflate"
    length = {"Inference_Header_Content_Length": str(len(head)), "Content_Encoding": coding}
    assert bench.ask("POST", "/v2/models/net/infer", pack(head + tail), **length)[0] == 200


def changed(index: int, **fields: Any) -> dict[str, Any]:
    table, _ = described(weighted())
    entry = {**table["inputs"][index], **fields}
    return {"inputs": [entry if at == index else one for at, one in enumerate(table["inputs"])]}


FIRST = {"name": "images", "datatype": "FP32", "shape": list(IMAGES)}


@pytest.mark.parametrize(
    ("table", "told"),
    [
        (b"{", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[]", "no JSON object"),
        (b'{"inputs": 3}', "inputs is no list"),
        (b'{"inputs": [3]}', "inputs is no list"),
        ({"inputs": []}, "input images is missing"),
        ({"inputs": [{}]}, "an input has no name"),
        (changed(0, name="image"), "no input 'image', it has: images, weight"),
        (changed(1, name="images", shape=list(IMAGES)), "input images is given twice"),
        (changed(0, datatype="FP16"), r"input images takes FP32 \[1, 3, 96, 96\], it was given FP16"),
        (changed(0, datatype=None), "it was given None"),
        (changed(0, shape=[1, 3, 96, 95]), r"it was given FP32 \[1, 3, 96, 95\]"),
        (changed(0, shape=[-1, 3, 96, 96]), r"it was given FP32 \[-1"),
        (changed(0, shape="x" * 10_000), "it was given FP32 x"),
        (changed(0, parameters={"binary_data_size": 4}), "has 110592 bytes by its shape, and 4"),
        (changed(0, parameters={"binary_data_size": "110592"}), "by its shape"),
        (changed(0, parameters={"binary_data_size": -1}), "by its shape"),
        (changed(0, parameters=3), "parameters is no object"),
        (changed(0, parameters={"shared_memory_region": "x"}), "shared memory"),
        ({"inputs": [{**FIRST, "data": [1.0]}]}, "data are not 27648 numbers of FP32"),
        ({"inputs": [{**FIRST, "data": ["a"] * 27648}]}, "data are not"),
        ({"inputs": [{**FIRST, "data": [[1], [1, 2]]}]}, "data are not"),
        ({"inputs": [{**FIRST, "data": [None] * 27648}]}, "data are not"),
        ({"inputs": [{**FIRST, "data": "no"}]}, "has no data"),
        ({**changed(0), "outputs": [{"name": "most"}]}, "no output 'most', it has: more, less"),
        ({**changed(0), "outputs": [{"name": "more", "parameters": {"classification": 3}}]}, "classification"),
    ],
)
def test_what_is_wrong_is_told_in_a_sentence(bench: ServingBench, table: Any, told: str) -> None:
    status, _, answer = bench.infer(table, described(weighted())[1])
    assert status == 400 and set(answer) == {"error"} and "\n" not in answer["error"]
    assert re.search(told, answer["error"]), answer
    assert len(answer["error"]) < 400
    table, tail = described(weighted())
    assert bench.infer(table, tail)[0] == 200, "and the next one is answered"


@pytest.mark.parametrize(("tail", "told"), [(b"x", "only 1 follow"), (None, "5 bytes follow the tensors")])
def test_bytes_that_do_not_fit_the_tensors(bench: ServingBench, tail: bytes | None, told: str) -> None:
    table, whole = described(weighted())
    status, _, answer = bench.infer(table, tail if tail is not None else whole + b"12345")
    assert (status, told in answer["error"]) == (400, True)


@pytest.mark.parametrize(
    ("method", "path", "status", "told"),
    [
        ("GET", "/", 404, "nothing at this path"),
        ("GET", "/v2/models/other", 404, "no model 'other': net"),
        ("POST", "/v2/models/other/infer", 404, "no model 'other': net"),
        ("GET", "/v2/models/net/versions/2", 404, "version 1 alone"),
        ("GET", "/v2/models/net/infer", 405, "POST"),
        ("POST", "/v2", 405, "only GET"),
        ("DELETE", "/v2/models/net", 405, "only GET"),
    ],
)
def test_paths_and_methods_that_are_not_there(bench: ServingBench, method, path, status, told) -> None:
    code, _, answer = bench.ask(method, path, b"{}" if method == "POST" else b"")
    assert (code, told in answer["error"]) == (status, True)


@pytest.mark.parametrize(
    ("headers", "status", "told"),
    [
        ({"Content-Length": "99999999999"}, 413, "takes 1159176 at most"),
        ({"Content-Length": "5", "Content-Encoding": "br"}, 415, "gzip or deflate"),
        ({"Content-Length": "5", "Content-Encoding": "gzip"}, 400, "cannot be unpacked"),
        ({"Content-Length": "5", "Inference-Header-Content-Length": "6"}, 400, "is 6, and the request has 5 bytes"),
        ({"Content-Length": "5", "Inference-Header-Content-Length": "-6"}, 400, "is no number"),
        ({"Transfer-Encoding": "chunked"}, 411, "Content-Length"),
    ],
)
def test_bodies_that_are_not_read(bench: ServingBench, headers: dict[str, str], status: int, told: str) -> None:
    connection = bench.connect()
    connection.putrequest("POST", "/v2/models/net/infer")
    for name, value in headers.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.send(b"hello")
    answer = connection.getresponse()
    assert (answer.status, told in json.loads(answer.read())["error"]) == (status, True)
    connection.close()


def test_json_that_is_too_long_to_be_read_beside_lanes(bench: ServingBench) -> None:
    status, _, answer = bench.infer(b" " * (MAX_JSON_BYTES + 1))
    assert (status, "binary data" in answer["error"]) == (413, True)


def test_a_packed_body_that_grows_without_end(bench: ServingBench) -> None:
    bomb = gzip.compress(bytes(50_000_000))
    status, _, answer = bench.infer(bomb, Content_Encoding="gzip")
    assert (status, "unpacks to more" in answer["error"]) == (413, True)


def test_who_comes_while_too_many_are_under_way_is_asked_to_come_again(tmp_path: Path) -> None:
    with ServingBench(tmp_path, serve=Serve(requests=2), held=True) as bench:
        table, tail = described(weighted())
        told: list[int] = []
        askers = [threading.Thread(target=lambda: told.append(bench.infer(table, tail)[0])) for _ in range(2)]
        for asker in askers:
            asker.start()
        eventually(lambda: bench.figures.under_way == 2)
        status, headers, answer = bench.infer(table, tail)
        assert (status, headers["retry-after"]) == (503, "1") and "2 requests are under way" in answer["error"]
        assert bench.ask("GET", "/v2/health/ready")[0] == 200, "the others are answered meanwhile"
        bench.let_go()
        for asker in askers:
            asker.join(PATIENCE_S)
        assert told == [200, 200]
        assert (bench.figures.answered, bench.figures.turned_away) == (2, 1)


def test_who_waits_when_it_ends_is_told_so(tmp_path: Path) -> None:
    with ServingBench(tmp_path, held=True) as bench:
        table, tail = described(weighted())
        told: list[int] = []
        askers = [threading.Thread(target=lambda: told.append(bench.infer(table, tail)[0])) for _ in range(3)]
        for asker in askers:
            asker.start()
        eventually(lambda: bench.figures.under_way == 3)
        eventually(lambda: len(bench.lane.queues) == 2)
        bench.server.drain()
        assert bench.ask("GET", "/v2/health/ready")[0] == 503
        assert bench.infer(table, tail)[0] == 503
        bench.lane.queues.close()
        bench.let_go()
        for asker in askers:
            asker.join(PATIENCE_S)
        assert sorted(told) == [200, 503, 503], "what runs is answered, what waits is turned away"


def test_who_hangs_up_costs_the_engine_nothing(tmp_path: Path) -> None:
    with ServingBench(tmp_path, held=True) as bench:
        table, tail = described(weighted())
        head = json.dumps(table).encode()
        gone = [bench.connect() for _ in range(3)]
        for connection in gone:
            lengths = {"Inference-Header-Content-Length": str(len(head))}
            connection.request("POST", "/v2/models/net/infer", head + tail, lengths)
        eventually(lambda: bench.figures.under_way == 3)
        for connection in gone:
            connection.close()
        eventually(lambda: bench.figures.under_way == 0)
        bench.let_go()
        assert bench.infer(table, tail)[0] == 200
        assert bench.runner.use.times <= 3, "the slot that was held, the one that ran already, and the last one"
        assert bench.figures.models["net"].statuses == {499: 3, 200: 1}


def test_an_engine_that_fails_is_told_and_goes_on(bench: ServingBench, monkeypatch: pytest.MonkeyPatch) -> None:
    table, tail = described(weighted())
    with monkeypatch.context() as patched:
        patched.setattr(bench.runner, "infer", lambda _tensors: 1 / 0)
        status, _, answer = bench.infer(table, tail)
        assert (status, "the application's log" in answer["error"]) == (500, True)
    assert bench.infer(table, tail)[0] == 200


def test_a_token_is_asked_for_where_there_is_one(tmp_path: Path) -> None:
    token = "correct-horse-battery-9"
    with ServingBench(tmp_path, serve=Serve(token=token)) as bench:
        for headers, status in (
            ({}, 401),
            ({"Authorization": f"Bearer {token}x"}, 401),
            ({"Authorization": token[:-1]}, 401),
            ({"Authorization": f"Bearer {token}"}, 200),
        ):
            assert bench.ask("GET", "/v2/health/live", **headers)[0] == status
        assert bench.ask("POST", "/v2/models/net/infer", b"{}")[0] == 401
        assert token not in str(bench.figures.__dict__)


@pytest.mark.parametrize(
    ("serve", "told"),
    [
        (Serve(address="0.0.0.0"), "others reach 0.0.0.0, and there is no token"),
        (Serve(token="short"), "the token has fewer than 16 characters"),
    ],
)
def test_a_port_that_may_not_be_opened(tmp_path: Path, serve: Serve, told: str) -> None:
    with ServingBench(tmp_path, serve=serve) as bench:
        eventually(lambda: bench.figures.trouble)
        assert bench.figures.trouble == f"port {bench.port} is not opened: {told}"
        with pytest.raises(ConnectionRefusedError):
            bench.ask("GET", "/v2")


def test_a_port_that_another_program_has_is_opened_once_it_is_free(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("edgekit.device.runtime.server.serving._AGAIN_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as other:
        monkeypatch.setattr("tests.fakes.serving.free_port", lambda: other.getsockname()[1])
        bench = ServingBench(tmp_path)
        eventually(lambda: "cannot be opened: Address already in use" in bench.figures.trouble)
    with bench:
        eventually(lambda: bench.figures.addresses)
        assert bench.figures.trouble == "" and bench.ask("GET", "/v2")[0] == 200
