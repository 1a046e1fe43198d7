"""Rules that concern several keys; they look at what was written, so that they speak beside every other mistake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from twofold.config.mistake import KeyPath, did_you_mean

Finding = tuple[KeyPath, str, str]
"""Key path, text, suggestion."""


def broken_rules(data: dict[str, Any]) -> Iterator[Finding]:
    """What is wrong between keys. Values of a wrong type are passed over: the schema speaks of those."""
    recipes = _sections(data, "recipes")
    for name, recipe in recipes.items():
        yield from _recipe(("recipes", name), recipe)
    for name, inbox in _sections(data, "inboxes").items():
        yield from _inbox(("inboxes", name), inbox, recipes)
    yield from _devices(data.get("devices"))
    if str(data.get("database", "")).startswith("postgresql"):
        yield ("database",), "PostgreSQL is not available yet.", "Use sqlite."


def _sections(data: dict[str, Any], key: str) -> dict[str, Any]:
    value = data.get(key)
    return value if isinstance(value, dict) else {}


def _recipe(path: KeyPath, recipe: Any) -> Iterator[Finding]:
    if not isinstance(recipe, dict):
        return
    if "scale" in recipe and "target" in recipe:
        yield (*path, "target"), "A recipe takes scale or target, not both.", "Remove one of them."
    if "scale" not in recipe and "target" not in recipe:
        yield path, "A recipe needs scale or target.", "Such as 'scale: 4', or 'target: {long_side: 7680}'."
    target = recipe.get("target")
    if isinstance(target, dict) and len(target) != 1:
        text = f"A target takes exactly one key (got {', '.join(map(str, target)) or 'none'})."
        yield (*path, "target"), text, "Such as 'target: {long_side: 7680}'."


def _inbox(path: KeyPath, inbox: Any, recipes: dict[str, Any]) -> Iterator[Finding]:
    if not isinstance(inbox, dict):
        return
    recipe = inbox.get("recipe")
    names = [str(name) for name in recipes]
    if isinstance(recipe, str) and recipe not in recipes:
        known = f"There are: {', '.join(names)}." if names else "There are none."
        yield (*path, "recipe"), f"There is no recipe {recipe!r}.", did_you_mean(recipe, names) or known
    if "recipe" not in inbox and len(names) > 1:
        yield path, "There are several recipes, so this inbox has to name one.", f"Add 'recipe: {names[0]}'."
    originals = inbox.get("originals")
    if isinstance(originals, dict) and len(originals.keys() & {"archive", "delete"}) != 1:
        yield (*path, "originals"), "Originals takes exactly one of archive and delete.", "Such as 'archive: DIR'."


def _devices(devices: Any) -> Iterator[Finding]:
    if not isinstance(devices, list):
        return
    seen: set[str] = set()
    for index, device in enumerate(devices):
        name = device.get("id") if isinstance(device, dict) else device
        if isinstance(name, str):
            if name in seen:
                yield ("devices", index), f"The device {name} stands here twice.", "Remove one of them."
            seen.add(name)
