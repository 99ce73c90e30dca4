"""The largest job of everyday shops, measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

_LARGEST_RSS_BYTES = 3_000_000_000
_PROGRAM = """
import io, json, math, resource
import numpy as np
from PIL import Image
from enhancer_worker.backend import NeuralEnhancer
from shopimg.contract import CLEAN, Deadline

small = np.random.default_rng(0).integers(0, 256, (250, 375, 3), np.uint8)
buffer = io.BytesIO()
Image.fromarray(small).resize((6000, 4000), Image.Resampling.BICUBIC).save(buffer, "JPEG")
(image,) = NeuralEnhancer().enhance(buffer.getvalue(), CLEAN, deadline=Deadline(math.inf))
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"size": [image.width, image.height], "peak_bytes": peak,
                  "seconds": {report.name: report.seconds for report in image.steps}}))
"""


@pytest.mark.slow
def test_enhance__doubles_24_megapixels_within_3_gigabytes() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=True, timeout=900
    )
    measured = json.loads(done.stdout)
    assert measured["size"] == [12_000, 8_000]
    assert measured["peak_bytes"] < _LARGEST_RSS_BYTES, measured
