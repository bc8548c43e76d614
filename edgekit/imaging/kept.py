"""A picture that outlives its frame."""

from __future__ import annotations

from edgekit.errors import FrameReleased
from edgekit.imaging.image import Image


class KeptPicture:
    """A copy of a frame's picture, for as long as somebody holds it: its memory counts against what a recipe allows.

    `release` it as soon as may be, or write `with frame.keep() as kept:`.
    """

    __slots__ = ("__weakref__", "_image", "sequence", "stream")

    def __init__(self, image: Image, stream: str, sequence: int) -> None:
        self._image: Image | None = image
        self.stream, self.sequence = stream, sequence
        """Of the frame that it was."""

    @property
    def image(self) -> Image:
        """The picture, read-only. Raises FrameReleased after `release`."""
        if self._image is None:
            raise FrameReleased(
                f"the kept picture of frame {self.sequence} of stream {self.stream} was released",
                hint="release it after its last use",
            )
        return self._image

    def release(self) -> None:
        """Give its memory back; at once, where no array of it is held."""
        self._image = None

    def __enter__(self) -> KeptPicture:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
