"""Every kind of picture x every format of results: read, written, checked, and opened again by a library of others."""

from __future__ import annotations

import io
import shutil
import subprocess
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.imaging.matrix import outcome, page
from tests.imaging.pictures import ICC_GREY, ICC_RGB, decoded, encoded, noise, verified
from tests.imaging.sources import Kind, refusals, sources
from twofold.core.errors import TwofoldError
from twofold.core.formats import FORMATS, WRITE_FORMATS, Saving, check_output
from twofold.core.geometry import Size
from twofold.core.passes import Chain
from twofold.core.recipe import SaveAs
from twofold.core.settings import Limits
from twofold.imaging.inspection import inspect
from twofold.imaging.metadata import Metadata
from twofold.imaging.shared_raster import SharedRaster
from twofold.raster import Samples

KINDS = list(sources())
CASES = list(product(KINDS, sorted(WRITE_FORMATS)))


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_the_header_tells_what_the_picture_is(kind: Kind) -> None:
    header = inspect(sources()[kind]).header
    assert (header.format, header.channels, header.depth, header.alpha, header.mode) == (
        (kind.format, kind.channels, kind.depth, kind.alpha, kind.mode)
    )
    assert (header.frames, header.orientation) == (1, 1)


@pytest.mark.parametrize(("kind", "name"), CASES, ids=lambda value: getattr(value, "name", value))
def test_every_kind_is_written_in_every_format(kind: Kind, name: str) -> None:
    """What comes out is the size, the depth, the transparency and the profile that went in, as far as the format goes;
    and another library than the one that wrote it agrees."""
    data = sources()[kind]
    header = inspect(data).header
    output = settled(kind, name)
    wishes = output.save_as
    back = decoded(data, convert=wishes.convert, background=wishes.background)
    written, warnings = encoded(name, back.raster, back.alpha, back.metadata, **differing(wishes))
    verified(written, name, back.raster, back.alpha, back.metadata, **differing(wishes))
    assert len(warnings) == ("MPO" in kind.what)  # which other pictures it leaves out, it says
    again = inspect(written).header
    assert again.size == header.size
    assert again.depth == min(header.depth, FORMATS[name].depth)
    assert again.channels == (header.channels if FORMATS[name].grey else 3)
    assert again.alpha is (header.alpha and FORMATS[name].alpha)
    pillow_has_it = name != "jxl" and not (again.channels == 1 and again.alpha and again.depth == 16)
    if pillow_has_it:
        opened = Image.open(io.BytesIO(written))
        assert opened.size == tuple(header.size)
        assert opened.getexif().get(274, 1) == 1
        assert opened.info.get("icc_profile") == back.metadata.icc
        assert opened.has_transparency_data is again.alpha
        assert len(set(opened.getbands()) - {"A", "a"}) == again.channels
    back.close()


def settled(kind: Kind, name: str) -> Saving:
    header = inspect(sources()[kind]).header
    wishes = SaveAs(name, background="#ffffff")  # type: ignore[arg-type]
    return check_output(Chain(header.size, (), Size(*header.size)), header, wishes, Limits())


def differing(save_as: SaveAs) -> dict[str, object]:
    return {key: getattr(save_as, key) for key in ("lossless", "background", "convert")}


@pytest.mark.parametrize("lossless", [False, True])
@pytest.mark.parametrize(("channels", "depth", "alpha"), list(product((1, 3), (8, 16), (False, True))))
def test_libjxl_itself_agrees(tmp_path: Path, channels: int, depth: int, alpha: bool, lossless: bool) -> None:
    if shutil.which("djxl") is None:
        pytest.skip("djxl is not installed (Debian: libjxl-tools)")
    samples = noise(channels, depth)
    raster = SharedRaster.copy_of(samples)
    cover = SharedRaster.copy_of(noise(1, depth)) if alpha else None
    icc = ICC_RGB if channels == 3 else ICC_GREY
    data, _ = encoded("jxl", raster, cover, Metadata(icc=icc), lossless=lossless)
    (tmp_path / "a.jxl").write_bytes(data)
    subprocess.run(["djxl", tmp_path / "a.jxl", tmp_path / "a.png"], check=True, capture_output=True)
    found = inspect((tmp_path / "a.png").read_bytes())
    assert (found.header.size, found.header.channels) == (raster.size, channels)
    assert (found.header.depth, found.header.alpha, found.header.orientation) == (depth, alpha, 1)
    if lossless:
        assert found.metadata.icc == icc
        back = decoded((tmp_path / "a.png").read_bytes()).raster.array()
        assert np.array_equal(visible(back, cover), visible(samples, cover))


def visible(samples: Samples, cover: SharedRaster | None) -> Samples:
    return samples if cover is None else samples * (cover.array() > 0)


@pytest.mark.parametrize("refusal", refusals(), ids=lambda refusal: refusal.what)
def test_what_would_lose_something_is_refused_with_advice(refusal) -> None:
    with pytest.raises(TwofoldError) as caught:
        inspect(refusal.data)
    assert caught.value.code is refusal.code
    assert caught.value.reason.hint


def test_the_page_says_what_is_so() -> None:
    """If this fails: python -m tests.imaging.matrix > docs/formats.md (it needs both extras)."""
    if {kind.format for kind in KINDS} != set(FORMATS):
        pytest.skip("the extras heic and raw are not installed")
    assert (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8") == page()


@pytest.mark.parametrize(("name", "depth"), [("png", 8), ("png", 16), ("tiff", 8), ("tiff", 16), ("jxl", 16)])
def test_nothing_is_lost_where_the_page_says_exact(name: str, depth: int) -> None:
    assert outcome(name, 3, depth, alpha=True, lossless=True) == "exact"
