"""`upscale`: pictures enlarged where they lie, without inbox or ledger."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.e2e.photos import drop, photo, pixels
from tests.e2e.service import POLL_S, PYTHON_TWOFOLD, START_TIMEOUT_S, Service, sums
from tests.imaging.pictures import ICC_GREY, ICC_RGB, decoded, encoded, noise, saved
from tests.imaging.sources import CLEAR
from twofold.imaging.inspection import inspect
from twofold.imaging.metadata import Metadata
from twofold.imaging.shared_raster import SharedRaster

INTERRUPT_TIMEOUT_S = 30
IDENTITY = ("--model", "identity")


@pytest.fixture
def home(tmp_path: Path) -> Service:
    return Service(tmp_path, "")


def test_a_result_lies_beside_its_source_and_is_never_written_over(home: Service) -> None:
    source = drop(home.home, "photo.png", photo("png", 40, 30, 1))
    before = sums(home.home)
    done = home.command("upscale", str(source), *IDENTITY)
    assert done.returncode == 0, done.stderr
    assert pixels(home.home / "photo-2x.png").shape == (60, 80, 3)
    (home.home / "photo-2x.png").write_bytes(b"mine now")
    again = home.command("upscale", str(source), *IDENTITY)
    assert again.returncode == 3
    assert "output_exists" in again.stderr + again.stdout
    assert (home.home / "photo-2x.png").read_bytes() == b"mine now"
    assert sums(home.home)["photo.png"] == before["photo.png"]


def test_a_tree_goes_into_a_folder_and_bad_files_are_told(home: Service) -> None:
    album = home.folder("album")
    drop(album, "one.jpg", photo("jpeg", 30, 20, 1))
    drop(album, "deep/er/two.webp", photo("webp", 20, 30, 2))
    drop(album, "letter.png", b"Dear Sir or Madam,\n")
    before = sums(album)
    done = home.command("upscale", "-r", "album", "-o", "large", "--scale", "4", *IDENTITY)
    assert done.returncode == 3, done.stderr
    assert "letter.png" in done.stderr
    assert set(sums(home.home / "large")) == {"one.jpg", "deep/er/two.webp"}
    assert pixels(home.home / "large" / "one.jpg").shape == (80, 120, 3)
    assert pixels(home.home / "large" / "deep/er/two.webp").shape == (120, 80, 3)
    assert sums(album) == before


@pytest.mark.parametrize("depth", [8, 16])
def test_nothing_is_lost_through_three_passes(home: Service, depth: int) -> None:
    """PNG and TIFF, grey, RGB and RGBA, with a profile: every pixel comes back eight times as wide, bit for bit."""
    sources = {
        f"{channels}{'a' if alpha else ''}.{name}": (name, noise(channels, depth), cover if alpha else None)
        for name in ("png", "tiff")
        for channels, alpha, cover in ((1, False, None), (3, False, None), (3, True, np.maximum(noise(1, depth), 1)))
    }
    for path, (name, samples, cover) in sources.items():
        planes = SharedRaster.copy_of(samples), None if cover is None else SharedRaster.copy_of(cover)
        icc = ICC_GREY if samples.shape[2] == 1 else ICC_RGB
        drop(home.home, path, encoded(name, *planes, Metadata(icc=icc))[0])
    done = home.command("upscale", *sources, "-o", "large", "--scale", "8", *IDENTITY)
    assert done.returncode == 0, done.stderr
    for path, (_, samples, cover) in sources.items():
        data = (home.home / "large" / path).read_bytes()
        back = decoded(data)
        assert inspect(data).header.depth == depth
        assert back.metadata.icc == (ICC_GREY if samples.shape[2] == 1 else ICC_RGB)
        assert np.array_equal(back.raster.array(), samples.repeat(8, 0).repeat(8, 1))
        assert (back.alpha is None) is (cover is None)


def test_a_palette_with_a_transparent_colour_shows_none_of_what_it_hides(home: Service) -> None:
    """Green that nobody sees lies beside red that everybody does; a picture without transparency stays without."""
    picture = Image.new("P", (24, 24), 1)
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.paste(0, (6, 6, 18, 18))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", transparency=1)
    drop(home.home, "red.png", buffer.getvalue())
    done = home.command("upscale", "red.png", "-o", "again", "--scale", "3", *IDENTITY)
    assert done.returncode == 0, done.stderr
    result = np.asarray(Image.open(home.home / "again" / "red.png").convert("RGBA")).astype(int)
    assert result.shape == (72, 72, 4)
    shown = result[..., :3] * result[..., 3:] / 255
    assert shown[..., 1].max() <= 1
    assert (result[36, 36] == (255, 0, 0, 255)).all()


@pytest.mark.parametrize("background", ["none", "'#ffffff'"])
def test_transparency_needs_a_background_in_a_format_without(home: Service, background: str) -> None:
    save_as = f"{{format: jpeg, background: {background}}}"
    config = home.home / "twofold.yaml"
    config.write_text(f"recipes: {{plain: {{scale: 2, models: [identity], save_as: {save_as}}}}}\n")
    drop(home.home, "clear.png", saved(CLEAR, "PNG"))
    done = home.command("plan", "clear.png", "--recipe", "plain", "--config", str(config), "--json")
    refused = json.loads(done.stdout)["files"][0]["refused"]
    assert (refused and refused["code"]) == ("needs_background" if background == "none" else None), done.stderr


def test_ctrl_c_ends_it_with_130_and_leaves_nothing_behind(home: Service) -> None:
    drop(home.home, "photo.png", photo("png", 400, 300, 1))
    log = home.home / "log"
    with open(log, "wb") as stream:
        process = subprocess.Popen(
            [*PYTHON_TWOFOLD, "upscale", "photo.png", "--model", "sleep:1", "--verbose"],
            cwd=home.home,
            env={"PATH": os.environ["PATH"], "HOME": str(home.home)},
            stdin=subprocess.DEVNULL,
            stdout=stream,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline_s = time.monotonic() + START_TIMEOUT_S
        while b"pass.planned" not in log.read_bytes():
            assert time.monotonic() < deadline_s, log.read_text()
            time.sleep(POLL_S)
        process.send_signal(signal.SIGINT)
        process.wait(INTERRUPT_TIMEOUT_S)
    finally:
        process.kill()
        process.wait()
    said = log.read_bytes()
    assert process.returncode == 130, said
    assert b"Traceback" not in said
    assert {path.name for path in home.home.iterdir() if path.is_file()} == {"photo.png", "twofold.yaml", "log"}
    assert home.left_over() == []
