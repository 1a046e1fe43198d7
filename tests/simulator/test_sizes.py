"""The whole service as on GPUs of 4, 8, 24 and 80 GB, with true pixels."""

from __future__ import annotations

import io
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from skimage import data

from tests.e2e.photos import drop, pixels
from tests.simulator.running import GIB, MIB, Simulated, apart, batch_px, plain, tiny_network

CONFIG = """\
recipes:
  four: {scale: 4, models: [tiny]}
inboxes:
  in: {path: in, outbox: out, recipe: four, settle: 0.2s}
"""
SIZES = {"GPU-04": 4 * GIB, "GPU-08": 8 * GIB, "GPU-24": 24 * GIB, "GPU-80": 80 * GIB}
AT_A_TIME = 2  # jobs of one worker
TIMEOUT_S = 90


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_photos_go_through_gpus_of_every_size(tmp_path: Path) -> None:
    """All four at once, each held still until it has its share of the photos."""
    card = tiny_network(tmp_path)
    with Simulated(tmp_path, CONFIG, SIZES) as one:
        for folder in ("in", "out"):
            one.service.folder(folder)
        names = [f"{number}.png" for number in range(AT_A_TIME * len(SIZES))]
        for number, name in enumerate(names):
            drop(tmp_path / "in", name, _photo(number))
        for gpu in one.gpus.values():
            gpu.now.halt_at_load = 1
        one.service.start()
        for gpu in one.gpus.values():
            one.wait_for_halt(gpu)
        for gpu in one.gpus.values():
            one.go_on(gpu)
        one.service.wait_until(dict.fromkeys(names, ("done", None)), TIMEOUT_S)

        where = {event["path"]: event["device"] for event in one.service.events("job.delivered")}
        assert set(where.values()) == set(SIZES)
        largest = {}
        for name in names:
            plans = one.plans(name)
            assert {plan["pass"] for plan in plans} == {1, 2}
            total = SIZES[where[name]]
            for plan in plans:
                assert plan["keep_free_bytes"] == max(400 * MIB, total * 3 // 100)
                assert plan["need_bytes"] <= plan["budget_bytes"] <= total * 4 // 5
            largest[where[name]] = max(batch_px(plan) for plan in plans)
            source = pixels(tmp_path / "in" / name)
            depth = 8 * source.dtype.itemsize
            assert apart(pixels(tmp_path / "out" / name), plain(card, source, passes=2, depth=depth)) <= 1
        assert largest["GPU-04"] < min(largest["GPU-24"], largest["GPU-80"])
        for name, gpu in one.gpus.items():
            assert gpu.now.least_left_bytes >= max(400 * MIB, SIZES[name] * 3 // 100)
        assert one.service.left_over() == []


def _photo(number: int) -> bytes:
    """A piece of a photograph, 160 x 120; every other one in 16 bits."""
    x, y = 40 * (number % 4), 30 * (number // 4)
    piece: NDArray[np.uint8] = data.chelsea()[y : y + 120, x : x + 160]
    if number % 2:
        return bytes(imagecodecs.png_encode(piece.astype(np.uint16) * np.uint16(257)))
    buffer = io.BytesIO()
    Image.fromarray(piece).save(buffer, "PNG")
    return buffer.getvalue()
