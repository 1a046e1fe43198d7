"""A file of several pages is shown in one line, like a picture."""

from __future__ import annotations

from typing import Any

import pytest

from twofold.cli.pages import done_px, fraction, pass_text, sizes_text


def page(done: int, share: float, *, side: int = 10, copied: bool | None = None) -> dict[str, Any]:
    """A square page of two passes."""
    passes = [{"scale": 2}, {"scale": 2}]
    sizes = {"width": side, "height": side, "out_width": side * 4, "out_height": side * 4}
    return {**sizes, "passes": passes, "pass": done, "fraction": share, "copied": copied}


TWO = "2 pages, the first 10×10 → 40×40"


@pytest.mark.parametrize(
    ("pages", "sizes", "stage", "share"),
    [
        ([], "", "", 0.0),
        ([page(1, 0.5)], "10×10 → 40×40", "pass 2 of 2", 0.5),
        ([page(2, 1.0)], "10×10 → 40×40", "saving", 1.0),
        ([page(2, 1.0, copied=False), page(0, 0.0)], TWO, "page 2 of 2, pass 1 of 2", 0.5),
        ([page(0, 1.0, copied=True), page(1, 0.5, side=20)], TWO, "page 2 of 2, pass 2 of 2", 0.6),
        ([page(2, 1.0, copied=False), page(2, 1.0, copied=False)], TWO, "saving", 1.0),
    ],
)
def test_pages_are_told_together(pages: list[dict[str, Any]], sizes: str, stage: str, share: float) -> None:
    job = {"pictures": pages}
    assert sizes_text(job) == sizes
    assert pass_text(job) == stage
    assert fraction(job) == pytest.approx(share)
    assert done_px(job) == pytest.approx(share * sum(one["width"] ** 2 * 5 for one in pages))
