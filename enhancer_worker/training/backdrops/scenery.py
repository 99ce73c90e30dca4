"""Starts the generator's scenery where least squares puts it, so that no step is spent on it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from enhancer_worker.nets.backdrop_conditions import LATENT
from enhancer_worker.nets.backdrop_generator import FREE, SCENERY, BackdropGenerator
from enhancer_worker.nets.backdrop_maps import SIDE
from enhancer_worker.training.backdrops.samples import Sample

RIDGE = 1.0
"""Keeps numbers that describe nothing from explaining anything."""
FEWEST = 8


@torch.no_grad()
def fit_scenery(net: BackdropGenerator, samples: Sequence[Sample]) -> None:
    """Regress what is behind tables on the latent numbers that describe it, style by style.

    Styles of which fewer than eight samples are described keep what they have.

    Args:
        net: changed in place.
        samples: training pictures.
    """
    for number, style in enumerate(FREE):
        known = [s for s in samples if s.latent is not None and s.conditions.style == style]
        if len(known) < FEWEST:
            continue
        layouts = np.stack([behind(sample) for sample in known])
        numbers = np.stack([s.latent for s in known if s.latent is not None])
        given = np.concatenate([numbers, np.ones((len(known), 1))], axis=1)
        penalty = RIDGE * np.eye(LATENT + 1)
        solved = np.linalg.solve(given.T @ given + penalty, given.T @ layouts)
        net.layouts_behind[number] = torch.from_numpy(solved.astype(np.float32))


def behind(sample: Sample) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """What is above the horizon, shrunk to `SCENERY`, without its mean colour, flat."""
    rows = max(1, round(SIDE * (1 - sample.conditions.horizon)))
    tall, wide = SCENERY
    panel = Image.fromarray(sample.picture[:rows])
    small = np.asarray(panel.resize((wide, tall), Image.Resampling.BOX)) / 255
    centred = small - small.mean(axis=(0, 1))
    return np.asarray(centred.reshape(-1))
