"""`upscale`: the same making and delivery, without inbox or ledger."""

from __future__ import annotations

import hashlib
import os
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from fractions import Fraction

from twofold.core.codes import Code
from twofold.core.errors import Interrupted, Reason, TwofoldError
from twofold.core.formats import FORMATS
from twofold.core.headway import among, headway, headway_of, work_px
from twofold.core.ignore import rules_of
from twofold.core.job import Intent
from twofold.core.naming import name_beside, output_name, wrong_extension
from twofold.core.passes import Chain
from twofold.core.recipe import Recipe
from twofold.core.settings import Limits, OwnResults, Settings
from twofold.device.inventory import choose_devices
from twofold.imaging.deliver import Outbox
from twofold.intake.scan import scan
from twofold.models.catalogue import Catalogue
from twofold.service.book import Book, Whole
from twofold.service.comparison import compare as compare_result
from twofold.service.costs import open_costs
from twofold.service.draft import draft
from twofold.service.making import Progress, Tools
from twofold.service.networks import open_catalogue
from twofold.service.paths import UPSCALE_PREFIX, StatePaths
from twofold.service.progress import ActiveJob, Snapshot
from twofold.service.speed import Speedometer
from twofold.service.tools import open_tools
from twofold.service.torch_devices import find_devices

AT_ONCE = 2
"""One picture on the device while another is decoded or encoded."""

TICK_S = 0.2


@dataclass(frozen=True, slots=True)
class UpscaleResult:
    """What became of one path: its result (absolute), or why there is none.

    `notes` are worth a person's knowing; `comparison` (absolute) shows the result beside its source.
    """

    path: bytes
    output: bytes | None = None
    reason: Reason | None = None
    comparison: bytes | None = None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Source:
    """A picture to enlarge: as the user named it, and where its result goes (`name` is relative to `folder`).

    One that was `found` in a folder may be the result of an earlier run, which lies beside its source.
    """

    path: bytes
    folder: bytes
    name: bytes
    beside: bool
    found: bool = False


def upscale(
    paths: Sequence[bytes],
    *,
    out_dir: bytes | None,
    recursive: bool,
    recipe: Recipe,
    settings: Settings,
    compare: bool = False,
    watch: Callable[[Snapshot], None] | None = None,
    stop: threading.Event,
) -> list[UpscaleResult]:
    """Enlarge pictures; results lie beside their sources, or below `out_dir` with the folders kept.

    With `compare`, a picture that compares each result with its source lies beside it. A result that is there already
    is never written over: its source is answered with OUTPUT_EXISTS.
    Raises TwofoldError(NO_DEVICE, MISSING_MODEL, BAD_NETWORK).
    """
    state = StatePaths(settings.state_dir, settings.scratch_dir)
    state.create()
    names = "auto" if settings.devices is None else [device.id for device in settings.devices]
    device = choose_devices(names, find_devices(names), wait=False)[0]
    if device.kind == "cuda":
        os.environ["CUDA_VISIBLE_DEVICES"] = device.visible  # before torch is imported
    catalogue = open_catalogue(state, os.path.dirname(settings.source or ""))
    for name in (*recipe.models, *recipe.before, *recipe.after):
        if name != "auto":
            catalogue.resolve(name)  # a mistyped network is one mistake, not one for each picture

    def check() -> None:
        if stop.is_set():
            raise Interrupted

    policy = settings.policy((device.id, device.alias), device.kind)
    tools = open_tools(device, policy, settings.ram, settings.limits, catalogue, open_costs(state, device), check)
    run = _Run(tools, catalogue, recipe, settings.limits, settings.scratch_dir, compare=compare)
    results: list[UpscaleResult] = []
    sources: list[Source] = []
    for found in _sources(paths, out_dir, recipe, recursive=recursive):
        if isinstance(found, Source):
            sources.append(found)
        else:
            results.append(found)
    return results + run.all(sources, watch or (lambda snapshot: None), stop)


class _Run:
    """The pictures of one command, two at a time."""

    def __init__(
        self, tools: Tools, catalogue: Catalogue, recipe: Recipe, limits: Limits, scratch_dir: str, *, compare: bool
    ) -> None:
        self._tools = tools
        self._compare = compare
        self._catalogue = catalogue
        self._recipe = recipe
        self._limits = limits
        self._scratch_dir = scratch_dir
        self._active: dict[bytes, ActiveJob] = {}
        self._worked: dict[str, float] = {}  # pixels of pictures that ended since the last snapshot
        self._speed = Speedometer()

    def all(
        self, sources: Sequence[Source], watch: Callable[[Snapshot], None], stop: threading.Event
    ) -> list[UpscaleResult]:
        started_s = time.monotonic()
        told: set[int] = set()
        with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="picture") as pool:
            futures = [pool.submit(self._one, source) for source in sources]
            while True:
                pending = [future for future in futures if not future.done()]
                fresh = [index for index, future in enumerate(futures) if future.done() and index not in told]
                told.update(fresh)
                ended = [future.result() for future in (futures[index] for index in fresh) if not future.cancelled()]
                watch(self._snapshot([result for result in ended if result], len(sources), len(told), started_s))
                if not pending:
                    break
                if stop.wait(TICK_S):
                    for future in pending:
                        future.cancel()
        return [result for future in futures if not future.cancelled() and (result := future.result())]

    def _one(self, source: Source) -> UpscaleResult | None:
        try:
            return self._make(source)
        except TwofoldError as error:
            return UpscaleResult(source.path, reason=error.reason)
        except Interrupted:
            return None
        finally:
            self._active.pop(source.path, None)

    def _make(self, source: Source) -> UpscaleResult:
        self._tools.check()
        own_results: OwnResults = "skip" if source.found else "process"
        made = draft(source.path, source.name, self._recipe, self._limits, self._catalogue, own_results=own_results)
        chains = [picture.chain for picture in made.pictures]
        job_id = uuid.uuid4().hex[:12]
        name = output_name(source.name, made.target)
        if source.beside:
            name = name_beside(source.name, _factor(chains[0]), made.target)
        folder = os.path.join(self._scratch_dir, UPSCALE_PREFIX + job_id)
        path, sha256 = os.fsdecode(source.path), _sha256(source.path)
        whole = Whole(job_id, path, folder, made.recipe, made.pictures, self._limits, sha256)
        book = Book(self._tools, whole, lambda place, progress: self._note(source, job_id, chains, place, progress))
        self._active[source.path] = ActiveJob(job_id, "", source.path, headway=headway_of(made.pictures))
        outbox = Outbox(source.folder)
        try:
            output = self._deliver(outbox, book, name, os.stat(source.path).st_mtime_ns)
            self._worked[job_id] = sum(work_px(chain) for chain in chains)
            return self._told(source, outbox, book, output)
        finally:
            book.remove()

    def _told(self, source: Source, outbox: Outbox, book: Book, output: bytes) -> UpscaleResult:
        """The result with what is to be said of it, and its comparison where one was asked for."""
        notes, comparison = list(book.warnings), None
        if not book.whole.bound:
            notes.insert(0, wrong_extension(source.name, FORMATS[book.whole.pictures[0].header.format]))
        if self._compare and book.whole.bound:
            notes.append("it could not be compared: it has several pages")
        elif self._compare:
            comparison, trouble = compare_result(outbox, book.page(0).work, output, self._tools.limits.threads)
            notes.append(trouble)
        made = os.path.join(outbox.root, output)
        return UpscaleResult(source.path, made, comparison=comparison, notes=tuple(filter(None, notes)))

    def _deliver(self, outbox: Outbox, book: Book, wanted: bytes, mtime_ns: int) -> bytes:
        """The name of the result in `outbox`."""
        name = outbox.choose_name(wanted, "fail")  # refused before any work, where a file has the name
        book.make()
        with outbox.staged(book.whole.job_id, name) as temp:
            book.write(temp.fd)
            sealed = outbox.seal(temp, mtime_ns)
        return outbox.publish(Intent(temp.path, name, sealed.sha256, sealed.size)).output.path

    def _note(self, source: Source, job_id: str, chains: list[Chain], place: int, progress: Progress) -> None:
        self._tools.check()
        # A pass that is complete has a plan that says nothing of the one that follows.
        plan = progress.plan if progress.plan_of == progress.passes_done else None
        way = among(chains, place, headway(chains[place], progress.passes_done, progress.fraction, plan))
        self._active[source.path] = ActiveJob(job_id, "", source.path, way.fraction, way)

    def _snapshot(self, ended: list[UpscaleResult], total: int, done: int, started_s: float) -> Snapshot:
        active, worked = tuple(self._active.values()), self._worked
        self._worked = {}
        self._speed.look(time.monotonic(), {job.job_id: job.headway.px for job in active}, worked)
        active = tuple(replace(job, px_per_s=self._speed.of(job.job_id)) for job in active)
        share = (done + sum(job.fraction for job in active)) / total if total else 1.0
        elapsed_s = time.monotonic() - started_s
        return Snapshot(
            pictures_total=total,
            pictures_done=done,
            active=active,
            px_per_s=self._speed.total(),
            eta_s=elapsed_s * (1 - share) / share if share > 0.02 else None,
            delivered=tuple((result.path, result.output) for result in ended if result.output is not None),
            failed=tuple((result.path, result.reason) for result in ended if result.reason is not None),
        )


def _sources(
    paths: Sequence[bytes], out_dir: bytes | None, recipe: Recipe, *, recursive: bool
) -> Iterator[Source | UpscaleResult]:
    """The pictures that the paths mean, and an answer for each path that means none."""
    for path in paths:
        if not os.path.isdir(path):
            folder, name = os.path.split(os.path.abspath(path))
            if os.path.exists(path):
                yield Source(path, folder if out_dir is None else _made(out_dir), name, beside=out_dir is None)
            else:
                yield UpscaleResult(path, reason=Reason(Code.NOT_FOUND, "there is no such file", "Check the name."))
        elif not recursive:
            yield UpscaleResult(path, reason=Reason(Code.BAD_USAGE, "it is a folder", "Add -r to go down into it."))
        else:
            root = os.path.abspath(path)
            for name in sorted(scan(root, rules_of((), recipe)).entries):
                target = root if out_dir is None else _made(out_dir)
                yield Source(os.path.join(path, name), target, name, beside=out_dir is None, found=True)


def _sha256(path: bytes) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _made(out_dir: bytes) -> bytes:
    os.makedirs(out_dir, exist_ok=True)
    return os.path.abspath(out_dir)


def _factor(chain: Chain) -> Fraction:
    return Fraction(chain.final.long_side, chain.source.long_side)
