"""What an idle service costs: processor share, memory and workers with a large inbox that is done.

    python benchmarks/idle.py [--files 10000] [--seconds 120]

The ledger is filled directly with delivered files that lie in the inbox, so that the run measures idling and nothing
else. Prints the watcher's share of one core, its resident memory, and how long the commands take that only read.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path

import psutil

from twofold.core.job import FileVersion, Job, Output, job_id
from twofold.core.recipe import Recipe
from twofold.core.states import State
from twofold.intake.original import version_of
from twofold.jobs.database import open_engine, prepare_database
from twofold.jobs.ledger import Ledger

CONFIG = """\
state_dir: {root}/state
devices: cpu
recipes:
  double: {{scale: 2, models: [identity]}}
inboxes:
  photos: {{path: {root}/in, outbox: {root}/out, recipe: double}}
"""

SETTLE_S = 20.0


def fill(root: Path, files: int) -> None:
    """`files` small files in folders of a hundred, each known to the ledger as delivered."""
    (root / "state").mkdir()
    database = str(root / "state" / "twofold.sqlite")
    prepare_database(database, time.time())
    engine = open_engine(database)
    ledger = Ledger(engine)
    recipe = Recipe("double", Fraction(2), models=("identity",))
    for index in range(files):
        path = root / "in" / f"{index // 100:03}" / f"{index:05}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * 100)
        name = str(path.relative_to(root / "in")).encode()
        version: FileVersion = version_of(path.stat())
        identity = job_id("photos", name, version, recipe.digest())
        job = Job(
            identity, "photos", name, version, State.WAITING, None, recipe, recipe.digest(), sha256=f"{index:064x}"
        )
        ledger.observe(job, time.time())
        ledger.record_delivered(identity, Output(name, f"{index:064x}", 100, 0), {}, time.time())
    engine.dispose()


def timed(*arguments: str) -> float:
    """Median wall seconds of five runs of a command."""
    taken = []
    for _ in range(5):
        started_s = time.monotonic()
        subprocess.run([sys.executable, "-m", "twofold", *arguments], check=True, stdout=subprocess.DEVNULL)
        taken.append(time.monotonic() - started_s)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--seconds", type=float, default=120)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="twofold-idle-") as folder:
        root = Path(folder)
        (root / "in").mkdir()
        (root / "out").mkdir()
        config = root / "twofold.yaml"
        config.write_text(CONFIG.format(root=root))
        fill(root, options.files)
        command = [sys.executable, "-m", "twofold", "run", "-c", str(config)]
        service = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        watcher = psutil.Process(service.pid)
        try:
            time.sleep(SETTLE_S)
            before = watcher.cpu_times()
            time.sleep(options.seconds)
            after = watcher.cpu_times()
            share = (after.user + after.system - before.user - before.system) / options.seconds
            print(f"{options.files} files done, {options.seconds:g} s idle")
            print(f"watcher: {share:.2%} of one core, {watcher.memory_info().rss / 2**20:.0f} MiB resident")
            print(f"workers alive: {len(watcher.children(recursive=True))}")
            known = str(root / "in" / "000" / "00000.jpg")
            commands = (("--help",), ("status",), ("jobs",), ("jobs", "--json"), ("explain", known))
            for words in commands:
                options_of = () if words == ("--help",) else ("-c", str(config))
                print(f"twofold {' '.join(words)}: {timed(*words, *options_of):.2f} s (median of 5)")
        finally:
            service.terminate()
            service.wait(60)


if __name__ == "__main__":
    main()
