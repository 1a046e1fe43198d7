"""The demo's two ends: photographs into demo/inbox, and one side-by-side picture of what came back.

`prepare` writes the pictures and demo/twofold.yaml; `compare` prints the results' paths and draws the picture.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import NamedTuple

import skimage
from PIL import Image, ImageDraw, ImageFont

DEMO = Path(__file__).parents[1] / "demo"
INBOX, OUTBOX = DEMO / "inbox", DEMO / "outbox"
SCALE = 4

CONFIG = f"""\
# Written by tools/demo.py. Paths are relative to this file.
state_dir: state
scratch_dir: scratch
recipes:
  demo-{SCALE}x:
    scale: {SCALE}
inboxes:
  demo:
    path: inbox
    outbox: outbox
    recipe: demo-{SCALE}x
"""


class Photo(NamedTuple):
    """One photograph that the scikit-image wheel brings, cut so that the demo takes about a minute.

    `cut` is a box in source pixels; `detail` the centre of what the comparison shows, in pixels of the cut.
    """

    source: str
    name: str
    cut: tuple[int, int, int, int]
    detail: tuple[int, int]


PHOTOS = (
    Photo("chelsea.png", "cat.png", (60, 10, 420, 280), (130, 105)),
    Photo("astronaut.png", "astronaut.jpg", (60, 0, 360, 300), (165, 110)),
    Photo("coffee.png", "coffee.jpg", (130, 60, 490, 330), (180, 130)),
    Photo("rocket.jpg", "rocket.jpg", (200, 140, 500, 400), (120, 130)),
)
DETAIL_PX = (480, 360)
GAP_PX = 12
LABEL_PX = 34


def prepare() -> None:
    """Write the pictures once: a second demo finds them unchanged, and has nothing to do."""
    for folder in (INBOX, OUTBOX):
        folder.mkdir(parents=True, exist_ok=True)
    (DEMO / "twofold.yaml").write_text(CONFIG, encoding="utf-8")
    for photo in PHOTOS:
        target = INBOX / photo.name
        if not target.exists():
            with Image.open(Path(skimage.__file__).parent / "data" / photo.source) as image:
                image.convert("RGB").crop(photo.cut).save(target, quality=92)


def compare() -> int:
    """Print where the results are and draw the comparison; 1 where a result is missing."""
    missing = [photo.name for photo in PHOTOS if not (OUTBOX / photo.name).is_file()]
    if missing:
        print(f"no result for {', '.join(missing)}", file=sys.stderr)
        return 1
    print("\nResults:")
    for photo in PHOTOS:
        print(f"  {OUTBOX / photo.name}")
    sheet = DEMO / "side-by-side.png"
    _sheet().save(sheet)
    print(f"Side by side (bicubic | Twofold, one pixel is one pixel):\n  {sheet}")
    return 0


def _sheet() -> Image.Image:
    width, height = DETAIL_PX
    size = (2 * width + 3 * GAP_PX, LABEL_PX + len(PHOTOS) * (height + GAP_PX))
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(20)
    for column, label in enumerate((f"bicubic {SCALE}x", f"Twofold {SCALE}x")):
        draw.text((GAP_PX + column * (width + GAP_PX), LABEL_PX / 2), label, "black", font, anchor="lm")
    for row, photo in enumerate(PHOTOS):
        top = LABEL_PX + row * (height + GAP_PX)
        for column, image in enumerate(_details(photo)):
            sheet.paste(image, (GAP_PX + column * (width + GAP_PX), top))
    return sheet


def _details(photo: Photo) -> tuple[Image.Image, Image.Image]:
    """The same detail of both enlargements, at 100 %."""
    with Image.open(INBOX / photo.name) as source, Image.open(OUTBOX / photo.name) as result:
        bicubic = source.convert("RGB").resize(result.size, Image.Resampling.BICUBIC)
        enlarged = result.convert("RGB")
    left = min(max(0, photo.detail[0] * SCALE - DETAIL_PX[0] // 2), enlarged.width - DETAIL_PX[0])
    top = min(max(0, photo.detail[1] * SCALE - DETAIL_PX[1] // 2), enlarged.height - DETAIL_PX[1])
    box = (left, top, left + DETAIL_PX[0], top + DETAIL_PX[1])
    return bicubic.crop(box), enlarged.crop(box)


if __name__ == "__main__":
    if sys.argv[1:] == ["prepare"]:
        prepare()
    elif sys.argv[1:] == ["compare"]:
        sys.exit(compare())
    else:
        sys.exit("usage: demo.py prepare|compare")
