"""What a release's engines need of Python packages."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import edgekit
from edgekit.host.catalogue.targets import find_target
from edgekit.host.settings import settings_from
from edgekit.host.wheel.needs import runners_of, wanted_for
from edgekit.schema.manifest import EngineEntry

ENTRY = EngineEntry(name="m", runner="rknn", path="engines/m.rknn", model_sha256="0" * 64, facts={})
TARGET = find_target("rk3588-debian12", settings_from({"HOME": "/nonexistent"}, Path(edgekit.__file__).parent))


def test_a_tail_needs_onnx_runtime_and_an_engine_alone_does_not():
    tailed = dataclasses.replace(ENTRY, tail="engines/m.tail.onnx")
    assert runners_of([ENTRY]) == ("rknn",)
    assert runners_of([ENTRY, tailed]) == ("onnxruntime", "rknn")
    for entry in (ENTRY, tailed):
        wanted = wanted_for(TARGET, runners_of([entry]), ())
        assert any(one.startswith("onnxruntime") for one in wanted.requirements) == bool(entry.tail)
