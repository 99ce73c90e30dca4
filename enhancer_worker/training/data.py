"""Training photographs held in memory as uint8, and endless, reproducible streams of batches."""

import itertools
import logging
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, distributed
from torch.utils.data import IterableDataset, get_worker_info

Tile = NDArray[np.uint8]
Pair = tuple[Tensor, Tensor]
T = TypeVar("T")

TRAIN_PATTERNS = ("photos/*/*.jpg", "photos/*/*.png", "photos/*/*.webp")
HELD_OUT_ONE_IN = 40
MOST_VIEWS = 12
"""Files of one stem, as `shirt_1` and `shirt_2`, that are taken for one subject; of more, as of a
camera's `IMG_0001` to `IMG_0999`, each file stands for itself."""


UNREADABLE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError)
"""What Pillow raises for files that are damaged, or no pictures."""

logger = logging.getLogger(__name__)


class NoTrainingImagesError(ValueError):
    """The data folder holds no training photographs."""


class UnreadablePictureError(ValueError):
    """A file is damaged, or no picture."""


def find_photos(root: Path) -> list[Path]:
    """Paths of the training photographs below a data folder, sorted.

    Benchmarks lie in another folder of the same layout and are never returned.
    """
    photos = sorted(path for pattern in TRAIN_PATTERNS for path in root.glob(pattern))
    if not photos:
        raise NoTrainingImagesError(f"no image matches {TRAIN_PATTERNS} below {root}")
    return photos


def split_photos(paths: Sequence[Path]) -> tuple[list[Path], list[Path]]:
    """Divide photographs into training and validation, at least one in each.

    Tiles cut from one photograph, `NAME_0` and `NAME_1`, stay together.

    Returns:
        (training, validation).

    Raises:
        NoTrainingImagesError: all would be held out.
    """
    photographs = [path.stem.rpartition("_")[0] or path.stem for path in paths]
    tiles = Counter(photographs)
    keys = [
        photograph if tiles[photograph] <= MOST_VIEWS else path.stem
        for photograph, path in zip(photographs, paths, strict=True)
    ]
    held_out = [p for p, key in zip(paths, keys, strict=True) if _is_held_out(key)] or [paths[-1]]
    kept = set(held_out)
    training = [path for path in paths if path not in kept]
    if not training:
        found = (
            "1 photograph, which is" if len(paths) == 1 else f"{len(paths)} photographs, which are"
        )
        raise NoTrainingImagesError(f"{found} held out to judge by: add photographs of others")
    return training, held_out


def _is_held_out(key: str) -> bool:
    return zlib.crc32(key.encode()) % HELD_OUT_ONE_IN == 0


def read_tile(path: Path) -> Tile:
    """Decode one photograph: (H, W, 3), uint8, RGB.

    Raises:
        UnreadablePictureError: it is damaged, or no picture.
    """
    with told_if_unreadable(path), Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def is_grey(path: Path) -> bool:
    """Whether a file has a single channel, so that each pixel is a grey of 0 to 255 as it is."""
    with Image.open(path) as image:
        return image.mode == "L"


def spread(items: Sequence[T], most: int) -> list[T]:
    """Take at most so many, evenly from first to last: neighbours are often of one kind.

    >>> spread("abcdefg", 3), spread("ab", 3)
    (['a', 'c', 'e'], ['a', 'b'])
    """
    count = min(most, len(items))
    return [items[index * len(items) // count] for index in range(count)]


def read_tiles(paths: Sequence[Path]) -> list[Tile]:
    """Decode all photographs into memory, but for those that cannot be read, which are logged.

    Raises:
        NoTrainingImagesError: none of them can be read.
    """
    tiles = []
    for path in paths:
        try:
            tiles.append(read_tile(path))
        except UnreadablePictureError as err:
            logger.warning("skipped: %s", err)
    if paths and not tiles:
        raise NoTrainingImagesError(f"none of {len(paths)} photographs can be read")
    return tiles


@contextmanager
def told_if_unreadable(path: Path) -> Iterator[None]:
    """Raise `UnreadablePictureError`, which names the file, for what Pillow raises."""
    try:
        yield
    except UNREADABLE as err:
        raise UnreadablePictureError(f"{path} cannot be read: {err}") from err


def large_enough(photos: Sequence[Tile], side: int) -> list[Tile]:
    """Photographs, each (H, W, 3), that have `side` pixels both ways.

    Raises:
        NoTrainingImagesError: none has.
    """
    found = [photo for photo in photos if min(photo.shape[:2]) >= side]
    if not found:
        raise NoTrainingImagesError(f"no photograph has {side} pixels on each side")
    return found


def cut_to_multiple(photo: Tile, multiple: int) -> Tile:
    """Drop the last rows and columns of (H, W, 3) that do not fill a multiple."""
    height, width = (side - side % multiple for side in photo.shape[:2])
    return photo[:height, :width]


def to_tensor(tiles: Sequence[NDArray[np.generic]]) -> Tensor:
    """Stack patches of one size.

    Args:
        tiles: each (H, W, 3); uint8 in [0, 255] or float32 in [0, 1].

    Returns:
        (B, 3, H, W), float32, [0, 1], channels-last in memory.
    """
    batch = torch.from_numpy(np.stack(tiles)).permute(0, 3, 1, 2)
    scaled = batch.float() / 255 if batch.dtype == torch.uint8 else batch.float()
    return scaled.contiguous(memory_format=torch.channels_last)


def random_turn(rng: np.random.Generator) -> Callable[[Tile], Tile]:
    """One of the eight flips and rotations, to be applied alike to both images of a pair."""
    quarters, flip = int(rng.integers(4)), bool(rng.integers(2))

    def turn(image: Tile) -> Tile:
        turned = np.rot90(image, quarters)
        return turned[:, ::-1] if flip else turned

    return turn


class RunClock:
    """How much of a run has passed, by wall clock or by steps, whichever is further.

    The schedule follows the clock, not a step count, so a run that shares its machine still ends
    fully annealed.

    Args:
        budget_seconds: length of the run over all its resumed parts, seconds; 0: no limit.
        max_steps: optimiser steps at most; 0: no limit.
    """

    def __init__(self, budget_seconds: float, max_steps: int = 0) -> None:
        self.budget_seconds = budget_seconds
        self.max_steps = max_steps
        self.step = 0
        self._earlier_seconds = 0.0
        self._started = time.monotonic()

    def start(self, earlier_seconds: float) -> None:
        """Begin counting, after `earlier_seconds` in previous parts of the run."""
        self._earlier_seconds = earlier_seconds
        self._started = time.monotonic()

    def elapsed_seconds(self) -> float:
        """Seconds spent in all parts of the run."""
        return self._earlier_seconds + time.monotonic() - self._started

    def progress(self, step: int | None = None) -> float:
        """Fraction of the run that has passed, [0, 1].

        Args:
            step: the step asked about, for processes that only hear the time; None: the latest.
        """
        by_time = self.elapsed_seconds() / self.budget_seconds if self.budget_seconds else 0.0
        reached = self.step if step is None else step
        by_steps = reached / self.max_steps if self.max_steps else 0.0
        return min(1.0, max(by_time, by_steps))


class BatchStream(IterableDataset[Pair]):
    """Endless batches; the one of step n depends on the seed, n and the patch size alone.

    Of several processes that train together each draws its own batches: there the number of the
    process counts too. Processes that only draw take turns, and change nothing.

    Args:
        make_batch: draws one (lq, gt) batch of a patch size, pixels.
        patch_now: the patch size wanted at this moment of the run, pixels, for a step.
        seed: seed of the run.
        first_step: number of the first batch, so that a resumed run goes on where it stopped.
    """

    def __init__(
        self,
        make_batch: Callable[[np.random.Generator, int], Pair],
        patch_now: Callable[[int], int],
        seed: int,
        first_step: int = 0,
    ) -> None:
        self._make_batch = make_batch
        self._patch_now = patch_now
        self._seed = seed
        self._first_step = first_step

    def __iter__(self) -> Iterator[Pair]:
        rank = distributed.get_rank() if _in_company() else 0
        loader = get_worker_info()
        turn, turns = (loader.id, loader.num_workers) if loader else (0, 1)
        for step in itertools.count(self._first_step + turn, turns):
            seed = (self._seed, step, rank) if rank else (self._seed, step)
            yield self._make_batch(np.random.default_rng(seed), self._patch_now(step))


def shared_by_all(value: float) -> float:
    """The value of the first process in all that train together; here alone, the value itself.

    Clocks differ; a decision that follows from one must not.
    """
    if not _in_company():
        return value
    device = "cuda" if distributed.get_backend() == "nccl" else "cpu"
    first = torch.tensor([value], dtype=torch.float64, device=device)
    distributed.broadcast(first, src=0)
    return float(first)


def _in_company() -> bool:
    return distributed.is_available() and distributed.is_initialized()
