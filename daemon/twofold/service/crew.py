"""The workers: one process per device, alive only while there is work and the device is ours to use."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from twofold.core.codes import Code
from twofold.core.errors import Reason, TwofoldError
from twofold.core.holding import Outage, quarantine, shortage
from twofold.core.job import Job
from twofold.core.pulse import Pace
from twofold.core.settings import YieldSettings
from twofold.core.states import State
from twofold.device.inventory import Device
from twofold.jobs.board import Board, DeviceStanding
from twofold.jobs.ledger import Ledger
from twofold.jobs.liveness import worker_ended
from twofold.jobs.pauses import Pauses
from twofold.jobs.queue import JobQueue
from twofold.service.admission import say_ended
from twofold.service.leaving import LastWords
from twofold.service.machine import Machine
from twofold.service.order import WorkerOrder
from twofold.service.post import MANNERS, Post, status_text, wait_for
from twofold.service.pulse import Watchdog
from twofold.service.sight import Sight
from twofold.service.yielding import Lookout

log = structlog.get_logger()

FIRST_BACKOFF_S = 1.0
LAST_BACKOFF_S = 60.0
HOPELESS_DEATHS = 5
STOP_TIMEOUT_S = 25.0
"""A worker reaches a checkpoint within a batch; after this it is killed, which costs no more than that batch."""

LEAVE_TIMEOUT_S = 4.0
"""The same, where somebody else waits for the device: with a look a second, it is theirs within five."""

LOOK_EVERY_S = 1.0
MUTE_READS = 3
"""So many questions in a row are not answered by a device that is lost; a driver may stumble once."""

TAKEN_LOOK_EVERY_S = 2.0
"""How soon a device is looked at again that another service uses."""

DRAIN_TICK_S = 0.5
START_BUDGET_S = 60.0
"""Until a worker's first sign: its libraries may come from a slow disk."""
KILL_WAIT_S = 2.0
"""A killed process is gone at once, or it hangs in the kernel: then the watchdog stays unfed."""


class Crew:
    """Starts a worker where a job is due, and settles what a dead one leaves. Used by one thread."""

    def __init__(
        self,
        devices: Sequence[Device],
        order: Callable[[Device, bool], WorkerOrder],
        ledger: Ledger,
        queue: JobQueue,
        board: Board,
        watchdog: Watchdog,
        pace: Pace,
        machine: Machine,
        yield_to: YieldSettings,
        *,
        bury: Callable[[Job], None],
        forward: bool,
    ) -> None:
        """`order` writes a worker's order (alone or not); `bury` removes what a job left that killed its workers.

        `forward` sends the workers' log through our own stderr.
        """
        self._machine = machine
        self._yield_to = yield_to
        self._queue = queue
        self._posts: list[Post] = []
        self._sight = Sight(machine.probe)
        self._order = order
        self._ledger = ledger
        self._pauses = Pauses(queue.engine)
        self._board = board
        self._watchdog = watchdog
        self._pace = pace
        self.enlist(devices)
        self._bury = bury
        self._forward = forward

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices that workers are started on."""
        return tuple(post.device for post in self._posts)

    def enlist(self, devices: Sequence[Device]) -> None:
        """Take in those of the devices that are new."""
        known = self.devices
        fresh = [device for device in devices if device.id not in {one.id for one in known}]
        if len(known) == 1 and fresh:
            # Its worker was told that it is the only one: it passes nothing on, and is passed nothing.
            self._posts[0].send_away(time.monotonic() + STOP_TIMEOUT_S)
        self._posts += [Post(device, self._machine.lock(device), self._lookout(device)) for device in fresh]
        if len(self._posts) > 1:
            self._queue.open_lanes(device.id for device in self.devices)

    @property
    def worked(self) -> dict[str, tuple[int, int]]:
        """Workers that were started, and those that died, by device; any thread may ask."""
        return {post.device.id: (post.starts, post.deaths) for post in self._posts}

    @property
    def working(self) -> bool:
        return any(post.process is not None for post in self._posts)

    @property
    def waiting(self) -> dict[str, tuple[Reason, float]]:
        """Devices without a worker although there is work: why, and since when (epoch seconds)."""
        return {post.device.id: post.waiting for post in self._posts if post.waiting is not None}

    @property
    def outages(self) -> list[Reason]:
        """Of devices that are lost or in quarantine."""
        return [post.outage.reason for post in self._posts if post.outage is not None]

    @property
    def hopeless(self) -> bool:
        """True where every device's workers die as soon as they start, or the device does not answer."""
        return all(post.deaths_in_a_row >= HOPELESS_DEATHS or self._sight.hopeless(post.device) for post in self._posts)

    def listen(self) -> None:
        """Feel the pulse of every worker; to be called before anybody judges it."""
        for post in self._posts:
            if post.lifeline is not None and post.pulse is not None and post.lifeline.felt():
                post.pulse.beat(budget_s=self._pace.worker_budget_s)

    def tend(self) -> bool:
        """Reap what ended, queue what is due, start what is needed; True where a worker came or went.

        A worker that gives no sign for too long is killed first: what it had in work goes on in the next one.
        """
        changed = False
        self._kill_frozen()
        for post in self._posts:
            if post.process is not None and post.process.poll() is not None:
                self._reap(post)
                changed = True
        for name in self._pauses.expire(time.time()):
            log.info("pause.ended", inbox=name)
        demand = self._ledger.demand()
        if demand.next_at is not None and demand.next_at <= time.time() and self._queue.requeue_due(time.time()):
            demand = self._ledger.demand()
        alone, shared = demand.alone > 0 and not any(post.alone for post in self._posts), demand.shared > 0
        for post in self._posts:
            changed |= self._look(post, due=alone or shared)
            waits = post.process is None and post.held is None and time.monotonic() >= post.not_before_s
            if waits and (alone or shared) and self._ready(post):
                self._start(post, alone=alone)
                alone, changed = False, True
        if alone and not shared:
            self._make_room()
        self._release()
        return changed

    def _look(self, post: Post, *, due: bool) -> bool:
        """See, once a second at most, whether the device is ours to use; True where that has changed.

        Nobody looks at a device for which there is no work; one that is out is looked at all the same.
        """
        now_s = time.monotonic()
        if now_s < post.look_due_s:
            return False
        post.look_due_s = now_s + LOOK_EVERY_S
        before = post.waiting
        if not due and post.process is None:
            post.shortage = post.yielded = post.taken = None
        elif post.lookout is not None:
            self._look_around(post, post.lookout)
        if post.outage is not None or post.shortage is not None or self._sight.failures(post.device):
            self._read(post)
        if post.shortage is not None and post.reading is not None:
            policy = self._order(post.device, False).policy
            if post.shortage.over(post.reading, policy, post.device.kind, now_s):
                post.shortage = None
        return before != post.waiting

    def _look_around(self, post: Post, lookout: Lookout) -> None:
        before = post.yielded
        post.yielded = lookout.look(before, () if post.process is None else (post.process.pid,))
        if post.yielded is not None and before is None:
            log.info("device.yielded", device=post.device.id, action=lookout.action, text=post.yielded.reason.text)
            self._board.record_device(_standing(post), time.time())
            if post.process is None:
                worker_ended(self._queue, post.worker_id, time.time(), died=False)  # what was passed on to it
        elif post.yielded is None and before is not None:
            seconds = round(time.time() - before.since, 1)
            log.info("device.regained", device=post.device.id, seconds=seconds)
        post.ask("usual" if post.yielded is None else MANNERS[lookout.action])
        if post.yielded is not None and lookout.action == "leave":
            post.send_away(time.monotonic() + LEAVE_TIMEOUT_S)

    def _read(self, post: Post) -> None:
        """The device's memory; one that does not answer is out until it does, and one in quarantine until its time."""
        reading, outage = self._sight.read(post.device), post.outage
        if reading is None:
            trouble = self._sight.trouble(post.device)
            out = outage is not None and outage.until_s is None
            if trouble is not None and not out and self._sight.failures(post.device) >= MUTE_READS:
                self._exclude(post, Outage(Reason(Code.DEVICE_LOST, trouble.text, trouble.hint), time.time()))
            return
        post.reading = reading
        if outage is not None and (outage.until_s is None or time.monotonic() >= outage.until_s):
            post.outage = None
            log.info("device.readmitted", device=post.device.id, seconds=round(time.time() - outage.since, 1))

    def _exclude(self, post: Post, outage: Outage) -> None:
        post.outage = outage
        log.error("device.excluded", device=post.device.id, **outage.reason.to_json())
        self._board.record_device(_standing(post), time.time())  # before others ask who is there
        if post.process is not None:
            # Its driver's calls may never return: there is no checkpoint to be had. Others take its jobs up.
            post.excused = True
            post.process.kill()
        else:
            worker_ended(self._queue, post.worker_id, time.time(), died=False)

    def _make_room(self) -> None:
        """Have one idle worker end early, where all that is due is for one that serves lone jobs."""
        busy = self._ledger.busy_workers()
        for post in self._posts:
            if post.process is not None and not post.alone and post.held is None and post.worker_id not in busy:
                post.send_away(time.monotonic() + LEAVE_TIMEOUT_S)
                return

    def _release(self) -> None:
        """Let the devices go at once where a pause asks for it and nothing else is to be done."""
        if not self.working or not any(pause.release_gpu for pause in self._pauses.standing(time.time())):
            return
        if not self._ledger.jobs({State.QUEUED, State.RUNNING}, limit=1):
            for post in self._posts:
                if post.process is not None:
                    post.process.terminate()  # at the next look it is reaped

    def publish(self) -> None:
        """Write what `status` shows of the devices."""
        for post in self._posts:
            self._read(post)
            self._board.record_device(_standing(post), time.time())

    def stop(self, tick: Callable[[], None]) -> None:
        """Ask every worker for a checkpoint, and wait for it; `tick` is called meanwhile, every DRAIN_TICK_S."""
        running = [post for post in self._posts if post.process is not None]
        for post in running:
            assert post.process is not None  # noqa: S101
            post.excused = True
            post.process.terminate()
        deadline_s = time.monotonic() + STOP_TIMEOUT_S
        for post in running:
            assert post.process is not None  # noqa: S101
            while post.process.poll() is None and time.monotonic() < deadline_s:
                tick()
                wait_for(post.process, DRAIN_TICK_S)
            if post.process.poll() is None:
                post.process.kill()
                post.process.wait()
            self._reap(post)

    def _kill_frozen(self) -> None:
        """Kill who gives no sign of life, and who was asked to leave and did not."""
        frozen = self._watchdog.late(grace_s=self._pace.grace_s)
        for post in self._posts:
            if post.process is None or post.process.poll() is not None:
                continue
            if post.name in frozen and not post.frozen:
                log.error("worker.frozen", device=post.device.id, pid=post.process.pid)
                post.frozen = True
                post.process.kill()
                wait_for(post.process, KILL_WAIT_S)
            elif post.leave_by_s is not None and time.monotonic() >= post.leave_by_s:
                post.process.kill()
                wait_for(post.process, KILL_WAIT_S)

    def _ready(self, post: Post) -> bool:
        """True where the device answers and no other service uses it; then it is ours until the worker ends."""
        if self._sight.read(post.device) is None:
            return False
        try:
            if post.lock is not None:
                post.lock.take()
        except TwofoldError as error:
            if post.taken is None:
                log.warning("device.taken", device=post.device.id, text=error.reason.text, hint=error.reason.hint)
                post.taken = Outage(error.reason, time.time())
            post.taken = replace(post.taken, reason=error.reason)
            post.not_before_s = time.monotonic() + TAKEN_LOOK_EVERY_S
            return False
        post.taken = None
        return True

    def _start(self, post: Post, *, alone: bool) -> None:
        others = tuple(device.id for device in self.devices if device is not post.device)
        pid = post.start(
            replace(self._order(post.device, alone), others=others), self._machine.worker, forward=self._forward
        )
        post.pulse = self._watchdog.register(post.name, max(START_BUDGET_S, self._pace.worker_budget_s))
        log.info("worker.started", device=post.device.id, pid=pid, alone=alone)

    def _reap(self, post: Post) -> None:
        process, excused = post.process, post.excused
        assert process is not None  # noqa: S101
        self._watchdog.forget(post.name)
        if post.lock is not None:
            post.lock.release()
        words = post.clear()
        died = process.returncode != 0 and not excused
        lost = words is not None and words.reason.code is Code.DEVICE_LOST
        ended = worker_ended(self._queue, post.worker_id, time.time(), died=died and not lost)
        facts = {"device": post.device.id, "pid": process.pid, "status": status_text(process.returncode)}
        if died:
            post.deaths += 1
            post.deaths_in_a_row += 1
            self._back_off(post, words, blamed=bool(ended.resumed or ended.failed))
            log.warning("worker.died", **facts, jobs=list(ended.resumed + ended.failed))
        else:
            post.deaths_in_a_row = 0
            if words is None:
                log.info("worker.exited", **facts)
            else:
                self._note_shortage(post, words)
                log.warning("worker.left", **facts, **words.reason.to_json(), need_bytes=words.need_bytes)
        for job_id in ended.failed:
            job = self._ledger.get(job_id)
            say_ended(job, State.FAILED, job.reason)
            self._bury(job)

    def _back_off(self, post: Post, words: LastWords | None, *, blamed: bool) -> None:
        """When the next worker may come; a device that keeps failing comes out.

        `blamed`: jobs were in work, so that the worker did start: the trouble is theirs, and the next need not wait.
        """
        now_s = time.monotonic()
        backoff_s = min(LAST_BACKOFF_S, FIRST_BACKOFF_S * 2 ** (post.deaths_in_a_row - 1))
        if words is not None:
            post.faults_s.append(now_s)
            only = not any(other.outage is None for other in self._posts if other is not post)
            outage = quarantine(post.faults_s, words.reason.text, time.time(), now_s, only=only)
            if outage is not None:
                post.faults_s.clear()
                self._exclude(post, outage)
        elif blamed:
            post.deaths_in_a_row = 0
            backoff_s = 0.0
        post.not_before_s = now_s + backoff_s

    def _note_shortage(self, post: Post, words: LastWords) -> None:
        lasted_s, now_s = time.monotonic() - post.started_s, time.monotonic()
        post.shortage = shortage(
            post.last_shortage, words.reason, words.need_bytes, lasted_s=lasted_s, now=time.time(), now_s=now_s
        )
        post.last_shortage = post.shortage

    def _lookout(self, device: Device) -> Lookout | None:
        return Lookout(self._yield_to, self._machine.neighbours(device)) if self._yield_to.rule.asks else None


def _standing(post: Post) -> DeviceStanding:
    reading, worker, device = post.reading, None, post.device
    if post.process is not None:
        manner = "paused" if post.manner == "still" else "small" if post.manner == "smallest" else "working"
        worker = {"pid": post.process.pid, "state": "alone" if post.alone else manner, "since": post.since}
    return DeviceStanding(
        device.id,
        device.name,
        device.kind,
        device.total_bytes if reading is None else reading.total_bytes,
        0 if reading is None else reading.free_bytes,
        worker,
        post.waiting,
    )
