"""Photographs for the end-to-end tests: made, not shipped; every one different and never flat."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image


def scene(width: int, height: int, seed: int, channels: int = 3) -> NDArray[np.float64]:
    """(H, W, C) in [0, 1]: soft gradients, a few hard edges and a little grain, like a photograph."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    planes = []
    for _ in range(channels):
        a, b, c = random.uniform(1, 9, 3)
        plane = 0.5 + 0.25 * np.sin(a * x + b * y) + 0.15 * np.sign(np.sin(c * 3 * x - a * y))
        planes.append(plane + random.normal(0, 0.01, plane.shape))
    return np.clip(np.stack(planes, axis=-1), 0, 1)


def photo(kind: str, width: int, height: int, seed: int) -> bytes:
    """The bytes of one picture; `kind` is one of KINDS."""
    if kind == "png16":
        return bytes(imagecodecs.png_encode(_codes(scene(width, height, seed), 65535)))
    if kind == "png16_grey":
        return bytes(imagecodecs.png_encode(_codes(scene(width, height, seed, 1), 65535)[..., 0]))
    if kind == "tiff16":
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, _codes(scene(width, height, seed), 65535), photometric="rgb")
        return buffer.getvalue()
    pixels = _codes(scene(width, height, seed), 255)
    image = Image.fromarray(pixels)
    options: dict[str, object] = {}
    if kind == "jpeg_grey":
        image = image.convert("L")
    elif kind == "png_alpha":
        alpha = Image.fromarray(_codes(scene(width, height, seed + 1, 1), 255)[..., 0])
        image.putalpha(alpha)
    elif kind == "jpeg_rotated":
        exif = Image.Exif()
        exif[0x0112] = 6
        options["exif"] = exif
    formats = {"jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "tiff": "TIFF"}
    buffer = io.BytesIO()
    image.save(buffer, formats[kind.split("_")[0]], **options)
    return buffer.getvalue()


KINDS = (
    "jpeg",
    "jpeg_grey",
    "jpeg_rotated",
    "png",
    "png16",
    "png16_grey",
    "png_alpha",
    "webp",
    "tiff",
    "tiff16",
)
EXTENSION = {"jpeg": "jpg", "png": "png", "png16": "png", "webp": "webp", "tiff": "tif", "tiff16": "tif"}


def extension(kind: str) -> str:
    return EXTENSION.get(kind) or EXTENSION[kind.split("_")[0]]


def drop(folder: Path, name: str, content: bytes) -> Path:
    """Copy a file in as a person would: under its own name, in pieces."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def _codes(samples: NDArray[np.float64], top: int) -> NDArray[np.uint8] | NDArray[np.uint16]:
    return np.rint(samples * top).astype(np.uint8 if top == 255 else np.uint16)


def pixels(path: Path) -> NDArray[np.generic]:
    """All samples of a picture in its own depth, (H, W) or (H, W, C); raises on a torn file."""
    content = path.read_bytes()
    if content.startswith(b"\x89PNG"):
        return np.asarray(imagecodecs.png_decode(content))
    if content[:2] in (b"II", b"MM"):
        return np.asarray(tifffile.imread(io.BytesIO(content)))
    with Image.open(io.BytesIO(content)) as image:
        return np.asarray(image)
