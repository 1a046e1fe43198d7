"""What to do with a picture: factor or target, networks, format."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from typing import Any, Literal

Larger = Literal["skip", "copy", "shrink"]
Remainder = Literal["auto", "pass", "resample"]
TargetSide = Literal["long_side", "short_side", "width", "height", "megapixels"]
SaveFormat = Literal["keep", "jpeg", "png", "webp", "tiff", "avif", "jxl"]
Subsampling = Literal[444, 420]
TooLarge = Literal["png", "tiff", "fail"]
Convert = Literal["srgb", "display-p3"]
Strip = Literal["none", "gps", "all"]
Dpi = Literal["keep", "scale"]
Pages = Literal["skip", "first", "all"]
OnBadPage = Literal["fail", "copy"]
AUTO = "auto"
"""In the place of a network's name: the built-in one that fits the picture."""

OnExists = Literal["overwrite_own", "suffix", "skip", "fail"]


@dataclass(frozen=True, slots=True)
class Target:
    """One wanted figure of the result: a side in pixels, or its area in megapixels (10^6 px)."""

    side: TargetSide
    value: Fraction


@dataclass(frozen=True, slots=True)
class SaveAs:
    """How results are written; `quality` is 1-100 and concerns lossy formats only.

    `lossless` None is what the source was, where the format has both. `effort` is 1 (fast) to 9 (small), None the
    format's own. `match_source` writes JPEGs with the tables and the subsampling of the JPEG they came from.
    `background` is "#rrggbb", for transparent pictures in formats without transparency. `convert` names the colour
    space of the result, None the source's.
    """

    format: SaveFormat = "keep"
    quality: int = 95
    lossless: bool | None = None
    subsampling: Subsampling = 444
    effort: int | None = None
    match_source: bool = False
    background: str | None = None
    on_too_large: TooLarge = "fail"
    convert: Convert | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """A recipe: exactly one of `scale` (> 1) and `target`.

    `models` names one network per pass, the last repeats; `before` and `after` name 1x networks. `strip` says what
    metadata is left out; `dpi` keeps the resolution of prints, or scales it so that prints keep their size. `pages` is
    for files of several pages or frames, `on_bad_page` for an archive's page that cannot be made.
    """

    name: str
    scale: Fraction | None = Fraction(2)
    target: Target | None = None
    larger: Larger = "skip"
    remainder: Remainder = "auto"
    models: tuple[str, ...] = (AUTO,)
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()
    save_as: SaveAs = field(default_factory=SaveAs)
    strip: Strip = "none"
    dpi: Dpi = "keep"
    pages: Pages = "skip"
    on_bad_page: OnBadPage = "fail"

    def to_json(self) -> dict[str, Any]:
        """A JSON object that `recipe_from_json` reads back; fractions are written as "p/q"."""
        data = asdict(self)
        data["scale"] = None if self.scale is None else str(self.scale)
        if self.target is not None:
            data["target"] = {"side": self.target.side, "value": str(self.target.value)}
        for key in ("models", "before", "after"):
            data[key] = list(data[key])
        return data

    def digest(self) -> str:
        """sha256 (hex) of everything that changes pixels or files; the recipe's name does not."""
        data = self.to_json()
        del data["name"]
        save_as = data["save_as"]
        for of, younger in ((data, _YOUNGER_KEYS), (save_as, _YOUNGER_WISHES)):
            for key, default in younger.items():
                if of[key] == default:
                    del of[key]
        return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


# Keys that recipes of earlier versions had not: at their defaults they make no other recipe of an old one.
_YOUNGER_KEYS: dict[str, Any] = {"strip": "none", "dpi": "keep", "pages": "skip", "on_bad_page": "fail"}
_YOUNGER_WISHES: dict[str, Any] = {
    "lossless": None,
    "subsampling": 444,
    "effort": None,
    "match_source": False,
    "background": None,
    "on_too_large": "fail",
    "convert": None,
}


def recipe_from_json(data: dict[str, Any]) -> Recipe:
    """The inverse of `Recipe.to_json`."""
    target = data.get("target")
    return Recipe(
        name=data["name"],
        scale=None if data["scale"] is None else Fraction(data["scale"]),
        target=None if target is None else Target(target["side"], Fraction(target["value"])),
        larger=data["larger"],
        remainder=data["remainder"],
        models=tuple(data["models"]),
        before=tuple(data["before"]),
        after=tuple(data["after"]),
        save_as=SaveAs(**data["save_as"]),
        **{key: data.get(key, default) for key, default in _YOUNGER_KEYS.items()},
    )
