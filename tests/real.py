"""Real weight files, which this repository does not hold: tests that need one skip without it.

They are looked for in the folder that LIKENESS_WEIGHTS names, else in shared/weights beside the
clone.
"""

from __future__ import annotations

import os
from pathlib import Path

BESIDE = Path(__file__).resolve().parents[2] / "shared" / "weights"
WEIGHTS = Path(os.environ.get("LIKENESS_WEIGHTS", BESIDE))
SOFT_EDGES = WEIGHTS / "table5_pidinet.pth"
LACKING = f"{SOFT_EDGES.name} is not there: LIKENESS_WEIGHTS may name the folder that has it"
