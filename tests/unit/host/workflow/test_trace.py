"""Writing a trace and replaying one: what can be known to fail is known before anything is recorded."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import pytest

from edgekit.errors import InputError
from edgekit.executor.local import LocalExecutor
from edgekit.host.progress import Silent
from edgekit.host.workflow.devices import DeviceAccess
from edgekit.host.workflow.trace import WantedTrace, record_trace, replay_trace
from edgekit.schema.trace import TraceHeader, pack_record

RAW = pack_record(TraceHeader(application="gate-watch", began_s=5.0, began_wall_s=1e9, seconds=1.5, full=True), b"")


class RecordingKeeper:
    """Has one record."""

    def __init__(self, application: str) -> None:
        self.application = application

    def check_can(self, feature: str, what: str) -> None:
        pass

    def ask(self, _verb: str, *, watch: Any, **_fields: Any) -> dict[str, object]:
        from edgekit.schema.control import Event

        watch(Event(kind="progress", data={"offset": 0, "data": base64.b64encode(RAW).decode()}))
        return {"application": self.application, "bytes": len(RAW)}


class OneDevice:
    """The way to it; counts how often it was gone."""

    def __init__(self, application: str = "gate-watch") -> None:
        self.times = 0
        self.application = application

    @contextmanager
    def keeper(self, _name: str) -> Iterator[RecordingKeeper]:
        self.times += 1
        yield RecordingKeeper(self.application)


def test_the_file_is_named_after_device_and_application(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    access = cast(DeviceAccess, OneDevice())
    done = record_trace("root@10.0.0.7:22", WantedTrace(), access, Silent())
    assert done.file == "root-10.0.0.7-22-gate-watch.trace.json" and done.full and done.seconds == 1.5
    assert json.loads((tmp_path / done.file).read_bytes())["otherData"]["device"] == "root@10.0.0.7:22"
    assert replay_trace(tmp_path / done.file, LocalExecutor()).decisions == 0
    assert record_trace("../x", WantedTrace(), access, Silent()).file == "x-gate-watch.trace.json"


def test_a_device_that_lies_about_its_application_does_not_choose_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for application in ("/../../there", str(tmp_path / "there")):
        done = record_trace("gate-7", WantedTrace(), cast(DeviceAccess, OneDevice(application)), Silent())
        assert "/" not in done.file and (tmp_path / "here" / done.file).is_file()


@pytest.mark.parametrize("out", [Path("nowhere/t.json"), Path()])
def test_a_file_that_cannot_be_written_is_known_before_anything_is_recorded(
    out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    device = OneDevice()
    with pytest.raises(InputError, match="can be no file") as refused:
        record_trace("gate-7", WantedTrace(out=out), cast(DeviceAccess, device), Silent())
    assert device.times == 0 and "--out" in refused.value.hint


def test_a_damaged_record_is_no_bug(tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    file.write_text(json.dumps({"otherData": {"record": base64.b64encode(b"{}\n").decode()}}))
    with pytest.raises(InputError, match="trace: application") as refused:
        replay_trace(file, LocalExecutor())
    assert "edgekit trace DEVICE" in refused.value.hint
