"""`models: [auto]` through the real process: one network a content, with its reason, everywhere the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image
from skimage import data as samples

from tests.e2e.service import Service
from tests.imaging.pictures import drawing

CONFIG = """\
recipes:
  large: {scale: 4}
inboxes:
  in: {path: in, outbox: out, recipe: large, settle: 0.2s}
"""
EXPECTED = {
    "cat.png": ("twofold-photo-2x@", "neither"),
    "cat.jpg": ("twofold-web-2x@", "a JPEG of about quality 55"),
    "cat.webp": ("twofold-photo-2x@", "neither"),
    "drawing.png": ("twofold-art-2x@", "are hard"),
}


def fill(folder: Path) -> None:
    cat = Image.fromarray(samples.chelsea()).resize((120, 90))
    cat.save(folder / "cat.png")
    cat.save(folder / "cat.jpg", quality=55)
    cat.save(folder / "cat.webp", quality=80)
    drawing().crop((0, 0, 150, 110)).save(folder / "drawing.png")


@pytest.fixture
def one(service: Callable[[str], Service]) -> Service:
    made = service(CONFIG)
    fill(made.folder("in"))
    made.folder("out")
    return made


def test_plan_says_which_network_and_why(one: Service) -> None:
    planned = one.answer("plan", "--inbox", "in")
    for file in planned["files"]:
        network, because = EXPECTED[file["path"]]
        first, second = (step["model"] for step in file["passes"])
        assert first.startswith(network)
        assert second.startswith("twofold-photo-2x@")
        assert because in file["why"]
    assert one.answer("plan", "--inbox", "in") == planned
    shown = one.command("plan", "in/cat.jpg").stdout
    assert "twofold-web-2x@" in shown
    assert "a JPEG of about quality 55" in shown
    named = one.answer("plan", "in/cat.jpg", "--model", "twofold-photo-2x")["files"][0]
    assert (len(named["passes"]), named["why"]) == (1, "")


def test_a_job_keeps_its_choice_and_explains_it(one: Service) -> None:
    done = one.command("once", timeout_s=100)
    assert done.returncode == 0, done.stderr
    for job in one.answer("jobs")["jobs"]:
        network, because = EXPECTED[job["path"]]
        (picture,) = job["pictures"]
        assert picture["passes"][0]["model"].startswith(network)
        assert picture["passes"][1]["model"].startswith("twofold-photo-2x@")
        assert because in picture["why"]
        explained = one.command("explain", f"in/{job['path']}").stdout
        assert because in explained
        with Image.open(one.home / "out" / job["output"]) as result:
            assert result.size == (4 * picture["width"], 4 * picture["height"])
