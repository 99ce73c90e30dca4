"""Fits the confidence of cut-outs on held-out pictures, and says how honest it is."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from enhancer_worker.matting.coarse import Run, coarse_matte
from enhancer_worker.matting.confidence import GOOD_IOU, signs
from enhancer_worker.matting.refine import full_alpha
from enhancer_worker.nets.zoo import load_net, read_net
from enhancer_worker.training.evaluate_matting import torch_run
from enhancer_worker.training.fit_matting import HELD_OUT_MIXES, NAME, read_scenery
from enhancer_worker.training.matting_data import MattingPairs
from enhancer_worker.training.matting_layers import read_cutouts
from enhancer_worker.training.matting_metrics import region_figures

Array = NDArray[np.float64]
SIDE = 320
SEED = 777
RIDGE = 1e-2
"""Penalty on the weights."""
BINS = 5


def samples(run: Run, data: Path, count: int) -> tuple[Array, Array]:
    """Signs of held-out composites and whether each was cut out well.

    Returns:
        (N, 3) and (N,) of 0 and 1.
    """
    products = read_cutouts(data / "cutouts", held_out=True)
    scenery = read_scenery(data, held_out=True)
    # Of products alone: invented objects are harder than anything that a shop uploads.
    pairs = MattingPairs(products, [], scenery, 1, HELD_OUT_MIXES["product"])
    found, good = [], []
    for number in range(count):
        sample = pairs.draw(np.random.default_rng((SEED, number)), SIDE)
        picture, truth = (np.rint(plane * 255).astype(np.uint8) for plane in sample)
        matte = coarse_matte(run, picture)
        figures = region_figures(full_alpha(picture, matte), truth)
        found.append(signs(matte))
        good.append(figures["iou"] >= GOOD_IOU)
    return np.array(found), np.array(good, np.float64)


def fitted(found: Array, good: Array) -> Array:
    """Constant and weights of the likeliest logistic function in which no sign speaks for good.

    Signs resemble each other: left alone, one would take back what another one says.

    Args:
        found: (N, K) signs.
        good: (N,) of 0 and 1.
    """

    def cost(weights: Array) -> tuple[float, Array]:
        score = weights[0] + found @ weights[1:]
        lost = np.logaddexp(0, -score) @ good + np.logaddexp(0, score) @ (1 - good)
        error = 1 / (1 + np.exp(-score)) - good
        slope = np.concatenate([[error.sum()], error @ found + RIDGE * weights[1:]])
        return float(lost) + RIDGE / 2 * float(weights[1:] @ weights[1:]), slope

    bounds = [(None, None), *[(None, 0.0)] * found.shape[1]]
    weights: Array = minimize(cost, np.zeros(len(bounds)), jac=True, bounds=bounds).x
    return weights


def predicted(weights: Array, found: Array) -> Array:
    """Probability of each, (N,)."""
    score = np.clip(weights[0] + found @ weights[1:], -30, 30)
    chance: Array = 1 / (1 + np.exp(-score))
    return chance


def honesty(chance: Array, good: Array) -> dict[str, float]:
    """Brier score, that of always saying the mean, and the mean gap of five groups."""
    groups = np.array_split(np.argsort(chance), BINS)
    gaps = [abs(chance[group].mean() - good[group].mean()) * len(group) for group in groups]
    return {
        "brier": round(float(((chance - good) ** 2).mean()), 4),
        "brier_of_the_mean": round(float(((good.mean() - good) ** 2).mean()), 4),
        "calibration_error": round(float(sum(gaps)) / len(good), 4),
        "good": round(float(good.mean()), 4),
    }


def main(argv: Sequence[str] | None = None) -> int:
    """Fit on one half of the pictures, judge on the other, and print both as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="with cutouts/ and photos/")
    parser.add_argument("--weights", type=Path, help="a file; default: what ships")
    parser.add_argument("--count", type=int, default=400, help="pictures; default 400")
    args = parser.parse_args(sys.argv[1:] if argv is None else argv)
    net = read_net(NAME, args.weights) if args.weights else load_net(NAME)
    found, good = samples(torch_run(net), args.data, args.count)
    half = len(good) // 2
    weights = fitted(found[:half], good[:half])
    report = {
        "constant": round(float(weights[0]), 3),
        "weights": [round(float(weight), 3) for weight in weights[1:]],
        **honesty(predicted(weights, found[half:]), good[half:]),
    }
    sys.stdout.write(json.dumps(report) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
