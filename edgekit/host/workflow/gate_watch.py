"""The demo of gate-watch: cameras and a broker on this machine, and a board that counts and tells."""

from __future__ import annotations

import contextlib
import json
import secrets
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from edgekit.errors import EdgekitError, InputError, RolloutError
from edgekit.executor import Executor
from edgekit.host.board.image import check_rights, has_image
from edgekit.host.demo.broker import DemoBroker, Listener, demo_broker, listening
from edgekit.host.demo.cameras import ClipCameras, clip_cameras
from edgekit.host.preflight import require
from edgekit.host.settings import Settings
from edgekit.host.toml_text import toml_string
from edgekit.host.workflow.devices import DeviceAccess, device_access
from edgekit.schema.report import StreamReport
from edgekit.schema.truth import read_truth

RECIPE = "gate-watch"
GATES = ("north", "south", "east", "west")
_USER = "viewer"
_LOOK_EVERY_S = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoPlace:
    """How a kind of device plays the demo."""

    target: str
    needs: str
    """Its job in preflight."""
    gates: tuple[str, ...]
    fps: float
    """At which the clips are played."""
    us: str
    """What this machine's loopback is called there. Source: QEMU, User networking: 10.0.2.2 is the host."""
    patience_s: float
    """For anything that cameras do, beside the time that a clip takes."""


PLACES: Mapping[str, DemoPlace] = {
    "host": DemoPlace(target="host", needs="build", gates=GATES, fps=10.0, us="127.0.0.1", patience_s=60.0),
    "virt": DemoPlace(target="virt-arm64", needs="board", gates=GATES[:2], fps=0.5, us="10.0.2.2", patience_s=300.0),
}
"""An emulated board finds things in about one picture a second: it sees its two cameras in slow motion."""
_STALL_PICTURES = 15
"""A camera counts as stalled after this many pictures' time; FFmpeg looks at some before it gives the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GateWatchResult:
    """What the demo showed."""

    device: str
    seconds: float
    counts: dict[str, dict[str, int]]
    """What the broker was told of each gate."""
    truth: dict[str, dict[str, int]]
    wrong: int
    """By how much they differ, summed up."""
    events: int
    """Crossings that the broker was told of."""
    event: dict[str, object]
    """One of them."""
    cut: str
    """The gate whose camera was cut, and came back."""
    picture: Path
    release: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class GateWatch:
    """One run of it."""

    device: str
    settings: Settings
    executor: Executor
    """Of this machine."""
    run: Callable[[Sequence[str], Settings], None]
    """Runs one command line of edgekit with these settings. Raises where it fails."""
    note: Callable[[str], None]
    """Says what goes on."""
    places: Mapping[str, DemoPlace] = field(default_factory=lambda: PLACES)
    access: Callable[[Settings], DeviceAccess] = field(default=device_access)
    clock: Callable[[], float] = field(default=time.monotonic)
    sleep: Callable[[float], None] = field(default=time.sleep)

    def play(self) -> GateWatchResult:
        """Start cameras and a broker, deploy, cut a camera, count, save a picture; end all that was started.

        Raises:
            InputError: there is no such device, or a program is missing here.
            RolloutError: a camera did not come back in time, or the counts are not the truth.
            EdgekitError: a command failed.
        """
        place = self._look_ahead()
        began, out = self.clock(), Path("out", f"{RECIPE}-{place.target}")
        with contextlib.ExitStack() as kept:
            stage = kept.enter_context(self._stage(place))
            for argv in commands(self.device, place, out, recipe_folder(self.settings)):
                self.run(argv, stage.settings)
            kept.callback(self._stop, stage.settings)
            show = _Show(self, place, stage)
            show.cut_and_return(place.gates[-1])
            show.play_all()
            self.run(("status", self.device), stage.settings)
            result = show.result(out, round(self.clock() - began, 1))
        if result.wrong or not result.events:
            raise RolloutError(f"{self.device}: {differences(result)}", hint=f"edgekit logs {self.device} {RECIPE}")
        return result

    def _look_ahead(self) -> DemoPlace:
        """Say at once what is missing on this machine, before minutes of work."""
        if self.device not in self.places:
            raise InputError(f"the demo knows no device {self.device!r}", hint="--device virt or --device host")
        place = self.places[self.device]
        require(place.needs, RECIPE)
        if self.device != "host" and not has_image(self.settings):
            check_rights()
        return place

    @contextlib.contextmanager
    def _stage(self, place: DemoPlace) -> Iterator[DemoStage]:
        recipe = recipe_folder(self.settings)
        with contextlib.ExitStack() as kept:
            folder = Path(kept.enter_context(tempfile.TemporaryDirectory(prefix="edgekit-demo-")))
            broker = kept.enter_context(demo_broker(self.executor, folder, RECIPE, secrets.token_urlsafe(12)))
            key = folder / "camera.key"
            key.touch(mode=0o600)
            key.write_text(f"{secrets.token_urlsafe(12)}\n")
            clips = [str(recipe / "clips" / f"{gate}.mp4") for gate in place.gates]
            script, login = recipe / "serve.py", (_USER, key)
            cameras = kept.enter_context(clip_cameras(self.executor, script, clips, login=login, fps=place.fps))
            listener = kept.enter_context(listening(self.executor, folder, broker))
            self.note(f"mosquitto listens on 127.0.0.1:{broker.port}, {len(clips)} cameras on :{cameras.port}")
            fleet = folder / "fleet.toml"
            fleet.write_text(fleet_text(place, cameras, broker, key))
            settings = replace(self.settings, fleet_file=fleet)
            yield DemoStage(settings=settings, cameras=cameras, listener=listener, recipe=recipe)

    def _stop(self, settings: Settings) -> None:
        """Its cameras end with the demo: nothing is left that looks for them."""
        with contextlib.suppress(EdgekitError):
            self.run(("stop", self.device, RECIPE), settings)


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoStage:
    """What runs beside the board."""

    settings: Settings
    """The user's, with the demo's own fleet.toml."""
    cameras: ClipCameras
    listener: Listener
    recipe: Path


class _Show:
    """What is done with a board that runs gate-watch."""

    def __init__(self, demo: GateWatch, place: DemoPlace, stage: DemoStage) -> None:
        self._demo, self._place, self._stage = demo, place, stage
        self._states: dict[str, str] = {}
        self._cut = ""
        self._picture = Path("out", f"{RECIPE}-{demo.device}.jpg")

    def cut_and_return(self, gate: str) -> None:
        """Take one camera away and give it back, and see that the others notice nothing."""
        self._until(lambda states: set(states.values()) == {"live"}, "cameras did not come")
        number, self._cut = self._place.gates.index(gate), gate
        self._demo.note(f"the camera of gate {gate} is cut off ...")
        self._stage.cameras.do(f"gone {number}")
        self._until(lambda states: states[gate] not in ("live", "connecting"), f"gate {gate} noticed nothing")
        self._demo.note(f"... and is there again ({self._states[gate]} for now)")
        self._stage.cameras.do(f"back {number}")
        self._until(lambda states: states[gate] == "live", f"gate {gate} did not come back")

    def play_all(self) -> None:
        """Show all clips to their ends, save a picture on the way, and wait for the last counts."""
        place, cameras = self._place, self._stage.cameras
        for number in range(len(place.gates)):
            cameras.do(f"play {number}")
        frames = json.loads((self._stage.recipe / "truth" / f"{place.gates[0]}.json").read_text())["frames"]
        self._demo.note(f"everything moves now, for {frames / place.fps:.0f} s")
        self._wait(lambda: len(self._stage.listener.events) >= 3 * len(place.gates), frames / place.fps)
        self._save()
        self._wait(lambda: len(cameras.played) == len(place.gates), frames / place.fps + place.patience_s)
        self._wait(lambda: self._told() == self._true(), place.patience_s / 10)

    def result(self, release: Path, seconds: float) -> GateWatchResult:
        told, true, events = self._told(), self._true(), self._stage.listener.events
        return GateWatchResult(
            device=self._demo.device,
            seconds=seconds,
            counts=told,
            truth=true,
            wrong=sum(
                abs(told[gate].get(name, 0) - true[gate].get(name, 0))
                for gate in true
                for name in told[gate].keys() | true[gate].keys()
            ),
            events=len(events),
            event={"topic": events[-1][0], **events[-1][1]} if events else {},
            cut=self._cut,
            picture=self._picture,
            release=release,
        )

    def _save(self) -> None:
        """Where the most goes on."""
        gate = max(self._place.gates, key=lambda one: sum(self._told()[one].values()))
        argv = ("view", self._demo.device, RECIPE, "--stream", gate, "--save", str(self._picture))
        self._demo.run(argv, self._stage.settings)

    def _told(self) -> dict[str, dict[str, int]]:
        """What the broker knows."""
        last = self._stage.listener.last
        told: dict[str, dict[str, int]] = {}
        for gate in self._place.gates:
            message = last.get(f"edgekit/{RECIPE}/{gate}/counts")
            counts = message.get("counts") if isinstance(message, dict) else None
            told[gate] = {name: int(count) for name, count in counts.items()} if isinstance(counts, dict) else {}
        return told

    def _true(self) -> dict[str, dict[str, int]]:
        folder = self._stage.recipe / "truth"
        files = {gate: folder / f"{gate}.json" for gate in self._place.gates}
        return {gate: read_truth(file.read_bytes(), file.name) for gate, file in files.items()}

    def _wait(self, done: Callable[[], bool], patience_s: float) -> bool:
        """Whether it came to that in time."""
        until_s = self._demo.clock() + patience_s
        while not done() and self._demo.clock() < until_s:
            self._demo.sleep(_LOOK_EVERY_S)
            self._stage.listener.look()
            self._stage.cameras.look()
        return done()

    def _until(self, fits: Callable[[Mapping[str, str]], bool], otherwise: str) -> None:
        """Wait for the cameras' states, and show each that changes."""
        with self._demo.access(self._stage.settings).keeper(self._demo.device) as keeper:

            def look() -> bool:
                found = keeper.status().find(RECIPE)
                streams = found.report.streams if found and found.report else ()
                self._show_states(streams)
                return len(self._states) == len(self._place.gates) and fits(self._states)

            if not self._wait(look, self._place.patience_s):
                states = ", ".join(f"{gate} {state}" for gate, state in self._states.items())
                hint = f"edgekit logs {self._demo.device} {RECIPE}"
                raise RolloutError(f"{self._demo.device}: {otherwise}: {states}", hint=hint)

    def _show_states(self, streams: Sequence[StreamReport]) -> None:
        for stream in streams:
            if self._states.get(stream.name) != stream.state:
                self._states[stream.name] = stream.state
                why = f": {stream.message}" if stream.message else ""
                self._demo.note(f"  gate {stream.name} is {stream.state}{why}")


def commands(device: str, place: DemoPlace, release: Path, recipe: Path) -> tuple[tuple[str, ...], ...]:
    """The command lines, in order."""
    seed = () if device == "host" else ("--seed", str(release))
    return (
        ("keys", "init"),
        ("build", str(recipe), "--target", place.target, "--out", str(release)),
        ("board", "up", "--like", device, *seed),
        ("provision", device),
        ("deploy", str(release), device),
    )


def fleet_text(place: DemoPlace, cameras: ClipCameras, broker: DemoBroker, key: Path) -> str:
    """The demo's own fleet.toml: where cameras and broker are, as the board reaches them."""
    lines = [f"[settings.{RECIPE}]"]
    for number, gate in enumerate(GATES):
        there = gate in place.gates
        lines += [f"{gate} = {toml_string(cameras.url(number, place.us))}", f"has_{gate} = {str(there).lower()}"]
    lines += [f"camera_user = {toml_string(_USER)}", f"camera_password = {{ file = {toml_string(str(key))} }}"]
    lines += [f"stall_s = {max(5.0, _STALL_PICTURES / place.fps):.1f}"]
    lines += [f"broker = {toml_string(place.us)}", f"broker_port = {broker.port}"]
    lines += [f"broker_user = {toml_string(broker.user)}"]
    lines += [f"broker_password = {{ file = {toml_string(str(broker.password))} }}"]
    return "\n".join(lines) + "\n"


def recipe_folder(settings: Settings) -> Path:
    """The shipped recipe, by its short name where we stand in the checkout."""
    here = Path("recipes", RECIPE)
    return here if here.is_dir() else settings.data_dir / "recipes" / RECIPE


def differences(result: GateWatchResult) -> str:
    """What was counted wrong, for people."""
    wrong = [
        f"{gate}: {result.counts[gate].get(name, 0)} {name}, {result.truth[gate].get(name, 0)} in truth"
        for gate in result.truth
        for name in sorted(result.counts[gate].keys() | result.truth[gate].keys())
        if result.counts[gate].get(name, 0) != result.truth[gate].get(name, 0)
    ]
    return "; ".join(wrong) or "the broker was told of no crossing"
