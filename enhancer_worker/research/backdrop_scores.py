"""Judges generators of backdrops against held-out pictures, beside what real pictures reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
import torch
from torch import Tensor

from enhancer_worker.nets.backdrop_conditions import STYLES, BackdropConditions, Palette
from enhancer_worker.pipeline.colour import ciede2000, srgb_to_lab
from enhancer_worker.research.backdrop_contenders import Painter
from enhancer_worker.training.backdrops.distances import (
    diversity,
    frechet,
    inception,
    kernel,
    precision_recall,
)
from enhancer_worker.training.backdrops.features import (
    OwnFeatures,
    Standard,
    features_of,
    fit_styles,
)
from enhancer_worker.training.backdrops.inception import InceptionFeatures, inception_figures
from enhancer_worker.training.backdrops.palettes import measure_palette
from enhancer_worker.training.backdrops.samples import Sample, read_samples
from enhancer_worker.training.backdrops.scenes import MIXED, SURFACED
from enhancer_worker.training.data import Tile

PHOTOGRAPHIC = frozenset({MIXED, SURFACED})
FIXED_CONDITIONS = 8
SEEDS = 6
FIRST_SEED = 1_000_000


@dataclass(frozen=True)
class Bench:
    """Held-out pictures in two halves, and what judges."""

    network: OwnFeatures
    """Frozen features."""
    standard: Standard
    """Scales them as the training pictures need."""
    classifier: torch.nn.Linear
    """Of styles, trained on training pictures."""
    asked: tuple[Sample, ...]
    """Half of the held-out pictures: contenders are asked for their conditions."""
    judged: tuple[Sample, ...]
    """The other half: what contenders are compared with."""
    inception: InceptionFeatures | None = None
    """Judges as well, where a user has its weights."""

    def features(self, pictures: Sequence[Tile]) -> Tensor:
        """Standardised features (N, C)."""
        found: Tensor = self.standard(features_of(pictures, self.network))
        return found


def read_bench(folder: Path, most: int = 400, inception: Path | None = None) -> Bench:
    """Prepare the comparison on what `prepare-backdrops` has written.

    Args:
        folder: with training and held-out pictures.
        most: training pictures that scale features and teach the classifier.
        inception: weights of Inception-v3; see `InceptionFeatures`.

    Raises:
        WorkerError: they are none.
    """
    judge_too = None if inception is None else InceptionFeatures(inception)
    training, held_out = read_samples(folder)
    picked = np.random.default_rng(1).permutation(len(training))[:most]
    chosen = [training[int(index)] for index in picked]
    network = OwnFeatures()
    raw = features_of([sample.picture for sample in chosen], network)
    standard = Standard(raw)
    styles = torch.tensor([STYLES.index(sample.conditions.style) for sample in chosen])
    classifier = fit_styles(standard(raw), styles, len(STYLES))
    order = np.random.default_rng(0).permutation(len(held_out))
    half = len(held_out) // 2
    asked = tuple(held_out[int(index)] for index in order[:half])
    judged = tuple(held_out[int(index)] for index in order[half : 2 * half])
    return Bench(network, standard, classifier, asked, judged, judge_too)


def judge_real(bench: Bench) -> dict[str, Any]:
    """The floor: one half of the real pictures judged by the other."""
    pictures = [sample.picture for sample in bench.asked]
    return _figures(bench, pictures, bench.features(pictures))


def judge(bench: Bench, paint: Painter) -> dict[str, Any]:
    """Ask for the conditions of one half with new seeds, and judge by the other half."""
    wanted = [_fresh(sample.conditions, n) for n, sample in enumerate(bench.asked)]
    pictures = paint(wanted)
    figures = _figures(bench, pictures, bench.features(pictures))
    return figures | {"diversity": diversity_of(bench, paint)}


def diversity_of(bench: Bench, paint: Painter) -> float:
    """Mean feature distance of pictures of one condition, of that of any two real ones."""
    step = max(1, len(bench.asked) // FIXED_CONDITIONS)
    chosen = [sample.conditions for sample in bench.asked[::step]][:FIXED_CONDITIONS]
    wanted = [_fresh(one, FIRST_SEED + n) for one in chosen for n in range(SEEDS)]
    groups = bench.features(paint(wanted)).reshape(len(chosen), SEEDS, -1)
    real = bench.features([sample.picture for sample in bench.judged])
    return diversity(groups) / diversity(real[None])


def palette_error(picture: Tile, palette: Palette, horizon: float) -> float:
    """Mean CIEDE2000 of both regions' mean colours from those asked for."""
    found = measure_palette(picture.astype(np.float32) / 255, horizon)
    pair = [np.array(colours[:2], np.uint8) for colours in (found, palette)]
    return float(ciede2000(*(srgb_to_lab(colours) for colours in pair)).mean())


def _figures(bench: Bench, pictures: Sequence[Tile], features: Tensor) -> dict[str, Any]:
    real = bench.features([sample.picture for sample in bench.judged])
    logits = bench.classifier(features)
    styles = torch.tensor([STYLES.index(sample.conditions.style) for sample in bench.asked])
    errors = [
        palette_error(picture, sample.conditions.palette, sample.conditions.horizon)
        for picture, sample in zip(pictures, bench.asked, strict=True)
    ]
    distance, deviation = kernel(real, features)
    precision, recall = precision_recall(real, features)
    published = {}
    if bench.inception is not None:
        judged = [sample.picture for sample in bench.judged]
        published = inception_figures(bench.inception, judged, pictures)
    return {
        "pictures": len(pictures),
        "kid_own": distance,
        "kid_own_deviation": deviation,
        "kid_own_photographs": _photographic(bench, features, real),
        "fid_own": frechet(real, features),
        "is_own": inception(logits),
        "precision": precision,
        "recall": recall,
        "palette_error": fmean(errors),
        "style_accuracy": float((logits.argmax(1) == styles).float().mean()),
        **published,
    }


def _photographic(bench: Bench, features: Tensor, real: Tensor) -> float | None:
    """KID on those pictures alone that have a photograph in them."""
    made = features[[sample.source in PHOTOGRAPHIC for sample in bench.asked]]
    photographs = real[[sample.source in PHOTOGRAPHIC for sample in bench.judged]]
    if min(len(made), len(photographs)) < 2:
        return None
    return kernel(photographs, made)[0]


def _fresh(conditions: BackdropConditions, number: int) -> BackdropConditions:
    return replace(conditions, seed=FIRST_SEED + number)


def per_style(bench: Bench, paint: Painter, count: int) -> Mapping[str, list[Tile]]:
    """Pictures of each style at held-out conditions, for people to look at.

    Args:
        bench: held-out conditions.
        paint: the contender.
        count: pictures of each style.
    """
    shown: dict[str, list[Tile]] = {}
    for style in STYLES:
        known = [s.conditions for s in (*bench.asked, *bench.judged) if s.conditions.style == style]
        if known:
            wanted = [_fresh(known[n % len(known)], n) for n in range(count)]
            shown[style] = paint(wanted)
    return shown
