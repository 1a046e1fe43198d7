"""From a recipe and a size to the chain of passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from twofold.core.card import NetworkCard
from twofold.core.geometry import Size
from twofold.core.recipe import Recipe

ChainAction = Literal["enlarge", "copy", "shrink"]


@dataclass(frozen=True, slots=True)
class Pass:
    """One application of one network to the whole picture; sizes are [width, height] in pixels."""

    model: str
    sha256: str
    scale: int
    source: Size
    result: Size


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
        raise NotImplementedError

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Chain:
        raise NotImplementedError


def plan_chain(source: Size, recipe: Recipe, cards: Callable[[str], NetworkCard]) -> Chain:
    """Passes and final size for a picture of `source` pixels.

    `cards` looks a network up by the name that the recipe uses (already resolved, never "auto").
    Raises TwofoldError(ALREADY_LARGE) where `larger: skip` applies.
    """
    raise NotImplementedError
