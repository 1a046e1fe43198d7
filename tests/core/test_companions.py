"""Which files belong to a picture, and what they are called beside its result."""

from __future__ import annotations

from twofold.core.companions import companions_of


def test_sidecars_take_the_results_name() -> None:
    found = {one.name: one.target for one in companions_of(b"trip/IMG_1.HEIC", b"trip/IMG_1-2.jpg")}
    assert found[b"trip/IMG_1.xmp"] == b"trip/IMG_1-2.xmp"
    assert found[b"trip/IMG_1.AAE"] == b"trip/IMG_1-2.AAE"
    known = {one.name: one.target for one in companions_of(b"a.jpg", b"b.png")}
    assert known[b"a.jpg.xmp"] == b"b.png.xmp"
    assert {one.name for one in companions_of(b"a.jpg", b"a.jpg") if not one.packet} == {b"a.aae", b"a.AAE"}
