"""No seams: the smallest tiles of every built-in network give what one tile over the whole picture gives."""

from __future__ import annotations

import pytest

from tests.docs.source import ROOT
from tests.engine.seams import (
    DEPTHS,
    PICTURES,
    SIDES_PX,
    built_in,
    promised_steps,
    sampled,
    smallest_tile_px,
    worst_steps,
)
from twofold.core.card import NetworkCard
from twofold.engine.factory import open_upscaler

NETWORKS = {card.full_name: card for card in built_in()}


@pytest.mark.parametrize("card", NETWORKS.values(), ids=NETWORKS)
def test_small_tiles_are_the_whole_picture(card: NetworkCard) -> None:
    """After one pass and after two, from 8 and from 16 bits."""
    assert min(SIDES_PX) > smallest_tile_px(card)
    upscaler = open_upscaler(card, "cpu", threads=1)
    worst = {
        (name, depth): worst_steps(upscaler, sampled(make(SIDES_PX), depth))
        for name, make in PICTURES.items()
        for depth in DEPTHS
    }
    assert {what: steps for what, steps in worst.items() if max(steps) > promised_steps(card)} == {}


@pytest.mark.parametrize("card", NETWORKS.values(), ids=NETWORKS)
def test_without_a_halo_the_night_sky_shows_every_seam(card: NetworkCard) -> None:
    """The pictures and the measure can tell: else the test above would say nothing."""
    upscaler = open_upscaler(card, "cpu", threads=1)
    source = sampled(PICTURES["night sky"](SIDES_PX), 16)
    assert min(worst_steps(upscaler, source, halo_px=0)) > 100 * promised_steps(card)


def test_the_page_tells_of_every_network() -> None:
    """If this fails: python -m tests.engine.seams docs."""
    page = (ROOT / "docs" / "seams.md").read_text(encoding="utf-8")
    for card in NETWORKS.values():
        assert f"| `{card.full_name}` | {card.halo_px} px | {smallest_tile_px(card)} px |" in page
        assert f"(seams/{card.name}.png)" in page
        assert (ROOT / "docs" / "seams" / f"{card.name}.png").is_file()
