"""`python -m likeness.setup.standins FOLDER NAME ...`: write stand-ins into a folder of models.

install.py runs it in ComfyUI's Python, in the pack's folder.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from .table import MAKERS, place

if __name__ == "__main__":
    here = os.getcwd()
    sys.path[:] = [each for each in sys.path if each not in ("", here)]  # `nodes` is ComfyUI's
    for name in sys.argv[2:]:
        MAKERS[name].write(Path(sys.argv[1], place(name)))
