"""Factors and targets of every kind, to the pixel, through the real process."""

from __future__ import annotations

import json
from fractions import Fraction

import pytest
from PIL import Image

from tests.e2e.photos import drop, photo
from tests.e2e.service import Service

RECIPES = {
    "three": "scale: 3",
    "half_again": "scale: 1.5",
    "barely_more": "scale: 4.0001",
    "resampled": "scale: 2.9, remainder: resample",
    "short_side": "target: {short_side: 111}",
    "megapixels": "target: {megapixels: 0.02}",
    "kept": "target: {long_side: 60}, larger: copy",
    "shrunk": "target: {long_side: 60}, larger: shrink",
    "skipped": "target: {long_side: 60}, larger: skip",
}
SOURCE = (97, 61)
SIZES = {
    "three": (291, 183),
    "half_again": (146, 92),
    "barely_more": (388, 244),
    "resampled": (281, 177),
    "short_side": (177, 111),
    "megapixels": (178, 112),
    "kept": SOURCE,
    "shrunk": (60, 38),
}
PASSES = {"three": 2, "half_again": 1, "barely_more": 2, "resampled": 1, "short_side": 1, "megapixels": 1}


@pytest.fixture(scope="module")
def drained(tmp_path_factory: pytest.TempPathFactory) -> Service:
    """One `once` over an inbox for each recipe, each with the same 16-bit picture."""
    home = tmp_path_factory.mktemp("targets")
    lines = ["recipes:"]
    lines += [f"  {name}: {{models: [identity], {text}}}" for name, text in RECIPES.items()]
    lines += ["inboxes:"]
    lines += [f"  {name}: {{path: in/{name}, outbox: out/{name}, recipe: {name}, settle: 0.2s}}" for name in RECIPES]
    one = Service(home, "\n".join(lines))
    for name in RECIPES:
        one.folder(f"out/{name}")
        drop(home / "in" / name, "picture.png", photo("png16", *SOURCE, seed=1))
    done = one.command("once", timeout_s=90)
    assert done.returncode == 0, done.stderr
    return one


@pytest.mark.parametrize("name", SIZES)
def test_size_is_exact(drained: Service, name: str) -> None:
    with Image.open(drained.home / "out" / name / "picture.png") as result:
        assert result.size == SIZES[name]


@pytest.mark.parametrize("name", PASSES)
def test_no_pass_too_many(drained: Service, name: str) -> None:
    (job,) = [job for job in _jobs(drained) if job["inbox"] == name]
    assert len(job["pictures"][0]["passes"]) == PASSES[name]


def test_a_copy_is_the_source_byte_for_byte(drained: Service) -> None:
    copy, source = (drained.home / folder / "kept" / "picture.png" for folder in ("out", "in"))
    assert copy.read_bytes() == source.read_bytes()


def test_a_picture_as_large_as_its_target_is_skipped(drained: Service) -> None:
    (job,) = [job for job in _jobs(drained) if job["inbox"] == "skipped"]
    assert (job["state"], job["reason"]["code"]) == ("skipped", "already_large")
    assert not any((drained.home / "out" / "skipped").iterdir())


def test_sizes_follow_the_rule_of_the_design() -> None:
    """floor(side * factor + 1/2), in rational numbers: the table above is not a record of what came out."""
    for name, factor in (("three", Fraction(3)), ("half_again", Fraction(3, 2)), ("resampled", Fraction(29, 10))):
        assert SIZES[name] == tuple((2 * side * factor + 1) // 2 for side in SOURCE)
    short = Fraction(111, 61)
    assert SIZES["short_side"] == tuple((2 * side * short + 1) // 2 for side in SOURCE)


def _jobs(service: Service) -> list[dict[str, object]]:
    return json.loads(service.command("jobs", "--json").stdout)["jobs"]
