"""What a batch is believed to cost before anything was measured."""

from __future__ import annotations

import pytest

from twofold.core.card import NetworkCard
from twofold.core.cost import prior_cost


@pytest.mark.parametrize(
    ("live_float32", "measured"), [(2 * 262, 327), (2 * 262, 586), (2 * 1036, 2236), (2 * 4102, 8440), (2 * 262, 713)]
)
def test_the_prior_is_above_what_was_measured_on_a_gpu(live_float32, measured):
    card = NetworkCard("net", 1, "0", 2, live_bytes_per_px=live_float32)
    assert prior_cost(card, "cuda", "float16").bytes_per_px >= measured


def test_the_prior_follows_device_dtype_and_work():
    light = NetworkCard("net", 1, "0", 2, live_bytes_per_px=100, mflop_per_px=1, weight_bytes=1000)
    heavy = NetworkCard("net", 1, "0", 2, live_bytes_per_px=100, mflop_per_px=10)
    half, single, cpu = (
        prior_cost(light, "cuda", "bfloat16"),
        prior_cost(light, "cuda", "float32"),
        prior_cost(light, "cpu", "float32"),
    )
    assert (half.bytes_per_px, single.bytes_per_px, cpu.bytes_per_px) == (150, 300, 160)
    assert (half.fixed_bytes, single.fixed_bytes) == (500, 1000)
    assert half.px_per_s > single.px_per_s > cpu.px_per_s
    assert prior_cost(heavy, "cpu", "float32").px_per_s * 10 == pytest.approx(cpu.px_per_s)
    assert half.origin == "prior"
