"""Recipes as JSON, and the digest by which a later look knows that nothing changed."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from fractions import Fraction

import pytest

from twofold.core.recipe import Recipe, SaveAs, recipe_from_json

PLAIN = Recipe("photos", scale=Fraction(4))
OTHER = {
    "format": "png",
    "quality": 90,
    "lossless": True,
    "subsampling": 420,
    "effort": 3,
    "match_source": True,
    "background": "#ffffff",
    "on_too_large": "png",
    "convert": "srgb",
}


@pytest.mark.parametrize("key", [field.name for field in fields(SaveAs)])
def test_every_wish_is_kept_and_counts(key: str) -> None:
    wished = replace(PLAIN, save_as=replace(PLAIN.save_as, **{key: OTHER[key]}))
    assert recipe_from_json(json.loads(json.dumps(wished.to_json()))) == wished
    assert wished.digest() != PLAIN.digest()


def test_an_upgrade_makes_no_recipe_a_new_one() -> None:
    """The digest of this recipe as the first version wrote it, when there was nothing but format and quality."""
    assert PLAIN.digest() == "5cc9e65b876e7ccb8cacc251495592c97854bb02f50e53ed552894779d6af147"


def test_a_recipe_of_an_older_ledger_is_read() -> None:
    data = PLAIN.to_json() | {"save_as": {"format": "keep", "quality": 95}}
    assert recipe_from_json(data) == PLAIN
