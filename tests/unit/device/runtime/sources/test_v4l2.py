"""A camera of the kernel where there is none: what is said of it. Frames of its formats: `test_decoded.py`."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.device.runtime.sources.live import CameraLost
from edgekit.device.runtime.sources.v4l2 import connect
from edgekit.schema.source import V4l2Source


def source(device: str) -> V4l2Source:
    return V4l2Source(kind="v4l2", device=device, lane="l", stall_s=0.5)


def test_a_camera_that_is_not_plugged_in_is_down() -> None:
    with pytest.raises(CameraLost, match="/dev/video-none cannot be opened: No such file or directory") as caught:
        connect("usb", source("/dev/video-none"))
    assert caught.value.state == "down"


def test_what_is_no_camera_is_named(tmp_path: Path) -> None:
    file = tmp_path / "video0"
    file.write_bytes(b"no device")
    with pytest.raises(CameraLost, match=f"{file} cannot be opened: Inappropriate ioctl for device"):
        connect("usb", source(str(file)))
