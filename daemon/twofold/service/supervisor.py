"""The watcher process: inboxes on threads of their own, admission, and the crew of workers."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

import structlog

from twofold import __version__
from twofold.core.codes import Code
from twofold.core.errors import TwofoldError
from twofold.core.forecast import Forecast
from twofold.core.recipe import Recipe
from twofold.core.settings import InboxSettings, Settings
from twofold.core.states import InboxState, State
from twofold.device.inventory import Device
from twofold.imaging.deliver import Outbox as OutboxFolder
from twofold.intake.watch import Watcher
from twofold.jobs.board import Board
from twofold.jobs.database import open_engine
from twofold.jobs.ledger import Ledger
from twofold.jobs.liveness import recover
from twofold.jobs.orders import Orders
from twofold.jobs.pauses import ALL, Pauses
from twofold.jobs.queue import JobQueue
from twofold.service.admission import RECHECK_S, Admission
from twofold.service.aftercare import Aftercare
from twofold.service.crew import Crew
from twofold.service.first_look import FirstLook
from twofold.service.heartbeat import Heartbeat
from twofold.service.inlet import Inlet
from twofold.service.machine import Machine
from twofold.service.networks import open_catalogue
from twofold.service.order import WorkerOrder, order_of
from twofold.service.paths import StatePaths
from twofold.service.plan import forecast, open_planner
from twofold.service.progress import Reporter, Snapshot, Summary
from twofold.service.pulse import Pulse, Watchdog
from twofold.service.recipes import apply_recipe
from twofold.service.reload import Reload
from twofold.service.sight import Roster
from twofold.service.tidying import bury, tidy

if TYPE_CHECKING:
    from twofold.service.exporter import Exporter

log = structlog.get_logger()

BUSY_TICK_S = 0.5
IDLE_TICK_S = 2.0
BUSY_PUBLISH_EVERY_S = 2.0
IDLE_PUBLISH_EVERY_S = 60.0
"""An idle service writes to its disk about as often as it scans, so that disks may sleep."""

BUSY_ADMISSION_EVERY_S = 1.0
IDLE_ADMISSION_EVERY_S = 5.0
"""Admission is woken by every sweep; by itself it only has to see what other processes changed (`twofold retry`)."""
STUMBLE_S = 5.0
OBSERVERS_TIMEOUT_S = 10.0
JOIN_TIMEOUT_S = 10.0
PRUNE_EVERY_S = 3600.0
PRUNE_OLDER_S = 7 * 24 * 3600.0

Ended = Literal["stopped", "drained", "reloading"]


class Supervisor:
    """Owns every thread and process of one service from start to stop."""

    def __init__(
        self,
        settings: Settings,
        paths: StatePaths,
        *,
        drain: bool,
        watch: Callable[[Snapshot], None] | None,
        log_json: bool,
        log_level: str,
        heartbeat: Heartbeat,
        reload: Reload | None = None,
        machine: Machine,
    ) -> None:
        """Without `reload`, nobody asks for other settings while it runs."""
        self._settings = settings
        self._paths = paths
        self._drain = drain
        self._watch = watch
        self._log_json = log_json
        self._log_level = log_level
        self._heartbeat = heartbeat
        self._reload = reload
        self._machine = machine
        self._watchdog = Watchdog(heartbeat.feed, heartbeat.pace, every_s=heartbeat.pace.feed_every_s)
        self._engine = open_engine(paths.database)
        self._ledger = Ledger(self._engine)
        self._board = Board(self._engine)
        self._queue = JobQueue(self._engine)
        self._pauses = Pauses(self._engine)
        self.ended: Ended | None = None
        self._stop = threading.Event()
        self._look = threading.Event()
        self._observing = threading.Event()
        self._threads: list[threading.Thread] = []
        self._catalogue = open_catalogue(paths, os.path.dirname(settings.source or ""), cancelled=self._stop.is_set)
        self._inlets = [self._inlet(inbox) for inbox in settings.inboxes.values()]
        self._admission = Admission(
            settings.inboxes,
            settings.limits,
            paths,
            self._ledger,
            self._queue,
            self._catalogue,
            stop=self._stop,
        )
        self._rechecked = threading.Event()
        self._roster = Roster(settings, machine.inventory, drain=drain)
        self._crew = self._open_crew(forward=watch is not None)
        self._aftercare = Aftercare(
            settings, self._ledger, self._board, paths.database, quiet=self._nothing_runnable, drain=drain
        )
        self._reporter = Reporter(self._ledger, paths.database, dict(settings.inboxes), now=time.time())
        self._exporter = self._open_exporter() if settings.metrics.wanted else None

    def run(self, stop: threading.Event) -> Summary:
        """Work until `stop` is set, other settings are due or, where draining, nothing is runnable."""
        started_s = time.monotonic()
        reloading = False
        self._clear_away()
        log.info(
            "service.started", version=__version__, inboxes=list(self._settings.inboxes), state_dir=self._paths.state
        )
        watcher = Watcher(
            {inlet.inbox.name: inlet.inbox.path for inlet in self._inlets if inlet.habits.mode == "events"},
            self._dirty,
        )
        try:
            for inlet in self._inlets:
                pulse = self._watchdog.register(f"inbox {inlet.inbox.name}")
                self._spawn(f"inlet-{inlet.inbox.name}", partial(inlet.run, self._stop, self._look, pulse))
            self._spawn("admission", partial(self._admit, self._watchdog.register("admission")))
            self._spawn("watcher", partial(self._observe, watcher, self._watchdog.register("watcher")))
            self._spawn("aftercare", partial(self._aftercare.run, self._stop, self._watchdog.register("aftercare")))
            if self._exporter is not None:
                work = partial(self._exporter.run, self._stop, self._watchdog.register("metrics"))
                self._spawn("metrics", work)
            self._observing.wait(OBSERVERS_TIMEOUT_S)  # no longer: one of the roots may be a share that hangs
            self._heartbeat.ready(self._status())
            reloading = self._loop(stop)
        finally:
            if not reloading:
                self._heartbeat.stopping()
            self._stop.set()
            self._look.set()
            # Who is asked to end need not beat any more: what is left of the time-outs below is bounded.
            self._watchdog.forget_all()
            tick = self._watchdog.tend if reloading else self._extend
            self._crew.stop(tick)
            self._join(tick)
            watcher.stop()
            self._admission.close()
            tidy(self._paths, self._ledger)
            self._publish()
            if self._watch is not None:
                self._watch(self._snapshot())  # nothing that ended since the last look goes untold
            if self._exporter is not None:
                self._exporter.close()
            summary = self._reporter.summary()
            self._queue.close()
            self._engine.dispose()
        if reloading and stop.is_set():
            self._heartbeat.stopping()
        self.ended = "stopped" if stop.is_set() else "reloading" if reloading else "drained"
        log.info("service.stopped", why=self.ended, seconds=round(time.monotonic() - started_s, 1))
        return summary

    def _inlet(self, inbox: InboxSettings) -> Inlet:
        recipe = self._settings.recipes[inbox.recipe]
        first_look = FirstLook(inbox, recipe, self._ledger, self._forecast)
        return Inlet(inbox, recipe, self._ledger, self._board, first_look, drain=self._drain)

    def _forecast(self, files: list[tuple[bytes, int]], recipe: Recipe) -> Forecast:
        return forecast(open_planner(self._settings, recipe, self._catalogue), files, stop=self._stop.is_set)

    def _loop(self, stop: threading.Event) -> bool:
        """Tend everything until it is time to end; True where that is because other settings are due."""
        publish_s = prune_s = 0.0
        busy = True
        longest_s = self._heartbeat.pace.look_every_s
        while not stop.wait(min(longest_s, BUSY_TICK_S if busy or self._watch is not None else IDLE_TICK_S)):
            now_s = time.monotonic()
            self._crew.listen()
            self._watchdog.tend()
            if self._reload is not None and self._reload.due(now_s):
                return not stop.is_set()
            if self._roster.due:
                self._crew.enlist(self._roster.choose())
            changed = self._crew.tend()
            busy = self._crew.working or bool(self._crew.waiting)
            self._refuse_to_go_on()
            if self._watch is not None:
                self._watch(self._snapshot())
            if changed or now_s >= publish_s:
                publish_s = now_s + (BUSY_PUBLISH_EVERY_S if busy else IDLE_PUBLISH_EVERY_S)
                self._publish()
            if now_s >= prune_s:
                prune_s = now_s + PRUNE_EVERY_S
                self._queue.prune(time.time(), older_s=PRUNE_OLDER_S)
                tidy(self._paths, self._ledger)
            if self._drain:
                drained = self._nothing_runnable()
                if (drained or self._crew.hopeless) and self._aftercare.settled(quiet=drained):
                    break
        return False

    def _refuse_to_go_on(self) -> None:
        """Where no device is left, and the owner does not want to wait. Raises TwofoldError(NO_DEVICE)."""
        outages = self._crew.outages
        wait = self._settings.on_no_device == "wait" and not self._drain
        if outages and len(outages) == len(self._crew.devices) and not wait:
            raise TwofoldError(Code.NO_DEVICE, "; ".join(reason.text for reason in outages), outages[0].hint)

    def _observe(self, watcher: Watcher, pulse: Pulse) -> None:
        """Keep the observers alive, on a thread of its own: a large tree takes its time, and a root may hang."""
        while not self._stop.is_set():
            with pulse.away():
                started = watcher.tend(time.monotonic())
            self._observing.set()
            for name in started:
                log.debug("watcher.started", inbox=name)
            self._stop.wait(BUSY_TICK_S)

    def _extend(self) -> None:
        running = len(self._ledger.jobs({State.RUNNING}))
        self._heartbeat.extend(f"stopping: {running} running to be kept as far as they are")

    def _join(self, tick: Callable[[], None]) -> None:
        """Wait for the threads; one that hangs on a dead share is left behind, and does nothing more when it wakes."""
        deadline_s = time.monotonic() + JOIN_TIMEOUT_S
        for thread in self._threads:
            while thread.is_alive() and time.monotonic() < deadline_s:
                thread.join(BUSY_TICK_S)
                tick()

    def _nothing_runnable(self) -> bool:
        """Asked in the order in which a file moves on, so that none slips through between two questions."""
        if any(inlet.status.sweeps == 0 or inlet.status.moving or inlet.announcing for inlet in self._inlets):
            return False
        paused = {pause.inbox for pause in self._pauses.standing(time.time())}
        names = [inlet.inbox.name for inlet in self._inlets if not paused & {ALL, inlet.inbox.name}]
        if any(self._ledger.candidates(name) for name in names):
            return False
        if not (self._rechecked.is_set() and self._admission.idle):
            return False
        counts = self._ledger.counts()
        return not any(states.get(state) for states in counts.values() for state in (State.QUEUED, State.RUNNING))

    def _admit(self, pulse: Pulse) -> None:
        recheck_s = 0.0
        while not self._stop.is_set():
            pulse.beat()
            busy = self._crew.working or self._drain
            self._look.wait(BUSY_ADMISSION_EVERY_S if busy else IDLE_ADMISSION_EVERY_S)
            self._look.clear()
            now_s = time.monotonic()
            recheck = now_s >= recheck_s
            if recheck:
                recheck_s = now_s + RECHECK_S
            self._admission.step(self._look.set, recheck=recheck)
            if recheck:
                self._rechecked.set()

    def _dirty(self, name: str) -> None:
        for inlet in self._inlets:
            if inlet.inbox.name == name:
                inlet.dirty()

    def _spawn(self, name: str, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=self._guarded, args=(name, work), name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _guarded(self, name: str, work: Callable[[], None]) -> None:
        """Run a thread's work for as long as the service lives: what nobody foresaw is told, and tried again."""
        while not self._stop.is_set():
            try:
                work()
            except Exception:
                log.error("service.stumbled", thread=name, exc_info=True)
                self._stop.wait(STUMBLE_S)

    def _publish(self) -> None:
        self._crew.publish()
        self._heartbeat.status(self._status())

    def _status(self) -> str:
        return self._reporter.line(
            [inlet.inbox.name for inlet in self._inlets if inlet.status.state is InboxState.OFFLINE],
            self._watchdog.absent(),
            [self._reload.note] if self._reload is not None else [],
            {name: (reason.code, time.time() - since) for name, (reason, since) in self._crew.waiting.items()},
        )

    def _open_crew(self, *, forward: bool) -> Crew:
        return Crew(
            self._roster.choose(),
            self._order,
            self._ledger,
            self._queue,
            self._board,
            self._watchdog,
            self._heartbeat.pace,
            self._machine,
            self._settings.yield_to,
            bury=partial(bury, inboxes=self._settings.inboxes),
            forward=forward,
        )

    def _open_exporter(self) -> Exporter:
        from twofold.service.exporter import Exporter  # and its library: a service without metrics does not pay for it

        return Exporter(
            self._settings.metrics,
            self._ledger,
            self._paths.database,
            scans=lambda: {one.inbox.name: (one.status.sweeps, one.status.sweeps_s) for one in self._inlets},
            workers=lambda: self._crew.worked,
        )

    def _snapshot(self) -> Snapshot:
        return self._reporter.snapshot(
            {inlet.inbox.name: inlet.status for inlet in self._inlets if inlet.status.sweeps}
        )

    def _order(self, device: Device, alone: bool) -> WorkerOrder:
        return order_of(
            self._settings,
            self._paths,
            device,
            alone=alone,
            drain=self._drain,
            log_json=self._log_json,
            log_level=self._log_level,
            watchdog_s=self._heartbeat.pace.interval_s,
            workers=max(1, len(self._crew.devices)),
        )

    def _clear_away(self) -> None:
        """After a kill or a power cut: jobs go on, and what no job owns any more is removed."""
        interrupted = recover(self._queue)
        for inbox in self._settings.inboxes.values():
            apply_recipe(inbox, self._settings, self._ledger, Orders(self._queue))
            self._watchdog.tend()
        self._board.keep_inboxes(list(self._settings.inboxes))
        self._board.keep_devices([])
        self._aftercare.recover()
        tidy(self._paths, self._ledger)
        live = self._ledger.unfinished_ids()
        for inbox in self._settings.inboxes.values():
            OutboxFolder(inbox.outbox).sweep(live)
        if interrupted:
            log.info("service.recovered", jobs=interrupted)
