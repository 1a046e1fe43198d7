"""`upscale --compare`: a picture beside each result that shows what was gained, and that endangers nothing."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.e2e.photos import drop, photo
from tests.e2e.service import Service, sums
from twofold.core.formats import FORMATS, Saving
from twofold.core.geometry import Size
from twofold.core.passes import Chain, Pass
from twofold.core.picture import PictureHeader
from twofold.core.provenance import provenance_of
from twofold.core.recipe import SaveAs
from twofold.imaging.change import Wishes
from twofold.imaging.deliver import Outbox
from twofold.service.comparison import compare
from twofold.service.making import Work

IDENTITY = ("--model", "identity")


@pytest.fixture
def home(tmp_path: Path) -> Service:
    return Service(tmp_path, "")


def test_a_comparison_lies_beside_each_result(home: Service) -> None:
    drop(home.home, "one.png", photo("png", 90, 60, 1))
    drop(home.home, "two.jpg", photo("jpeg", 60, 90, 2))
    done = home.command("upscale", "one.png", "two.jpg", "--compare", *IDENTITY)
    assert done.returncode == 0, done.stderr
    for name in ("one-2x-compare.png", "two-2x-compare.png"):
        assert f"compared: {home.home / name}" in done.stdout
        with Image.open(home.home / name) as sheet:
            assert (sheet.format, sheet.mode) == ("PNG", "RGB")
            assert max(sheet.size) <= 2400
    assert home.left_over() == []


def test_its_json_tells_where_it_is(home: Service) -> None:
    drop(home.home, "one.png", photo("png", 90, 60, 1))
    done = home.command("upscale", "one.png", "-o", "large", "--compare", "--json", *IDENTITY)
    [told] = json.loads(done.stdout)["files"]
    assert told["comparison"] == str(home.home / "large" / "one-compare.png")
    assert told["notes"] == []
    plain = home.command("upscale", "one.png", "-o", "again", "--json", *IDENTITY)
    assert json.loads(plain.stdout)["files"][0]["comparison"] is None
    assert sums(home.home / "again").keys() == {"one.png"}
    assert sums(home.home / "again")["one.png"] == sums(home.home / "large")["one.png"]


@pytest.mark.slow
def test_it_is_never_enlarged_itself_and_never_written_over(home: Service) -> None:
    """Neither by a second look at the same folder nor by an inbox that it wanders into."""
    album = home.folder("album")
    drop(album, "one.png", photo("png", 90, 60, 1))
    drop(album, "one-2x-compare.png", b"mine")
    done = home.command("upscale", "-r", "album", "--compare", *IDENTITY)
    assert "one-2x-compare-2.png" in done.stdout, done.stderr
    assert (album / "one-2x-compare.png").read_bytes() == b"mine"
    sheet = (album / "one-2x-compare-2.png").read_bytes()
    done = home.command("upscale", "-r", "album", "-o", "large", "--compare", "--json", *IDENTITY)
    codes = {
        Path(told["path"]).name: told["reason"] and told["reason"]["code"] for told in json.loads(done.stdout)["files"]
    }
    assert codes["one-2x-compare-2.png"] == "own_result"
    assert codes["one.png"] is None

    recipe = "recipes: {double: {scale: 2, models: [identity]}}"
    inbox = Service(home.folder("watched"), f"{recipe}\ninboxes: {{main: {{path: in, outbox: out, recipe: double}}}}\n")
    drop(inbox.folder("in"), "renamed.png", sheet)
    inbox.folder("out")
    inbox.command("once")
    jobs = json.loads(inbox.command("jobs", "--json").stdout)["jobs"]
    assert [(job["state"], job["reason"]["code"]) for job in jobs] == [("skipped", "own_result")]


def test_a_source_that_changed_meanwhile_is_not_compared_and_the_result_stands(tmp_path: Path) -> None:
    result = photo("png", 80, 60, 1)
    drop(tmp_path, "photo-2x.png", result)
    source = drop(tmp_path, "photo.png", photo("png", 41, 30, 1))
    chain = Chain(Size(40, 30), (Pass("identity", "", 2, Size(40, 30), Size(80, 60)),), Size(80, 60))
    header = PictureHeader(format="png", width=40, height=30, channels=3)
    wishes = Wishes(provenance=provenance_of(chain, "0" * 64, "0.1"))
    work = Work(
        "j1", str(source), header, chain, Saving(FORMATS["png"], SaveAs("png")), str(tmp_path / "scratch"), wishes
    )
    made, why = compare(Outbox(bytes(tmp_path)), work, b"photo-2x.png", threads=1)
    assert made is None
    assert "could not be compared" in why
    source.unlink()
    assert compare(Outbox(bytes(tmp_path)), work, b"photo-2x.png", threads=1)[0] is None
    assert sums(tmp_path).keys() == {"photo-2x.png"}
    assert (tmp_path / "photo-2x.png").read_bytes() == result


def test_a_name_that_is_wrong_is_told(home: Service) -> None:
    """A JPEG called .png: the result is called what it is."""
    buffer = io.BytesIO()
    Image.fromarray(np.full((30, 40, 3), 80, np.uint8)).save(buffer, "JPEG")
    drop(home.home, "photo.png", buffer.getvalue())
    done = home.command("upscale", "photo.png", *IDENTITY)
    assert done.returncode == 0, done.stderr
    assert "photo.png: it is called .png, and is jpeg" in done.stderr
    assert (home.home / "photo-2x.jpg").exists()
    told = json.loads(home.command("upscale", "photo.png", "-o", "large", "--json", *IDENTITY).stdout)["files"]
    assert [one["notes"] for one in told] == [["it is called .png, and is jpeg"]]
