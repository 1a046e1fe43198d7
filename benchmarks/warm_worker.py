"""One 12-megapixel JPEG at 2x through a warm worker, beside the bare network in the same tile shape.

    python benchmarks/warm_worker.py [--model NAME] [--rounds 3] [--megapixels 12]

The service and the bare network take turns, so that a noisy machine bothers both. Prints seconds from job start to
delivery, bare seconds, and how much of the allowance (1.05 x bare + 1.5 s) was used; the cold start apart.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from twofold.service.crew import CPU_MALLOC

CONFIG = """\
state_dir: {root}/state
devices: cpu
idle_exit: 30m
recipes:
  double: {{scale: 2, models: [{model}]}}
inboxes:
  photos: {{path: {root}/in, outbox: {root}/out, recipe: double, settle: 0.5s}}
"""

ALLOWED_RATIO, ALLOWED_EXTRA_S = 1.05, 1.5
WAIT_S = 1800.0


def photograph(megapixels: float, seed: int) -> Image.Image:
    """A 4:3 picture with soft gradients, edges and grain, so that JPEG has something to code."""
    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / height
    planes = [
        127 + 60 * np.sin(9 * x + 5 * y + phase) + 30 * np.sign(np.sin(40 * x * y + phase)) for phase in (0.0, 1.0, 2.0)
    ]
    grain = random.normal(0, 4, (height, width, 1)).astype(np.float32)
    return Image.fromarray(np.clip(np.stack(planes, -1) + grain, 0, 255).astype(np.uint8))


class Service:
    """`twofold run` on a folder of its own; its log is read back line by line."""

    def __init__(self, root: Path, model: str) -> None:
        self.root = root
        for name in ("in", "out"):
            (root / name).mkdir()
        (root / "twofold.yaml").write_text(CONFIG.format(root=root, model=model))
        self.log = root / "log.jsonl"
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "twofold", "run", "-c", str(root / "twofold.yaml")]
            self.process = subprocess.Popen(command, stderr=log, stdout=subprocess.DEVNULL)

    def events(self) -> list[dict[str, Any]]:
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def deliver(self, name: str, picture: Image.Image) -> dict[str, Any]:
        """Drop a picture in, and wait for its canonical line."""
        picture.save(self.root / f".{name}", "JPEG", quality=92)
        os.rename(self.root / f".{name}", self.root / "in" / name)
        deadline = time.monotonic() + WAIT_S
        while time.monotonic() < deadline:
            for event in self.events():
                if event.get("path") == name and event["event"] == "job.delivered":
                    return event
                if event.get("path") == name and event["event"] == "job.failed":
                    raise SystemExit(f"the job failed: {event}")
            time.sleep(0.1)
        raise SystemExit("the job was not delivered in time")

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)


BARE = """
import json, sys, time
import numpy as np
from twofold.device.host import HostProbe
from twofold.engine.factory import open_upscaler
from twofold.models.catalogue import Catalogue, Places
from twofold.models.measure import measure_in_child
model, tile, tiles, cache = json.loads(sys.argv[1])
card = Catalogue(Places(".", cache, cache), measure_in_child).resolve(model)
network = open_upscaler(card, "cpu", HostProbe().usable_cpus())
pixels = np.random.default_rng(0).integers(0, 256, (1, tile[1], tile[0], 3), dtype=np.uint8)
network.run(pixels, 8)
started = time.monotonic()
for _ in range(tiles):
    network.run(pixels, 8)
print(time.monotonic() - started)
"""


def bare_s(model: str, tile: list[int], tiles: int, cache: Path) -> float:
    """Seconds of the network alone over as many tiles of the same shape, in a process set up as a worker is."""
    command = [sys.executable, "-c", BARE, json.dumps([model, tile, tiles, str(cache)])]
    answer = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | CPU_MALLOC)
    return float(answer.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="twofold-photo-2x")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--megapixels", type=float, default=12)
    options = parser.parse_args()
    if options.model.endswith(".safetensors"):
        options.model = os.path.abspath(options.model)
    with tempfile.TemporaryDirectory(prefix="twofold-bench-") as folder:
        service = Service(Path(folder), options.model)
        started_s = time.monotonic()
        cold = service.deliver("cold.jpg", photograph(0.25, 0))
        print(f"cold start: {time.monotonic() - started_s:.1f} s from launch to the first small delivery", flush=True)
        print(f"  of which the job itself {cold['seconds']['total']:.1f} s: {cold['seconds']}", flush=True)
        rows = []
        for index in range(options.rounds):
            name = f"warm-{index}.jpg"
            event = service.deliver(name, photograph(options.megapixels, index + 1))
            plan = next(e for e in service.events() if e["event"] == "pass.planned" and e["job"] == event["job"])
            bare = bare_s(options.model, plan["tile"], plan["tiles"], Path(folder) / "state" / "cards")
            total = event["seconds"]["total"]
            allowed = ALLOWED_RATIO * bare + ALLOWED_EXTRA_S
            rows.append(total / allowed)
            print(
                f"round {index + 1}: job {total:.2f} s, bare {bare:.2f} s, allowed {allowed:.2f} s, "
                f"ratio {total / bare:.3f}, tiles {plan['tiles']} x {plan['tile']}, stages {event['seconds']}",
                flush=True,
            )
        service.stop()
        print(f"share of the allowance used: median {sorted(rows)[len(rows) // 2]:.3f} (1 or less is the aim)")


if __name__ == "__main__":
    main()
