"""A worker on a simulated GPU: `python -m simulator.worker FOLDER LIFELINE_FD`, as twofold.service.worker else."""

from __future__ import annotations

import sys

from simulator.equipment import equipment_of
from twofold.service.worker import main

if __name__ == "__main__":
    sys.exit(main(equipment_of(sys.argv[1])))
