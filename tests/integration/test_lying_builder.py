"""Builder devices that lie or break, over the real protocol: one sentence each, nothing kept, the next one is asked."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgekit.errors import EdgekitError, EngineError, LockHeld, Unreachable
from edgekit.executor.local import LocalExecutor
from edgekit.host.engine.builder.client import AgentClient
from edgekit.host.engine.builder.devices import Builders, Patience
from edgekit.host.engine.record import CompiledEngine
from edgekit.host.progress import Silent
from tests.fakes.builder_board import BoardExecutor
from tests.integration.test_builder import Bay, Heard, compile_there, job_of

pytestmark = pytest.mark.integration
REPLIES = """
_honest = Agent.reply
def _lie(self, answer):
    changed = %s
    if isinstance(changed, bytes):
        self.answers.write(changed + b"\\n")
        self.answers.flush()
    else:
        _honest(self, changed)
Agent.reply = _lie
"""
"""Changes every answer by an expression."""
DEEP = "b'{\"held\":' + b'{\"a\":' * 200_000 + b'1' + b'}' * 200_001 if answer == {} else answer"
UNLIKE = {
    "reserve, nested deep": (DEEP, "something else than a JSON object|nested deeper"),
    "reserve, nested less deep": (DEEP.replace("200_00", "20"), "nested deeper"),
    "reserve, no JSON": ("b'\\xff\\x00' if answer == {} else answer", "something else than a JSON object"),
    "reserve, a list": ("b'[]' if answer == {} else answer", "something else than a JSON object"),
    "held, a text": ("{'held': 'anna'} if answer == {} else answer", "held: expected a table"),
    "held, for ever": ("{'held': {'holder': 'a', 'what': 'b', 'for_s': 1e300}} if answer == {} else answer", "for_s"),
    "held, no number": ('b\'{"held": {"holder": "a", "what": "b", "for_s": NaN}}\'', "held.for_s"),
    "missing, absent": ("{} if type(answer.get('missing')) is dict else answer", "missing: missing"),
    "missing, a text": ("{'missing': 'x'} if type(answer.get('missing')) is dict else answer", "missing: expected"),
    "missing, a list": ("{'missing': [1]} if type(answer.get('missing')) is dict else answer", "missing: expected"),
    "missing, of nobody": ("{'missing': {'f' * 64: 0}} if type(answer.get('missing')) is dict else answer", "nobody"),
    "missing, less than nothing": (
        "{'missing': dict.fromkeys(answer['missing'], -5)} if type(answer.get('missing')) is dict else answer",
        "expected 0 to",
    ),
    "missing, more than all": (
        "{'missing': dict.fromkeys(answer['missing'], 10**9)} if type(answer.get('missing')) is dict else answer",
        "too much of it",
    ),
    "lay, no path": ("{} if 'path' in answer else answer", "path: missing"),
    "lay, no text": ("{'path': 7} if 'path' in answer else answer", "path: expected"),
    "run, a text": ("answer | {'returncode': 'fine'} if 'returncode' in answer else answer", "returncode: expected"),
    "run, no return code": ("answer | {'returncode': 1e99} if 'returncode' in answer else answer", "returncode"),
    "fetch, no size": ("{'sha256': answer['sha256']} if 'payload_bytes' in answer else answer", "how large"),
    "fetch, no digest": ("{'payload_bytes': 5} if 'payload_bytes' in answer else answer", "what digest"),
    "fetch, less than nothing": ("answer | {'payload_bytes': -1} if 'payload_bytes' in answer else answer", "payload"),
    "fetch, a petabyte": (
        "answer | {'payload_bytes': 1 << 50} if 'payload_bytes' in answer else answer",
        "are the most that it can have",
    ),
    "a refusal, no text": ("{'error': ['x']}", "error: expected text"),
}
WITHOUT_END = {
    "beats": "Agent.run = lambda self, request: [self.reply({'beat': True}) for _ in iter(int, 1)]",
    "slow beats": "Agent.run = lambda self, _: [self.reply({'beat': not time.sleep(.1)}) for _ in iter(int, 1)]",
    "progress": "Agent.run = lambda self, request: [self.reply({'progress': 'on'}) for _ in iter(int, 1)]",
    "a greeting": "sys.stdout.write = lambda text: None\nwhile True: print('hello' * 10, file=sys.stderr)",
}
USUAL = Patience()
HURRY = Patience(answer_s=4.0, files_s=20.0, compile_s=1.0, try_s=20.0)


def lying(folder: Path, lies: str) -> Bay:
    return Bay(folder, lambda: BoardExecutor(lies=lies))


def patient(builders: Builders, patience: Patience = HURRY) -> Builders:
    return dataclasses.replace(builders, patience=patience)


def failure(bay: Bay, patience: Patience = USUAL, **job: object) -> EdgekitError:
    with pytest.raises(EdgekitError) as raised:
        compile_there(dataclasses.replace(job_of(), **job), patient(bay.builders(), patience), Silent())
    return sound(raised.value)


def sound(error: EdgekitError) -> EdgekitError:
    """One sentence that names the device, a hint, the right exit code, and nothing that a terminal would obey."""
    assert error.exit_code in (5, 7)
    assert "bay-1" in error.message
    assert error.hint
    assert "\n" not in error.message
    assert not set("\x1b\x07\x9b") & set(error.message + error.hint + error.details)
    return error


@pytest.mark.parametrize("name", UNLIKE)
def test_an_answer_that_is_none_is_told_and_the_next_device_is_asked(name: str, tmp_path: Path) -> None:
    lie, told = UNLIKE[name]
    bay = lying(tmp_path, REPLIES % lie)
    error = failure(bay)
    assert isinstance(error, EngineError)
    assert re.search(told, error.message), error.message
    heard, other = Heard(), Bay(tmp_path / "two", LocalExecutor, "bay-2")
    assert compile_there(job_of(), bay.builders(other), heard).engine == b"engine of onnx"
    assert [note for note in heard.notes if "bay-1" in note and "another builder is asked" in note]


@pytest.mark.parametrize("name", WITHOUT_END)
def test_a_device_that_talks_without_end_is_left(name: str, tmp_path: Path) -> None:
    failure(lying(tmp_path, WITHOUT_END[name]), HURRY)


def test_a_device_that_drips_or_falls_silent_is_left(tmp_path: Path) -> None:
    drip = "Agent.lay = lambda self, _: [self.answers.raw.write(b'x') and time.sleep(.1) for _ in iter(int, 1)]"
    patience = dataclasses.replace(HURRY, files_s=5.0)
    assert isinstance(failure(lying(tmp_path / "1", drip), patience), Unreachable)
    assert isinstance(failure(lying(tmp_path / "2", "Agent.lay = lambda *_: time.sleep(600)"), patience), Unreachable)


def test_a_file_that_came_broken_is_not_taken(tmp_path: Path) -> None:
    lie = "answer | {'sha256': 'f' * 64} if 'payload_bytes' in answer else answer"
    assert "came broken" in failure(lying(tmp_path, REPLIES % lie)).message


def test_another_engine_than_was_compiled_is_not_taken(tmp_path: Path) -> None:
    bay = Bay(tmp_path, LocalExecutor)
    bay.control.mkdir(parents=True)
    (bay.control / "built.json").write_text(json.dumps({"engine_sha256": "f" * 64}))
    assert "another engine than it says" in failure(bay).message
    assert not list((bay.agent / "laid").glob("job-*"))


@pytest.mark.parametrize(
    "built",
    [b"", b"\0" * 300, b"[]", b'{"seconds": -1}', b'{"peak_bytes": 1e30}', b'{"sm": "\\u001b[31m"}', b'{"a":' * 5000],
    ids=["nothing", "zeros", "a list", "negative", "much", "escapes", "deep"],
)
def test_an_answer_of_the_compiler_that_is_none_is_told(built: bytes, tmp_path: Path) -> None:
    bay = Bay(tmp_path, LocalExecutor)
    bay.kit = _kit_that_leaves(bay.kit[-1].file.parents[3], "build-answer.json", built)
    failure(bay)


def _kit_that_leaves(folder: Path, name: str, content: bytes):  # type: ignore[no-untyped-def]
    from tests.fakes.builder_kit import PROGRAM, kit_of

    return kit_of(folder / "leaves", f"{PROGRAM}\n(folder / {name!r}).write_bytes({content!r})\n")


def npz(**arrays: np.ndarray) -> bytes:
    made = io.BytesIO()
    np.savez(made, **{f"output:{name}": array for name, array in arrays.items()})
    return made.getvalue()


def _flipped(data: bytes) -> bytes:
    at = data.index(b"\x93NUMPY") + 130  # in the array, behind its header
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def _encrypted(data: bytes) -> bytes:
    place = data.index(b"PK\x01\x02")
    return data[: place + 8] + b"\x01" + data[place + 9 :]


GOOD = npz(heat=np.arange(3.0))
ANSWERS: dict[str, tuple[bytes, str]] = {
    "no zip": (b"rubbish" * 100, "not a zip"),
    "empty": (b"", "not a zip"),
    "cut": (GOOD[:-30], "cannot be read"),
    "a bad checksum": (_flipped(GOOD), "CRC"),
    "encrypted": (_encrypted(GOOD), "encrypted"),
    "no output": (npz(), "outputs of no name instead of heat"),
    "another output": (npz(cold=np.arange(3.0)), "outputs cold instead of heat"),
    "one more": (npz(heat=np.arange(3.0), cold=np.arange(3.0)), "instead of heat"),
    "another shape": (npz(heat=np.arange(4.0)), r"shape \[4\] instead of \[3\]"),
    "the same size in another shape": (npz(heat=np.zeros((3, 1))), r"shape \[3, 1\]"),
    "objects": (npz(heat=np.array([{}, [], None], object)), "of type object"),
    "texts": (npz(heat=np.array(["a", "b", "c"])), "of type <U1"),
    "too much of it": (npz(heat=np.zeros(1 << 20)), "the most that it can have"),
}


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_on_frames_that_are_none_are_told_and_wiped(name: str, tmp_path: Path) -> None:
    bay = Bay(tmp_path, LocalExecutor)
    bay.control.mkdir(parents=True)
    content, told = ANSWERS[name]
    (bay.control / "answers.npz").write_bytes(content)
    frames = np.zeros((2, 3, 8, 8), np.float32)
    error = failure(bay, frames=frames)
    assert re.search(told, error.message), error.message
    assert not list((bay.agent / "laid").glob("job-*"))
    (bay.control / "answers.npz").write_bytes(GOOD)
    made = compile_there(dataclasses.replace(job_of(), frames=frames), bay.builders(), Silent())
    np.testing.assert_array_equal(made.answers["heat"], np.arange(3.0))


def test_an_archive_of_zeros_is_not_unpacked(tmp_path: Path) -> None:
    import tracemalloc

    from edgekit.host.engine.builder.answers import BuilderFault
    from edgekit.host.engine.builder.arrays import read_arrays

    for shape in ((3,), (1 << 29,)):
        made = io.BytesIO()
        with (
            zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
            archive.open("output:heat.npy", "w") as member,
        ):
            header = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(member, header)
            for _ in range(128):
                member.write(bytes(1 << 20))
        tracemalloc.start()
        try:
            with pytest.raises(BuilderFault, match=r"another length|has shape"):
                read_arrays(made.getvalue(), {"heat": (3,)}, "bay-1")
            assert tracemalloc.get_traced_memory()[1] < 8 << 20
        finally:
            tracemalloc.stop()


@pytest.mark.parametrize(
    "facts",
    [
        {"text": b""},
        {"text": b"\0\xff"},
        {"text": b"[1]"},
        {"text": b'{"model":' * 100_000},
        {"text": b"{}"},
        {"model": 7},
        {"memory_available_bytes": "all"},
        {"accelerators": [{"kind": 7}]},
    ],
    ids=["nothing", "bytes", "a list", "deep", "empty", "a number", "a text", "half"],
)
def test_facts_that_are_none_are_told(facts: dict[str, object], tmp_path: Path) -> None:
    error = failure(Bay(tmp_path, lambda: BoardExecutor(facts)))
    assert "cannot be trusted" in error.message
    other = Bay(tmp_path / "two", LocalExecutor, "bay-2")
    bad = Bay(tmp_path, lambda: BoardExecutor(facts))
    assert compile_there(job_of(), bad.builders(other), Silent()).engine


def test_nothing_that_a_device_says_steers_a_terminal(tmp_path: Path) -> None:
    """Names, progress, failures, output, facts: all of it, before anybody else has it."""
    hostile = "\x1b[2J\x1b]0;owned\x07\u202eevil\r\nerror: it burns"
    seen: list[str] = []

    class Ears(Silent):
        def note(self, text: str) -> None:
            seen.append(text)

    held = REPLIES % f"{{'held': {{'holder': {hostile!r}, 'what': {hostile!r}, 'for_s': 1}}}}"
    with pytest.raises(LockHeld) as raised:
        compile_there(job_of(), lying(tmp_path / "1", held).builders(), Ears())
    seen += [raised.value.message, raised.value.hint]
    refuses = REPLIES % f"{{'error': {hostile!r}, 'hint': {hostile!r}}}"
    seen += texts_of(lambda: compile_there(job_of(), lying(tmp_path / "2", refuses).builders(), Ears()))
    fails = Bay(tmp_path / "3", lambda: BoardExecutor({"model": hostile}))
    fails.say(hostile)
    seen += texts_of(lambda: compile_there(job_of(), fails.builders(), Ears()))
    tells = lying(tmp_path / "4", REPLIES % f"answer | {{'progress': {hostile!r}}} if 'progress' in answer else answer")
    tells.control.mkdir(parents=True)
    (tells.control / "built.json").write_text(json.dumps({"warnings": [hostile], "toolkit": hostile}))
    made = compile_there(job_of(), tells.builders(), Ears())
    seen += made.warnings
    named = Bay(tmp_path / "5", lambda: BoardExecutor({"model": hostile}))
    seen += compile_there(job_of(), named.builders(), Ears()).facts.values()
    noisy = lying(tmp_path / "6", "import os; os.write(2, b'\\x1b[2Jburns'); os._exit(3)")
    seen += texts_of(lambda: compile_there(job_of(), noisy.builders(), Ears()))
    assert sum("evil" in text for text in seen) >= 7
    assert not [text for text in seen if set("\x1b\x07\u202e\x9b\r") & set(text)]
    assert not [text for text in seen if text.startswith("error:")]


def texts_of(work: Callable[[], CompiledEngine]) -> list[str]:
    with pytest.raises(EdgekitError) as raised:
        work()
    error = sound(raised.value)
    return [error.message, error.hint, error.details]


def test_a_load_that_fails_is_wiped_so_that_the_next_run_starts_clean(tmp_path: Path) -> None:
    bay = Bay(tmp_path, LocalExecutor)
    bay.control.mkdir(parents=True)
    (bay.control / "answers.npz").write_bytes(GOOD)
    (bay.control / "unloadable").touch()
    frames = np.zeros((2, 3, 8, 8), np.float32)
    error = failure(bay, frames=frames)
    assert error.message == "net on bay-1: the engine does not load"
    assert not (bay.agent / "laid/job-key-net").exists()
    (bay.control / "unloadable").unlink()
    assert compile_there(dataclasses.replace(job_of(), frames=frames), bay.builders(), Silent()).engine
    assert bay.runs() == ["job-key-net"] * 2  # it was compiled again


def test_what_does_not_pass_the_look_at_its_content_is_wiped_and_the_next_device_asked(tmp_path: Path) -> None:
    from edgekit.host.engine.builder.remote import compile_on_device

    bay, other = Bay(tmp_path, LocalExecutor), Bay(tmp_path / "two", LocalExecutor, "bay-2")
    bay.control.mkdir(parents=True)
    (bay.control / "engine").write_bytes(b"")

    def look(compiled: CompiledEngine) -> None:
        if not compiled.engine:
            raise EngineError("it is empty", hint="report this")

    made = compile_on_device(job_of(), bay.builders(other), Silent(), look)
    assert made.engine == b"engine of onnx"
    assert not list((bay.agent / "laid").glob("job-*"))
    with pytest.raises(EngineError, match="bay-1 made no usable engine of net: it is empty"):
        compile_on_device(job_of(), bay.builders(), Silent(), look)


def test_cleaning_leaves_nothing_but_the_lock(tmp_path: Path) -> None:
    bay = Bay(tmp_path, LocalExecutor)
    compile_there(job_of(), bay.builders(), Silent())
    with AgentClient(bay.device, LocalExecutor(), sys.executable, Patience()) as client:
        client.reserve("anna@desk", "nothing")
        assert client.clean() > 100
        assert [path.name for path in bay.agent.iterdir()] == ["lock"]
        assert client.clean() == 0
