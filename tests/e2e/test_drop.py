"""Thirty files dropped into two inboxes while the service runs."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.e2e.photos import KINDS, drop, extension, photo, pixels
from tests.e2e.service import Service, sha256, sums

CONFIG = """\
recipes:
  four: {scale: 4, models: [identity]}
  wide: {target: {long_side: 3000}, models: [identity]}
inboxes:
  a: {path: a, outbox: big-a, recipe: four, settle: 0.5s}
  b: {path: b, outbox: big-b, recipe: wide, settle: 0.5s}
"""
ALL_DONE_TIMEOUT_S = 90
SAMPLE_EVERY_S = 0.02

# Name, kind, size in pixels as stored. The rotated one is delivered upright.
FOUR = [
    (f"{folder}{number}-{kind}.{extension(kind)}", kind, (41 + 7 * number, 97 - 5 * number))
    for folder in ("", "tree/deep/")
    for number, kind in enumerate(KINDS)
]
FOUR += [("a png in truth.jpg", "png", (33, 21)), ("IMG.JPEG", "jpeg", (64, 48))]
WIDE = [
    ("exact doubling.jpg", "jpeg", (1500, 1000)),
    ("two doublings.png", "png16", (750, 333)),
    ("odd.webp", "webp", (1000, 667)),
    ("portrait.tif", "tiff", (401, 640)),
    ("nearly.png", "png", (2803, 40)),
]
UPRIGHT = "jpeg_rotated"
LOSSLESS = ("png", "png16", "png16_grey", "tiff", "tiff16")


@dataclass(frozen=True)
class Dropped:
    """The service after everything has its outcome, and what the outbox showed meanwhile."""

    service: Service
    before: dict[str, str]
    sampled: dict[Path, bytes]


class Sampler:
    """Reads every result the moment its name appears: what it holds then must be all it ever holds."""

    def __init__(self, *folders: Path) -> None:
        self.seen: dict[Path, bytes] = {}
        self._folders = folders
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Sampler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(SAMPLE_EVERY_S):
            for folder in self._folders:
                for path in folder.rglob("*"):
                    if path not in self.seen and path.is_file() and not path.name.startswith("."):
                        self.seen[path] = path.read_bytes()


@pytest.fixture(scope="module")
def dropped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dropped]:
    service = Service(tmp_path_factory.mktemp("drop"), CONFIG)
    inboxes = {name: service.folder(name) for name in ("a", "b")}
    outboxes = [service.folder(name) for name in ("big-a", "big-b")]
    contents = {
        (inbox, name): photo(kind, *size, seed)
        for inbox, files in (("a", FOUR), ("b", WIDE))
        for seed, (name, kind, size) in enumerate(files)
    }
    contents["a", "truncated.jpg"] = contents["b", "exact doubling.jpg"][:20_000]
    contents["b", "empty.png"] = b""
    contents["b", "letter.jpg"] = b"Dear Sir or Madam,\n" * 50
    assert len(contents) == 30
    try:
        with Sampler(*outboxes) as sampler:
            service.start()
            for (inbox, name), content in contents.items():
                drop(inboxes[inbox], name, content)
            before = sums(inboxes["a"]) | sums(inboxes["b"])
            good = len(FOUR) + len(WIDE)
            service.wait_for(lambda: _count(service, "done", "failed") == good + 2, ALL_DONE_TIMEOUT_S)
            service.wait_for(lambda: service.states()["empty.png"][0] == "waiting", ALL_DONE_TIMEOUT_S)
        yield Dropped(service, before, sampler.seen)
    finally:
        service.end()


def _count(service: Service, *states: str) -> int:
    return sum(state in states for state, _ in service.states().values())


def _output(service: Service, inbox: str, name: str) -> Path:
    return service.home / f"big-{inbox}" / service.jobs()[name]["output"]


@pytest.mark.parametrize(("name", "kind", "size"), FOUR, ids=[name for name, *_ in FOUR])
def test_every_photo_comes_back_four_times_larger_in_its_own_depth(
    dropped: Dropped, name: str, kind: str, size: tuple[int, int]
) -> None:
    width, height = reversed(size) if kind == UPRIGHT else size
    source = pixels(dropped.service.home / "a" / name)
    result = pixels(_output(dropped.service, "a", name))
    assert result.shape == (height * 4, width * 4, *source.shape[2:])
    assert result.dtype == source.dtype
    if kind in LOSSLESS:
        np.testing.assert_array_equal(result, source.repeat(4, axis=0).repeat(4, axis=1))


@pytest.mark.parametrize(("name", "kind", "size"), WIDE, ids=[name for name, *_ in WIDE])
def test_a_target_side_is_met_exactly(dropped: Dropped, name: str, kind: str, size: tuple[int, int]) -> None:
    width, height = size
    long_side = max(size)
    expected = tuple((2 * side * 3000 + long_side) // (2 * long_side) for side in (height, width))
    source = pixels(dropped.service.home / "b" / name)
    result = pixels(_output(dropped.service, "b", name))
    assert max(expected) == 3000
    assert result.shape == (*expected, *source.shape[2:])
    assert result.dtype == source.dtype


def test_content_decides_the_type_and_folders_are_mirrored(dropped: Dropped) -> None:
    names = {path: job["output"] for path, job in dropped.service.jobs().items() if job["state"] == "done"}
    assert names.pop("a png in truth.jpg") == "a png in truth.png"
    assert all(output == path for path, output in names.items())


def test_bad_files_have_a_code_and_no_result(dropped: Dropped) -> None:
    states = dropped.service.states()
    assert states["truncated.jpg"] == ("failed", "damaged")
    assert states["letter.jpg"] == ("failed", "not_a_picture")
    assert states["empty.png"] == ("waiting", "settling")
    assert len(sums(dropped.service.home / "big-a")) == len(FOUR)
    assert len(sums(dropped.service.home / "big-b")) == len(WIDE)


def test_originals_are_as_they_were(dropped: Dropped) -> None:
    home = dropped.service.home
    assert sums(home / "a") | sums(home / "b") == dropped.before


def test_nobody_ever_saw_half_a_result(dropped: Dropped) -> None:
    assert len(dropped.sampled) == len(FOUR) + len(WIDE)
    for path, content in dropped.sampled.items():
        assert content == path.read_bytes(), path


def test_status_jobs_and_explain_agree(dropped: Dropped) -> None:
    service = dropped.service
    jobs = {job["path"]: job for job in service.answer("jobs")["jobs"]}
    inboxes = {inbox["name"]: inbox for inbox in service.answer("status")["inboxes"]}
    assert inboxes["a"]["counts"] == {"done": len(FOUR), "failed": 1}
    assert inboxes["b"]["counts"] == {"done": len(WIDE), "failed": 1, "waiting": 1}
    assert all(inbox["state"] == "ok" for inbox in inboxes.values())
    for inbox, name in (("a", FOUR[0][0]), ("b", "odd.webp"), ("a", "truncated.jpg"), ("b", "empty.png")):
        (explained,) = service.answer("explain", str(service.home / inbox / name))["jobs"]
        assert explained == jobs[name]
        assert explained["inbox"] == inbox
    by_output = service.answer("explain", str(_output(service, "b", "odd.webp")))["jobs"]
    assert [job["path"] for job in by_output] == ["odd.webp"]


def test_one_line_explains_each_job(dropped: Dropped) -> None:
    service = dropped.service
    delivered = {event["path"]: event for event in service.events("job.delivered")}
    assert len(service.events("job.delivered")) == len(delivered) == len(FOUR) + len(WIDE)
    assert {event["path"] for event in service.events("job.failed")} == {"truncated.jpg", "letter.jpg"}
    jobs: dict[str, dict[str, Any]] = service.jobs()
    for path, event in delivered.items():
        (picture,) = jobs[path]["pictures"]
        assert event["size"] == [picture["width"], picture["height"]]
        assert event["out_size"] == [picture["out_width"], picture["out_height"]]
        assert event["passes"] == ["identity@1"] * len(picture["passes"])
        assert event["output_sha256"] == sha256(_output(service, event["inbox"], path))
        assert event["source_sha256"] == jobs[path]["sha256"]


def test_nothing_is_left_over(dropped: Dropped) -> None:
    assert dropped.service.left_over() == []
