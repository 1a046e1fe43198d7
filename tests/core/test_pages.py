"""Files of several pages: which are made, by which chains, under which names, and how far a whole file is."""

from __future__ import annotations

import itertools
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.content import choose, choose_networks
from twofold.core.errors import Reason, TwofoldError
from twofold.core.formats import ARCHIVE, FORMATS
from twofold.core.geometry import Size
from twofold.core.headway import headway_of, in_work, work_px
from twofold.core.job import Kept, is_bound
from twofold.core.naming import page_names, reservation_key
from twofold.core.pages import LOOKED_AT, Contents, Page, check_pages, is_own, looked_at, pages_to_make, plan_pages
from twofold.core.passes import plan_chain
from twofold.core.picture import PictureHeader
from twofold.core.recipe import AUTO, Recipe, SaveAs, Target
from twofold.core.settings import Limits

CARD = NetworkCard("net", 1, "ab", 2, halo_px=8, live_bytes_per_px=100.0, mflop_per_px=1.0)
USUAL = Size(900, 1400)
TALL = Target("long_side", Fraction(2000))
sizes = st.builds(Size, st.integers(1, 3000), st.integers(1, 3000))


def recipe(**keys: Any) -> Recipe:
    return Recipe("r", **({"models": ("net@1",), "pages": "all"} | keys))


def page(number: int, size: Size = USUAL, **keys: Any) -> Page:
    return Page(number, PictureHeader("jpeg", size.width, size.height, **keys), f"{number}.jpg")


def comic(*pages: Page, others: int = 1) -> Contents:
    return Contents(ARCHIVE.name, len(pages), pages, others)


def bad(number: int, code: Code = Code.DAMAGED) -> Page:
    return Page(number, None, f"{number}.jpg", Reason(code, "it is torn"))


@given(count=st.integers(0, 10_000))
def test_pages_to_look_at_are_few_spread_and_always_the_same(count: int) -> None:
    looks = looked_at(count)
    assert looks == looked_at(count)
    assert len(looks) == min(count, LOOKED_AT)
    assert all(0 <= look < count for look in looks)
    ordered = sorted(looks)
    gaps = [after - before for before, after in itertools.pairwise(ordered)]
    assert not gaps or max(gaps) - min(gaps) <= 1


@given(source=st.lists(sizes, min_size=1, max_size=8), wanted=st.sampled_from([None, TALL]))
def test_a_page_is_planned_as_a_picture_of_its_own_would_be(source: list[Size], wanted: Target | None) -> None:
    """But that those which are as large already stay as they are, where others are not."""
    by = recipe(target=wanted, scale=None if wanted else Fraction(2))
    pages = [page(number, size) for number, size in enumerate(source)]
    large = [wanted is not None and size.long_side >= 2000 for size in source]
    if all(large):
        with pytest.raises(TwofoldError) as caught:
            plan_pages(pages, by, lambda _: CARD)
        assert caught.value.code is Code.ALREADY_LARGE
        return
    pictures = plan_pages(pages, by, lambda _: CARD)
    assert [picture.page for picture in pictures] == list(range(len(source)))
    for picture, size, stays in zip(pictures, source, large, strict=True):
        if stays:
            assert (picture.chain.action, picture.chain.final) == ("copy", size)
        else:
            assert picture.chain == plan_chain(size, by, lambda _: CARD)


@given(
    st.lists(st.sampled_from(["a.jpg", "A.JPG", "a.png", "b.jpeg", "b.PNG", "c", "d.txt", "e/a.jpg"]), unique=True),
    st.data(),
)
def test_names_of_pages_stay_apart_and_change_only_with_the_format(names: list[str], data: st.DataObject) -> None:
    before = [name.encode() for name in names]
    chosen = data.draw(st.sets(st.integers(0, len(before) - 1))) if before else set()
    after = page_names(before, dict.fromkeys(chosen, FORMATS["png"]))
    assert len(after) == len(before)
    for place, (old, new) in enumerate(zip(before, after, strict=True)):
        if place not in chosen or old.lower().endswith(b".png"):
            assert new == old
        else:
            assert new.endswith(b".png")
            keys = [reservation_key(name) for other, name in enumerate(after) if other != place]
            assert reservation_key(new) not in keys


@pytest.mark.parametrize(
    ("contents", "keys", "extension", "code"),
    [
        (comic(page(0)), {"pages": "skip"}, "cbz", Code.ANIMATED),
        (comic(page(0)), {"pages": "first"}, "cbz", Code.ANIMATED),
        (comic(), {}, "cbz", Code.NO_PAGES),
        (comic(), {"pages": "skip"}, "zip", Code.NO_PAGES),
        (comic(page(0), others=2), {}, "zip", Code.NO_PAGES),
        (comic(page(0), others=2), {}, "cbz", None),
        (comic(page(0), others=1), {}, "zip", None),
        (comic(page(0), bad(1)), {}, "cbz", Code.DAMAGED),
        (comic(page(0), bad(1)), {"on_bad_page": "copy"}, "cbz", None),
        (comic(bad(0), bad(1)), {"on_bad_page": "copy"}, "cbz", Code.DAMAGED),
        (Contents("tiff", 2, (page(0), bad(1))), {"on_bad_page": "copy"}, "tif", Code.DAMAGED),
        (Contents("tiff", 2, ()), {"pages": "skip"}, "tif", Code.ANIMATED),
        (Contents("avif", 2, ()), {}, "avif", Code.ANIMATED),
        (Contents("jpeg", 1, (page(0),)), {"pages": "skip"}, "jpg", None),
    ],
)
def test_what_is_made_of_a_file(contents: Contents, keys: dict[str, Any], extension: str, code: Code | None) -> None:
    if code is None:
        made = pages_to_make(contents, recipe(**keys), extension)
        assert made == tuple(page for page in contents.pages if page.header is not None)
        return
    with pytest.raises(TwofoldError) as caught:
        pages_to_make(contents, recipe(**keys), extension)
    assert caught.value.code is code
    assert caught.value.reason.hint
    if code is Code.DAMAGED:
        assert ".jpg): it is torn" in caught.value.reason.text


@pytest.mark.parametrize(
    ("source", "wanted", "target"),
    [
        ("tiff", "keep", "tiff"),
        ("tiff", "png", None),
        ("gif", "keep", "png"),
        ("gif", "webp", "webp"),
        ("gif", "jpeg", None),
        ("webp", "keep", "webp"),
        ("png", "tiff", None),
        ("zip", "jpeg", "zip"),
    ],
)
def test_what_holds_the_pages_afterwards(source: str, wanted: Any, target: str | None) -> None:
    kind = "jpeg" if source == "zip" else source
    pages = tuple(Page(number, PictureHeader(kind, 20, 30), "1.jpg" if source == "zip" else "") for number in range(2))
    by = recipe(save_as=SaveAs(format=wanted))
    planned = plan_pages(pages, by, lambda _: CARD)
    contents = Contents(source, 2, pages)
    if target is None:
        with pytest.raises(TwofoldError) as caught:
            check_pages(contents, planned, by, Limits())
        assert caught.value.code is Code.UNSUPPORTED_FORMAT
        first = replace(by, pages="first")
        assert check_pages(contents, planned[:1], first, Limits())[2].name == wanted
    else:
        pictures, savings, found = check_pages(contents, planned, by, Limits())
        assert (len(pictures), len(savings), found.name) == (2, 2, target)


def test_a_page_that_cannot_be_written_is_left_out_where_the_recipe_says_so() -> None:
    pages = (page(0), page(1, alpha=True))
    for rule in ("fail", "copy"):
        by = recipe(on_bad_page=rule)
        planned = plan_pages(pages, replace(by, save_as=SaveAs(format="jpeg")), lambda _: CARD)
        by = replace(by, save_as=SaveAs(format="jpeg"))
        if rule == "fail":
            with pytest.raises(TwofoldError, match=r"page 2 \(1.jpg\)"):
                check_pages(comic(*pages), planned, by, Limits())
        else:
            assert [picture.page for picture in check_pages(comic(*pages), planned, by, Limits())[0]] == [0]


@given(st.lists(st.booleans(), max_size=6))
def test_a_file_is_ours_where_most_of_its_pages_are(own: list[bool]) -> None:
    headers = [PictureHeader("jpeg", 9, 9, own=one) for one in own]
    assert is_own(headers) == (own.count(True) > own.count(False))


def test_one_choice_speaks_for_all_pages() -> None:
    art = PictureHeader("png", 9, 9, signals={"flat": 0.9, "sharp": 0.5})
    photo = PictureHeader("png", 9, 9, signals={"flat": 0.1, "sharp": 0.0})
    (chosen, _) = choose_networks((AUTO,), art, photo, art)
    assert (chosen.content, chosen.why[:22]) == ("art", "so says most of 3 page")  # type: ignore[union-attr]
    (chosen, *_) = choose_networks((AUTO,), photo, art)
    assert chosen.content == "photo"  # type: ignore[union-attr]
    assert choose_networks((AUTO,), photo) == [choose(photo)]


@given(finished=st.integers(0, 6), fraction=st.floats(0, 1))
def test_headway_goes_from_nothing_to_all_over_the_pages(finished: int, fraction: float) -> None:
    pages = [page(number, Size(100 + number, 200)) for number in range(6)]
    planned = plan_pages(pages, recipe(), lambda _: CARD)
    pictures = [
        replace(one, kept=Kept(), passes_done=1, fraction=1.0) if place < finished else one
        for place, one in enumerate(planned)
    ]
    if finished < len(pictures):
        pictures[finished] = replace(pictures[finished], fraction=fraction, passes_done=1)
    way = headway_of(pictures)
    whole_px = sum(work_px(one.chain) for one in planned)
    assert is_bound(planned, recipe())
    assert (way.work_px, way.pages, way.page) == (whole_px, 6, min(finished + 1, 6))
    assert in_work(pictures) == min(finished, 5)
    done_px = sum(one.fraction * work_px(one.chain) for one in pictures)
    assert way.px == pytest.approx(done_px)
    assert 0 <= way.fraction <= 1 + 1e-9
