"""What a release's engines and sinks need of Python packages."""

from __future__ import annotations

from pathlib import Path

import edgekit
from edgekit.host.catalogue.targets import find_target
from edgekit.host.settings import settings_from
from edgekit.host.wheel.needs import wanted_for

TARGET = find_target("rk3588-debian12", settings_from({"HOME": "/nonexistent"}, Path(edgekit.__file__).parent))


def test_a_tail_needs_onnx_runtime_and_an_engine_alone_does_not():
    for runners, tailed in ((("rknn",), False), (("onnxruntime", "rknn"), True)):
        wanted = wanted_for(TARGET, runners, ())
        assert any(one.startswith("onnxruntime") for one in wanted.requirements) == tailed


def test_a_part_brings_its_packages_and_nobody_else_has_them():
    for kind, package in (("mqtt", "paho-mqtt"), ("preview", "uvicorn"), ("preview", "h11"), ("serve", "uvicorn")):
        for parts, there in (((), False), (("jsonl", kind), True)):
            wanted = wanted_for(TARGET, (), (), parts=parts)
            assert any(one.startswith(package) for one in wanted.requirements) == there == (package in wanted.own)
