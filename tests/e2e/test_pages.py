"""Files of several pages, dropped into a service that is killed: one file out, every page made once."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.e2e.comics import COMMENT, INFO, comic, comic_of, directory, entries, page_name
from tests.e2e.photos import drop, photo
from tests.e2e.service import Service, sums

ALL = """\
recipes:
  double: {scale: 2, models: [identity], pages: all}
inboxes:
  in: {path: in, outbox: out, recipe: double, settle: 0.2s}
"""
SECONDS_PER_PAGE = 6
START_S = 60


@pytest.mark.parametrize(
    "count",
    [
        pytest.param(12, marks=pytest.mark.timeout(300)),
        pytest.param(200, marks=[pytest.mark.slow, pytest.mark.timeout(2400)]),
    ],
    ids=lambda count: f"{count} pages",
)
def test_a_comic_survives_a_kill_half_way_and_no_page_is_made_twice(
    service: Callable[[str], Service], count: int
) -> None:
    one = service(ALL)
    inbox, outbox = one.folder("in"), one.folder("out")
    source = drop(inbox, "comic.cbz", comic_of(count))
    before = sums(inbox)
    one.start()
    one.wait_for(lambda: len(one.events("page.completed")) >= count // 2, START_S + SECONDS_PER_PAGE * count)
    one.kill_tree()
    assert not list(outbox.glob("*.cbz"))
    recorded = [page["fraction"] for page in one.jobs()["comic.cbz"]["pictures"]].count(1.0)
    assert count // 2 - 1 <= recorded < count
    one.start()
    one.wait_until({"comic.cbz": ("done", None)}, START_S + SECONDS_PER_PAGE * count)
    assert one.stop() == 0

    assert sums(inbox) == before
    assert [path.name for path in outbox.iterdir()] == ["comic.cbz"]
    assert directory(outbox / "comic.cbz") == directory(source)
    made, given = entries(outbox / "comic.cbz"), entries(source)
    assert made["ComicInfo.xml"] == given["ComicInfo.xml"] == INFO.encode()
    assert made["read me.txt"] == given["read me.txt"]
    for number in range(count):
        _assert_doubled(given[page_name(number)], made[page_name(number)])
    # The line of a page may be written, and the kill come before the ledger has it: that one page is made again.
    first, second = ([event["page"] for event in one.events("page.completed", start=start)] for start in (1, 2))
    assert len(second) == count - recorded
    assert set(first) | set(second) == set(range(1, count + 1))
    assert one.left_over() == []


def _assert_doubled(before: bytes, after: bytes) -> None:
    """The picture in its place, and no other: each is its own source twice as large, a little compression aside."""
    small, large = (np.asarray(Image.open(io.BytesIO(data)), float) for data in (before, after))
    assert large.shape == (small.shape[0] * 2, small.shape[1] * 2, 3)
    assert np.abs(small.repeat(2, axis=0).repeat(2, axis=1) - large).mean() < 4


LONG = """\
recipes:
  slow: {scale: 2, models: ["sleep:0.3"], pages: all}
inboxes:
  in: {path: in, outbox: out, recipe: slow, settle: 0.2s}
"""
SOME_TILES, MANY_TILES = (100, 100), (440, 2200)
"""From the first page the worker learns that a tile takes its time; the second is then planned as a long pass."""


def test_inside_a_long_page_work_goes_on_at_the_band_it_had_reached(service: Callable[[str], Service]) -> None:
    one = service(LONG)
    inbox, outbox = one.folder("in"), one.folder("out")
    drop(inbox, "short.png", photo("png", *SOME_TILES, 0))
    one.start()
    one.wait_until({"short.png": ("done", None)}, START_S)
    pages = {"1.png": photo("png", *SOME_TILES, 1), "2.png": photo("png", *MANY_TILES, 2)}
    source = drop(inbox, "comic.cbz", comic(pages))
    one.wait_for(lambda: _second_page(one) >= 0.15, START_S)
    one.kill_tree()
    one.start()
    one.wait_until({"comic.cbz": ("done", None)}, START_S)
    (planned,) = one.events("pass.planned")
    assert planned["resumed_band"] > 0
    assert [event["page"] for event in one.events("page.completed")] == [2]
    assert one.stop() == 0
    made, given = entries(outbox / "comic.cbz"), entries(source)
    for name in pages:
        small, large = (np.asarray(Image.open(io.BytesIO(entry[name]))) for entry in (given, made))
        np.testing.assert_array_equal(small.repeat(2, axis=0).repeat(2, axis=1), large)
    assert one.left_over() == []


def _second_page(one: Service) -> float:
    job = one.jobs().get("comic.cbz")
    return job["pictures"][1]["fraction"] if job and job["pictures"] else 0.0


@pytest.fixture
def home(tmp_path: Path) -> Service:
    return Service(tmp_path, "")


@pytest.mark.slow
def _upscaled(home: Service, name: str, content: bytes, *more: str) -> Path:
    drop(home.home, name, content)
    done = home.command("upscale", name, "--pages", "all", "--model", "identity", "-o", "out", *more)
    assert done.returncode == 0, done.stderr
    (made,) = (home.home / "out").iterdir()
    return made


def test_the_same_comic_twice_gives_the_same_bytes(home: Service) -> None:
    content = comic({page_name(0): photo("jpeg", 40, 30, 0), page_name(1): photo("png", 30, 40, 1)})
    first = _upscaled(home, "comic.cbz", content)
    kept = first.read_bytes()
    first.unlink()
    assert _upscaled(home, "comic.cbz", content).read_bytes() == kept
    with zipfile.ZipFile(io.BytesIO(kept)) as archive:
        assert archive.comment == COMMENT


@pytest.mark.slow
@pytest.mark.slow
def test_a_comic_of_ours_is_known_again_also_under_another_name(home: Service) -> None:
    home.configure(ALL)
    made = _upscaled(home, "comic.cbz", comic({page_name(0): photo("jpeg", 40, 30, 0), "2.png": photo("png", 9, 9, 1)}))
    drop(home.folder("in"), "another.zip", made.read_bytes())
    assert home.command("once").returncode == 0
    assert home.states() == {"another.zip": ("skipped", "own_result")}


def test_a_page_that_changes_its_format_changes_its_name(home: Service) -> None:
    home.configure(f"{ALL.replace('pages: all', 'pages: all, save_as: {format: png}')}")
    pages = {"a.jpg": photo("jpeg", 30, 20, 0), "b.png": photo("png", 20, 30, 1), "a.png": photo("png", 22, 33, 2)}
    drop(home.folder("in"), "x.cbz", comic(pages))
    home.folder("out")
    assert home.command("once").returncode == 0
    made = entries(home.home / "out" / "x.cbz")
    assert list(made) == ["ComicInfo.xml", "Chapter 1/", "a-2.png", "b.png", "a.png", "read me.txt"]
    assert Image.open(io.BytesIO(made["a-2.png"])).size == (60, 40)


BROKEN = b"\xff\xd8\xff\xe0 no picture"


@pytest.mark.parametrize("rule", ["fail", "copy"])
def test_a_bad_page_fails_the_comic_or_is_copied(home: Service, rule: str) -> None:
    home.configure(ALL.replace("pages: all", f"pages: all, on_bad_page: {rule}"))
    torn = photo("jpeg", 60, 50, 3)
    pages = {"1.jpg": photo("jpeg", 30, 20, 0), "2.jpg": BROKEN, "3.jpg": torn[: len(torn) // 2], "4.jpg": torn}
    source = drop(home.folder("in"), "x.cbz", comic(pages))
    home.folder("out")
    done = home.command("once", "--verbose")
    job = home.jobs()["x.cbz"]
    if rule == "fail":
        assert done.returncode == 3
        assert (job["state"], job["reason"]["code"]) == ("failed", "damaged")
        assert "page 2 (2.jpg)" in job["reason"]["text"]
        assert sums(home.home / "out") == {}
    else:
        assert done.returncode == 0, done.stderr
        made, given = entries(home.home / "out" / "x.cbz"), entries(source)
        assert list(made) == list(given)
        assert (made["2.jpg"], made["3.jpg"]) == (given["2.jpg"], given["3.jpg"])
        assert "2 of its pages are as they were" in done.stderr
        _assert_doubled(given["4.jpg"], made["4.jpg"])
    assert home.left_over() == []


def test_without_the_key_such_files_are_skipped_and_the_hint_names_it(home: Service) -> None:
    home.configure(ALL.replace(", pages: all", ""))
    inbox = home.folder("in")
    drop(inbox, "comic.cbz", comic_of(2))
    drop(inbox, "letters.zip", comic_of(2))
    drop(inbox, "loop.gif", _animation("GIF"))
    home.folder("out")
    assert home.command("once").returncode == 0
    assert home.states() == dict.fromkeys(("comic.cbz", "loop.gif"), ("skipped", "animated"))
    assert "pages: all" in home.jobs()["loop.gif"]["reason"]["hint"]
    assert "zip_archive" in home.command("explain", "in/letters.zip").stdout


def test_a_zip_is_a_comic_only_where_it_holds_mostly_pictures(home: Service) -> None:
    home.configure(ALL)
    inbox = home.folder("in")
    drop(inbox, "comic.zip", comic_of(3))
    letters = io.BytesIO()
    with zipfile.ZipFile(letters, "w") as archive:
        for number in range(3):
            archive.writestr(f"letter {number}.txt", "Dear Sir or Madam")
        archive.writestr("signature.png", photo("png", 20, 10, 1))
    drop(inbox, "letters.zip", letters.getvalue())
    home.folder("out")
    assert home.command("once").returncode == 0
    assert home.states() == {"comic.zip": ("done", None), "letters.zip": ("skipped", "no_pages")}
    assert set(sums(home.home / "out")) == {"comic.zip"}


def _animation(format_: str, ground: tuple[int, ...] = (9, 40, 90, 255), **options: object) -> bytes:
    frames = [Image.new("RGBA", (40, 30), ground) for _ in range(4)]
    for number, frame in enumerate(frames):
        frame.paste((250, 60 * number, 20, 255), (number * 8, 4, number * 8 + 12, 20))
    times = [50, 60, 70, 480]
    buffer = io.BytesIO()
    extra = {"disposal": 2} if format_ == "GIF" else {}
    frames[0].save(buffer, format_, save_all=True, append_images=frames[1:], duration=times, **extra, **options)
    return buffer.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("format_", "options", "becomes", "plays"),
    [
        ("GIF", {"loop": 0}, "PNG", 0),
        ("GIF", {"loop": 2}, "PNG", 3),
        ("GIF", {}, "PNG", 1),
        ("PNG", {"loop": 4}, "PNG", 4),
        ("WEBP", {"loop": 2, "lossless": True}, "WEBP", 2),
        ("WEBP", {"loop": 0, "quality": 90}, "WEBP", 0),
    ],
)
def test_an_animation_keeps_its_frames_times_and_loops(
    home: Service, format_: str, options: dict[str, object], becomes: str, plays: int
) -> None:
    source = _animation(format_, **options)
    made = _upscaled(home, f"loop.{format_.lower()}", source)
    exact = options.get("lossless") or format_ != "WEBP"
    with Image.open(io.BytesIO(source)) as before, Image.open(made) as after:
        assert (after.format, after.size, after.n_frames) == (becomes, (80, 60), 4)
        assert after.info.get("loop", 0) == plays
        for number in range(4):
            before.seek(number), after.seek(number)
            before.load(), after.load()
            assert after.info["duration"] == before.info["duration"]
            small, large = (np.asarray(one.convert("RGBA"), float) for one in (before, after))
            difference = np.abs(small.repeat(2, axis=0).repeat(2, axis=1) - large)
            assert difference.max() == 0 if exact else difference.mean() < 6
    if options.get("lossless"):
        assert b"VP8L" in made.read_bytes()
        assert b"VP8 " not in made.read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("format_", ["GIF", "PNG"])
def test_what_a_frame_does_not_cover_stays_clear(home: Service, format_: str) -> None:
    """Alpha is enlarged by its own filter, which softens edges; what is apart from them is as it was."""
    source = _animation(format_, ground=(0, 0, 0, 0))
    made = _upscaled(home, f"loop.{format_.lower()}", source)
    with Image.open(io.BytesIO(source)) as before, Image.open(made) as after:
        for number in range(4):
            before.seek(number), after.seek(number)
            small, large = (np.asarray(one.convert("RGBA"))[..., 3] for one in (before, after))
            assert large[50:].max() == small[22:].max() == 0
            assert large.max() == small.max() == 255
            assert np.abs(small.repeat(2, axis=0).repeat(2, axis=1).astype(int) - large).mean() < 8


def test_the_first_frame_alone_is_a_still(home: Service) -> None:
    drop(home.home, "loop.gif", _animation("GIF"))
    done = home.command("upscale", "loop.gif", "--pages", "first", "--model", "identity")
    assert done.returncode == 0, done.stderr
    with Image.open(home.home / "loop-2x.png") as still:
        assert (still.format, still.size, getattr(still, "n_frames", 1)) == ("PNG", (80, 60), 1)


def test_plan_counts_every_page(home: Service) -> None:
    drop(home.home, "comic.cbz", comic_of(5))
    planned = json.loads(home.command("plan", "comic.cbz", "--pages", "all", "--json").stdout)
    (file,) = planned["files"]
    assert file["refused"] is None
    assert [page["out_size"] for page in file["pages"]] == [[120, 180]] * 5
    assert planned["totals"]["pixels"] == 5 * 120 * 180
    single = json.loads(home.command("plan", "comic.cbz", "--json").stdout)["files"][0]
    assert single["refused"]["code"] == "animated"
