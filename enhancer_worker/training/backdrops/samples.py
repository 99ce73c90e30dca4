"""Training pictures of backdrops in memory, and batches of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from enhancer_worker.nets.backdrop_conditions import (
    CODES,
    LIGHT_CODES,
    BackdropConditions,
    codes,
    latent,
)
from enhancer_worker.nets.backdrop_input import pack
from enhancer_worker.nets.backdrop_maps import MAPS, SIDE, maps
from enhancer_worker.nets.backdrop_scenery import place
from enhancer_worker.training.backdrops.augmenting import COLOURS
from enhancer_worker.training.backdrops.scenes import DRAWN, MIXED, PATH_TRACED, SURFACED
from enhancer_worker.training.data import (
    NoTrainingImagesError,
    Pair,
    Tile,
    read_tile,
    to_tensor,
)

Floats = NDArray[np.float32]

SOURCE_WEIGHTS = {DRAWN: 1.0, MIXED: 3.0, SURFACED: 1.0, PATH_TRACED: 2.0}
"""How often a picture is drawn, by what made it."""
PANELS = "panels"
"""Folder of what is behind tables alone, within that of the pictures."""
LIGHT_ACROSS = LIGHT_CODES.start
"""Which code tells the light from left and right."""


@dataclass(slots=True)
class Sample:
    """One picture with its conditions; maps are made when first needed."""

    picture: Tile
    """(SIDE, SIDE, 3), or (*PANEL, 3) of a panel, uint8."""
    conditions: BackdropConditions
    """What it shows."""
    source: str
    """What made it: a key of `SOURCE_WEIGHTS`, or a panel."""
    is_paired: bool
    """Whether conditions and seed tell the picture pixel by pixel, before what is behind."""
    behind: Tile | None = None
    """What is behind the table, (*PANEL, 3), uint8; None where that is a wall."""
    planes: NDArray[np.uint8] | None = None
    """Maps, (len(MAPS), SIDE, SIDE), in 255ths."""

    def scenery(self) -> Floats:
        """How what is behind the table differs from one colour, (3, SIDE, SIDE), sRGB."""
        if self.behind is None:
            return np.zeros((COLOURS, SIDE, SIDE), np.float32)
        numbers = torch.from_numpy(codes(self.conditions))[None]
        placed: Floats = place(to_tensor([self.behind]), numbers)[0].numpy()
        return placed

    def maps(self) -> NDArray[np.uint8]:
        """Maps of the frame, kept."""
        if self.planes is None:
            self.planes = np.rint(maps(self.conditions) * 255).astype(np.uint8)
        return self.planes


def read_samples(folder: Path) -> tuple[list[Sample], list[Sample]]:
    """Read what `prepare-backdrops` has written.

    Returns:
        (training, held out).

    Raises:
        NoTrainingImagesError: there is nothing to train on, or a picture is missing.
    """
    training: list[Sample] = []
    held_out: list[Sample] = []
    for path in sorted(folder.glob("*.json")):
        told = json.loads(path.read_text())
        (held_out if told["is_held_out"] else training).append(_sample(path, told))
    if not training:
        raise NoTrainingImagesError(
            f"no prepared pictures in {folder}: run `prepare-backdrops` first"
        )
    return training, held_out or training[-1:]


class BackdropBatches:
    """Draws batches of input and truth.

    Args:
        samples: the pictures.
        batch: pictures per batch.
    """

    def __init__(self, samples: Sequence[Sample], batch: int) -> None:
        self._samples = samples
        self._batch = batch
        weights = np.array([SOURCE_WEIGHTS[sample.source] for sample in samples])
        self._shares = weights / weights.sum()

    def __call__(self, rng: np.random.Generator, side: int) -> Pair:
        """Draw one batch; `side` is not looked at, a net has but one.

        Returns:
            Input, (B, PLANES, SIDE, SIDE); truth, (B, 7, SIDE, SIDE): red, green, blue; how well
            each pixel is known from the input, [0, 1]; and how what is behind the table differs
            from one colour.
        """
        chosen = rng.choice(len(self._samples), self._batch, p=self._shares)
        pairs = [self.draw(self._samples[int(index)], rng) for index in chosen]
        inputs, truths = zip(*pairs, strict=True)
        return torch.from_numpy(np.stack(inputs)), torch.from_numpy(np.stack(truths))

    def draw(self, sample: Sample, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Input and truth of one picture, mirrored half of the time."""
        planes: Floats = (sample.maps() / 255).astype(np.float32)
        picture: Floats = (sample.picture.transpose(2, 0, 1) / 255).astype(np.float32)
        numbers = np.concatenate([codes(sample.conditions), latent(sample.conditions.seed)])
        known: Floats = np.full((1, SIDE, SIDE), float(sample.is_paired), np.float32)
        if not sample.is_paired and sample.behind is not None:
            known = 1 - planes[:1]
        scenery = sample.scenery()
        if rng.random() < 0.5:
            planes, picture, scenery = (a[..., ::-1] for a in (planes, picture, scenery))
            numbers[LIGHT_ACROSS] *= -1
        return pack(planes, numbers), np.concatenate([picture, known, scenery])


def _sample(path: Path, told: dict[str, Any]) -> Sample:
    picture = path.with_suffix(".png")
    if not picture.exists():
        raise NoTrainingImagesError(
            f"{picture} is missing: copy the whole folder, or run `prepare-backdrops` again, which "
            "wrote JPEG files once"
        )
    behind = path.with_name(f"{path.stem}-behind.png")
    return Sample(
        read_tile(picture),
        BackdropConditions.from_plain(told),
        told["source"],
        told["is_paired"],
        behind=read_tile(behind) if behind.exists() else None,
    )


def codes_of(planes: torch.Tensor) -> torch.Tensor:
    """Codes, (B, CODES), of a batch of inputs."""
    return planes[:, len(MAPS)].flatten(1)[:, :CODES]
