"""Models that are served: what a recipe may say of it, and what becomes of it in the plan."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import InputError
from edgekit.host.catalogue.recipes import RecipeFolder, read_recipe
from edgekit.host.release.plan import plan_worker
from edgekit.schema.filling import fill_plan
from edgekit.schema.manifest import EngineEntry
from edgekit.schema.plan import WorkerPlan
from edgekit.schema.serve import Serve, is_loopback
from edgekit.schema.settings import SettingPlace
from edgekit.schema.target import CpuCluster, Memory, Os, Target
from edgekit.schema.units import Bytes, Cpus
from tests.fakes.recipe_folder import TEXT, replaced, write_good

SERVED = ['onnx = "model.onnx"', 'onnx = "model.onnx"\nserve = true']
TOKEN = '\n[settings.clients]\nkind = "text"\nabout = "What clients show."\nsecret = true\n'
ENGINE = EngineEntry(name="parts", runner="onnxruntime", path="engines/parts.onnx", model_sha256="0" * 64, facts={})
OS = Os(id="debian", version="12", arch="aarch64", libc_version="2.36", python="3.11")
TARGET = Target(
    name="board",
    title="",
    os=OS,
    clusters=(CpuCluster(name="all", cpus=Cpus(tuple(range(8)))),),
    memory=Memory(total_bytes=Bytes(8 << 30)),
)


def read(folder: Path, *changes: list[str], more: str = "") -> RecipeFolder:
    return read_recipe(write_good(folder / "recipe", replaced(TEXT, list(changes)) + more))


def planned(found: RecipeFolder) -> WorkerPlan:
    engines = [replace(ENGINE, name=name) for name in found.recipe.models]
    return plan_worker(found.recipe, TARGET, engines, has_app=False, places=found.places)


def test_a_served_model_s_lane_is_that_of_its_stage_and_it_stays_on_the_board(tmp_path: Path) -> None:
    plan = planned(read(tmp_path, SERVED))
    ((_, lane),) = plan.served.items()
    assert lane == next(stage.lane for stage in plan.stages if stage.kind == "infer")
    assert plan.serve == Serve(port=8000, address="127.0.0.1")


def test_a_recipe_that_serves_nothing_has_no_server(tmp_path: Path) -> None:
    plan = planned(read(tmp_path))
    assert (plan.serve, plan.served) == (None, {})


def test_a_token_comes_from_a_secret_setting(tmp_path: Path) -> None:
    table = '\n[serve]\naddress = "0.0.0.0"\ntoken = { setting = "clients" }\n'
    found = read(tmp_path, SERVED, more=table + TOKEN)
    assert found.places == (SettingPlace(setting="clients", keys=("serve", "token")),)
    filled = fill_plan(planned(found), {"clients": "correct-horse-battery-9"}, "gate-7")
    assert filled.serve is not None and filled.serve.token == "correct-horse-battery-9"


@pytest.mark.parametrize(
    ("changes", "more", "message"),
    [
        ([], "\n[serve]\nport = 8001\n", "serve: is for models that are served: write serve = true"),
        ([SERVED], "\n[serve]\nport = 80\n", "serve.port: expected 0, or 1024 to 65535, found 80"),
        ([SERVED], "\n[serve]\nport = 70000\n", "serve.port: expected 0 to 65535"),
        ([SERVED], "\n[serve]\nrequests = 0\n", "serve.requests: expected 1 to 256"),
        ([SERVED], '\n[serve]\naddress = "0.0.0.0"\n', "serve.token: missing; others reach 0.0.0.0"),
        ([SERVED], '\n[serve]\ntoken = "correct-horse-battery-9"\n', 'setting: write { setting = "NAME" }'),
        (
            [SERVED],
            '\n[serve]\ntoken = { setting = "clients" }\n' + TOKEN.replace("secret = true", 'default = "x"'),
            "settings.clients.secret: expected true: it lets clients in",
        ),
        (
            [SERVED],
            '\n[serve]\nport = 0\ntoken = { setting = "clients" }\n' + TOKEN,
            "serve.port: missing; a token is for a port",
        ),
        ([SERVED], '\n[serve]\nlane = "infr"\n', "serve.lane: there is no lane infr"),
        ([SERVED], '\n[serve]\nlane = { setting = "clients" }\n' + TOKEN, "serve.lane: cannot be a setting"),
        ([SERVED], "\n[serve]\nprot = 8000\n", "serve.prot"),
    ],
)
def test_what_a_recipe_may_not_say(tmp_path: Path, changes: list[list[str]], more: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, *changes, more=more)
    assert message in caught.value.message


def test_a_model_that_no_stage_runs_needs_a_lane_with_work(tmp_path: Path) -> None:
    takes = 'input = { width_px = 96, height_px = 96, order = "RGB" }'
    extra = f'\n[models.other]\nonnx = "model.onnx"\nserve = true\n{takes}\n'
    with pytest.raises(InputError) as caught:
        read(tmp_path / "a", SERVED, more=extra)
    assert "serve.lane: missing; no stage runs model other" in caught.value.message
    idle = "\n[pipeline.lanes.idle]\n"
    with pytest.raises(InputError) as caught:
        read(tmp_path / "b", SERVED, more=extra + idle + '\n[serve]\nlane = "idle"\n')
    assert "serve.lane: expected a lane with stages or sinks: nothing runs on idle" in caught.value.message
    named = [[f'kind = "{kind}"', f'kind = "{kind}"\nmodel = "parts"'] for kind in ("centres", "colour")]
    plan = planned(read(tmp_path / "c", SERVED, *named, more=extra + '\n[serve]\nlane = "camera"\n'))
    assert plan.served == {"parts": "vision", "other": "camera"}


@pytest.mark.parametrize(
    ("address", "own"),
    [
        *(("127.0.0.1", True), ("127.1.2.3", True), ("::1", True), ("localhost", True), ("0.0.0.0", False)),
        *(("127.0.0.1.example.org", False), ("10.0.0.7", False), ("::", False)),
    ],
)
def test_which_addresses_only_the_board_reaches(address: str, own: bool) -> None:
    assert is_loopback(address) is own
