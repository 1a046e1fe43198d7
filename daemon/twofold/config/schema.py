"""Every key of the configuration, with its default and what it means; the example file is generated from here."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from twofold.config.values import (
    AS_DEVICES,
    AS_NETWORKS,
    AS_SOME_NETWORKS,
    SECTION,
    WORD,
    WORD_OR_SECTION,
    AutoDuration,
    AutoEffort,
    AutoPath,
    AutoSize,
    AutoYesNo,
    Colour,
    Database,
    DeviceId,
    Duration,
    Listen,
    Path,
    Scale,
    Share,
    Size,
    Template,
    Text,
)
from twofold.core.recipe import (
    Convert,
    Dpi,
    Larger,
    OnBadPage,
    OnExists,
    Pages,
    Remainder,
    SaveFormat,
    Strip,
    Subsampling,
    TooLarge,
)
from twofold.core.settings import (
    Companions,
    Existing,
    FailureNotes,
    OnNoDevice,
    OnRecipeChange,
    Order,
    OwnResults,
    Unprocessed,
    YieldAction,
)
from twofold.core.template import PLAIN

MAX_ENTRIES = 256  # of inboxes, recipes, devices, ignore rules
MAX_PRIORITY = 1000
MAX_MEGAPIXELS = 1e6
MAX_SIDE_PX = 10_000_000
MAX_PAGES = 10_000

Name = Annotated[str, StringConstraints(pattern=r"^\w[\w.-]{0,63}$")]
Megapixels = Annotated[float, Field(gt=0, le=MAX_MEGAPIXELS, allow_inf_nan=False)]
SidePx = Annotated[int, Field(ge=1, le=MAX_SIDE_PX)]


class Section(BaseModel):
    """A part of the configuration: unknown keys are refused, types are not guessed, nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _key(default: Any, description: str, **more: Any) -> Any:
    """A key; its default is written as an owner would write it, and read like any other value."""
    return Field(default, description=description, validate_default=default not in (None, ...), **more)


class VramSection(Section):
    """How much of a device's memory Twofold may use. Read anew before every pass."""

    keep_free: AutoSize = _key(
        "auto",
        "Memory left to other programs, whatever happens: a size such as 2GiB, or auto.",
    )
    use_at_most: Share = _key(
        "80%",
        "What this service may use at most, in percent of the device's total memory.",
    )


class RamSection(Section):
    """How much main memory Twofold may use."""

    use_at_most: Share = _key(
        "50%",
        "What all processes together may use at most, in percent of the machine's or the cgroup's total.",
    )


class AnyOtherSection(Section):
    """Programs that are yielded to by what they take of a device."""

    memory: Size | None = _key(None, "More than so much of the device's memory, such as 500MiB.")
    utilisation: Share | None = _key(None, "More than this share of the device's time, such as 30%.")


class YieldSection(Section):
    """Whom Twofold leaves a device to; nobody unless processes or any_other name somebody."""

    processes: Annotated[list[Text], Field(max_length=MAX_ENTRIES)] = _key(
        [], "Programs by name, such as [blender]: while one of them is on the device (on a processor: runs at all)."
    )
    any_other: AnyOtherSection = _key(
        {},
        "Any other program that takes more than this of a GPU: {memory: 500MiB, utilisation: 30%}, or one of the two. "
        "Another Twofold is not meant.",
    )
    action: YieldAction = _key(
        "leave",
        "leave (the worker ends within 5 s, which frees all its memory) | pause (it stays, and runs nothing) | shrink "
        "(it goes on with the smallest tiles).",
    )
    come_back_after: Duration = _key("30s", "How long they must be gone before work goes on as usual.")


class DeviceSection(Section):
    """One device."""

    id: DeviceId = _key(..., "cuda:0, GPU-<uuid>, MIG-<uuid> or cpu.")
    vram: VramSection = _key(
        {},
        "Memory of this device; what is left out is taken from the vram section above.",
    )


class LimitsSection(Section):
    """What a picture may ask for. Beyond it, the file fails with the code too_large or decode_timeout."""

    input_megapixels: Megapixels = _key(1000, "The largest source, in millions of pixels.")
    output_megapixels: Megapixels = _key(4000, "The largest result, in millions of pixels.")
    decode_time: Duration = _key("20s", "How long one picture may take to decode.", gt=0)
    pages: int = _key(2000, "The most pages or frames of one file.", ge=1, le=MAX_PAGES)


class MetricsSection(Section):
    """Metrics for Prometheus; off unless a key is given."""

    listen: Listen | None = _key(
        None, "Where Prometheus may ask: 127.0.0.1:9108, or :9108 for the same; 0.0.0.0:9108 lets other machines ask."
    )
    textfile: Path | None = _key(
        None, "A file for node_exporter's textfile collector, such as /var/lib/node_exporter/twofold.prom."
    )


class TargetSection(Section):
    """One wanted figure of the result: give exactly one key."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1, "maxProperties": 1})

    long_side: SidePx | None = _key(None, "The longer side, in pixels.")
    short_side: SidePx | None = _key(None, "The shorter side, in pixels.")
    width: SidePx | None = _key(None, "The width, in pixels.")
    height: SidePx | None = _key(None, "The height, in pixels.")
    megapixels: Megapixels | None = _key(None, "The area, in millions of pixels.")


class SaveAsSection(Section):
    """Format and quality of results."""

    format: SaveFormat = _key("keep", "keep (the source's) | jpeg | png | webp | tiff | avif | jxl")
    quality: int = _key(95, "1 to 100; concerns lossy formats only.", ge=1, le=100)
    lossless: AutoYesNo = _key(
        "auto", "For webp, avif and jxl: true | false | auto (what the source was: a lossless WebP stays so)."
    )
    subsampling: Subsampling = _key(444, "Colour of jpeg and avif at full (444) or a quarter (420) of the resolution.")
    effort: AutoEffort = _key("auto", "1 (fast) to 9 (small files); auto is fast, and chosen for each format.")
    match_source: bool = _key(
        False, "A JPEG from a JPEG gets that one's quantisation tables and subsampling; quality is then unused."
    )
    background: Colour = _key(
        "none", "A colour such as '#ffffff', for transparent pictures in formats that have no transparency."
    )
    on_too_large: TooLarge = _key("fail", "Results that their format cannot hold: png | tiff (written so) | fail")
    convert: Literal["none"] | Convert = _key(
        "none", "none (the source's profile is kept, byte for byte) | srgb | display-p3: results in that colour space."
    )


class RecipeSection(Section):
    """What to do with a picture. Give exactly one of scale and target."""

    scale: Scale = _key(
        None, "How many times larger each side becomes: any number above 1 (4, 1.5, 3/2).", examples=[4]
    )
    target: TargetSection | None = _key(
        None,
        "In place of scale: one figure of the result.",
        examples=[{"long_side": 7680}],
    )
    larger: Larger = _key(
        "skip", "What to do with a source that is as large as the target already: skip | copy | shrink"
    )
    remainder: Remainder = _key(
        "auto",
        "How to reach a size between two passes: auto | pass (one pass more, then shrink) | resample "
        "(enlarge the last bit without a network). auto resamples up to 1.15 times, beyond it takes the pass.",
    )
    models: Annotated[list[Text], *AS_SOME_NETWORKS] = _key(
        ["auto"],
        "One network per pass, the last repeats. auto takes built-in ones: for the first pass the one that fits the "
        "picture (web: compressed, art: drawings and text, photo: all others), for later passes the photo network.",
    )
    before: Annotated[list[Text], *AS_NETWORKS] = _key([], "1x networks to run before the first pass.")
    after: Annotated[list[Text], *AS_NETWORKS] = _key([], "1x networks to run after the last pass.")
    save_as: SaveAsSection = _key({}, "How results are written.", examples=[{"format": "keep", "quality": 95}])
    strip: Strip = _key(
        "none",
        "Which metadata is left out: none | gps (coordinates, in EXIF and XMP) | all (everything but colour, "
        "resolution, and the note of how the result was made).",
    )
    dpi: Dpi = _key("keep", "The resolution for prints: keep (prints become larger) | scale (they keep their size)")
    pages: Pages = _key(
        "skip",
        "What to do with files of several pages or frames (TIFF, animations, comic archives): skip | first (that one "
        "alone) | all (one file of as many). With all, inboxes look into .zip files too.",
    )
    on_bad_page: OnBadPage = _key(
        "fail", "Where a page of a comic archive cannot be enlarged: fail (the whole file) | copy (that page as it is)"
    )


class OriginalsSection(Section):
    """What becomes of originals once their result is safe. Give exactly one of archive and delete."""

    archive: Path | None = _key(
        None,
        "The folder, which has to be there, that originals are moved into.",
        examples=["/srv/archive"],
    )
    delete: Literal[True] | None = _key(None, "true: originals are deleted.", examples=[True])
    synced_ok: bool = _key(
        False, "true: also in a folder that looks synchronised, where it removes them on every other device."
    )


Originals = Annotated[
    Annotated[Literal["keep", "delete"], WORD] | Annotated[OriginalsSection, SECTION], WORD_OR_SECTION
]


class HooksSection(Section):
    """Programs of yours, each a list of words such as [/usr/local/bin/tell, --quiet]; no shell is involved."""

    on_done: list[Text] = _key([], "Run after each delivered file, with its job as JSON on standard input.")
    on_failed: list[Text] = _key([], "Run after each file that failed, likewise.")
    on_idle: list[Text] = _key([], "Run when all work is done, with the counts since the last time.")
    timeout: Duration = _key("60s", "How long a program may take; then it is ended, with what it started.", gt=0)


class InboxSection(Section):
    """A watched folder and where its results go."""

    path: Path = _key(..., "The folder to watch, with everything below it.", examples=["/srv/photos/in"])
    outbox: Path = _key(
        ...,
        "Where results appear, in the same tree. It must not lie inside an inbox, nor hold one.",
        examples=["/srv/photos/out"],
    )
    recipe: Text | None = _key(
        None,
        "The recipe for this inbox; may be left out where there is only one.",
        examples=["photo-4x"],
    )
    settle: AutoDuration = _key(
        "auto",
        "How long a file must be still before it is taken. auto: 2s on local disks, 15s on network and sync folders.",
    )
    scan_every: AutoDuration = _key(
        "auto", "How often the whole folder is looked through, besides the system's change events."
    )
    existing: Existing = _key(
        "auto",
        "What lies in the folder when it is first seen: process | hold (until 'twofold start') | ignore | "
        "auto, which holds a first backlog (two files or more) over 500 files or a tenth of the free space.",
    )
    order: Order = _key("newest", "Which files come first: newest | oldest | smallest | name")
    priority: int = _key(0, "Inboxes with a higher number are served first.", ge=-MAX_PRIORITY, le=MAX_PRIORITY)
    originals: Originals = _key(
        "keep",
        "What becomes of originals once their result is safe: keep | delete | {archive: DIR}. Refused where the folder "
        "looks synchronised, unless it is written {delete: true, synced_ok: true} or {archive: DIR, synced_ok: true}.",
    )
    failure_notes: FailureNotes = _key(
        "auto",
        "Whether NAME.failed.txt in the outbox tells why a file failed: auto (where the outbox is a network share) | "
        "always | never. It goes away by itself when the file is done.",
    )
    unprocessed: Unprocessed = _key(
        "leave",
        "What becomes of pictures that were skipped (animated, already large, results of Twofold): leave | copy, "
        "which puts a copy into the outbox.",
    )
    own_results: OwnResults = _key(
        "skip",
        "What to do with a picture that Twofold has made, under whatever name it comes back: skip | process",
    )
    result_name: Template = _key(
        PLAIN,
        "The names of results, by their fields: {stem} {ext} {factor} {width} {height} {models} {date} (the day the "
        "picture was taken), such as '{date} {stem}-{factor}x'. The extension is put behind by itself.",
    )
    companions: Companions = _key(
        "ignore",
        "What becomes of sidecars, NAME.xmp and NAME.aae: ignore | copy, which puts those that lie beside a picture "
        "beside its result, their XMP corrected like the picture's own.",
    )
    on_exists: OnExists = _key(
        "overwrite_own",
        "Where the outbox has a file of that name: overwrite_own (only bytes that are still ours) | "
        "suffix | skip | fail",
    )
    outbox_keep_free: AutoSize = _key(
        "auto",
        "Room to leave on the outbox's disk: before less would be left, files wait. auto: 1 GiB, on small disks 5%.",
    )
    ignore: list[Text] = _key(
        [],
        "Names to ignore besides the built-in ones, such as '*_raw.tif'; '!name' takes a rule back.",
        max_length=MAX_ENTRIES,
    )


class Config(Section):
    """Configuration of Twofold."""

    state_dir: AutoPath = _key(
        "auto",
        "Where the ledger and private copies live; a local disk. auto: $STATE_DIRECTORY (systemd), "
        "/var/lib/twofold for root, else $XDG_STATE_HOME/twofold or ~/.local/state/twofold.",
    )
    database: Database = _key("sqlite", "sqlite: a file in state_dir. PostgreSQL comes later.")
    scratch_dir: AutoPath = _key(
        "auto", "Where large intermediate pictures live; a fast local disk. auto: scratch in state_dir."
    )
    devices: Annotated[list[DeviceSection] | None, *AS_DEVICES] = _key(
        "auto",
        "Where networks run: auto | cpu | a list such as [cuda:0, {id: GPU-<uuid>, vram: {keep_free: 2GiB}}]",
        max_length=MAX_ENTRIES,
    )
    on_no_device: OnNoDevice = _key(
        "wait",
        "Where no device can be used: wait | exit. A GPU box never turns quietly into a CPU box.",
    )
    idle_exit: Duration = _key("60s", "An idle worker ends after this time, and frees all device memory.")
    vram: VramSection = _key({}, "How much of a device's memory may be used.")
    yield_to: YieldSection = _key({}, "Whom to leave a device to while they use it.")
    ram: RamSection = _key({}, "How much main memory may be used.")
    limits: LimitsSection = _key({}, "What a picture may ask for.")
    metrics: MetricsSection = _key({}, "Metrics for Prometheus; docs/metrics.md lists them.")
    on_recipe_change: OnRecipeChange = _key(
        "keep",
        "What an edited recipe does to files that are done: keep | redo",
    )
    hooks: HooksSection = _key({}, "Programs of yours to run when something ended.")
    recipes: dict[Name, RecipeSection] = _key(
        {},
        "What to do with pictures, by a name of yours. Without any: scale 2 with the built-in network.",
        examples=["photo-4x"],
        max_length=MAX_ENTRIES,
    )
    inboxes: dict[Name, InboxSection] = _key(
        {}, "Watched folders, by a name of yours.", examples=["photos"], max_length=MAX_ENTRIES
    )
