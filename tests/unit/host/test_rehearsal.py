"""A recipe's own code is tried on the host: what would fail on a board is refused, what only a board has is said."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgekit.errors import InputError
from edgekit.executor.local import LocalExecutor
from edgekit.host.progress import Silent
from edgekit.host.rehearsal import Packages, Rehearsal, run_rehearsal
from edgekit.host.sandbox.sandbox import Sandbox
from edgekit.schema.plan import EnginePlan, StagePlan, WorkerPlan
from edgekit.schema.recipe import ColourContract
from edgekit.schema.rehearsal import RehearsalReply
from tests.fakes.plans import python_stage, small_plan

SANDBOX = Sandbox(LocalExecutor(), Silent())
LOOK = python_stage("look", "look:Look")
HEAD = """
from edgekit.stage import Detection, Stage

import os, sys

class Look(Stage):
"""
FINDS = """
    def __call__(self, frame):
        frame.detections = (Detection(label="spot", x_px=4.0, y_px=2.0, score=1.0),)
        return frame
"""


def rehearse(folder: Path, plan: WorkerPlan, app: Mapping[str, str], **more: object) -> RehearsalReply:
    """Try app code on two black pictures."""
    files, pictures = {}, []
    for name, text in app.items():
        file = folder / "recipe" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    for file in (folder / "recipe").iterdir():
        files[f"app/{file.name}"] = file
    for name in ("a.png", "b.png"):
        pictures.append(folder / name)
        cv2.imwrite(str(pictures[-1]), np.zeros((8, 16, 3), np.uint8))
    wanted = Rehearsal(plan=plan, files=files, pictures=tuple(pictures), **more)  # type: ignore[arg-type]
    return run_rehearsal(wanted, SANDBOX)


def looked(folder: Path, code: str, **more: object) -> RehearsalReply:
    return rehearse(folder, small_plan(LOOK), {"look.py": HEAD + code}, **more)


def test_a_recipes_own_decoder_sees_recorded_answers_picture_by_picture(tmp_path: Path) -> None:
    contract = ColourContract(width_px=16, height_px=8, order="RGB", layout="NHWC", dtype="uint8")
    engine = EnginePlan(runner="rknn", path="engines/eye.rknn", input=contract, threads=1)
    stages = [
        StagePlan(name=kind, kind=kind, lane="all", engine="eye", entry="", options={})
        for kind in ("preprocess", "infer")
    ]
    decode = """
import numbers_of_mine
from edgekit.stage import Detection
class Decode:
    stateless = True
    def __init__(self, context):
        self.scale, self.model = context.options["scale"], context.model
    def __call__(self, frame):
        (x, y), = frame.result(self.model).outputs["spots"]
        frame.detections = (Detection(label=numbers_of_mine.LABEL, x_px=x * self.scale, y_px=y, score=x),)
        return frame
class Eject:
    def __init__(self, context):
        self.part = context.options["part"]
    def __call__(self, frame):
        raise AssertionError("a stage with state is made, never run")
"""  # fmt: skip
    answers = tmp_path / "answers.npz"
    np.savez(answers, **{"output:spots": np.array([[[1, 2]], [[3, 4]]], np.float32)})
    plan = small_plan(
        *stages,
        python_stage("find", "decode:Decode", scale=2),
        python_stage("eject", "decode:Eject", part="disc"),
        engines={"eye": engine},
    )
    app = {"decode.py": decode, "numbers_of_mine.py": "LABEL = 'spot'"}
    reply = rehearse(tmp_path, plan, app, answers={"eye": answers})
    assert reply.passed == ("preprocess", "infer", "find") and reply.unjudged == ""
    assert [[(one.label, one.x_px, one.y_px) for one in found] for found in reply.pictures] == [
        [("spot", 2.0, 2.0)],
        [("spot", 6.0, 4.0)],
    ]
    np.savez(answers, **{"output:spots": np.zeros((1, 1, 2), np.float32)})
    with pytest.raises(InputError, match="fewer recorded answers than pictures"):
        rehearse(tmp_path, plan, app, answers={"eye": answers})


@pytest.mark.parametrize(
    ("code", "message", "hint"),
    [
        ("    x = (", r"importing stage look \(look:Look\) fails: SyntaxError: .*app/look.py, line 7", "app/look.py"),
        ("    import nomod_zz", "nomod_zz is neither in app/ nor among the release's packages", "python.requirements"),
        ("    sys.exit(0)", r"importing .* ends the program \(sys.exit\(0\)\) \(app/look.py, line 7\)", "app/look.py"),
        ("    os._exit(0)", "importing .* ends the process with exit code 0", "correct that code"),
        ("    os.kill(os.getpid(), 11)", r"importing .* ends the process with signal 11 \(Segmentation", "correct"),
        ("    while True: pass", "importing .* takes longer than 1 s", "correct that code"),
        ("    x = bytearray(3 << 30)", "importing .* takes more memory", "app/look.py, line 7"),
        ("    def __init__(self, context): context.options['gain']", "making .* KeyError: 'gain'", "line 7"),
        (
            "    def __call__(self, frame): return 1 / 0",
            "running stage look .* on a.png fails: ZeroDivisionError: .* line 7",
            "app/look.py, line 7",
        ),
        (FINDS.replace("4.0", "float('nan')"), "detection of 'spot' has x_px = nan", "finite"),
        (FINDS + "    def close(self): raise OSError('stuck')", "closing stage look .* OSError: stuck", "line 11"),
        ("    x = open('labels.txt')", "FileNotFoundError: .*labels.txt", "app/look.py, line 7"),
    ],
)  # fmt: skip
def test_what_would_fail_on_the_board_is_one_sentence(code: str, message: str, hint: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as error:
        looked(tmp_path, code, step_s=1.0, memory_bytes=2 << 30)
    assert hint in error.value.hint
    assert "\n" not in error.value.message
    assert ("board_only = True" in error.value.hint) == error.value.message.startswith("making")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("nomod:Look", "nomod is neither in app/ nor among the release's packages"),
        ("look:Loook", "stage look:Loook: look has no Loook"),
    ],
)
def test_an_entry_that_is_not_there_is_named(entry: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as error:
        rehearse(tmp_path, small_plan(python_stage("look", entry)), {"look.py": HEAD + FINDS})
    assert "entry" in error.value.hint


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("    import blinker_c", "it imports blinker_c, which the release has for its target alone"),
        ("    import tensorrt", "it imports tensorrt, which is the board's own"),
        ("    def __init__(self, context): open('/dev/spidev9.9')", "it opens /dev/spidev9.9"),
        ("    import socket; socket.create_connection(('127.0.0.1', 1))", "it reaches for the network"),
        ("    import mine", "it imports mine, which the release has for its target alone"),
        ("    import half", "it imports half._c, which the release has for its target alone"),
        ("    board_only = True\n    def __init__(self, context): 1 / 0", "it is board_only"),
    ],
)
def test_what_only_the_board_has_is_said_and_nothing_is_judged(code: str, reason: str, tmp_path: Path) -> None:
    site = tmp_path / "site"
    site.mkdir()
    (site / "blinker_c.cpython-311-aarch64-linux-gnu.so").write_bytes(b"\x7fELF")
    (site / "half").mkdir()
    (site / "half/__init__.py").write_text("from half._c import x")
    (site / "half/_c.cpython-311-aarch64-linux-gnu.so").write_bytes(b"\x7fELF")
    (tmp_path / "recipe").mkdir()
    (tmp_path / "recipe/mine.so").write_bytes(b"\x7fELF")
    reply = looked(tmp_path, code + FINDS, packages=Packages(folder=site, native=False))
    assert [untried.stage for untried in reply.untried] == ["look"]
    assert reply.untried[0].reason.startswith(reason)
    assert reply.pictures == () and reply.unjudged.startswith("stage look: it ")


def test_what_comes_before_such_a_stage_is_judged_where_it_has_state(tmp_path: Path) -> None:
    """Golden frames never reach it: it may need what it likes."""
    app = {"look.py": HEAD + FINDS, "eject.py": "class Eject:\n    import tensorrt"}
    app["follow.py"] = "class Follow:\n    def __init__(self, context): pass"
    plan = small_plan(LOOK, python_stage("follow", "follow:Follow"), python_stage("eject", "eject:Eject"))
    reply = rehearse(tmp_path, plan, app)
    assert reply.passed == ("look",) and len(reply.pictures) == 2
    assert [untried.stage for untried in reply.untried] == ["eject"]


def test_the_child_has_the_releases_packages_and_nothing_of_the_users(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    site = tmp_path / "site"
    (site / "packaging").mkdir(parents=True)
    (site / "packaging" / "__init__.py").write_text("MINE = True")
    code = """
    import packaging, os, sys, threading, time
    assert packaging.MINE, "the release's packages come before this machine's"
    assert "SECRET_TOKEN" not in os.environ and not os.listdir(".")
    print("x" * 100_000, flush=True)
    sys.__stdout__.write('{"failure": null}')
    threading.Thread(target=lambda: time.sleep(600)).start()
""" + FINDS.replace("4.0", "__import__('numpy').float32(4)")
    reply = looked(tmp_path, code, packages=Packages(folder=site, native=False))
    assert [found[0].x_px for found in reply.pictures] == [4.0, 4.0]
    assert not list((tmp_path / "recipe").rglob("__pycache__"))


def test_nothing_on_the_network_is_reached(tmp_path: Path) -> None:
    """A stage that opens valves through a broker must not do so while a release is built."""
    if subprocess.run(["unshare", "--user", "--net", "true"], capture_output=True, check=False).returncode:
        pytest.skip("this kernel lets a plain user have no network of their own")
    with socket.create_server(("127.0.0.1", 0)) as broker:
        broker.settimeout(0)
        port = broker.getsockname()[1]
        code = f"import socket; socket.create_connection(('127.0.0.1', {port}), 5)"
        reply = looked(tmp_path, f"    def __init__(self, context): {code}{FINDS}")
        assert reply.untried[0].reason.startswith("it reaches for the network")
        with pytest.raises(BlockingIOError):
            broker.accept()


def test_code_sees_its_own_recipe_and_nothing_else_of_the_user(tmp_path: Path) -> None:
    if SANDBOX.kind == "none":
        pytest.skip("this machine allows no sandbox")
    (tmp_path / "home").mkdir()
    key = tmp_path / "home/release-key"
    key.write_text("secret")
    code = f"""
    def __init__(self, context):
        if os.path.exists({str(key)!r}) or "SSH_AUTH_SOCK" in os.environ:
            os._exit(9)
"""
    looked(tmp_path, code + FINDS)
