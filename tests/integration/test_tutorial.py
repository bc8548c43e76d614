"""README's tutorial, command by command: a detector, a camera with a password, a broker; what it promises comes out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.fakes import networks, yolo
from tests.fakes.broker import PASSWORD, USER, Broker, Listener, listening, running_broker
from tests.fakes.cameras import rtsp_server
from tests.fakes.clips import write_pictures
from tests.fakes.eventually import eventually
from tests.fakes.readme import ShownCommand, shown_in

pytestmark = pytest.mark.integration
COMMANDS = shown_in("Your model on your board")
CAMERA, BROKER = "rtsp://viewer@10.0.0.5/stream1", "10.0.0.2"
SECRET = "s3cret-9kQ"
SIDE_PX, FPS = 320, 10
RELEASE = r"gate 1\.0\.0 for host, [0-9a-f]{12}"
PROMISES = {
    ("init", 0): [r"does not say all that a recipe needs", r"--set order=RGB\|BGR", r"--set pixels=", r"--set fit="],
    ("init", 1): [
        r"recipes/gate/recipe\.toml",
        r"gives output0 float32\[1, 7, \d+\]",
        r"3 classes; a list of YOLOv8's kind .*: stage detect, head yolov8",
        r"nobody said otherwise: precision float16",
        r"copied: model\.onnx, pictures/ \(16\), golden/ \(4\)",
        r"fleet\.toml: \[settings\.gate\] added; no address stands in the recipe",
        r"write the password to secrets/gate\.door_password, and chmod 600 it",
    ],
    ("cat", 0): [r'door_url = "rtsp://', r'door_user = "viewer"', r'door_password = \{ file = "secrets/gate\.door_p'],
    ("golden", 0): [r"frame-003\.png: [1-9]\d* found, new: ", r"pictures: out/gate-golden", r"nothing written; if the"],
    ("golden", 1): [r"written: recipes/gate/golden/expected\.json"],
    ("build", 0): [
        r"stage find: a list of YOLOv8's kind .*; 3 labels from the model's metadata",
        r"4 golden frames as expected, within 2 px and 0\.05: scale, see, find",
        RELEASE,
    ],
    ("board", 0): [],
    ("provision", 0): [r"host: \d+ changes done"],
    ("deploy", 0): [
        r"host: settling: gate 1\.0\.0",
        r"running [\d.]+ fps",
        r"host: gate 1\.0\.0 [0-9a-f]{12} committed",
    ],
    ("status", 0): [
        r"healthy   yes",
        r"figures   [\d.]+ fps",
        r"golden    passed",
        r"stream    door live for .* h264 \d+x\d+ BT\.709 limited, dropped ",
        r"sink      broker: \d+ sent, \d+ wait, 0 dropped",
    ],
    ("logs", 0): [r'"event": "entered", "stream": "door", .*"place": "picture", "label": "\w+"'],
    ("view", 0): [r"seen\.jpg: door of gate on host, \d+x\d+"],
    ("settings", 0): [r"host: gate has what fleet\.toml gives: nothing to change"],
    ("board", 1): [],
}
"""What each command prints, here and in README."""
FAILS = {("init", 0): 2}


def moving_part(frame: int, random: np.random.Generator) -> np.ndarray:
    """A red square that crosses a dark, noisy ground: uint8[320, 320, 3] RGB."""
    picture = random.normal(28, 4, (SIDE_PX, SIDE_PX, 3))
    left = max(0, 8 * frame - 80)
    picture[120:200, left : max(0, min(SIDE_PX, 8 * frame))] = (205, 40, 45)
    return picture.clip(0, 255).astype(np.uint8)


class Reader:
    """Who follows README: in a folder of their own, with a home of their own."""

    def __init__(self, folder: Path, camera: str, broker: Broker) -> None:
        self.folder = folder
        self._camera, self._broker = camera, f"{USER}@127.0.0.1:{broker.port}"

    def type(self, shown: ShownCommand) -> tuple[int, str]:
        """Type a command, with the addresses of this machine's camera and broker in it."""
        words = [self._camera.join(word.split(CAMERA)).replace(BROKER, self._broker) for word in shown.words]
        program = [sys.executable, "-m", "edgekit.cli.main"] if words[0] == "edgekit" else [words[0]]
        env = {**os.environ, "EDGEKIT_HOME": str(self.folder / "home")}
        streams = {"stdin": subprocess.DEVNULL, "capture_output": True, "text": True}
        done = subprocess.run(  # type: ignore[call-overload]
            [*program, *words[1:]], cwd=self.folder, env=env, timeout=600, check=False, **streams
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done.returncode, done.stdout + done.stderr


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    (tmp_path / "broker").mkdir()
    with running_broker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def reader(tmp_path: Path, broker: Broker) -> Iterator[Reader]:
    networks.save(yolo.detector(names=True), tmp_path / "model.onnx")
    random = np.random.default_rng(0)
    pictures = [moving_part(frame, random) for frame in range(60)]
    (tmp_path / "samples").mkdir()
    for number in range(16):
        cv2.imwrite(str(tmp_path / f"samples/{number:02}.png"), pictures[12 + number][..., ::-1])
    write_pictures(tmp_path / "door.h264", pictures, FPS)
    (tmp_path / "password").write_text(SECRET)
    with rtsp_server(str(tmp_path / "door.h264"), login=("viewer", tmp_path / "password")) as server:
        address = server.url(0).replace("rtsp://", "rtsp://viewer@")
        made = Reader(tmp_path, address, broker)
        yield made
        made.type(ShownCommand(words=("edgekit", "board", "down", "--name", "host"), output=()))


def numbered() -> Iterator[tuple[tuple[str, int], ShownCommand]]:
    """Each command of the tutorial under its verb, and how often that stood before."""
    seen: dict[str, int] = {}
    for shown in COMMANDS:
        verb = shown.words[1] if shown.words[0] == "edgekit" else shown.words[0]
        yield (verb, seen.get(verb, 0)), shown
        seen[verb] = seen.get(verb, 0) + 1


def test_readme_shows_what_is_promised() -> None:
    keys = [key for key, _ in numbered() if key[0] not in ("keys", "mosquitto_sub")]
    assert keys == list(PROMISES)
    for key, shown in numbered():
        for promise in PROMISES.get(key, []):
            assert re.search(promise, "\n".join(shown.output)), (key, promise)


def test_every_command_gives_what_readme_promises(reader: Reader, broker: Broker) -> None:
    printed = []
    with listening(broker) as listener:
        for key, shown in numbered():
            if key[0] == "mosquitto_sub":
                check_messages(listener, shown)
                continue
            code, output = reader.type(shown)
            assert code == FAILS.get(key, 0), (shown.words, output)
            for promise in PROMISES.get(key, []):
                assert re.search(promise, output), (key, promise, output)
            printed.append(output)
            if key == ("init", 1):
                give_secrets(reader.folder)
    assert (reader.folder / "out/gate-golden/frame-003.png").is_file()
    seen = cv2.imread(str(reader.folder / "seen.jpg"))
    assert seen is not None and seen.shape[:2] == (SIDE_PX, SIDE_PX)
    recipe = (reader.folder / "recipes/gate/recipe.toml").read_text()
    assert "127.0.0.1" not in recipe and SECRET not in recipe
    assert SECRET not in "".join(printed) and PASSWORD not in "".join(printed)


def give_secrets(folder: Path) -> None:
    """Write the passwords where init said: the camera's, and the broker's, which README has none of."""
    for name, secret in (("door_password", SECRET), ("broker_password", PASSWORD)):
        file = folder / f"secrets/gate.{name}"
        file.write_text(secret)
        file.chmod(0o600)


def check_messages(listener: Listener, shown: ShownCommand) -> None:
    """The topics that README shows are told, with the same keys, and say that the square was seen."""
    topics = {line.partition(" ")[0]: set(re.findall(r'"(\w+)":', line)) for line in shown.output}
    assert len(topics) == 3
    for topic, keys in topics.items():
        eventually(lambda topic=topic: listener.of(topic))  # type: ignore[misc]
        message = listener.of(topic)[-1]
        assert message.keys() <= keys, (topic, message)
    eventually(lambda: listener.of("edgekit/gate/door/counts")[-1]["counts"].get("picture red"))
    events = listener.of("edgekit/gate/door/events")
    assert {"entered"} <= {event["kind"] for event in events} and {event["label"] for event in events} == {"red"}
