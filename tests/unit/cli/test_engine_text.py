"""`edgekit engine` as a user sees it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from edgekit.cli.main import app
from edgekit.errors import InputError

ENGINE = Path(__file__).parents[2] / "fakes/rknn/tiny-float16.rknn"


def run(home: Path, *words: str):
    return CliRunner().invoke(app, ["engine", *words], env={"EDGEKIT_HOME": str(home)})


def test_show_prints_facts_for_people_and_for_programs(tmp_path):
    assert "images float16[1, 3, 16, 16] NHWC" in run(tmp_path, "show", str(ENGINE)).stdout
    told = json.loads(run(tmp_path, "show", str(ENGINE), "--json").stdout)
    assert told["kind"] == "rknn" and told["facts"]["platforms"] == "rk3588" and told["record"] is None


def test_rubbish_is_an_input_error(tmp_path):
    (tmp_path / "x.rknn").write_bytes(ENGINE.read_bytes()[:5000])
    found = run(tmp_path, "show", str(tmp_path / "x.rknn"))
    assert isinstance(found.exception, InputError)
    assert found.exception.message.endswith("x.rknn: it is cut short: 5000 bytes, its header promises more than 12672")


@pytest.mark.parametrize("verb", ["list", "verify"])
def test_an_empty_cache(tmp_path, verb):
    assert "no engines were compiled here yet" in run(tmp_path, verb).stdout
    assert json.loads(run(tmp_path, verb, "--json").stdout)["engines"] == []
