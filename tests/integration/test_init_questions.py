"""`edgekit init --from` at a terminal: what the model does not say is asked, and a password is not shown."""

from __future__ import annotations

import os
import pty
import select
import sys
from pathlib import Path

import pytest

from tests.fakes import networks, yolo

pytestmark = pytest.mark.integration
SECRET = "s3cret-77"
ANSWERS = {
    "Order of the colours": "RGB",
    "Range that the model takes pixels in": "0..1",
    "How pictures of another shape": "letterbox",
    "Brightness of a letterbox's bars": "114",
    "A camera's address": "rtsp://viewer@192.0.2.5/1",
    "Password of viewer": SECRET,
}
_QUIET_S = 60.0


def talk(folder: Path, *words: str) -> str:
    """Run edgekit at a terminal of its own, answer each question once, and give what the terminal showed."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(folder)
        os.environ["EDGEKIT_HOME"] = str(folder / "home")
        os.execv(sys.executable, [sys.executable, "-m", "edgekit.cli.main", *words])
    shown, left = "", dict(ANSWERS)
    while select.select([terminal], [], [], _QUIET_S)[0]:
        try:
            piece = os.read(terminal, 1 << 16)
        except OSError:  # the other end is closed
            break
        shown += piece.decode(errors="replace")
        asked = next((start for start in left if start in shown and shown.endswith(": ")), "")
        if asked:
            os.write(terminal, left.pop(asked).encode() + b"\n")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, shown
    return shown


def test_a_person_is_asked_for_what_the_model_does_not_say(tmp_path: Path) -> None:
    networks.save(yolo.detector(names=True), tmp_path / "model.onnx")
    shown = talk(tmp_path, "init", "gate", "--from", "model.onnx")
    assert all(question in shown for question in ANSWERS)
    assert SECRET not in shown
    recipe = (tmp_path / "recipes/gate/recipe.toml").read_text()
    assert 'order = "RGB"' in recipe and "bars = 114" in recipe and "192.0.2.5" not in recipe and SECRET not in recipe
    secret = tmp_path / "secrets/gate.camera_password"
    assert secret.read_text() == f"{SECRET}\n" and secret.stat().st_mode & 0o777 == 0o600
    assert 'camera_url = "rtsp://192.0.2.5/1"' in (tmp_path / "fleet.toml").read_text()
