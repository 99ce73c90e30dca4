"""Writes training pictures of backdrops, each beside a JSON file of its exact conditions."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import click
from PIL import Image

from enhancer_worker.training.backdrops.scenes import Scene


def write_scenes(scenes: Iterable[Scene], out: Path) -> Counter[str]:
    """Write `NAME.png` and `NAME.json` of each, and `NAME-behind.png` where there is a panel.

    Without loss: the traces of JPEG, invisible as they are, would tell them from what a network
    has made (arXiv 2104.11222).

    Returns:
        How many there are of each source.
    """
    out.mkdir(parents=True, exist_ok=True)
    made: Counter[str] = Counter()
    for scene in scenes:
        for suffix, pixels in (("", scene.picture), ("-behind", scene.behind)):
            if pixels is not None:
                Image.fromarray(pixels).save(out / f"{scene.name}{suffix}.png", compress_level=1)
        (out / f"{scene.name}.json").write_text(json.dumps(scene.to_plain()))
        made[scene.source] += 1
    return made


def counted(scenes: Iterable[Scene], count: int, label: str) -> Iterator[Scene]:
    """Scenes, and a progress bar."""
    with click.progressbar(scenes, length=count, label=label, file=sys.stderr) as bar:
        yield from bar
