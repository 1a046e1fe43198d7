"""`upscale`: pictures enlarged where they lie, without inbox or ledger."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.e2e.photos import drop, photo, pixels
from tests.e2e.service import POLL_S, PYTHON_TWOFOLD, START_TIMEOUT_S, Service, sums

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
