"""How far made pictures are from real ones: torchmetrics on our features, and neighbours."""

from __future__ import annotations

import warnings

import torch
from torch import Tensor, nn
from torchmetrics.image.fid import FrechetInceptionDistance
from torchmetrics.image.inception import InceptionScore
from torchmetrics.image.kid import KernelInceptionDistance

NEIGHBOURS = 3
SUBSETS = 50
LARGEST_SUBSET = 100
SPLITS = 4


class _Given(nn.Module):
    """Stands for a feature network where features have been computed already."""

    def __init__(self, num_features: int) -> None:
        super().__init__()
        self.num_features = num_features

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet(real: Tensor, made: Tensor) -> float:
    """FID (arXiv 1706.08500) of features (N, C) and (M, C)."""
    metric = FrechetInceptionDistance(_Given(real.shape[1]))
    metric.update(real, real=True)
    metric.update(made, real=False)
    return float(metric.compute())


def kernel(real: Tensor, made: Tensor) -> tuple[float, float]:
    """KID (arXiv 1801.01401) of features (N, C) and (M, C): mean and deviation over subsets.

    Seeded: the same features give the same figures.
    """
    size = min(len(real), len(made), LARGEST_SUBSET)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it keeps all features
        metric = KernelInceptionDistance(_Given(real.shape[1]), subsets=SUBSETS, subset_size=size)
    metric.update(real, real=True)
    metric.update(made, real=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mean, deviation = metric.compute()
    return float(mean), float(deviation)


def inception(logits: Tensor) -> float:
    """Inception Score (arXiv 1606.03498) of a classifier's logits (N, classes)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        metric = InceptionScore(_Given(logits.shape[1]), splits=SPLITS)
    metric.update(logits)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        mean, _ = metric.compute()
    return float(mean)


def precision_recall(real: Tensor, made: Tensor) -> tuple[float, float]:
    """Improved precision and recall (arXiv 1904.06991), three neighbours.

    Args:
        real: (N, C).
        made: (M, C).

    Returns:
        Share of made pictures within the manifold of real ones, and of real within made.
    """
    return _within(made, real), _within(real, made)


def _within(asked: Tensor, manifold: Tensor) -> float:
    own = torch.cdist(manifold, manifold)
    radii = own.kthvalue(NEIGHBOURS + 1, dim=1).values
    return float((torch.cdist(asked, manifold) <= radii).any(dim=1).float().mean())


def diversity(groups: Tensor) -> float:
    """Mean distance between pictures of one condition.

    Args:
        groups: features (conditions, pictures of each, C).
    """
    distances = torch.cdist(groups, groups)
    count = groups.shape[1]
    return float(distances.sum((1, 2)).mean() / (count * (count - 1)))
