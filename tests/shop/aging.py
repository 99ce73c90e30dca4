"""Makes files look as if they had been written long ago."""

from __future__ import annotations

import os
import time
from pathlib import Path


def make_old(folder: Path, hours: float = 25) -> None:
    """Date everything below a folder back, beyond ``ORPHAN_HOURS`` by default."""
    moment = time.time() - hours * 3600
    for path in folder.rglob("*"):
        os.utime(path, (moment, moment))
