from __future__ import annotations

import json
import math
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.geometry import Size, scaled
from twofold.core.passes import MAX_DOUBLINGS, Chain, count_doublings, plan_chain
from twofold.core.recipe import Recipe, Target

CARDS = {
    name: NetworkCard(name=name, version=3, sha256=name * 8, scale=scale)
    for name, scale in {"clean": 1, "sharp": 1, "photo": 2, "art": 2, "native": 4, "eight": 8}.items()
}

sides = st.integers(1, 20_000)
sizes = st.builds(Size, sides, sides)


def chain_of(source: Size, **fields: object) -> Chain:
    return plan_chain(source, Recipe("r", **{"models": ("photo",), **fields}), CARDS.__getitem__)


def names(chain: Chain) -> list[str]:
    return [step.model.partition("@")[0] for step in chain.passes]


def refusal(source: Size, **fields: object) -> TwofoldError:
    with pytest.raises(TwofoldError) as caught:
        chain_of(source, **fields)
    return caught.value


# --- how many doublings


@pytest.mark.parametrize(
    ("factor", "auto", "always", "resampled"),
    [
        ("1.0001", 1, 1, 1),
        ("2", 1, 1, 1),
        ("2.29", 1, 2, 1),
        ("2.3", 2, 2, 1),
        ("3", 2, 2, 1),
        ("4", 2, 2, 2),
        ("4.0001", 2, 3, 2),
        ("4.59", 2, 3, 2),
        ("4.6", 3, 3, 2),
        ("7.9", 3, 3, 2),
        ("8", 3, 3, 3),
    ],
)
def test_doublings_of_known_factors(factor, auto, always, resampled):
    assert count_doublings(Fraction(factor), "auto") == auto
    assert count_doublings(Fraction(factor), "pass") == always
    assert count_doublings(Fraction(factor), "resample") == resampled


@settings(deadline=None, max_examples=150)
@given(st.fractions(min_value=Fraction(10_001, 10_000), max_value=60_000, max_denominator=100_000))
def test_automatic_doublings_are_the_fewest_that_leave_no_more_than_a_fifth_of_one(factor):
    k = count_doublings(factor, "auto")
    assert factor**5 <= 2 ** (5 * k + 1)
    assert k == 1 or factor**5 > 2 ** (5 * (k - 1) + 1)
    rounded = math.log2(factor) - 0.2
    if abs(rounded - round(rounded)) > 1e-9:  # where floats can be trusted
        assert k == max(1, math.ceil(rounded))


@pytest.mark.parametrize("k", [1, 2, 3])
def test_the_border_itself_is_resampled_and_the_next_rational_is_not(k):
    root = Fraction(math.isqrt(2**400), 1)  # 2^200; the fifth root of 2 follows by bisection
    low, high = root, 2 * root
    for _ in range(300):
        middle = (low + high) / 2
        low, high = (middle, high) if (middle / root) ** 5 <= 2 else (low, middle)
    assert count_doublings(low / root * 2**k, "auto") == k
    assert count_doublings(high / root * 2**k, "auto") == k + 1


# --- sizes


@settings(deadline=None, max_examples=100)
@given(sizes, st.fractions(min_value=Fraction(101, 100), max_value=40, max_denominator=1000), st.data())
def test_the_result_is_exact_and_the_passes_lead_to_it(source, factor, data):
    remainder = data.draw(st.sampled_from(["auto", "pass", "resample"]))
    chain = chain_of(source, scale=factor, remainder=remainder, before=("clean",), after=("sharp",))
    assert chain.final == scaled(source, factor)
    size = chain.source
    for step in chain.passes:
        assert step.source == size
        assert step.result == size.times(step.scale)
        size = step.result
    assert chain.resampled == (size != chain.final)
    assert names(chain)[0] == "clean"
    assert names(chain)[-1] == "sharp"
    if remainder == "pass":
        assert scaled(source, factor).fits(size)


@settings(deadline=None, max_examples=100)
@given(sizes, st.sampled_from(["long_side", "short_side", "width", "height"]), st.integers(1, 60_000))
def test_the_named_side_is_exact_whatever_happens(source, side, wanted):
    chain = plan_chain(
        source, Recipe("r", None, Target(side, Fraction(wanted)), "shrink", models=("photo",)), CARDS.__getitem__
    )
    assert getattr(chain.final, side) == wanted
    smaller = getattr(source, side) >= wanted
    assert (chain.action == "shrink") == smaller
    assert bool(chain.passes) != smaller


def test_a_long_side_of_3000_from_a_camera():
    chain = chain_of(Size(1365, 2048), scale=None, target=Target("long_side", Fraction(3000)))
    assert chain.final == (2000, 3000)
    assert names(chain) == ["photo"]


@settings(deadline=None, max_examples=100)
@given(sizes, st.fractions(min_value=1, max_value=4000, max_denominator=100))
def test_megapixels_come_out_to_within_half_a_pixel_a_side(source, megapixels):
    target = Target("megapixels", megapixels)
    chain = plan_chain(source, Recipe("r", None, target, "shrink", models=("photo",)), CARDS.__getitem__)
    ideal = math.sqrt(megapixels * 10**6 / source.pixels)
    for side, before in zip(chain.final, source, strict=True):
        assert side == 1 or abs(side - before * ideal) <= 0.5 + 1e-6


def test_a_rational_root_is_exact():
    assert chain_of(Size(1000, 1000), scale=None, target=Target("megapixels", Fraction(4))).final == (2000, 2000)
    source = Size(2000, 1500)
    error = refusal(source, scale=None, target=Target("megapixels", Fraction(3)))
    assert error.code is Code.ALREADY_LARGE


# --- sources that are large already


def test_a_large_source_is_skipped_copied_or_shrunk():
    source, target = Size(4000, 3001), Target("long_side", Fraction(2000))
    error = refusal(source, scale=None, target=target)
    assert error.code is Code.ALREADY_LARGE
    assert "4000 x 3001" in error.reason.text
    assert not error.retryable
    copied = chain_of(source, scale=None, target=target, larger="copy")
    assert (copied.action, copied.passes, copied.final, copied.resampled) == ("copy", (), source, False)
    shrunk = chain_of(source, scale=None, target=target, larger="shrink")
    assert (shrunk.action, shrunk.passes, shrunk.final, shrunk.resampled) == ("shrink", (), Size(2000, 1501), True)


def test_a_source_of_exactly_the_target_is_large_already():
    assert refusal(Size(3000, 10), scale=None, target=Target("long_side", Fraction(3000))).code is Code.ALREADY_LARGE


# --- networks


@pytest.mark.parametrize(
    ("models", "scale", "expected"),
    [
        (("photo",), 8, ["photo", "photo", "photo"]),
        (("photo", "art"), 8, ["photo", "art", "art"]),
        (("photo", "art"), 2, ["photo"]),
        (("native",), 4, ["native"]),
        (("native",), 16, ["native", "native"]),
        (("native", "photo"), 2, ["photo"]),
        (("native", "photo"), 4, ["native"]),
        (("native", "photo"), 8, ["native", "photo"]),
        (("native", "photo"), 16, ["native", "photo", "photo"]),
        (("photo", "native"), 4, ["photo", "photo"]),
        (("photo", "native"), 8, ["photo", "native"]),
        (("photo", "native"), 16, ["photo", "native", "photo"]),
        (("photo", "art", "native"), 8, ["photo", "art", "art"]),
    ],
)
def test_networks_take_their_turns(models, scale, expected):
    assert names(chain_of(Size(10, 10), models=models, scale=Fraction(scale))) == expected


@settings(deadline=None, max_examples=100)
@given(st.lists(st.sampled_from(["photo", "art", "native"]), min_size=1, max_size=4), st.integers(1, MAX_DOUBLINGS))
def test_passes_make_up_the_doublings_and_no_network_goes_beyond_them(models, doublings):
    fields = {"models": tuple(models), "scale": Fraction(2**doublings)}
    if set(models) == {"native"} and doublings % 2 == 1:
        assert refusal(Size(1, 1), **fields).code is Code.MODEL_SCALE
        return
    chain = chain_of(Size(1, 1), **fields)
    assert math.prod(step.scale for step in chain.passes) == 2**doublings
    assert not chain.resampled


def test_a_4x_network_alone_cannot_make_one_doubling():
    error = refusal(Size(10, 10), models=("native",), scale=Fraction(2))
    assert error.code is Code.MODEL_SCALE
    assert "native@3" in error.reason.text
    assert "2x network" in error.reason.hint


@pytest.mark.parametrize(
    "fields", [{"models": ("clean",)}, {"models": ("eight",)}, {"before": ("photo",)}, {"after": ("native",)}]
)
def test_networks_of_the_wrong_scale_are_refused(fields):
    assert refusal(Size(10, 10), scale=Fraction(8), **fields).code is Code.MODEL_SCALE


def test_passes_carry_the_versioned_name_and_the_hash():
    step = chain_of(Size(10, 10)).passes[0]
    assert (step.model, step.sha256) == ("photo@3", "photo" * 8)


def test_an_absurd_factor_is_refused_before_anything_grows():
    error = refusal(Size(1, 1), scale=Fraction(2) ** 400)
    assert error.code is Code.TOO_LARGE


def test_a_recipe_needs_a_scale_or_a_target():
    with pytest.raises(ValueError, match="scale or a target"):
        chain_of(Size(10, 10), scale=None)


@pytest.mark.parametrize("larger", ["copy", "shrink"])
@pytest.mark.parametrize("side", [300, 7680])
def test_a_chain_survives_json(larger, side):
    chain = chain_of(Size(1001, 667), scale=None, target=Target("long_side", Fraction(side)), larger=larger)
    assert Chain.from_json(json.loads(json.dumps(chain.to_json()))) == chain
