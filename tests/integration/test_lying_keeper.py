"""Devices that lie, to every command that asks them: one clear sentence, a documented exit code, bounded memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgekit
from edgekit.host.catalogue.targets import find_target
from edgekit.host.settings import settings_from
from edgekit.schema.manifest import FileEntry, Manifest, Requires
from edgekit.schema.message import to_message
from edgekit.trust import sha256_bytes
from tests.fakes.lying_keeper import install_keeper
from tests.fakes.quick_commands import Ended, QuickCommands, quick_commands
from tests.fakes.releases import make_plan

pytestmark = pytest.mark.integration
HOST = find_target("host", settings_from({}, Path(edgekit.__file__).parent))
DEVICE = '[devices.{0}]\naddress = "local"\nservice = "process"\nprefix = "{1}"\n'
DOCUMENTED = (0, 2, 3, 6, 7, 8, 9)
VERBS: dict[str, tuple[str, ...]] = {
    "deploy": ("deploy", "release", "liar"),
    "plan": ("deploy", "release", "liar", "honest", "--plan"),
    "status": ("status", "liar"),
    "doctor": ("doctor", "liar", "release"),
    "why": ("why", "liar"),
    "logs": ("logs", "liar"),
    "mem": ("mem", "liar", "sorter"),
    "settings": ("settings", "show", "liar"),
}


class Desk:
    """A release, a device that lies, and one that does not."""

    def __init__(self, folder: Path, commands: QuickCommands) -> None:
        self.folder, self._commands = folder, commands
        prefixes = {name: folder / name for name in ("liar", "honest")}
        (folder / "fleet.toml").write_text("".join(DEVICE.format(*one) for one in prefixes.items()))
        install_keeper(prefixes["honest"])
        self._release()

    def ask(self, lie: str, *argv: str) -> Ended:
        """Run a command with the device lying so."""
        install_keeper(self.folder / "liar", lie)
        done = self._commands.run(*argv, cwd=self.folder)
        assert "Traceback" not in done.stderr, done.stderr
        assert done.code in DOCUMENTED, done.stderr
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", done.stdout + done.stderr)
        assert ("error: " in done.stderr) == ("hint: " in done.stderr)
        return done

    def _release(self) -> None:
        plan = to_message(make_plan())
        requires = Requires(
            arch=HOST.os.arch,
            libc_version=HOST.os.libc_version,
            python=HOST.os.python,
            python_path=HOST.os.python_path,
            cpus=(0,),
            memory_bytes=1 << 20,
            disk_bytes=1 << 20,
            cgroup_controllers=(),
        )
        entry = FileEntry(path="plan.json", sha256=sha256_bytes(plan), bytes=len(plan))
        manifest = Manifest(
            format=1,
            application="sorter",
            version="1.0.0",
            target="host",
            edgekit="0",
            requires=requires,
            files=(entry,),
            wheels=(),
            engines=(),
        )
        (self.folder / "release/files").mkdir(parents=True)
        (self.folder / "release/manifest.json").write_bytes(to_message(manifest))
        (self.folder / "release/files/plan.json").write_bytes(plan)


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[QuickCommands]:
    with quick_commands(tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def desk(tmp_path: Path, commands: QuickCommands) -> Desk:
    return Desk(tmp_path, commands)


def test_without_a_lie_all_of_them_are_content(desk: Desk) -> None:
    for verb, argv in VERBS.items():
        done = desk.ask("", *argv)
        assert done.code == 0, (verb, done.stderr)


HUGE, NEGATIVE, NO_NUMBER = "10**400", "-(10**400)", 'float("nan")'
LIES: dict[str, tuple[str, str, int, str]] = {
    "no end of room": (f'STATUS["disk_free_bytes"] = {HUGE}', "status", 2, "disk_free_bytes: expected 0 to"),
    "less than no room": ('STATUS["store_bytes"] = -1', "status", 2, "store_bytes: expected 0 to"),
    "room that is no number": (f'STATUS["disk_free_bytes"] = {NO_NUMBER}', "status", 2, "disk_free_bytes: expected"),
    "up for ever": ('STATUS["uptime_s"] = float("inf")', "status", 2, "uptime_s: expected"),
    "a worker beyond all numbers": (f'APPLICATION["worker"]["pid"] = {HUGE}', "status", 2, "worker.pid: expected"),
    "a failure at no time": (
        'APPLICATION["last_failure"] = dict(digest="", application="", version="", reason="r", probes=[], log_tail=[],'
        " at_s=1e300)",
        "status",
        2,
        "last_failure.at_s: expected",
    ),
    "no end of applications": ('STATUS["applications"] *= 5000', "status", 2, "applications: expected 0 to 1024"),
    "no end of locks": (
        'STATUS["locks"] = {str(number): "x" for number in range(5000)}',
        "status",
        2,
        "locks: expected 0 to 1024",
    ),
    "an old trust file": ('DONE["hello"]["trust_version"] = -1', "deploy", 2, "trust_version: expected 0 to"),
    "a trust file of the far future": (f'DONE["hello"]["trust_version"] = {HUGE}', "doctor", 0, ""),
    "another release": ('OFFER["digest"] = "cd" * 32', "deploy", 6, "answers about cdcdcdcdcdcd"),
    "blobs that nobody offered": (
        'OFFER["missing"] = [{"sha256": "f" * 64, "have_bytes": 0}] * 9000',
        "deploy",
        0,
        "committed",
    ),
    "more of a blob than there is": (
        'OFFER["missing"] = [{"sha256": "f" * 64, "have_bytes": 1 << 60}]',
        "deploy",
        2,
        "missing[0].have_bytes: expected 0 to",
    ),
    "no end of warnings": ('OFFER["warnings"] = ["w"] * 9000', "deploy", 2, "warnings: expected 0 to 1024"),
    "begun patches that there are not": (
        'OFFER["begun"] = [{"sha256": "f" * 64, "patch": "e" * 64, "have_bytes": 7}]',
        "deploy",
        0,
        "committed",
    ),
    "installed without anything": ('OFFER["installed"] = OFFER["current"] = True', "deploy", 0, "committed"),
    "health of another release": ("commit = lambda digest: None", "deploy", 8, "and then that it runs abababababab"),
    "done before it was asked": (
        '_a = answer\ndef answer(verb, *rest):\n    send({"kind": "done"})\n    _a(verb, *rest)',
        "deploy",
        2,
        "greeting of liar: keeper: missing",
    ),
    "done ahead of the outcome": (
        '_a = answer\ndef answer(verb, *rest):\n    verb == "install" and send({"kind": "done"})\n    _a(verb, *rest)',
        "deploy",
        2,
        "status of liar",
    ),
    "nested without end": (
        '_a = answer\ndef answer(verb, *rest):\n    raw(b"[" * 3_000_000 + b"\\n")',
        "status",
        2,
        "answer of liar: not JSON",
    ),
    "nested deep": (
        '_a = answer\ndef answer(verb, *rest):\n    raw(b\'{"kind":\' * 99 + b"1" + b"}" * 99 + b"\\n")',
        "status",
        2,
        "answer of liar: nested too deep",
    ),
    "an exit code that there is not": (
        'def answer(*_):\n    send({"kind": "error", "message": "no", "exit_code": 10**400})',
        "status",
        2,
        "exit_code: expected 0 to 255",
    ),
    "what a terminal obeys": (
        'def answer(*_):\n    send({"kind": "error", "message": "\\x1b]0;x\\x07\\u202eno\\x9b2J", "exit_code": 8,'
        ' "hint": "\\x1b[2Jlook", "details": "\\r\\x1b[31mred"})',
        "status",
        8,
        "error: no\n\nred\nhint: look",
    ),
    "a log that a terminal obeys": ('BEFORE["logs"][0]["message"] = "\\x1b[2Jgone\\x07"', "logs", 0, "sorter: gone"),
    "an incident beyond all clocks": (
        f'DONE["why"]["incidents"] = [INCIDENT | {{"at_s": {HUGE}}}]',
        "why",
        2,
        "at_s: expected",
    ),
    "an incident at the end of time": ('DONE["why"]["incidents"] = [INCIDENT | {"at_s": 1e12}]', "why", 0, ""),
    "figures beyond all bounds": (
        f'DONE["why"]["incidents"] = [INCIDENT | {{"figures": {{"memory_peak_bytes": {HUGE}}}}}]',
        "why",
        2,
        "memory_peak_bytes: expected",
    ),
    "more memory than there is": (f'DONE["memory"]["max_bytes"] = {HUGE}', "mem", 2, "max_bytes: expected 0 to"),
    "a setting beyond all numbers": (
        f'DONE["settings"]["values"] = {{"x": {HUGE}}}\n'
        'DONE["settings"]["declared"] = {"x": {"kind": "integer", "about": "a"}}',
        "settings",
        0,
        "",
    ),
}


@pytest.mark.sampled(10)
@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_told_in_one_sentence(name: str, desk: Desk) -> None:
    lie, verb, code, told = LIES[name]
    done = desk.ask(lie, *VERBS[verb])
    assert done.code == code, done.stderr
    assert told in done.stdout + done.stderr


WITHOUT_END: dict[str, tuple[str, str]] = {
    "a line": ('for _ in itertools.count(): raw(b"x" * 65536)', "answers with a line without end"),
    "progress": ('for _ in itertools.count(): send({"kind": "progress", "message": "on"})', "answers without end"),
    "reports": ('for _ in itertools.count(): send({"kind": "log", "message": "m" * (3 << 20)})', "answers without end"),
}
INSTEAD = "_a = answer\ndef answer(verb, *rest):\n    if verb == {!r}:\n        {}\n    _a(verb, *rest)"


@pytest.mark.sampled(1)
@pytest.mark.parametrize("name", WITHOUT_END)
def test_what_has_no_end_is_left(name: str, desk: Desk) -> None:
    talk, told = WITHOUT_END[name]
    usual = desk.ask("", *VERBS["status"]).peak_kib
    for verb in {"a line": ("status", "plan", "logs"), "progress": ("deploy", "mem"), "reports": ("why", "logs")}[name]:
        asked = {"plan": "offer", "deploy": "offer", "mem": "memory"}.get(verb, verb)
        done = desk.ask(INSTEAD.format(asked, talk), *VERBS[verb])
        assert done.code == 7, (verb, done.stderr)
        assert told in done.stdout + done.stderr
        assert done.peak_kib < usual + (48 << 10)


def test_doctor_judges_what_it_has_from_elsewhere(desk: Desk) -> None:
    done = desk.ask(INSTEAD.format("status", WITHOUT_END["progress"][0]), *VERBS["doctor"])
    assert done.code == 0 and "nothing is missing" in done.stdout, "its facts are another program's"


EXITS = {"no room": 7, "no end": 7, "another release": 8, "dead": 7}
LIARS = {
    "no room": f'STATUS["disk_free_bytes"] = {HUGE}',
    "no end": INSTEAD.format("offer", WITHOUT_END["progress"][0]),
    "another release": LIES["another release"][0],
    "dead": "sys.exit(3)",
}


@pytest.mark.parametrize("name", LIARS)
def test_a_device_that_lies_stops_no_other(name: str, desk: Desk) -> None:
    done = desk.ask(LIARS[name], *VERBS["plan"], "--json")
    transfers = {one["device"]: one for one in json.loads(done.stdout)["transfers"]}
    assert done.code == EXITS[name]
    assert transfers["honest"]["send_bytes"] and not transfers["honest"]["refused"]
    assert transfers["liar"]["refused"] or transfers["liar"]["unknown"]
    assert not transfers["liar"]["send_bytes"]


def test_a_text_without_end_is_cut_and_a_wide_answer_is_bounded(desk: Desk) -> None:
    done = desk.ask(
        'APPLICATION["unhealthy_because"] = ["w" * 3_000_000]; APPLICATION["healthy"] = False', *VERBS["status"]
    )
    assert done.code == 0 and len(done.stdout) < 20_000
    wide = 'def answer(*_):\n    raw(b\'{"kind":"done","data":{"x":[\' + b"[]," * 1_300_000 + b"[]]}}\\n")'
    done = desk.ask(wide, *VERBS["status"])
    assert done.code == 2 and done.peak_kib < 512 << 10
