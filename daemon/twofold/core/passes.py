"""From a recipe and a size to the chain of passes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any, Literal

from twofold.core.card import NetworkCard
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.geometry import Size, scaled
from twofold.core.recipe import Recipe, Remainder, Target

ChainAction = Literal["enlarge", "copy", "shrink"]

MAX_DOUBLINGS = 16
PIXELS_PER_MEGAPIXEL = 1_000_000
_ROOT_BITS = (
    32  # a megapixel target's factor is rounded down at 2^-32 of its denominator, and exact where it is rational
)


@dataclass(frozen=True, slots=True)
class Pass:
    """One application of one network to the whole picture; sizes are [width, height] in pixels."""

    model: str
    sha256: str
    scale: int
    source: Size
    result: Size

    def to_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "sha256": self.sha256,
            "scale": self.scale,
            "source": list(self.source),
            "result": list(self.result),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Pass:
        return cls(data["model"], data["sha256"], data["scale"], Size(*data["source"]), Size(*data["result"]))


@dataclass(frozen=True, slots=True)
class Chain:
    """The passes of one picture and the exact size it is delivered in.

    `action` is "enlarge", or "copy"/"shrink" where the source is as large as the target (then there are no passes).
    """

    source: Size
    passes: tuple[Pass, ...]
    final: Size
    action: ChainAction = "enlarge"

    @property
    def resampled(self) -> bool:
        """True where the last pass does not end on the final size exactly."""
        return (self.passes[-1].result if self.passes else self.source) != self.final

    def to_json(self) -> dict[str, Any]:
        return {
            "source": list(self.source),
            "passes": [step.to_json() for step in self.passes],
            "final": list(self.final),
            "action": self.action,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Chain:
        passes = tuple(Pass.from_json(step) for step in data["passes"])
        return cls(Size(*data["source"]), passes, Size(*data["final"]), data["action"])


def plan_chain(source: Size, recipe: Recipe, cards: Callable[[str], NetworkCard]) -> Chain:
    """Passes and final size for a picture of `source` pixels.

    `cards` looks a network up by the name that the recipe uses (already resolved, never "auto").
    Raises TwofoldError: ALREADY_LARGE where `larger: skip` applies, MODEL_SCALE where the networks named cannot make
    this factor, TOO_LARGE beyond MAX_DOUBLINGS, and whatever `cards` raises.
    """
    factor = scale_factor(source, recipe)
    final = scaled(source, factor)
    if factor <= 1:
        return _not_enlarged(source, final, recipe)
    doublings = count_doublings(factor, recipe.remainder)
    if doublings > MAX_DOUBLINGS:
        raise TwofoldError(
            Code.TOO_LARGE, f"the recipe asks for {doublings} doublings, and {MAX_DOUBLINGS} are the most that is done"
        )
    networks = [
        *_same_size(recipe.before, cards),
        *_enlarging([cards(name) for name in recipe.models], doublings),
        *_same_size(recipe.after, cards),
    ]
    passes = []
    size = source
    for card in networks:
        result = size.times(card.scale)
        passes.append(Pass(card.full_name, card.sha256, card.scale, size, result))
        size = result
    return Chain(source, tuple(passes), final)


def scale_factor(source: Size, recipe: Recipe) -> Fraction:
    """The exact factor from `source` to the scale or target; at most 1 where the source is as large already."""
    if recipe.target is not None:
        return _target_factor(source, recipe.target)
    if recipe.scale is None:
        raise ValueError("a recipe has a scale or a target")
    return recipe.scale


def count_doublings(factor: Fraction, remainder: Remainder) -> int:
    """How many doublings enlarge by `factor` > 1; never below 1.

    auto: ceil(log2(factor) - 0.2), so up to 2^0.2 = 1.15 is left to resampling. pass: any remainder costs a pass.
    resample: whole doublings only. All in integers: 5k + 1 >= log2(factor^5) is the same as k >= log2(factor) - 0.2.
    """
    if remainder == "pass":
        doublings = _ceil_log2(factor)
    elif remainder == "resample":
        doublings = int(factor).bit_length() - 1
    else:
        doublings = -((1 - _ceil_log2(factor**5)) // 5)
    return max(1, doublings)


def _ceil_log2(value: Fraction) -> int:
    """The smallest n >= 0 with 2^n >= value."""
    return (-(-value.numerator // value.denominator) - 1).bit_length()


def _target_factor(source: Size, target: Target) -> Fraction:
    if target.side == "megapixels":
        return _root(target.value * PIXELS_PER_MEGAPIXEL / source.pixels)
    sides = {
        "long_side": source.long_side,
        "short_side": source.short_side,
        "width": source.width,
        "height": source.height,
    }
    return target.value / sides[target.side]


def _root(value: Fraction) -> Fraction:
    """The square root, rounded down to a rational; exact where it is one."""
    return Fraction(isqrt((value.numerator * value.denominator) << (2 * _ROOT_BITS)), value.denominator << _ROOT_BITS)


def _not_enlarged(source: Size, final: Size, recipe: Recipe) -> Chain:
    if recipe.larger == "copy":
        return Chain(source, (), source, "copy")
    if recipe.larger == "shrink":
        return Chain(source, (), final, "shrink")
    raise TwofoldError(
        Code.ALREADY_LARGE,
        f"the picture is {source.width} x {source.height}, and the recipe's target would make it"
        f" {final.width} x {final.height}",
    )


def _enlarging(cards: Sequence[NetworkCard], doublings: int) -> list[NetworkCard]:
    """One network per pass, in the list's order, the last repeated.

    A native 4x network whose turn comes with one doubling left is passed over for the nearest 2x one, later in the list
    or else earlier. A list of 4x networks alone is refused there: a pass of 16 times the pixels only to throw three
    quarters away is not what anybody asked for, and the hint names the ways out.
    """
    chosen: list[NetworkCard] = []
    turn = 0
    while doublings > 0:  # each round takes one or two doublings off: at most MAX_DOUBLINGS rounds
        order = [*range(turn, len(cards)), *reversed(range(turn))]
        fitting = next((index for index in order if _doublings(cards[index]) <= doublings), None)
        if fitting is None:
            raise TwofoldError(
                Code.MODEL_SCALE,
                f"one doubling is left, and {cards[turn].full_name} enlarges {cards[turn].scale}x only",
            )
        chosen.append(cards[fitting])
        doublings -= _doublings(cards[fitting])
        turn = min(fitting + 1, len(cards) - 1)
    return chosen


def _doublings(card: NetworkCard) -> int:
    if card.scale not in (2, 4):
        raise TwofoldError(
            Code.MODEL_SCALE, f"{card.full_name} enlarges {card.scale}x; passes are made by 2x and 4x networks"
        )
    return card.scale.bit_length() - 1


def _same_size(names: Sequence[str], cards: Callable[[str], NetworkCard]) -> list[NetworkCard]:
    found = [cards(name) for name in names]
    for card in found:
        if card.scale != 1:
            raise TwofoldError(
                Code.MODEL_SCALE, f"{card.full_name} enlarges {card.scale}x; before and after take 1x networks"
            )
    return found
