"""What `jobs --json` tells of a job's pictures, as one: a file of several pages is shown like any other."""

from __future__ import annotations

from typing import Any

from twofold.cli.figures import count_text, size_text


def sizes_text(job: dict[str, Any]) -> str:
    """`40×30 → 80×60`, of several pages with their number, and of the first; empty where nothing is planned yet."""
    pictures = job["pictures"]
    if not pictures:
        return ""
    several = f"{count_text(len(pictures), 'page')}, the first " if len(pictures) > 1 else ""
    first = pictures[0]
    before, after = [first["width"], first["height"]], [first["out_width"], first["out_height"]]
    return f"{several}{size_text(before)} → {size_text(after)}"


def pass_text(job: dict[str, Any]) -> str:
    """`page 3 of 24, pass 1 of 2`, as far as there are several."""
    pictures = job["pictures"]
    for number, picture in enumerate(pictures, start=1):
        passes = len(picture["passes"])
        if picture["pass"] < passes and not picture.get("copied"):
            page = f"page {number} of {len(pictures)}, " if len(pictures) > 1 else ""
            return f"{page}pass {picture['pass'] + 1} of {passes}"
    return "saving" if pictures else ""


def done_px(job: dict[str, Any]) -> float:
    """Input pixels of passes that are done (see core.headway)."""
    return sum(float(picture["fraction"]) * _work_px(picture) for picture in job["pictures"])


def fraction(job: dict[str, Any]) -> float:
    """The done share of all passes, 0 to 1."""
    whole_px = sum(_work_px(picture) for picture in job["pictures"])
    return done_px(job) / whole_px if whole_px else 0.0


def _work_px(picture: dict[str, Any]) -> int:
    pixels, work_px = picture["width"] * picture["height"], 0
    for step in picture["passes"]:
        work_px += pixels
        pixels *= step["scale"] ** 2
    return work_px
