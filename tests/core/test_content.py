from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.core.content import LATER, Choice, Content, choose, choose_networks
from twofold.core.picture import PictureHeader
from twofold.core.recipe import AUTO

PHOTO = {"flat": 0.25, "sharp": 0.02, "common": 0.2, "blocky": 1.05}
DRAWING = {"flat": 0.9, "sharp": 0.4, "common": 0.97, "blocky": 1.2}

shares = st.floats(0, 1)
signals = st.fixed_dictionaries(
    {"flat": shares, "sharp": shares, "common": shares, "blocky": st.floats(0, 20)},
    optional={"jpeg_quality": st.floats(1, 100)},
)


def header(format_: str = "png", **found: float) -> PictureHeader:
    return PictureHeader(format_, 640, 480, lossless=format_ == "png", signals=found)


@pytest.mark.parametrize(
    ("picture", "content", "because"),
    [
        (header(**PHOTO), "photo", "neither"),
        (header("jpeg", **PHOTO, jpeg_quality=97.0), "photo", "neither"),
        (header("jpeg", **PHOTO, jpeg_quality=62.4), "web", "quality 62"),
        (header("webp", **PHOTO), "photo", "neither"),
        (header("jpeg", **PHOTO, jpeg_quality=81.0), "photo", "neither"),
        (header(**PHOTO | {"blocky": 2.4}), "web", "2.4 times"),
        (header(**DRAWING), "art", "90% of it is flat and 40%"),
        (header("jpeg", **DRAWING, jpeg_quality=95.0), "art", "flat"),
        (header("jpeg", **DRAWING, jpeg_quality=50.0), "web", "quality 50"),
        (header("jpeg", **DRAWING, jpeg_quality=90.0), "web", "quality 90"),
        (header(flat=0.95, sharp=0.0, common=0.9, blocky=1.0), "photo", "neither"),  # a night sky
        (header(), "photo", "not looked at"),
    ],
)
def test_what_a_picture_is_taken_for(picture: PictureHeader, content: Content, because: str) -> None:
    choice = choose(picture)
    assert choice.content == content
    assert because in choice.why


@given(signals, st.sampled_from(["jpeg", "png", "webp", "tiff"]))
def test_every_picture_has_one_choice_with_a_reason(found: dict[str, float], format_: str) -> None:
    choice = choose(header(format_, **found))
    assert choice == choose(header(format_, **found))
    assert choice.why


@given(signals, st.floats(1, 100))
def test_a_better_jpeg_never_turns_into_a_web_picture(found: dict[str, float], better: float) -> None:
    """Whatever a picture shows: raising its quality alone never speaks for the web network."""
    worse = found.get("jpeg_quality", 100.0)
    if better < worse:
        worse, better = better, worse
    before, after = (choose(header("jpeg", **found | {"jpeg_quality": quality})) for quality in (worse, better))
    assert before.content == "web" or after.content != "web"


def test_the_first_pass_is_chosen_and_later_ones_are_the_photo_network() -> None:
    drawing, photo = header(**DRAWING), header(**PHOTO)
    assert choose_networks((AUTO,), drawing) == [choose(drawing), LATER]
    assert choose_networks((AUTO,), photo) == [choose(photo)]
    assert choose_networks((AUTO, "mine@2"), drawing) == [choose(drawing), "mine@2"]
    assert choose_networks(("mine@2", AUTO), drawing) == ["mine@2", LATER]
    assert choose_networks((AUTO, AUTO, AUTO), drawing) == [choose(drawing), LATER, LATER]
    assert choose_networks(("mine@2",), drawing) == ["mine@2"]


@given(st.lists(st.sampled_from([AUTO, "mine@2", "other@1"]), min_size=1, max_size=4), signals)
def test_no_auto_is_left_and_only_the_first_pass_sees_the_source(names: list[str], found: dict[str, float]) -> None:
    chosen = choose_networks(names, header(**found))
    assert len(chosen) in (len(names), len(names) + 1)
    assert AUTO not in chosen
    assert all(choice.content == "photo" for choice in chosen[1:] if isinstance(choice, Choice))
    assert [choice for choice in chosen[: len(names)] if isinstance(choice, str)] == [n for n in names if n != AUTO]
