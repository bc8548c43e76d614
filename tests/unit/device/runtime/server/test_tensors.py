"""What is read of a request takes no more memory than its tensors."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest

from edgekit.device.runner.tensors import TensorSpec
from edgekit.device.runtime.server.refusal import Refusal
from edgekit.device.runtime.server.tensors import read_request

SPEC = TensorSpec(name="x", shape=(2000,), dtype=np.dtype(np.float32))


def test_a_long_text_among_numbers_takes_no_memory_for_each_of_them() -> None:
    data = ["x" * 10_000, *[0] * 1999]
    head = json.dumps({"inputs": [{"name": "x", "datatype": "FP32", "shape": [2000], "data": data}]}).encode()
    tracemalloc.start()
    try:
        with pytest.raises(Refusal, match="data are not 2000 numbers"):
            read_request(head, memoryview(b""), [SPEC], [SPEC])
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()
