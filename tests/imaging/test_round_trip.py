"""Every format x mode x depth is written, verified and read back; each format through children too."""

from __future__ import annotations

import os
from itertools import product

import numpy as np
import pytest

from tests.imaging.pictures import ICC_GREY, ICC_RGB, contents, decoded, encoded, gradient, noise, verified, wished
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.formats import FORMATS
from twofold.imaging import codec
from twofold.imaging.codec import Limits
from twofold.imaging.inspection import inspect
from twofold.imaging.metadata import Metadata
from twofold.imaging.shared_raster import SharedRaster
from twofold.imaging.verify import allowed_differences
from twofold.imaging.xmp import EMPTY

WRITABLE = [name for name, format_ in FORMATS.items() if format_.writable]
CASES = [
    (name, channels, depth, alpha)
    for name, channels, depth, alpha in product(WRITABLE, (1, 3), (8, 16), (False, True))
    if FORMATS[name].alpha or not alpha
]


def written(
    fd: int, name: str, raster: SharedRaster, alpha: SharedRaster | None, metadata: Metadata
) -> tuple[str, ...]:
    warnings = codec.encode(raster, alpha, metadata, wished(name), fd)
    codec.verify(fd, metadata, wished(name), raster, alpha)
    return warnings


@pytest.fixture
def fd():
    made = os.memfd_create("result")
    yield made
    os.close(made)


@pytest.mark.parametrize(("name", "channels", "depth", "alpha"), CASES)
def test_what_is_written_is_read_back(name: str, channels: int, depth: int, alpha: bool) -> None:
    samples = gradient(channels, depth)
    cover = noise(1, depth)
    raster = SharedRaster.copy_of(samples)
    coverage = SharedRaster.copy_of(cover) if alpha else None
    icc = ICC_GREY if channels == 1 else ICC_RGB
    data, warnings = encoded(name, raster, coverage, Metadata(icc=icc, dpi=(300.0, 150.0)))
    verified(data, name, raster, coverage, Metadata(icc=icc))

    header = inspect(data).header
    assert header.size == raster.size
    assert header.channels == (channels if FORMATS[name].grey else 3)
    assert header.depth == min(depth, FORMATS[name].depth)
    assert header.alpha is alpha
    back = decoded(data)
    kept = FORMATS[name].grey or channels == 3
    if name != "jxl":  # lossy, it keeps common spaces by their names
        assert back.metadata.icc == (icc if kept else None)
    assert bool(warnings) is not kept
    if name not in ("webp", "avif", "jxl"):  # these have no place for it but EXIF
        assert back.metadata.dpi == pytest.approx((300.0, 150.0), abs=0.02)  # PNG counts pixels per metre
    if FORMATS[name].lossless:
        visible = np.broadcast_to(cover > 0, samples.shape) if alpha else slice(None)
        assert np.array_equal(back.raster.array()[visible], samples[visible])
    else:
        meant = samples.astype(float) / (2**depth - 1) * 255
        visible = np.broadcast_to(cover > 0, meant.shape)[:, :, :1] if alpha else np.ones((*meant.shape[:2], 1), bool)
        found = back.raster.array() / (2**header.depth - 1) * 255
        assert np.abs(found - meant)[visible[:, :, 0]].mean() < 3
    if alpha:
        assert back.alpha is not None
        meant_alpha = cover if header.depth == depth else (cover.astype(np.uint32) * 255 + 32767) // 65535
        off = 4 * 2 ** (header.depth - 8) if name == "avif" else 0  # it has a quality of its own for nothing
        assert np.abs(back.alpha.array().astype(int) - meant_alpha).max() <= off
        assert not back.opaque
    back.close()


@pytest.mark.parametrize("name", WRITABLE)
def test_children_write_verify_and_read(fd: int, name: str) -> None:
    """Nothing is lost between the processes: what they make is what this process makes."""
    raster, alpha = SharedRaster.copy_of(noise(3, 8)), SharedRaster.copy_of(noise(1, 8))
    cover = alpha if FORMATS[name].alpha else None
    metadata = Metadata(icc=ICC_RGB, xmp=EMPTY)
    assert written(fd, name, raster, cover, metadata) == ()
    assert contents(fd) == encoded(name, raster, cover, metadata)[0]
    back = codec.decode(fd, codec.probe(fd, Limits()).header, Limits())
    here = decoded(contents(fd))
    assert np.array_equal(back.raster.array(), here.raster.array())
    assert back.metadata == here.metadata
    back.close()


@pytest.mark.parametrize("name", WRITABLE)
def test_the_same_input_gives_the_same_bytes(name: str) -> None:
    raster = SharedRaster.copy_of(noise(3, 8))
    once, again = (encoded(name, raster, None, Metadata(icc=ICC_RGB, xmp=EMPTY)) for _ in range(2))
    assert once == again


def test_opaque_alpha_stays_and_is_told(fd: int) -> None:
    raster = SharedRaster.copy_of(noise(3, 8))
    opaque = SharedRaster.copy_of(np.full((raster.height, raster.width, 1), 255, np.uint8))
    written(fd, "png", raster, opaque, Metadata())
    back = codec.decode(fd, codec.probe(fd, Limits()).header, Limits())
    assert back.opaque
    assert back.alpha is not None
    assert (back.alpha.array() == 255).all()
    back.close()


def test_pixels_may_go_to_scratch_files(fd: int, tmp_path) -> None:
    samples = noise(3, 16)
    written(fd, "tiff", SharedRaster.copy_of(samples), None, Metadata())
    with open(tmp_path / "scratch", "w+b") as scratch:
        back = codec.decode(fd, codec.probe(fd, Limits()).header, Limits(), raster_fd=scratch.fileno())
        assert back.raster.fd == scratch.fileno()
    assert np.array_equal(np.fromfile(tmp_path / "scratch", np.uint16).reshape(samples.shape), samples)


@pytest.mark.parametrize(("name", "channels", "depth", "alpha"), CASES)
def test_a_scratch_file_in_place_of_memory_changes_no_byte(
    name: str, channels: int, depth: int, alpha: bool, tmp_path
) -> None:
    raster = SharedRaster.copy_of(gradient(channels, depth))
    coverage = SharedRaster.copy_of(noise(1, depth)) if alpha else None
    with (tmp_path / "room").open("w+b") as room:
        room.truncate(codec.room_bytes(raster, coverage))
        in_memory, _ = encoded(name, raster, coverage, Metadata())
        on_scratch, _ = encoded(name, raster, coverage, Metadata(), room_fd=room.fileno())
        assert on_scratch == in_memory
        verified(on_scratch, name, raster, coverage, room_fd=room.fileno())
        other = SharedRaster.copy_of(255 - gradient(channels, 8)) if depth == 8 else SharedRaster.copy_of(noise(3, 16))
        with pytest.raises(TwofoldError):
            verified(on_scratch, name, other, coverage, room_fd=room.fileno())


@pytest.mark.parametrize("name", WRITABLE)
def test_a_result_of_other_pixels_is_refused(name: str) -> None:
    data, _ = encoded(name, SharedRaster.copy_of(gradient(3, 8)), None, Metadata())
    other = SharedRaster.copy_of(gradient(3, 8)[:, ::-1].copy())
    with pytest.raises(TwofoldError) as caught:
        verified(data, name, other, None)
    assert caught.value.code is Code.VERIFY_FAILED
    assert caught.value.retryable


Y, X = np.mgrid[0:70, 0:90]
RED, GREEN, BLUE = np.eye(3, dtype=np.uint8) * 255
HARD = {
    "noise": noise(3, 8, width=90, height=70),
    "pure colours, at random": (noise(3, 8, width=90, height=70) > 127).astype(np.uint8) * np.uint8(255),
    "red and blue pixels": np.where(((X + Y) % 2)[..., None] == 0, RED, BLUE),
    "red and green lines": np.where((X % 2)[..., None] == 0, RED, GREEN),
    "black and white pixels": np.repeat(((X + Y) % 2 * 255).astype(np.uint8)[..., None], 3, axis=2),
    "a few pixels": noise(3, 8, width=5, height=3),
    "one row": noise(3, 8, width=90, height=1),
}


@pytest.mark.parametrize("name", ["jpeg", "webp"])
@pytest.mark.parametrize("kind", HARD)
@pytest.mark.parametrize("quality", [100, 95, 50, 1])
def test_a_sound_result_of_a_hard_picture_is_not_refused(name: str, kind: str, quality: int) -> None:
    raster = SharedRaster.copy_of(HARD[kind])
    data, _ = encoded(name, raster, None, Metadata(), quality=quality)
    assert verified(data, name, raster, None, quality=quality)["difference"] <= allowed_differences(name, quality)[0]


@pytest.mark.parametrize("name", WRITABLE)
def test_a_torn_result_is_refused(name: str) -> None:
    grain = noise(3, 8, width=200, height=300) // 16
    raster = SharedRaster.copy_of(gradient(3, 8, width=200, height=300) // 2 + grain)
    data, _ = encoded(name, raster, None, Metadata())
    for torn in (data[: len(data) * 2 // 3], data[: len(data) // 2] + bytes(len(data) - len(data) // 2)):
        with pytest.raises(TwofoldError) as caught:
            verified(torn, name, raster, None)
        assert caught.value.code is Code.VERIFY_FAILED


@pytest.mark.parametrize(
    ("name", "size", "alpha", "code"),
    [
        ("webp", (16384, 1), False, Code.FORMAT_LIMIT),
        ("jpeg", (65501, 1), False, Code.FORMAT_LIMIT),
        ("jpeg", (9, 9), True, Code.NEEDS_BACKGROUND),
    ],
)
def test_what_a_format_cannot_hold_is_refused(
    fd: int, name: str, size: tuple[int, int], alpha: bool, code: Code
) -> None:
    raster = SharedRaster.copy_of(noise(1, 8, width=size[0], height=size[1]))
    with pytest.raises(TwofoldError) as caught:
        encoded(name, raster, raster if alpha else None, Metadata())
    assert caught.value.code is code


@pytest.mark.parametrize("name", WRITABLE)
def test_a_full_disk_is_told(tmp_path, name: str) -> None:
    """/dev/full would not do: results are regular files. A file size limit gives the same kind of refusal."""
    import subprocess
    import sys

    script = f"""
import os, resource
from tests.imaging.pictures import noise
from twofold.core.errors import TwofoldError
from twofold.core.recipe import SaveAs
from twofold.imaging import codec
raster = codec.SharedRaster.copy_of(noise(3, 8, width=300, height=300))
fd = os.open({str(tmp_path / "result")!r}, os.O_RDWR | os.O_CREAT)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    codec.encode(raster, None, codec.Metadata(), SaveAs({name!r}), fd)
except TwofoldError as error:
    print(error.code, error.retryable)
"""
    done = subprocess.run([sys.executable, "-B", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout == "disk_full True\n", done.stderr
