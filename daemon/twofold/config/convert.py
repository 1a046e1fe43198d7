"""From the checked schema to the settings that the rest of the program receives."""

from __future__ import annotations

import os
from fractions import Fraction

from twofold.config.locations import Surroundings, absolute, state_dir
from twofold.config.schema import (
    Config,
    HooksSection,
    InboxSection,
    MetricsSection,
    OriginalsSection,
    RecipeSection,
    SaveAsSection,
    VramSection,
    YieldSection,
)
from twofold.core.memory import MemoryPolicy
from twofold.core.neighbours import YieldRule
from twofold.core.recipe import Recipe, SaveAs, Target, TargetSide
from twofold.core.settings import (
    DeviceSettings,
    Hooks,
    InboxSettings,
    Limits,
    MetricsSettings,
    Originals,
    Settings,
    YieldSettings,
)

DEFAULT_RECIPE = Recipe("default")
SIDES: tuple[TargetSide, ...] = ("long_side", "short_side", "width", "height", "megapixels")


def to_settings(config: Config, source: str | None, surroundings: Surroundings) -> Settings:
    """Settings with every path absolute: relative ones start at the folder of `source`, else at the working folder."""
    folder = os.path.dirname(source) if source else surroundings.cwd
    state = state_dir(config.state_dir, folder, surroundings)
    scratch = config.scratch_dir
    recipes = {name: _recipe(name, section) for name, section in config.recipes.items()}
    recipes = recipes or {DEFAULT_RECIPE.name: DEFAULT_RECIPE}
    return Settings(
        state_dir=state,
        scratch_dir=os.path.join(state, "scratch") if scratch is None else absolute(scratch, folder, surroundings.home),
        recipes=recipes,
        inboxes={
            name: _inbox(name, section, section.recipe or next(iter(recipes)), folder, surroundings.home)
            for name, section in config.inboxes.items()
        },
        database=config.database,
        devices=_devices(config),
        on_no_device=config.on_no_device,
        idle_exit_s=config.idle_exit,
        vram=_policy(config.vram),
        yield_to=_yield_to(config.yield_to),
        ram_use_at_most=config.ram.use_at_most,
        limits=Limits(
            config.limits.input_megapixels,
            config.limits.output_megapixels,
            config.limits.decode_time,
            config.limits.pages,
        ),
        metrics=_metrics(config.metrics, folder, surroundings.home),
        on_recipe_change=config.on_recipe_change,
        hooks=_hooks(config.hooks, folder, surroundings.home),
        source=source,
    )


def _metrics(section: MetricsSection, folder: str, home: str) -> MetricsSettings:
    textfile = None if section.textfile is None else absolute(section.textfile, folder, home)
    return MetricsSettings(section.listen, textfile)


def _policy(vram: VramSection) -> MemoryPolicy:
    return MemoryPolicy(vram.keep_free, vram.use_at_most)


def _yield_to(section: YieldSection) -> YieldSettings:
    busy = section.any_other.utilisation
    rule = YieldRule(frozenset(section.processes), section.any_other.memory, None if busy is None else int(busy * 100))
    return YieldSettings(rule, section.action, section.come_back_after)


def _devices(config: Config) -> tuple[DeviceSettings, ...] | None:
    if config.devices is None:
        return None
    return tuple(
        DeviceSettings(
            device.id,
            MemoryPolicy(
                device.vram.keep_free if "keep_free" in device.vram.model_fields_set else config.vram.keep_free,
                device.vram.use_at_most if "use_at_most" in device.vram.model_fields_set else config.vram.use_at_most,
            ),
        )
        for device in config.devices
    )


def _recipe(name: str, section: RecipeSection) -> Recipe:
    target = None
    if section.target is not None:
        target = next(
            Target(side, Fraction(repr(value)))  # repr: 33.2 megapixels are 332/10, not the nearest binary fraction
            for side in SIDES
            if (value := getattr(section.target, side)) is not None
        )
    return Recipe(
        name=name,
        scale=section.scale,
        target=target,
        larger=section.larger,
        remainder=section.remainder,
        models=tuple(section.models),
        before=tuple(section.before),
        after=tuple(section.after),
        save_as=_save_as(section.save_as),
        strip=section.strip,
        dpi=section.dpi,
        pages=section.pages,
        on_bad_page=section.on_bad_page,
    )


def _save_as(section: SaveAsSection) -> SaveAs:
    return SaveAs(
        format=section.format,
        quality=section.quality,
        lossless=section.lossless,
        subsampling=section.subsampling,
        effort=section.effort,
        match_source=section.match_source,
        background=section.background,
        on_too_large=section.on_too_large,
        convert=None if section.convert == "none" else section.convert,
    )


def _inbox(name: str, section: InboxSection, recipe: str, folder: str, home: str) -> InboxSettings:
    return InboxSettings(
        name=name,
        path=os.fsencode(absolute(section.path, folder, home)),
        outbox=os.fsencode(absolute(section.outbox, folder, home)),
        recipe=recipe,
        settle_s=section.settle,
        scan_every_s=section.scan_every,
        existing=section.existing,
        order=section.order,
        priority=section.priority,
        originals=_originals(section.originals, folder, home),
        failure_notes=section.failure_notes,
        unprocessed=section.unprocessed,
        own_results=section.own_results,
        companions=section.companions,
        on_exists=section.on_exists,
        result_name=section.result_name,
        outbox_keep_free_bytes=section.outbox_keep_free,
        ignore=tuple(section.ignore),
    )


def _originals(given: str | OriginalsSection, folder: str, home: str) -> Originals:
    if isinstance(given, str):
        return Originals("delete" if given == "delete" else "keep")
    if given.archive is None:
        return Originals("delete", synced_ok=given.synced_ok)
    return Originals("archive", os.fsencode(absolute(given.archive, folder, home)), given.synced_ok)


def _hooks(given: HooksSection, folder: str, home: str) -> Hooks:
    def words(argv: list[str]) -> tuple[str, ...]:
        """The program is looked up in PATH, or is a path like any other of the configuration."""
        return tuple([absolute(word, folder, home) if "/" in word else word for word in argv[:1]] + argv[1:])

    return Hooks(words(given.on_done), words(given.on_failed), words(given.on_idle), given.timeout)
