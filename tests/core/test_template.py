"""Names of results by an owner's template."""

from __future__ import annotations

from fractions import Fraction
from itertools import islice, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.test_naming import formats, paths
from twofold.core.formats import FORMATS, becoming
from twofold.core.geometry import Size
from twofold.core.naming import MAX_NAME_BYTES, output_name, reservation_key, suffixed_names
from twofold.core.recipe import SaveAs
from twofold.core.template import PLAIN, NameFacts, check_template, date_of, place_among_rivals, templated_name

FACTS = NameFacts(Fraction(4), Size(800, 600), ("photo@1", "photo@1", "art/x@2"), "2019-07-20")
texts = st.text(st.sampled_from("aZ-_ .é😀"), max_size=12)
templates = st.builds(lambda a, b, c: f"a{a}{{stem}}{b}{{date}}{{models}}{c}x", texts, texts, texts)


@pytest.mark.parametrize(
    ("template", "source", "expected"),
    [
        ("{stem}", b"a/b/IMG.JPEG", b"a/b/IMG.JPEG"),
        ("{stem}.{ext}", b"a/photo.png", b"a/photo.jpg"),
        ("{stem}-{factor}x", b"photo.jpg", b"photo-4x.jpg"),
        ("{date} {stem} {width}x{height}", b"a/photo.JPG", b"a/2019-07-20 photo 800x600.JPG"),
        ("{stem} ({models})", b"\xff.jpg", b"\xff (photo@1+art-x@2).jpg"),
        ("large {stem}", b"scan.2024", b"large scan.2024.jpg"),
    ],
)
def test_fields_are_filled(template: str, source: bytes, expected: bytes) -> None:
    check_template(template)
    assert templated_name(source, template, FACTS, FORMATS["jpeg"]) == expected


@pytest.mark.parametrize(
    "template",
    [
        "",
        "photo",
        "{date}",
        "{stem}/{date}",
        "../{stem}",
        ".{stem}",
        "{stem}{title}",
        "{ext}-{stem}",
        "{stem} {",
        "x" * 200,
    ],
)
def test_what_is_no_template_is_refused(template: str) -> None:
    with pytest.raises(ValueError):
        check_template(template)


@settings(deadline=None, max_examples=150)
@given(paths, formats, templates)
def test_any_name_fits_keeps_its_folder_and_has_numbers_left(source: bytes, target, template: str) -> None:
    check_template(template)
    name = templated_name(source, template, FACTS, target)
    folder, _, last = name.rpartition(b"/")
    assert folder == source.rpartition(b"/")[0]
    assert len(last) <= MAX_NAME_BYTES
    assert last.rpartition(b".")[2].lower().decode() in target.extensions
    assert len(set(islice(suffixed_names(name), 12))) == 12


@settings(deadline=None, max_examples=100)
@given(paths, formats)
def test_the_default_is_the_name_in_the_mirrored_tree(source: bytes, target) -> None:
    assert templated_name(source, PLAIN, FACTS, target) == output_name(source, target)


def test_a_long_stem_is_cut_and_the_rest_stays_whole() -> None:
    one, other = (templated_name(b"p" * 250 + end, "{stem} {width}px", FACTS, FORMATS["png"]) for end in (b"a", b"b"))
    assert one != other
    assert one.endswith(b" 800px.png")
    assert len(one) <= MAX_NAME_BYTES


@pytest.mark.parametrize(
    ("taken", "meant"),
    [
        ("2019:07:20 21:17:40", "2019-07-20"),
        ("0000:00:00 00:00:00", "2001-09-09"),
        ("2019:13:45 00:00:00", "2001-09-09"),
        ("", "2001-09-09"),
        ("    :  :     :  :  ", "2001-09-09"),
    ],
)
def test_the_date_is_the_pictures_or_the_files(taken: str, meant: str) -> None:
    assert date_of(taken, 1_000_000_000 * 10**9) == meant


def test_the_same_pictures_get_the_same_names_in_any_order() -> None:
    """Three pictures that all become PNG, dropped in whatever order, and taken up as they come."""
    pictures = (b"in/a.png", b"in/a.jpg", b"in/a.webp", b"in/b.jpg")
    found = set()
    for order in permutations(pictures):
        taken: dict[bytes, bytes] = {}
        for source in order:
            extensions = becoming(FORMATS["png"], SaveAs("png"))
            before = place_among_rivals(source, FORMATS["png"], extensions, pictures.__contains__)
            names = islice(suffixed_names(output_name(source, FORMATS["png"])), before, None)
            name = next(one for one in names if reservation_key(one) not in taken)
            taken[reservation_key(name)] = source
        found.add(frozenset((source, name) for name, source in taken.items()))
    assert found == {frozenset(zip(pictures, (b"in/a.png", b"in/a-2.png", b"in/a-3.png", b"in/b.png"), strict=True))}


def test_what_keeps_its_format_is_nobodys_rival() -> None:
    everything = becoming(FORMATS["jpeg"], SaveAs())
    assert place_among_rivals(b"a.jpg", FORMATS["jpeg"], everything, lambda name: True) == 0
    assert place_among_rivals(b"a.JPEG", FORMATS["jpeg"], everything, lambda name: True) == 0
    kept = becoming(FORMATS["png"], SaveAs())
    assert "gif" in kept
    assert "webp" not in kept
