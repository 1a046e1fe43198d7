"""Pictures made by ourselves: text, shapes, gratings, flat fields and gradients. Seeded, so always the same."""

import pathlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]
CANVAS_PX = 768
OVERSAMPLE = 2
LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,;:!?()[]{}+-*/=%&@#"


def colour(rng: np.random.Generator) -> tuple[int, int, int]:
    if rng.random() < 0.4:
        grey = int(rng.choice([0, 16, 40, 128, 220, 245, 255]))
        return grey, grey, grey
    red, green, blue = (int(v) for v in rng.integers(0, 256, 3))
    return red, green, blue


def text_canvas(rng: np.random.Generator, fonts: list[pathlib.Path]) -> Image.Image:
    """Lines of random text in random sizes; RGB, CANVAS_PX square, antialiased."""
    side = CANVAS_PX * OVERSAMPLE
    image = Image.new("RGB", (side, side), colour(rng))
    draw = ImageDraw.Draw(image)
    y = 0
    while y < side:
        size = int(rng.integers(16, 90)) * OVERSAMPLE // 2
        font = ImageFont.truetype(str(fonts[int(rng.integers(len(fonts)))]), size)
        count = 2 * side // (3 * size) + 1
        words = ["".join(rng.choice(list(LETTERS), int(rng.integers(1, 11)))) for _ in range(count)]
        draw.text((int(rng.integers(-size, size)), y), " ".join(words), fill=colour(rng), font=font)
        y += int(size * 1.25)
    return image.resize((CANVAS_PX, CANVAS_PX), Image.Resampling.BOX)


def shape_canvas(rng: np.random.Generator) -> Image.Image:
    """Overlapping polygons, ellipses and lines; RGB, CANVAS_PX square, antialiased."""
    side = CANVAS_PX * OVERSAMPLE
    image = Image.new("RGB", (side, side), colour(rng))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(30, 120))):
        x, y = (int(v) for v in rng.integers(0, side, 2))
        reach = int(rng.integers(10, side // 5))
        kind = rng.integers(3)
        if kind == 0:
            corners = rng.integers(-reach, reach, (int(rng.integers(3, 7)), 2))
            draw.polygon([(x + int(dx), y + int(dy)) for dx, dy in corners], fill=colour(rng))
        elif kind == 1:
            draw.ellipse((x, y, x + reach, y + int(reach * rng.uniform(0.3, 1.5)) + 1), fill=colour(rng))
        else:
            end = rng.integers(-3 * reach, 3 * reach, 2)
            draw.line((x, y, x + int(end[0]), y + int(end[1])), fill=colour(rng), width=int(rng.integers(1, 14)))
    return image.resize((CANVAS_PX, CANVAS_PX), Image.Resampling.BOX)


def grating_canvas(rng: np.random.Generator) -> Image.Image:
    """Stripes whose period drifts over the canvas (3 to 40 px), straight or curved, soft or hard."""
    side = CANVAS_PX * OVERSAMPLE
    y, x = np.mgrid[0:side, 0:side].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    if rng.random() < 0.5:
        cx, cy = rng.uniform(0, side, 2)
        along = np.hypot(x - cx, y - cy)
    period = rng.uniform(3, 20) * OVERSAMPLE
    wave = np.sin(2 * np.pi * along / period * (1 + along / (side * rng.uniform(2, 6))))
    if rng.random() < 0.5:
        wave = np.sign(wave)
    mix = (wave[..., None] + 1) / 2
    low, high = (np.array(colour(rng), np.float32) for _ in range(2))
    image = Image.fromarray(np.rint(low + (high - low) * mix).astype(np.uint8))
    return image.resize((CANVAS_PX, CANVAS_PX), Image.Resampling.BOX)


def flat_patch(rng: np.random.Generator, side: int) -> Pixels:
    """A flat field; (side, side, 3) uint8."""
    return np.broadcast_to(np.array(colour(rng), np.uint8), (side, side, 3)).copy()


def gradient_patch(rng: np.random.Generator, side: int) -> Pixels:
    """A linear gradient of up to 3 levels a pixel; (side, side, 3) uint8."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    ramp = (x * np.cos(angle) + y * np.sin(angle))[..., None]
    reach = rng.uniform(4, 3 * side, 1) * rng.uniform(0.3, 1, 3)
    centre = rng.uniform(40, 215, 3)
    out: Pixels = np.rint(np.clip(centre + ramp * reach, 0, 255)).astype(np.uint8)
    return out


def canvases(seed: int, count: int, fonts: list[pathlib.Path]) -> list[Image.Image]:
    """`count` canvases: half text (if there are fonts), a third shapes, the rest gratings."""
    rng = np.random.default_rng(seed)
    made: list[Image.Image] = []
    for number in range(count):
        if number % 6 < 3 and fonts:
            made.append(text_canvas(rng, fonts))
        elif number % 6 < 5:
            made.append(shape_canvas(rng))
        else:
            made.append(grating_canvas(rng))
    return made
