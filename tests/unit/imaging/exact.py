"""Colours and samplings in float64, written from the standards and not from the code under test."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt

from edgekit.imaging.image import FrameSpec, RgbImage, Yuv420Image

WEIGHTS = {"601": (0.299, 0.114), "709": (0.2126, 0.0722), "2020": (0.2627, 0.0593)}
COLOURS = list(itertools.product(WEIGHTS, ("limited", "full")))
FORMATS = ("I420", "NV12", "NV21", "YUYV", "I422")
Plane = npt.NDArray[np.uint8]


def exact_rgb(y, u, v, matrix, range_):
    """H.273's equations word for word: to analogue E'Y, E'PB, E'PR, then to R'G'B'."""
    kr, kb = WEIGHTS[matrix]
    y, u, v = (plane.astype(np.float64) for plane in (y, u, v))
    luma = (y - 16) / 219 if range_ == "limited" else y / 255
    pb, pr = ((chroma - 128) / (224 if range_ == "limited" else 255) for chroma in (u, v))
    red = luma + pr * 2 * (1 - kr)
    blue = luma + pb * 2 * (1 - kb)
    green = (luma - kr * red - kb * blue) / (1 - kr - kb)
    return np.clip(np.stack([red, green, blue], axis=-1), 0, 1) * 255


def nearest(plane, columns, rows):
    """The samples at these places."""
    return plane[np.ix_(rows, columns)]


def bilinear(plane, width, height):
    """Interpolated in float64, pixels' middles on top of each other, edges repeated."""
    down, up = _between(plane.shape[0], height), _between(plane.shape[1], width)
    rows = plane[down[0]] * (1 - down[2])[:, None] + plane[down[1]] * down[2][:, None]
    return rows[:, up[0]] * (1 - up[2]) + rows[:, up[1]] * up[2]


def _between(size, out):
    place = (np.arange(out) + 0.5) * size / out - 0.5
    first = np.floor(place)
    return np.clip(first, 0, size - 1).astype(int), np.clip(first + 1, 0, size - 1).astype(int), place - first


def mean_over(plane, width, height):
    """The mean over each pixel's area, samples at its edge by their share."""
    return _shares(plane.shape[0], height) @ plane.astype(np.float64) @ _shares(plane.shape[1], width).T


def _shares(size, out):
    """[out, size]: how much of each sample lies in each pixel."""
    edges = np.arange(out + 1) * size / out
    low, high = edges[:-1, None], edges[1:, None]
    samples = np.arange(size)
    return np.clip(np.minimum(high, samples + 1) - np.maximum(low, samples), 0, 1) / (size / out)


def frame_of(kind: str, width: int, height: int, seed: int = 0) -> tuple[Plane, Plane, Plane]:
    """Luma, and both chromas with a sample for each two columns and each row: noise, or gradients."""
    half = (width + 1) // 2
    if kind == "random":
        random = np.random.default_rng(seed)
        return tuple(random.integers(0, 256, (height, size), np.uint8) for size in (width, half, half))  # type: ignore[return-value]
    down, right = np.linspace(0, 255, height)[:, None], np.linspace(0, 255, half)[None]
    y = np.rint(np.linspace(0, 255, width)[None] * 0.7 + down * 0.3).astype(np.uint8)
    u, v = (np.rint(plane).astype(np.uint8) for plane in (right * 0.5 + (255 - down) * 0.5, 255 - right + 0 * down))
    return y, u, v


def image_in(format_: str, planes: tuple[Plane, Plane, Plane], matrix: str, range_: str) -> Yuv420Image:
    """The picture as memory of that format holds it, rows padded, read-only as a decoder's."""
    y, u, v = planes
    height, width = y.shape
    spec = FrameSpec(width_px=width, height_px=height, matrix=matrix, range=range_, format=format_)  # type: ignore[arg-type]
    if format_ == "YUYV":
        packed = _padded(height, 4 * u.shape[1])
        packed[:, 0 : 2 * width : 2], packed[:, 1::4], packed[:, 3::4] = y, u, v
        views = packed[:, 0 : 2 * width : 2], packed[0::2, 1::4], packed[0::2, 3::4]
    elif format_ in ("NV12", "NV21"):
        first = ("NV12", "NV21").index(format_)
        pairs = _padded((height + 1) // 2, 2 * u.shape[1], beside=14 - first)  # words of 16 bits, or none
        pairs[:, first::2], pairs[:, 1 - first :: 2] = u[0::2], v[0::2]
        views = _copied(y), pairs[:, first::2], pairs[:, 1 - first :: 2]
    else:
        views = (
            _copied(y),
            *((_copied(u)[0::2], _copied(v)[0::2]) if format_ == "I422" else (_copied(u[0::2]), _copied(v[0::2]))),
        )
    for view in views:
        view.flags.writeable = False
    return Yuv420Image(y=views[0], u=views[1], v=views[2], spec=spec)


def pixels_in(order: str, rgb: Plane) -> RgbImage:
    """R, G, B as an image of another order holds them."""
    made = {"RGB": rgb, "BGR": rgb[..., ::-1], "RGBA": np.dstack([rgb, rgb[..., 0]]), "GRAY": rgb[..., 1]}[order]
    padded = _padded(len(made), made.shape[1] + 5, made.shape[2:])[:, : made.shape[1]]
    padded[:] = made
    return RgbImage(pixels=padded, order=order)  # type: ignore[arg-type]


def _padded(rows: int, columns: int, more: tuple[int, ...] = (), beside: int = 13) -> Plane:
    """Rows that lie further apart than they are long."""
    return np.full((rows, columns + beside, *more), 77, np.uint8)[:, :columns]


def _copied(plane: Plane) -> Plane:
    copied = _padded(*plane.shape)
    copied[:] = plane
    return copied
