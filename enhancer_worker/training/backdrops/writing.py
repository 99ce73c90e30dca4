"""Makes training pictures of backdrops in turn, and writes each beside its exact conditions."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import click
import numpy as np
from PIL import Image

from enhancer_worker.training.backdrops.scenes import Scene

PhotoT = TypeVar("PhotoT")


def scenes_of(
    make: Callable[[str, PhotoT, np.random.Generator], Scene],
    photos: Sequence[PhotoT],
    count: int,
    stream: tuple[int, int],
) -> Iterator[Scene]:
    """Use photographs in turn; what is made of a held-out one is held out.

    Args:
        make: of a name, a photograph and random numbers; scenes are named after it.
        photos: at least one, unless none is wanted.
        count: of scenes.
        stream: seeds the random numbers.
    """
    for number in range(count):
        rng = np.random.default_rng((*stream, number))
        yield make(f"{make.__name__}-{number:05d}", photos[number % len(photos)], rng)


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
