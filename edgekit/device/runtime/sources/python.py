"""`python`: pictures from a class of the recipe's own, for cameras and sensors that no other kind knows."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.device.runtime.figures import LaneFigures
from edgekit.device.runtime.frames.stream import Entry, StreamEnded, StreamLost, StreamRestarted, StreamStarted
from edgekit.device.runtime.stages import close_stage, import_entry
from edgekit.errors import Cause, InputError
from edgekit.imaging.image import Pixels, RgbImage, Yuv420Image, no_picture
from edgekit.judging.error_causes import cause_of
from edgekit.schema.reader import from_raw
from edgekit.schema.source import PythonSource
from edgekit.stage import Frame, GivenPicture, ModelResult, SourceContext, StreamInfo

_FIRST_PAUSE_S = 1.0
_HINT = "give an RgbImage or a Yuv420Image, or a GivenPicture with one"


class OwnSource:
    """Frames of a recipe's own class. See `edgekit.device.runtime.sources.source.FrameSource`.

    One that fails is down, and is made anew after a pause that grows: a sensor that is unplugged comes back by itself.
    """

    info: StreamInfo | None = None

    def __init__(
        self,
        name: str,
        source: PythonSource,
        release: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], object] | None = None,
    ) -> None:
        """Import the class and read its options; nothing is opened yet.

        Args:
            name: the source's in the recipe.
            source: its plan.
            release: the release's folder.
            clock: monotonic seconds.
            wait: lets so many seconds pass, or fewer when it is stopped; None: really.

        Raises:
            InputError: there is no such class, or its options are wrong.
        """
        self.name, self.live = name, source.live
        self._source, self._clock = source, clock
        self._class = import_entry("source", source.entry)
        kind = getattr(self._class, "Options", None)
        key = f"pipeline.sources.{name}.options"
        options = from_raw(kind, source.options, "recipe.toml", key=key) if kind is not None else source.options
        self._context = SourceContext(name=name, options=options, release=release)
        self._stopped = threading.Event()
        self._wait = wait or self._stopped.wait
        self._sequence = 0

    def stop(self) -> None:
        """See `FrameSource.stop`."""
        self._stopped.set()

    def close(self) -> None:
        """See `FrameSource.close`: what was made is closed where its pictures end."""

    def entries(self, figures: LaneFigures) -> Iterator[Entry]:
        """See `FrameSource.entries`."""
        pause_s = _FIRST_PAUSE_S
        cause: Cause
        while not self._stopped.is_set():
            before = self._sequence
            try:
                yield from self._pictures(figures)
                reason, cause = "its pictures have ended", ""
            except (Exception, SystemExit) as error:  # whatever a recipe's code raises
                if not self.live:
                    raise
                self._context.log.exception("it failed")
                reason, cause = f"{type(error).__name__}: {error}", cause_of(error)
            if self._stopped.is_set():
                return
            if not self.live:
                yield StreamEnded(stream=self.name, reason=reason)
                return
            yield StreamLost(stream=self.name, state="down", reason=reason, cause=cause)
            pause_s = _FIRST_PAUSE_S if self._sequence > before else min(2 * pause_s, self._source.backoff_s)
            self._wait(pause_s)

    def _pictures(self, figures: LaneFigures) -> Iterator[Entry]:
        """The frames of one life of the class."""
        made: Any = self._class(self._context)
        try:
            again = self.info is not None
            for given in made.pictures():
                captured_s = self._clock()
                if self._stopped.is_set():
                    return
                figures.begin("decode")
                picture = given if isinstance(given, GivenPicture) else None
                image = _checked(given, self.name)
                figures.end()
                yield from self._announced(image, again=again)
                again = False
                frame = Frame(
                    stream=self.name,
                    sequence=self._sequence,
                    captured_s=captured_s,
                    image=image,
                )
                if picture is not None:
                    frame.results = {model: ModelResult(inputs=dict(one)) for model, one in picture.inputs.items()}
                    frame.truth = picture.truth
                self._sequence += 1
                del picture, image, given  # else they keep the picture alive after its frame's end
                yield frame
                del frame  # likewise, while the next one is made
        finally:
            close_stage(made)

    def _announced(self, image: RgbImage | Yuv420Image, *, again: bool) -> Iterator[Entry]:
        """What comes before a frame: the stream has started, is back, or its pictures are others."""
        if self.info is None:
            self.info = StreamInfo(name=self.name, spec=image.spec, fps=self._source.fps)
            yield StreamStarted(info=self.info)
        elif again or image.spec != self.info.spec:
            changed = image.spec != self.info.spec
            self.info = replace(self.info, spec=image.spec)
            reason = f"pictures are {image.width_px}x{image.height_px} from here on" if changed else "it is back"
            yield StreamRestarted(info=self.info, again="change" if changed else "reconnect", reason=reason)


def _checked(given: object, name: str) -> RgbImage | Yuv420Image:
    """The picture that a recipe's class has given; a small black one where models' inputs came without."""
    image = given.image if isinstance(given, GivenPicture) else given
    if isinstance(given, GivenPicture) and image is None and given.inputs:
        return no_picture()
    if not isinstance(image, (RgbImage, Yuv420Image)):
        raise InputError(f"source {name} gave a {type(image).__name__}, which is no picture", hint=_HINT)
    return _lent(image)


def _lent(image: RgbImage | Yuv420Image) -> RgbImage | Yuv420Image:
    """The same picture in arrays of the frame's own: its lease ends with these, whatever the class does with its own.

    A class may give one array again and again. What has a memoryview as its base is a root for numpy and for leases.
    """
    match image:
        case RgbImage():
            return replace(image, pixels=_view(image.pixels))
        case Yuv420Image():
            return replace(image, y=_view(image.y), u=_view(image.u), v=_view(image.v))


def _view(plane: Pixels) -> Pixels:
    view: Pixels = np.asarray(memoryview(plane))  # type: ignore[arg-type]
    view.flags.writeable = False
    return view
