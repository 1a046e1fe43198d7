"""What is to become of one file: its pictures with their chains, by networks that are here, before any work."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from twofold.core.content import Choice, choose_networks
from twofold.core.formats import Format, Saving
from twofold.core.job import Picture, is_bound
from twofold.core.pages import Contents, check_pages, looked_at, pages_to_make, plan_pages
from twofold.core.picture import PictureHeader
from twofold.core.recipe import Recipe
from twofold.core.settings import Limits, OwnResults
from twofold.models.catalogue import Catalogue
from twofold.service.probing import probe_file


@dataclass(frozen=True, slots=True)
class Draft:
    """The pictures to make, how each is written, and the format of the file that is delivered.

    `recipe` names every network in full; `left_out` counts an archive's pages that are copied as they are.
    """

    recipe: Recipe
    pictures: tuple[Picture, ...]
    savings: tuple[Saving, ...]
    target: Format
    left_out: int = 0

    @property
    def bound(self) -> bool:
        return is_bound(self.pictures, self.recipe)

    @property
    def why(self) -> str:
        return self.pictures[0].why


def draft(
    path: str | bytes,
    name: bytes,
    recipe: Recipe,
    limits: Limits,
    catalogue: Catalogue,
    *,
    own_results: OwnResults = "process",
) -> Draft:
    """Look at a file and plan it; `name` is what its owner calls it.

    Raises TwofoldError: what `probe_file`, `pages_to_make`, `resolve_recipe`, `plan_pages` and `check_pages` raise.
    """
    contents = probe_file(path, limits, recipe, own_results=own_results)
    extension = os.path.splitext(name)[1][1:].lower().decode("latin-1")
    pages = pages_to_make(contents, recipe, extension)
    recipe, why = resolve_recipe(recipe, _speakers(contents), catalogue)
    planned = plan_pages(pages, recipe, catalogue.resolve, why)
    pictures, savings, target = check_pages(contents, planned, recipe, limits)
    left_out = contents.count - len(pictures) if is_bound(pictures, recipe) else 0
    return Draft(recipe, pictures, savings, target, left_out)


def _speakers(contents: Contents) -> tuple[PictureHeader, ...]:
    """The headers of the pages that were looked at; of all where none of those could be read."""
    looks = looked_at(len(contents.pages))
    headers = [page.header for place, page in enumerate(contents.pages) if place in looks and page.header is not None]
    return tuple(headers) or contents.headers


def resolve_recipe(recipe: Recipe, headers: tuple[PictureHeader, ...], catalogue: Catalogue) -> tuple[Recipe, str]:
    """The recipe with every network by its full name, and why `auto` took the first (empty where it was named).

    `headers` are those that speak for all pages. Raises TwofoldError(MISSING_MODEL | BAD_NETWORK | MODEL_CHANGED).
    """

    def full(names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(catalogue.resolve(name).full_name for name in names)

    chosen = choose_networks(recipe.models, *headers)
    models = tuple(
        catalogue.resolve_auto(name.content) if isinstance(name, Choice) else catalogue.resolve(name).full_name
        for name in chosen
    )
    why = chosen[0].why if isinstance(chosen[0], Choice) else ""
    return replace(recipe, models=models, before=full(recipe.before), after=full(recipe.after)), why
