"""A tiny data folder, laid out as training and evaluation expect."""

from pathlib import Path

import numpy as np
from PIL import Image

from enhancer_worker.training.args import UpscalerArgs


def write_picture(path: Path, seed: int, side: int) -> None:
    """Write a picture of coloured rectangles, which has edges to learn from."""
    rng = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), 128, np.uint8)
    for _ in range(40):
        top, left = rng.integers(0, side - 4, 2)
        height, width = rng.integers(3, side // 2, 2)
        pixels[top : top + height, left : left + width] = rng.integers(0, 256, 3)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def write_data(root: Path, side: int = 100) -> Path:
    """Write five photographs and one picture per benchmark."""
    for number in range(5):
        write_picture(root / f"photos/a/tile_{number}.png", number, side)
    for number, benchmark in enumerate(("set5", "b100", "cbsd68", "live1")):
        write_picture(root / f"benchmarks/{benchmark}/one.png", 100 + number, 50)
    return root


def tiny_run(root: Path, **options: object) -> UpscalerArgs:
    settings = {"batch": 4, "patch": 12, "last_patch": 16, "hours": 0.0, "accelerator": "cpu"}
    return UpscalerArgs(**{"data": root, "out": root / "out"} | settings | options)
