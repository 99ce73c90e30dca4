"""Trains what is behind tables against a discriminator, on panels alone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from enhancer_worker.nets.backdrop_conditions import CODES, LATENT, codes
from enhancer_worker.nets.backdrop_scenery import PANEL
from enhancer_worker.training.backdrops.args import BackdropArgs
from enhancer_worker.training.backdrops.augmenting import COLOURS
from enhancer_worker.training.backdrops.discriminators import Discriminator
from enhancer_worker.training.backdrops.module import BackdropModule, Painting
from enhancer_worker.training.backdrops.samples import LIGHT_ACROSS, Sample
from enhancer_worker.training.data import Pair, RunClock, to_tensor

JUDGE_CHANNELS = (64, 128, 192)
"""At 24, 12 and 6 rows."""


class PanelBatches:
    """Draws batches of what a panel is made of, and panels.

    Args:
        samples: panels with their conditions.
        batch: panels per batch.
    """

    def __init__(self, samples: Sequence[Sample], batch: int) -> None:
        self._samples = samples
        self._batch = batch

    def __call__(self, rng: np.random.Generator, side: int) -> Pair:
        """Draw one batch, half of it mirrored; `side` is not looked at.

        Returns:
            (B, NUMBERS): codes and latent numbers; (B, 3, *PANEL).
        """
        numbers, pictures = [], []
        for index in rng.integers(len(self._samples), size=self._batch):
            sample = self._samples[int(index)]
            drawn = np.clip(rng.standard_normal(LATENT), -3, 3).astype(np.float32)
            told, picture = np.concatenate([codes(sample.conditions), drawn]), sample.picture
            if rng.random() < 0.5:
                told[LIGHT_ACROSS] *= -1
                picture = picture[:, ::-1]
            numbers.append(told)
            pictures.append(picture)
        return torch.from_numpy(np.stack(numbers)), to_tensor(pictures)


class SceneryModule(BackdropModule):
    """The loop of `BackdropModule` for panels: nothing of them is known, all is judged.

    Args:
        net: a `Scenery`.
        args: the run's arguments.
        clock: tells how much of the run has passed.
    """

    def __init__(self, net: nn.Module, args: BackdropArgs, clock: RunClock) -> None:
        judge = Discriminator(JUDGE_CHANNELS, seen=COLOURS)
        super().__init__(net, judge, args, clock, score=contrast)

    @property
    def has_judge(self) -> bool:
        """From the first step on."""
        return True

    def _paint(self, numbers: Tensor, truth: Tensor) -> Painting:
        with self._mixed():
            made = self.net(numbers)
        nothing = numbers.new_zeros(len(numbers), 0, *PANEL)
        losses = {"known": numbers.new_zeros(())}
        return Painting(made.float(), truth, nothing, numbers[:, :CODES], losses)


def contrast(made: Tensor, truth: Tensor) -> dict[str, float]:
    """How much panels differ from one colour, of how much real ones do: about 1 is right.

    Args:
        made: (B, 3, H, W), sRGB.
        truth: likewise.
    """
    spread, real = (panels.std((2, 3)).mean() for panels in (made, truth))
    return {"contrast": float(spread / real.clamp_min(1 / 255))}
