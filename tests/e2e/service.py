"""A Twofold of a test's own, run as people run it: a process, a YAML file, real folders."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from twofold.jobs import read

PYTHON_TWOFOLD = (sys.executable, "-m", "twofold")
POLL_S = 0.1
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 25.0
LOG_TAIL_LINES = 40


class Service:
    """One configuration and what runs on it; `home` holds the configuration, the state directory and every folder."""

    def __init__(
        self,
        home: Path,
        config: str,
        *,
        devices: str = "cpu",
        run: tuple[str, ...] = (*PYTHON_TWOFOLD, "run"),
        **environment: str,
    ) -> None:
        """`run` is the command of the service itself; all commands run in `environment`."""
        self.home = home
        self._variables = environment
        self._devices = devices
        self._run = run
        self.starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self.configure(config)

    def configure(self, config: str) -> None:
        """Write the configuration; `state_dir` and `devices` stay the same."""
        text = f"state_dir: state\ndevices: {self._devices}\nidle_exit: 60s\n{config}"
        (self.home / "twofold.yaml").write_text(text, encoding="utf-8")

    def folder(self, name: str) -> Path:
        path = self.home / name
        path.mkdir(parents=True, exist_ok=True)
        return path

    # --- processes

    def command(
        self, *arguments: str | bytes, timeout_s: float = 60, prepare: Callable[[], None] | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one command to its end, in `home`."""
        return subprocess.run(
            [*PYTHON_TWOFOLD, *arguments],
            cwd=self.home,
            env=self._environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=timeout_s,
            check=False,
            preexec_fn=prepare,
        )

    def answer(self, *arguments: str | bytes) -> Any:
        """The JSON that a command prints."""
        done = self.command(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def start(self, prepare: Callable[[], None] | None = None, **environment: str) -> None:
        """Start `run`, and wait until it stands; its log goes into a file of its own."""
        self.starts += 1
        with open(self.log_path, "wb") as log:
            self._process = subprocess.Popen(
                self._run,
                cwd=self.home,
                env=self._environment() | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                preexec_fn=prepare,
            )
        self.wait_for(lambda: self.events("service.started"), START_TIMEOUT_S)

    @property
    def running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None
        return self._process

    def stop(self) -> int:
        """SIGTERM; the exit status, which has to come within STOP_TIMEOUT_S."""
        self.running.terminate()
        try:
            return self.running.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running {STOP_TIMEOUT_S} s after SIGTERM\n{self.log_tail()}") from None

    def kill_tree(self) -> None:
        """kill -9 of the watcher, its workers and their codec children, all at one moment."""
        tree = _stopped(psutil.Process(self.running.pid))
        for process in tree:
            _signal(process, signal.SIGKILL)
        self.running.wait(STOP_TIMEOUT_S)
        deadline_s = time.monotonic() + STOP_TIMEOUT_S
        while any(_alive(process) for process in tree):
            assert time.monotonic() < deadline_s, f"survived kill -9: {tree}"
            time.sleep(POLL_S)

    def end(self) -> None:
        """Leave nothing running, whatever the test did."""
        if self._process is not None and self._process.poll() is None:
            self.kill_tree()

    def worker_pid(self) -> int | None:
        """The process of the one worker, as `status` tells it, where it lives."""
        for device in self.status()["devices"]:
            if device["worker"] is not None and psutil.pid_exists(device["worker"]["pid"]):
                return int(device["worker"]["pid"])
        return None

    # --- what it says

    @property
    def log_path(self) -> Path:
        return self.home / f"log-{self.starts}.jsonl"

    def events(self, name: str | None = None, *, start: int | None = None) -> list[dict[str, Any]]:
        """The log lines of one start (default: the latest), all of them JSON; the last one may be half written."""
        path = self.log_path if start is None else self.home / f"log-{start}.jsonl"
        found = parsed(path.read_bytes().rpartition(b"\n")[0])
        return [event for event in found if name in (None, event["event"])]

    def log_tail(self) -> str:
        if not self.log_path.exists():
            return "no log"
        lines = self.log_path.read_text(errors="backslashreplace").splitlines()
        return "\n".join(lines[-LOG_TAIL_LINES:])

    def jobs(self) -> dict[str, dict[str, Any]]:
        """The newest version of every file by path: what `jobs --json` prints, without the cost of a process."""
        return {job["path"]: job for job in read.jobs_json(self.database)["jobs"]}

    def status(self) -> dict[str, Any]:
        return read.status_json(self.database)

    def states(self) -> dict[str, tuple[str, str | None]]:
        """State and reason's code of every file, by path."""
        return {path: (job["state"], (job["reason"] or {}).get("code")) for path, job in self.jobs().items()}

    @property
    def database(self) -> str:
        return str(self.home / "state" / "twofold.sqlite")

    def wait_for(self, predicate: Callable[[], Any], timeout_s: float) -> None:
        """Poll until `predicate` is true; a service that ended meanwhile, or too long a wait, fails the test."""
        deadline_s = time.monotonic() + timeout_s
        while not predicate():
            assert self.running.poll() is None, f"ended with {self.running.returncode}\n{self.log_tail()}"
            assert time.monotonic() < deadline_s, f"not within {timeout_s} s; {self._standing()}\n{self.log_tail()}"
            time.sleep(POLL_S)

    def wait_until(self, states: dict[str, tuple[str, str | None]], timeout_s: float) -> None:
        """Wait until these files, and perhaps others, stand so."""
        self.wait_for(lambda: states.items() <= self.states().items(), timeout_s)

    def left_over(self) -> list[Path]:
        """Everything that only a job in work may have: private copies, scratch files, unfinished results."""
        spooled = [path for name in ("spool", "scratch") for path in (self.home / "state" / name).iterdir()]
        return spooled + [path for path in self.home.rglob(".twofold-*") if path.is_file()]

    def _standing(self) -> Any:
        return self.states() if os.path.exists(self.database) else "no ledger"

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "COLUMNS": "200",
        } | self._variables


def parsed(log: str | bytes) -> list[dict[str, Any]]:
    """Log lines, every one of which has to be a JSON object with an event."""
    events = [json.loads(line) for line in log.splitlines()]
    assert all("event" in event for event in events)
    return events


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def sums(folder: Path) -> dict[str, str]:
    """The sha256 of every file below a folder, by its relative path."""
    return {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}


def _stopped(root: psutil.Process) -> list[psutil.Process]:
    """A whole tree, halted from the top, so that none of it can start another process before it is killed."""
    tree, fresh = [], [root]
    while fresh:
        for process in fresh:
            _signal(process, signal.SIGSTOP)
        tree += fresh
        fresh = [child for process in tree for child in _children(process) if child not in tree]
    return tree


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children()
    except psutil.NoSuchProcess:
        return []


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        pass  # it had ended by itself


def _alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE  # nobody may be there to reap an orphan
    except psutil.NoSuchProcess:
        return False
